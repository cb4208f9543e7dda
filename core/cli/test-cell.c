#include "cli/test-cell.h"

#include "base/buf.h"
#include "base/err.h"
#include "script/cell.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <string.h>

/* Nothing waits in a spec, so one call has all the time of the cell. */
enum { SPEC_US = 10000000, SPEC_FILE_MOST = 8 << 20 };

struct spec {
    const char *shipped, *const *folders, *path;
    struct test_cell_counts counts;
    struct buf text; /* of the file that is being read: here an error leaks nothing */
};

static void spec_print(void *user, const char *text, size_t len)
{
    (void)user;
    fwrite(text, 1, len, stdout);
    putchar('\n');
}

/* False where there is no such file. Raises for one that is too large. */
static bool spec_read_file(lua_State *L, const char *path)
{
    struct spec *spec = cell_user(L);
    FILE *file = fopen(path, "re");
    size_t n;
    buf_clear(&spec->text);
    if (!file)
        return false;
    do {
        char *room = buf_reserve(&spec->text, 65536);
        n = room ? fread(room, 1, 65536, file) : 0;
        spec->text.len += n;
    } while (n > 0 && spec->text.len < SPEC_FILE_MOST);
    fclose(file);
    if (n > 0 || spec->text.failed)
        luaL_error(L, "%s is larger than 8 MiB", path);
    return true;
}

/* read(path) → its text, or nil */
static int spec_lua_read(lua_State *L)
{
    struct spec *spec = cell_user(L);
    if (!spec_read_file(L, luaL_checkstring(L, 1)))
        return 0;
    lua_pushlstring(L, spec->text.len ? spec->text.data : "", spec->text.len);
    return 1;
}

/* compile(path) → the function of a script */
static int spec_lua_compile(lua_State *L)
{
    struct spec *spec = cell_user(L);
    const char *path = luaL_checkstring(L, 1), *name = lua_pushfstring(L, "@%s", path);
    if (!spec_read_file(L, path))
        return luaL_error(L, "%s cannot be read", path);
    if (sandbox_load(L, spec->text.len ? spec->text.data : "", spec->text.len, name) != LUA_OK)
        return lua_error(L);
    return 1;
}

static int spec_lua_set_global(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    sandbox_set_global(L, name);
    return 0;
}

static void spec_push_host(lua_State *L, const struct spec *spec)
{
    static const luaL_Reg functions[] = {{"read", spec_lua_read},
                                         {"compile", spec_lua_compile},
                                         {"set_global", spec_lua_set_global},
                                         {NULL, NULL}};
    const char *slash = strrchr(spec->path, '/');
    luaL_newlib(L, functions);
    lua_pushstring(L, spec->shipped);
    lua_setfield(L, -2, "shipped");
    lua_pushstring(L, spec->path);
    lua_setfield(L, -2, "spec");
    lua_pushlstring(L, slash ? spec->path : ".", slash ? (size_t)(slash - spec->path) : 1);
    lua_setfield(L, -2, "here");
    lua_newtable(L);
    for (lua_Integer i = 0; spec->folders[i]; i++) {
        lua_pushstring(L, spec->folders[i]);
        lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, "folders");
}

static int spec_run(lua_State *L, void *arg)
{
    struct spec *spec = arg;
    lua_pushcfunction(L, spec_lua_compile);
    lua_pushfstring(L, "%s/scripts/testing/cell.lua", spec->shipped);
    lua_call(L, 1, 1);
    spec_push_host(L, spec);
    lua_call(L, 1, 2);
    spec->counts.passed = (size_t)lua_tointeger(L, -2);
    spec->counts.failed = (size_t)lua_tointeger(L, -1);
    return 0;
}

void test_cell_run(struct pack *pack, const char *shipped, const char *const *folders, const char *path,
                   struct test_cell_counts *counts)
{
    static const struct cell_limits limits = {.cpu_us = SPEC_US, .stuck_us = SPEC_US};
    struct spec spec = {.shipped = shipped, .folders = folders, .path = path};
    struct err err;
    struct cell *cell = cell_new(NULL, pack, &limits, &err);
    if (cell) {
        cell_set_user(cell, &spec);
        cell_set_print(cell, spec_print);
    }
    if (!cell || cell_call(cell, spec_run, &spec, &err)) {
        printf("failed: %s\n  %s\n", path, err.text);
        spec.counts.failed++;
    }
    cell_free(cell);
    buf_free(&spec.text);
    counts->passed += spec.counts.passed;
    counts->failed += spec.counts.failed;
}
