#include "script/cell-internal.h"

#include "base/log.h"
#include "loop/loop.h"
#include "script/pack-internal.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { CELL_CLOSE_HERE = 4 << 20, CELL_COLLECTIONS = 3 };

static const struct cell_limits default_limits = {
    .memory = 64 << 20, .cpu_us = 30000000, .slice_us = 5000, .stuck_us = 100000};

struct cell *cell_of(lua_State *L)
{
    return *(struct cell **)lua_getextraspace(L);
}

/* Lua answers a refusal with a full collection, which holds the loop for up to 70 ms, and asks once
 * more. Refused twice there is no memory, and the task that asked ends. */
static void *cell_refuse(struct cell *cell)
{
    if (cell->refused && cell->current)
        cell_kill(cell->current, KILL_MEMORY);
    else if (!cell->refused)
        cell->collections++;
    cell->refused = !cell->refused;
    return NULL;
}

/* A full collection has just run. With hardly anything gained, or for the third time with most of the
 * memory still in use, the next one would come too soon. */
static bool cell_full(const struct cell *cell)
{
    return cell->refused && (cell->used > cell->cap / 16 * 15 ||
                             (cell->collections >= CELL_COLLECTIONS && cell->used > cell->cap / 4 * 3));
}

static void *cell_alloc(void *arg, void *old, size_t old_size, size_t size)
{
    struct cell *cell = arg;
    bool is_string = !old && old_size == LUA_TSTRING; /* without an old block it is a type */
    if (!old)
        old_size = 0;
    if (size == 0) {
        free(old);
        cell->used -= old_size;
        return NULL;
    }
    if (size > old_size) {
        size_t used = cell->used - old_size;
        if (size > cell->cap || used > cell->cap - size || cell_full(cell))
            return cell_refuse(cell);
    }
    void *new = realloc(old, size);
    if (!new) {
        if (size <= old_size)
            return old;
        return cell_refuse(cell);
    }
    cell->refused = false;
    cell->used = cell->used - old_size + size;
    if (is_string)
        cell_note_string(cell, size);
    return new;
}

/* Every call that can raise is protected, so this is a fault of the host. */
static int cell_panic(lua_State *L)
{
    const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "a value that is no string";
    log_error("a script's error reached the host unprotected: %s", text);
    return 0;
}

static bool cell_task_killed(lua_State *L)
{
    struct cell_task *task = cell_of(L)->current;
    return task && task->kill != KILL_NONE;
}

static int cell_print(lua_State *L)
{
    struct cell *cell = cell_of(L);
    int count = lua_gettop(L);
    if (!cell->print)
        return 0;
    luaL_Buffer line;
    luaL_buffinit(L, &line);
    for (int i = 1; i <= count; i++) {
        if (i > 1)
            luaL_addchar(&line, '\t');
        luaL_tolstring(L, i, NULL);
        luaL_addvalue(&line);
    }
    luaL_pushresult(&line);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    cell->print(cell->user, text, len);
    return 0;
}

static int cell_open(lua_State *L)
{
    struct cell *cell = cell_of(L);
    sandbox_open(
        L, &(struct sandbox_options){.killed = cell_task_killed, .charge = cell_charge, .print = cell_print});
    if (cell->pack)
        pack_open(L, cell->pack);
    return 0;
}

static struct cell_limits cell_limits_of(const struct cell_limits *given)
{
    struct cell_limits l = given ? *given : default_limits;
    l.memory = l.memory ? l.memory : default_limits.memory;
    l.cpu_us = l.cpu_us ? l.cpu_us : default_limits.cpu_us;
    l.slice_us = l.slice_us ? l.slice_us : default_limits.slice_us;
    l.stuck_us = l.stuck_us ? l.stuck_us : default_limits.stuck_us;
    return l;
}

struct cell *cell_new(struct loop *loop, struct pack *pack, const struct cell_limits *limits, struct err *err)
{
    struct cell *cell = calloc(1, sizeof(*cell));
    if (!cell) {
        err_no_memory(err);
        return NULL;
    }
    cell->loop = loop;
    cell->limits = cell_limits_of(limits);
    cell->cap = cell->limits.memory;
    TAILQ_INIT(&cell->tasks);
    TAILQ_INIT(&cell->ready);
    cell->L = lua_newstate(cell_alloc, cell);
    if (!cell->L) {
        free(cell);
        err_code(err, ERR_NO_MEMORY, "no memory for a script's state");
        return NULL;
    }
    lua_atpanic(cell->L, cell_panic);
    *(struct cell **)lua_getextraspace(cell->L) = cell;
    /* Collects early and in small steps: at twice the live size, Lua's own
     * setting, a large heap would meet the cap, and that is one long collection. */
    lua_gc(cell->L, LUA_GCINC, 125, 200, 13);
    cell->pack = pack ? pack_keep(pack) : NULL;
    cell->stats = pack ? pack->stats : NULL;
    lua_pushcfunction(cell->L, cell_open);
    if (lua_pcall(cell->L, 0, 0, 0) != LUA_OK) {
        const char *text = lua_type(cell->L, -1) == LUA_TSTRING ? lua_tostring(cell->L, -1) : "unknown error";
        err_code(err, ERR_NO_MEMORY, "a script's state cannot be made: %s", text);
        cell_free(cell);
        return NULL;
    }
    return cell;
}

static void cell_close(void *arg)
{
    struct cell *cell = arg;
    lua_close(cell->L);
}

static void cell_closed(void *arg)
{
    free(arg);
}

static void cell_destroy(struct cell *cell)
{
    pack_drop(cell->pack);
    /* Freeing 64 MiB of small objects takes tens of milliseconds; nobody else
     * knows this state any more, so a thread of the pool can do it. */
    if (cell->loop && cell->used > CELL_CLOSE_HERE) {
        loop_job(cell->loop, cell_close, cell_closed, cell);
        return;
    }
    cell_close(cell);
    cell_closed(cell);
}

void cell_free(struct cell *cell)
{
    if (!cell || cell->freed)
        return;
    cell_enter(cell);
    cell->freed = true;
    deferred_cancel(&cell->turn);
    /* What waits is stopped now; what stands on the C stack ends when it comes back to the cell. */
    struct cell_task *task = TAILQ_FIRST(&cell->tasks);
    while (task) {
        struct cell_task *next = TAILQ_NEXT(task, link);
        if (task->state == TASK_RUNNING) {
            cell_kill(task, KILL_STOPPED);
            task = next;
        } else if (task->state == TASK_ENDED) {
            task = next; /* its done() is on the C stack */
        } else {
            /* A stop function may end other tasks: begin again after each. */
            cell_drop(task);
            task = TAILQ_FIRST(&cell->tasks);
        }
    }
    cell_leave(cell);
}

void cell_enter(struct cell *cell)
{
    cell->busy++;
}

void cell_leave(struct cell *cell)
{
    if (--cell->busy == 0 && cell->freed)
        cell_destroy(cell);
}

struct pack *cell_pack(struct cell *cell)
{
    return cell->pack;
}

void cell_set_user(struct cell *cell, void *user)
{
    cell->user = user;
}

void *cell_user(lua_State *L)
{
    return cell_of(L)->user;
}

void cell_set_print(struct cell *cell, void (*print)(void *user, const char *text, size_t len))
{
    cell->print = print;
}

bool cell_killed(const struct cell *cell)
{
    return cell->killed;
}

size_t cell_memory(const struct cell *cell)
{
    return cell->used;
}
