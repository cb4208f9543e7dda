/* Inside a cell: `require`, and the declarations run at their first use. */
#include "script/pack-internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "script/cell-internal.h"
#include "script/sandbox.h"
#include "script/verdict.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* The line that runs in the file being loaded, which may have called a module that asks. */
static int pack_loading_line(lua_State *L, const struct pack_file *file)
{
    lua_Debug ar;
    for (int level = 0; lua_getstack(L, level, &ar); level++)
        if (lua_getinfo(L, "Sl", &ar) && ar.currentline > 0 && str_eq(ar.source, file->chunkname))
            return ar.currentline;
    return 1;
}

static struct pack *pack_here(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* resource{}, flow{}, guardrail{}: the argument is the declaration. The line matters while loading only. */
static int pack_lua_declare(lua_State *L)
{
    struct pack *pack = pack_here(L);
    enum pack_kind kind = (enum pack_kind)lua_tointeger(L, lua_upvalueindex(2));
    static const char *const words[] = {"module", "resource", "flow", "guardrail"};
    if (lua_type(L, 1) != LUA_TTABLE)
        return luaL_error(L, "%s takes one table: %s { name = … }", words[kind], words[kind]);
    lua_settop(L, 1);
    struct pack_file *file = pack->loading;
    if (!file)
        return 1;
    file->line = pack_loading_line(L, file);
    if (file->kind != kind)
        return luaL_error(L, "this is a %s, but the file lies among the %ss", words[kind], words[file->kind]);
    if (pack->declared)
        return luaL_error(L, "a file holds one declaration, this is the second");
    pack->declared = true;
    return 1;
}

static int pack_lua_redact(lua_State *L)
{
    struct pack *pack = pack_here(L);
    luaL_checktype(L, 1, LUA_TSTRING);
    if (!pack->loading)
        return 0;
    const char *text = lua_tostring(L, 1);
    size_t len = lua_rawlen(L, 1);
    luaL_argcheck(L, len > 0 && len < 4096 && strlen(text) == len, 1, "a pattern of 1 to 4,095 characters");
    if (pack->pattern_count >= 1000)
        return luaL_error(L, "more than 1,000 patterns");
    for (size_t i = 0; i < pack->pattern_count; i++)
        if (str_eq(pack->patterns[i].pattern, text))
            return 0; /* a module's, required by several files */
    pack->patterns = mem_grow(pack->patterns, (pack->pattern_count + 1) * sizeof(*pack->patterns));
    pack->patterns[pack->pattern_count++] =
        (struct pack_pattern){.pattern = pack_own(pack->loading, mem_str(text)),
                              .file = pack->loading->name,
                              .line = pack_loading_line(L, pack->loading)};
    return 0;
}

/* Pushes what the file's chunk returns, from the registry when it has run before. */
static void pack_push_file(lua_State *L, struct pack_file *file)
{
    luaL_checkstack(L, 4, "too many modules");
    lua_rawgetp(L, LUA_REGISTRYINDEX, file);
    if (lua_type(L, -1) == LUA_TLIGHTUSERDATA)
        luaL_error(L, "%s needs itself, by way of what it requires", file->name);
    if (!lua_isnil(L, -1))
        return;
    lua_settop(L, -2);
    lua_pushlightuserdata(L, file); /* being run */
    lua_rawsetp(L, LUA_REGISTRYINDEX, file);
    if (sandbox_undump(L, file->code.data, file->code.len, file->chunkname) != LUA_OK)
        lua_error(L);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_settop(L, -2);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, file);
}

static void pack_raise_no_module(lua_State *L, const struct pack *pack, const char *name)
{
    const char *names[256];
    size_t at = 0, count = 0;
    const char *stem;
    while (count + 1 < sizeof(names) / sizeof(names[0]) && map_next(pack->libs, &at, &stem, NULL))
        names[count++] = stem;
    names[count] = NULL;
    const char *wanted = str_starts(name, "lib.") ? name + 4 : name;
    const char *near = str_nearest(wanted, names);
    if (near)
        luaL_error(L, "there is no module \"%s\", did you mean \"lib.%s\"?", name, near);
    luaL_error(L, "there is no module \"%s\": scripts can require lib.<name> and cjson", name);
}

static void pack_push_named(lua_State *L, const struct pack *pack, const char *module)
{
    struct pack_file *file = map_get(pack->libs, module);
    if (file)
        pack_push_file(L, file);
    else
        pack_raise_no_module(L, pack, lua_pushfstring(L, "lib.%s", module));
}

static int pack_lua_require(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    if (str_eq(name, "cjson")) {
        lua_getglobal(L, "cjson");
        return 1;
    }
    if (!str_starts(name, "lib."))
        pack_raise_no_module(L, pack_here(L), name);
    pack_push_named(L, pack_here(L), name + 4);
    return 1;
}

void pack_push_module(lua_State *L, const char *module)
{
    pack_push_named(L, cell_pack(cell_of(L)), module);
}

static void pack_push_declaration(lua_State *L, struct pack_file *file)
{
    pack_push_file(L, file);
    if (lua_type(L, -1) != LUA_TTABLE)
        luaL_error(L, "%s did not return its declaration", file->name);
}

void pack_push_resource(lua_State *L, const struct pack_resource *resource)
{
    const struct pack *pack = cell_pack(cell_of(L));
    pack_push_declaration(L, pack->resource_files[resource - pack->resources]);
}

void pack_push_flow(lua_State *L, const struct pack_flow *flow)
{
    const struct pack *pack = cell_pack(cell_of(L));
    pack_push_declaration(L, pack->flow_files[flow - pack->flows]);
}

void pack_push_guardrail(lua_State *L, const struct pack_guardrail *guardrail)
{
    const struct pack *pack = cell_pack(cell_of(L));
    pack_push_declaration(L, pack->guardrail_files[guardrail - pack->guardrails]);
}

static void pack_set_function(lua_State *L, struct pack *pack, const char *name, lua_CFunction fn, int kind)
{
    lua_pushlightuserdata(L, pack);
    lua_pushinteger(L, kind);
    lua_pushcclosure(L, fn, 2);
    sandbox_set_global(L, name);
}

void pack_open(lua_State *L, struct pack *pack)
{
    pack_set_function(L, pack, "require", pack_lua_require, 0);
    pack_set_function(L, pack, "resource", pack_lua_declare, PACK_RESOURCE);
    pack_set_function(L, pack, "flow", pack_lua_declare, PACK_FLOW);
    pack_set_function(L, pack, "guardrail", pack_lua_declare, PACK_GUARDRAIL);
    pack_set_function(L, pack, "redact_pattern", pack_lua_redact, 0);
    verdict_open(L);
}
