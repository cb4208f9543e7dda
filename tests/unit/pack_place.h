/* pack_place.h: folders of scripts, made anew for each test. */
#pragma once

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cmocka-all.h"
#include "loop/loop.h"
#include "script/cell.h"
#include "script/pack.h"

#include <ftw.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Not every program uses all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"

/* A shipped root and one operator's folder, made anew for each test; the paths are relative to it. */
struct place {
    char root[64], shipped[96], own[96];
    const char *dirs[2];
};

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static void make_dir(const struct place *p, const char *name)
{
    char *path = mem_printf("%s/%s", p->root, name);
    assert_int_equal(mkdir(path, 0755), 0);
    free(path);
}

static int place_setup(void **state)
{
    static const char *const dirs[] = {"shipped",
                                       "shipped/resources",
                                       "shipped/scripts",
                                       "shipped/scripts/lib",
                                       "shipped/scripts/flows",
                                       "shipped/scripts/guardrails",
                                       "own",
                                       "own/resources",
                                       "own/flows",
                                       "own/guardrails",
                                       "own/lib"};
    struct place *p = mem_new(sizeof(*p));
    umask(022);
    snprintf(p->root, sizeof(p->root), "/tmp/pack-test-XXXXXX");
    assert_non_null(mkdtemp(p->root));
    snprintf(p->shipped, sizeof(p->shipped), "%s/shipped", p->root);
    snprintf(p->own, sizeof(p->own), "%s/own", p->root);
    p->dirs[0] = p->own;
    for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++)
        make_dir(p, dirs[i]);
    *state = p;
    return 0;
}

static int place_teardown(void **state)
{
    struct place *p = *state;
    nftw(p->root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(p);
    return 0;
}

static void put(const struct place *p, const char *name, const char *text)
{
    /* Written and renamed, as an editor does it. */
    char *path = mem_printf("%s/%s", p->root, name), *new = mem_printf("%s/new", p->root);
    FILE *f = fopen(new, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(new, path), 0);
    free(path);
    free(new);
}

static void drop(const struct place *p, const char *name)
{
    char *path = mem_printf("%s/%s", p->root, name);
    assert_int_equal(unlink(path), 0);
    free(path);
}

static void allow(const struct place *p, const char *name, mode_t mode)
{
    char *path = mem_printf("%s/%s", p->root, name);
    assert_int_equal(chmod(path, mode), 0);
    free(path);
}

static struct pack *load(const struct place *p)
{
    return pack_load(p->shipped, p->dirs);
}

static void assert_no_faults(const struct pack *pack)
{
    size_t count;
    const struct pack_fault *faults = pack_faults(pack, &count);
    if (count)
        fail_msg("a fault that should not be: %s", faults[0].text);
}

#define PLACE_TEST(f) cmocka_unit_test_setup_teardown(f, place_setup, place_teardown)
