/* apply-wait.c: after the documents of an apply have gone out: waiting until each is ready, or gone. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/apply-internal.h"
#include "exec/ctx.h"
#include "exec/request.h"
#include "exec/run.h"
#include "script/cell.h"
#include "script/pack.h"

#include <lauxlib.h>
#include <stdlib.h>

enum { WAIT_AT_ONCE = 16 };

struct waiting {
    struct apply_wait *all;
    struct document *document;
    struct cell_task *task;
};

struct apply_wait {
    struct apply *apply;
    struct scope *scope; /* they speak as it comes: each line names its object */
    struct waiting *items;
    size_t count, next, done;
    uint64_t deadline_ms;
};

static void wait_say(struct apply_wait *w, const char *ref)
{
    bool gone = str_eq(execution_request(w->apply->execution)->action, "delete");
    execution_phase(w->apply->execution, gone ? "Waiting until it is gone…" : "Waiting for readiness…", ref,
                    w->done, w->count);
}

/* Inside the task: lib.apply's wait(ctx, { kind, namespace, name, version, resource }, seconds). */
static int wait_setup(lua_State *L, void *arg)
{
    const struct waiting *item = arg;
    const struct document *d = item->document;
    uint64_t now = clock_mono_us() / 1000, deadline = item->all->deadline_ms;
    const char *const fields[][2] = {
        {"kind", d->kind}, {"namespace", d->ns}, {"name", d->name}, {"version", d->served.api_version}};
    luaL_checkstack(L, 8, "document");
    pack_push_module(L, "apply");
    lua_getfield(L, -1, "wait");
    lua_remove(L, -2);
    ctx_push(L, item->all->scope);
    lua_createtable(L, 0, 5);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        lua_pushstring(L, fields[i][1]);
        lua_setfield(L, -2, fields[i][0]);
    }
    if (d->resource) {
        pack_push_resource(L, d->resource);
        lua_setfield(L, -2, "resource");
    }
    lua_pushnumber(L, now < deadline ? (lua_Number)(deadline - now) / 1000 : 0);
    return 3;
}

static void wait_more(struct apply_wait *w);

static void wait_failed(struct waiting *item, const struct err *err, const char *traceback)
{
    struct document *d = item->document;
    struct execution *ex = item->all->apply->execution;
    d->unready = true;
    d->code = err->code;
    free(d->message);
    d->message = mem_str(err->text);
    execution_line(ex, STREAM_STDERR, err->text);
    if (!str_empty(traceback))
        execution_line(ex, STREAM_STDERR, traceback);
}

static void wait_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct waiting *item = arg;
    struct apply_wait *w = item->all;
    struct apply *a = w->apply;
    (void)L;
    item->task = NULL;
    if (err)
        wait_failed(item, err, traceback);
    w->done++;
    wait_say(w, item->document->ref);
    if (cell_killed(a->cell) || w->done == w->count)
        apply_finish(a, cell_killed(a->cell) ? err : NULL);
    else
        wait_more(w);
}

static void wait_more(struct apply_wait *w)
{
    while (w->next < w->count && w->next - w->done < WAIT_AT_ONCE) {
        struct waiting *item = &w->items[w->next++];
        item->task = cell_start(w->apply->cell, wait_setup, wait_done, item);
    }
}

void apply_wait_start(struct apply *a)
{
    const struct start_request *r = execution_request(a->execution);
    struct apply_wait *w = mem_new(sizeof(*w));
    unsigned seconds = r->timeout ? r->timeout : REQUEST_TIMEOUT;
    a->waiting = w;
    w->apply = a;
    w->items = mem_new((a->bundle.count + 1) * sizeof(*w->items));
    w->deadline_ms = clock_mono_us() / 1000 + (uint64_t)seconds * 1000;
    for (size_t i = 0; i < a->bundle.count; i++)
        if (document_applied(a->bundle.order[i]) || str_eq(a->bundle.order[i]->outcome, "deleted"))
            w->items[w->count++] = (struct waiting){.all = w, .document = a->bundle.order[i]};
    if (w->count == 0) {
        apply_finish(a, NULL);
        return;
    }
    w->scope = ctx_scope_new(a->ctx, false);
    wait_say(w, w->items[0].document->ref);
    wait_more(w);
}

void apply_wait_free(struct apply *a)
{
    if (a->waiting)
        free(a->waiting->items);
    free(a->waiting);
    a->waiting = NULL;
}
