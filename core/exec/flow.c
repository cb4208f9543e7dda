#include "exec/flow.h"

#include "base/buf.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/ctx-task.h"
#include "exec/ctx.h"
#include "exec/flow-input.h"
#include "exec/request.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

enum {
    FLOW_NAMES_MOST = 256,
    FLOW_CLEAN_MS = 60 * 1000, /* for what was deferred */
    FLOW_CANCEL_MS = 5000,     /* the same where it was cancelled, and before it for commands to end */
    FLOW_CLEAN_CPU_US = 1000 * 1000,
};

/* ---- what was asked ---- */

static int flow_unknown(const struct pack *pack, const char *name, struct err *err)
{
    const char *names[FLOW_NAMES_MOST + 1];
    size_t count = 0, n = 0;
    const struct pack_flow *flows = pack ? pack_flows(pack, &count) : NULL;
    for (; n < count && n < FLOW_NAMES_MOST; n++)
        names[n] = flows[n].name;
    names[n] = NULL;
    const char *near = str_nearest(name, names);
    if (near)
        return err_code(err, ERR_BAD_REQUEST, "no flow is named \"%.64s\", did you mean \"%s\"?", name, near);
    return err_code(err, ERR_BAD_REQUEST, "no flow is named \"%.64s\"", name);
}

/* The registered name of a resource, or the word itself. */
static const char *flow_resource_name(const struct pack *pack, const char *word)
{
    const struct pack_resource *resource = pack_resource(pack, word);
    return resource ? resource->name : word;
}

static int flow_check_resource(const struct pack *pack, const struct pack_flow *flow,
                               const struct start_request *r, struct err *err)
{
    struct buf known = {0};
    const char *asked = flow_resource_name(pack, r->resource);
    int rc = -1;
    if (!*flow->resources && (!str_empty(r->resource) || !str_empty(r->name)))
        return err_code(err, ERR_BAD_REQUEST, "flow %s is of no object: leave resource and name out",
                        flow->name);
    if (!*flow->resources)
        return 0;
    if (str_empty(r->resource) || str_empty(r->name))
        return err_code(err, ERR_BAD_REQUEST, "flow %s needs an object: %s is missing", flow->name,
                        str_empty(r->resource) ? "resource" : "name");
    for (const char *const *one = flow->resources; *one && rc; one++) {
        buf_printf(&known, "%s%s", known.len ? ", " : "", *one);
        if (str_eq(*one, "*") || str_eq(flow_resource_name(pack, *one), asked))
            rc = 0;
    }
    if (rc)
        err_code(err, ERR_BAD_REQUEST, "flow %s is not for %.64s: it is for %s", flow->name, r->resource,
                 buf_str(&known));
    buf_free(&known);
    return rc;
}

/* What the request itself says, for inputs of these names. */
static void flow_request_values(const struct start_request *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    if (r->timeout)
        jsonw_member_int(&w, "timeout", r->timeout);
    if (r->replicas >= 0)
        jsonw_member_int(&w, "replicas", r->replicas);
    if (!str_empty(r->propagation))
        jsonw_member(&w, "propagation", r->propagation);
    if (r->force)
        jsonw_member_bool(&w, "force", true);
    jsonw_end_object(&w);
}

static int flow_read_input(const struct pack_flow *flow, const struct start_request *r, struct buf *out,
                           struct err *err)
{
    struct buf values = {0};
    flow_request_values(r, &values);
    int rc = flow_input(flow->input, r->input, buf_str(&values), out, err);
    buf_free(&values);
    return rc;
}

int flow_admit(const struct pack *pack, struct start_request *r, struct err *err)
{
    struct buf input = {0};
    const struct pack_flow *flow = pack ? pack_flow(pack, r->intent) : NULL;
    if (!flow)
        return flow_unknown(pack, r->intent, err);
    if (flow_check_resource(pack, flow, r, err))
        return -1;
    int rc = flow_read_input(flow, r, &input, err);
    buf_free(&input);
    if (rc)
        return -1;
    char *resource = mem_str(flow_resource_name(pack, r->resource));
    free(r->resource);
    r->resource = resource;
    free(r->action);
    r->action = mem_str(flow->action);
    return 0;
}

void flow_write(struct json_writer *w, const struct pack_flow *flow)
{
    jsonw_begin_object(w);
    jsonw_member(w, "name", flow->name);
    jsonw_member(w, "label", flow->label);
    jsonw_member(w, "help", flow->help);
    jsonw_member(w, "action", flow->action);
    jsonw_key(w, "resources");
    jsonw_begin_array(w);
    for (const char *const *one = flow->resources; *one; one++)
        jsonw_string(w, *one);
    jsonw_end_array(w);
    jsonw_key(w, "input");
    jsonw_raw(w, flow->input, strlen(flow->input));
    jsonw_member(w, "source", flow->file);
    jsonw_end_object(w);
}

