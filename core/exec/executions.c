#include "base/clock.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/execution-internal.h"
#include "exec/flow.h"
#include "exec/gate.h"
#include "exec/journal.h"
#include "exec/kubectl.h"
#include "exec/request.h"
#include "guard/rbac.h"
#include "io/history.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    RUNNING_DEFAULT = 64,
    QUEUED_DEFAULT = 1000,
    KEPT_DEFAULT = 1000,
    BYTES_DEFAULT = 256 * 1024 * 1024,
    HOUR_MS = 3600 * 1000,
};

static void executions_hour(void *arg);

struct executions *executions_new(const struct executions_options *options)
{
    struct executions *set = mem_new(sizeof(*set));
    set->options = *options;
    executions_stats_init(&set->stats);
    if (!set->options.max_running)
        set->options.max_running = RUNNING_DEFAULT;
    if (!set->options.max_queued)
        set->options.max_queued = QUEUED_DEFAULT;
    if (!set->options.max_kept)
        set->options.max_kept = KEPT_DEFAULT;
    if (!set->options.max_bytes)
        set->options.max_bytes = BYTES_DEFAULT;
    shell_complete(&set->options.shell);
    TAILQ_INIT(&set->all);
    TAILQ_INIT(&set->queued);
    set->by_id = map_new();
    set->past = map_new();
    set->next = 1;
    if (set->options.history) {
        past_recover(set);
        set->hourly = timer_repeat(set->options.loop, HOUR_MS, executions_hour, set);
        executions_hour(set);
    }
    return set;
}

void executions_free(struct executions *set)
{
    struct execution *ex;
    while ((ex = TAILQ_FIRST(&set->all)) != NULL) {
        TAILQ_REMOVE(&set->all, ex, link);
        execution_abandon(ex);
        execution_drop(ex);
    }
    past_free(set);
    timer_stop(&set->drain_limit);
    timer_stop(&set->hourly);
    deferred_cancel(&set->drain_done);
    deferred_cancel(&set->trim);
    map_free(set->by_id, NULL);
    free(set);
}

void executions_observe(struct executions *set, struct executions_observer *observer)
{
    LIST_INSERT_HEAD(&set->observers, observer, link);
}

void executions_unobserve(struct executions_observer *observer)
{
    LIST_REMOVE(observer, link);
}

void executions_tell(struct execution *ex, enum execution_news news)
{
    struct executions_observer *observer;
    LIST_FOREACH(observer, &ex->set->observers, link)
    observer->news(observer->arg, ex, news);
}

static int executions_seen(void *arg, const struct history_row *row)
{
    (void)arg;
    (void)row;
    return 1;
}

static bool executions_stored(struct executions *set, const char *id)
{
    return set->options.history && history_find(set->options.history, id, executions_seen, NULL);
}

/* What the history has is out of memory only: nobody need know. */
static void executions_forget(struct executions *set, struct execution *ex)
{
    TAILQ_REMOVE(&set->all, ex, link);
    set->kept--;
    map_remove(set->by_id, ex->id);
    if (!executions_stored(set, ex->id))
        executions_tell(ex, EXECUTION_GONE);
    execution_drop(ex);
}

static size_t executions_bytes_of(const struct execution *ex)
{
    return journal_bytes(ex->journal) + start_request_bytes(ex->request) + ex->images.bytes;
}

/* Its row has gone, and its files will. */
static void executions_gone(void *arg, uint64_t number)
{
    struct executions *set = arg;
    struct execution *ex = TAILQ_LAST(&set->all, execution_list);
    while (ex && ex->number < number)
        ex = TAILQ_PREV(ex, execution_list, link);
    if (ex && ex->number == number && !ex->active && !ex->queued)
        executions_forget(set, ex);
}

static void executions_trim(void *arg)
{
    struct executions *set = arg;
    set->trim = NULL;
    if (history_trim(set->options.history, executions_gone, set))
        set->trim = loop_defer(set->options.loop, executions_trim, set);
}

static void executions_hour(void *arg)
{
    struct executions *set = arg;
    if (!set->trim)
        executions_trim(set);
}

