/* What a script may do to its host: nothing. */
#include "base/buf.h"
#include "base/str.h"
#include "cell_bench.h"
#include "failing_alloc.h"

#include <dirent.h>

/* tests/unit/attacks, beside the folder of the other data; the caller frees. */
static char *attacks(const char *name)
{
    return mem_printf("%.*sattacks/%s", (int)(strrchr(TEST_DATA, '/') + 1 - TEST_DATA), TEST_DATA, name);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
