#include "script/cell-internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { CELL_HOOK_EVERY = 200, CELL_LONG_STRING = 65536, CELL_TASKS_MOST = 10000 };

/* The clocks of the task that runs now; one that is resumed inside another's C
 * function gets clocks of its own, and the outer one is not charged for it. */
struct cell_outer {
    struct cell_task *task;
    uint64_t slice_began_us, cpu_began_us;
};

static void cell_begin(struct cell_task *task, struct cell_outer *outer)
{
    struct cell *cell = task->cell;
    *outer = (struct cell_outer){cell->current, cell->slice_began_us, cell->cpu_began_us};
    cell->current = task;
    cell->slice_began_us = clock_mono_us();
    cell->cpu_began_us = clock_cpu_us();
}

static void cell_end(struct cell *cell, const struct cell_outer *outer)
{
    uint64_t cpu = clock_cpu_us() - cell->cpu_began_us;
    uint64_t slice = clock_mono_us() - cell->slice_began_us;
    cell->cpu_used_us += cpu;
    if (cell->stats)
        cell->stats->cpu_us += cpu;
    cell->current = outer->task;
    cell->slice_began_us = outer->slice_began_us + (outer->task ? slice : 0);
    cell->cpu_began_us = outer->cpu_began_us + (outer->task ? cpu : 0);
}

static bool cell_spent(const struct cell *cell)
{
    return cell->cpu_used_us >= cell->limits.cpu_us;
}

static void cell_count_kill(const struct cell *cell, enum task_kill kill)
{
    struct script_stats *stats = cell->stats;
    if (!stats)
        return;
    stats->ended_cpu += kill == KILL_CPU;
    stats->ended_stuck += kill == KILL_STUCK;
    stats->ended_memory += kill == KILL_MEMORY;
}

void cell_kill(struct cell_task *task, enum task_kill kill)
{
    if (task->kill != KILL_NONE)
        return;
    task->kill = kill;
    task->cell->killed |= kill != KILL_STOPPED;
    cell_count_kill(task->cell, kill);
    cell_where(task->co, task->where, sizeof(task->where));
    /* At every instruction from now on: whatever catches the error is hit by the next one. */
    lua_sethook(task->co, cell_hook, LUA_MASKCOUNT, 1);
}

/* How many instructions until the next look at the clock. One that compares, joins or hashes a string
 * of megabytes takes milliseconds: whoever has such strings is looked at more often. */
static int cell_interval(const struct cell *cell)
{
    size_t n = cell->longest_string > CELL_LONG_STRING
                   ? (size_t)CELL_HOOK_EVERY * CELL_LONG_STRING / cell->longest_string
                   : CELL_HOOK_EVERY;
    return n < 2 ? 2 : (int)n;
}

static void cell_hurry(struct cell_task *task)
{
    if (task->hurried || task->kill != KILL_NONE)
        return;
    task->hurried = true;
    lua_sethook(task->co, cell_hook, LUA_MASKCOUNT, 1);
}

void cell_note_string(struct cell *cell, size_t size)
{
    /* Not at each that is a little longer. */
    if (size < CELL_LONG_STRING || size / 2 < cell->longest_string)
        return;
    cell->longest_string = size;
    if (cell->current)
        cell_hurry(cell->current);
}

/* Past its slice: is the task to be ended, to be put aside, or may it go on (0)? */
static bool cell_over(struct cell_task *task, lua_State *co)
{
    struct cell *cell = task->cell;
    /* What a script may not take is counted in CPU time: that the machine
     * is busy with something else is not its fault. */
    uint64_t cpu = clock_cpu_us() - cell->cpu_began_us;
    if (cell->cpu_used_us + cpu >= cell->limits.cpu_us)
        cell_kill(task, KILL_CPU);
    else if (cpu >= cell->limits.stuck_us && (task->call || !lua_isyieldable(co)))
        cell_kill(task, KILL_STUCK);
    return task->kill != KILL_NONE;
}

static bool cell_slice_ended(const struct cell *cell)
{
    return clock_mono_us() - cell->slice_began_us >= cell->limits.slice_us;
}

/* Puts the task aside for good where that is possible, for raising goes through every pcall below. */
static int cell_raise_kill(struct cell_task *task, lua_State *co, bool hook)
{
    if (hook && !task->call && lua_isyieldable(co))
        return lua_yield(co, 0);
    lua_pushlightuserdata(co, task); /* needs no memory */
    return lua_error(co);
}

