/* ctx-watch.c: what of `ctx` waits for one object to change.
 *
 * A watch of an object stays open between the calls, so that nothing that happens in between is missed. It
 * keeps the object's newest state. */
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/ctx-internal.h"
#include "exec/gate.h"
#include "exec/run.h"
#include "kube/cluster.h"
#include "kube/watch.h"
#include "loop/loop.h"
#include "script/bridge.h"
#include "script/cell.h"

#include <stdlib.h>
#include <string.h>

enum { CTX_WATCHES_MAX = 32, CTX_CHANGE_SECONDS_MAX = 3600 };

struct ctx_change;

struct ctx_watch {
    TAILQ_ENTRY(ctx_watch) next;
    struct ctx *ctx;
    char *path; /* of the object */
    char *api_version, *kind;
    struct kube_watch *watch;
    struct buf object;  /* its newest state, NUL-terminated */
    bool listing, seen; /* between a RESTART and SYNCED: is it among the items? */
    bool deleted;
    struct ctx_change *waiter;
};

/* One call of next_change() that waits; a userdata on the task's stack. */
struct ctx_change {
    struct ctx_watch *watch;
    const char *version; /* the known one; an argument of the call */
    struct cell_wait *wait;
    struct timer *timer;
};

/* ---- the watches ---- */

static void ctx_watch_free(struct ctx_watch *w)
{
    TAILQ_REMOVE(&w->ctx->watches, w, next);
    w->ctx->watch_count--;
    kube_watch_stop(&w->watch);
    buf_free(&w->object);
    free(w->path);
    free(w->api_version);
    free(w->kind);
    free(w);
}

void ctx_watches_free(struct ctx *ctx)
{
    while (!TAILQ_EMPTY(&ctx->watches))
        ctx_watch_free(TAILQ_FIRST(&ctx->watches));
}

static struct ctx_watch *ctx_watch_find(struct ctx *ctx, const char *path)
{
    struct ctx_watch *w;
    TAILQ_FOREACH(w, &ctx->watches, next)
    if (str_eq(w->path, path))
        return w;
    return NULL;
}

/* Is this resourceVersion a later one (> 0), the same (0), an earlier one (< 0)? Of those that are no numbers
 * another one is taken for a later one. */
static int ctx_version_order(struct json_span is, const char *version)
{
    size_t n = strlen(version), len = is.len - 2;
    bool numbers = strspn(version, "0123456789") == n && strspn(is.at + 1, "0123456789") == len;
    if (len != n)
        return numbers && len < n ? -1 : 1;
    int order = memcmp(is.at + 1, version, n);
    return numbers ? order : order != 0;
}

/* Is what it holds a later state than that of `version`? A watch that was open before is told of what the
 * script has written only after the answer. */
static bool ctx_watch_has_news(const struct ctx_watch *w, const char *version)
{
    struct json_span is =
        json_span_path((struct json_span){w->object.data, w->object.len}, "metadata.resourceVersion");
    if (!json_span_is_string(is))
        return w->deleted;
    int order = ctx_version_order(is, version);
    return w->deleted ? order >= 0 : order > 0;
}

/* object · nil, "deleted" · nil, "timeout" */
static int ctx_push_change(lua_State *L, void *data)
{
    const struct ctx_watch *w = data;
    if (w && !w->deleted) {
        bridge_push(L, w->object.data, w->object.len);
        /* An item of a list has neither. */
        lua_pushstring(L, w->api_version);
        lua_setfield(L, -2, "apiVersion");
        lua_pushstring(L, w->kind);
        lua_setfield(L, -2, "kind");
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, w ? "deleted" : "timeout");
    return 2;
}

static int ctx_push_failed_watch(lua_State *L, void *data)
{
    const struct err *err = data;
    return cell_raise_api(L, err_code_name(err->code), 0, "", err->text, NULL, 0);
}

/* Takes the waiter from its watch. */
static struct ctx_change *ctx_watch_let_go(struct ctx_watch *w)
{
    struct ctx_change *c = w->waiter;
    if (!c)
        return NULL;
    w->waiter = NULL;
    c->watch = NULL;
    timer_stop(&c->timer);
    return c;
}

static void ctx_watch_wake(struct ctx_watch *w)
{
    struct ctx_change *c = ctx_watch_let_go(w);
    cell_wake(c->wait, ctx_push_change, w);
}

static void ctx_watch_keep(struct ctx_watch *w, struct json_span object)
{
    buf_clear(&w->object);
    buf_append(&w->object, object.at, object.len);
    w->deleted = false;
}

static void ctx_watch_event(void *arg, const struct kube_watch_event *event)
{
    struct ctx_watch *w = arg;
    switch (event->type) {
    case KUBE_WATCH_RESTART:
        w->listing = true;
        w->seen = false;
        return;
    case KUBE_WATCH_ITEM:
        w->seen = true;
        ctx_watch_keep(w, event->object);
        break;
    case KUBE_WATCH_SYNCED:
        w->deleted = w->listing && !w->seen;
        w->listing = false;
        if (!w->deleted)
            return;
        buf_clear(&w->object); /* nobody knows when */
        break;
    case KUBE_WATCH_ADDED:
    case KUBE_WATCH_MODIFIED:
        ctx_watch_keep(w, event->object);
        break;
    case KUBE_WATCH_DELETED:
        ctx_watch_keep(w, event->object);
        w->deleted = true;
        break;
    case KUBE_WATCH_LOST:
    case KUBE_WATCH_BACK:
        return;
    }
    if (w->waiter && ctx_watch_has_news(w, w->waiter->version))
        ctx_watch_wake(w);
}

