/* apply.c: a manifest as an execution: parse all, route, judge, and only then send (apply-documents.c). */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/apply-internal.h"
#include "exec/bundle-guard.h"
#include "exec/ctx.h"
#include "exec/ledger.h"
#include "exec/plan-internal.h"
#include "exec/request.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "script/cell.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

enum {
    APPLY_INLINE_BYTES = 64 * 1024, /* a longer text is parsed on the pool */
    APPLY_INLINE_DOCUMENTS = 500,   /* more of them are freed there */
    APPLY_SLICE_US = 4000,
};

/* What the pool works on; outlives the apply that forgot it. */
struct apply_parse {
    struct apply *apply;
    struct execution *execution; /* kept: it owns the texts */
    const struct start_request *request;
    struct bundle bundle;
    struct err err;
    int rc;
};

/* ---- the end ---- */

static bool document_failed(const struct document *d)
{
    return d->unready || str_eq(d->outcome, "failed") || str_eq(d->outcome, "in-doubt");
}

static const struct document *apply_first_failed(const struct apply *a)
{
    for (size_t i = 0; i < a->bundle.count; i++)
        if (document_failed(&a->bundle.documents[i]))
            return &a->bundle.documents[i];
    return NULL;
}

static void apply_report(struct apply *a, const struct err *why)
{
    struct event_document *rows = mem_new((a->bundle.count + 1) * sizeof(*rows));
    struct execution_end end = {.error = "", .documents = rows, .has_documents = true};
    for (size_t i = 0; i < a->bundle.count; i++)
        rows[i] = document_row(&a->bundle.documents[i]);
    end.document_count = a->bundle.count;
    const struct document *failed = apply_first_failed(a);
    if (why || failed) {
        end.exit_code = 1;
        end.error = why ? why->text : failed->message;
        end.code = why ? why->code : failed->code;
    }
    if (a->ctx)
        end.changed = *ctx_counts(a->ctx);
    execution_finish(a->execution, &end);
    ledger_done(a->ledger);
    a->ledger = NULL;
    free(rows);
}

static void apply_parse_free(void *arg)
{
    struct apply_parse *p = arg;
    bundle_free(&p->bundle);
    execution_drop(p->execution);
    free(p);
}

static void apply_stop(struct apply *a)
{
    kube_cancel(&a->discovering);
    bundle_guard_stop(&a->guard);
    deferred_cancel(&a->turn);
    if (a->parsing)
        job_forget(&a->parsing, apply_parse_free);
    a->parse = NULL;
    if (a->cell)
        cell_free(a->cell);
    a->cell = NULL;
}

void apply_finish(struct apply *a, const struct err *why)
{
    struct plan *plan = execution_planner(a->execution);
    a->ended = true;
    /* What still runs would have something to say after the end, and change what is read from now on. */
    apply_stop(a);
    if (plan)
        plan_ended(plan, &a->bundle, why);
    else
        apply_report(a, why);
}

/* Says why on stderr, and ends. */
static void apply_fail(struct apply *a, const struct err *why)
{
    execution_line(a->execution, STREAM_STDERR, why->text);
    apply_finish(a, why);
}

/* ---- before the first document ---- */

bool apply_slice_over(struct apply *a, uint64_t began, loop_fn *again)
{
    if (clock_mono_us() - began <= APPLY_SLICE_US)
        return false;
    a->turn = loop_defer(execution_options(a->execution)->loop, again, a);
    return true;
}

/* Does `one` to each document in turn, slice by slice: `again` is called for the next one. True when all
 * are done. */
static bool apply_each(struct apply *a, void (*one)(struct apply *a, struct document *d), loop_fn *again)
{
    uint64_t began = clock_mono_us();
    while (a->at < a->bundle.count) {
        if (apply_slice_over(a, began, again))
            return false;
        one(a, &a->bundle.documents[a->at++]);
    }
    a->at = 0;
    return true;
}

static void apply_refuse_one(struct apply *a, struct document *d)
{
    if (str_eq(d->outcome, "failed"))
        apply_document_refused(a, d);
}

static void apply_refuse(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    if (apply_each(a, apply_refuse_one, apply_refuse))
        apply_finish(a, NULL);
}

void apply_sent(struct apply *a)
{
    const struct start_request *r = execution_request(a->execution);
    if (r->wait && !r->dry_run)
        apply_wait_start(a);
    else
        apply_finish(a, NULL);
}

/* Before the first is sent: what there is to do. */
static void apply_note(struct apply *a)
{
    struct event_document *rows = mem_new((a->bundle.count + 1) * sizeof(*rows));
    for (size_t i = 0; i < a->bundle.count; i++)
        rows[i] = document_row(&a->bundle.documents[i]);
    a->ledger = execution_ledger(a->execution, rows, a->bundle.count);
    free(rows);
}

static void apply_open(struct apply *a)
{
    struct err err;
    bundle_order(&a->bundle, str_eq(execution_request(a->execution)->action, "delete"));
    a->cell = cell_new(execution_options(a->execution)->loop, execution_pack(a->execution), NULL, &err);
    if (!a->cell) {
        apply_fail(a, &err);
        return;
    }
    a->ctx = ctx_new(a->cell, a->execution, a->cluster);
    execution_set_running(a->execution);
    apply_note(a);
    apply_send(a);
}

