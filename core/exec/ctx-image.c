/* ctx-image.c: what of `ctx` an undo needs: objects as they were before a write and after it. */
#include "base/str.h"
#include "exec/ctx-internal.h"
#include "exec/images.h"
#include "exec/request.h"
#include "exec/run.h"
#include "guard/auth.h"
#include "guard/rbac.h"
#include "script/bridge.h"
#include "script/cell.h"

/* remember(before|nil, after|nil) */
static int ctx_remember(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    lua_settop(L, 2);
    buf_clear(&ctx->body);
    size_t middle = 0;
    if (!lua_isnil(L, 1)) {
        bridge_write(L, 1, &ctx->body);
        middle = ctx->body.len;
    }
    if (!lua_isnil(L, 2))
        bridge_write(L, 2, &ctx->body);
    if (ctx->body.failed)
        return luaL_error(L, "not enough memory to remember the object");
    const char *text = buf_str(&ctx->body);
    images_add(execution_images(ctx->execution), lua_isnil(L, 1) ? NULL : text, middle,
               lua_isnil(L, 2) ? NULL : text + middle, ctx->body.len - middle);
    return 0;
}

static void ctx_push_image(lua_State *L, const char *key, const char *json, size_t len)
{
    if (!json)
        return;
    bridge_push(L, json, len);
    lua_setfield(L, -2, key);
}

/* remembered(execution id, n) → how many there are, how many were not kept, the n-th: { before, after } */
static int ctx_remembered(lua_State *L)
{
    struct ctx *ctx = cell_user(L);
    const char *id = luaL_checkstring(L, 1);
    lua_Integer n = luaL_checkinteger(L, 2);
    struct execution *ex = execution_other(ctx->execution, id);
    if (!ex)
        return cell_raise_api(L, "not_found", 0, "", "this execution is not kept here any more", NULL, 0);
    const struct user *me = execution_user(ctx->execution), *starter = execution_user(ex);
    if (!rbac_is_admin(me->role) && !str_eq(me->name, starter->name))
        return cell_raise_api(L, "forbidden", 0, "", "only who started it, or an admin, may undo it", NULL,
                              0);
    if (!execution_ended(ex))
        return cell_raise_api(L, "conflict", 0, "", "it has not ended yet", NULL, 0);
    const struct images *images = execution_images(ex);
    lua_pushinteger(L, (lua_Integer)images->count);
    lua_pushinteger(L, (lua_Integer)images->omitted);
    if (n < 1 || (lua_Unsigned)n > images->count)
        return 2;
    const struct image *image = &images->items[n - 1];
    lua_createtable(L, 0, 2);
    ctx_push_image(L, "before", image->before, image->before_len);
    ctx_push_image(L, "after", image->after, image->after_len);
    return 3;
}

const luaL_Reg ctx_image_functions[] = {
    {"remember", ctx_remember},
    {"remembered", ctx_remembered},
    {NULL, NULL},
};
