/* pattern.h: Lua's patterns with a limit on the work.
 *
 * string.find, match, gmatch and gsub as Lua 5.4 has them, errors included; the stock matcher can
 * be made to run for years inside one call. Here each call has a budget of steps, and work is
 * charged to the sandbox on the way. */
#pragma once

#include <lua.h>

enum { PATTERN_STEPS = 10000000 }; /* a call's budget; some 50 ms */

/* Sets find, match, gmatch and gsub in the table at the top. */
void pattern_open(lua_State *L);