void cell_hook(lua_State *co, lua_Debug *ar)
{
    struct cell *cell = cell_of(co);
    struct cell_task *task = cell->current;
    (void)ar;
    if (task->kill != KILL_NONE || (cell_slice_ended(cell) && cell_over(task, co))) {
        cell_raise_kill(task, co, true);
        return;
    }
    if (cell_slice_ended(cell)) {
        if (!task->call && lua_isyieldable(co)) {
            task->sliced = true;
            lua_yield(co, 0);
            return;
        }
    }
    if (task->hurried) { /* one look was asked for, and nothing came of it */
        task->hurried = false;
        lua_sethook(co, cell_hook, LUA_MASKCOUNT, cell_interval(cell));
    }
}

void cell_charge(lua_State *L, size_t steps)
{
    struct cell *cell = cell_of(L);
    struct cell_task *task = cell->current;
    (void)steps; /* the clock says it better */
    if (!task || task->co != L)
        return;
    if (task->kill != KILL_NONE)
        cell_raise_kill(task, L, false);
    if (!cell_slice_ended(cell))
        return;
    if (cell_over(task, L))
        cell_raise_kill(task, L, false);
    cell_hurry(task);
}

static int cell_make_thread(lua_State *L)
{
    struct cell_task *task = lua_touserdata(L, 1);
    lua_State *co = lua_newthread(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, task);
    task->co = co;
    return 0;
}

struct cell_setup {
    cell_setup_fn *fn;
    void *arg;
    bool call;
};

static int cell_run_setup(lua_State *co)
{
    struct cell_setup *setup = lua_touserdata(co, 1);
    lua_settop(co, 0);
    int args = setup->fn(co, setup->arg);
    return setup->call ? 0 : args + 1;
}

/* A coroutine with what setup() pushed on its stack; task->failed and the notes of the error
 * otherwise. It runs here and now, in the limits, but without a chance to yield. */
static void cell_set_up(struct cell_task *task, struct cell_setup *setup)
{
    struct cell *cell = task->cell;
    struct cell_outer outer;
    if (cell->task_count > CELL_TASKS_MOST) {
        task->crowded = true;
        task->failed = LUA_ERRRUN;
        return;
    }
    lua_pushcfunction(cell->L, cell_make_thread);
    lua_pushlightuserdata(cell->L, task);
    task->failed = lua_pcall(cell->L, 1, 0, 0);
    if (task->failed != LUA_OK) {
        lua_settop(cell->L, -2);
        return;
    }
    cell_begin(task, &outer);
    task->state = TASK_RUNNING;
    lua_sethook(task->co, cell_hook, LUA_MASKCOUNT, cell_interval(cell));
    lua_pushcfunction(task->co, cell_note_error);
    lua_pushcfunction(task->co, cell_run_setup);
    lua_pushlightuserdata(task->co, setup);
    task->failed = lua_pcall(task->co, 1, LUA_MULTRET, 1);
    if (task->failed == LUA_OK) {
        lua_remove(task->co, 1);
        task->args = lua_gettop(task->co) - 1;
    }
    cell_end(cell, &outer);
}

static struct cell_task *cell_task_new(struct cell *cell)
{
    struct cell_task *task = mem_new(sizeof(*task));
    task->cell = cell;
    TAILQ_INSERT_TAIL(&cell->tasks, task, link);
    cell->task_count++;
    return task;
}

struct cell_task *cell_start(struct cell *cell, cell_setup_fn *setup, cell_done_fn *done, void *arg)
{
    struct cell_task *task = cell_task_new(cell);
    task->done = done;
    task->arg = arg;
    cell_enter(cell);
    cell_set_up(task, &(struct cell_setup){.fn = setup, .arg = arg});
    if (task->kill == KILL_STOPPED || cell->freed) {
        task->state = TASK_ENDED;
        cell_drop(task);
        task = NULL;
    } else {
        cell_queue(task);
    }
    cell_leave(cell);
    return task;
}

static void cell_task_free(struct cell_task *task)
{
    struct cell *cell = task->cell;
    TAILQ_REMOVE(&cell->tasks, task, link);
    cell->task_count--;
    if (task->co) {
        /* The key is there, so this cannot fail. The coroutine is collected as it stands. */
        lua_pushnil(cell->L);
        lua_rawsetp(cell->L, LUA_REGISTRYINDEX, task);
    }
    buf_free(&task->message);
    buf_free(&task->traceback);
    free(task);
}

int cell_call(struct cell *cell, cell_setup_fn *fn, void *arg, struct err *err)
{
    struct cell_task *task = cell_task_new(cell);
    task->call = true;
    cell_enter(cell);
    cell_set_up(task, &(struct cell_setup){.fn = fn, .arg = arg, .call = true});
    int rc = task->failed == LUA_OK && task->kill == KILL_NONE ? 0 : -1;
    task->state = TASK_ENDED;
    if (rc)
        cell_report(task, task->failed, err);
    cell_task_free(task);
    cell_leave(cell);
    return rc;
}

