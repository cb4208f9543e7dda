/* cell_bench.h: a cell on a loop, tasks that say how they ended, and `tick()`, which waits. */
#pragma once

#include "base/clock.h"
#include "base/mem.h"
#include "cmocka-all.h"
#include "loop/loop.h"
#include "script/cell.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Not every program uses all of it. */
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-const-variable"

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
