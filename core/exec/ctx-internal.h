/* ctx-internal.h: what the files of ctx share: ctx.c (the object), ctx-call.c (the cluster), ctx-say.c (what
 * is said). A primitive is a C function whose first upvalue is the scope that it speaks through. */
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
};

struct ctx_scope {
    SLIST_ENTRY(ctx_scope) next;
    struct scope scope;
};

static inline struct scope *ctx_scope(lua_State *L)
{
    return lua_touserdata(L, lua_upvalueindex(1));
}

extern const luaL_Reg ctx_call_functions[], ctx_say_functions[], ctx_image_functions[];