static void cell_turn(void *arg)
{
    struct cell *cell = arg;
    struct cell_task *task, *last = TAILQ_LAST(&cell->ready, cell_tasks);
    uint64_t began = clock_mono_us();
    cell->turn = NULL;
    cell_enter(cell);
    /* Those that are ready now, each once, together for one slice. */
    while (!cell->freed && (task = TAILQ_FIRST(&cell->ready)) != NULL) {
        bool is_last = task == last;
        TAILQ_REMOVE(&cell->ready, task, ready);
        cell_resume(task, task->args);
        if (is_last || clock_mono_us() - began >= cell->limits.slice_us)
            break;
    }
    if (!cell->freed && !cell->turn && !TAILQ_EMPTY(&cell->ready))
        cell->turn = loop_defer(cell->loop, cell_turn, cell);
    cell_leave(cell);
}

void cell_queue(struct cell_task *task)
{
    struct cell *cell = task->cell;
    task->state = TASK_READY;
    TAILQ_INSERT_TAIL(&cell->ready, task, ready);
    if (!cell->turn && !cell->freed)
        cell->turn = loop_defer(cell->loop, cell_turn, cell);
}

void cell_drop(struct cell_task *task)
{
    if (task->state == TASK_READY)
        TAILQ_REMOVE(&task->cell->ready, task, ready);
    task->state = TASK_ENDED;
    cell_wait_stop(task);
    cell_task_free(task);
}

void cell_stop_task(struct cell_task **task)
{
    struct cell_task *t = *task;
    *task = NULL;
    if (!t || t->state == TASK_ENDED)
        return;
    if (t->state == TASK_RUNNING)
        cell_kill(t, KILL_STOPPED);
    else
        cell_drop(t);
}

static int cell_give_results(lua_State *co)
{
    struct cell_task *task = lua_touserdata(co, -1);
    lua_settop(co, -2);
    task->done(task->arg, co, NULL, NULL);
    return 0;
}

static void cell_tell(struct cell_task *task, int status)
{
    struct err err;
    struct cell_outer outer;
    if (status == LUA_OK && task->kill == KILL_NONE) {
        int results = lua_gettop(task->co);
        lua_checkstack(task->co, 2);
        lua_pushcfunction(task->co, cell_give_results);
        lua_insert(task->co, 1);
        lua_pushlightuserdata(task->co, task);
        /* Reading the results can need memory and can run metamethods. */
        cell_begin(task, &outer);
        status = lua_pcall(task->co, results + 1, 0, 0);
        cell_end(task->cell, &outer);
        if (status == LUA_OK || task->cell->freed)
            return;
    }
    cell_report(task, status, &err);
    task->done(task->arg, task->cell->L, &err, buf_str(&task->traceback));
}

static void cell_finish(struct cell_task *task, int status)
{
    task->state = TASK_ENDED;
    cell_wait_stop(task);
    if (task->kill != KILL_STOPPED && !task->cell->freed && task->done)
        cell_tell(task, status);
    cell_task_free(task);
}

void cell_resume(struct cell_task *task, int args)
{
    struct cell *cell = task->cell;
    struct cell_outer outer;
    int results, status = task->failed;
    cell_enter(cell);
    if (status == LUA_OK && task->kill == KILL_NONE && cell_spent(cell))
        cell_kill(task, KILL_CPU);
    if (status != LUA_OK || task->kill != KILL_NONE) {
        cell_finish(task, status);
        cell_leave(cell);
        return;
    }
    cell_begin(task, &outer);
    task->state = TASK_RUNNING;
    task->sliced = task->hurried = false;
    task->args = 0;
    lua_sethook(task->co, cell_hook, LUA_MASKCOUNT, cell_interval(cell));
    status = lua_resume(task->co, outer.task ? outer.task->co : cell->L, args, &results);
    cell_end(cell, &outer);
    /* Neither a slice's end nor a wait: the sandbox's pcall let out-of-memory through. */
    if (status == LUA_YIELD && !task->sliced && task->wait.state != WAIT_YIELDED)
        cell_kill(task, KILL_MEMORY);
    if (task->kill != KILL_NONE || status != LUA_YIELD)
        cell_finish(task, status);
    else if (task->sliced)
        cell_queue(task);
    else
        task->state = TASK_WAITING;
    cell_leave(cell);
}

void cell_allow(struct cell *cell, uint64_t cpu_us)
{
    cell->limits.cpu_us = cell->cpu_used_us + cpu_us;
}
