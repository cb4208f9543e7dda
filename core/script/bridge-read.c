#include "script/bridge-internal.h"
#include "script/bridge.h"
#include "script/sandbox.h"

#include <lauxlib.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* Straight from text to Lua values: whatever is in the making is on the Lua stack, so an error
 * raised anywhere (out of memory too) leaves nothing behind. */
struct reader {
    lua_State *L;
    const char *begin, *at, *end;
    int list_meta; /* where the lists' metatable is on the stack */
    int depth;
    size_t nodes;
};

static void read_value(struct reader *r);

static _Noreturn void bad_at(struct reader *r, const char *at, const char *what)
{
    lua_State *L = r->L;
    size_t line = 1;
    for (const char *p = r->begin; p < at; p++)
        line += *p == '\n';
    luaL_error(L, "JSON, line %I, byte %I: %s", (lua_Integer)line, (lua_Integer)(at - r->begin), what);
    abort(); /* luaL_error doesn't return */
}

static _Noreturn void bad(struct reader *r, const char *what)
{
    bad_at(r, r->at, r->at == r->end ? "the text ends too early" : what);
}

static void skip_space(struct reader *r)
{
    while (r->at < r->end && (*r->at == ' ' || *r->at == '\n' || *r->at == '\r' || *r->at == '\t'))
        r->at++;
}

static void expect_word(struct reader *r, const char *word, size_t len)
{
    if ((size_t)(r->end - r->at) < len || memcmp(r->at, word, len))
        bad(r, "a value is wanted here");
    r->at += len;
}

