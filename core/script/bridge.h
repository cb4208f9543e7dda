/* bridge.h: JSON bytes ↔ Lua values without loss.
 *
 * Lists carry a sealed metatable, so an empty list stays []; null is the light userdata
 * NULL (`null`, the same as cjson.null); integers of 64 bits are Lua integers, every other
 * number a float. Walks are bounded: depth 100, 1,000,000 nodes. */
#pragma once

#include "base/buf.h"

#include <lua.h>
#include <stddef.h>

/* Pushes the value of a JSON text. Raises a Lua error for text that is none. */
void bridge_push(lua_State *L, const char *json, size_t len);

/* Appends the value at `index` as JSON, keys sorted. Raises for what JSON cannot hold
 * (functions, cycles, mixed keys, NaN), naming the path. `out` stays the caller's. */
void bridge_write(lua_State *L, int index, struct buf *out);

/* Makes the table at `index` a list, or a new empty list when index is 0. */
void bridge_mark_list(lua_State *L, int index);

/* Registers `null`, `list` (marks a table as a list) and `is_list` as globals of the environment at the top. */
void bridge_open(lua_State *L);
