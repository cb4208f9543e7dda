/* children.c: all children of a loop: one census for all of them at a time, on the pool, and the reaping of
 * orphans, whose parent this process is from the first child on. */
#include "loop/child-internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

enum {
    CHILDREN_COUNT_MS = 1000, /* between two counts of who runs */
    CHILDREN_LOOK_MS = 50,    /* between two looks at who is left of those told to end */
    CHILDREN_END_MS = 2000,   /* longer the end of the loop is not held up */
};

struct children_census {
    struct children *set;
    struct census_family *families;
    size_t count;
    bool failed;
};

struct children {
    struct loop *loop;
    LIST_HEAD(child_list, child) all;
    uv_signal_t died;
    struct timer *timer;
    struct job *job;
    bool again;
};

static void children_look_now(void *arg);

static void children_died(uv_signal_t *uv, int signum)
{
    (void)signum;
    children_reap(uv->data);
}

struct children *children_of(struct loop *loop)
{
    struct children **slot = loop_children(loop), *set = *slot;
    if (set)
        return set;
    *slot = set = mem_new(sizeof(*set));
    set->loop = loop;
    LIST_INIT(&set->all);
    uv_signal_init(loop_uv(loop), &set->died);
    set->died.data = set;
    uv_signal_start(&set->died, children_died, SIGCHLD);
    uv_unref((uv_handle_t *)&set->died);
    if (prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0))
        log_warn("what a command leaves behind may not be found: %s", strerror(errno));
    return set;
}

static const struct child *children_find_pid(const struct children *set, pid_t pid)
{
    const struct child *child;
    LIST_FOREACH(child, &set->all, link)
    if (child->pid == pid)
        return child;
    return NULL;
}

void children_reap(struct children *set)
{
    for (;;) {
        siginfo_t info = {0};
        /* A child of ours keeps its number until it ends for good; then this is called again. */
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid == 0 ||
            children_find_pid(set, info.si_pid))
            return;
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

static bool children_wants(const struct child *child)
{
    return child->signum || child->options.on_count;
}

/* When the next census is due; 0: there is nobody to count. */
static uint64_t children_pause(const struct children *set)
{
    const struct child *child;
    uint64_t ms = 0;
    LIST_FOREACH(child, &set->all, link)
    {
        if (child->signum)
            return CHILDREN_LOOK_MS;
        if (child->options.on_count)
            ms = CHILDREN_COUNT_MS;
    }
    return ms;
}

static void children_schedule(struct children *set)
{
    uint64_t ms = children_pause(set);
    if (ms && !set->timer && !set->job)
        set->timer = timer_start(set->loop, ms, children_look_now, set);
}

void children_add(struct children *set, struct child *child)
{
    child->set = set;
    LIST_INSERT_HEAD(&set->all, child, link);
    children_schedule(set);
}

void children_remove(struct child *child)
{
    struct children *set = child->set;
    LIST_REMOVE(child, link);
    if (!children_pause(set))
        timer_stop(&set->timer);
}

static struct child *children_find_mark(const struct children *set, const char *mark)
{
    struct child *child;
    LIST_FOREACH(child, &set->all, link)
    if (strcmp(child->mark, mark) == 0)
        return child;
    return NULL;
}

static struct children_census *children_census_new(struct children *set)
{
    struct children_census *census = mem_new(sizeof(*census));
    struct child *child;
    size_t most = 0;
    LIST_FOREACH(child, &set->all, link)
    most++;
    census->set = set;
    census->families = mem_new((most + 1) * sizeof(*census->families));
    LIST_FOREACH(child, &set->all, link)
    {
        if (!children_wants(child))
            continue;
        struct census_family *f = &census->families[census->count++];
        *f = (struct census_family){
            .root = child->pid,
            .signum = child->signum,
            .named = child->signum == SIGKILL,
            .members = child->members,
            .count = child->count,
        };
        memcpy(f->mark, child->mark, sizeof(f->mark));
        child->members = NULL;
        child->count = 0;
        child->asked = true;
        child->stale = false;
    }
    return census;
}

static void children_census_free(struct children_census *census)
{
    for (size_t i = 0; i < census->count; i++)
        census_clear(&census->families[i]);
    free(census->families);
    free(census);
}

static void children_census_take(void *arg)
{
    struct children_census *census = arg;
    census->failed = census_take(census->families, census->count) != 0;
}

/* Gives each child what was found of it. */
static void children_census_share(struct children_census *census)
{
    for (size_t i = 0; i < census->count; i++) {
        struct census_family *f = &census->families[i];
        struct child *child = children_find_mark(census->set, f->mark);
        if (!child)
            continue;
        child_set_members(child, f->members, f->count);
        f->members = NULL;
        f->count = 0;
        child->asked = false;
        child->empty = child->count || child->stale || census->failed ? 0 : child->empty + 1;
    }
}

static void children_counted(void *arg)
{
    struct children_census *census = arg;
    struct children *set = census->set;
    set->job = NULL;
    /* All of it first: what they are told below may ask for the next census at once. */
    children_census_share(census);
    for (size_t i = 0; i < census->count; i++) {
        struct child *child = children_find_mark(set, census->families[i].mark);
        if (child && !census->failed)
            child_counted(child);
        else if (child)
            child_not_counted(child);
    }
    if (set->again && !census->failed)
        children_look(set);
    children_census_free(census);
    children_schedule(set);
}

static void children_look_now(void *arg)
{
    struct children *set = arg;
    set->timer = NULL;
    children_look(set);
}

void children_look(struct children *set)
{
    set->again = set->job != NULL;
    if (set->job)
        return;
    timer_stop(&set->timer);
    set->job = loop_job(set->loop, children_census_take, children_counted, children_census_new(set));
}

static void children_census_dispose(void *arg)
{
    children_census_free(arg);
}

static void children_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void children_end(struct loop *loop)
{
    struct children *set = *loop_children(loop);
    struct child *child;
    uint64_t until = clock_mono_ms() + CHILDREN_END_MS;
    if (!set || LIST_EMPTY(&set->all))
        return;
    LIST_FOREACH(child, &set->all, link)
    {
        child->signum = SIGKILL;
        kill(-child->pid, SIGKILL);
    }
    for (size_t left = 1; left && clock_mono_ms() < until;) {
        struct children_census *census = children_census_new(set);
        children_census_take(census);
        left = 0;
        for (size_t i = 0; i < census->count; i++)
            left += census->families[i].count;
        left += census->failed;
        children_census_share(census);
        children_census_free(census);
        if (left)
            nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

void children_close(struct loop *loop)
{
    struct children **slot = loop_children(loop), *set = *slot;
    struct child *child, *next;
    if (!set)
        return;
    children_end(loop);
    for (child = LIST_FIRST(&set->all); child; child = next) {
        next = LIST_NEXT(child, link);
        if (child->abandoned)
            child_close(child);
    }
    if (!LIST_EMPTY(&set->all))
        return;
    job_forget(&set->job, children_census_dispose);
    timer_stop(&set->timer);
    uv_close((uv_handle_t *)&set->died, children_closed);
    *slot = NULL;
}
