/* What a script may do to its host: nothing. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "failing_alloc.h"
#include "loop/loop.h"
#include "script/cell.h"
#include "script/sandbox.h"

#include <dirent.h>
#include <lauxlib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* tests/unit/attacks, beside the folder of the other data; the caller frees. */
static char *attacks(const char *name)
{
    return mem_printf("%.*sattacks/%s", (int)(strrchr(TEST_DATA, '/') + 1 - TEST_DATA), TEST_DATA, name);
}

/* A task of a test: its text, and how it ended. */
struct run {
    const char *text, *name;
    size_t len;
    int done;
    bool failed;
    char error[4096], traceback[4096];
    lua_Integer result;
    void (*open)(lua_State *L); /* more globals */
};

static int run_setup(lua_State *L, void *arg)
{
    struct run *run = arg;
    if (run->open)
        run->open(L);
    char *chunkname = NULL;
    char at[128];
    snprintf(at, sizeof(at), "@%s", run->name ? run->name : "test.lua");
    chunkname = at;
    if (sandbox_load(L, run->text, run->len ? run->len : strlen(run->text), chunkname) != LUA_OK)
        return lua_error(L);
    return 0;
}

static void run_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct run *run = arg;
    run->done++;
    run->failed = err != NULL;
    if (err) {
        snprintf(run->error, sizeof(run->error), "%s", err->text);
        snprintf(run->traceback, sizeof(run->traceback), "%s", traceback);
    } else if (lua_gettop(L) > 0) {
        run->result = lua_tointeger(L, -1);
    }
}

static void run_to_end(struct loop *loop, const struct run *run)
{
    uint64_t limit = clock_mono_ms() + 30000;
    while (!run->done) {
        assert_true(clock_mono_ms() < limit);
        loop_turn(loop);
    }
}

static const struct cell_limits small = {.memory = 8 << 20, .cpu_us = 300000};

/* Runs a text alone in a cell and says how it ended. */
static void run_text(struct run *run, const char *text)
{
    struct loop *loop = loop_new();
    struct err err;
    struct cell *cell = cell_new(loop, NULL, &small, &err);
    assert_non_null(cell);
    *run = (struct run){.text = text, .open = run->open};
    cell_start(cell, run_setup, run_done, run);
    run_to_end(loop, run);
    cell_free(cell);
    assert_int_equal(loop_close(loop), 0);
}

/* Something that waits for a timer: `tick()`. */
struct tick {
    struct loop *loop;
    struct timer *timer;
    struct cell_wait *wait;
    uint64_t last_us, last_cpu_us, gap_us, gap_cpu_us;
    unsigned ticks, stops;
};

static void tick_measure(struct tick *t)
{
    uint64_t now = clock_mono_us(), cpu = clock_cpu_us();
    if (t->last_us && now - t->last_us > t->gap_us)
        t->gap_us = now - t->last_us;
    if (t->last_us && cpu - t->last_cpu_us > t->gap_cpu_us)
        t->gap_cpu_us = cpu - t->last_cpu_us;
    t->last_us = now;
    t->last_cpu_us = cpu;
    t->ticks++;
}

static int tick_push(lua_State *L, void *data)
{
    struct tick *t = data;
    lua_pushinteger(L, t->ticks);
    return 1;
}

static void tick_fire(void *arg)
{
    struct tick *t = arg;
    t->timer = NULL;
    tick_measure(t);
    cell_wake(t->wait, tick_push, t);
}

static void tick_stop(void *arg)
{
    struct tick *t = arg;
    t->stops++;
    timer_stop(&t->timer);
}

static int lua_tick(lua_State *L)
{
    struct tick *t = cell_user(L);
    t->wait = cell_wait_new(L, tick_stop, t);
    t->timer = timer_start(t->loop, 1, tick_fire, t);
    return cell_wait_yield(L, t->wait);
}

static void open_tick(lua_State *L)
{
    lua_pushcfunction(L, lua_tick);
    sandbox_set_global(L, "tick");
}

