/* apply.c: a manifest as an execution: parse all, route, judge, then one document after the other
 * through its handler in the execution's own cell. */
#include "base/clock.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle.h"
#include "exec/ctx.h"
#include "exec/request.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"
#include "script/pack.h"

#include <lauxlib.h>
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
    const char *text;
    size_t len;
    struct execution *execution; /* kept: it owns the text */
    struct bundle bundle;
    struct err err;
    int rc;
};

struct apply {
    struct execution *execution;
    struct bundle bundle;
    struct job *parsing;
    struct apply_parse *parse;
    struct cluster *cluster;
    struct kube_call *discovering;
    bool asked_anew;
    struct deferred *turn; /* the next slice of what is done to each document */
    size_t at;             /* where that goes on */
    bool unknown, refused; /* a kind that is not served; a document that may not be sent */
    struct cell *cell;
    struct ctx *ctx;
    struct cell_task *task;
    size_t next; /* in bundle.order */
    bool ended;
};

static void apply_next(struct apply *a);

/* ---- the end ---- */

static const struct document *apply_first_failed(const struct apply *a)
{
    for (size_t i = 0; i < a->bundle.count; i++)
        if (str_eq(a->bundle.documents[i].outcome, "failed") ||
            str_eq(a->bundle.documents[i].outcome, "in-doubt"))
            return &a->bundle.documents[i];
    return NULL;
}

/* `why` is what ended the whole; NULL where each document has its own outcome. */
static void apply_finish(struct apply *a, const struct err *why)
{
    struct event_document *rows = mem_new((a->bundle.count + 1) * sizeof(*rows));
    struct execution_end end = {.error = "", .documents = rows, .has_documents = true};
    for (size_t i = 0; i < a->bundle.count; i++) {
        const struct document *d = &a->bundle.documents[i];
        rows[i] = (struct event_document){
            .index = d->index,
            .line = d->line,
            .ref = d->ref ? d->ref : "",
            .namespace_ = d->ns,
            .outcome = d->outcome ? d->outcome : "not-started",
            .message = d->message,
            .conflicts = d->conflicts,
            .conflict_count = d->conflict_count,
        };
    }
    end.document_count = a->bundle.count;
    const struct document *failed = apply_first_failed(a);
    if (why || failed) {
        end.exit_code = 1;
        end.error = why ? why->text : failed->message;
        end.code = why ? why->code : failed->code;
    }
    if (a->ctx)
        end.changed = *ctx_counts(a->ctx);
    a->ended = true;
    execution_finish(a->execution, &end);
    free(rows);
}

/* Says why on stderr, and ends. */
static void apply_fail(struct apply *a, const struct err *why)
{
    execution_line(a->execution, STREAM_STDERR, why->text);
    apply_finish(a, why);
}

/* ---- one document ---- */

static void apply_decide(struct document *d, const char *outcome, const char *message)
{
    d->outcome = outcome;
    free(d->message);
    d->message = mem_str(message);
}

/* A dry-run cannot ask the server for what would be there only after the bundle's own Namespace or CRD. */
static void apply_document_deferred(struct apply *a, struct document *d, const struct document *needed)
{
    char *reason =
        mem_printf("%s is in the same bundle and not there yet, so the server cannot be asked", needed->ref);
    char *line = mem_printf("%s deferred: %s", d->ref, reason);
    apply_decide(d, "deferred", reason);
    execution_line(a->execution, STREAM_STDOUT, line);
    free(line);
    free(reason);
}

/* Its Namespace or CRD failed, so it is not tried. */
static void apply_document_skipped(struct apply *a, struct document *d, const struct document *needed)
{
    char *reason = mem_printf("%s, which it needs, was not applied", needed->ref);
    char *line = mem_printf("%s not started: %s", d->ref, reason);
    apply_decide(d, "not-started", reason);
    execution_line(a->execution, STREAM_STDERR, line);
    free(line);
    free(reason);
}

static void apply_document_failed(struct apply *a, struct document *d, const char *reason)
{
    bool doubt = a->ctx && ctx_writes(a->ctx) == CTX_IN_DOUBT;
    apply_decide(d, doubt ? "in-doubt" : "failed", reason);
    char *line = mem_printf("%s %s: %s", d->ref, doubt ? "in doubt" : "failed", reason);
    execution_line(a->execution, STREAM_STDERR, line);
    free(line);
}

static const char *apply_outcome_word(const char *outcome)
{
    static const char *const words[] = {"created", "configured", "unchanged", "deleted"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_eq(outcome, words[i]))
            return words[i];
    return NULL;
}

