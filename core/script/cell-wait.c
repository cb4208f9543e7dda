#include "script/cell-internal.h"

#include <assert.h>
#include <lauxlib.h>
#include <stddef.h>

static struct cell_task *cell_wait_task(struct cell_wait *wait)
{
    return (struct cell_task *)((char *)wait - offsetof(struct cell_task, wait));
}

void cell_wait_stop(struct cell_task *task)
{
    struct cell_wait wait = task->wait;
    task->wait = (struct cell_wait){0};
    if (wait.state != WAIT_NONE && wait.stop)
        wait.stop(wait.arg);
}

struct cell_wait *cell_wait_new(lua_State *L, void (*stop)(void *arg), void *arg)
{
    struct cell_task *task = cell_of(L)->current;
    if (!task || task->co != L || task->call || !lua_isyieldable(L)) {
        luaL_error(L, "this waits, and waiting is not possible here: not in a guardrail, nor while a "
                      "file is loaded, nor in a function called by table.sort or string.gsub");
        return NULL; /* it does not come here */
    }
    cell_wait_stop(task); /* one that a failed C function left behind */
    task->wait = (struct cell_wait){.state = WAIT_NEW, .stop = stop, .arg = arg};
    return &task->wait;
}

void cell_wait_cancel(struct cell_wait *wait)
{
    *wait = (struct cell_wait){0};
}

static int cell_woken(lua_State *L, int status, lua_KContext context)
{
    struct cell_wait *wait = (struct cell_wait *)context;
    cell_push_fn *push = wait->push;
    void *data = wait->data;
    (void)status;
    *wait = (struct cell_wait){0}; /* push may begin another one */
    return push ? push(L, data) : 0;
}

int cell_wait_yield(lua_State *L, struct cell_wait *wait)
{
    wait->state = WAIT_YIELDED;
    return lua_yieldk(L, 0, (lua_KContext)wait, cell_woken);
}

void cell_wake(struct cell_wait *wait, cell_push_fn *push, void *data)
{
    struct cell_task *task = cell_wait_task(wait);
    assert(wait->state == WAIT_YIELDED && task->state == TASK_WAITING);
    wait->state = WAIT_NONE; /* it came: nothing to stop any more */
    wait->push = push;
    wait->data = data;
    cell_resume(task, 0);
}
