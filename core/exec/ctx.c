#include "exec/ctx.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/gate.h"
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

struct ctx {
    struct execution *execution;
    struct cluster *cluster;
    struct cell *cell;
    struct event_counts counts;
    struct buf body;       /* of the request that is being made */
    unsigned writing;      /* under way */
    bool written, doubted; /* one was answered well; the last one that ended got no answer */
    struct event_conflict *conflicts;
    size_t conflict_count;
};

enum { CTX_CONFLICTS_MAX = 100, CTX_CONFLICT_TEXT_MAX = 1024 };

/* One wait of a script: a call to the cluster or a sleep. It is a userdata on the task's stack, so
 * it lives as long as the task waits. */
struct ctx_wait {
    struct ctx *ctx;
    struct cell_wait *wait;
    struct kube_call *call;
    struct timer *timer;
    bool write; /* and not of a dry-run */
    bool missing_is_nil;
};

static void ctx_print(void *user, const char *text, size_t len)
{
    struct ctx *ctx = user;
    log_debug("%s: %.*s", execution_id(ctx->execution), (int)len, text);
}

struct ctx *ctx_new(struct cell *cell, struct execution *execution, struct cluster *cluster)
{
    struct ctx *ctx = mem_new(sizeof(*ctx));
    ctx->execution = execution;
    ctx->cluster = cluster;
    ctx->cell = cell;
    cell_set_user(cell, ctx);
    cell_set_print(cell, ctx_print);
    return ctx;
}

void ctx_free(struct ctx *ctx)
{
    if (!ctx)
        return;
    buf_free(&ctx->body);
    event_conflicts_free(ctx->conflicts, ctx->conflict_count);
    free(ctx);
}

enum ctx_writes ctx_writes(const struct ctx *ctx)
{
    return ctx->writing || ctx->doubted ? CTX_IN_DOUBT : ctx->written ? CTX_WRITTEN : CTX_NOTHING_WRITTEN;
}

void ctx_forget_writes(struct ctx *ctx)
{
    ctx->written = ctx->doubted = false;
}

const struct event_counts *ctx_counts(const struct ctx *ctx)
{
    return &ctx->counts;
}

bool ctx_count(struct ctx *ctx, const char *outcome)
{
    unsigned *count = str_eq(outcome, "created")      ? &ctx->counts.created
                      : str_eq(outcome, "configured") ? &ctx->counts.configured
                      : str_eq(outcome, "unchanged")  ? &ctx->counts.unchanged
                      : str_eq(outcome, "deleted")    ? &ctx->counts.deleted
                                                      : NULL;
    if (count)
        ++*count;
    return count != NULL;
}

/* ---- waits ---- */

static void ctx_wait_over(struct ctx_wait *w)
{
    if (w->write)
        w->ctx->writing--;
    w->write = false;
}

static void ctx_wait_stop(void *arg)
{
    struct ctx_wait *w = arg;
    kube_cancel(&w->call);
    timer_stop(&w->timer);
    ctx_wait_over(w);
}

static struct ctx_wait *ctx_wait_new(lua_State *L)
{
    struct ctx_wait *w = lua_newuserdatauv(L, sizeof(*w), 0);
    *w = (struct ctx_wait){.ctx = cell_user(L)};
    w->wait = cell_wait_new(L, ctx_wait_stop, w);
    return w;
}

static int ctx_nothing(lua_State *L, void *data)
{
    (void)L;
    (void)data;
    return 0;
}

static void ctx_slept(void *arg)
{
    struct ctx_wait *w = arg;
    w->timer = NULL;
    cell_wake(w->wait, ctx_nothing, NULL);
}

static int ctx_sleep(lua_State *L)
{
    lua_Number seconds = luaL_checknumber(L, 1);
    luaL_argcheck(L, seconds >= 0 && seconds <= 3600, 1, "0 to 3600 seconds");
    struct ctx_wait *w = ctx_wait_new(L);
    w->timer =
        timer_start(execution_options(w->ctx->execution)->loop, (uint64_t)(seconds * 1000), ctx_slept, w);
    return cell_wait_yield(L, w->wait);
}

