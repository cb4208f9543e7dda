#include "script/bridge.h"

#include "script/bridge-internal.h"

#include <lauxlib.h>

static const char list_key; /* its address is the registry's key */

void bridge_list_meta(lua_State *L)
{
    luaL_checkstack(L, 4, "no room for a list");
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_createtable(L, 0, 2);
    /* The word keeps setmetatable() from changing a list, so a list stays one. */
    lua_pushliteral(L, "list");
    lua_setfield(L, -2, "__metatable");
    lua_pushliteral(L, "list");
    lua_setfield(L, -2, "__name");
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &list_key);
}

bool bridge_is_list(lua_State *L, int index)
{
    luaL_checkstack(L, 2, "no room for a list");
    if (!lua_istable(L, index) || !lua_getmetatable(L, index))
        return false;
    bool same = lua_rawgetp(L, LUA_REGISTRYINDEX, &list_key) == LUA_TTABLE && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return same;
}

void bridge_mark_list(lua_State *L, int index)
{
    luaL_checkstack(L, 4, "no room for a list");
    if (index == 0) {
        lua_newtable(L);
        index = -1;
    }
    index = lua_absindex(L, index);
    if (!lua_istable(L, index))
        luaL_error(L, "list: a table is wanted, this is a %s", luaL_typename(L, index));
    if (lua_getmetatable(L, index)) {
        lua_pop(L, 1);
        if (!bridge_is_list(L, index))
            luaL_error(L, "list: this table has a metatable of its own");
        return;
    }
    bridge_list_meta(L);
    lua_setmetatable(L, index);
}

/* list() makes an empty list; list(t) makes t one and returns it. */
static int bridge_lua_list(lua_State *L)
{
    lua_settop(L, 1);
    bridge_mark_list(L, lua_isnil(L, 1) ? 0 : 1);
    return 1;
}

static int bridge_lua_is_list(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, bridge_is_list(L, 1));
    return 1;
}

void bridge_open(lua_State *L)
{
    luaL_checkstack(L, 4, "no room for the bridge");
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
    lua_pushcfunction(L, bridge_lua_list);
    lua_setfield(L, -2, "list");
    lua_pushcfunction(L, bridge_lua_is_list);
    lua_setfield(L, -2, "is_list");
}
