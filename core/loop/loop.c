#include "loop/loop.h"

#include "base/log.h"
#include "base/mem.h"
#include "loop/child.h"

#include <stdlib.h>
#include <sys/queue.h>

enum { LOOP_DEFERRED_NS = 8000000 };

static const uint64_t turn_bounds[HISTOGRAM_BUCKETS] = {500,   1000,  2500,   5000,   10000,
                                                        20000, 50000, 100000, 250000, 1000000};

struct deferred {
    TAILQ_ENTRY(deferred) link;
    struct loop *loop;
    loop_fn *fn;
    void *arg;
};

TAILQ_HEAD(deferred_list, deferred);

struct loop {
    uv_loop_t uv;
    /* An idle handle that runs while something is deferred keeps the loop from
     * sleeping; it is not counted as left open. */
    uv_idle_t idle;
    uv_prepare_t turn; /* runs once a turn, and is not counted either */
    uint64_t turn_ns, idle_ns;
    struct loop_stats stats;
    struct deferred_list deferred, running;
    struct children *children; /* NULL until there is one */
};

struct timer {
    uv_timer_t uv;
    loop_fn *fn;
    void *arg;
};

struct job {
    uv_work_t uv;
    loop_fn *work, *done, *dispose;
    void *arg;
};

struct signal_watch {
    uv_signal_t uv;
    loop_fn *fn;
    void *arg;
};

static void loop_run_deferred(uv_idle_t *idle)
{
    struct loop *loop = idle->data;
    /* What is deferred from inside a call waits for the next turn. */
    TAILQ_CONCAT(&loop->running, &loop->deferred, link);
    uint64_t began = uv_hrtime();
    struct deferred *d;
    /* However many there are (a slice of each busy script, say), input and output
     * get their chance in between; what is left stays first in line. */
    while ((d = TAILQ_FIRST(&loop->running)) != NULL && uv_hrtime() - began < LOOP_DEFERRED_NS) {
        TAILQ_REMOVE(&loop->running, d, link);
        loop_fn *fn = d->fn;
        void *arg = d->arg;
        free(d);
        fn(arg);
    }
    if (TAILQ_EMPTY(&loop->deferred) && TAILQ_EMPTY(&loop->running))
        uv_idle_stop(&loop->idle);
}

/* From here to here is a turn; what libuv slept of it is no delay. */
static void loop_count_turn(uv_prepare_t *turn)
{
    struct loop *loop = turn->data;
    uint64_t now = uv_hrtime(), idle = uv_metrics_idle_time(&loop->uv);
    if (loop->turn_ns) {
        uint64_t turn_ns = now - loop->turn_ns, slept = idle - loop->idle_ns;
        uint64_t us = slept < turn_ns ? (turn_ns - slept) / 1000 : 0;
        histogram_add(&loop->stats.turns, us);
        if (us > loop->stats.longest_us)
            loop->stats.longest_us = us;
    }
    loop->turn_ns = now;
    loop->idle_ns = idle;
}

struct loop_stats loop_stats(struct loop *loop)
{
    struct loop_stats stats = loop->stats;
    loop->stats.longest_us = 0;
    return stats;
}

struct loop *loop_new(void)
{
    struct loop *loop = mem_new(sizeof(*loop));
    TAILQ_INIT(&loop->deferred);
    TAILQ_INIT(&loop->running);
    loop->stats.turns.bounds = turn_bounds;
    if (uv_loop_init(&loop->uv) || uv_loop_configure(&loop->uv, UV_METRICS_IDLE_TIME) ||
        uv_idle_init(&loop->uv, &loop->idle) || uv_prepare_init(&loop->uv, &loop->turn)) {
        log_error("the event loop cannot be made");
        abort();
    }
    loop->idle.data = loop->turn.data = loop;
    uv_prepare_start(&loop->turn, loop_count_turn);
    uv_unref((uv_handle_t *)&loop->turn);
    loop->uv.data = loop;
    return loop;
}

uv_loop_t *loop_uv(struct loop *loop)
{
    return &loop->uv;
}

struct children **loop_children(struct loop *loop)
{
    return &loop->children;
}

void loop_run(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_DEFAULT);
}

void loop_turn(struct loop *loop)
{
    uv_run(&loop->uv, UV_RUN_ONCE);
}

void loop_stop(struct loop *loop)
{
    uv_stop(&loop->uv);
}

static void loop_name_open(uv_handle_t *handle, void *arg)
{
    int *open = arg;
    struct loop *loop = handle->loop->data;
    if (uv_is_closing(handle) || handle == (uv_handle_t *)&loop->idle || handle == (uv_handle_t *)&loop->turn)
        return;
    log_warn("left open at the end: a %s handle", uv_handle_type_name(handle->type));
    ++*open;
}

