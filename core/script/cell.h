/* cell.h: one Lua state that nothing inside can break out of or wear down.
 *
 * A cell has a memory cap and a CPU budget. Its tasks (coroutines) run in slices on the
 * loop: a busy one is put aside after 5 ms and goes on in a later turn; where Lua cannot
 * yield (a callback of table.sort or string.gsub) it is ended after 100 ms. A kill cannot
 * be caught by pcall. A cell is freed by its owner; that drops every task, calling the
 * stop function of whatever it waits for, and no `done`. Loop thread only. */
#pragma once

#include "base/err.h"

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct pack;
struct cell;
struct cell_task;
struct cell_wait;

struct cell_limits {
    size_t memory;     /* bytes; 0: 64 MiB */
    uint64_t cpu_us;   /* in all; 0: 30 s */
    uint64_t slice_us; /* 0: 5 ms */
    uint64_t stuck_us; /* longest run without a chance to yield; 0: 100 ms */
};

/* A state with the sandbox and the modules of `pack` (kept alive by the cell; NULL: none). NULL with err. */
struct cell *cell_new(struct loop *loop, struct pack *pack, const struct cell_limits *limits,
                      struct err *err);

/* Drops every task. From inside one of its C functions or `done`, what waits is stopped at once and
 * the state goes right after. A large state is closed on the pool: its userdata's finalizers must not
 * touch the loop. */
void cell_free(struct cell *cell);

size_t cell_memory(const struct cell *cell); /* bytes in use */

/* From now on this much CPU, whatever was used: for what must still run after a script was ended. */
void cell_allow(struct cell *cell, uint64_t cpu_us);

struct pack *cell_pack(struct cell *cell);
void cell_set_user(struct cell *cell, void *user); /* whoever made the cell; for its C functions */
void *cell_user(lua_State *L);                     /* the same, from inside */

/* Called where print() is: a debug line of the script. Set by the owner. */
void cell_set_print(struct cell *cell, void (*print)(void *user, const char *text, size_t len));

/* Starts a task: `setup` runs inside it, protected, pushes a function and its arguments and
 * returns how many arguments. The task runs from the next turn of the loop on. `done` is called
 * once, from the loop: without err the results are on L's stack (all of it); with err the text is
 * "file:line: message" and traceback the rest, both only for the call. If reading the results
 * raises, done is called again, with that as err. */
typedef int cell_setup_fn(lua_State *L, void *arg);
typedef void cell_done_fn(void *arg, lua_State *L, const struct err *err, const char *traceback);
struct cell_task *cell_start(struct cell *cell, cell_setup_fn *setup, cell_done_fn *done, void *arg);

/* Runs fn(L, arg) here and now, in the cell's limits, where nothing can wait: a guardrail, a
 * declaration (`stuck_us` is then all the time it has). Takes its results itself. -1 with err where it
 * raised. */
int cell_call(struct cell *cell, cell_setup_fn *fn, void *arg, struct err *err);

/* Ends a task; its `done` is not called, what it waits for is stopped. */
void cell_stop_task(struct cell_task **task);

/* What a C function does that must wait:
 *     struct cell_wait *w = cell_wait_new(L, stop, arg);   (raises where waiting is not allowed)
 *     … start something that ends with cell_wake(w, push, data) …
 *     return cell_wait_yield(L, w);
 * `stop(arg)` is called if the task dies first; cell_wake is then not allowed any more. `push`
 * runs inside the continuation, protected: it makes Lua values from `data` and returns how many
 * (or raises), so out of memory there is a script error. It runs before cell_wake returns,
 * or never, where the task has used up its CPU.
 * cell_wake comes from the loop, never before the C function has returned. */
typedef int cell_push_fn(lua_State *L, void *data);
struct cell_wait *cell_wait_new(lua_State *L, void (*stop)(void *arg), void *arg);
int cell_wait_yield(lua_State *L, struct cell_wait *wait);
void cell_wake(struct cell_wait *wait, cell_push_fn *push, void *data);

/* Forgets a wait that was not begun after all, without its stop function. */
void cell_wait_cancel(struct cell_wait *wait);

/* Raises {code, status, reason, message, details} as a table with a __tostring, for a failure of the
 * API. `body` may be the answer's JSON (a Status; its `details` are taken) or NULL. The error of a task
 * that such a value ended has its code and its message alone, no position and no traceback. */
int cell_raise_api(lua_State *L, const char *code, int status, const char *reason, const char *message,
                   const char *body, size_t body_len);

/* Was a task of it ended by a limit (CPU, memory, a callback that cannot be interrupted)? Then nothing
 * more is started in it. */
bool cell_killed(const struct cell *cell);