struct attack {
    char *text, *expected;
};

static struct attack attack_read(const char *name)
{
    struct buf text = {0};
    char *path = attacks(name);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char chunk[4096];
    size_t n;
    while ((n = fread(chunk, 1, sizeof(chunk), f)) > 0)
        buf_append(&text, chunk, n);
    fclose(f);
    free(path);
    assert_true(str_starts(buf_str(&text), "-- ends: "));
    const char *expected = text.data + strlen("-- ends: ");
    struct attack attack = {.expected = mem_strn(expected, strcspn(expected, "\n"))};
    attack.text = buf_take(&text);
    return attack;
}

static void attack_run(const char *name)
{
    struct attack attack = attack_read(name);
    struct loop *loop = loop_new();
    struct err err;
    struct cell *other = cell_new(loop, NULL, NULL, &err);
    struct cell *cell = cell_new(loop, NULL, &small, &err);
    struct tick tick = {.loop = loop};
    struct run ticking = {.text = "while true do tick() end", .open = open_tick};
    struct run run = {.text = attack.text, .name = name};

    cell_set_user(other, &tick);
    cell_start(other, run_setup, run_done, &ticking);
    while (tick.ticks < 2)
        loop_turn(loop);
    cell_start(cell, run_setup, run_done, &run);
    run_to_end(loop, &run);
    unsigned at_end = tick.ticks;
    while (tick.ticks < at_end + 2)
        loop_turn(loop);
    cell_free(cell);
    while (tick.ticks < at_end + 4)
        loop_turn(loop);
    print_message("  %-34s longest gap %6.1f ms (%6.1f of CPU): %.100s\n", name, (double)tick.gap_us / 1000,
                  (double)tick.gap_cpu_us / 1000, run.failed ? run.error : "fine");
    if (strcmp(attack.expected, "fine") == 0)
        assert_string_equal(run.error, "");
    else if (!strstr(run.error, attack.expected))
        fail_msg("%s: expected \"%s\", got \"%s\"", name, attack.expected, run.error);
    assert_int_equal(run.done, 1);
    assert_int_equal(ticking.done, 0);
    /* In CPU time: how busy the machine is with others is not what is promised. */
    assert_true(tick.gap_cpu_us < 250000);
    cell_free(other);
    assert_int_equal(tick.stops, 1);
    assert_int_equal(loop_close(loop), 0);
    free(attack.text);
    free(attack.expected);
}

static int is_lua(const struct dirent *entry)
{
    return str_ends(entry->d_name, ".lua");
}

static void every_attack_ends_within_its_limit_while_others_go_on(void **state)
{
    struct dirent **entries;
    char *path = attacks("");
    int count = scandir(path, &entries, is_lua, alphasort);
    const char *only = getenv("ATTACK");
    (void)state;
    free(path);
    assert_true(count > 20);
    for (int i = 0; i < count; i++) {
        if (!only || strcmp(only, entries[i]->d_name) == 0)
            attack_run(entries[i]->d_name);
        free(entries[i]);
    }
    free(entries);
}

static void an_error_says_file_and_line_and_how_it_came_there(void **state)
{
    struct run run = {0};
    (void)state;
    run_text(&run, "local function f() error('broken') end\n\nlocal function g() f() end\ng()");
    assert_string_equal(run.error, "test.lua:1: broken");
    assert_non_null(strstr(run.traceback, "test.lua:3: in"));
    assert_non_null(strstr(run.traceback, "test.lua:4: in"));
    run_text(&run, "\nerror('no position', 0)");
    assert_string_equal(run.error, "test.lua:2: no position");
    run_text(&run, "\n\nerror({ message = 'in a table' })");
    assert_string_equal(run.error, "test.lua:3: in a table");
    run_text(&run, "x = = 1");
    assert_string_equal(run.error, "test.lua:1: unexpected symbol near '='");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_file_and_line_and_how_it_came_there),
        cmocka_unit_test(every_attack_ends_within_its_limit_while_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
