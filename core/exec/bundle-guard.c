#include "exec/bundle-guard.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle.h"
#include "exec/gate.h"
#include "exec/judge.h"
#include "exec/request.h"
#include "exec/run.h"
#include "guard/auth.h"
#include "loop/loop.h"

#include <stdlib.h>

enum { GUARD_FETCHES = 16, GUARD_SLICE_US = 4000 };

/* A document whose live object is fetched, or was and waits to be judged. */
struct guard_slot {
    struct bundle_guard *guard;
    struct document *document; /* NULL: the slot is free */
    struct kube_call *fetching;
    struct buf live;
    struct verdicts verdicts;
};

struct bundle_guard {
    struct bundle *bundle;
    struct execution *execution;
    struct cluster *cluster;
    bundle_guard_fn *done;
    void *arg;
    const char *action; /* "delete", "scale": of the live object; NULL: create or update */
    struct guard_slot slots[GUARD_FETCHES];
    size_t next, told;
    bool denied;
    struct deferred *turn;
};

static void guard_turn(void *arg);

static void guard_again(struct bundle_guard *g)
{
    if (!g->turn)
        g->turn = loop_defer(execution_options(g->execution)->loop, guard_turn, g);
}

/* True, and it goes on in a later turn, where this one's time is over. */
static bool guard_slice_over(struct bundle_guard *g, uint64_t began)
{
    if (clock_mono_us() - began <= GUARD_SLICE_US)
        return false;
    guard_again(g);
    return true;
}

static void guard_free_slot(struct guard_slot *s)
{
    buf_free(&s->live);
    verdicts_free(&s->verdicts);
    s->document = NULL;
}

static void guard_refuse(struct bundle_guard *g, struct document *d, enum err_code code, char *message)
{
    free(d->message);
    d->message = message;
    d->code = code;
    d->outcome = "failed";
    g->denied = true;
}

/* ---- the live objects ---- */

static void guard_unread(struct guard_slot *s, enum err_code code, const char *why)
{
    guard_refuse(s->guard, s->document, code,
                 mem_printf("a guardrail concerns it, and the live object cannot be read: %s", why));
    guard_free_slot(s);
}

static void guard_fetched(void *arg, const struct kube_answer *answer)
{
    struct guard_slot *s = arg;
    bool good = answer->status >= 200 && answer->status < 300;
    s->fetching = NULL;
    guard_again(s->guard);
    if (!good && answer->status != 404) {
        /* A server that does not answer is asked for no other one. */
        if (answer->status == 0)
            s->guard->next = s->guard->bundle->count;
        guard_unread(s, answer->code, answer->message);
        return;
    }
    if (good)
        buf_append(&s->live, answer->body, answer->body_len);
    if (s->live.failed)
        guard_unread(s, ERR_NO_MEMORY, "not enough memory");
    else if (!good && s->guard->action)
        guard_free_slot(s); /* what is not there is neither deleted nor scaled */
}

/* A name that the server will choose names nothing that is there. */
static void guard_fetch(struct guard_slot *s)
{
    struct document *d = s->document;
    struct err err;
    if (str_empty(d->name))
        return;
    s->fetching = gate_live(s->guard->cluster, &d->served, d->ns, d->name, guard_fetched, s, &err);
    if (!s->fetching)
        guard_unread(s, err.code, err.text);
}

/* ---- judging ---- */

static void guard_judged(struct guard_slot *s)
{
    struct document *d = s->document;
    if (s->verdicts.denied) {
        char *sentence = verdict_sentence(verdicts_denial(&s->verdicts));
        guard_refuse(s->guard, d, ERR_FORBIDDEN, mem_printf("guardrail %s", sentence));
        free(sentence);
    }
    d->verdicts = s->verdicts.items;
    d->verdict_count = s->verdicts.count;
    s->verdicts = (struct verdicts){0};
    guard_free_slot(s);
}

static bool guard_judge(struct guard_slot *s)
{
    struct bundle_guard *g = s->guard;
    const struct document *d = s->document;
    const struct user *user = execution_user(g->execution);
    struct judge_case c = {
        .user = user->name,
        .role = user->role,
        .context = cluster_context(g->cluster),
        .namespace_ = d->ns,
        .action = str_or(g->action, s->live.len ? "update" : "create"),
        .resource = d->resource_name,
        .ref = d->ref,
        .dry_run = execution_request(g->execution)->dry_run,
        .json = g->action ? s->live.data : d->json,
        .json_len = g->action ? s->live.len : d->json_len,
        .live = s->live.data,
        .live_len = s->live.len,
    };
    if (!judge_some(execution_judge(g->execution), &c, &s->verdicts))
        return false;
    guard_judged(s);
    return true;
}

