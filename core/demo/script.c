/* The trusted cell: scripts/demo says what a request means; each request is one call. */
#include "demo/demo-internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "demo/script-internal.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum { DEMO_DUE_A_TURN_MS = 10, DEMO_DUE_MOST_MS = 60000 };

static const struct cell_limits demo_limits = {
    .memory = (size_t)512 << 20, .cpu_us = 20000000, .slice_us = 10000, .stuck_us = 15000000};

static void demo_print(void *user, const char *text, size_t len)
{
    (void)user;
    log_debug("demo: %.*s", (int)len, text);
}

int demo_script_open(struct demo *demo, struct err *err)
{
    demo->cell = cell_new(demo->loop, NULL, &demo_limits, err);
    if (!demo->cell)
        return -1;
    cell_set_user(demo->cell, demo);
    cell_set_print(demo->cell, demo_print);
    return cell_call(demo->cell, demo_lua_open, demo, err);
}

void demo_script_close(struct demo *demo)
{
    cell_free(demo->cell);
    demo->cell = NULL;
}

/* A call with a whole budget. A state that met a limit is not trusted any more. */
static int demo_call(struct demo *demo, cell_setup_fn *fn, void *arg, struct err *err)
{
    struct err again;
    cell_allow(demo->cell, demo_limits.cpu_us);
    int rc = cell_call(demo->cell, fn, arg, err);
    if (cell_killed(demo->cell)) {
        demo_script_close(demo);
        if (demo_script_open(demo, &again))
            log_error("the demo cluster's scripts: %s", again.text);
    }
    return rc;
}

/* Calls function `name` of module demo.`module` with what is above it on the stack. */
static void demo_push_function(lua_State *L, const char *module, const char *name)
{
    demo_lua_require(L, module);
    lua_getfield(L, -1, name);
    lua_remove(L, -2);
}

/* ---- a request ---- */

struct demo_exchange {
    struct demo *demo;
    const struct demo_request *request;
    struct demo_answer *answer;
};

static void demo_set(lua_State *L, const char *key, const char *value, size_t len)
{
    lua_pushlstring(L, value, len);
    lua_setfield(L, -2, key);
}

static void demo_push_query(lua_State *L, const struct demo_request *request)
{
    lua_createtable(L, 0, 4);
    for (size_t at = 0; at < request->query_len;) {
        const char *part = request->query + at;
        size_t name = strcspn(part, "=");
        lua_pushlstring(L, part, name);
        lua_pushstring(L, part[name] ? part + name + 1 : "");
        lua_settable(L, -3);
        at += strlen(part) + 1;
    }
    lua_setfield(L, -2, "query");
}

static void demo_push_request(lua_State *L, const struct demo_request *request)
{
    lua_createtable(L, 0, 8);
    demo_set(L, "method", request->method, strlen(request->method));
    demo_set(L, "path", request->path, strlen(request->path));
    demo_set(L, "accept", request->accept, strlen(request->accept));
    demo_set(L, "content_type", request->content_type, strlen(request->content_type));
    demo_set(L, "user_agent", request->user_agent, strlen(request->user_agent));
    demo_set(L, "body", request->body_len ? request->body : "", request->body_len);
    demo_push_query(L, request);
}

static char *demo_field(lua_State *L, int index, const char *key)
{
    char *text = NULL;
    if (lua_getfield(L, index, key) == LUA_TSTRING)
        text = mem_str(lua_tostring(L, -1));
    lua_settop(L, -2);
    return text;
}

static void demo_read_watch(lua_State *L, struct demo_answer *answer)
{
    if (lua_getfield(L, -1, "watch") == LUA_TTABLE) {
        struct demo_watch *watch = answer->watch = mem_new(sizeof(*watch));
        int at = lua_gettop(L);
        watch->resource = demo_field(L, at, "resource");
        watch->ns = demo_field(L, at, "namespace");
        lua_getfield(L, at, "revision");
        watch->revision = (uint64_t)lua_tointeger(L, -1);
        lua_getfield(L, at, "timeout");
        watch->timeout_ms = (uint64_t)lua_tointeger(L, -1) * 1000;
        lua_getfield(L, at, "poll");
        watch->poll_ms = (uint64_t)lua_tointeger(L, -1);
        lua_getfield(L, at, "script");
        watch->script = lua_toboolean(L, -1);
        lua_getfield(L, at, "bookmarks");
        watch->bookmarks = lua_toboolean(L, -1);
        struct buf spec = {0};
        lua_getfield(L, at, "spec");
        bridge_write(L, lua_gettop(L), &spec);
        watch->spec = buf_take(&spec);
        lua_settop(L, at);
    }
    lua_settop(L, -2);
}

