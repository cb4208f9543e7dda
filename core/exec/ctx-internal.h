/* ctx-internal.h: what the files of ctx share: ctx.c is the object, each other one a set of primitives that
 * its first line names. A primitive is a C function whose first upvalue is the scope that it speaks through.
 */
#pragma once

#include "base/buf.h"
#include "exec/ctx.h"

#include <lauxlib.h>

struct ctx {
    struct execution *execution;
    struct cluster *cluster;
    struct cell *cell;
    struct event_counts counts;
    struct buf body; /* of the request that is being made */
    SLIST_HEAD(ctx_scope_list, ctx_scope) scopes;
    TAILQ_HEAD(ctx_watch_list, ctx_watch) watches; /* the one that was used last first */
    size_t watch_count;
    struct ctx_tasks *tasks; /* of a flow; NULL elsewhere */
};

struct ctx_scope {
    SLIST_ENTRY(ctx_scope) next;
    struct scope scope;
};

/* What a reference or an object names, among what the cluster serves. The strings stay on the Lua stack. */
struct ctx_target {
    const struct kube_kind *kind; /* until the next turn of the loop */
    const char *resource;         /* its registered name, for rbac */
    const char *ns, *name;
};

/* Reads argument `arg`; raises where it is no reference, or its kind is not served. `all`: of every namespace
 * where neither it nor the request has one. */
struct ctx_target ctx_target(lua_State *L, int arg, bool all);

/* A string field of the table at `table`, left on the stack; or NULL. */
const char *ctx_field(lua_State *L, int table, const char *key);

static inline struct scope *ctx_scope(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

/* Ends the watches of next_change(). */
void ctx_watches_free(struct ctx *ctx);
/* Kills the commands that still run; NULL is fine. */
void ctx_tasks_free(struct ctx_tasks *tasks);

extern const luaL_Reg ctx_call_functions[], ctx_say_functions[], ctx_image_functions[], ctx_watch_functions[],
    ctx_log_functions[], ctx_task_functions[], ctx_diff_functions[];
