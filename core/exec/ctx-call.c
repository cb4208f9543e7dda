/* ctx-call.c: what of `ctx` waits: calls to the cluster, through the gate, and sleep. */
#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/ctx-internal.h"
#include "exec/gate.h"
#include "exec/request.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

/* One wait of a script: a call to the cluster or a sleep. It is a userdata on the task's stack, so
 * it lives as long as the task waits. */
struct ctx_wait {
    struct scope *scope;
    struct cell_wait *wait;
    struct gate_call *call;
    struct timer *timer;
    bool write; /* and not of a dry-run */
    bool missing_is_nil;
};

/* ---- waits ---- */

static void ctx_wait_over(struct ctx_wait *w)
{
    if (w->write)
        w->scope->writing--;
    w->write = false;
}

static void ctx_wait_stop(void *arg)
{
    struct ctx_wait *w = arg;
    gate_cancel(&w->call);
    timer_stop(&w->timer);
    ctx_wait_over(w);
}

static struct ctx_wait *ctx_wait_new(lua_State *L)
{
    struct ctx_wait *w = lua_newuserdatauv(L, sizeof(*w), 0);
    *w = (struct ctx_wait){.scope = ctx_scope(L)};
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
        timer_start(execution_options(w->scope->execution)->loop, (uint64_t)(seconds * 1000), ctx_slept, w);
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

static void ctx_write_begun(void *arg)
{
    struct ctx_wait *w = arg;
    w->write = true;
    w->scope->writing++;
}

static void ctx_answered(void *arg, const struct kube_answer *answer)
{
    struct ctx_wait *w = arg;
    w->call = NULL;
    if (w->write) {
        w->scope->doubted = answer->in_doubt;
        w->scope->written |= answer->status >= 200 && answer->status < 300;
    }
    ctx_wait_over(w);
    for (const char *const *text = answer->warnings; text && *text; text++) {
        char *line = mem_printf("Warning: %s", *text);
        scope_line(w->scope, STREAM_STDERR, line);
        free(line);
    }
    struct ctx_answer a = {.wait = w, .answer = answer};
    cell_wake(w->wait, ctx_push_answer, &a);
}

const char *ctx_field(lua_State *L, int table, const char *key)
{
    if (lua_getfield(L, table, key) == LUA_TSTRING)
        return lua_tostring(L, -1);
    return NULL;
}

static const char *ctx_resource_name(const struct ctx *ctx, const struct kube_kind *kind)
{
    const struct pack *pack = execution_pack(ctx->execution);
    const struct pack_resource *resource = pack ? pack_resource_of(pack, kind->group, kind->kind) : NULL;
    return resource ? resource->name : kind->plural;
}

/* The namespace of a call: the target's ("*" is all, of a list), the request's, the context's. */
static const char *ctx_namespace(const struct ctx *ctx, const struct kube_kind *kind, const char *ns,
                                 bool all)
{
    ns = str_or(ns, execution_request(ctx->execution)->namespace_);
    if (!kind->namespaced || (all && str_eq(ns, "*")))
        return "";
    return str_empty(ns) && !all ? cluster_namespace(ctx->cluster) : ns;
}

struct ctx_target ctx_target(lua_State *L, int arg, bool all)
{
    struct ctx *ctx = cell_user(L);
    struct ctx_target t = {0};
    luaL_checktype(L, arg, LUA_TTABLE);
    luaL_checkstack(L, 8, "reference");
    const char *api_version = ctx_field(L, arg, "apiVersion"), *kind = ctx_field(L, arg, "kind");
    int from = arg;
    if (lua_getfield(L, arg, "metadata") == LUA_TTABLE)
        from = lua_gettop(L);
    t.name = ctx_field(L, from, "name");
    const char *ns = ctx_field(L, from, "namespace");
    luaL_argcheck(L, api_version && kind, arg, "an object or reference with apiVersion and kind");
    t.kind = cluster_kind(ctx->cluster, api_version, kind);
    if (!t.kind) {
        const char *why =
            lua_pushfstring(L, "no matches for kind \"%s\" in version \"%s\"", kind, api_version);
        cell_raise_api(L, "not_found", 404, "NotFound", why, NULL, 0);
    }
    t.resource = ctx_resource_name(ctx, t.kind);
    t.ns = ctx_namespace(ctx, t.kind, ns, all);
    return t;
}

/* request(verb, target, body|nil, { content_type, query, subresource, missing_is_nil }) → object, status */
static int ctx_request(lua_State *L)
{
    static const char *const verbs[] = {"get", "list", "create", "update", "apply", "delete", NULL};
    struct ctx *ctx = cell_user(L);
    struct err err;
    lua_settop(L, 4);
    struct gate_request r = {.verb = (enum gate_verb)luaL_checkoption(L, 1, NULL, verbs)};
    struct ctx_target t = ctx_target(L, 2, r.verb == GATE_LIST);
    r.kind = t.kind;
    r.resource = t.resource;
    r.ns = t.ns;
    bool missing_is_nil = false;
    if (lua_istable(L, 4)) {
        r.content_type = ctx_field(L, 4, "content_type");
        r.query = ctx_field(L, 4, "query");
        r.subresource = ctx_field(L, 4, "subresource");
        lua_getfield(L, 4, "missing_is_nil");
        missing_is_nil = lua_toboolean(L, -1);
    }
    /* A collection is asked for, or an object is made in it; a subresource is always one of an object. */
    bool collection = r.verb == GATE_LIST || (r.verb == GATE_CREATE && !r.subresource);
    r.name = collection ? NULL : t.name;
    luaL_argcheck(L, collection || !str_empty(r.name), 2, "it has no name");
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
    bool trial = execution_request(ctx->execution)->dry_run || str_eq(r.query, "dryRun=All");
    if (r.verb != GATE_GET && r.verb != GATE_LIST && !trial)
        r.begun = ctx_write_begun;
    w->call = gate_send(ctx->execution, ctx->cluster, &r, ctx_answered, w, &err);
    if (!w->call) {
        /* `w` dies with this error, so nothing may remember it. */
        cell_wait_cancel(w->wait);
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    }
    return cell_wait_yield(L, w->wait);
}

/* may(action, target) → may the user do this to such an object? */
static int ctx_may(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    const char *action = luaL_checkstring(L, 1);
    struct ctx_target t = ctx_target(L, 2, false);
    lua_pushboolean(L, gate_allows(ctx->execution, action, t.resource, t.ns, NULL) == 0);
    return 1;
}

const luaL_Reg ctx_call_functions[] = {
    {"request", ctx_request},
    {"may", ctx_may},
    {"sleep", ctx_sleep},
    {NULL, NULL},
};
