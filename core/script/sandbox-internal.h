/* sandbox-internal.h: the parts of the sandbox that fill one library each. */
#pragma once

#include <lua.h>

enum {
    SANDBOX_TEXT = 16 << 20,    /* most bytes of a string made by one rep() or concat() */
    SANDBOX_ELEMENTS = 1000000, /* most elements that one table function touches */
    SANDBOX_SORT = 200000,      /* most elements that one sort takes */
    SANDBOX_JSON = 8 << 20,     /* most bytes of a JSON text for or from cjson */
};

/* Each pushes its library, not yet sealed. May raise. */
void sandbox_string(lua_State *L); /* also sets the strings' metatable */
void sandbox_table(lua_State *L);
void sandbox_math(lua_State *L);
void sandbox_utf8(lua_State *L);
void sandbox_cjson(lua_State *L);

/* Replaces the C function `name` of the table at the top by one that charges for its arguments,
 * or for its results: for stock functions whose time grows with them. */
void sandbox_charge_arguments(lua_State *L, const char *name);
void sandbox_charge_results(lua_State *L, const char *name);

int sandbox_next(lua_State *L);
int sandbox_pairs(lua_State *L);

/* Scripts' setmetatable, with what it needs as upvalues. */
void sandbox_push_setmetatable(lua_State *L);
