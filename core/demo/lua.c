/* What the demo cluster's scripts can call. Texts on their way into Lua lie in demo->scratch, so that an
 * error on that way leaks nothing. */
#include "base/clock.h"
#include "base/err.h"
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "demo/demo-internal.h"
#include "demo/script-internal.h"
#include "io/yaml.h"
#include "script/bridge.h"
#include "script/cell.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MODULE_BYTES = 1 << 20, RANDOM_MOST = 32 };

static const char modules_key; /* its address is the registry's key */

static struct demo *demo_here(lua_State *L)
{
    return cell_user(L);
}

static int demo_raise(lua_State *L, const struct err *err)
{
    return luaL_error(L, "%s", err->text);
}

static struct buf *demo_scratch(lua_State *L)
{
    struct buf *scratch = &demo_here(L)->scratch;
    if (scratch->cap > (size_t)8 << 20)
        buf_free(scratch);
    buf_clear(scratch);
    scratch->failed = false;
    return scratch;
}

static struct store_key demo_key(lua_State *L, int at)
{
    return (struct store_key){luaL_checkstring(L, at), luaL_checkstring(L, at + 1),
                              luaL_checkstring(L, at + 2)};
}

/* get(resource, ns, name) → the object or nil */
static int demo_lua_get(lua_State *L)
{
    struct err err;
    struct store_key key = demo_key(L, 1);
    struct buf *text = demo_scratch(L);
    int found = store_get(demo_here(L)->store, &key, text, &err);
    if (found < 0)
        return demo_raise(L, &err);
    if (found)
        bridge_push(L, text->data, text->len);
    else
        lua_pushnil(L);
    return 1;
}

/* put(type, resource, ns, name, object, before) keeps the object with a new resourceVersion, which it sets.
 */
static int demo_lua_put(lua_State *L)
{
    struct err err;
    struct store *store = demo_here(L)->store;
    struct buf *text = demo_scratch(L);
    struct store_row row = {.type = luaL_checkstring(L, 1)};
    struct store_key key = demo_key(L, 2);
    row.ns = key.ns;
    row.name = key.name;
    row.revision = store_next(store);
    lua_settop(L, 6);
    lua_getfield(L, 5, "metadata");
    lua_pushfstring(L, "%I", (LUAI_UACINT)row.revision);
    lua_setfield(L, -2, "resourceVersion");
    bridge_write(L, 5, text);
    size_t before = text->len + 1;
    buf_putc(text, '\0');
    if (!lua_isnil(L, 6))
        bridge_write(L, 6, text);
    if (text->failed)
        return luaL_error(L, "out of memory");
    row.body = text->data;
    row.before = lua_isnil(L, 6) ? NULL : text->data + before;
    if (store_put(store, key.resource, &row, &err))
        return demo_raise(L, &err);
    lua_settop(L, 5);
    return 1;
}

struct demo_rows {
    struct buf *text;
    bool bare;
    size_t count;
    char *ns, *name; /* of the last */
};

/* Without apiVersion and kind, which the list itself says. */
static void demo_put_bare(struct buf *out, const char *body)
{
    struct json_span whole = {body, strlen(body)}, key, value;
    const char *at = NULL;
    bool comma = false;
    buf_putc(out, '{');
    while (json_span_next(whole, &at, &key, &value)) {
        if ((key.len == 12 && memcmp(key.at, "\"apiVersion\"", 12) == 0) ||
            (key.len == 6 && memcmp(key.at, "\"kind\"", 6) == 0))
            continue;
        if (comma)
            buf_putc(out, ',');
        comma = true;
        buf_append(out, key.at, key.len);
        buf_putc(out, ':');
        buf_append(out, value.at, value.len);
    }
    buf_putc(out, '}');
}

static int demo_gather(void *arg, const struct store_row *row)
{
    struct demo_rows *rows = arg;
    if (rows->count++)
        buf_putc(rows->text, ',');
    if (rows->bare)
        demo_put_bare(rows->text, row->body);
    else
        buf_puts(rows->text, row->body);
    free(rows->ns);
    free(rows->name);
    rows->ns = mem_str(row->ns);
    rows->name = mem_str(row->name);
    return rows->text->failed;
}

/* text(resource, ns or nil, after ns, after name, limit, bare) → the objects' texts with commas, how many,
 * ns and name of the last */