static void apply_document_done(struct apply *a, struct document *d, const char *outcome)
{
    const char *word = apply_outcome_word(outcome);
    if (!word) {
        char *reason = mem_printf("its apply gave the outcome \"%s\", which is none of created, configured, "
                                  "unchanged, deleted",
                                  str_or(outcome, ""));
        apply_document_failed(a, d, reason);
        free(reason);
        return;
    }
    apply_decide(d, word, "");
    ctx_count(a->ctx, word);
    char *line = !execution_request(a->execution)->dry_run ? mem_printf("%s %s", d->ref, word)
                 : str_eq(word, "unchanged")
                     ? mem_printf("%s validated (dry-run, no changes persisted): unchanged", d->ref)
                     : mem_printf("%s validated (dry-run, no changes persisted): would be %s", d->ref, word);
    execution_line(a->execution, STREAM_STDOUT, line);
    free(line);
}

/* Inside the task: lib.apply's document(ctx, obj, namespace, version, resource). */
static int apply_setup(lua_State *L, void *arg)
{
    struct apply *a = arg;
    const struct document *d = a->bundle.order[a->next];
    pack_push_module(L, "apply");
    lua_getfield(L, -1, "document");
    lua_remove(L, -2);
    ctx_push(L);
    bridge_push(L, d->json, d->json_len);
    lua_pushstring(L, d->ns);
    lua_pushstring(L, d->served.api_version);
    if (d->resource)
        pack_push_resource(L, d->resource);
    else
        lua_pushnil(L);
    return 5;
}

/* The name that the server chose for a generateName. */
static void apply_rename(struct document *d, const char *ref)
{
    if (str_empty(ref))
        return;
    free(d->ref);
    d->ref = mem_str(ref);
}

static void apply_traceback(struct apply *a, const char *traceback)
{
    if (!str_empty(traceback))
        execution_line(a->execution, STREAM_STDERR, traceback);
}

/* Was a dry-run refused only because the bundle's own Namespace is not there yet? */
static bool apply_lacks_space(const struct apply *a, const struct document *d, const struct err *err)
{
    return execution_request(a->execution)->dry_run && d->space && err->code == ERR_NOT_FOUND &&
           str_eq(d->space->outcome, "created");
}

static void apply_task_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct apply *a = arg;
    /* First of all: these may raise, and then this is called once more. */
    const char *outcome = err ? NULL : lua_tostring(L, 1), *ref = err ? NULL : lua_tostring(L, 2);
    struct document *d = a->bundle.order[a->next++];
    a->task = NULL;
    event_conflicts_free(d->conflicts, d->conflict_count);
    d->conflicts = ctx_take_conflicts(a->ctx, &d->conflict_count);
    if (!err) {
        apply_rename(d, ref);
        apply_document_done(a, d, outcome);
    } else if (apply_lacks_space(a, d, err)) {
        apply_document_deferred(a, d, d->space);
    } else {
        d->code = err->code;
        apply_document_failed(a, d, err->text);
        apply_traceback(a, traceback);
        if (cell_killed(a->cell)) {
            /* A script that had to be stopped ends its execution: its state is not to be trusted. */
            apply_finish(a, err);
            return;
        }
    }
    apply_next(a);
}

static void apply_begin(struct apply *a)
{
    a->task = cell_start(a->cell, apply_setup, apply_task_done, a);
}

/* The CRD of the bundle is there: does the cluster serve its kind now? */
static void apply_kind_known(void *arg, const struct err *err)
{
    struct apply *a = arg;
    struct document *d = a->bundle.order[a->next];
    a->discovering = NULL;
    if (!err && cluster_kind(a->cluster, d->api_version, d->kind)) {
        apply_begin(a);
        return;
    }
    char *reason = err ? mem_str(err->text)
                       : mem_printf("no matches for kind \"%s\" in version \"%s\"", d->kind, d->api_version);
    a->next++;
    apply_document_failed(a, d, reason);
    free(reason);
    apply_next(a);
}

/* Is it to be tried? Says why it is not. */
static bool apply_wanted(struct apply *a, struct document *d)
{
    const struct document *missing = document_missing(d);
    bool dry_run = execution_request(a->execution)->dry_run;
    if (missing)
        apply_document_skipped(a, d, missing);
    else if (dry_run && d->crd && !cluster_kind(a->cluster, d->api_version, d->kind))
        apply_document_deferred(a, d, d->crd);
    else
        return true;
    return false;
}

static void apply_go_on(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    apply_next(a);
}

