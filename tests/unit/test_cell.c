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
#include <stddef.h>
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
    uint64_t last_us, last_cpu_us, gap_us, gap_cpu_us;
    unsigned ticks, stops, waiting;
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

struct tick_wait {
    struct tick *tick;
    struct timer *timer;
    struct cell_wait *wait;
};

static int tick_push(lua_State *L, void *data)
{
    struct tick *t = data;
    lua_pushinteger(L, t->ticks);
    return 1;
}

static void tick_fire(void *arg)
{
    struct tick_wait *w = arg;
    struct tick *t = w->tick;
    struct cell_wait *wait = w->wait;
    free(w);
    t->waiting--;
    tick_measure(t);
    cell_wake(wait, tick_push, t);
}

static void tick_stop(void *arg)
{
    struct tick_wait *w = arg;
    w->tick->stops++;
    w->tick->waiting -= w->timer != NULL;
    timer_stop(&w->timer);
    free(w);
}

static int lua_tick(lua_State *L)
{
    struct cell_wait *wait = cell_wait_new(L, NULL, NULL); /* may raise: before there is anything to free */
    struct tick_wait *w = mem_new(sizeof(*w));
    w->tick = cell_user(L);
    cell_wait_cancel(wait);
    w->wait = cell_wait_new(L, tick_stop, w);
    w->timer = timer_start(w->tick->loop, 1, tick_fire, w);
    w->tick->waiting++;
    return cell_wait_yield(L, w->wait);
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
    run_text(&run, "\nlocal x = nil + 1");
    assert_string_equal(run.error, "test.lua:2: attempt to perform arithmetic on a nil value");
    run_text(&run, "x = = 1");
    assert_string_equal(run.error, "test.lua:1: unexpected symbol near '='");
}

/* A loop, a cell and something to wait for. */
struct bench {
    struct loop *loop;
    struct cell *cell;
    struct cell_task *task;
    struct tick tick;
};

static struct bench *bench_of(lua_State *L)
{
    return (struct bench *)((char *)cell_user(L) - offsetof(struct bench, tick));
}

static struct bench *bench_new(const struct cell_limits *limits)
{
    struct err err;
    struct bench *b = mem_new(sizeof(*b));
    b->loop = loop_new();
    b->cell = cell_new(b->loop, NULL, limits, &err);
    assert_non_null(b->cell);
    b->tick.loop = b->loop;
    cell_set_user(b->cell, &b->tick);
    return b;
}

static void bench_free(struct bench *b)
{
    cell_free(b->cell);
    assert_int_equal(loop_close(b->loop), 0);
    free(b);
}

static void a_long_path_is_told_in_full(void **state)
{
    static const char name[] =
        "/srv/platform/teams/payments/production/cluster-scripts/resources/kafka-topic.lua";
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "\nlocal x = nil + 1", .name = name};
    char expected[256];
    (void)state;
    snprintf(expected, sizeof(expected), "%s:2: attempt to perform arithmetic on a nil value", name);
    cell_start(b->cell, run_setup, run_done, &run);
    run_to_end(b->loop, &run);
    assert_string_equal(run.error, expected);
    assert_non_null(strstr(run.traceback, name));
    bench_free(b);
}

static void a_task_waits_and_goes_on_with_what_came(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "local a = tick() local b = pcall(tick) return a + (b and 10 or 0)",
                      .open = open_tick};
    (void)state;
    cell_start(b->cell, run_setup, run_done, &run);
    assert_int_equal(run.done, 0);
    run_to_end(b->loop, &run);
    assert_false(run.failed);
    assert_int_equal(run.result, 11);
    assert_int_equal(b->tick.stops, 0);
    bench_free(b);
}

static void waiting_is_refused_where_lua_cannot_yield(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "table.sort({ 2, 1 }, function() tick() end)", .open = open_tick};
    (void)state;
    cell_start(b->cell, run_setup, run_done, &run);
    run_to_end(b->loop, &run);
    assert_non_null(strstr(run.error, "test.lua:1: this waits, and waiting is not possible here"));
    bench_free(b);
}

