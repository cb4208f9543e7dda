/* ctx-say.c: what of `ctx` is told to people, counted or noted. */
#include "base/clock.h"
#include "base/log.h"
#include "exec/ctx-internal.h"
#include "exec/run.h"
#include "script/cell.h"

#include <string.h>

enum { CTX_SAID_BYTES = 256 * 1024, CTX_SAID_LINES = 1000, CTX_CONFLICT_TEXT_MAX = 1024 };

/* The scope, where there is room for what it has to say. */
static struct scope *ctx_speaker(lua_State *L)
{
    struct scope *scope = ctx_scope(L);
    if (scope_full(scope))
        luaL_error(L, "more than %d KiB is said before it is this document's turn", SCOPE_HELD_BYTES / 1024);
    return scope;
}

/* line(stream, text): as much as can be judged and kept without a slice's end in between. */
static int ctx_line(lua_State *L)
{
    static const char *const streams[] = {"stdout", "stderr", NULL};
    enum event_stream stream = luaL_checkoption(L, 1, NULL, streams) ? STREAM_STDERR : STREAM_STDOUT;
    size_t len, lines = 1;
    const char *text = luaL_checklstring(L, 2, &len);
    luaL_argcheck(L, len <= CTX_SAID_BYTES, 2, "more than 256 KiB: say it in pieces");
    for (const char *p = text; (p = memchr(p, '\n', len - (size_t)(p - text))) != NULL; p++)
        lines++;
    luaL_argcheck(L, lines <= CTX_SAID_LINES, 2, "more than 1000 lines: say it in pieces");
    scope_line(ctx_speaker(L), stream, text);
    return 0;
}

/* phase(name, detail, progress, total) */
static int ctx_phase(lua_State *L)
{
    lua_Integer progress = luaL_optinteger(L, 3, 0), total = luaL_optinteger(L, 4, 0);
    scope_phase(ctx_speaker(L), luaL_checkstring(L, 1), luaL_optstring(L, 2, ""),
                progress > 0 ? (size_t)progress : 0, total > 0 ? (size_t)total : 0);
    return 0;
}

static int ctx_changed(lua_State *L)
{
    const char *outcome = luaL_checkstring(L, 1);
    luaL_argcheck(L, ctx_count(cell_user(L), outcome) != NULL, 1,
                  "created, configured, unchanged or deleted");
    return 0;
}

/* conflict(field, manager, live, since): a field that somebody else owns. */
static int ctx_conflict(lua_State *L)
{
    const char *texts[4];
    for (int i = 0; i < 4; i++) {
        size_t len;
        texts[i] = luaL_checklstring(L, i + 1, &len);
        luaL_argcheck(L, len <= CTX_CONFLICT_TEXT_MAX, i + 1, "at most 1,024 bytes");
    }
    scope_conflict(ctx_scope(L), &(struct event_conflict){.field = (char *)texts[0],
                                                          .manager = (char *)texts[1],
                                                          .live = (char *)texts[2],
                                                          .since = (char *)texts[3]});
    return 0;
}

static int ctx_log(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    log_execution(LOG_INFO, execution_id(ctx->execution), "%s", luaL_checkstring(L, 1));
    return 0;
}

static int ctx_now(lua_State *L)
{
    char text[CLOCK_TEXT];
    lua_pushstring(L, clock_text(clock_wall_ms(), text));
    return 1;
}

/* clock() → seconds that only grow */
static int ctx_clock(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)clock_mono_us() / 1e6);
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

const luaL_Reg ctx_say_functions[] = {
    {"line", ctx_line},   {"phase", ctx_phase}, {"changed", ctx_changed}, {"conflict", ctx_conflict},
    {"log", ctx_log},     {"now", ctx_now},     {"clock", ctx_clock},     {"cancelled", ctx_is_cancelled},
    {"raise", ctx_raise}, {NULL, NULL},
};
