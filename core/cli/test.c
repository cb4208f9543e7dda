#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "cli/test-cell.h"
#include "script/pack.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* The specs that were found. */
struct specs {
    char **paths; /* ends with NULL */
    size_t count;
};

static int specs_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && str_ends(entry->d_name, "_spec.lua");
}

static void specs_add_folder(struct specs *specs, const char *dir, const char *sub)
{
    char *folder = mem_printf("%s/%s", dir, sub);
    struct dirent **entries = NULL;
    int count = scandir(folder, &entries, specs_wanted, alphasort);
    for (int i = 0; i < count; i++) {
        specs->paths = mem_grow(specs->paths, (specs->count + 2) * sizeof(*specs->paths));
        specs->paths[specs->count++] = mem_printf("%s/%s", folder, entries[i]->d_name);
        specs->paths[specs->count] = NULL;
        free(entries[i]);
    }
    free(entries);
    free(folder);
}

static void specs_find(struct specs *specs, const char *const *dirs)
{
    static const char *const folders[] = {"resources", "flows", "guardrails", "lib", NULL};
    for (; *dirs; dirs++)
        for (const char *const *folder = folders; *folder; folder++)
            specs_add_folder(specs, *dirs, *folder);
}

static void specs_free(struct specs *specs)
{
    for (size_t i = 0; i < specs->count; i++)
        free(specs->paths[i]);
    free(specs->paths);
}

/* A program in PATH; NULL where it is not there. The caller frees. */
static char *test_program(const char *name)
{
    const char *path = str_or(getenv("PATH"), "/usr/bin:/bin");
    while (*path) {
        size_t n = strcspn(path, ":");
        char *file = mem_printf("%.*s/%s", (int)n, path, name);
        if (n > 0 && access(file, X_OK) == 0)
            return file;
        free(file);
        path += n + (path[n] == ':');
    }
    return NULL;
}

/* What moonsail.testing needs to find itself and the scripts. */
static void test_environment(const char *shipped, const char *const *dirs)
{
    struct buf folders = {0};
    for (const char *const *dir = dirs; *dir; dir++)
        buf_printf(&folders, "%s%s", dir == dirs ? "" : ":", *dir);
    char *path = mem_printf("%s/scripts/?.lua;%s", shipped, str_or(getenv("LUA_PATH"), ";"));
    setenv("MOONSAIL_SCRIPTS", buf_str(&folders), 1);
    setenv("LUA_PATH", path, 1);
    /* It would be read in the place of LUA_PATH. */
    unsetenv("LUA_PATH_5_4");
    buf_free(&folders);
    free(path);
}

/* Becomes busted; returns only where that fails. */
static int test_busted(const struct specs *specs, const char *shipped, const char *const *dirs)
{
    char *lua = test_program("lua5.4"), *busted = test_program("busted");
    int code;
    if (lua && busted) {
        const char **argv = mem_new((specs->count + 3) * sizeof(*argv));
        argv[0] = lua;
        argv[1] = busted;
        memcpy(argv + 2, specs->paths, specs->count * sizeof(*argv));
        test_environment(shipped, dirs);
        execv(lua, (char *const *)argv);
        code = command_fail(EXIT_USAGE, "%s cannot be started: %s", lua, strerror(errno));
        free(argv);
    } else {
        code = command_fail(EXIT_USAGE,
                            "%s is not installed: apt install %s; or run the specs without it: "
                            "moonsail test --cell",
                            lua ? "busted" : "lua5.4", lua ? "lua-busted" : "lua5.4");
    }
    free(lua);
    free(busted);
    return code;
}

static int test_in_cells(const struct specs *specs, struct pack *pack, const char *shipped,
                         const char *const *dirs)
{
    struct test_cell_counts counts = {0};
    for (size_t i = 0; i < specs->count; i++)
        test_cell_run(pack, shipped, dirs, specs->paths[i], &counts);
    printf("%zu passed, %zu failed\n", counts.passed, counts.failed);
    return counts.failed ? EXIT_FAILED : EXIT_OK;
}

static int test_specs(const struct specs *specs, const char *const *dirs, bool in_cells)
{
    struct err err;
    size_t faults;
    char *shipped = host_shipped(&err);
    if (!shipped)
        return command_fail(EXIT_FAILED, "%s", err.text);
    struct pack *pack = pack_load(shipped, dirs);
    const struct pack_fault *fault = pack_faults(pack, &faults);
    int code = EXIT_FAILED;
    for (size_t i = 0; i < faults; i++)
        fprintf(stderr, "%s\n", fault[i].text);
    if (faults == 0)
        code = in_cells ? test_in_cells(specs, pack, shipped, dirs) : test_busted(specs, shipped, dirs);
    pack_drop(pack);
    free(shipped);
    return code;
}

static int test_run(const struct flags *flags)
{
    struct err err;
    size_t words;
    struct specs specs = {0};
    const char *const *dirs = flags_words(flags, &words);
    if (words == 0)
        return command_fail(EXIT_USAGE, "test needs a folder of scripts: moonsail test DIR");
    if (folder_check(dirs, &err))
        return command_fail(EXIT_USAGE, "%s", err.text);
    specs_find(&specs, dirs);
    int code = specs.count ? test_specs(&specs, dirs, flag_on(flags, "cell"))
                           : command_fail(EXIT_USAGE,
                                          "no spec in %s: resources/, flows/, guardrails/ and lib/ are "
                                          "looked through for *_spec.lua; moonsail new writes one",
                                          dirs[0]);
    specs_free(&specs);
    return code;
}

static const struct flag test_flags[] = {
    {"cell", 0, FLAG_SWITCH, NULL, "in the host's own sandbox instead of busted", NULL, NULL},
    {0},
};

const struct command command_test = {
    .name = "test",
    .arguments = "DIR…",
    .help = "Runs the specs beside the scripts of a folder (*_spec.lua) with busted, without a host or a "
            "cluster.",
    .flags = test_flags,
    .words = 64,
    .run = test_run,
};