int loop_close(struct loop *loop)
{
    int open = 0;
    struct deferred *d;
    TAILQ_CONCAT(&loop->running, &loop->deferred, link);
    while ((d = TAILQ_FIRST(&loop->running)) != NULL) {
        TAILQ_REMOVE(&loop->running, d, link);
        free(d);
    }
    children_close(loop);
    uv_walk(&loop->uv, loop_name_open, &open);
    if (open > 0)
        return open;
    uv_close((uv_handle_t *)&loop->idle, NULL);
    uv_close((uv_handle_t *)&loop->turn, NULL);
    uv_run(&loop->uv, UV_RUN_DEFAULT);
    uv_loop_close(&loop->uv);
    free(loop);
    return 0;
}

static void timer_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void timer_fire(uv_timer_t *uv)
{
    struct timer *timer = uv->data;
    loop_fn *fn = timer->fn;
    void *arg = timer->arg;
    if (uv_timer_get_repeat(uv) == 0)
        uv_close((uv_handle_t *)uv, timer_free);
    fn(arg);
}

static struct timer *timer_new(struct loop *loop, uint64_t ms, uint64_t repeat, loop_fn *fn, void *arg)
{
    struct timer *timer = mem_new(sizeof(*timer));
    timer->fn = fn;
    timer->arg = arg;
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    /* The loop's clock may be a long callback old. */
    uv_update_time(&loop->uv);
    uv_timer_start(&timer->uv, timer_fire, ms, repeat);
    return timer;
}

struct timer *timer_start(struct loop *loop, uint64_t ms, loop_fn *fn, void *arg)
{
    return timer_new(loop, ms, 0, fn, arg);
}

struct timer *timer_repeat(struct loop *loop, uint64_t ms, loop_fn *fn, void *arg)
{
    return timer_new(loop, ms, ms ? ms : 1, fn, arg);
}

void timer_stop(struct timer **timer)
{
    if (*timer)
        uv_close((uv_handle_t *)&(*timer)->uv, timer_free);
    *timer = NULL;
}

struct deferred *loop_defer(struct loop *loop, loop_fn *fn, void *arg)
{
    struct deferred *d = mem_new(sizeof(*d));
    *d = (struct deferred){.loop = loop, .fn = fn, .arg = arg};
    TAILQ_INSERT_TAIL(&loop->deferred, d, link);
    uv_idle_start(&loop->idle, loop_run_deferred);
    return d;
}

void deferred_cancel(struct deferred **deferred)
{
    struct deferred *d = *deferred;
    *deferred = NULL;
    if (!d)
        return;
    /* It stands in one of the two lists; removing needs the right head only when it is the last. */
    struct deferred *in;
    struct deferred_list *list = &d->loop->deferred;
    TAILQ_FOREACH(in, &d->loop->running, link)
    if (in == d)
        list = &d->loop->running;
    TAILQ_REMOVE(list, d, link);
    free(d);
}

static void job_work(uv_work_t *uv)
{
    struct job *job = uv->data;
    job->work(job->arg);
}

static void job_done(uv_work_t *uv, int status)
{
    struct job *job = uv->data;
    loop_fn *fn = job->done ? job->done : job->dispose;
    void *arg = job->arg;
    (void)status;
    free(job);
    if (fn)
        fn(arg);
}

struct job *loop_job(struct loop *loop, loop_fn *work, loop_fn *done, void *arg)
{
    struct job *job = mem_new(sizeof(*job));
    *job = (struct job){.work = work, .done = done, .arg = arg};
    job->uv.data = job;
    uv_queue_work(&loop->uv, &job->uv, job_work, job_done);
    return job;
}

void job_forget(struct job **job, loop_fn *dispose)
{
    if (*job) {
        (*job)->done = NULL;
        (*job)->dispose = dispose;
    }
    *job = NULL;
}

static void signal_fire(uv_signal_t *uv, int signum)
{
    struct signal_watch *watch = uv->data;
    (void)signum;
    watch->fn(watch->arg);
}

struct signal_watch *signal_watch_start(struct loop *loop, int signum, loop_fn *fn, void *arg)
{
    struct signal_watch *watch = mem_new(sizeof(*watch));
    watch->fn = fn;
    watch->arg = arg;
    uv_signal_init(&loop->uv, &watch->uv);
    watch->uv.data = watch;
    uv_signal_start(&watch->uv, signal_fire, signum);
    return watch;
}

void signal_watch_stop(struct signal_watch **watch)
{
    if (*watch)
        uv_close((uv_handle_t *)&(*watch)->uv, timer_free);
    *watch = NULL;
}
