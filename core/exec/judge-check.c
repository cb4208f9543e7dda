/* judge-check.c: one check(req, obj), inside the guardrails' cell. */
#include "base/clock.h"
#include "base/str.h"
#include "exec/bundle.h"
#include "exec/judge-internal.h"
#include "script/bridge.h"
#include "script/pack.h"
#include "script/verdict.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { JUDGE_ANSWERS_MAX = 1000 };

static void judge_text_field(lua_State *L, const char *key, const char *text)
{
    lua_pushstring(L, str_or(text, ""));
    lua_setfield(L, -2, key);
}

static void judge_push_time(lua_State *L)
{
    static const char *const days[] = {"sunday",   "monday", "tuesday", "wednesday",
                                       "thursday", "friday", "saturday"};
    int64_t now = clock_wall_ms();
    time_t seconds = now / 1000;
    struct tm tm;
    char text[CLOCK_TEXT];
    gmtime_r(&seconds, &tm);
    lua_createtable(L, 0, 6);
    lua_pushinteger(L, seconds);
    lua_setfield(L, -2, "unix");
    judge_text_field(L, "iso", clock_text(now, text));
    judge_text_field(L, "weekday", days[tm.tm_wday]);
    lua_pushinteger(L, tm.tm_hour);
    lua_setfield(L, -2, "hour");
    lua_pushinteger(L, tm.tm_min);
    lua_setfield(L, -2, "minute");
    judge_text_field(L, "zone", "UTC");
}

/* ---- req.bundle: rows are made as they are read, so thousands cost nothing and no check changes what the
 * next one sees ---- */

static const struct bundle *judge_bundle(lua_State *L)
{
    static const struct bundle none = {0};
    const struct judge *j = lua_touserdata(L, lua_upvalueindex(1));
    return j->bundle ? j->bundle : &none;
}

static int judge_bundle_row(lua_State *L, lua_Integer i)
{
    const struct bundle *b = judge_bundle(L);
    if (i < 1 || (lua_Unsigned)i > b->count)
        return 0;
    const struct document *d = &b->documents[i - 1];
    lua_createtable(L, 0, 5);
    judge_text_field(L, "apiVersion", d->api_version);
    judge_text_field(L, "kind", d->kind);
    judge_text_field(L, "namespace", d->ns);
    judge_text_field(L, "name", d->name);
    lua_pushinteger(L, (lua_Integer)d->index);
    lua_setfield(L, -2, "index");
    return 1;
}

static int judge_bundle_index(lua_State *L)
{
    return lua_isinteger(L, 2) ? judge_bundle_row(L, lua_tointeger(L, 2)) : 0;
}

static int judge_bundle_len(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)judge_bundle(L)->count);
    return 1;
}

static int judge_bundle_next(lua_State *L)
{
    lua_Integer i = lua_tointeger(L, 2) + 1;
    lua_pushinteger(L, i);
    return judge_bundle_row(L, i) ? 2 : 0;
}

static int judge_bundle_pairs(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushcclosure(L, judge_bundle_next, 1);
    lua_pushvalue(L, 1);
    lua_pushinteger(L, 0);
    return 3;
}

static int judge_bundle_refuse(lua_State *L)
{
    return luaL_error(L, "req.bundle is for reading");
}

static void judge_push_bundle(lua_State *L, struct judge *j)
{
    static const luaL_Reg events[] = {
        {"__index", judge_bundle_index},
        {"__len", judge_bundle_len},
        {"__pairs", judge_bundle_pairs},
        {"__newindex", judge_bundle_refuse},
        {NULL, NULL},
    };
    lua_newtable(L);
    lua_createtable(L, 0, 5);
    lua_pushlightuserdata(L, j);
    luaL_setfuncs(L, events, 1);
    judge_text_field(L, "__metatable", "bundle");
    lua_setmetatable(L, -2);
}

static void judge_push_req(lua_State *L, struct judge *j, const struct judge_case *c)
{
    lua_createtable(L, 0, 10);
    judge_text_field(L, "user", c->user);
    judge_text_field(L, "role", c->role);
    judge_text_field(L, "context", c->context);
    judge_text_field(L, "namespace", c->namespace_);
    judge_text_field(L, "action", c->action);
    lua_pushboolean(L, c->dry_run);
    lua_setfield(L, -2, "dry_run");
    judge_push_time(L);
    lua_setfield(L, -2, "time");
    if (c->live) {
        bridge_push(L, c->live, c->live_len);
        lua_setfield(L, -2, "live");
    }
    judge_push_bundle(L, j);
    lua_setfield(L, -2, "bundle");
}

/* ---- what it answers ---- */

static void judge_take(const struct judge_call *call, const struct verdict *v)
{
    const struct pack_guardrail *g = call->guardrail;
    bool warns = str_eq(v->word, "warn") && str_eq(g->level, "deny");
    char reason[2048];
    struct event_verdict said = {
        .rule = (char *)g->name,
        .level = warns ? "warn" : g->level,
        .field = (char *)v->field,
        .message = (char *)v->message,
        .file = (char *)g->file,
    };
    if (str_eq(v->word, "approve")) {
        size_t n = str_utf8_cut(v->message, strnlen(v->message, sizeof(reason) / 2));
        snprintf(reason, sizeof(reason), "it needs an approval, and this host cannot ask for one yet: %.*s",
                 (int)n, v->message);
        said.message = reason;
    }
    judge_add(call->judge, call->judged, call->verdicts, &said);
}

/* The value at the top: nothing, a verdict, or a list of them. */
static void judge_read(lua_State *L, const struct judge_call *call)
{
    struct verdict v;
    int answer = lua_gettop(L);
    if (!lua_toboolean(L, answer))
        return;
    if (verdict_read(L, answer, &v)) {
        judge_take(call, &v);
        return;
    }
    bool list = lua_istable(L, answer);
    lua_Unsigned count = list ? lua_rawlen(L, answer) : 0;
    if (list && count == 0) {
        lua_pushnil(L);
        list = !lua_next(L, answer);
    }
    for (lua_Unsigned i = 1; list && i <= count && i <= JUDGE_ANSWERS_MAX; i++) {
        lua_rawgeti(L, answer, (lua_Integer)i);
        list = verdict_read(L, -1, &v);
        if (list)
            judge_take(call, &v);
        lua_settop(L, answer);
    }
    if (!list)
        luaL_error(L, "%s:%d: check must return nothing, deny(…), warn(…) or a list of them, got %s",
                   call->guardrail->file, call->guardrail->line,
                   lua_istable(L, answer) ? "another table" : luaL_typename(L, answer));
}

int judge_run(lua_State *L, void *arg)
{
    const struct judge_call *call = arg;
    luaL_checkstack(L, 16, "no room for a check");
    pack_push_guardrail(L, call->guardrail);
    lua_getfield(L, -1, "check");
    judge_push_req(L, call->judge, call->judged);
    bridge_push(L, call->judged->json, call->judged->json_len);
    lua_call(L, 2, 1);
    judge_read(L, call);
    return 0;
}
