/* cell-internal.h: what the files of the cell share. */
#pragma once

#include "base/buf.h"
#include "script/cell.h"

#include <stdbool.h>
#include <sys/queue.h>

enum task_state { TASK_READY, TASK_RUNNING, TASK_WAITING, TASK_ENDED };
enum task_kill { KILL_NONE, KILL_CPU, KILL_STUCK, KILL_MEMORY, KILL_STOPPED };
enum wait_state { WAIT_NONE, WAIT_NEW, WAIT_YIELDED };

struct cell_wait {
    enum wait_state state;
    void (*stop)(void *arg);
    void *arg;
    cell_push_fn *push;
    void *data;
};

struct cell_task {
    TAILQ_ENTRY(cell_task) link;  /* in cell->tasks */
    TAILQ_ENTRY(cell_task) ready; /* in cell->ready while TASK_READY */
    struct cell *cell;
    lua_State *co; /* anchored in the registry under the task's address; NULL if it could not be made */
    enum task_state state;
    enum task_kill kill;
    bool call;        /* cell_call(): runs to its end at once */
    bool crowded;     /* there were too many tasks */
    bool sliced;      /* yielded by the hook */
    bool api_failure; /* the error value is one of cell_raise_api() */
    enum err_code api_code;
    bool hurried; /* the hook looks at the next instruction */
    int args;     /* on co's stack for the first resume, -1 afterwards */
    int failed;   /* status of a setup that failed */
    struct cell_wait wait;
    char where[256]; /* "file:line: " of a kill or a failed call */
    struct buf message, traceback;
    cell_done_fn *done;
    void *arg;
};

TAILQ_HEAD(cell_tasks, cell_task);

struct cell {
    struct loop *loop;
    struct pack *pack;
    struct script_stats *stats; /* where the pack counts; NULL: nowhere */
    struct cell_limits limits;
    lua_State *L;
    size_t used; /* bytes that Lua holds */
    size_t cap;
    size_t longest_string; /* that was ever made here, about */
    unsigned collections;  /* full ones, because the cap was reached */
    bool refused;          /* an allocation was, and Lua collects everything before it asks again */
    uint64_t cpu_used_us;
    uint64_t slice_began_us, cpu_began_us; /* of the innermost task that runs */
    struct cell_tasks tasks, ready;
    size_t task_count;
    struct cell_task *current;
    struct deferred *turn;
    unsigned busy; /* calls on the C stack that still need the cell */
    bool freed;
    bool killed; /* a limit ended one of its tasks */
    void *user;
    void (*print)(void *user, const char *text, size_t len);
};

struct cell *cell_of(lua_State *L);

/* A cell that was freed meanwhile goes when the last call leaves it. */
void cell_enter(struct cell *cell);
void cell_leave(struct cell *cell);

/* The first position in a script on co's stack, as "file:line: "; "" if none. Does not allocate. */
void cell_where(lua_State *co, char *where, size_t size);

/* Marks the task that runs; the hook or the sandbox's pcall raises from now on. */
void cell_kill(struct cell_task *task, enum task_kill kill);
void cell_hook(lua_State *co, lua_Debug *ar);

/* For C functions that run long: raises when the task is to end (sandbox_options.charge). */
void cell_charge(lua_State *L, size_t steps);

/* The allocator has made a long string. */
void cell_note_string(struct cell *cell, size_t size);

void cell_queue(struct cell_task *task);
void cell_resume(struct cell_task *task, int args);

/* Forgets a task that is not running: stops its wait, no done. */
void cell_drop(struct cell_task *task);

/* Takes the wait from the task and stops what it waits for. */
void cell_wait_stop(struct cell_task *task);

/* What a failed task says: err and task->traceback. */
void cell_report(struct cell_task *task, int status, struct err *err);

/* A message handler that notes where and how it came to the error while the stack still stands. */
int cell_note_error(lua_State *co);