static void apply_guarded(void *arg, bool denied)
{
    struct apply *a = arg;
    a->guard = NULL;
    if (denied)
        apply_finish(a, NULL);
    else
        apply_open(a);
}

static void apply_judge_one(struct apply *a, struct document *d)
{
    if (bundle_judge(&a->bundle, d, a->execution, a->cluster))
        a->refused = true;
}

static void apply_judge(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    if (!apply_each(a, apply_judge_one, apply_judge))
        return;
    if (a->refused)
        apply_refuse(a);
    else
        a->guard = bundle_guard_start(&a->bundle, a->execution, a->cluster, apply_guarded, a);
}

static void apply_discovered(void *arg, const struct err *err);

static void apply_route_one(struct apply *a, struct document *d)
{
    if (!bundle_route(d, a->cluster, execution_pack(a->execution)))
        a->unknown = true;
}

static void apply_route(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    if (!apply_each(a, apply_route_one, apply_route))
        return;
    if (a->unknown && !a->asked_anew && !cluster_discovered_since(a->cluster, a->began_ms)) {
        a->asked_anew = true;
        a->discovering = cluster_discover(a->cluster, true, apply_discovered, a);
        return;
    }
    apply_judge(a);
}

static void apply_discovered(void *arg, const struct err *err)
{
    struct apply *a = arg;
    a->discovering = NULL;
    if (err)
        apply_fail(a, err);
    else
        apply_route(a);
}

/* What is to be left must be of a document that is there: a wrong number would leave nothing, silently. */
static int apply_check_leave(const struct apply *a, struct err *err)
{
    const struct start_request *r = execution_request(a->execution);
    for (size_t i = 0; i < r->leave_count; i++)
        if (r->leave[i].index >= a->bundle.count)
            return err_code(err, ERR_BAD_REQUEST,
                            "leave[%zu]: there is no document with index %zu; the last one has %zu", i,
                            r->leave[i].index, a->bundle.count - 1);
    return 0;
}

static bool apply_holds_secret(const struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++)
        if (str_eq(b->documents[i].kind, "Secret"))
            return true;
    return b->base && apply_holds_secret(b->base);
}

static void apply_parsed(struct apply *a, int rc, const struct err *why)
{
    struct err err;
    if (rc) {
        bundle_free(&a->bundle);
        apply_fail(a, why);
        return;
    }
    if (apply_check_leave(a, &err)) {
        apply_fail(a, &err);
        return;
    }
    if (!apply_holds_secret(&a->bundle))
        execution_keep_request(a->execution);
    a->cluster = clusters_get(execution_options(a->execution)->clusters,
                              execution_request(a->execution)->context, &err);
    if (!a->cluster) {
        apply_fail(a, &err);
        return;
    }
    a->began_ms = clock_mono_ms();
    a->discovering = cluster_discover(a->cluster, false, apply_discovered, a);
}

static int apply_parse_texts(struct bundle *b, const struct start_request *r, struct err *err)
{
    int rc = bundle_parse(b, r->yaml, r->yaml_len, err);
    return rc || !r->base_len ? rc : bundle_parse_base(b, r->base, r->base_len, err);
}

static void apply_parse_work(void *arg)
{
    struct apply_parse *p = arg;
    p->rc = apply_parse_texts(&p->bundle, p->request, &p->err);
}

static void apply_parse_done(void *arg)
{
    struct apply_parse *p = arg;
    struct apply *a = p->apply;
    a->parsing = NULL;
    a->parse = NULL;
    a->bundle = p->bundle;
    p->bundle = (struct bundle){0};
    apply_parsed(a, p->rc, &p->err);
    apply_parse_free(p);
}

static void apply_start(struct execution *ex)
{
    const struct start_request *r = execution_request(ex);
    struct apply *a = mem_new(sizeof(*a));
    a->execution = ex;
    execution_set_run(ex, a);
    execution_phase(ex, "Validating manifest…", "", 0, 0);
    if (r->yaml_len + r->base_len <= APPLY_INLINE_BYTES) {
        struct err err;
        int rc = apply_parse_texts(&a->bundle, r, &err);
        apply_parsed(a, rc, &err);
        return;
    }
    a->parse = mem_new(sizeof(*a->parse));
    *a->parse = (struct apply_parse){.apply = a, .execution = execution_keep(ex), .request = r};
    a->parsing = loop_job(execution_options(ex)->loop, apply_parse_work, apply_parse_done, a->parse);
}

/* ---- cancel and free ---- */

static void apply_cancel(void *run, bool now)
{
    struct apply *a = run;
    (void)now;
    if (a->ended)
        return;
    apply_interrupt(a, "cancelled");
    apply_finish(a, NULL);
}

static void apply_free_bundle(void *bundle)
{
    bundle_free(bundle);
}

static void apply_free(void *run)
{
    struct apply *a = run;
    apply_stop(a);
    ctx_free(a->ctx);
    apply_wait_free(a);
    ledger_free(a->ledger);
    free(a->sendings);
    if (a->bundle.count > APPLY_INLINE_DOCUMENTS) {
        struct bundle *bundle = mem_new(sizeof(*bundle));
        *bundle = a->bundle;
        loop_job(execution_options(a->execution)->loop, apply_free_bundle, free, bundle);
    } else {
        bundle_free(&a->bundle);
    }
    free(a);
}

const struct run_ops apply_run = {.start = apply_start, .cancel = apply_cancel, .free = apply_free};
