/* gate-call.c: how a call goes out. A write that a guardrail concerns takes up to three requests: the object
 * as it is, for a patch a dry-run of it, and only then the write. */
#include "base/buf.h"
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle-internal.h"
#include "exec/gate-internal.h"
#include "exec/judge.h"
#include "exec/request.h"
#include "exec/run.h"
#include "guard/auth.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

/* What the guardrails are shown: what is sent; what is there, of what is deleted or scaled; what a patch
 * would make of it. */
enum gate_subject { GATE_SENT, GATE_LIVE, GATE_TRIED };

struct gate_call {
    struct execution *execution;
    struct cluster *cluster;
    struct kube_call *kube;
    struct deferred *turn;
    kube_done_fn *done;
    gate_begun_fn *begun;
    void *arg;
    const char *method;
    struct buf path, query;
    /* Where it is judged, also: */
    enum gate_subject subject;
    const char *action; /* NULL: create or update, as the object is there or not */
    char *content_type, *resource, *ns, *ref;
    struct buf body, live, result;
    struct verdicts verdicts;
};

static const char *gate_method(const struct gate_request *r)
{
    switch (r->verb) {
    case GATE_GET:
    case GATE_LIST:
        return "GET";
    case GATE_CREATE:
        return "POST";
    case GATE_UPDATE:
        return r->content_type ? "PATCH" : "PUT";
    case GATE_APPLY:
        return "PATCH";
    case GATE_DELETE:
        return "DELETE";
    }
    return "GET";
}

static void gate_query(const struct execution *ex, const struct gate_request *r, struct buf *query)
{
    if (gate_writes(r) && r->verb != GATE_DELETE)
        buf_puts(query, "fieldManager=moonsail&fieldValidation=Strict");
    if (gate_writes(r) && execution_request(ex)->dry_run)
        buf_printf(query, "%sdryRun=All", query->len ? "&" : "");
    if (!str_empty(r->query))
        buf_printf(query, "%s%s", query->len ? "&" : "", r->query);
}

static void gate_call_free(struct gate_call *g)
{
    buf_free(&g->path);
    buf_free(&g->query);
    buf_free(&g->body);
    buf_free(&g->live);
    buf_free(&g->result);
    free(g->content_type);
    free(g->resource);
    free(g->ns);
    free(g->ref);
    verdicts_free(&g->verdicts);
    free(g);
}

void gate_cancel(struct gate_call **call)
{
    struct gate_call *g = *call;
    *call = NULL;
    if (!g)
        return;
    kube_cancel(&g->kube);
    deferred_cancel(&g->turn);
    gate_call_free(g);
}

/* ---- the end ---- */

/* The answer, and what the guardrails have to say as warnings beside the server's own. */
static void gate_finish(struct gate_call *g, const struct kube_answer *answer)
{
    struct kube_answer told = *answer;
    size_t count = 0, own = 0;
    while (answer->warnings && answer->warnings[count])
        count++;
    const char **warnings = mem_new((count + g->verdicts.count + 1) * sizeof(*warnings));
    for (size_t i = 0; i < g->verdicts.count; i++) {
        const struct event_verdict *v = &g->verdicts.items[i];
        if (!str_eq(v->level, "warn") || !judge_first(execution_judge(g->execution), g->ns, g->ref, v))
            continue;
        char *sentence = verdict_sentence(v);
        warnings[own++] = mem_printf("guardrail %s", sentence);
        free(sentence);
    }
    for (size_t i = 0; i < count; i++)
        warnings[own + i] = answer->warnings[i];
    told.warnings = warnings;
    g->done(g->arg, &told);
    for (size_t i = 0; i < own; i++)
        free((char *)warnings[i]);
    free(warnings);
    gate_call_free(g);
}

static void gate_fail(struct gate_call *g, enum err_code code, const char *message)
{
    gate_finish(g, &(struct kube_answer){.code = code, .reason = "", .message = message});
}

