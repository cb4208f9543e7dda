#include "base/buf.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/ctx-internal.h"
#include "exec/request.h"
#include "exec/run.h"
#include "script/cell.h"
#include "script/pack.h"

#include <stdlib.h>

static void ctx_print(void *user, const char *text, size_t len)
{
    struct ctx *ctx = user;
    log_execution(LOG_DEBUG, execution_id(ctx->execution), "%.*s", (int)len, text);
}

struct ctx *ctx_new(struct cell *cell, struct execution *execution, struct cluster *cluster)
{
    struct ctx *ctx = mem_new(sizeof(*ctx));
    ctx->execution = execution;
    ctx->cluster = cluster;
    ctx->cell = cell;
    SLIST_INIT(&ctx->scopes);
    TAILQ_INIT(&ctx->watches);
    cell_set_user(cell, ctx);
    cell_set_print(cell, ctx_print);
    return ctx;
}

void ctx_free(struct ctx *ctx)
{
    struct ctx_scope *scope;
    if (!ctx)
        return;
    while ((scope = SLIST_FIRST(&ctx->scopes)) != NULL) {
        SLIST_REMOVE_HEAD(&ctx->scopes, next);
        scope_close(&scope->scope);
        free(scope);
    }
    ctx_watches_free(ctx);
    ctx_tasks_free(ctx->tasks);
    buf_free(&ctx->body);
    free(ctx);
}

struct scope *ctx_scope_new(struct ctx *ctx, bool held)
{
    struct ctx_scope *scope = mem_new(sizeof(*scope));
    scope_open(&scope->scope, ctx->execution, held);
    SLIST_INSERT_HEAD(&ctx->scopes, scope, next);
    return &scope->scope;
}

const struct event_counts *ctx_counts(const struct ctx *ctx)
{
    return &ctx->counts;
}

const char *ctx_count(struct ctx *ctx, const char *outcome)
{
    struct {
        const char *word;
        unsigned *count;
    } counts[] = {
        {"created", &ctx->counts.created},
        {"configured", &ctx->counts.configured},
        {"unchanged", &ctx->counts.unchanged},
        {"deleted", &ctx->counts.deleted},
    };
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        if (str_eq(outcome, counts[i].word)) {
            ++*counts[i].count;
            return counts[i].word;
        }
    return NULL;
}

static void ctx_push_leave(lua_State *L, const struct start_request *r)
{
    lua_createtable(L, (int)r->leave_count, 0);
    for (size_t i = 0; i < r->leave_count; i++) {
        lua_createtable(L, 0, 2);
        lua_pushinteger(L, (lua_Integer)r->leave[i].index);
        lua_setfield(L, -2, "index");
        lua_pushstring(L, r->leave[i].field);
        lua_setfield(L, -2, "field");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "leave");
}

static void ctx_push_request(lua_State *L, const struct start_request *r)
{
    const char *const fields[][2] = {
        {"namespace", r->namespace_},   {"context", r->context},         {"resource", r->resource},
        {"action", r->action},          {"intent", r->intent},           {"name", r->name},
        {"userAction", r->user_action}, {"propagation", r->propagation},
    };
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        lua_pushstring(L, fields[i][1]);
        lua_setfield(L, -2, fields[i][0]);
    }
    lua_pushboolean(L, r->force);
    lua_setfield(L, -2, "force");
    lua_pushboolean(L, r->recreate);
    lua_setfield(L, -2, "recreate");
    lua_pushboolean(L, r->wait);
    lua_setfield(L, -2, "wait");
    lua_pushinteger(L, r->timeout ? r->timeout : REQUEST_TIMEOUT);
    lua_setfield(L, -2, "timeout");
    if (r->replicas >= 0) {
        lua_pushinteger(L, r->replicas);
        lua_setfield(L, -2, "replicas");
    }
    ctx_push_leave(L, r);
    lua_pushboolean(L, r->allow_cluster_wide);
    lua_setfield(L, -2, "allowClusterWide");
    if (r->take_over) {
        lua_newtable(L);
        for (int i = 0; r->take_over[i]; i++) {
            lua_pushstring(L, r->take_over[i]);
            lua_rawseti(L, -2, i + 1);
        }
        lua_setfield(L, -2, "takeOver");
    }
}

static void ctx_push_user(lua_State *L, const struct user *user)
{
    lua_newtable(L);
    lua_pushstring(L, user->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, user->role);
    lua_setfield(L, -2, "role");
}

/* lib.ctx is a function of the primitives that returns the object's methods. */
void ctx_push(lua_State *L, struct scope *scope)
{
    static const luaL_Reg *const functions[] = {ctx_call_functions,  ctx_say_functions, ctx_image_functions,
                                                ctx_watch_functions, ctx_log_functions, ctx_task_functions,
                                                ctx_diff_functions};
    const struct start_request *r = execution_request(scope->execution);
    luaL_checkstack(L, 8, "ctx");
    pack_push_module(L, "ctx");
    lua_newtable(L);
    for (size_t i = 0; i < sizeof(functions) / sizeof(functions[0]); i++) {
        lua_pushlightuserdata(L, scope);
        luaL_setfuncs(L, functions[i], 1);
    }
    lua_newtable(L);
    ctx_push_request(L, r);
    lua_setfield(L, -2, "request");
    ctx_push_user(L, execution_user(scope->execution));
    lua_setfield(L, -2, "user");
    lua_pushboolean(L, r->dry_run);
    lua_setfield(L, -2, "dry_run");
    lua_pushboolean(L, execution_planner(scope->execution) != NULL);
    lua_setfield(L, -2, "plan");
    lua_call(L, 2, 1);
}
