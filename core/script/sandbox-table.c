/* The table library with raw access: no metamethod runs inside, so a call costs what its elements
 * cost. Stock, a C function as __index (table.concat of another table, say) multiplies the work
 * without ever reaching the count hook; and # of a sparse table can be 2^62. */
#include "script/sandbox-internal.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <limits.h>
#include <stdbool.h>

/* Checks the table at `arg`, which is going to be changed: raw writes must not pass a seal. */
static void check_writable(lua_State *L, int arg)
{
    luaL_checktype(L, arg, LUA_TTABLE);
    if (luaL_getmetafield(L, arg, "__newindex") != LUA_TNIL)
        luaL_argerror(L, arg, "a table with __newindex is not changed by the table functions");
}

static lua_Integer length_of(lua_State *L, int arg)
{
    lua_Unsigned n = lua_rawlen(L, arg);
    if (n >= LUA_MAXINTEGER)
        luaL_argerror(L, arg, "the table is too large");
    return (lua_Integer)n;
}

/* How many elements first..last has; raises beyond the limit. */
static lua_Integer count_of(lua_State *L, const char *what, lua_Integer first, lua_Integer last)
{
    if (first > last)
        return 0;
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
    if (n >= SANDBOX_ELEMENTS)
        luaL_error(L, "table.%s: more than %d elements at once", what, SANDBOX_ELEMENTS);
    if (n >= 256)
        sandbox_charge(L, n * 2);
    return (lua_Integer)n + 1;
}