/* ---- calls to the cluster ---- */

struct ctx_answer {
    const struct ctx_wait *wait;
    const struct kube_answer *answer;
};

/* object, status of a good answer; nil of a get that found nothing; else raises. */
static int ctx_push_answer(lua_State *L, void *data)
{
    const struct ctx_answer *a = data;
    const struct kube_answer *answer = a->answer;
    if (answer->status >= 200 && answer->status < 300) {
        if (answer->body_len)
            bridge_push(L, answer->body, answer->body_len);
        else
            lua_pushboolean(L, 1);
        lua_pushinteger(L, answer->status);
        return 2;
    }
    if (a->wait->missing_is_nil && answer->status == 404) {
        lua_pushnil(L);
        return 1;
    }
    return cell_raise_api(L, answer->in_doubt ? "in_doubt" : err_code_name(answer->code), answer->status,
                          answer->reason, answer->message, answer->body, answer->body_len);
}

static void ctx_answered(void *arg, const struct kube_answer *answer)
{
    struct ctx_wait *w = arg;
    w->call = NULL;
    if (w->write) {
        w->ctx->doubted = answer->in_doubt;
        w->ctx->written |= answer->status >= 200 && answer->status < 300;
    }
    ctx_wait_over(w);
    for (const char *const *text = answer->warnings; text && *text; text++) {
        char *line = mem_printf("Warning: %s", *text);
        execution_line(w->ctx->execution, STREAM_STDERR, line);
        free(line);
    }
    struct ctx_answer a = {.wait = w, .answer = answer};
    cell_wake(w->wait, ctx_push_answer, &a);
}

static const char *ctx_field(lua_State *L, int table, const char *key)
{
    if (lua_getfield(L, table, key) == LUA_TSTRING)
        return lua_tostring(L, -1);
    return NULL;
}

/* What a reference or an object names. The strings stay on the Lua stack. */
struct ctx_target {
    const char *api_version, *kind, *ns, *name;
};

static struct ctx_target ctx_target_of(lua_State *L, int arg)
{
    struct ctx_target t = {0};
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, 8, "reference");
    t.api_version = ctx_field(L, arg, "apiVersion");
    t.kind = ctx_field(L, arg, "kind");
    int from = arg;
    if (lua_getfield(L, arg, "metadata") == LUA_TTABLE)
        from = lua_gettop(L);
    t.name = ctx_field(L, from, "name");
    t.ns = ctx_field(L, from, "namespace");
    luaL_argcheck(L, t.api_version && t.kind, arg, "an object or reference with apiVersion and kind");
    return t;
}

static const struct kube_kind *ctx_kind(lua_State *L, struct ctx *ctx, const struct ctx_target *t)
{
    const struct kube_kind *kind = cluster_kind(ctx->cluster, t->api_version, t->kind);
    if (!kind) {
        const char *why =
            lua_pushfstring(L, "no matches for kind \"%s\" in version \"%s\"", t->kind, t->api_version);
        cell_raise_api(L, "not_found", 404, "NotFound", why, NULL, 0);
    }
    return kind;
}

static const char *ctx_resource_name(const struct ctx *ctx, const struct kube_kind *kind)
{
    const struct pack *pack = execution_pack(ctx->execution);
    const struct pack_resource *resource = pack ? pack_resource_of(pack, kind->group, kind->kind) : NULL;
    return resource ? resource->name : kind->plural;
}

/* The namespace of a call: the target's, the request's, the context's; all of them for a list of a
 * request that has none. */
static const char *ctx_namespace(const struct ctx *ctx, const struct kube_kind *kind,
                                 const struct ctx_target *t, bool all)
{
    const char *ns = str_or(t->ns, execution_request(ctx->execution)->namespace_);
    if (!kind->namespaced)
        return "";
    return str_empty(ns) && !all ? cluster_namespace(ctx->cluster) : ns;
}