static void ctx_watch_failed(void *arg, const struct err *err)
{
    struct ctx_watch *w = arg;
    struct err why = *err;
    struct ctx_change *c = ctx_watch_let_go(w);
    ctx_watch_free(w);
    if (c)
        cell_wake(c->wait, ctx_push_failed_watch, &why);
}

/* Room for one more: the one that was not used for longest goes. */
static bool ctx_watch_make_room(struct ctx *ctx)
{
    struct ctx_watch *w;
    if (ctx->watch_count < CTX_WATCHES_MAX)
        return true;
    TAILQ_FOREACH_REVERSE(w, &ctx->watches, ctx_watch_list, next)
    if (!w->waiter) {
        ctx_watch_free(w);
        return true;
    }
    return false;
}

static struct ctx_watch *ctx_watch_new(struct ctx *ctx, const struct ctx_target *t, const char *version,
                                       struct err *err)
{
    if (!ctx_watch_make_room(ctx)) {
        err_code(err, ERR_BUSY, "more than %d objects are watched at once", CTX_WATCHES_MAX);
        return NULL;
    }
    struct ctx_watch *w = mem_new(sizeof(*w));
    char *path = kube_path(t->kind, t->ns, NULL);
    char *query = mem_printf("fieldSelector=metadata.name%%3D%s", t->name);
    w->ctx = ctx;
    w->path = kube_path(t->kind, t->ns, t->name);
    w->api_version = mem_str(t->kind->api_version);
    w->kind = mem_str(t->kind->kind);
    w->watch = kube_watch_start(ctx->cluster,
                                &(struct kube_watch_options){
                                    .path = path,
                                    .query = query,
                                    .resource_version = version,
                                    .on_event = ctx_watch_event,
                                    .on_fail = ctx_watch_failed,
                                    .arg = w,
                                },
                                err);
    free(path);
    free(query);
    TAILQ_INSERT_HEAD(&ctx->watches, w, next);
    ctx->watch_count++;
    if (w->watch)
        return w;
    ctx_watch_free(w);
    return NULL;
}

/* The watch of the target, begun at `version` where there is none. */
static struct ctx_watch *ctx_watch_of(struct ctx *ctx, const struct ctx_target *t, const char *version,
                                      struct err *err)
{
    char *path = kube_path(t->kind, t->ns, t->name);
    struct ctx_watch *w = ctx_watch_find(ctx, path);
    free(path);
    if (!w)
        return ctx_watch_new(ctx, t, version, err);
    if (w->waiter) {
        err_code(err, ERR_BUSY, "%s is waited for already", t->name);
        return NULL;
    }
    TAILQ_REMOVE(&ctx->watches, w, next);
    TAILQ_INSERT_HEAD(&ctx->watches, w, next);
    return w;
}

/* ---- next_change ---- */

static void ctx_change_stop(void *arg)
{
    struct ctx_change *c = arg;
    timer_stop(&c->timer);
    if (c->watch)
        c->watch->waiter = NULL;
    c->watch = NULL;
}

static void ctx_change_late(void *arg)
{
    struct ctx_change *c = arg;
    c->timer = NULL;
    c->watch->waiter = NULL;
    c->watch = NULL;
    cell_wake(c->wait, ctx_push_change, NULL);
}

/* The name becomes a part of a query. */
static bool ctx_is_name(const char *name)
{
    static const char known[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._:@";
    return !str_empty(name) && strspn(name, known) == strlen(name);
}

/* next_change(target, resource version, seconds) → object · nil, "deleted" · nil, "timeout" */
static int ctx_next_change(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    struct err err;
    const char *version = luaL_checkstring(L, 2);
    lua_Number seconds = luaL_checknumber(L, 3);
    luaL_argcheck(L, seconds >= 0 && seconds <= CTX_CHANGE_SECONDS_MAX, 3, "0 to 3600 seconds");
    struct ctx_target t = ctx_target(L, 1, false);
    luaL_argcheck(L, ctx_is_name(t.name), 1, "it has no name, or one that no object has");
    if (gate_allows(ctx->execution, "watch", t.resource, t.ns, &err))
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    struct ctx_watch *watch = ctx_watch_of(ctx, &t, version, &err);
    if (!watch)
        return cell_raise_api(L, err_code_name(err.code), 0, "", err.text, NULL, 0);
    if (ctx_watch_has_news(watch, version))
        return ctx_push_change(L, watch);
    struct ctx_change *c = lua_newuserdatauv(L, sizeof(*c), 0);
    *c = (struct ctx_change){.version = version};
    c->wait = cell_wait_new(L, ctx_change_stop, c);
    c->watch = watch;
    watch->waiter = c;
    c->timer =
        timer_start(execution_options(ctx->execution)->loop, (uint64_t)(seconds * 1000), ctx_change_late, c);
    return cell_wait_yield(L, c->wait);
}

const luaL_Reg ctx_watch_functions[] = {
    {"next_change", ctx_next_change},
    {NULL, NULL},
};
