#include "exec/ctx-task.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "exec/ctx-internal.h"
#include "exec/execution.h"
#include "exec/process.h"
#include "exec/request.h"
#include "exec/run.h"
#include "loop/loop.h"
#include "script/cell.h"

#include <stdlib.h>
#include <string.h>

enum {
    TASKS_MOST = 64,
    TASKS_DEFERRED_MOST = 1000,
    COMMAND_ARGS_MOST = 4096,
    COMMAND_CAPTURE_MOST = 1024 * 1024,
    COMMAND_TIMEOUT_S = 3600, /* where none is said; also the longest */
};

struct ctx_task {
    LIST_ENTRY(ctx_task) link;
    struct ctx_tasks *set;
    struct cell_task *task;
    int function;  /* its reference, until it begins */
    lua_State *co; /* to tell who asks */
};

struct ctx_command {
    LIST_ENTRY(ctx_command) link;
    struct ctx_tasks *set;
    struct process *process;
    struct cell_wait *wait; /* NULL: the task that started it was stopped */
    struct timer *time_limit;
    struct buf captured;
    bool capture, quiet, timed_out, too_much;
    int code;
    struct err *limit; /* of the operator's, which it has gone beyond; or NULL */
};

/* Its address is the registry's key of the deferred functions. */
struct ctx_tasks {
    struct ctx *ctx;
    LIST_HEAD(task_list, ctx_task) tasks;
    LIST_HEAD(command_list, ctx_command) commands;
    size_t task_count, alive, deferred_count;
    struct cell_wait *joining;
    struct deferred *turn;
    struct err failed; /* of the first task that a limit has ended */
    bool has_failed;
    void (*idle)(void *arg);
    void *arg;
};

/* ---- the set ---- */

void ctx_tasks_open(struct ctx *ctx, void (*idle)(void *arg), void *arg)
{
    struct ctx_tasks *set = mem_new(sizeof(*set));
    *set = (struct ctx_tasks){.ctx = ctx, .idle = idle, .arg = arg};
    LIST_INIT(&set->tasks);
    LIST_INIT(&set->commands);
    ctx->tasks = set;
}

size_t ctx_tasks_alive(const struct ctx *ctx)
{
    return ctx->tasks->alive;
}

static struct ctx_tasks *tasks_here(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    if (!ctx->tasks)
        luaL_error(L, "spawn, all, exec and defer are for flows");
    return ctx->tasks;
}

static struct loop *tasks_loop(const struct ctx_tasks *set)
{
    return execution_options(set->ctx->execution)->loop;
}

static int tasks_push_joined(lua_State *L, void *data)
{
    struct ctx_tasks *set = data;
    if (!set->has_failed)
        return 0;
    set->has_failed = false;
    return cell_raise_api(L, err_code_name(set->failed.code), 0, "", set->failed.text, NULL, 0);
}

static void tasks_turn(void *arg)
{
    struct ctx_tasks *set = arg;
    struct cell_wait *joining = set->joining;
    set->turn = NULL;
    if (joining && set->task_count == 0) {
        set->joining = NULL;
        cell_wake(joining, tasks_push_joined, set);
    } else if (set->alive == 0) {
        set->idle(set->arg);
    }
}

/* Not from here: this may be deep inside the cell. */
static void tasks_one_less(struct ctx_tasks *set)
{
    set->alive--;
    if (!set->turn)
        set->turn = loop_defer(tasks_loop(set), tasks_turn, set);
}

/* ---- tasks ---- */

static void task_forget(struct ctx_task *t)
{
    struct ctx_tasks *set = t->set;
    LIST_REMOVE(t, link);
    set->task_count--;
    tasks_one_less(set);
    free(t);
}

static int task_setup(lua_State *L, void *arg)
{
    struct ctx_task *t = arg;
    t->co = L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, t->function);
    luaL_unref(L, LUA_REGISTRYINDEX, t->function);
    return 0;
}

/* With err only where a limit has ended it: lib.ctx catches and keeps everything else. */
static void task_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct ctx_task *t = arg;
    (void)L;
    (void)traceback;
    if (err && !t->set->has_failed) {
        t->set->has_failed = true;
        t->set->failed = *err;
    }
    task_forget(t);
}

