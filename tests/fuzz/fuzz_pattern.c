/* Any pattern on any subject: the bounded functions say what the stock ones say, errors included. */
#include "script/pattern.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Calls table[name](subject, pattern, third, fourth); the status below the results. */
static int call(lua_State *L, const char *table, const char *name, const char *const *text, const size_t *len,
                int init)
{
    int top = lua_gettop(L);
    lua_getglobal(L, table);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
    lua_pushlstring(L, text[0], len[0]);
    lua_pushlstring(L, text[1], len[1]);
    if (strcmp(name, "gsub") == 0)
        lua_pushlstring(L, text[2], len[2]);
    else
        lua_pushinteger(L, init);
    int status = lua_pcall(L, 3, LUA_MULTRET, 0);
    lua_pushinteger(L, status);
    lua_insert(L, top + 1);
    return lua_gettop(L) - top;
}

static void compare(lua_State *L, const char *name, const char *const *text, const size_t *len, int init)
{
    int stock = call(L, "string", name, text, len, init);
    int own = call(L, "own", name, text, len, init);
    if (stock != own)
        abort();
    for (int i = 1; i <= stock; i++)
        if (!lua_rawequal(L, i, stock + i))
            abort();
    lua_settop(L, 0);
}

/* The input: subject length, pattern length, first position, then the three texts. Short ones,
 * since the stock matcher has no budget. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 3)
        return 0;
    size_t len[3] = {data[0] % 16, data[1] % 12, 0};
    int init = (int8_t)data[2] % 20;
    size -= 3;
    len[0] = len[0] < size ? len[0] : size;
    len[1] = len[1] < size - len[0] ? len[1] : size - len[0];
    len[2] = size - len[0] - len[1];
    if (len[2] > 12)
        len[2] = 12;
    const char *subject = (const char *)data + 3;
    const char *const text[3] = {subject, subject + len[0], subject + len[0] + len[1]};
    lua_State *L = luaL_newstate();
    luaL_requiref(L, "string", luaopen_string, 1);
    lua_newtable(L);
    pattern_open(L);
    lua_setglobal(L, "own");
    lua_settop(L, 0);
    compare(L, "find", text, len, init);
    compare(L, "match", text, len, init);
    compare(L, "gsub", text, len, init);
    lua_close(L);
    return 0;
}