static void what_a_dead_task_waits_for_is_stopped_once(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "tick()", .open = open_tick};
    (void)state;
    struct cell_task *task = cell_start(b->cell, run_setup, run_done, &run);
    while (!b->tick.waiting)
        loop_turn(b->loop);
    cell_stop_task(&task);
    assert_null(task);
    assert_int_equal(b->tick.stops, 1);
    assert_int_equal(run.done, 0);
    cell_stop_task(&task);
    bench_free(b);

    b = bench_new(NULL);
    cell_start(b->cell, run_setup, run_done, &run);
    while (!b->tick.waiting)
        loop_turn(b->loop);
    struct loop *loop = b->loop;
    cell_free(b->cell);
    assert_int_equal(b->tick.stops, 1);
    assert_int_equal(run.done, 0);
    assert_int_equal(loop_close(loop), 0);
    free(b);
}

static int lua_fail(lua_State *L)
{
    static const char body[] = "{\"kind\":\"Status\",\"details\":{\"causes\":[{\"field\":\"spec\"}]}}";
    return cell_raise_api(L, "conflict", 409, "Conflict", "the object has been modified", body,
                          sizeof(body) - 1);
}

static int lua_wait_then_fail(lua_State *L)
{
    struct tick_wait *w = mem_new(sizeof(*w));
    w->tick = cell_user(L);
    cell_wait_new(L, tick_stop, w);
    return cell_raise_api(L, "unavailable", 0, NULL, "nobody answers", "no JSON", 7);
}

static void open_fail(lua_State *L)
{
    open_tick(L);
    lua_pushcfunction(L, lua_fail);
    sandbox_set_global(L, "fail");
    lua_pushcfunction(L, lua_wait_then_fail);
    sandbox_set_global(L, "wait_then_fail");
}

static void an_api_failure_is_a_table_that_reads_as_its_message(void **state)
{
    struct run run = {.open = open_fail};
    (void)state;
    run_text(&run, "fail()");
    assert_string_equal(run.error, "the object has been modified");
    assert_string_equal(run.traceback, "");
    run_text(&run, "pcall(error) local ok, e = pcall(fail) e.code = nil e.message = {} error(e)");
    assert_string_equal(run.error, "the error value is a table without a message");
    run_text(&run, "local ok, e = pcall(fail)\n"
                   "assert(not ok and e.code == 'conflict' and e.status == 409 and e.reason == 'Conflict')\n"
                   "assert(e.message == tostring(e) and e.details.causes[1].field == 'spec')\n"
                   "assert(not pcall(setmetatable, e, {}))\n"
                   "return 7");
    assert_string_equal(run.error, "");
    assert_int_equal(run.result, 7);
}

static void a_wait_that_never_began_is_stopped_when_the_next_begins(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "local ok, e = pcall(wait_then_fail) assert(e.details == nil) tick() return 3",
                      .open = open_fail};
    (void)state;
    cell_start(b->cell, run_setup, run_done, &run);
    run_to_end(b->loop, &run);
    assert_int_equal(run.result, 3);
    assert_int_equal(b->tick.stops, 1);
    bench_free(b);
}

static void done_raises(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct run *run = arg;
    if (err)
        run_done(arg, L, err, traceback);
    else
        luaL_error(L, "result %d is of no use", (int)++run->result);
}

static void a_failure_to_read_the_results_comes_back_as_an_error(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "return 1, 2, 3"};
    (void)state;
    cell_start(b->cell, run_setup, done_raises, &run);
    run_to_end(b->loop, &run);
    assert_int_equal(run.done, 1);
    assert_string_equal(run.error, "result 1 is of no use");
    bench_free(b);
}

static int call_text(lua_State *L, void *arg)
{
    const char *text = arg;
    if (sandbox_load(L, text, strlen(text), "@call.lua") != LUA_OK)
        return lua_error(L);
    open_tick(L);
    lua_call(L, 0, 0);
    return 0;
}

