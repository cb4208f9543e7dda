#include "base/clock.h"
#include "base/json-write.h"
#include "script/bridge-internal.h"
#include "script/bridge.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { FEW_KEYS = 24 };

/* One step of the way to the value being written; lives in the frame of the function that walks. */
struct place {
    const struct place *up;
    const void *table;
    const char *key; /* NULL: the element `index` of a list */
    size_t key_len;
    lua_Integer index;
};

struct writer {
    lua_State *L;
    struct json_writer json;
    size_t begin; /* out->len when it started */
    size_t nodes;
    int depth;
};

struct key {
    const char *text;
    size_t len;
};

static void write_value(struct writer *w, const struct place *up);

static void add_place(luaL_Buffer *b, const struct place *p)
{
    char number[32];
    if (!p)
        return;
    add_place(b, p->up);
    if (p->key) {
        if (p->up)
            luaL_addchar(b, '.');
        luaL_addlstring(b, p->key, p->key_len < 100 ? p->key_len : 100);
    } else {
        snprintf(number, sizeof(number), "[" LUA_INTEGER_FMT "]", p->index);
        luaL_addstring(b, number);
    }
}

/* Raises "spec.containers[2].ports: <what>". */
static _Noreturn void refuse(struct writer *w, const struct place *place, const char *what)
{
    lua_State *L = w->L;
    luaL_Buffer b;
    luaL_where(L, 1);
    luaL_buffinit(L, &b);
    add_place(&b, place);
    luaL_addstring(&b, place ? ": " : "");
    luaL_addstring(&b, what);
    luaL_pushresult(&b);
    lua_concat(L, 2);
    lua_error(L);
    abort(); /* lua_error doesn't return */
}

static void check_room(struct writer *w, const struct place *place, size_t more)
{
    const struct buf *out = w->json.out;
    if (out->failed)
        refuse(w, place, "out of memory for the JSON text");
    if (more > BRIDGE_BYTES || out->len - w->begin > BRIDGE_BYTES - more)
        refuse(w, place, "the JSON text would be larger than 16 MiB");
}

static void check_utf8(struct writer *w, const struct place *place, const char *s, size_t len)
{
    for (size_t i = 0; i < len;) {
        if ((unsigned char)s[i] < 0x80) {
            i++;
            continue;
        }
        size_t n = bridge_utf8((const unsigned char *)s + i, len - i);
        if (n == 0)
            refuse(w, place, "the string holds bytes that are no UTF-8");
        i += n;
    }
    if (len >= 4096)
        sandbox_charge(w->L, len / 8);
}

static void write_string(struct writer *w, const struct place *place, const char *s, size_t len)
{
    check_room(w, place, len + 2);
    check_utf8(w, place, s, len);
    jsonw_stringn(&w->json, s, len);
}

/* Is the table at the top written as a list? Keys must be exactly 1..n for one, all strings for an
 * object; `count` is how many there are. An empty table without the mark is an object. */
static bool is_array(struct writer *w, const struct place *place, size_t *count)
{
    lua_State *L = w->L;
    bool marked = bridge_is_list(L, -1);
    size_t strings = 0, indexes = 0;
    lua_Integer top = 0;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING)
            strings++;
        else if (!lua_isinteger(L, -1) || lua_tointeger(L, -1) < 1)
            refuse(w, place, "keys must be all strings or 1..n");
        else if (lua_tointeger(L, -1) > top)
            top = lua_tointeger(L, -1);
        indexes = indexes + 1 - (lua_type(L, -1) == LUA_TSTRING);
    }
    *count = strings + indexes;
    if (marked && (strings > 0 || (size_t)top != indexes))
        refuse(w, place, "a list must have the keys 1..n, without holes or others");
    if (indexes > 0 && (strings > 0 || (size_t)top != indexes))
        refuse(w, place, "keys must be all strings or 1..n");
    return marked || indexes > 0;
}

static int compare_keys(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    size_t n = x->len < y->len ? x->len : y->len;
    int c = memcmp(x->text, y->text, n);
    return c ? c : (x->len > y->len) - (x->len < y->len);
}

/* The keys, sorted. The texts are the table's own, which nothing changes while it is written. */
static void collect_keys(struct writer *w, struct key *keys)
{
    size_t n = 0;
    lua_pushnil(w->L);
    while (lua_next(w->L, -2)) {
        lua_pop(w->L, 1);
        keys[n].text = lua_tolstring(w->L, -1, &keys[n].len);
        n++;
    }
    if (n > FEW_KEYS)
        qsort(keys, n, sizeof(*keys), compare_keys);
    else
        for (size_t i = 1; i < n; i++)
            for (size_t j = i; j > 0 && compare_keys(&keys[j - 1], &keys[j]) > 0; j--) {
                struct key swap = keys[j];
                keys[j] = keys[j - 1];
                keys[j - 1] = swap;
            }
}

