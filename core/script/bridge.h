/* bridge.h: JSON bytes ↔ Lua values without loss.
 *
 * Lists carry a sealed metatable, so an empty list stays []; null is the light userdata
 * NULL (`null`, the same as cjson.null); integers of 64 bits are Lua integers, every other
 * number a float. Walks are bounded: depth 100, 1,000,000 nodes. */
#pragma once

#include "base/buf.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

/* Pushes the value of a JSON text. Raises a Lua error for text that is none (strict RFC 8259; also
 * a key that comes twice, half a surrogate pair, a number that is too large for a float). -0 is a float. */
void bridge_push(lua_State *L, const char *json, size_t len);

/* Appends the value at `index` as JSON, keys sorted. Raises for what JSON cannot hold
 * (functions, cycles, mixed keys, NaN,
 * bytes that are no UTF-8), naming the path, and beyond 16 MiB. Metatables are not asked. `out` stays
 * the caller's, and holds a part of the text after an error. An unmarked empty table is {}. */
void bridge_write(lua_State *L, int index, struct buf *out);

/* Makes the table at `index` a list, or a new empty list when index is 0. */
void bridge_mark_list(lua_State *L, int index);
bool bridge_is_list(lua_State *L, int index);

/* Registers `null`, `list` (marks a table as a list) and `is_list` as globals of the environment at the top.
 */
void bridge_open(lua_State *L);