static void a_call_ends_at_once_and_within_its_time(void **state)
{
    struct cell_limits limits = {.stuck_us = 50000};
    struct bench *b = bench_new(&limits);
    struct err err = {0};
    (void)state;
    assert_int_equal(cell_call(b->cell, call_text, "local x = 1", &err), 0);
    assert_int_equal(cell_call(b->cell, call_text, "\nerror('no')", &err), -1);
    assert_string_equal(err.text, "call.lua:2: no");
    assert_int_equal(cell_call(b->cell, call_text, "tick()", &err), -1);
    assert_non_null(strstr(err.text, "call.lua:1: this waits"));
    assert_false(cell_killed(b->cell));
    assert_int_equal(
        cell_call(b->cell, call_text, "while true do pcall(function() while true do end end) end", &err), -1);
    assert_string_equal(err.text, "call.lua:1: ended after 50 ms: that is all the time it has");
    assert_int_equal(err.code, ERR_TIMEOUT);
    assert_true(cell_killed(b->cell));
    bench_free(b);
}

static void cpu_is_counted_over_all_tasks_of_a_cell(void **state)
{
    struct cell_limits limits = {.cpu_us = 60000};
    struct bench *b = bench_new(&limits);
    struct run runs[5] = {0}, after = {.text = "return 5"};
    (void)state;
    for (int i = 0; i < 5; i++) {
        runs[i].text = "while true do end";
        cell_start(b->cell, run_setup, run_done, &runs[i]);
    }
    uint64_t began = clock_cpu_us();
    for (int i = 0; i < 5; i++)
        run_to_end(b->loop, &runs[i]);
    assert_true(clock_cpu_us() - began < 120000);
    for (int i = 0; i < 5; i++)
        assert_string_equal(runs[i].error, "test.lua:1: ended after 60 ms of CPU");
    cell_allow(b->cell, 10000);
    cell_start(b->cell, run_setup, run_done, &after);
    run_to_end(b->loop, &after);
    assert_int_equal(after.result, 5);
    bench_free(b);
}

/* What tears a cell down in the middle. */
struct teardown {
    struct bench *bench;
    struct run run;
};

static int lua_free_cell(lua_State *L)
{
    struct bench *b = bench_of(L);
    cell_free(b->cell);
    b->cell = NULL;
    return 0;
}

static void open_free(lua_State *L)
{
    open_tick(L);
    lua_pushcfunction(L, lua_free_cell);
    sandbox_set_global(L, "free_cell");
}

static void done_frees(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct teardown *t = arg;
    run_done(&t->run, L, err, traceback);
    cell_free(t->bench->cell);
    t->bench->cell = NULL;
    if (!err)
        assert_int_equal(lua_tointeger(L, -1), 4); /* the state is still there */
}

static int teardown_setup(lua_State *L, void *arg)
{
    return run_setup(L, &((struct teardown *)arg)->run);
}

static void a_cell_can_be_freed_from_anywhere(void **state)
{
    static const char *const texts[] = {
        "free_cell() while true do end",
        "pcall(function() free_cell() while true do end end) tick()",
        "table.sort({ 3, 2, 1 }, function() free_cell() while true do end end)",
        "free_cell() tick()",
        "tick() free_cell() return 4",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct bench *b = bench_new(NULL);
        struct run run = {.text = texts[i], .open = open_free}, waits = {.text = "tick()", .open = open_tick};
        cell_start(b->cell, run_setup, run_done, &waits);
        cell_start(b->cell, run_setup, run_done, &run);
        for (int turn = 0; b->cell && turn < 100; turn++)
            loop_turn(b->loop);
        assert_null(b->cell);
        assert_int_equal(run.done, 0);
        assert_int_equal(loop_close(b->loop), 0);
        free(b);
    }
    struct teardown t = {.bench = bench_new(NULL), .run = {.text = "return 4", .open = open_tick}};
    struct run waits = {.text = "tick()", .open = open_tick};
    cell_start(t.bench->cell, run_setup, run_done, &waits);
    cell_start(t.bench->cell, teardown_setup, done_frees, &t);
    run_to_end(t.bench->loop, &t.run);
    assert_int_equal(waits.done, 0);
    assert_int_equal(t.bench->tick.stops, 1);
    assert_int_equal(loop_close(t.bench->loop), 0);
    free(t.bench);
}