static bool apply_slice_over(struct apply *a, uint64_t began, loop_fn *again)
{
    if (clock_mono_us() - began <= APPLY_SLICE_US)
        return false;
    a->turn = loop_defer(execution_options(a->execution)->loop, again, a);
    return true;
}

static void apply_next(struct apply *a)
{
    uint64_t began = clock_mono_us();
    if (a->ended)
        return;
    for (; a->next < a->bundle.count && !apply_wanted(a, a->bundle.order[a->next]); a->next++)
        if (apply_slice_over(a, began, apply_go_on)) {
            a->next++;
            return;
        }
    if (a->next == a->bundle.count) {
        apply_finish(a, NULL);
        return;
    }
    struct document *d = a->bundle.order[a->next];
    ctx_forget_writes(a->ctx);
    execution_phase(a->execution, "Applying resources…", d->ref, a->next + 1, a->bundle.count);
    if (d->crd && !cluster_kind(a->cluster, d->api_version, d->kind))
        a->discovering = cluster_discover(a->cluster, true, apply_kind_known, a);
    else
        apply_begin(a);
}

/* ---- before the first document ---- */

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
    if (!str_eq(d->outcome, "failed"))
        return;
    char *reason = mem_str(d->message);
    apply_document_failed(a, d, reason);
    free(reason);
}

static void apply_refuse(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    if (apply_each(a, apply_refuse_one, apply_refuse))
        apply_finish(a, NULL);
}

static void apply_open(struct apply *a)
{
    struct err err;
    bundle_order(&a->bundle);
    a->cell = cell_new(execution_options(a->execution)->loop, execution_pack(a->execution), NULL, &err);
    if (!a->cell) {
        apply_fail(a, &err);
        return;
    }
    a->ctx = ctx_new(a->cell, a->execution, a->cluster);
    execution_set_running(a->execution);
    apply_next(a);
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
        apply_open(a);
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
    if (a->unknown && !a->asked_anew) {
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

static void apply_parsed(struct apply *a, int rc, const struct err *why)
{
    struct err err;
    if (rc) {
        bundle_free(&a->bundle);
        apply_fail(a, why);
        return;
    }
    a->cluster = clusters_get(execution_options(a->execution)->clusters,
                              execution_request(a->execution)->context, &err);
    if (!a->cluster) {
        apply_fail(a, &err);
        return;
    }
    a->discovering = cluster_discover(a->cluster, false, apply_discovered, a);
}

static void apply_parse_work(void *arg)
{
    struct apply_parse *p = arg;
    p->rc = bundle_parse(&p->bundle, p->text, p->len, &p->err);
}

static void apply_parse_free(void *arg)
{
    struct apply_parse *p = arg;
    bundle_free(&p->bundle);
    execution_drop(p->execution);
    free(p);
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
    if (r->yaml_len <= APPLY_INLINE_BYTES) {
        struct err err;
        int rc = bundle_parse(&a->bundle, r->yaml, r->yaml_len, &err);
        apply_parsed(a, rc, &err);
        return;
    }
    a->parse = mem_new(sizeof(*a->parse));
    *a->parse = (struct apply_parse){
        .apply = a, .text = r->yaml, .len = r->yaml_len, .execution = execution_keep(ex)};
    a->parsing = loop_job(execution_options(ex)->loop, apply_parse_work, apply_parse_done, a->parse);
}

/* ---- cancel and free ---- */

static void apply_stop(struct apply *a)
{
    kube_cancel(&a->discovering);
    deferred_cancel(&a->turn);
    if (a->parsing)
        job_forget(&a->parsing, apply_parse_free);
    a->parse = NULL;
    if (a->cell)
        cell_free(a->cell);
    a->cell = NULL;
    a->task = NULL;
}

/* What the document is that was being applied. Nobody must read "not started" of what was written. */
static void apply_interrupt(struct apply *a, struct document *d)
{
    switch (ctx_writes(a->ctx)) {
    case CTX_NOTHING_WRITTEN:
        apply_decide(d, "not-started", "");
        break;
    case CTX_WRITTEN:
        apply_document_failed(a, d, "cancelled after a part of it was written");
        break;
    case CTX_IN_DOUBT:
        apply_document_failed(a, d, "the request was sent and its answer was not waited for");
        break;
    }
}

static void apply_cancel(void *run, bool now)
{
    struct apply *a = run;
    (void)now;
    if (a->ended)
        return;
    if (a->task && a->next < a->bundle.count)
        apply_interrupt(a, a->bundle.order[a->next]);
    apply_stop(a);
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