void flow_label(const struct pack *pack, const struct start_request *r, struct buf *out)
{
    const struct pack_flow *flow = pack ? pack_flow(pack, r->intent) : NULL;
    buf_puts(out, flow ? flow->label : r->intent);
    if (!str_empty(r->resource))
        buf_printf(out, " %s/%s", r->resource, r->name);
    buf_puts(out, r->dry_run ? " (dry-run)" : "");
}

/* ---- the run ---- */

enum flow_stage {
    FLOW_PREPARING,
    FLOW_RUNNING,
    FLOW_SETTLING, /* it has ended, and waits for what it has begun */
    FLOW_CLEANING, /* what was deferred runs */
    FLOW_ENDED,
};

struct flow {
    struct execution *execution;
    const struct pack_flow *declaration;
    enum flow_stage stage;
    struct cluster *cluster;
    struct kube_call *discovering;
    bool asked_anew;
    char *api_version, *kind; /* of the object, as the cluster serves it */
    bool namespaced;
    struct buf input;
    struct cell *cell;
    struct ctx *ctx;
    struct scope *scope;
    struct cell_task *task;
    struct timer *limit; /* of the end */
    struct err why;
    bool failed;
    enum scope_writes writes; /* when it was cancelled */
};

static void flow_stop(struct flow *f)
{
    kube_cancel(&f->discovering);
    timer_stop(&f->limit);
    if (f->cell)
        cell_free(f->cell);
    f->cell = NULL;
    f->task = NULL;
}

/* Nobody must take a flow for undone that was cancelled half-way. */
static void flow_say_cancelled(struct flow *f)
{
    static const char *const texts[] = {
        [SCOPE_NOTHING_WRITTEN] = "cancelled before anything was changed",
        [SCOPE_WRITTEN] = "cancelled after a part of it was done",
        [SCOPE_IN_DOUBT] = "cancelled while a change was under way: whether it came to pass is not known",
    };
    execution_line(f->execution, STREAM_STDERR, texts[f->writes]);
}

static void flow_finish(struct flow *f)
{
    struct execution_end end = {.error = ""};
    if (f->stage == FLOW_ENDED)
        return;
    if (execution_cancelled(f->execution))
        flow_say_cancelled(f);
    if (f->failed) {
        end.exit_code = 1;
        end.error = f->why.text;
        end.code = f->why.code;
    }
    if (f->ctx)
        end.changed = *ctx_counts(f->ctx);
    f->stage = FLOW_ENDED;
    flow_stop(f);
    execution_finish(f->execution, &end);
}

/* Says why on stderr; the first reason stays. */
static void flow_fail(struct flow *f, const struct err *why)
{
    execution_line(f->execution, STREAM_STDERR, why->text);
    if (!f->failed)
        f->why = *why;
    f->failed = true;
}

/* ---- its end: what it has begun, then what it has deferred ---- */

static void flow_clean_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct flow *f = arg;
    (void)L;
    (void)traceback;
    f->task = NULL;
    if (err)
        flow_fail(f, err);
    flow_finish(f);
}

static int flow_clean_setup(lua_State *L, void *arg)
{
    struct flow *f = arg;
    pack_push_module(L, "flow");
    lua_getfield(L, -1, "clean_up");
    lua_remove(L, -2);
    ctx_push(L, f->scope);
    ctx_push_deferred(L, f->ctx);
    return 2;
}

static void flow_over(void *arg);

static void flow_limit(struct flow *f, uint64_t ms)
{
    timer_stop(&f->limit);
    f->limit = timer_start(execution_options(f->execution)->loop, ms, flow_over, f);
}

static void flow_clean(struct flow *f)
{
    if (!ctx_has_deferred(f->ctx)) {
        flow_finish(f);
        return;
    }
    f->stage = FLOW_CLEANING;
    flow_limit(f, execution_cancelled(f->execution) ? FLOW_CANCEL_MS : FLOW_CLEAN_MS);
    cell_allow(f->cell, FLOW_CLEAN_CPU_US);
    f->task = cell_start(f->cell, flow_clean_setup, flow_clean_done, f);
}

/* A command that does not end keeps nothing from being cleaned up. */
static void flow_over(void *arg)
{
    static const struct err late = {.code = ERR_TIMEOUT,
                                    .text = "what was deferred to the end did not end in time"};
    struct flow *f = arg;
    f->limit = NULL;
    if (f->stage == FLOW_SETTLING) {
        flow_clean(f);
        return;
    }
    flow_fail(f, &late);
    cell_stop_task(&f->task);
    flow_finish(f);
}

/* Called anew when the last task or command has ended. */
static void flow_settle(void *arg)
{
    struct flow *f = arg;
    if (f->stage == FLOW_SETTLING && ctx_tasks_alive(f->ctx) == 0)
        flow_clean(f);
}

static void flow_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct flow *f = arg;
    /* First of all: this may raise, and then this is called once more. */
    const char *summary = err ? NULL : lua_tostring(L, 1);
    f->task = NULL;
    f->stage = FLOW_SETTLING;
    if (err) {
        flow_fail(f, err);
        if (!str_empty(traceback))
            execution_line(f->execution, STREAM_STDERR, traceback);
        if (cell_killed(f->cell))
            ctx_tasks_stop(f->ctx);
    } else if (!str_empty(summary)) {
        execution_line(f->execution, STREAM_STDOUT, summary);
    }
    flow_settle(f);
}

