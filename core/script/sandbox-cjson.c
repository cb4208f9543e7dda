/* lua-cjson, held so that it can neither hang nor end the process: its buffers come from malloc,
 * it calls exit() where malloc fails, and it loses its scratch buffer where Lua runs out of memory.
 * So both directions are measured first, and the memory is asked for before it starts. */
#include "base/clock.h"
#include "script/sandbox-internal.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <lua5.4/lua-cjson.h>
#include <stdbool.h>
#include <stdlib.h>

enum { JSON_DEPTH = 100, JSON_NODES = 1000000, KEEP_BUFFER = 1 << 20 };

static const char cjson_key; /* the address is the registry's key of an instance */

static void configure(lua_State *L, const char *name, int value)
{
    lua_getfield(L, -1, name);
    if (value)
        lua_pushinteger(L, value);
    else
        lua_pushboolean(L, 0);
    lua_call(L, 1, 0);
}

/* Pushes the instance's function; the instance is made at the first use in a state. */
static void push_cjson(lua_State *L, const char *function)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &cjson_key) != LUA_TTABLE) {
        lua_pop(L, 1);
        luaopen_cjson(L);
        configure(L, "encode_max_depth", JSON_DEPTH);
        configure(L, "decode_max_depth", JSON_DEPTH);
        configure(L, "decode_invalid_numbers", 0);
        lua_pushvalue(L, -1);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &cjson_key);
    }
    lua_getfield(L, -1, function);
    lua_remove(L, -2);
}

struct measure {
    lua_State *L;
    size_t nodes, bytes, longest; /* longest: of the strings */
    int depth;
};

static void measure_value(struct measure *m);

static void measure_string(struct measure *m)
{
    size_t len, bytes = 2;
    const char *s = lua_tolstring(m->L, -1, &len);
    if (len > m->longest)
        m->longest = len;
    if (len <= SANDBOX_JSON)
        for (size_t i = 0; i < len; i++) {
            unsigned char c = (unsigned char)s[i];
            bytes += c < 0x20 || c == 0x7F ? 6 : c == '"' || c == '\\' || c == '/' ? 2 : 1;
        }
    m->bytes += len <= SANDBOX_JSON ? bytes : len;
    if (len >= 4096)
        sandbox_charge(m->L, len / 4);
}

/* What walking over a table costs. Room that removed keys left behind is walked too, and only the
 * clock sees it. */
static void charge_walk(lua_State *L)
{
    uint64_t begin = clock_mono_us();
    size_t n = 1;
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        n++;
    }
    sandbox_charge(L, n * 8 + (clock_mono_us() - begin) * 600);
}

static void measure_table(struct measure *m)
{
    lua_State *L = m->L;
    if (++m->depth > JSON_DEPTH)
        luaL_error(L, "cjson.encode: nested deeper than %d, or the table holds itself", JSON_DEPTH);
    luaL_checkstack(L, 8, "cjson.encode");
    charge_walk(L);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            measure_string(m);
            lua_pop(L, 1);
        } else {
            m->bytes += 32; /* a number as a key, or the nulls of a list with holes */
        }
        measure_value(m);
        lua_pop(L, 1);
    }
    m->bytes += 64;
    m->depth--;
}

/* Counts the value at the top, along every path to it. */
static void measure_value(struct measure *m)
{
    lua_State *L = m->L;
    switch (lua_type(L, -1)) {
    case LUA_TTABLE:
        measure_table(m);
        break;
    case LUA_TSTRING:
        measure_string(m);
        break;
    default:
        m->bytes += 32;
    }
    if (++m->nodes > JSON_NODES)
        luaL_error(L, "cjson.encode: more than %d values, counted along every path", JSON_NODES);
    if (m->bytes > SANDBOX_JSON)
        luaL_error(L, "cjson.encode: the text would be larger than 8 MiB");
}

/* cjson's buffer doubles, and asks for six times the length of each string beforehand. */
static void check_malloc(lua_State *L, size_t bytes)
{
    void *probe = malloc(bytes);
    if (!probe)
        luaL_error(L, "cjson: not enough memory");
    free(probe);
}

static int cjson_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct measure m = {.L = L};
    measure_value(&m);
    check_malloc(L, 2 * (m.bytes + 6 * m.longest) + 4096);
    push_cjson(L, "encode");
    lua_pushvalue(L, 1);
    if (m.bytes > KEEP_BUFFER) {
        /* A grown buffer goes with its instance at the next collection, not with the state. */
        lua_pushnil(L);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &cjson_key);
    }
    lua_call(L, 1, 1);
    return 1;
}

/* No less than what decoding allocates from Lua: tables, their slots, strings. */
static size_t decode_need(const char *s, size_t len)
{
    size_t need = ((size_t)64 << 10) + len;
    for (size_t i = 0; i < len; i++)
        switch (s[i]) {
        case '{':
        case '[':
            need += 80;
            break;
        case ':':
            need += 44;
            break;
        case ',':
            need += 32;
            break;
        case '"':
            need += 24;
            break;
        default:
            break;
        }
    return need;
}

/* Is there room under the state's cap? Asks the state's own allocator, which gives back at once. */
static bool has_room(lua_State *L, size_t need)
{
    void *ud;
    lua_Alloc alloc = lua_getallocf(L, &ud);
    void *probe = alloc(ud, NULL, 0, need);
    if (!probe)
        return false;
    alloc(ud, probe, need, 0);
    return true;
}

static int cjson_decode(lua_State *L)
{
    size_t len;
    const char *s = luaL_checklstring(L, 1, &len);
    lua_settop(L, 1);
    if (len > SANDBOX_JSON)
        return luaL_error(L, "cjson.decode: the text is larger than 8 MiB");
    sandbox_charge(L, len / 2);
    push_cjson(L, "decode");
    size_t need = decode_need(s, len);
    if (!has_room(L, need)) {
        lua_gc(L, LUA_GCCOLLECT);
        if (!has_room(L, need))
            return luaL_error(L, "cjson.decode: not enough memory for a text of %I bytes", (lua_Integer)len);
    }
    check_malloc(L, len + 4096);
    lua_pushvalue(L, 1);
    lua_call(L, 1, 1);
    return 1;
}

void sandbox_cjson(lua_State *L)
{
    static const luaL_Reg functions[] = {{"encode", cjson_encode}, {"decode", cjson_decode}, {NULL, NULL}};
    luaL_newlib(L, functions);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