static void gate_answered(void *arg, const struct kube_answer *answer)
{
    struct gate_call *g = arg;
    g->kube = NULL;
    gate_finish(g, answer);
}

/* ---- requests ---- */

static int gate_go(struct gate_call *g, const char *query, const char *content_type, const void *body,
                   size_t len, kube_done_fn *done, struct err *err)
{
    struct kube_request request = {
        .method = g->method,
        .path = buf_str(&g->path),
        .query = str_empty(query) ? NULL : query,
        .content_type = content_type,
        .body = body,
        .body_len = len,
    };
    g->kube = kube_send(g->cluster, &request, done, g, err);
    return g->kube ? 0 : -1;
}

/* The call itself, judged or with nothing to be judged. */
static int gate_go_for_good(struct gate_call *g, const char *content_type, const void *body, size_t len,
                            struct err *err)
{
    if (gate_go(g, buf_str(&g->query), content_type, body, len, gate_answered, err))
        return -1;
    if (g->begun)
        g->begun(g->arg);
    return 0;
}

struct kube_call *gate_live(struct cluster *cluster, const struct kube_kind *kind, const char *ns,
                            const char *name, kube_done_fn *done, void *arg, struct err *err)
{
    char *path = kube_path(kind, ns, name);
    struct kube_request request = {.method = "GET", .path = path};
    struct kube_call *call = kube_send(cluster, &request, done, arg, err);
    free(path);
    return call;
}

/* ---- judging ---- */

static void gate_judge(void *arg)
{
    struct gate_call *g = arg;
    const struct user *user = execution_user(g->execution);
    const struct buf *subjects[] = {
        [GATE_SENT] = &g->body, [GATE_LIVE] = &g->live, [GATE_TRIED] = &g->result};
    const struct buf *object = subjects[g->subject];
    struct err err;
    g->turn = NULL;
    struct judge_case c = {
        .user = user->name,
        .role = user->role,
        .context = cluster_context(g->cluster),
        .namespace_ = g->ns,
        .action = str_or(g->action, g->live.len ? "update" : "create"),
        .resource = g->resource,
        .ref = g->ref,
        .dry_run = execution_request(g->execution)->dry_run,
        .json = buf_str(object),
        .json_len = object->len,
        .live = g->live.len ? g->live.data : NULL,
        .live_len = g->live.len,
    };
    if (!judge_some(execution_judge(g->execution), &c, &g->verdicts)) {
        g->turn = loop_defer(execution_options(g->execution)->loop, gate_judge, g);
        return;
    }
    if (g->verdicts.denied) {
        char *sentence = verdict_sentence(verdicts_denial(&g->verdicts));
        char *message = mem_printf("guardrail %s", sentence);
        gate_fail(g, ERR_FORBIDDEN, message);
        free(message);
        free(sentence);
    } else if (gate_go_for_good(g, g->content_type, g->body.data, g->body.len, &err)) {
        gate_fail(g, err.code, err.text);
    }
}

/* The bytes of a good answer; false, and it is over, where they cannot be kept. */
static bool gate_keep(struct gate_call *g, const struct kube_answer *answer, struct buf *out)
{
    buf_append(out, answer->body, answer->body_len);
    if (!out->failed)
        return true;
    gate_fail(g, ERR_NO_MEMORY, "not enough memory to judge it");
    return false;
}

static bool gate_is_good(const struct kube_answer *answer)
{
    return answer->status >= 200 && answer->status < 300;
}

static void gate_tried(void *arg, const struct kube_answer *answer)
{
    struct gate_call *g = arg;
    g->kube = NULL;
    if (!gate_is_good(answer)) {
        struct kube_answer told = *answer;
        told.in_doubt = false; /* it was a dry-run */
        gate_finish(g, &told);
    } else if (gate_keep(g, answer, &g->result)) {
        gate_judge(g);
    }
}