/* Gives the free slots their next documents. True when there is none left to give. */
static bool guard_fill(struct bundle_guard *g, uint64_t began)
{
    for (size_t i = 0; i < GUARD_FETCHES; i++) {
        struct guard_slot *s = &g->slots[i];
        while (!s->document && g->next < g->bundle->count) {
            if (guard_slice_over(g, began))
                return false;
            struct document *d = &g->bundle->documents[g->next++];
            if (!judge_needed(execution_pack(g->execution), d->resource_name))
                continue;
            s->document = d;
            guard_fetch(s);
            if (s->document && !s->fetching)
                guard_again(g);
        }
    }
    return g->next == g->bundle->count;
}

/* ---- what is said ---- */

static void guard_tell_one(struct bundle_guard *g, const struct document *d)
{
    for (size_t i = 0; i < d->verdict_count; i++) {
        const struct event_verdict *v = &d->verdicts[i];
        bool deny = str_eq(v->level, "deny"), warn = str_eq(v->level, "warn");
        if (!deny && (!warn || !judge_first(execution_judge(g->execution), d->ns, d->ref, v)))
            continue;
        char *sentence = verdict_sentence(v);
        char *line = deny ? mem_printf("%s denied by guardrail %s", d->ref, sentence)
                          : mem_printf("Warning: %s: guardrail %s", d->ref, sentence);
        execution_line(g->execution, STREAM_STDERR, line);
        free(line);
        free(sentence);
    }
    if (d->outcome && d->verdict_count == 0) {
        char *line = mem_printf("%s failed: %s", d->ref, d->message);
        execution_line(g->execution, STREAM_STDERR, line);
        free(line);
    }
}

/* Why the documents that nobody denied have not gone out either. */
static void guard_tell_all(const struct bundle_guard *g)
{
    size_t refused = 0, count = g->bundle->count;
    for (size_t i = 0; i < count; i++)
        refused += g->bundle->documents[i].outcome != NULL;
    if (!g->denied || refused == count)
        return;
    char *line = mem_printf("nothing was sent: %zu of %zu documents may not be", refused, count);
    execution_line(g->execution, STREAM_STDERR, line);
    free(line);
}

/* In the order of the file, once all are judged. */
static void guard_tell(struct bundle_guard *g, uint64_t began)
{
    while (g->told < g->bundle->count) {
        if (guard_slice_over(g, began))
            return;
        guard_tell_one(g, &g->bundle->documents[g->told++]);
    }
    guard_tell_all(g);
    bundle_guard_fn *done = g->done;
    void *arg = g->arg;
    bool denied = g->denied;
    bundle_guard_stop(&g);
    done(arg, denied);
}

static void guard_turn(void *arg)
{
    struct bundle_guard *g = arg;
    uint64_t began = clock_mono_us();
    g->turn = NULL;
    for (size_t i = 0; i < GUARD_FETCHES; i++) {
        struct guard_slot *s = &g->slots[i];
        if (!s->document || s->fetching)
            continue;
        if (guard_slice_over(g, began))
            return;
        if (!guard_judge(s)) {
            guard_again(g);
            return;
        }
    }
    bool all = guard_fill(g, began);
    for (size_t i = 0; all && i < GUARD_FETCHES; i++)
        all = !g->slots[i].document;
    if (all)
        guard_tell(g, began);
}

struct bundle_guard *bundle_guard_start(struct bundle *bundle, struct execution *ex, struct cluster *cluster,
                                        bundle_guard_fn *done, void *arg)
{
    struct bundle_guard *g = mem_new(sizeof(*g));
    const char *action = execution_request(ex)->action;
    *g = (struct bundle_guard){
        .bundle = bundle,
        .execution = ex,
        .cluster = cluster,
        .done = done,
        .arg = arg,
        .action = str_eq(action, "delete") || str_eq(action, "scale") ? action : NULL,
    };
    for (size_t i = 0; i < GUARD_FETCHES; i++)
        g->slots[i].guard = g;
    judge_set_bundle(execution_judge(ex), bundle);
    guard_again(g);
    return g;
}

void bundle_guard_stop(struct bundle_guard **guard)
{
    struct bundle_guard *g = *guard;
    *guard = NULL;
    if (!g)
        return;
    deferred_cancel(&g->turn);
    for (size_t i = 0; i < GUARD_FETCHES; i++) {
        kube_cancel(&g->slots[i].fetching);
        guard_free_slot(&g->slots[i]);
    }
    free(g);
}
