#include "script/sandbox.h"

#include "base/buf.h"
#include "script/bridge.h"
#include "script/sandbox-internal.h"

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

struct sandbox {
    struct sandbox_options options;
    bool out_of_memory; /* a pcall saw it: from then on the way goes only outwards */
};

/* Catching an error walks the whole stack once, however deep it is. */
enum { PCALL_CAUGHT = 65536 };

/* Their addresses are keys of the registry. */
static const char sandbox_key, globals_key;

static struct sandbox *sandbox_of(lua_State *L)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &sandbox_key);
    struct sandbox *s = lua_touserdata(L, -1);
    lua_pop(L, 1);
    return s;
}

void sandbox_charge(lua_State *L, size_t steps)
{
    const struct sandbox *s = sandbox_of(L);
    if (s && s->options.charge && steps > 0)
        s->options.charge(L, steps);
}

/* Out of memory is let through by every pcall: what ran into the cap would do so again, each time
 * after a full collection. Raising it again makes it a plain error, hence the mark. */
static bool must_end(lua_State *L, int status)
{
    struct sandbox *s = sandbox_of(L);
    if (!s)
        return false;
    if (status == LUA_ERRMEM)
        s->out_of_memory = true;
    return s->out_of_memory || (s->options.killed && s->options.killed(L));
}

static int pcall_done(lua_State *L, int status, lua_KContext context)
{
    (void)context;
    if (status == LUA_OK || status == LUA_YIELD)
        return lua_gettop(L);
    /* Put aside for good where that is possible: raising again would take the stack's end by end
     * through every pcall below, which takes the square of its depth (minutes at 64 MiB). */
    if (must_end(L, status))
        return lua_isyieldable(L) ? lua_yield(L, 0) : lua_error(L);
    sandbox_charge(L, PCALL_CAUGHT);
    lua_pushboolean(L, 0);
    lua_pushvalue(L, -2);
    return 2;
}

int sandbox_pcall(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushboolean(L, 1); /* stays below the results */
    lua_insert(L, 1);
    return pcall_done(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, pcall_done), 0);
}

static int refuse_global(lua_State *L)
{
    return luaL_error(L, "global '%s' cannot be set: scripts share them, make it a local",
                      luaL_tolstring(L, 2, NULL));
}

static int refuse_field(lua_State *L)
{
    return luaL_error(L, "field '%s' cannot be set: this table is sealed", luaL_tolstring(L, 2, NULL));
}

/* A write to a key that is there never asks a metatable, so what scripts see is an empty table
 * that reads through to the real one and so never has the key. */
static void seal(lua_State *L, lua_CFunction refuse)
{
    luaL_checkstack(L, 4, "no room to seal a table");
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_rotate(L, -3, -1);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, refuse);
    lua_setfield(L, -2, "__newindex");
    lua_pushliteral(L, "sealed");
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

void sandbox_seal(lua_State *L)
{
    seal(L, refuse_field);
}

void sandbox_set_global(lua_State *L, const char *name)
{
    luaL_checkstack(L, 2, "no room for a global");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &globals_key);
    lua_insert(L, -2);
    lua_setfield(L, -2, name);
    lua_pop(L, 1);
}

/* Moves what scripts may have of the base library from the table at `from` to the one at the top. */
static void take_base(lua_State *L, int from)
{
    static const char *const names[] = {"assert",   "error",    "ipairs", "select",
                                        "tonumber", "tostring", "type",   NULL};
    for (const char *const *name = names; *name; name++) {
        lua_getfield(L, from, *name);
        lua_setfield(L, -2, *name);
    }
    sandbox_charge_arguments(L, "tonumber");
    lua_pushcfunction(L, sandbox_next);
    lua_setfield(L, -2, "next");
    lua_pushcfunction(L, sandbox_pairs);
    lua_setfield(L, -2, "pairs");
    lua_pushcfunction(L, sandbox_pcall);
    lua_setfield(L, -2, "pcall");
    sandbox_push_setmetatable(L);
    lua_setfield(L, -2, "setmetatable");
}

static void add_libraries(lua_State *L)
{
    static const struct {
        const char *name;
        void (*push)(lua_State *L);
    } libraries[] = {
        {"string", sandbox_string}, {"table", sandbox_table}, {"math", sandbox_math},
        {"utf8", sandbox_utf8},     {"cjson", sandbox_cjson},
    };
    for (size_t i = 0; i < sizeof(libraries) / sizeof(*libraries); i++) {
        libraries[i].push(L);
        sandbox_seal(L);
        lua_setfield(L, -2, libraries[i].name);
    }
}

void sandbox_open(lua_State *L, const struct sandbox_options *options)
{
    luaL_checkstack(L, 16, "no room for the sandbox");
    struct sandbox *s = lua_newuserdatauv(L, sizeof(*s), 0);
    *s = (struct sandbox){.options = *options};
    lua_rawsetp(L, LUA_REGISTRYINDEX, &sandbox_key);

    luaopen_base(L); /* fills the state's first globals, which go out of use below */
    int base = lua_gettop(L);
    lua_createtable(L, 0, 32);
    take_base(L, base);
    add_libraries(L);
    bridge_open(L);
    if (options->print) {
        lua_pushcfunction(L, options->print);
        lua_setfield(L, -2, "print");
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &globals_key);
    seal(L, refuse_global);
    lua_rawseti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
    lua_settop(L, base - 1);
}

int sandbox_load(lua_State *L, const char *text, size_t len, const char *chunkname)
{
    return luaL_loadbufferx(L, text, len, chunkname, "t");
}

static int dump_piece(lua_State *L, const void *piece, size_t len, void *out)
{
    (void)L;
    buf_append(out, piece, len);
    return ((struct buf *)out)->failed;
}

int sandbox_dump(lua_State *L, struct buf *out)
{
    return lua_dump(L, dump_piece, out, 0) ? -1 : 0;
}

int sandbox_undump(lua_State *L, const char *code, size_t len, const char *chunkname)
{
    return luaL_loadbufferx(L, code, len, chunkname, "b");
}
