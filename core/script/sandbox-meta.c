#include "script/sandbox-internal.h"

#include <lauxlib.h>
#include <string.h>

/* What a metatable may say. Not among them:
 *   __gc     runs code where no hook counts;
 *   __close  runs code while a kill unwinds;
 *   __mode   chains of weak keys make one collector step quadratic, for minutes;
 *   __len    would let C code believe in lengths that are not there. */
static const char *const events[] = {
    "__index", "__newindex", "__call", "__tostring", "__name", "__pairs", "__metatable", "__eq",  "__lt",
    "__le",    "__concat",   "__unm",  "__add",      "__sub",  "__mul",   "__div",       "__mod", "__pow",
    "__idiv",  "__band",     "__bor",  "__bxor",     "__shl",  "__shr",   "__bnot",
};
static const char *const refused[] = {"__gc", "__close", "__mode", "__len"};

enum { EVENTS = sizeof(events) / sizeof(*events), REFUSED = sizeof(refused) / sizeof(*refused) };

/* Pushes a copy of the metatable at index 2, allowed events only. */
static void copy_events(lua_State *L)
{
    int found[EVENTS], n = 0;
    luaL_checkstack(L, EVENTS + 4, "no room for a metatable");
    for (int i = 0; i < EVENTS; i++) {
        lua_pushvalue(L, lua_upvalueindex(REFUSED + 1 + i));
        if (lua_rawget(L, 2) == LUA_TNIL)
            lua_pop(L, 1);
        else
            found[n++] = i;
    }
    lua_createtable(L, 0, n);
    lua_insert(L, 3);
    while (n-- > 0) {
        int event = found[n];
        /* A table as __call would be called by its own __call, and so on in C, without end. */
        if (strcmp(events[event], "__call") == 0 && !lua_isfunction(L, -1))
            luaL_error(L, "setmetatable: __call must be a function, this is a %s", luaL_typename(L, -1));
        lua_pushvalue(L, lua_upvalueindex(REFUSED + 1 + event));
        lua_insert(L, -2);
        lua_rawset(L, 3);
    }
}

/* Sets a copy: the metatable stays the script's, and what is put into it later (or taken out) must
 * not bring back what was refused here. */
static int script_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    int type = lua_type(L, 2);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    lua_settop(L, 2);
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL)
        return luaL_error(L, "cannot change a protected metatable");
    if (type == LUA_TTABLE) {
        for (int i = 0; i < REFUSED; i++) {
            lua_pushvalue(L, lua_upvalueindex(i + 1));
            if (lua_rawget(L, 2) != LUA_TNIL)
                return luaL_error(L, "setmetatable: %s is not offered to scripts", refused[i]);
            lua_pop(L, 1);
        }
        copy_events(L);
    }
    lua_setmetatable(L, 1);
    lua_settop(L, 1);
    return 1;
}

void sandbox_push_setmetatable(lua_State *L)
{
    luaL_checkstack(L, EVENTS + REFUSED + 2, "no room for setmetatable");
    for (int i = 0; i < REFUSED; i++)
        lua_pushstring(L, refused[i]);
    for (int i = 0; i < EVENTS; i++)
        lua_pushstring(L, events[i]);
    lua_pushcclosure(L, script_setmetatable, REFUSED + EVENTS);
}
