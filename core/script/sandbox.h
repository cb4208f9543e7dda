/* sandbox.h: the world that a script sees, and nothing else.
 *
 * sandbox_open() fills a fresh lua_State: the globals of scripting.md, sealed. Scripts of several
 * authors share a state, so none can change a global, a library table, a list's or a string's
 * metatable for the others. setmetatable takes a copy of the metamethods that are allowed; what is
 * added to the metatable later has no effect. So no __gc, __close, __len or __mode ever works.
 *
 * C functions that can run long call `charge` while they work and have bounds of their own. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct buf;

struct sandbox_options {
    /* Is this state being ended? Then pcall lets every error through. NULL: never. */
    bool (*killed)(lua_State *L);

    /* Work done inside C that the count hook doesn't see: one step is some 5 ns (a pattern step, an
     * element moved, 16 bytes copied). Comes at least every 65,536 steps of a running C function, and
     * not for small work. It may look at the clock, raise (a kill), or set the hook's count to 1
     * so that the script yields at its next instruction. NULL: nobody counts. */
    void (*charge)(lua_State *L, size_t steps);

    lua_CFunction print; /* what `print` calls; NULL: no print */
};

/* Fills the globals of a fresh state. Copies `options`. May raise (out of memory): the caller protects. */
void sandbox_open(lua_State *L, const struct sandbox_options *options);

/* Pops a value and makes it the global `name` (nil removes it). The way for the host to add
 * globals: lua_setglobal() would meet the seal and raise. */
void sandbox_set_global(lua_State *L, const char *name);

/* Pops a table of functions and pushes its sealed form: readable by scripts, not writable. */
void sandbox_seal(lua_State *L);

/* Compiles a text chunk; bytecode is refused. `chunkname` as Lua wants it ("@resources/hpa.lua").
 * LUA_OK and the function pushed, or another status and "file:line: message" pushed. */
int sandbox_load(lua_State *L, const char *text, size_t len, const char *chunkname);

/* Bytecode of the function at the top (left there), appended to `out`, lines and names kept; and
 * back. Only for what sandbox_load() compiled: bytecode is trusted. 0, or -1 when memory ran out. */
int sandbox_dump(lua_State *L, struct buf *out);
int sandbox_undump(lua_State *L, const char *code, size_t len, const char *chunkname); /* as sandbox_load */

/* `pcall` as scripts have it, for C code that needs the same (ctx:try): yieldable, and lets
 * through kills and running out of memory. */
int sandbox_pcall(lua_State *L);

/* Charges steps from another C function. Does nothing in a state without a sandbox. */
void sandbox_charge(lua_State *L, size_t steps);