static int demo_lua_text(lua_State *L)
{
    struct err err;
    struct demo_rows rows = {.text = demo_scratch(L)};
    const char *resource = luaL_checkstring(L, 1), *ns = luaL_optstring(L, 2, NULL);
    struct store_key after = {resource, luaL_optstring(L, 3, ""), luaL_optstring(L, 4, "")};
    size_t limit = (size_t)luaL_optinteger(L, 5, 0);
    rows.bare = lua_toboolean(L, 6);
    int rc = store_each(demo_here(L)->store, resource, ns, &after, limit, demo_gather, &rows, &err);
    /* Names are short: what raises here would be no memory for them, and the process ends with that. */
    lua_settop(L, 0);
    lua_pushinteger(L, (lua_Integer)rows.count);
    lua_pushstring(L, rows.ns);
    lua_pushstring(L, rows.name);
    free(rows.ns);
    free(rows.name);
    if (rc)
        return demo_raise(L, &err);
    if (rows.text->failed)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, rows.text->len ? rows.text->data : "", rows.text->len);
    lua_insert(L, 1);
    return 4;
}

/* list(resource, ns or nil) → the objects */
static int demo_lua_list(lua_State *L)
{
    struct err err;
    struct demo_rows rows = {.text = demo_scratch(L)};
    const char *resource = luaL_checkstring(L, 1), *ns = luaL_optstring(L, 2, NULL);
    buf_putc(rows.text, '[');
    int rc = store_each(demo_here(L)->store, resource, ns, NULL, 0, demo_gather, &rows, &err);
    buf_putc(rows.text, ']');
    free(rows.ns);
    free(rows.name);
    if (rc)
        return demo_raise(L, &err);
    if (rows.text->failed)
        return luaL_error(L, "out of memory");
    bridge_push(L, rows.text->data, rows.text->len);
    return 1;
}

static int demo_lua_revision(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)store_revision(demo_here(L)->store));
    return 1;
}

static int demo_lua_forgotten(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)store_forgotten(demo_here(L)->store));
    return 1;
}

/* due(resource, ns, name, ms): the controllers look at it in so many milliseconds */
static int demo_lua_due(lua_State *L)
{
    struct err err;
    struct store_key key = demo_key(L, 1);
    if (store_due(demo_here(L)->store, &key, clock_wall_ms() + luaL_checkinteger(L, 4), &err))
        return demo_raise(L, &err);
    return 0;
}

/* now() → the time as objects carry it; in milliseconds */
static int demo_lua_now(lua_State *L)
{
    char text[CLOCK_TEXT];
    int64_t now = clock_wall_ms();
    clock_text(now, text);
    lua_pushfstring(L, "%sZ", (text[19] = '\0', text));
    lua_pushinteger(L, now);
    return 2;
}

/* date(ms) → the time as logs carry it, with milliseconds */
static int demo_lua_date(lua_State *L)
{
    char text[CLOCK_TEXT];
    lua_pushstring(L, clock_text(luaL_checkinteger(L, 1), text));
    return 1;
}

/* time(text) → milliseconds */
static int demo_lua_time(lua_State *L)
{
    lua_pushinteger(L, clock_parse(luaL_checkstring(L, 1)));
    return 1;
}

static int demo_lua_uuid(lua_State *L)
{
    unsigned char b[16] = {0};
    char text[37];
    if (RAND_bytes(b, sizeof(b)) != 1)
        return luaL_error(L, "no random bytes");
    b[6] = (b[6] & 0x0f) | 0x40;
    b[8] = (b[8] & 0x3f) | 0x80;
    snprintf(text, sizeof(text), "%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", b[0],
             b[1], b[2], b[3], b[4], b[5], b[6], b[7], b[8], b[9], b[10], b[11], b[12], b[13], b[14], b[15]);
    lua_pushstring(L, text);
    return 1;
}

/* The letters of generated names: no vowels, so no words. */
static const char name_letters[] = "bcdfghjklmnpqrstvwxz2456789";

/* random(n) → n letters for a name */
static int demo_lua_random(lua_State *L)
{
    unsigned char bytes[RANDOM_MOST] = {0};
    char text[RANDOM_MOST];
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n > 0 && n <= RANDOM_MOST, 1, "1 to 32");
    if (RAND_bytes(bytes, (int)n) != 1)
        return luaL_error(L, "no random bytes");
    for (lua_Integer i = 0; i < n; i++)
        text[i] = name_letters[bytes[i] % (sizeof(name_letters) - 1)];
    lua_pushlstring(L, text, (size_t)n);
    return 1;
}