static bool digit_at(const struct reader *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static void skip_digits(struct reader *r)
{
    if (!digit_at(r))
        bad(r, "a digit is wanted here");
    while (digit_at(r))
        r->at++;
}

static bool parse_int64(const char *s, const char *end, int64_t *out)
{
    bool minus = *s == '-';
    uint64_t v = 0, most = (uint64_t)INT64_MAX + minus;
    for (s += minus; s < end; s++) {
        unsigned d = (unsigned)(*s - '0');
        if (v > (most - d) / 10)
            return false;
        v = v * 10 + d;
    }
    /* Lua's integers have no -0, so that one becomes a float and goes out again as -0. */
    if (minus && v == 0)
        return false;
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return true;
}

static double parse_double(struct reader *r, const char *from)
{
    char text[64];
    size_t len = (size_t)(r->at - from);
    if (len < sizeof(text)) {
        memcpy(text, from, len);
        text[len] = '\0';
        return strtod(text, NULL);
    }
    double v = strtod(lua_pushlstring(r->L, from, len), NULL);
    lua_pop(r->L, 1);
    return v;
}

static void read_number(struct reader *r)
{
    const char *from = r->at;
    bool whole = true;
    int64_t integer;
    if (*r->at == '-')
        r->at++;
    if (r->at < r->end && *r->at == '0') {
        r->at++;
        if (digit_at(r))
            bad(r, "a number must not start with 0");
    } else {
        skip_digits(r);
    }
    if (r->at < r->end && *r->at == '.') {
        whole = false;
        r->at++;
        skip_digits(r);
    }
    if (r->at < r->end && (*r->at == 'e' || *r->at == 'E')) {
        whole = false;
        r->at++;
        if (r->at < r->end && (*r->at == '+' || *r->at == '-'))
            r->at++;
        skip_digits(r);
    }
    if (whole && parse_int64(from, r->at, &integer)) {
        lua_pushinteger(r->L, integer);
        return;
    }
    double v = parse_double(r, from);
    if (isinf(v))
        bad_at(r, from, "this number is too large for a float");
    lua_pushnumber(r->L, v);
}

static unsigned read_hex4(struct reader *r)
{
    unsigned v = 0;
    for (int i = 0; i < 4; i++, r->at++) {
        unsigned c = r->at < r->end ? (unsigned char)*r->at : 0;
        if (c >= '0' && c <= '9')
            v = v * 16 + c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            v = v * 16 + (c | 0x20) - 'a' + 10;
        else
            bad(r, "four hexadecimal digits are wanted after \\u");
    }
    return v;
}

static void add_character(luaL_Buffer *b, unsigned c)
{
    char text[4];
    size_t n = 0;
    if (c < 0x80) {
        text[n++] = (char)c;
    } else if (c < 0x800) {
        text[n++] = (char)(0xC0 | c >> 6);
        text[n++] = (char)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        text[n++] = (char)(0xE0 | c >> 12);
        text[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        text[n++] = (char)(0x80 | (c & 0x3F));
    } else {
        text[n++] = (char)(0xF0 | c >> 18);
        text[n++] = (char)(0x80 | (c >> 12 & 0x3F));
        text[n++] = (char)(0x80 | (c >> 6 & 0x3F));
        text[n++] = (char)(0x80 | (c & 0x3F));
    }
    luaL_addlstring(b, text, n);
}

/* What follows \u; the four digits of a surrogate's other half included. */
static unsigned read_unicode(struct reader *r)
{
    const char *from = r->at;
    unsigned c = read_hex4(r);
    if (c >= 0xD800 && c <= 0xDBFF && r->end - r->at >= 2 && r->at[0] == '\\' && r->at[1] == 'u') {
        r->at += 2;
        unsigned low = read_hex4(r);
        if (low >= 0xDC00 && low <= 0xDFFF)
            return 0x10000 + ((c - 0xD800) << 10) + (low - 0xDC00);
        bad_at(r, from, "half of a surrogate pair");
    }
    if (c >= 0xD800 && c <= 0xDFFF)
        bad_at(r, from, "half of a surrogate pair");
    return c;
}

static void read_escape(struct reader *r, luaL_Buffer *b)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    r->at++;
    if (r->at == r->end)
        bad(r, "");
    char c = *r->at++;
    if (c == 'u') {
        add_character(b, read_unicode(r));
        return;
    }
    const char *found = c ? strchr(from, c) : NULL;
    if (!found)
        bad_at(r, r->at - 2, "an unknown escape");
    luaL_addchar(b, to[found - from]);
}

/* Moves over characters that stand for themselves. */
static void skip_plain(struct reader *r)
{
    while (r->at < r->end) {
        unsigned char c = (unsigned char)*r->at;
        if (c == '"' || c == '\\')
            return;
        if (c < 0x20)
            bad(r, "a control character in a string must be escaped");
        if (c < 0x80) {
            r->at++;
            continue;
        }
        size_t n = bridge_utf8((const unsigned char *)r->at, (size_t)(r->end - r->at));
        if (n == 0)
            bad(r, "bytes that are no UTF-8");
        r->at += n;
    }
    bad(r, "");
}

static void read_string(struct reader *r)
{
    const char *from = ++r->at;
    skip_plain(r);
    if (*r->at == '"') {
        lua_pushlstring(r->L, from, (size_t)(r->at++ - from));
        return;
    }
    luaL_Buffer b;
    luaL_buffinit(r->L, &b);
    for (;;) {
        luaL_addlstring(&b, from, (size_t)(r->at - from));
        if (*r->at == '"')
            break;
        read_escape(r, &b);
        from = r->at;
        skip_plain(r);
    }
    r->at++;
    luaL_pushresult(&b);
}

static void enter(struct reader *r)
{
    if (++r->depth > BRIDGE_DEPTH)
        bad(r, "nested deeper than 100");
    luaL_checkstack(r->L, 8, "JSON is nested too deep");
    r->at++;
    skip_space(r);
}

/* After an element: true if another one follows. */
static bool more(struct reader *r, char close)
{
    skip_space(r);
    if (r->at < r->end && *r->at == ',') {
        r->at++;
        skip_space(r);
        return true;
    }
    if (r->at == r->end || *r->at != close)
        bad(r, close == ']' ? "',' or ']' is wanted here" : "',' or '}' is wanted here");
    return false;
}

static void read_array(struct reader *r)
{
    lua_Integer n = 0;
    enter(r);
    lua_newtable(r->L);
    lua_pushvalue(r->L, r->list_meta);
    lua_setmetatable(r->L, -2);
    if (r->at == r->end || *r->at != ']')
        do {
            read_value(r);
            lua_rawseti(r->L, -2, ++n);
        } while (more(r, ']'));
    r->at++;
    r->depth--;
}

static void read_member(struct reader *r)
{
    lua_State *L = r->L;
    const char *from = r->at;
    if (r->at == r->end || *r->at != '"')
        bad(r, "a key in quotes is wanted here");
    read_string(r);
    /* The last of two would win here and the first elsewhere: what was judged must be what is sent. */
    lua_pushvalue(L, -1);
    if (lua_rawget(L, -3) != LUA_TNIL)
        bad_at(r, from, lua_pushfstring(L, "the key \"%s\" comes twice", lua_tostring(L, -2)));
    lua_pop(L, 1);
    skip_space(r);
    if (r->at == r->end || *r->at != ':')
        bad(r, "':' is wanted here");
    r->at++;
    skip_space(r);
    read_value(r);
    lua_rawset(L, -3);
}

static void read_object(struct reader *r)
{
    enter(r);
    lua_createtable(r->L, 0, 4);
    if (r->at == r->end || *r->at != '}')
        do
            read_member(r);
        while (more(r, '}'));
    r->at++;
    r->depth--;
}

static void read_value(struct reader *r)
{
    if (++r->nodes > BRIDGE_NODES)
        bad(r, "more than 1000000 values");
    if (r->nodes % 4096 == 0)
        sandbox_charge(r->L, (size_t)4096 * 16);
    if (r->at == r->end)
        bad(r, "");
    switch (*r->at) {
    case '{':
        read_object(r);
        break;
    case '[':
        read_array(r);
        break;
    case '"':
        read_string(r);
        break;
    case 't':
        expect_word(r, "true", 4);
        lua_pushboolean(r->L, 1);
        break;
    case 'f':
        expect_word(r, "false", 5);
        lua_pushboolean(r->L, 0);
        break;
    case 'n':
        expect_word(r, "null", 4);
        lua_pushlightuserdata(r->L, NULL);
        break;
    default:
        if (*r->at != '-' && !digit_at(r))
            bad(r, "a value is wanted here");
        read_number(r);
    }
}

void bridge_push(lua_State *L, const char *json, size_t len)
{
    struct reader r = {.L = L, .begin = json, .at = json, .end = json + len};
    bridge_list_meta(L);
    r.list_meta = lua_gettop(L);
    luaL_checkstack(L, 8, "no room for JSON");
    skip_space(&r);
    read_value(&r);
    skip_space(&r);
    if (r.at != r.end)
        bad(&r, "nothing may follow the value");
    lua_remove(L, r.list_meta);
    if (len >= 4096)
        sandbox_charge(L, len / 16);
}
