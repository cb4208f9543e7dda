/* ctx-task.h: what a flow has beside a document: tasks that it spawns, commands that it runs, and functions
 * that it defers to its end. Owned by the ctx; loop thread only. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct ctx;
struct err;

/* From now on ctx:spawn, all, exec and defer work. `idle(arg)` is called from the loop each time that the
 * last task or command has ended. */
void ctx_tasks_open(struct ctx *ctx, void (*idle)(void *arg), void *arg);

/* Tasks and commands that have not ended. */
size_t ctx_tasks_alive(const struct ctx *ctx);

/* Stops the tasks; commands are asked to end, and alive until they have. */
void ctx_tasks_stop(struct ctx *ctx);

/* Pushes the list of deferred functions, in the order in which they were deferred. */
bool ctx_has_deferred(const struct ctx *ctx);
void ctx_push_deferred(lua_State *L, struct ctx *ctx);
