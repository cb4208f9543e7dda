#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle.h"
#include "exec/execution-internal.h"
#include "exec/gate.h"
#include "exec/plan-internal.h"
#include "exec/request.h"
#include "loop/loop.h"

#include <stdlib.h>

enum {
    PLAN_NOTES_BYTES = 8 * 1024 * 1024, /* of all documents */
    PLAN_REFUSAL_BYTES = 256 * 1024,    /* a longer one has its message alone */
    PLAN_CAUSE_BYTES = 256,             /* what a cause takes beside its texts, roughly */
};

static const char plan_no_room[] = "\\ The rest is left out: the diffs of this plan are over 8 MiB\n";

/* ---- what is noted ---- */

static struct plan_note *plan_note(struct plan *p, size_t index)
{
    if (index >= BUNDLE_DOCUMENTS_MAX)
        return NULL;
    if (index >= p->note_count) {
        size_t count = (index + 1) * 2;
        p->notes = mem_grow(p->notes, count * sizeof(*p->notes));
        for (size_t i = p->note_count; i < count; i++)
            p->notes[i] = (struct plan_note){0};
        p->note_count = count;
    }
    return &p->notes[index];
}

void plan_note_diff(struct plan *p, size_t index, const char *diff, size_t len)
{
    struct plan_note *note = plan_note(p, index);
    if (!note || len == 0)
        return;
    if (p->note_bytes + len <= PLAN_NOTES_BYTES) {
        p->note_bytes += len;
        buf_append(&note->diff, diff, len);
    } else if (!str_ends(buf_str(&note->diff), plan_no_room)) {
        buf_puts(&note->diff, plan_no_room);
    }
}

void plan_note_refusal(struct plan *p, size_t index, const char *status, size_t len)
{
    struct plan_note *note = plan_note(p, index);
    if (!note || len > PLAN_REFUSAL_BYTES)
        return;
    kube_causes_free(note->causes, note->cause_count);
    note->cause_count = kube_causes(status, NULL, &note->causes);
    size_t bytes = note->cause_count ? len + note->cause_count * PLAN_CAUSE_BYTES : 0;
    if (p->note_bytes + bytes <= PLAN_NOTES_BYTES) {
        p->note_bytes += bytes;
        return;
    }
    kube_causes_free(note->causes, note->cause_count);
    note->causes = NULL;
    note->cause_count = 0;
}

/* ---- its life ---- */

static void plan_free(struct plan *p)
{
    timer_stop(&p->limit);
    deferred_cancel(&p->turn);
    execution_abandon(p->execution);
    plan_write_stop(p);
    execution_drop(p->execution);
    for (size_t i = 0; i < p->note_count; i++) {
        buf_free(&p->notes[i].diff);
        kube_causes_free(p->notes[i].causes, p->notes[i].cause_count);
    }
    free(p->notes);
    free(p->why);
    buf_free(&p->out);
    p->set->plans--;
    free(p);
}

void plan_cancel(struct plan **plan)
{
    if (*plan)
        plan_free(*plan);
    *plan = NULL;
}

void plan_answer(struct plan *p)
{
    plan_done_fn *done = p->done;
    void *arg = p->arg;
    struct buf result = p->out;
    p->out = (struct buf){0};
    plan_free(p);
    done(arg, &result);
}

static void plan_begin_writing(void *arg)
{
    struct plan *p = arg;
    p->turn = NULL;
    plan_write(p);
}

void plan_ended(struct plan *p, const struct bundle *bundle, const struct err *why)
{
    timer_stop(&p->limit);
    p->bundle = bundle;
    if (why || p->over_limit)
        p->why = mem_new(sizeof(*p->why));
    if (p->over_limit)
        err_code(p->why, ERR_TIMEOUT,
                 "the plan took more than %d seconds: what was not asked by then is not known", PLAN_SECONDS);
    else if (why)
        *p->why = *why;
    p->turn = loop_defer(p->set->options.loop, plan_begin_writing, p);
}

static void plan_over_limit(void *arg)
{
    struct plan *p = arg;
    p->limit = NULL;
    p->over_limit = true;
    if (p->execution->run)
        p->execution->ops->cancel(p->execution->run, true);
}

static int plan_admit(struct executions *set, const struct start_request *r, const struct user *user,
                      struct err *err)
{
    if (!start_request_is_apply(r))
        return err_code(err, ERR_BAD_REQUEST, "a plan is one of a manifest: intent must be apply-yaml");
    if (!str_empty(r->retry_of))
        return err_code(err, ERR_BAD_REQUEST, "a plan carries its manifest: retryOf does not go with it");
    if (gate_authorize(r, user, err))
        return -1;
    if (set->draining)
        return err_code(err, ERR_BUSY, "this host is stopping and takes nothing new");
    if (set->plans >= PLANS_AT_ONCE)
        return err_code(err, ERR_BUSY, "%d plans are made already; try again later", PLANS_AT_ONCE);
    return 0;
}

struct plan *plan_start(struct executions *set, struct start_request *request, const struct user *user,
                        plan_done_fn *done, void *arg, struct err *err)
{
    if (plan_admit(set, request, user, err)) {
        start_request_free(request);
        return NULL;
    }
    struct plan *p = mem_new(sizeof(*p));
    request->dry_run = true;
    p->set = set;
    p->done = done;
    p->arg = arg;
    p->execution = execution_new(set, request, user, mem_str("plan"));
    p->execution->plan = p;
    p->limit = timer_start(set->options.loop, (uint64_t)PLAN_SECONDS * 1000, plan_over_limit, p);
    set->plans++;
    execution_begin(p->execution);
    return p;
}