static void demo_read_body(lua_State *L, struct demo_answer *answer)
{
    int type = lua_getfield(L, -1, "body");
    if (type == LUA_TSTRING)
        buf_append(&answer->body, lua_tostring(L, -1), lua_rawlen(L, -1));
    else if (type == LUA_TTABLE)
        bridge_write(L, lua_gettop(L), &answer->body);
    lua_settop(L, -2);
}

static void demo_read_answer(lua_State *L, struct demo_answer *answer)
{
    luaL_checktype(L, -1, LUA_TTABLE);
    demo_read_body(L, answer);
    if (lua_getfield(L, -1, "type") == LUA_TSTRING && str_eq(lua_tostring(L, -1), "text"))
        answer->type = "text/plain; charset=utf-8";
    lua_settop(L, -2);
    if (lua_getfield(L, -1, "discovery") == LUA_TSTRING)
        answer->type = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    lua_settop(L, -2);
    if (lua_getfield(L, -1, "warnings") == LUA_TTABLE)
        for (lua_Integer i = 1; lua_geti(L, -1, i) == LUA_TSTRING; i++) {
            buf_append(&answer->warnings, lua_tostring(L, -1), lua_rawlen(L, -1) + 1);
            lua_settop(L, -2);
        }
    lua_settop(L, 1);
    demo_read_watch(L, answer);
    lua_getfield(L, -1, "status");
    answer->status = (int)lua_tointeger(L, -1);
}

static int demo_call_request(lua_State *L, void *arg)
{
    struct demo_exchange *x = arg;
    demo_push_function(L, "demo.server", "handle");
    demo_push_request(L, x->request);
    lua_call(L, 1, 1);
    demo_read_answer(L, x->answer);
    return 0;
}

static void demo_answer_fault(struct demo_answer *answer, const struct err *err)
{
    log_error("demo cluster: %s", err->text);
    demo_watch_free(&answer->watch);
    buf_clear(&answer->body);
    answer->body.failed = false;
    answer->status = 500;
    demo_write_status(&answer->body, 500, "InternalError", err->text);
}

void demo_handle(struct demo *demo, const struct demo_request *request, struct demo_answer *answer)
{
    struct demo_exchange x = {demo, request, answer};
    struct err err;
    uint64_t before = store_revision(demo->store);
    answer->type = "application/json";
    if (store_begin(demo->store, &err)) {
        demo_answer_fault(answer, &err);
        return;
    }
    int rc = demo_call(demo, demo_call_request, &x, &err);
    if (rc == 0 && answer->status >= 200 && answer->status < 300) {
        rc = store_commit(demo->store, &err);
    } else {
        store_rollback(demo->store);
    }
    if (rc)
        demo_answer_fault(answer, &err);
    if (answer->body.failed || answer->warnings.failed)
        answer->status = 0;
    if (store_revision(demo->store) != before) {
        demo_server_news(demo->server);
        demo_await_due(demo);
    }
}

void demo_watch_free(struct demo_watch **watch)
{
    struct demo_watch *w = *watch;
    if (!w)
        return;
    *watch = NULL;
    free(w->resource);
    free(w->ns);
    free(w->spec);
    free(w);
}

/* ---- what a watch shows ---- */

struct demo_event {
    const struct demo_watch *watch;
    const struct store_row *row;
    struct buf *out;
};

static int demo_call_event(lua_State *L, void *arg)
{
    struct demo_event *e = arg;
    demo_push_function(L, "demo.watch", "event");
    bridge_push(L, e->watch->spec, strlen(e->watch->spec));
    lua_pushstring(L, e->row->type);
    bridge_push(L, e->row->body, strlen(e->row->body));
    const char *before = str_or(e->row->before, "{}");
    bridge_push(L, before, strlen(before));
    lua_call(L, 4, 1);
    if (lua_isnil(L, -1))
        return 0;
    bridge_write(L, lua_gettop(L), e->out);
    buf_putc(e->out, '\n');
    return 0;
}

int demo_watch_event(struct demo *demo, const struct demo_watch *watch, const struct store_row *row,
                     struct buf *out, struct err *err)
{
    struct demo_event event = {watch, row, out};
    if (watch->script)
        return demo_call(demo, demo_call_event, &event, err);
    buf_printf(out, "{\"type\":\"%s\",\"object\":", row->type);
    buf_puts(out, row->body);
    buf_puts(out, "}\n");
    return out->failed ? err_no_memory(err) : 0;
}

