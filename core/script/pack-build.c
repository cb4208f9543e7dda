#include "script/pack-internal.h"

#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "script/cell.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* What a file may use to say what it is. */
static const struct cell_limits loader_limits = {.memory = 32 << 20, .cpu_us = 1000000, .stuck_us = 1000000};

static int pack_compile_in(lua_State *L, void *arg)
{
    struct pack_file *file = arg;
    if (sandbox_load(L, buf_str(&file->text), file->text.len, file->chunkname) != LUA_OK)
        return lua_error(L);
    buf_clear(&file->code);
    if (sandbox_dump(L, &file->code))
        return luaL_error(L, "%s: no memory for the compiled script", file->name);
    return 0;
}

static int pack_declare_in(lua_State *L, void *arg)
{
    struct pack_file *file = arg;
    struct pack *pack = cell_user(L);
    pack->loading = file;
    pack->declared = false;
    if (file->kind == PACK_LIB) {
        pack_push_module(L, file->stem);
        return 0;
    }
    if (sandbox_undump(L, file->code.data, file->code.len, file->chunkname) != LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    if (!pack->declared || lua_type(L, -1) != LUA_TTABLE)
        return luaL_error(L, "%s:1: returns no declaration: a script ends with `return %s { … }`", file->name,
                          file->kind == PACK_RESOURCE ? "resource"
                          : file->kind == PACK_FLOW   ? "flow"
                                                      : "guardrail");
    pack_read_declaration(L, file);
    return 0;
}

/* Each in a cell of its own: what one leaves behind must not help or hurt another. */
static int pack_try_file(struct pack *pack, struct pack_file *file, cell_setup_fn *fn, struct err *err)
{
    struct cell *cell = cell_new(NULL, pack, &loader_limits, err);
    if (!cell)
        return -1;
    cell_set_user(cell, pack);
    size_t patterns = pack->pattern_count;
    int rc = cell_call(cell, fn, file, err);
    pack->loading = NULL;
    if (rc)
        pack->pattern_count = patterns;
    cell_free(cell);
    return rc;
}

/* The message names the file in full where Lua has shortened a long path to "...". */
static void pack_file_fault(const struct pack_file *file, struct err *err)
{
    const char *colon = strchr(err->text, ':');
    if (str_starts(err->text, "...") && colon) {
        char *rest = mem_str(colon);
        err_set(err, "%s%s", file->name, rest);
        free(rest);
    } else if (!strstr(err->text, file->name)) {
        err_prefix(err, "%s", file->name);
    }
}

/* The file failed: its form of the generation before stands in for it, where there is one. */
static bool pack_stand_in(struct pack *pack, struct pack_file *file, const struct pack *before,
                          const struct err *err)
{
    const struct pack_file *good = pack_good_file(before, file->path);
    pack_add_fault(pack, err->text, good != NULL);
    file->ok = false;
    if (!good) {
        if (file->kind == PACK_GUARDRAIL)
            pack_set_guardrail_fault(pack, err->text);
        return false;
    }
    buf_clear(&file->text);
    buf_clear(&file->code);
    buf_append(&file->text, good->text.data, good->text.len);
    buf_append(&file->code, good->code.data, good->code.len);
    file->ok = !file->text.failed && !file->code.failed;
    pack->lost |= !file->ok;
    return file->ok;
}

static void pack_compile(struct pack *pack, struct pack_file *file, const struct pack *before)
{
    struct err err;
    if (file->refused) {
        err_set(&err, "%s", file->refused);
        pack_stand_in(pack, file, before, &err);
        return;
    }
    if (pack_try_file(pack, file, pack_compile_in, &err)) {
        pack_file_fault(file, &err);
        pack_stand_in(pack, file, before, &err);
        return;
    }
    file->ok = true;
}

static void pack_declare(struct pack *pack, struct pack_file *file, const struct pack *before)
{
    struct err err;
    if (!pack_try_file(pack, file, pack_declare_in, &err))
        return;
    pack_file_fault(file, &err);
    bool had = pack_good_file(before, file->path) != NULL;
    if (!pack_stand_in(pack, file, before, &err) || file->kind == PACK_LIB)
        return;
    if (pack_try_file(pack, file, pack_declare_in, &err)) {
        /* Even its earlier form does not work with the rest of this generation. */
        file->ok = false;
        pack->lost |= had;
    }
}

/* A module of a later folder stands for that of an earlier one. */
static void pack_add_lib(struct pack *pack, struct pack_file *file)
{
    struct pack_file *earlier = map_get(pack->libs, file->stem);
    if (earlier)
        earlier->overridden = true;
    map_put(pack->libs, file->stem, file);
}

struct pack *pack_build(const char *shipped, const char *const *dirs, const struct pack *before)
{
    struct pack *pack = mem_new(sizeof(*pack));
    pack->references = 1;
    pack->generation = before ? before->generation + 1 : 1;
    pack->guarded = before && !before->guardrail_fault;
    pack->libs = map_new();
    pack->names = map_new();
    pack->kinds = map_new();
    pack_scan(pack, shipped, dirs, before);
    for (size_t i = 0; i < pack->file_count; i++) {
        pack_compile(pack, pack->files[i], before);
        if (pack->files[i]->kind == PACK_LIB && pack->files[i]->ok)
            pack_add_lib(pack, pack->files[i]);
    }
    /* Every folder's modules are there before the first file that may ask for them. */
    for (int kind = PACK_LIB; kind < PACK_KINDS; kind++)
        for (size_t i = 0; i < pack->file_count; i++)
            if ((int)pack->files[i]->kind == kind && pack->files[i]->ok && !pack->files[i]->overridden)
                pack_declare(pack, pack->files[i], before);
    pack_resolve(pack, before);
    return pack;
}