/* request(verb, target, body|nil, { content_type, query, subresource, missing_is_nil }) → object, status */
static int ctx_request(lua_State *L)
{
    static const char *const verbs[] = {"get", "list", "create", "update", "apply", "delete", NULL};
    struct ctx *ctx = cell_user(L);
    struct err err;
    lua_settop(L, 4);
    struct gate_request r = {.verb = (enum gate_verb)luaL_checkoption(L, 1, NULL, verbs)};
    struct ctx_target t = ctx_target_of(L, 2);
    r.kind = ctx_kind(L, ctx, &t);
    r.resource = ctx_resource_name(ctx, r.kind);
    r.ns = ctx_namespace(ctx, r.kind, &t, r.verb == GATE_LIST);
    r.name = r.verb == GATE_LIST || r.verb == GATE_CREATE ? NULL : t.name;
    luaL_argcheck(L, r.verb == GATE_LIST || r.verb == GATE_CREATE || !str_empty(r.name), 2, "it has no name");
    bool missing_is_nil = false;
    if (lua_istable(L, 4)) {
        r.content_type = ctx_field(L, 4, "content_type");
        r.query = ctx_field(L, 4, "query");
        r.subresource = ctx_field(L, 4, "subresource");
        lua_getfield(L, 4, "missing_is_nil");
        missing_is_nil = lua_toboolean(L, -1);
    }
    buf_clear(&ctx->body);
    if (!lua_isnil(L, 3)) {
        bridge_write(L, 3, &ctx->body);
        if (ctx->body.failed)
            return luaL_error(L, "not enough memory for the request");
        r.body = ctx->body.data;
        r.body_len = ctx->body.len;
    }
    struct ctx_wait *w = ctx_wait_new(L);
    w->missing_is_nil = missing_is_nil;
    w->call = gate_send(ctx->execution, ctx->cluster, &r, ctx_answered, w, &err);
    if (!w->call) {
        /* `w` dies with this error, so nothing may remember it. */
        cell_wait_cancel(w->wait);
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    }
    w->write = r.verb != GATE_GET && r.verb != GATE_LIST && !execution_request(ctx->execution)->dry_run;
    ctx->writing += w->write;
    return cell_wait_yield(L, w->wait);
}

/* may(action, target) → may the user do this to such an object? */
static int ctx_may(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    const char *action = luaL_checkstring(L, 1);
    struct ctx_target t = ctx_target_of(L, 2);
    const struct kube_kind *kind = ctx_kind(L, ctx, &t);
    const char *ns = ctx_namespace(ctx, kind, &t, false);
    lua_pushboolean(L, gate_allows(ctx->execution, action, ctx_resource_name(ctx, kind), ns, NULL) == 0);
    return 1;
}

/* ---- what is said ---- */

enum { CTX_SAID_BYTES = 256 * 1024, CTX_SAID_LINES = 1000 };

/* line(stream, text): as much as can be judged and kept without a slice's end in between. */
static int ctx_line(lua_State *L)
{
    static const char *const streams[] = {"stdout", "stderr", NULL};
    struct ctx *ctx = cell_user(L);
    enum event_stream stream = luaL_checkoption(L, 1, NULL, streams) ? STREAM_STDERR : STREAM_STDOUT;
    size_t len, lines = 1;
    const char *text = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, len <= CTX_SAID_BYTES, 2, "more than 256 KiB: say it in pieces");
    for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))) != NULL; p++)
        lines++;
    luaL_argcheck(L, lines <= CTX_SAID_LINES, 2, "more than 1000 lines: say it in pieces");
    execution_line(ctx->execution, stream, text);
    return 0;
}

/* phase(name, detail, progress, total) */
static int ctx_phase(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    lua_Integer progress = luaL_optinteger(L, 3, 0), total = luaL_optinteger(L, 4, 0);
    execution_phase(ctx->execution, luaL_checkstring(L, 1), luaL_optstring(L, 2, ""),
                    progress > 0 ? (size_t)progress : 0, total > 0 ? (size_t)total : 0);
    return 0;
}

static int ctx_changed(lua_State *L)
{
    const char *outcome = luaL_checkstring(L, 1);
    luaL_argcheck(L, ctx_count(cell_user(L), outcome), 1, "created, configured, unchanged or deleted");
    return 0;
}