/* Ended ones go, oldest first, while there are too many or they hold too much memory. */
static void executions_evict(struct executions *set)
{
    const struct executions_options *o = &set->options;
    size_t bytes = 0;
    struct execution *ex, *older;
    if (set->options.history && !set->trim)
        executions_trim(set);
    TAILQ_FOREACH(ex, &set->all, link)
    bytes += ex->active || ex->queued ? 0 : executions_bytes_of(ex);
    for (ex = TAILQ_LAST(&set->all, execution_list); ex; ex = older) {
        older = TAILQ_PREV(ex, execution_list, link);
        if (set->kept <= o->max_kept + set->active + set->waiting && bytes <= o->max_bytes)
            return;
        if (ex->active || ex->queued)
            continue;
        bytes -= executions_bytes_of(ex);
        executions_forget(set, ex);
    }
}

static void executions_start_queued(struct executions *set)
{
    struct execution *ex;
    while (set->active < set->options.max_running && (ex = TAILQ_FIRST(&set->queued)) != NULL) {
        TAILQ_REMOVE(&set->queued, ex, queue);
        ex->queued = false;
        set->waiting--;
        ex->active = true;
        set->active++;
        execution_begin(ex);
    }
}

static void executions_tell_drained(void *arg)
{
    struct executions *set = arg;
    set->drain_done = NULL;
    timer_stop(&set->drain_limit);
    set->drained(set->drained_arg);
}

static void executions_check_drained(struct executions *set)
{
    if (set->draining && set->active == 0 && set->waiting == 0 && !set->drain_done)
        set->drain_done = loop_defer(set->options.loop, executions_tell_drained, set);
}

void executions_one_ended(struct execution *ex)
{
    struct executions *set = ex->set;
    if (ex->active)
        set->active--;
    ex->active = false;
    executions_start_queued(set);
    executions_evict(set);
    executions_check_drained(set);
}

static bool executions_id_taken(struct executions *set, const char *id)
{
    return map_get(set->by_id, id) || executions_stored(set, id);
}

static char *executions_make_id(struct executions *set)
{
    for (int64_t now = clock_wall_ms();; now++) {
        char *id = mem_printf("exec-%" PRId64, now);
        if (!executions_id_taken(set, id))
            return id;
        free(id);
    }
}

/* A thousand manifests of 8 MiB may not wait at once. */
static int executions_check_memory(struct executions *set, const struct start_request *r, struct err *err)
{
    size_t bytes = start_request_bytes(r);
    const struct execution *ex;
    if (set->active < set->options.max_running)
        return 0;
    TAILQ_FOREACH(ex, &set->queued, queue)
    bytes += start_request_bytes(ex->request);
    if (bytes <= set->options.max_bytes)
        return 0;
    return err_code(err, ERR_BUSY, "the executions that wait hold %zu MiB already; try again later",
                    set->options.max_bytes >> 20);
}

static int executions_admit_command(const struct executions *set, const struct start_request *r,
                                    struct err *err)
{
    if (shell_admit(&set->options.shell, r->command, err))
        return -1;
    char **args = r->dry_run ? kubectl_dry_run_args(r, err) : NULL;
    free(args);
    return r->dry_run && !args ? -1 : 0;
}

static int executions_admit(struct executions *set, struct start_request *r, const struct user *user,
                            struct err *err)
{
    if (set->draining)
        return err_code(err, ERR_BUSY, "this host is stopping and takes nothing new");
    if (!str_empty(r->execution_id) && executions_id_taken(set, r->execution_id))
        return err_code(err, ERR_CONFLICT, "an execution %s exists already", r->execution_id);
    if (start_request_is_command(r) && executions_admit_command(set, r, err))
        return -1;
    const struct pack *pack = set->options.packs ? packs_current(set->options.packs) : NULL;
    if ((start_request_is_flow(r) && flow_admit(pack, r, err)) || gate_authorize(r, user, err))
        return -1;
    if (set->active >= set->options.max_running && set->waiting >= set->options.max_queued)
        return err_code(err, ERR_BUSY, "%u executions run and %u wait already; try again later",
                        set->options.max_running, set->options.max_queued);
    return executions_check_memory(set, r, err);
}

/* The request of an earlier host's execution; NULL with err. */
static struct start_request *executions_kept_request(struct executions *set, const struct execution *ex,
                                                     struct err *err)
{
    struct buf text = {0};
    struct start_request *kept = NULL;
    if (history_request(set->options.history, ex->number, &text))
        err_code(
            err, ERR_NOT_FOUND,
            "the request of %s is no longer kept: for a day after it was started, and, where its manifest "
            "holds a Secret, not beyond the end of the host",
            ex->id);
    else
        kept = start_request_load(buf_str(&text), text.len, err);
    buf_free(&text);
    return kept;
}