static int demo_call_bookmark(lua_State *L, void *arg)
{
    struct demo_event *e = arg;
    demo_push_function(L, "demo.watch", "bookmark");
    bridge_push(L, e->watch->spec, strlen(e->watch->spec));
    lua_pushinteger(L, (lua_Integer)e->watch->revision);
    lua_call(L, 2, 1);
    bridge_write(L, lua_gettop(L), e->out);
    buf_putc(e->out, '\n');
    return 0;
}

void demo_watch_bookmark(struct demo *demo, const struct demo_watch *watch, struct buf *out)
{
    struct demo_event event = {watch, NULL, out};
    struct err err;
    if (demo_call(demo, demo_call_bookmark, &event, &err))
        log_warn("demo cluster: a bookmark: %s", err.text);
}

struct demo_poll {
    struct demo_watch *watch;
    struct buf *out;
    bool over;
};

/* more(spec) → a text and the spec for the next time, or nil where there is none. */
static int demo_call_more(lua_State *L, void *arg)
{
    struct demo_poll *poll = arg;
    struct buf spec = {0};
    demo_push_function(L, "demo.watch", "more");
    bridge_push(L, poll->watch->spec, strlen(poll->watch->spec));
    lua_call(L, 1, 2);
    buf_append(poll->out, lua_tostring(L, -2), lua_rawlen(L, -2));
    poll->over = lua_isnil(L, -1);
    if (poll->over)
        return 0;
    bridge_write(L, lua_gettop(L), &spec);
    free(poll->watch->spec);
    poll->watch->spec = buf_take(&spec);
    poll->over = !poll->watch->spec;
    return 0;
}

bool demo_watch_more(struct demo *demo, struct demo_watch *watch, struct buf *out)
{
    struct demo_poll poll = {watch, out, false};
    struct err err;
    if (demo_call(demo, demo_call_more, &poll, &err)) {
        log_error("demo cluster: a log: %s", err.text);
        return false;
    }
    return !poll.over;
}

/* ---- controllers ---- */

static int demo_call_due(lua_State *L, void *arg)
{
    const char *resource = arg, *ns = resource + strlen(resource) + 1;
    demo_push_function(L, "demo.controllers", "run");
    lua_pushstring(L, resource);
    lua_pushstring(L, ns);
    lua_pushstring(L, ns + strlen(ns) + 1);
    lua_call(L, 3, 0);
    return 0;
}

/* One object, in a transaction of its own. What fails is told and not tried again until it changes. */
static int demo_run_one(struct demo *demo, struct err *err)
{
    struct buf key = {0};
    if (store_begin(demo->store, err))
        return -1;
    int rc = store_due_take(demo->store, clock_wall_ms(), &key, err);
    if (rc == 1 && demo_call(demo, demo_call_due, key.data, err)) {
        log_error("demo cluster: %s %s: %s", key.data, key.data + strlen(key.data) + 1, err->text);
        store_rollback(demo->store);
        if (store_begin(demo->store, err) == 0)
            store_due_take(demo->store, clock_wall_ms(), &key, err);
    }
    if (store_commit(demo->store, err))
        rc = -1;
    buf_free(&key);
    return rc;
}

void demo_await_due(struct demo *demo)
{
    int64_t next = store_due_next(demo->store);
    timer_stop(&demo->due);
    if (next < 0)
        return;
    int64_t wait = next - clock_wall_ms();
    wait = wait < 1 ? 1 : wait > DEMO_DUE_MOST_MS ? DEMO_DUE_MOST_MS : wait;
    demo->due = timer_start(demo->loop, (uint64_t)wait, demo_run_due, demo);
}

void demo_run_due(void *arg)
{
    struct demo *demo = arg;
    struct err err;
    int rc = 1;
    uint64_t before = store_revision(demo->store), until = clock_mono_ms() + DEMO_DUE_A_TURN_MS;
    demo->due = NULL;
    /* Requests have their turn in between. */
    while (rc == 1 && clock_mono_ms() < until)
        rc = demo_run_one(demo, &err);
    if (rc < 0)
        log_error("demo cluster: %s", err.text);
    demo_await_due(demo);
    if (store_revision(demo->store) != before)
        demo_server_news(demo->server);
}

static int demo_call_seed(lua_State *L, void *arg)
{
    (void)arg;
    demo_push_function(L, "demo.seed", "plant");
    lua_call(L, 0, 0);
    return 0;
}

int demo_seed(struct demo *demo, struct err *err)
{
    if (store_begin(demo->store, err))
        return -1;
    if (demo_call(demo, demo_call_seed, demo, err)) {
        store_rollback(demo->store);
        return -1;
    }
    return store_commit(demo->store, err);
}
