/* ctx-log.c: what of `ctx` brings the log of a Pod's container, line by line, as it is written.
 *
 * Each line is asked for with its time, so that a log that broke off, or that of a container which was
 * started again, can go on where it was. */
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

enum { CTX_LOG_PREFIX_MAX = 512, CTX_LOG_TIME_MAX = 40 };

/* One call that brings a log; a userdata on the task's stack. */
struct ctx_log {
    struct scope *scope;
    struct cell_wait *wait;
    struct kube_call *call;
    struct lines lines;
    const char *prefix; /* the options' own */
    struct buf line;    /* prefix and text */
    size_t prefix_len;
    bool timestamps;             /* are shown */
    char last[CTX_LOG_TIME_MAX]; /* of the newest line; at first, of the one after which it begins */
    lua_Integer count;
    size_t lost; /* lines for which there was no room before this document's turn */
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

/* The length of the time that a line begins with; 0 where it begins with none. */
static size_t ctx_log_time(const char *text, size_t len)
{
    size_t n = 0;
    while (n < len && n < CTX_LOG_TIME_MAX && strchr("0123456789-+:.TZ", text[n]))
        n++;
    return n >= 20 && n < CTX_LOG_TIME_MAX && n < len && text[n] == ' ' && text[10] == 'T' ? n : 0;
}

/* A log is given from the whole second on in which the last line was: is this one known? Times of one log are
 * all of one form, so they compare as texts. */
static bool ctx_log_known(const struct ctx_log *g, const char *time, size_t len)
{
    return strlen(g->last) == len && memcmp(time, g->last, len) <= 0 && g->count == 0;
}

static void ctx_log_line(void *arg, const char *text, size_t len, size_t dropped)
{
    struct ctx_log *g = arg;
    size_t time = ctx_log_time(text, len);
    if (time && ctx_log_known(g, text, time))
        return;
    if (time) {
        memcpy(g->last, text, time);
        g->last[time] = '\0';
    }
    if (time && !g->timestamps) {
        text += time + 1;
        len -= time + 1;
    }
    g->count++;
    g->line.len = g->prefix_len;
    buf_append(&g->line, text, len);
    if (g->scope->held && scope_full(g->scope))
        g->lost++;
    else if (g->scope->held)
        scope_line(g->scope, STREAM_STDOUT, buf_str(&g->line));
    else
        execution_raw_line(g->scope->execution, STREAM_STDOUT, buf_str(&g->line), g->line.len, dropped);
}

static void ctx_log_data(void *arg, const char *data, size_t len)
{
    struct ctx_log *g = arg;
    lines_feed(&g->lines, data, len, ctx_log_line, g);
}

struct ctx_log_end {
    const struct ctx_log *log;
    const struct kube_answer *answer;
};

/* How many lines, the time of the newest one, why it ended early; or raises. */
static int ctx_push_log(lua_State *L, void *data)
{
    const struct ctx_log_end *end = data;
    const struct kube_answer *answer = end->answer;
    if (end->log->lost)
        return luaL_error(
            L, "%d lines of the log are lost: more than %d KiB is said before it is this document's turn",
            (int)end->log->lost, SCOPE_HELD_BYTES / 1024);
    if ((answer->status >= 200 && answer->status < 300) || (end->log->count && answer->status == 0)) {
        lua_pushinteger(L, end->log->count);
        lua_pushstring(L, *end->log->last ? end->log->last : NULL);
        lua_pushstring(L, answer->status ? NULL : answer->message);
        return 3;
    }
    return cell_raise_api(L, err_code_name(answer->code), answer->status, answer->reason, answer->message,
                          answer->body, answer->body_len);
}

static void ctx_log_done(void *arg, const struct kube_answer *answer)
{
    struct ctx_log *g = arg;
    g->call = NULL;
    /* Half a line, where it broke off: whoever goes on gets the whole one. */
    if (answer->status != 0)
        lines_end(&g->lines, ctx_log_line, g);
    ctx_log_end(g);
    cell_wake(g->wait, ctx_push_log, &(struct ctx_log_end){g, answer});
}

/* "&name=" and what stands in the options under `key`; "" where nothing does. */
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

/* The time in the options under "after", into the log; what is asked for because of it. */
static const char *ctx_log_after(lua_State *L, int options, struct ctx_log *g)
{
    static const char wrong[] = "after must be a time that an earlier call gave";
    if (lua_getfield(L, options, "after") == LUA_TNIL)
        return "";
    size_t len;
    const char *text = luaL_checklstring(L, -1, &len);
    luaL_argcheck(L, len < sizeof(g->last) && strspn(text, "0123456789-+:.TZ") == len, options, wrong);
    memcpy(g->last, text, len + 1);
    return lua_pushfstring(L, "&sinceTime=%s", luaL_gsub(L, luaL_gsub(L, text, "+", "%2B"), ":", "%3A"));
}

static const char *ctx_log_options(lua_State *L, int options, struct ctx_log *g)
{
    luaL_checkstack(L, 20, "log");
    size_t len = 0;
    g->prefix = lua_getfield(L, options, "prefix") == LUA_TSTRING ? lua_tolstring(L, -1, &len) : "";
    luaL_argcheck(L, len <= CTX_LOG_PREFIX_MAX, options, "the prefix has at most 512 bytes");
    lua_getfield(L, options, "timestamps");
    g->timestamps = lua_toboolean(L, -1);
    g->prefix_len = len;
    return lua_pushfstring(
        L, "timestamps=true%s%s%s%s%s%s", ctx_log_query(L, options, "container", "container"),
        ctx_log_query(L, options, "follow", "follow"), ctx_log_query(L, options, "tail", "tailLines"),
        ctx_log_query(L, options, "since", "sinceSeconds"), ctx_log_query(L, options, "previous", "previous"),
        ctx_log_after(L, options, g));
}

/* logs(pod, { container, follow, tail, since, previous, timestamps, prefix, after }): to its end → lines, the
 * time of the newest one, why it broke off */
static int ctx_logs(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    struct err err;
    luaL_checktype(L, 2, LUA_TTABLE);
    struct ctx_target t = ctx_target(L, 1, false);
    luaL_argcheck(L, !str_empty(t.name) && str_eq(t.kind->kind, "Pod"), 1, "a Pod");
    if (gate_allows(ctx->execution, "get", t.resource, t.ns, &err))
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    struct ctx_log *g = lua_newuserdatauv(L, sizeof(*g), 0);
    *g = (struct ctx_log){.scope = ctx_scope(L)};
    const char *query = ctx_log_options(L, 2, g);
    g->wait = cell_wait_new(L, ctx_log_stop, g); /* the last that may raise */
    buf_append(&g->line, g->prefix, g->prefix_len);
    char *pod = kube_path(t.kind, t.ns, t.name), *path = mem_printf("%s/log", pod);
    g->call = kube_stream(
        ctx->cluster,
        &(struct kube_stream_request){
            .path = path, .query = query, .accept = "*/*", .silence_ms = UINT_MAX, .on_data = ctx_log_data},
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
