#include "script/verdict.h"

#include "base/str.h"
#include "script/sandbox.h"

#include <lauxlib.h>

static const char *const verdict_words[] = {"deny", "warn", "approve"};

/* How many values string.format() takes for it. */
static int verdict_directives(const char *format)
{
    int n = 0;
    for (; *format; format++) {
        if (*format != '%')
            continue;
        if (format[1] == '%')
            format++;
        else
            n++;
    }
    return n;
}

/* Pushes the text at `first` with its values up to `last`. */
static void verdict_format(lua_State *L, int first, int last)
{
    luaL_checktype(L, first, LUA_TSTRING);
    luaL_checkstack(L, last - first + 4, "too many values");
    if (first == last) {
        lua_pushvalue(L, first);
        return;
    }
    lua_getglobal(L, "string");
    lua_getfield(L, -1, "format");
    lua_remove(L, -2);
    for (int i = first; i <= last; i++)
        lua_pushvalue(L, i);
    lua_call(L, last - first + 1, 1);
}

/* The word is the upvalue. */
static int verdict_make(lua_State *L)
{
    int last = lua_gettop(L);
    int message = 2 + verdict_directives(luaL_checkstring(L, 1));
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_setfield(L, -2, "verdict");
    if (message > last)
        message = 1;
    if (message > 1) {
        verdict_format(L, 1, message - 1);
        lua_setfield(L, last + 1, "field");
    }
    verdict_format(L, message, last);
    lua_setfield(L, last + 1, "message");
    return 1;
}

void verdict_open(lua_State *L)
{
    for (size_t i = 0; i < sizeof(verdict_words) / sizeof(verdict_words[0]); i++) {
        lua_pushstring(L, verdict_words[i]);
        lua_pushcclosure(L, verdict_make, 1);
        sandbox_set_global(L, verdict_words[i]);
    }
}

/* NULL where it is no string. */
static const char *verdict_text(lua_State *L, int index, const char *key)
{
    lua_pushstring(L, key);
    const char *text = lua_rawget(L, index) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    lua_settop(L, -2);
    return text;
}

bool verdict_read(lua_State *L, int index, struct verdict *v)
{
    *v = (struct verdict){0};
    if (lua_type(L, index) != LUA_TTABLE)
        return false;
    index = lua_absindex(L, index);
    luaL_checkstack(L, 2, "no room for a verdict");
    const char *word = verdict_text(L, index, "verdict");
    for (size_t i = 0; i < sizeof(verdict_words) / sizeof(verdict_words[0]); i++)
        if (str_eq(word, verdict_words[i]))
            v->word = verdict_words[i];
    v->field = str_or(verdict_text(L, index, "field"), "");
    v->message = verdict_text(L, index, "message");
    return v->word && v->message;
}