/* The request of the execution that a retry names, in place of the asked one, which is freed. NULL with err.
 */
static struct start_request *executions_retried(struct executions *set, struct start_request *asked,
                                                const struct user *user, struct err *err)
{
    struct start_request *kept = NULL, *loaded = NULL;
    const struct execution *ex = executions_find(set, asked->retry_of);
    if (!ex)
        err_code(err, ERR_NOT_FOUND, "the request of %s is no longer kept", asked->retry_of);
    else if (!rbac_is_admin(user->role) && !str_eq(ex->user.name, user->name))
        err_code(err, ERR_FORBIDDEN, "only %s, who started it, or an admin may retry %s", ex->user.name,
                 ex->id);
    else if (ex->request)
        kept = start_request_retry(ex->request, asked, err);
    else if ((loaded = executions_kept_request(set, ex, err)) != NULL)
        kept = start_request_retry(loaded, asked, err);
    start_request_free(loaded);
    start_request_free(asked);
    return kept;
}

struct execution *executions_start(struct executions *set, struct start_request *request,
                                   const struct user *user, struct err *err)
{
    if (!str_empty(request->retry_of) && !(request = executions_retried(set, request, user, err)))
        return NULL;
    if (executions_admit(set, request, user, err)) {
        start_request_free(request);
        return NULL;
    }
    char *id = str_empty(request->execution_id) ? executions_make_id(set) : mem_str(request->execution_id);
    struct execution *ex = execution_new(set, request, user, id);
    struct history *history = set->options.history;
    ex->journal = journal_new(set->options.loop, set->options.redactor, id);
    ex->number = history ? history_number(history) : set->next++;
    if (history) {
        journal_store(ex->journal, history_archive(history), ex->number);
        journal_set_tail(ex->journal, set->options.tail_lines, set->options.tail_bytes);
    }
    TAILQ_INSERT_HEAD(&set->all, ex, link);
    set->kept++;
    map_put(set->by_id, id, ex);
    ex->queued = true;
    TAILQ_INSERT_TAIL(&set->queued, ex, queue);
    set->waiting++;
    execution_plan(ex);
    executions_start_queued(set);
    return ex;
}

struct execution *executions_find(struct executions *set, const char *id)
{
    struct execution *ex = map_get(set->by_id, id);
    return ex || !set->options.history ? ex : past_find(set, id);
}

size_t executions_running(const struct executions *set)
{
    return set->active;
}

int execution_cancel(struct execution *ex, const struct user *user, struct err *err)
{
    struct executions *set = ex->set;
    if (!rbac_is_admin(user->role) && !str_eq(ex->user.name, user->name))
        return err_code(err, ERR_FORBIDDEN, "only %s, who started it, or an admin may cancel %s",
                        ex->user.name, ex->id);
    if (execution_ended(ex))
        return err_code(err, ERR_CONFLICT, "%s has ended already (%s)", ex->id, ex->outcome);
    if (ex->cancelled_by)
        return 0;
    ex->cancelled_by = mem_str(user->name);
    if (ex->queued) {
        TAILQ_REMOVE(&set->queued, ex, queue);
        ex->queued = false;
        set->waiting--;
        execution_finish(ex, &(struct execution_end){.exit_code = 130});
    } else if (ex->run) {
        ex->ops->cancel(ex->run, false);
    }
    return 0;
}

static void executions_drain_over(void *arg)
{
    struct executions *set = arg;
    struct execution *ex;
    set->drain_limit = NULL;
    TAILQ_FOREACH(ex, &set->all, link)
    {
        if (!ex->active || execution_ended(ex))
            continue;
        if (!ex->cancelled_by)
            ex->cancelled_by = mem_str("the host, which stops");
        if (ex->run)
            ex->ops->cancel(ex->run, true);
    }
}

void executions_drain(struct executions *set, uint64_t ms, void (*done)(void *arg), void *arg)
{
    struct user host = {.role = "admin", .name = "the host, which stops"};
    struct execution *ex;
    set->draining = true;
    set->drained = done;
    set->drained_arg = arg;
    TAILQ_FOREACH(ex, &set->all, link)
    if (!execution_ended(ex) && (ex->queued || start_request_is_command(ex->request)))
        execution_cancel(ex, &host, NULL);
    set->drain_limit = timer_start(set->options.loop, ms, executions_drain_over, set);
    executions_check_drained(set);
}