static void write_members(struct writer *w, struct place *place, const struct key *keys, size_t count,
                          int table)
{
    for (size_t i = 0; i < count; i++) {
        place->key = keys[i].text;
        place->key_len = keys[i].len;
        check_room(w, place, keys[i].len + 3);
        check_utf8(w, place, keys[i].text, keys[i].len);
        jsonw_keyn(&w->json, keys[i].text, keys[i].len);
        lua_pushlstring(w->L, keys[i].text, keys[i].len);
        lua_rawget(w->L, table);
        write_value(w, place);
        lua_pop(w->L, 1);
    }
}

static void write_object(struct writer *w, struct place *place, size_t count)
{
    struct key few[FEW_KEYS], *keys = few;
    int table = lua_gettop(w->L);
    jsonw_begin_object(&w->json);
    if (count > FEW_KEYS) {
        /* A userdata, so that an error takes it along. */
        keys = lua_newuserdatauv(w->L, count * sizeof(*keys), 0);
        lua_pushvalue(w->L, table);
    }
    collect_keys(w, keys);
    write_members(w, place, keys, count, table);
    lua_settop(w->L, table);
    jsonw_end_object(&w->json);
}

static void write_array(struct writer *w, struct place *place, size_t count)
{
    jsonw_begin_array(&w->json);
    for (size_t i = 1; i <= count; i++) {
        place->index = (lua_Integer)i;
        lua_rawgeti(w->L, -1, (lua_Integer)i);
        write_value(w, place);
        lua_pop(w->L, 1);
    }
    jsonw_end_array(&w->json);
}

static void write_table(struct writer *w, const struct place *up)
{
    size_t count;
    struct place place = {.up = up, .table = lua_topointer(w->L, -1)};
    for (const struct place *p = up; p; p = p->up)
        if (p->table == place.table)
            refuse(w, up, "this table holds itself");
    if (++w->depth > BRIDGE_DEPTH)
        refuse(w, up, "nested deeper than 100");
    luaL_checkstack(w->L, 8, "nested too deep");
    /* Each visit pays for all its members at once, so a shared table is paid for along every path. */
    uint64_t begin = clock_mono_us();
    bool array = is_array(w, up, &count);
    /* A table whose keys were all removed still has their room to walk over, so the clock is asked. */
    sandbox_charge(w->L, count * 8 + (clock_mono_us() - begin) * 200);
    w->nodes += count;
    if (w->nodes > BRIDGE_NODES)
        refuse(w, up, "more than 1000000 values");
    if (array)
        write_array(w, &place, count);
    else
        write_object(w, &place, count);
    w->depth--;
}

static void write_number(struct writer *w, const struct place *place)
{
    check_room(w, place, 40);
    if (lua_isinteger(w->L, -1)) {
        jsonw_int(&w->json, lua_tointeger(w->L, -1));
        return;
    }
    double v = lua_tonumber(w->L, -1);
    if (!isfinite(v))
        refuse(w, place, "JSON has no number that is infinite or not a number");
    jsonw_real(&w->json, v);
}

/* Writes the value at the top. */
static void write_value(struct writer *w, const struct place *place)
{
    lua_State *L = w->L;
    size_t len;
    check_room(w, place, 16);
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        write_table(w, place);
        return;
    case LUA_TSTRING: {
        const char *s = lua_tolstring(L, -1, &len);
        write_string(w, place, s, len);
        return;
    }
    case LUA_TNUMBER:
        write_number(w, place);
        return;
    case LUA_TBOOLEAN:
        jsonw_bool(&w->json, lua_toboolean(L, -1));
        return;
    case LUA_TLIGHTUSERDATA:
        if (!lua_touserdata(L, -1)) {
            jsonw_null(&w->json);
            return;
        }
        break;
    default:
        break;
    }
    refuse(w, place, lua_pushfstring(L, "JSON cannot hold a %s", luaL_typename(L, -1)));
}

void bridge_write(lua_State *L, int index, struct buf *out)
{
    struct writer w = {.L = L, .json = JSON_WRITER(out), .begin = out->len, .nodes = 1};
    luaL_checkstack(L, 8, "no room to write JSON");
    lua_pushvalue(L, index);
    write_value(&w, NULL);
    lua_pop(L, 1);
    check_room(&w, NULL, 0);
}
