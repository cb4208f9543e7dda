/* ctx-log.c: what of `ctx` brings the log of a Pod's container, line by line, as it is written. */
#include "base/mem.h"
#include "base/str.h"
#include "exec/ctx-internal.h"
#include "exec/gate.h"
#include "exec/lines.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "script/cell.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>

enum { CTX_LOG_PREFIX_MAX = 512 };

/* One call that brings a log; a userdata on the task's stack. */
struct ctx_log {
    struct scope *scope;
    struct cell_wait *wait;
    struct kube_call *call;
    struct lines lines;
    struct buf line; /* prefix and text */
    size_t prefix_len;
};

static void ctx_log_end(struct ctx_log *g)
{
    kube_cancel(&g->call);
    buf_free(&g->lines.line);
    buf_free(&g->line);
}

static void ctx_log_stop(void *arg)
{
    ctx_log_end(arg);
}

static void ctx_log_line(void *arg, const char *text, size_t len, size_t dropped)
{
    struct ctx_log *g = arg;
    g->line.len = g->prefix_len;
    buf_append(&g->line, text, len);
    if (g->scope->held)
        scope_line(g->scope, STREAM_STDOUT, buf_str(&g->line));
    else
        execution_raw_line(g->scope->execution, STREAM_STDOUT, buf_str(&g->line), g->line.len, dropped);
}

static void ctx_log_data(void *arg, const char *data, size_t len)
{
    struct ctx_log *g = arg;
    lines_feed(&g->lines, data, len, ctx_log_line, g);
}

/* Nothing; or raises. */
static int ctx_push_log(lua_State *L, void *data)
{
    const struct kube_answer *answer = data;
    if (answer->status >= 200 && answer->status < 300)
        return 0;
    return cell_raise_api(L, err_code_name(answer->code), answer->status, answer->reason, answer->message,
                          answer->body, answer->body_len);
}

static void ctx_log_done(void *arg, const struct kube_answer *answer)
{
    struct ctx_log *g = arg;
    g->call = NULL;
    lines_end(&g->lines, ctx_log_line, g);
    ctx_log_end(g);
    cell_wake(g->wait, ctx_push_log, (void *)answer);
}

static const char *ctx_log_query(lua_State *L, int options, const char *key, const char *name)
{
    if (lua_getfield(L, options, key) == LUA_TNIL)
        return "";
    if (lua_isboolean(L, -1))
        return lua_pushfstring(L, "&%s=%s", name, lua_toboolean(L, -1) ? "true" : "false");
    if (lua_isinteger(L, -1))
        return lua_pushfstring(L, "&%s=%I", name, lua_tointeger(L, -1));
    const char *text = luaL_checkstring(L, -1);
    luaL_argcheck(L, strspn(text, "abcdefghijklmnopqrstuvwxyz0123456789-.") == strlen(text), options,
                  "a container's name is of small letters, digits, - and .");
    return lua_pushfstring(L, "&%s=%s", name, text);
}

/* logs(pod, { container, follow, tail, since, previous, timestamps, prefix }): until its end. */
static int ctx_logs(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    struct err err;
    luaL_checktype(L, 2, LUA_TTABLE);
    struct ctx_target t = ctx_target(L, 1, false);
    luaL_argcheck(L, !str_empty(t.name) && str_eq(t.kind->kind, "Pod"), 1, "a Pod");
    if (gate_allows(ctx->execution, "get", t.resource, t.ns, &err))
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    size_t prefix_len = 0;
    const char *prefix = lua_getfield(L, 2, "prefix") == LUA_TSTRING ? lua_tolstring(L, -1, &prefix_len) : "";
    luaL_argcheck(L, prefix_len <= CTX_LOG_PREFIX_MAX, 2, "the prefix has at most 512 bytes");
    luaL_checkstack(L, 20, "log");
    const char *query = lua_pushfstring(
        L, "%s%s%s%s%s%s", ctx_log_query(L, 2, "container", "container"),
        ctx_log_query(L, 2, "follow", "follow"), ctx_log_query(L, 2, "tail", "tailLines"),
        ctx_log_query(L, 2, "since", "sinceSeconds"), ctx_log_query(L, 2, "previous", "previous"),
        ctx_log_query(L, 2, "timestamps", "timestamps"));
    struct ctx_log *g = lua_newuserdatauv(L, sizeof(*g), 0);
    *g = (struct ctx_log){.scope = ctx_scope(L), .prefix_len = prefix_len};
    g->wait = cell_wait_new(L, ctx_log_stop, g);
    char *pod = kube_path(t.kind, t.ns, t.name), *path = mem_printf("%s/log", pod);
    buf_append(&g->line, prefix, prefix_len);
    g->call = kube_stream(ctx->cluster,
                          &(struct kube_stream_request){.path = path,
                                                        .query = *query ? query + 1 : NULL,
                                                        .accept = "*/*",
                                                        .silence_ms = UINT_MAX,
                                                        .on_data = ctx_log_data},
                          ctx_log_done, g, &err);
    free(pod);
    free(path);
    if (g->call)
        return cell_wait_yield(L, g->wait);
    cell_wait_cancel(g->wait);
    ctx_log_end(g);
    return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
}

const luaL_Reg ctx_log_functions[] = {
    {"logs", ctx_logs},
    {NULL, NULL},
};