static int lua_stop_self(lua_State *L)
{
    cell_stop_task(&bench_of(L)->task);
    return 0;
}

static void open_stop(lua_State *L)
{
    open_tick(L);
    lua_pushcfunction(L, lua_stop_self);
    sandbox_set_global(L, "stop_self");
}

static void a_task_can_be_stopped_from_within(void **state)
{
    struct bench *b = bench_new(NULL);
    struct run run = {.text = "pcall(function() stop_self() while true do end end)", .open = open_stop};
    struct run after = {.text = "tick() return 6", .open = open_tick};
    (void)state;
    b->task = cell_start(b->cell, run_setup, run_done, &run);
    cell_start(b->cell, run_setup, run_done, &after);
    run_to_end(b->loop, &after);
    assert_int_equal(after.result, 6);
    assert_int_equal(run.done, 0);
    assert_false(cell_killed(b->cell));
    bench_free(b);
}

static void many_busy_tasks_and_cells_leave_room_for_others(void **state)
{
    enum { CELLS = 20, TASKS = 50 };
    struct cell_limits limits = {.cpu_us = 20000};
    struct bench *b = bench_new(NULL), *busy[CELLS];
    struct run ticking = {.text = "while true do tick() end", .open = open_tick};
    struct run *runs = mem_new(CELLS * TASKS * sizeof(*runs));
    (void)state;
    cell_start(b->cell, run_setup, run_done, &ticking);
    struct err err;
    for (int i = 0; i < CELLS; i++) {
        busy[i] = mem_new(sizeof(*busy[i]));
        busy[i]->cell = cell_new(b->loop, NULL, &limits, &err);
        for (int j = 0; j < TASKS; j++) {
            struct run *run = &runs[i * TASKS + j];
            run->text = "while true do end";
            cell_start(busy[i]->cell, run_setup, run_done, run);
        }
    }
    for (int i = 0; i < CELLS * TASKS; i++)
        run_to_end(b->loop, &runs[i]);
    print_message("  %d busy tasks in %d cells: longest gap %.1f ms (%.1f of CPU)\n", CELLS * TASKS, CELLS,
                  (double)b->tick.gap_us / 1000, (double)b->tick.gap_cpu_us / 1000);
    assert_true(b->tick.gap_cpu_us < 100000); /* 20 cells at 5 ms each would be 100 */
    for (int i = 0; i < CELLS; i++) {
        cell_free(busy[i]->cell);
        free(busy[i]);
    }
    free(runs);
    bench_free(b);
}

static void tasks_without_end_are_refused(void **state)
{
    enum { TASKS = 10001 };
    struct cell_limits limits = {.memory = 512 << 20};
    struct bench *b = bench_new(&limits);
    struct run *runs = mem_new(TASKS * sizeof(*runs));
    (void)state;
    for (int i = 0; i < TASKS; i++) {
        runs[i] = (struct run){.text = "return 2"};
        cell_start(b->cell, run_setup, run_done, &runs[i]);
    }
    for (int i = 0; i < TASKS; i++)
        run_to_end(b->loop, &runs[i]);
    assert_int_equal(runs[0].result, 2);
    assert_string_equal(runs[TASKS - 1].error, "more than 10,000 tasks at once");
    struct run after = {.text = "return 3"};
    cell_start(b->cell, run_setup, run_done, &after);
    run_to_end(b->loop, &after);
    assert_int_equal(after.result, 3);
    free(runs);
    bench_free(b);
}

