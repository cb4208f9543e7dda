/* ctx-diff.c: what of `ctx` shows a change, and what a plan notes of it. */
#include "base/json-span.h"
#include "base/mem.h"
#include "exec/ctx-internal.h"
#include "exec/object-diff.h"
#include "exec/plan-internal.h"
#include "exec/run.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"

#include <stdlib.h>
#include <string.h>

enum { CTX_DIFF_INLINE = 64 * 1024 }; /* more bytes of JSON are compared on the pool */

/* What the pool works on; outlives the task that forgot it. */
struct ctx_diff {
    struct ctx_diff_wait *waiting;
    struct buf json;
    struct json_span before, after; /* in it */
    struct buf out;
    struct err err;
    int rc;
};

/* A userdata on the task's stack, so it lives as long as the task waits. */
struct ctx_diff_wait {
    struct cell_wait *wait;
    struct job *job;
};

static void ctx_diff_free(void *arg)
{
    struct ctx_diff *d = arg;
    buf_free(&d->json);
    buf_free(&d->out);
    free(d);
}

static void ctx_diff_work(void *arg)
{
    struct ctx_diff *d = arg;
    d->rc = object_diff(d->before, d->after, &d->out, &d->err);
    if (d->rc == 0 && d->out.failed)
        d->rc = err_no_memory(&d->err);
}

static int ctx_diff_push(lua_State *L, void *data)
{
    const struct ctx_diff *d = data;
    if (d->rc)
        return cell_raise_api(L, err_code_name(d->err.code), 0, "", d->err.text, NULL, 0);
    lua_pushlstring(L, buf_str(&d->out), d->out.len);
    return 1;
}

static void ctx_diff_done(void *arg)
{
    struct ctx_diff *d = arg;
    d->waiting->job = NULL;
    cell_wake(d->waiting->wait, ctx_diff_push, d);
    ctx_diff_free(d);
}

static void ctx_diff_stop(void *arg)
{
    struct ctx_diff_wait *w = arg;
    job_forget(&w->job, ctx_diff_free);
}

/* Small ones here and now: the result goes through the ctx's own buffer, which no error leaks. */
static int ctx_diff_now(lua_State *L, struct ctx *ctx, struct ctx_diff *d)
{
    ctx_diff_work(d);
    buf_free(&ctx->body);
    ctx->body = d->out;
    struct ctx_diff result = {.out = d->out, .rc = d->rc, .err = d->err};
    return ctx_diff_push(L, &result);
}

/* Appends the object at `arg` as JSON; nothing for nil. */
static size_t ctx_diff_read(lua_State *L, int arg, struct buf *json)
{
    size_t from = json->len;
    if (lua_isnil(L, arg))
        return 0;
    luaL_checktype(L, arg, LUA_TTABLE);
    bridge_write(L, arg, json);
    return json->len - from;
}

/* diff(before|nil, after|nil) → unified diff, "" where they are the same */
static int ctx_diff(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    struct ctx_diff diff = {0};
    lua_settop(L, 2);
    buf_clear(&ctx->body);
    size_t before = ctx_diff_read(L, 1, &ctx->body), after = ctx_diff_read(L, 2, &ctx->body);
    if (ctx->body.failed)
        return luaL_error(L, "not enough memory to compare the objects");
    diff.before = (struct json_span){before ? ctx->body.data : NULL, before};
    diff.after = (struct json_span){after ? ctx->body.data + before : NULL, after};
    if (before + after <= CTX_DIFF_INLINE)
        return ctx_diff_now(L, ctx, &diff);
    struct ctx_diff_wait *w = lua_newuserdatauv(L, sizeof(*w), 0);
    *w = (struct ctx_diff_wait){.wait = cell_wait_new(L, ctx_diff_stop, w)};
    struct ctx_diff *d = mem_new(sizeof(*d));
    *d = diff;
    d->waiting = w;
    d->json = ctx->body; /* the spans stay where they are */
    ctx->body = (struct buf){0};
    w->job = loop_job(execution_options(ctx->execution)->loop, ctx_diff_work, ctx_diff_done, d);
    return cell_wait_yield(L, w->wait);
}

/* ---- of a plan ---- */

static struct plan *ctx_plan(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    struct plan *plan = execution_planner(ctx->execution);
    if (!plan)
        luaL_error(L, "this is no plan");
    return plan;
}

/* planned(document's index, diff): what would change. */
static int ctx_planned(lua_State *L)
{
    size_t len;
    lua_Integer index = luaL_checkinteger(L, 1);
    const char *diff = luaL_checklstring(L, 2, &len);
    plan_note_diff(ctx_plan(L), (size_t)index, diff, len);
    return 0;
}

/* refused(document's index, { message, details }): why it would not be taken, as a Status says it. */
static int ctx_refused(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    lua_Integer index = luaL_checkinteger(L, 1);
    struct plan *plan = ctx_plan(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    buf_clear(&ctx->body);
    bridge_write(L, 2, &ctx->body);
    if (!ctx->body.failed)
        plan_note_refusal(plan, (size_t)index, buf_str(&ctx->body), ctx->body.len);
    return 0;
}

const luaL_Reg ctx_diff_functions[] = {
    {"diff", ctx_diff},
    {"planned", ctx_planned},
    {"refused", ctx_refused},
    {NULL, NULL},
};