/* spawn(fn) */
static int ctx_spawn(lua_State *L)
{
    struct ctx_tasks *set = tasks_here(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (set->task_count >= TASKS_MOST)
        return luaL_error(L, "%d tasks run already: wait for them with ctx:all()", TASKS_MOST);
    lua_settop(L, 1);
    int function = luaL_ref(L, LUA_REGISTRYINDEX); /* may raise: nothing has begun */
    struct ctx_task *t = mem_new(sizeof(*t));
    *t = (struct ctx_task){.set = set, .function = function};
    LIST_INSERT_HEAD(&set->tasks, t, link);
    set->task_count++;
    set->alive++;
    t->task = cell_start(set->ctx->cell, task_setup, task_done, t);
    if (!t->task)
        task_forget(t);
    return 0;
}

static void tasks_join_stop(void *arg)
{
    ((struct ctx_tasks *)arg)->joining = NULL;
}

/* join(): waits until no spawned task is left. */
static int ctx_join(lua_State *L)
{
    struct ctx_tasks *set = tasks_here(L);
    struct ctx_task *t;
    LIST_FOREACH(t, &set->tasks, link)
    if (t->co == L)
        return luaL_error(L, "a spawned task cannot wait for all tasks: it is one of them");
    if (set->joining)
        return luaL_error(L, "somebody waits for all tasks already");
    if (set->task_count == 0)
        return tasks_push_joined(L, set);
    set->joining = cell_wait_new(L, tasks_join_stop, set);
    return cell_wait_yield(L, set->joining);
}

/* ---- commands ---- */

static void command_forget(struct ctx_command *c)
{
    LIST_REMOVE(c, link);
    timer_stop(&c->time_limit);
    process_free(c->process);
    buf_free(&c->captured);
    free(c->limit);
    free(c);
}

static void command_line(void *arg, enum event_stream stream, const char *text, size_t len, size_t dropped)
{
    struct ctx_command *c = arg;
    if (!c->quiet && !execution_ended(c->set->ctx->execution))
        execution_raw_line(c->set->ctx->execution, stream, text, len, dropped);
}

static void command_output(void *arg, const char *data, size_t len)
{
    struct ctx_command *c = arg;
    if (!c->capture || c->too_much)
        return;
    if (c->captured.len + len > COMMAND_CAPTURE_MOST)
        c->too_much = true;
    else
        buf_append(&c->captured, data, len);
}

/* exit code, what it printed */
static int command_push(lua_State *L, void *data)
{
    struct ctx_command *c = data;
    if (c->timed_out)
        return cell_raise_api(L, err_code_name(ERR_TIMEOUT), 0, "",
                              "the command did not end in time and was stopped", NULL, 0);
    if (c->limit)
        return cell_raise_api(L, err_code_name(c->limit->code), 0, "", c->limit->text, NULL, 0);
    if (c->too_much || c->captured.failed)
        return cell_raise_api(L, err_code_name(ERR_TOO_LARGE), 0, "",
                              "the command printed more than 1 MiB, which is the most that is captured", NULL,
                              0);
    lua_pushinteger(L, c->code);
    if (!c->capture)
        return 1;
    lua_pushlstring(L, buf_str(&c->captured), c->captured.len);
    return 2;
}

static void command_ended(void *arg, int code, int signal, const struct err *limit)
{
    struct ctx_command *c = arg;
    struct ctx_tasks *set = c->set;
    struct cell_wait *wait = c->wait;
    (void)signal;
    c->code = code;
    if (limit) {
        c->limit = mem_new(sizeof(*limit));
        *c->limit = *limit;
    }
    c->wait = NULL;
    timer_stop(&c->time_limit);
    if (wait)
        cell_wake(wait, command_push, c);
    command_forget(c);
    tasks_one_less(set);
}

static void command_stop(void *arg)
{
    struct ctx_command *c = *(struct ctx_command **)arg;
    c->wait = NULL;
    process_stop(c->process);
}

static void command_over(void *arg)
{
    struct ctx_command *c = arg;
    c->time_limit = NULL;
    c->timed_out = true;
    process_stop(c->process);
}

static bool command_option(lua_State *L, const char *key)
{
    lua_getfield(L, 3, key);
    bool on = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return on;
}

/* The arguments as strings that the table at index 2 keeps; the array is a userdata on the stack. */
static char *const *command_args(lua_State *L)
{
    size_t n = lua_istable(L, 2) ? lua_rawlen(L, 2) : 0;
    luaL_argcheck(L, lua_isnoneornil(L, 2) || lua_istable(L, 2), 2, "a list of texts");
    luaL_argcheck(L, n <= COMMAND_ARGS_MOST, 2, "more than 4096 arguments");
    char **args = lua_newuserdatauv(L, (n + 1) * sizeof(*args), 0);
    for (size_t i = 0; i < n; i++) {
        if (lua_rawgeti(L, 2, (lua_Integer)i + 1) != LUA_TSTRING)
            luaL_error(L, "argument %d of the command is no text", (int)i + 1);
        args[i] = (char *)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    args[n] = NULL;
    return args;
}

static void command_allowed(lua_State *L, const struct ctx_tasks *set, const char *command)
{
    struct err err;
    if (shell_admit(&execution_options(set->ctx->execution)->shell, command, &err))
        cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    if (execution_request(set->ctx->execution)->dry_run && !command_option(L, "dry_run_safe"))
        cell_raise_api(L, err_code_name(ERR_FORBIDDEN), 0, "",
                       "a dry-run runs no command: nobody but the command itself could promise that nothing "
                       "changes (say dry_run_safe = true for one that only reads)",
                       NULL, 0);
}

/* exec(command, args, { stdin, capture, timeout, quiet, dry_run_safe }) → exit code, what it printed */
static int ctx_exec(lua_State *L)
{
    struct ctx_tasks *set = tasks_here(L);
    struct err err;
    const char *command = luaL_checkstring(L, 1);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_newtable(L);
        lua_replace(L, 3);
    }
    luaL_checktype(L, 3, LUA_TTABLE);
    command_allowed(L, set, command);
    char *const *args = command_args(L);
    lua_getfield(L, 3, "timeout");
    lua_Number seconds = luaL_optnumber(L, -1, COMMAND_TIMEOUT_S);
    luaL_argcheck(L, seconds > 0 && seconds <= COMMAND_TIMEOUT_S, 3, "timeout must be 1 to 3600 seconds");
    lua_getfield(L, 3, "stdin");
    size_t input_len = 0;
    const char *input = lua_isnil(L, -1) ? NULL : luaL_checklstring(L, -1, &input_len);
    bool capture = command_option(L, "capture"), quiet = command_option(L, "quiet");
    struct ctx_command **slot = lua_newuserdatauv(L, sizeof(*slot), 0);
    struct cell_wait *wait = cell_wait_new(L, command_stop, slot); /* the last that may raise */
    struct ctx_command *c = *slot = mem_new(sizeof(*c));
    *c = (struct ctx_command){.set = set, .wait = wait, .capture = capture, .quiet = quiet};
    c->process =
        process_start(&(struct process_options){.loop = tasks_loop(set),
                                                .shell = &execution_options(set->ctx->execution)->shell,
                                                .command = command,
                                                .folder = execution_request(set->ctx->execution)->working_dir,
                                                .args = args,
                                                .input = input,
                                                .input_len = input_len,
                                                .line = command_line,
                                                .output = command_output,
                                                .end = command_ended,
                                                .arg = c},
                      &c->code, &err);
    if (!c->process) {
        cell_wait_cancel(wait);
        free(c);
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    }
    c->time_limit = timer_start(tasks_loop(set), (uint64_t)(seconds * 1000), command_over, c);
    LIST_INSERT_HEAD(&set->commands, c, link);
    set->alive++;
    return cell_wait_yield(L, wait);
}

/* ---- what is deferred ---- */

/* defer(fn) */
static int ctx_defer(lua_State *L)
{
    struct ctx_tasks *set = tasks_here(L);
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (set->deferred_count >= TASKS_DEFERRED_MOST)
        return luaL_error(L, "more than %d functions are deferred", TASKS_DEFERRED_MOST);
    ctx_push_deferred(L, set->ctx);
    lua_pushvalue(L, 1);
    lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    set->deferred_count++;
    return 0;
}

bool ctx_has_deferred(const struct ctx *ctx)
{
    return ctx->tasks->deferred_count > 0;
}

void ctx_push_deferred(lua_State *L, struct ctx *ctx)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, ctx->tasks) == LUA_TTABLE)
        return;
    lua_pop(L, 1);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, ctx->tasks);
}

/* ---- the end ---- */

void ctx_tasks_stop(struct ctx *ctx)
{
    struct ctx_task *t;
    struct ctx_command *c;
    while ((t = LIST_FIRST(&ctx->tasks->tasks)) != NULL) {
        cell_stop_task(&t->task);
        task_forget(t);
    }
    LIST_FOREACH(c, &ctx->tasks->commands, link)
    process_stop(c->process);
}

void ctx_tasks_free(struct ctx_tasks *set)
{
    struct ctx_task *t;
    struct ctx_command *c;
    if (!set)
        return;
    while ((t = LIST_FIRST(&set->tasks)) != NULL) {
        LIST_REMOVE(t, link);
        free(t);
    }
    while ((c = LIST_FIRST(&set->commands)) != NULL)
        command_forget(c);
    deferred_cancel(&set->turn);
    free(set);
}

const luaL_Reg ctx_task_functions[] = {
    {"spawn", ctx_spawn}, {"join", ctx_join}, {"exec", ctx_exec}, {"defer", ctx_defer}, {NULL, NULL},
};