static void a_thousand_cells_run_at_once(void **state)
{
    enum { CELLS = 1000 };
    struct loop *loop = loop_new();
    struct cell **cells = mem_new(CELLS * sizeof(struct cell *));
    struct run *runs = mem_new(CELLS * sizeof(*runs));
    struct tick *ticks = mem_new(CELLS * sizeof(*ticks));
    struct err err;
    (void)state;
    for (int i = 0; i < CELLS; i++) {
        cells[i] = cell_new(loop, NULL, NULL, &err);
        assert_non_null(cells[i]);
        ticks[i].loop = loop;
        cell_set_user(cells[i], &ticks[i]);
        runs[i] = (struct run){.text = "local n = 0 for i = 1, 3 do n = n + tick() end return n",
                               .open = open_tick};
        cell_start(cells[i], run_setup, run_done, &runs[i]);
    }
    for (int i = 0; i < CELLS; i++) {
        run_to_end(loop, &runs[i]);
        assert_int_equal(runs[i].result, 6);
        cell_free(cells[i]);
    }
    assert_int_equal(loop_close(loop), 0);
    free(cells);
    free(runs);
    free(ticks);
}

/* Fails the n-th allocation and all that follow, or just that one, inside Lua. */
struct failing {
    lua_Alloc alloc;
    void *arg;
    size_t left, extra;
};

static void *failing_alloc(void *arg, void *old, size_t old_size, size_t size)
{
    struct failing *f = arg;
    if (size > (old ? old_size : 0)) {
        if (f->left > 0)
            f->left--;
        else if (f->extra > 0) {
            f->extra--;
            return NULL;
        }
    }
    return f->alloc(f->arg, old, old_size, size);
}

struct hungry {
    struct run run;
    struct failing failing;
};

static int hungry_setup(lua_State *L, void *arg)
{
    struct hungry *h = arg;
    h->failing.alloc = lua_getallocf(L, &h->failing.arg);
    lua_setallocf(L, failing_alloc, &h->failing);
    return run_setup(L, &h->run);
}

static void memory_may_run_out_anywhere(void **state)
{
    static const char text[] = "local t = {} for i = 1, 20 do t[i] = { name = 'n' .. i } end\n"
                               "local n = tick() local ok = pcall(error, { message = 'x' })\n"
                               "table.sort(t, function(a, b) return a.name < b.name end)\n"
                               "return #t + n";
    struct err err;
    size_t failed = 0, made = 0;
    (void)state;
    /* Making the state. */
    for (size_t n = 1;; n++) {
        failing_alloc_at(n);
        struct cell *cell = cell_new(NULL, NULL, NULL, &err);
        int hit = failing_alloc_hit();
        failing_alloc_at(0);
        failed += cell == NULL;
        cell_free(cell);
        if (!hit)
            break;
    }
    assert_true(failed > 0);
    /* Running in it: each allocation fails for good (2: also after the collection), and once. */
    for (size_t extra = 1; extra <= 2; extra++)
        for (size_t n = 0;; n++) {
            struct bench *b = bench_new(NULL);
            struct hungry h = {.run = {.text = text, .open = open_tick},
                               .failing = {.left = n, .extra = extra}};
            cell_start(b->cell, hungry_setup, run_done, &h);
            run_to_end(b->loop, &h.run);
            if (h.run.failed)
                assert_non_null(strstr(h.run.error, "not enough memory"));
            else
                assert_int_equal(h.run.result, 21);
            bench_free(b);
            made++;
            if (h.failing.extra == extra)
                break;
        }
    print_message("  %zu allocations failed\n", made);
}