/* hash(value) → letters that are the same for the same value */
static int demo_lua_hash(lua_State *L)
{
    struct buf *text = demo_scratch(L);
    uint64_t hash = 14695981039346656037u;
    char letters[10];
    bridge_write(L, 1, text);
    for (size_t i = 0; i < text->len; i++)
        hash = (hash ^ (unsigned char)text->data[i]) * 1099511628211u;
    for (size_t i = 0; i < sizeof(letters); i++, hash /= sizeof(name_letters) - 1)
        letters[i] = name_letters[hash % (sizeof(name_letters) - 1)];
    lua_pushlstring(L, letters, sizeof(letters));
    return 1;
}

/* read(text) → the value of a YAML or JSON text, or nil and what is wrong with it */
static int demo_lua_read(lua_State *L)
{
    struct yaml_documents documents = {0};
    struct err err;
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    struct buf *json = demo_scratch(L);
    int rc = yaml_parse(text, len, &documents, &err);
    if (rc == 0 && documents.count == 1)
        buf_append(json, documents.items[0].json, documents.items[0].json_len);
    else if (rc == 0)
        rc = err_set(&err, "one document is expected, here are %zu", documents.count);
    yaml_documents_free(&documents);
    if (rc) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    bridge_push(L, json->data, json->len);
    return 1;
}

/* json(text) → the value; raises for what is no JSON */
static int demo_lua_json(lua_State *L)
{
    size_t len;
    const char *text = luaL_checklstring(L, 1, &len);
    bridge_push(L, text, len);
    return 1;
}

/* write(value) → its JSON */
static int demo_lua_write(lua_State *L)
{
    struct buf *text = demo_scratch(L);
    bridge_write(L, 1, text);
    lua_pushlstring(L, buf_str(text), text->len);
    return 1;
}

static int demo_lua_old(lua_State *L)
{
    lua_pushstring(L, str_or(demo_here(L)->old, ""));
    return 1;
}

/* ---- modules ---- */

/* A text file of ours into the scratch buf; raises. */
static const struct buf *demo_module_text(lua_State *L, const char *path)
{
    struct buf *text = demo_scratch(L);
    FILE *file = fopen(path, "re");
    if (!file)
        luaL_error(L, "%s cannot be read", path);
    char *room = buf_reserve(text, MODULE_BYTES);
    if (room)
        text->len = fread(room, 1, MODULE_BYTES, file);
    fclose(file);
    if (!room)
        luaL_error(L, "out of memory");
    return text;
}

void demo_lua_require(lua_State *L, const char *module)
{
    luaL_checkstack(L, 8, "too many modules");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &modules_key);
    if (lua_getfield(L, -1, module) != LUA_TNIL) {
        lua_remove(L, -2);
        return;
    }
    lua_settop(L, -2);
    const char *name = module + strcspn(module, ".");
    bool ours = str_starts(module, "demo.") || str_starts(module, "lib.");
    if (!ours || strspn(name + 1, "abcdefghijklmnopqrstuvwxyz_0123456789") != strlen(name + 1))
        luaL_error(L, "there is no module \"%s\"", module);
    const char *path = lua_pushfstring(L, "%s/%s/%s.lua", demo_here(L)->scripts,
                                       str_starts(module, "lib.") ? "lib" : "demo", name + 1);
    const char *chunk = lua_pushfstring(L, "@%s.lua", module);
    const struct buf *text = demo_module_text(L, path);
    if (sandbox_load(L, text->data, text->len, chunk) != LUA_OK)
        lua_error(L);
    lua_call(L, 0, 1);
    lua_replace(L, -3);
    lua_settop(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, module);
    lua_remove(L, -2);
}

static int demo_lua_require_function(lua_State *L)
{
    demo_lua_require(L, luaL_checkstring(L, 1));
    return 1;
}

int demo_lua_open(lua_State *L, void *demo)
{
    static const luaL_Reg functions[] = {
        {"get", demo_lua_get},     {"put", demo_lua_put},           {"list", demo_lua_list},
        {"text", demo_lua_text},   {"revision", demo_lua_revision}, {"forgotten", demo_lua_forgotten},
        {"due", demo_lua_due},     {"now", demo_lua_now},           {"date", demo_lua_date},
        {"time", demo_lua_time},   {"uuid", demo_lua_uuid},         {"random", demo_lua_random},
        {"hash", demo_lua_hash},   {"read", demo_lua_read},         {"json", demo_lua_json},
        {"write", demo_lua_write}, {"old", demo_lua_old},           {NULL, NULL},
    };
    (void)demo;
    lua_createtable(L, 0, 32);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &modules_key);
    luaL_newlib(L, functions);
    sandbox_seal(L);
    sandbox_set_global(L, "store");
    lua_pushcfunction(L, demo_lua_require_function);
    sandbox_set_global(L, "require");
    return 0;
}