/* ---- its beginning ---- */

/* lib.flow's run(declaration, ctx, target or nil, input). */
static int flow_setup(lua_State *L, void *arg)
{
    struct flow *f = arg;
    const struct start_request *r = execution_request(f->execution);
    const char *fields[][2] = {
        {"apiVersion", f->api_version},
        {"kind", f->kind},
        {"name", r->name},
        {"namespace", f->namespaced ? str_or(r->namespace_, cluster_namespace(f->cluster)) : NULL},
    };
    pack_push_module(L, "flow");
    lua_getfield(L, -1, "run");
    lua_remove(L, -2);
    pack_push_flow(L, f->declaration);
    ctx_push(L, f->scope);
    if (f->kind)
        lua_newtable(L);
    else
        lua_pushnil(L);
    for (size_t i = 0; f->kind && i < sizeof(fields) / sizeof(fields[0]); i++) {
        lua_pushstring(L, fields[i][1]); /* NULL is nil */
        lua_setfield(L, -2, fields[i][0]);
    }
    bridge_push(L, f->input.data, f->input.len);
    return 4;
}

static void flow_begin(struct flow *f)
{
    struct err err;
    f->cell = cell_new(execution_options(f->execution)->loop, execution_pack(f->execution), NULL, &err);
    if (!f->cell) {
        flow_fail(f, &err);
        flow_finish(f);
        return;
    }
    f->ctx = ctx_new(f->cell, f->execution, f->cluster);
    f->scope = ctx_scope_new(f->ctx, false);
    ctx_tasks_open(f->ctx, flow_settle, f);
    f->stage = FLOW_RUNNING;
    execution_set_running(f->execution);
    f->task = cell_start(f->cell, flow_setup, flow_done, f);
}

/* The kind of the request's resource: of a registered one the first version that is served. */
static const struct kube_kind *flow_kind(struct flow *f)
{
    const char *word = execution_request(f->execution)->resource;
    const struct pack_resource *resource = pack_resource(execution_pack(f->execution), word);
    const struct kube_kind *kind = NULL;
    if (!resource)
        return cluster_resource(f->cluster, word);
    for (const char *const *version = resource->versions; *version && !kind; version++)
        kind = cluster_kind(f->cluster, *version, resource->kind);
    return kind;
}

static void flow_discovered(void *arg, const struct err *err)
{
    struct flow *f = arg;
    struct err why;
    f->discovering = NULL;
    if (!err && !*f->declaration->resources) {
        flow_begin(f);
        return;
    }
    const struct kube_kind *kind = err ? NULL : flow_kind(f);
    if (kind) {
        f->api_version = mem_str(kind->api_version);
        f->kind = mem_str(kind->kind);
        f->namespaced = kind->namespaced;
        flow_begin(f);
        return;
    }
    if (!err && !f->asked_anew) {
        f->asked_anew = true;
        f->discovering = cluster_discover(f->cluster, true, flow_discovered, f);
        return;
    }
    if (!err)
        err_code(&why, ERR_NOT_FOUND, "the cluster does not serve %s",
                 execution_request(f->execution)->resource);
    flow_fail(f, err ? err : &why);
    flow_finish(f);
}

static void flow_start(struct execution *ex)
{
    const struct start_request *r = execution_request(ex);
    struct err err;
    struct flow *f = mem_new(sizeof(*f));
    f->execution = ex;
    execution_set_run(ex, f);
    f->declaration = pack_flow(execution_pack(ex), r->intent);
    f->cluster = flow_read_input(f->declaration, r, &f->input, &err)
                     ? NULL
                     : clusters_get(execution_options(ex)->clusters, r->context, &err);
    if (f->cluster) {
        f->discovering = cluster_discover(f->cluster, false, flow_discovered, f);
        return;
    }
    flow_fail(f, &err);
    flow_finish(f);
}

/* ---- cancel and free ---- */

static void flow_cancel(void *run, bool now)
{
    struct flow *f = run;
    if (f->stage == FLOW_ENDED)
        return;
    if (f->stage != FLOW_CLEANING && f->scope)
        f->writes = scope_writes(f->scope);
    if (now || f->stage == FLOW_PREPARING) {
        flow_finish(f);
        return;
    }
    if (f->stage != FLOW_CLEANING) {
        f->stage = FLOW_SETTLING;
        cell_stop_task(&f->task);
        ctx_tasks_stop(f->ctx);
    }
    flow_limit(f, FLOW_CANCEL_MS);
    flow_settle(f);
}

static void flow_free(void *run)
{
    struct flow *f = run;
    flow_stop(f);
    ctx_free(f->ctx);
    buf_free(&f->input);
    free(f->api_version);
    free(f->kind);
    free(f);
}

const struct run_ops flow_run = {.start = flow_start, .cancel = flow_cancel, .free = flow_free};