static void every_size_of_the_cap_ends_in_an_answer(void **state)
{
    struct err err;
    size_t none = 0, ended = 0, fine = 0;
    (void)state;
    for (size_t cap = 1000; fine < 20; cap += 611) {
        struct cell_limits limits = {.memory = cap};
        struct loop *loop = loop_new();
        struct cell *cell = cell_new(loop, NULL, &limits, &err);
        struct run run = {.text = "local t = {} for i = 1, 100 do t[i] = { i } end return #t"};
        if (!cell) {
            none++;
        } else {
            cell_start(cell, run_setup, run_done, &run);
            run_to_end(loop, &run);
            if (run.failed)
                assert_non_null(strstr(run.error, "not enough memory"));
            else
                assert_int_equal(run.result, 100);
            ended += run.failed;
            fine += !run.failed;
            cell_free(cell);
        }
        assert_int_equal(loop_close(loop), 0);
        assert_true(cap < 4 << 20);
    }
    assert_true(none > 0 && ended > 0);
}

static void an_empty_handler_costs_little(void **state)
{
    enum { RUNS = 200 };
    struct loop *loop = loop_new();
    struct err err;
    uint64_t best = UINT64_MAX, sum = 0;
    (void)state;
    for (int i = 0; i < RUNS; i++) {
        struct run run = {.text = "return 1"};
        uint64_t began = clock_cpu_us();
        struct cell *cell = cell_new(loop, NULL, NULL, &err);
        cell_start(cell, run_setup, run_done, &run);
        run_to_end(loop, &run);
        cell_free(cell);
        uint64_t took = clock_cpu_us() - began;
        sum += took;
        best = took < best ? took : best;
    }
    print_message("  an empty handler, made, run, closed: %llu µs at best, %llu on average (the aim: 150)\n",
                  (unsigned long long)best, (unsigned long long)sum / RUNS);
    assert_true(best < 20 * 150);
    assert_int_equal(loop_close(loop), 0);
}

static void print_to(void *user, const char *text, size_t len)
{
    buf_append(user, text, len);
}

static void print_is_a_line_for_the_owner(void **state)
{
    struct loop *loop = loop_new();
    struct err err;
    struct buf out = {0};
    struct cell *cell = cell_new(loop, NULL, NULL, &err);
    struct run run = {.text = "print('a', 1, nil)"};
    (void)state;
    cell_set_user(cell, &out);
    cell_set_print(cell, print_to);
    cell_start(cell, run_setup, run_done, &run);
    run_to_end(loop, &run);
    assert_string_equal(buf_str(&out), "a\t1\tnil");
    buf_free(&out);
    cell_free(cell);
    assert_int_equal(loop_close(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_error_says_file_and_line_and_how_it_came_there),
        cmocka_unit_test(a_long_path_is_told_in_full),
        cmocka_unit_test(a_task_waits_and_goes_on_with_what_came),
        cmocka_unit_test(waiting_is_refused_where_lua_cannot_yield),
        cmocka_unit_test(what_a_dead_task_waits_for_is_stopped_once),
        cmocka_unit_test(a_wait_that_never_began_is_stopped_when_the_next_begins),
        cmocka_unit_test(an_api_failure_is_a_table_that_reads_as_its_message),
        cmocka_unit_test(a_failure_to_read_the_results_comes_back_as_an_error),
        cmocka_unit_test(a_call_ends_at_once_and_within_its_time),
        cmocka_unit_test(cpu_is_counted_over_all_tasks_of_a_cell),
        cmocka_unit_test(a_cell_can_be_freed_from_anywhere),
        cmocka_unit_test(a_task_can_be_stopped_from_within),
        cmocka_unit_test(print_is_a_line_for_the_owner),
        cmocka_unit_test(memory_may_run_out_anywhere),
        cmocka_unit_test(every_size_of_the_cap_ends_in_an_answer),
        cmocka_unit_test(an_empty_handler_costs_little),
        cmocka_unit_test(tasks_without_end_are_refused),
        cmocka_unit_test(a_thousand_cells_run_at_once),
        cmocka_unit_test(many_busy_tasks_and_cells_leave_room_for_others),
        cmocka_unit_test(every_attack_ends_within_its_limit_while_others_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
