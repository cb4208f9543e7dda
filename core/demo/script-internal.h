/* script-internal.h: what scripts/demo has beside the sandbox: `store` and `require`. */
#pragma once

#include <lua.h>

/* Inside the cell: makes both (a cell_setup_fn; the argument is the struct demo). */
int demo_lua_open(lua_State *L, void *demo);

/* Pushes what module "demo.x" or "lib.x" returns; its file is read and run at the first use. */
void demo_lua_require(lua_State *L, const char *module);