static int table_insert(lua_State *L)
{
    check_writable(L, 1);
    lua_Integer end = length_of(L, 1) + 1, pos = end;
    switch (lua_gettop(L)) {
    case 2:
        break;
    case 3:
        pos = luaL_checkinteger(L, 2);
        luaL_argcheck(L, pos >= 1 && pos <= end, 2, "position out of bounds");
        count_of(L, "insert", pos, end);
        for (lua_Integer i = end; i > pos; i--) {
            lua_rawgeti(L, 1, i - 1);
            lua_rawseti(L, 1, i);
        }
        break;
    default:
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    lua_rawseti(L, 1, pos);
    return 0;
}

static int table_remove(lua_State *L)
{
    check_writable(L, 1);
    lua_Integer size = length_of(L, 1), pos = luaL_optinteger(L, 2, size);
    if (lua_gettop(L) >= 2)
        luaL_argcheck(L, (size == 0 && pos == 0) || (pos >= 1 && pos <= size + 1), 2,
                      "position out of bounds");
    count_of(L, "remove", pos, size);
    lua_rawgeti(L, 1, pos);
    for (; pos < size; pos++) {
        lua_rawgeti(L, 1, pos + 1);
        lua_rawseti(L, 1, pos);
    }
    lua_pushnil(L);
    lua_rawseti(L, 1, pos);
    return 1;
}

static int table_move(lua_State *L)
{
    lua_Integer f = luaL_checkinteger(L, 2), e = luaL_checkinteger(L, 3), t = luaL_checkinteger(L, 4);
    int to = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    check_writable(L, to);
    if (e >= f) {
        luaL_argcheck(L, f > 0 || e < LUA_MAXINTEGER + f, 3, "too many elements to move");
        lua_Integer n = count_of(L, "move", f, e);
        luaL_argcheck(L, t <= LUA_MAXINTEGER - n + 1, 4, "destination wrap around");
        bool upwards = t > e || t <= f || (to != 1 && !lua_rawequal(L, 1, to));
        for (lua_Integer k = 0; k < n; k++) {
            lua_Integer i = upwards ? k : n - 1 - k;
            lua_rawgeti(L, 1, f + i);
            lua_rawseti(L, to, t + i);
        }
    }
    lua_pushvalue(L, to);
    return 1;
}

static size_t concat_length(lua_State *L, lua_Integer first, lua_Integer n, size_t sep)
{
    size_t total = 0;
    for (lua_Integer k = 0; k < n; k++) {
        size_t len = 1; /* of a number at least; more than 24 it never has */
        int type = lua_rawgeti(L, 1, first + k);
        if (type == LUA_TSTRING)
            len = lua_rawlen(L, -1);
        else if (type != LUA_TNUMBER)
            luaL_error(L, "invalid value (at index %I) in table for 'concat'", first + k);
        lua_pop(L, 1);
        total += len + sep;
        if (total > SANDBOX_TEXT + sep)
            luaL_error(L, "table.concat: the result would be larger than 16 MiB");
    }
    return total;
}

static int table_concat(lua_State *L)
{
    size_t sep_len;
    luaL_checktype(L, 1, LUA_TTABLE);
    const char *sep = luaL_optlstring(L, 2, "", &sep_len);
    lua_Integer first = luaL_optinteger(L, 3, 1);
    lua_Integer last = lua_isnoneornil(L, 4) ? length_of(L, 1) : luaL_checkinteger(L, 4);
    lua_Integer n = count_of(L, "concat", first, last);
    size_t total = concat_length(L, first, n, sep_len);
    if (total >= 4096)
        sandbox_charge(L, total / 16);
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    for (lua_Integer k = 0; k < n; k++) {
        if (k > 0)
            luaL_addlstring(&b, sep, sep_len);
        lua_rawgeti(L, 1, first + k);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    return 1;
}

static int table_unpack(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_Integer last = lua_isnoneornil(L, 3) ? length_of(L, 1) : luaL_checkinteger(L, 3);
    if (first > last)
        return 0;
    lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
    if (n >= INT_MAX || !lua_checkstack(L, (int)n + 1))
        return luaL_error(L, "too many results to unpack");
    count_of(L, "unpack", first, last);
    for (lua_Unsigned i = 0; i <= n; i++)
        lua_rawgeti(L, 1, first + (lua_Integer)i);
    return (int)n + 1;
}

static int table_pack(lua_State *L)
{
    int n = lua_gettop(L);
    lua_createtable(L, n, 1);
    lua_insert(L, 1);
    for (int i = n; i >= 1; i--)
        lua_rawseti(L, 1, i);
    lua_pushinteger(L, n);
    lua_setfield(L, 1, "n");
    return 1;
}

enum { SORT_TABLE = 1, SORT_LESS, SORT_FROM, SORT_TO };

/* Is SORT_FROM[a] less than SORT_FROM[b]? */
static bool sort_less(lua_State *L, lua_Integer a, lua_Integer b, size_t *steps)
{
    bool less;
    if (!lua_isnil(L, SORT_LESS)) {
        *steps += 8;
        lua_pushvalue(L, SORT_LESS);
        lua_rawgeti(L, SORT_FROM, a);
        lua_rawgeti(L, SORT_FROM, b);
        lua_call(L, 2, 1);
        less = lua_toboolean(L, -1);
        lua_pop(L, 1);
    } else {
        *steps += 4;
        if (lua_rawgeti(L, SORT_FROM, a) == LUA_TSTRING)
            *steps += lua_rawlen(L, -1) / 4; /* long strings may differ at the very end */
        lua_rawgeti(L, SORT_FROM, b);
        less = lua_compare(L, -2, -1, LUA_OPLT);
        lua_pop(L, 2);
    }
    if (*steps >= 8192) {
        sandbox_charge(L, *steps);
        *steps = 0;
    }
    return less;
}

/* Merges from[lo..mid) and from[mid..hi) into to. */
static void sort_merge(lua_State *L, lua_Integer lo, lua_Integer mid, lua_Integer hi, size_t *steps)
{
    lua_Integer a = lo, b = mid;
    /* In order already, as lists often are. */
    bool apart = mid >= hi || !sort_less(L, mid, mid - 1, steps);
    for (lua_Integer k = lo; k < hi; k++) {
        bool second = !apart && b < hi && (a >= mid || sort_less(L, b, a, steps));
        if (apart)
            lua_rawgeti(L, SORT_FROM, k);
        else
            lua_rawgeti(L, SORT_FROM, second ? b++ : a++);
        lua_rawseti(L, SORT_TO, k);
    }
}

/* A merge sort on copies: n log n comparisons whatever the order function says (stock's quicksort
 * reads outside of the table or raises when it is inconsistent), and equal elements keep their order. */
static int table_sort(lua_State *L)
{
    size_t steps = 0;
    check_writable(L, 1);
    lua_settop(L, 2);
    if (!lua_isnil(L, SORT_LESS))
        luaL_checktype(L, SORT_LESS, LUA_TFUNCTION);
    lua_Integer n = length_of(L, SORT_TABLE);
    if (n < 2)
        return 0;
    if (n > SANDBOX_SORT)
        return luaL_error(L, "table.sort: more than %d elements", SANDBOX_SORT);
    sandbox_charge(L, (size_t)n * 4);
    lua_createtable(L, (int)n, 0);
    lua_createtable(L, (int)n, 0);
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, SORT_TABLE, i);
        lua_rawseti(L, SORT_FROM, i);
    }
    for (lua_Integer width = 1; width < n; width *= 2) {
        for (lua_Integer lo = 1; lo <= n; lo += 2 * width) {
            lua_Integer mid = lo + width <= n + 1 ? lo + width : n + 1;
            lua_Integer hi = lo + 2 * width <= n + 1 ? lo + 2 * width : n + 1;
            sort_merge(L, lo, mid, hi, &steps);
        }
        lua_pushvalue(L, SORT_FROM);
        lua_copy(L, SORT_TO, SORT_FROM);
        lua_replace(L, SORT_TO);
    }
    for (lua_Integer i = 1; i <= n; i++) {
        lua_rawgeti(L, SORT_FROM, i);
        lua_rawseti(L, SORT_TABLE, i);
    }
    sandbox_charge(L, steps);
    return 0;
}

void sandbox_table(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"insert", table_insert}, {"remove", table_remove}, {"move", table_move}, {"concat", table_concat},
        {"unpack", table_unpack}, {"pack", table_pack},     {"sort", table_sort}, {NULL, NULL},
    };
    luaL_newlib(L, functions);
}
