#include "script/pattern.h"
#include "script/sandbox-internal.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>
#include <time.h>

/* Bytes of the strings at the top n places, and 8 for any other value. */
static size_t bytes_of(lua_State *L, int n)
{
    size_t bytes = 0;
    for (int i = -n; i < 0; i++)
        bytes += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) : 8;
    return bytes;
}

static void charge_bytes(lua_State *L, size_t bytes)
{
    if (bytes >= 4096)
        sandbox_charge(L, bytes / 4);
}

/* The stock function is called in this very frame, so its errors read as ever. */
static int charged_arguments(lua_State *L)
{
    charge_bytes(L, bytes_of(L, lua_gettop(L)));
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int charged_results(lua_State *L)
{
    int n = lua_tocfunction(L, lua_upvalueindex(1))(L);
    charge_bytes(L, bytes_of(L, n));
    return n;
}

static void charge_for(lua_State *L, const char *name, lua_CFunction how)
{
    lua_getfield(L, -1, name);
    lua_pushcclosure(L, how, 1);
    lua_setfield(L, -2, name);
}

void sandbox_charge_arguments(lua_State *L, const char *name)
{
    charge_for(L, name, charged_arguments);
}

void sandbox_charge_results(lua_State *L, const char *name)
{
    charge_for(L, name, charged_results);
}

static long tick(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
    return now.tv_nsec;
}

/* A table of which two million keys were removed still has their room, and each call that starts
 * before it walks over all of it. Nothing but time shows that; the coarse clock costs 5 ns. */
int sandbox_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    long begin = tick();
    int found = lua_next(L, 1);
    if (tick() != begin)
        sandbox_charge(L, 65536);
    if (found)
        return 2;
    lua_pushnil(L);
    return 1;
}

static int pairs_done(lua_State *L, int status, lua_KContext context)
{
    (void)L;
    (void)status;
    (void)context;
    return 3;
}

int sandbox_pairs(lua_State *L)
{
    luaL_checkany(L, 1);
    if (luaL_getmetafield(L, 1, "__pairs") == LUA_TNIL) {
        lua_pushcfunction(L, sandbox_next);
        lua_pushvalue(L, 1);
        lua_pushnil(L);
    } else {
        lua_pushvalue(L, 1);
        lua_callk(L, 1, 3, 0, pairs_done);
    }
    return 3;
}

/* string.rep. Stock has no bound, and counts to n for an empty string too. */
static int string_rep(lua_State *L)
{
    size_t len, sep_len, unit;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    const char *sep = luaL_optlstring(L, 3, "", &sep_len);
    unit = len + sep_len;
    if (n <= 0 || unit == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if (unit > SANDBOX_TEXT || (size_t)n > (SANDBOX_TEXT + sep_len) / unit)
        return luaL_error(L, "string.rep: the result would be larger than 16 MiB");
    size_t total = unit * (size_t)n - sep_len;
    charge_bytes(L, total);
    luaL_Buffer b;
    char *out = luaL_buffinitsize(L, &b, total);
    memcpy(out, s, len);
    if (n > 1) {
        /* What is there is doubled: few large copies, however short the string. */
        memcpy(out + len, sep, sep_len);
        size_t done = unit;
        while (done < total) {
            size_t more = done < total - done ? done : total - done;
            memcpy(out + done, out, more);
            done += more;
        }
    }
    luaL_pushresultsize(&b, total);
    return 1;
}

static void remove_field(lua_State *L, const char *name)
{
    lua_pushnil(L);
    lua_setfield(L, -2, name);
}

void sandbox_string(lua_State *L)
{
    luaopen_string(L);
    remove_field(L, "dump"); /* bytecode */
    remove_field(L, "pack"); /* the three run long on a long format */
    remove_field(L, "packsize");
    remove_field(L, "unpack");
    pattern_open(L);
    lua_pushcfunction(L, string_rep);
    lua_setfield(L, -2, "rep");
    sandbox_charge_arguments(L, "upper");
    sandbox_charge_arguments(L, "lower");
    sandbox_charge_arguments(L, "reverse");
    sandbox_charge_results(L, "sub");
    sandbox_charge_results(L, "byte");
    sandbox_charge_arguments(L, "format");
    /* luaopen_string has made the metatable of all strings, which reads from this very table. */
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1);
    lua_pushliteral(L, "sealed");
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void sandbox_math(lua_State *L)
{
    luaopen_math(L); /* every function of it takes constant time; random's state is the Lua state's */
}

void sandbox_utf8(lua_State *L)
{
    luaopen_utf8(L);
    sandbox_charge_arguments(L, "len");
    sandbox_charge_arguments(L, "offset");
    sandbox_charge_results(L, "codepoint");
}