static int gate_try(struct gate_call *g, struct err *err)
{
    struct buf query = {0};
    buf_puts(&query, buf_str(&g->query));
    if (!execution_request(g->execution)->dry_run)
        buf_puts(&query, "&dryRun=All");
    int rc = gate_go(g, buf_str(&query), g->content_type, g->body.data, g->body.len, gate_tried, err);
    buf_free(&query);
    return rc;
}

/* Without the object there is nothing to judge, so nothing is sent either; only what may create it is
 * judged by itself. */
static void gate_seen(void *arg, const struct kube_answer *answer)
{
    struct gate_call *g = arg;
    struct err err;
    g->kube = NULL;
    if (!gate_is_good(answer) && !(g->subject == GATE_SENT && answer->status == 404)) {
        gate_finish(g, answer);
        return;
    }
    if (gate_is_good(answer) && !gate_keep(g, answer, &g->live))
        return;
    if (g->subject != GATE_TRIED)
        gate_judge(g);
    else if (gate_try(g, &err))
        gate_fail(g, err.code, err.text);
}

/* The name that it has or will be given. */
static char *gate_ref(const struct gate_request *r)
{
    struct json_span whole = {r->body, r->body_len};
    char *name = r->name ? mem_str(r->name) : bundle_text(json_span_path(whole, "metadata.name"));
    if (str_empty(name)) {
        char *prefix = bundle_text(json_span_path(whole, "metadata.generateName"));
        free(name);
        name = mem_printf("%s…", prefix);
        free(prefix);
    }
    char *ref = bundle_ref(r->kind->api_version, r->kind->kind, name);
    free(name);
    return ref;
}

/* What is needed in later turns is copied: the request is the caller's. */
static int gate_begin_judging(struct gate_call *g, const struct gate_request *r, struct err *err)
{
    bool scale = str_eq(r->subresource, "scale"), eviction = str_eq(r->subresource, "eviction");
    g->action = scale ? "scale" : r->verb == GATE_DELETE || eviction ? "delete" : NULL;
    if (g->action || (r->verb == GATE_CREATE && r->subresource))
        g->subject = GATE_LIVE;
    else if (r->verb == GATE_UPDATE && r->content_type)
        g->subject = GATE_TRIED;
    g->content_type = mem_str(r->content_type);
    g->resource = mem_str(r->resource);
    g->ns = mem_str(str_or(r->ns, ""));
    g->ref = gate_ref(r);
    buf_append(&g->body, r->body, r->body_len);
    if (g->body.failed)
        return err_no_memory(err);
    if (r->verb == GATE_CREATE && g->subject == GATE_SENT) {
        g->turn = loop_defer(execution_options(g->execution)->loop, gate_judge, g);
        return 0;
    }
    g->kube = gate_live(g->cluster, r->kind, r->ns, r->name, gate_seen, g, err);
    return g->kube ? 0 : -1;
}

struct gate_call *gate_send(struct execution *ex, struct cluster *cluster, const struct gate_request *r,
                            kube_done_fn *done, void *arg, struct err *err)
{
    if (gate_check(ex, r, err))
        return NULL;
    struct gate_call *g = mem_new(sizeof(*g));
    *g = (struct gate_call){
        .execution = ex,
        .cluster = cluster,
        .done = done,
        .begun = r->begun,
        .arg = arg,
        .method = gate_method(r),
    };
    char *base = kube_path(r->kind, r->ns, r->name);
    buf_puts(&g->path, base);
    free(base);
    if (!str_empty(r->subresource))
        buf_printf(&g->path, "/%s", r->subresource);
    gate_query(ex, r, &g->query);
    bool judged = gate_writes(r) && judge_needed(execution_pack(ex), r->resource);
    int rc = judged ? gate_begin_judging(g, r, err)
                    : gate_go_for_good(g, r->content_type, r->body, r->body_len, err);
    if (rc == 0)
        return g;
    gate_call_free(g);
    return NULL;
}
