/* What a task does, and how it and its cell end. */
#include "base/buf.h"
#include "cell_bench.h"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