/* conflict(field, manager, live, since): a field that somebody else owns. */
static int ctx_conflict(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    const char *texts[4];
    for (int i = 0; i < 4; i++) {
        size_t len;
        texts[i] = luaL_checklstring(L, i + 1, &len);
        luaL_argcheck(L, len <= CTX_CONFLICT_TEXT_MAX, i + 1, "at most 1,024 bytes");
    }
    if (ctx->conflict_count == CTX_CONFLICTS_MAX)
        return 0;
    ctx->conflicts = mem_grow(ctx->conflicts, (ctx->conflict_count + 1) * sizeof(*ctx->conflicts));
    ctx->conflicts[ctx->conflict_count++] = (struct event_conflict){
        .field = mem_str(texts[0]),
        .manager = mem_str(texts[1]),
        .live = mem_str(texts[2]),
        .since = mem_str(texts[3]),
    };
    return 0;
}

struct event_conflict *ctx_take_conflicts(struct ctx *ctx, size_t *count)
{
    struct event_conflict *conflicts = ctx->conflicts;
    *count = ctx->conflict_count;
    ctx->conflicts = NULL;
    ctx->conflict_count = 0;
    return conflicts;
}

static int ctx_log(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    log_info("%s: %s", execution_id(ctx->execution), luaL_checkstring(L, 1));
    return 0;
}

static int ctx_now(lua_State *L)
{
    char text[CLOCK_TEXT];
    lua_pushstring(L, clock_text(clock_wall_ms(), text));
    return 1;
}

static int ctx_is_cancelled(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    lua_pushboolean(L, execution_cancelled(ctx->execution));
    return 1;
}

/* raise(message): fails the document with this sentence and no position. */
static int ctx_raise(lua_State *L)
{
    return cell_raise_api(L, "failed", 0, "", luaL_checkstring(L, 1), NULL, 0);
}

/* ---- the object ---- */

static const luaL_Reg ctx_core[] = {
    {"request", ctx_request},        {"may", ctx_may},     {"line", ctx_line},         {"phase", ctx_phase},
    {"changed", ctx_changed},        {"log", ctx_log},     {"now", ctx_now},           {"sleep", ctx_sleep},
    {"cancelled", ctx_is_cancelled}, {"raise", ctx_raise}, {"conflict", ctx_conflict}, {NULL, NULL},
};

static void ctx_push_request(lua_State *L, const struct start_request *r)
{
    const char *const fields[][2] = {
        {"namespace", r->namespace_},   {"context", r->context}, {"resource", r->resource},
        {"action", r->action},          {"intent", r->intent},   {"name", r->name},
        {"userAction", r->user_action},
    };
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        lua_pushstring(L, fields[i][1]);
        lua_setfield(L, -2, fields[i][0]);
    }
    lua_pushboolean(L, r->force);
    lua_setfield(L, -2, "force");
    lua_pushboolean(L, r->allow_cluster_wide);
    lua_setfield(L, -2, "allowClusterWide");
    if (r->take_over) {
        lua_newtable(L);
        for (int i = 0; r->take_over[i]; i++) {
            lua_pushstring(L, r->take_over[i]);
            lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "takeOver");
    }
}

static void ctx_push_user(lua_State *L, const struct user *user)
{
    lua_newtable(L);
    lua_pushstring(L, user->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, user->role);
    lua_setfield(L, -2, "role");
}

/* lib.ctx is a function of the primitives that returns the object's methods. */
void ctx_push(lua_State *L)
{
    static const char key = 0;
    struct ctx *ctx = cell_user(L);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    pack_push_module(L, "ctx");
    luaL_newlib(L, ctx_core);
    lua_newtable(L);
    ctx_push_request(L, execution_request(ctx->execution));
    lua_setfield(L, -2, "request");
    ctx_push_user(L, execution_user(ctx->execution));
    lua_setfield(L, -2, "user");
    lua_pushboolean(L, execution_request(ctx->execution)->dry_run);
    lua_setfield(L, -2, "dry_run");
    lua_call(L, 2, 1);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
}
