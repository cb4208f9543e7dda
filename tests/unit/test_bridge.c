#include "failing_alloc.h"
#include "script/bridge.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <jansson.h>
#include <lauxlib.h>
#include <lualib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static lua_State *state_new(void)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    lua_pushglobaltable(L);
    bridge_open(L);
    lua_pop(L, 1);
    return L;
}

struct text {
    const char *json;
    size_t len;
};

static int protected_push(lua_State *L)
{
    const struct text *t = lua_touserdata(L, 1);
    bridge_push(L, t->json, t->len);
    return 1;
}

/* LUA_OK and the value pushed, or a status and the message. */
static int push(lua_State *L, const char *json, size_t len)
{
    struct text t = {json, len};
    lua_pushcfunction(L, protected_push);
    lua_pushlightuserdata(L, &t);
    return lua_pcall(L, 1, 1, 0);
}

static int protected_write(lua_State *L)
{
    bridge_write(L, 1, lua_touserdata(L, 2));
    return 0;
}

/* Pops the value; LUA_OK, or a status and the message pushed. */
static int write(lua_State *L, struct buf *out)
{
    lua_pushcfunction(L, protected_write);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, out);
    return lua_pcall(L, 2, 0, 0);
}

static void round_trip(const char *json, const char *expected)
{
    lua_State *L = state_new();
    struct buf out = {0};
    if (push(L, json, strlen(json)) || write(L, &out))
        fail_msg("%s: %s", json, lua_tostring(L, -1));
    assert_string_equal(buf_str(&out), expected);
    assert_int_equal(lua_gettop(L), 0);
    buf_free(&out);
    lua_close(L);
}

static void read_fails(const char *json, size_t len, const char *what)
{
    lua_State *L = state_new();
    /* A copy without a NUL behind it, so that ASan sees a read too many. */
    char *exact = malloc(len ? len : 1);
    memcpy(exact, json, len);
    if (push(L, exact, len) == LUA_OK)
        fail_msg("%.40s was read", json);
    if (!strstr(lua_tostring(L, -1), what))
        fail_msg("%.40s: %s", json, lua_tostring(L, -1));
    free(exact);
    lua_close(L);
}

/* Runs code that returns one value, and writes it. */
static void lua_writes(const char *code, const char *expected)
{
    lua_State *L = state_new();
    struct buf out = {0};
    if (luaL_dostring(L, code) || write(L, &out))
        fail_msg("%s: %s", code, lua_tostring(L, -1));
    assert_string_equal(buf_str(&out), expected);
    buf_free(&out);
    lua_close(L);
}

static void lua_write_fails(const char *code, const char *what)
{
    lua_State *L = state_new();
    struct buf out = {0};
    if (luaL_dostring(L, code))
        fail_msg("%s: %s", code, lua_tostring(L, -1));
    if (write(L, &out) == LUA_OK)
        fail_msg("%s was written", code);
    if (!strstr(lua_tostring(L, -1), what))
        fail_msg("%s: %s", code, lua_tostring(L, -1));
    buf_free(&out);
    lua_close(L);
}

static void a_document_comes_out_as_it_went_in(void **unused)
{
    (void)unused;
    round_trip("{\"a\":[],\"b\":{},\"c\":null,\"d\":[null,[],{}]}",
               "{\"a\":[],\"b\":{},\"c\":null,\"d\":[null,[],{}]}");
    round_trip(" [ true , false ,\t\"x\"\r\n] ", "[true,false,\"x\"]");
    round_trip("9223372036854775807", "9223372036854775807");
    round_trip("-9223372036854775808", "-9223372036854775808");
    round_trip("[0,-0,0.5,1e3,-1.25e-7,1e21,1.0]", "[0,-0,0.5,1000,-1.25e-7,1e+21,1]");
    round_trip("9223372036854775808", "9223372036854776000"); /* a float, as Go writes it */
    round_trip("\"\\u0000\\u0041\\u00e9\\ud83d\\ude00\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
               "\"\\u0000A\xC3\xA9\xF0\x9F\x98\x80\\\"\\\\/\\u0008\\u000c\\n\\r\\t\"");
    round_trip("{\"z\":1,\"a\":{\"y\":2,\"b\":3},\"A\":4,\"aa\":5,\"\":6}",
               "{\"\":6,\"A\":4,\"a\":{\"b\":3,\"y\":2},\"aa\":5,\"z\":1}");
    round_trip("\"\"", "\"\"");
}

static void what_is_no_json_is_refused_with_the_place(void **unused)
{
    (void)unused;
    static const struct {
        const char *json, *what;
    } cases[] = {
        {"", "ends too early"},
        {"[1,", "ends too early"},
        {"[1,]", "a value is wanted"},
        {"[1 2]", "',' or ']'"},
        {"{\"a\" 1}", "':' is wanted"},
        {"{\"a\":1,}", "a key in quotes"},
        {"{a:1}", "a key in quotes"},
        {"{\"a\":1", "ends too early"},
        {"{\"a\":1,\"b\":2,\"a\":3}", "the key \"a\" comes twice"},
        {"{\"a\":null,\"\\u0061\":3}", "comes twice"},
        {"tru", "a value is wanted"},
        {"nul", "a value is wanted"},
        {"nullx", "nothing may follow"},
        {"1 2", "nothing may follow"},
        {"01", "must not start with 0"},
        {"-", "ends too early"},
        {"-x", "a digit"},
        {"1.", "ends too early"},
        {"1.e3", "a digit"},
        {"1e", "ends too early"},
        {"1e+x", "a digit"},
        {"+1", "a value is wanted"},
        {".5", "a value is wanted"},
        {"1e999", "too large for a float"},
        {"NaN", "a value is wanted"},
        {"\"abc", "ends too early"},
        {"\"a\nb\"", "control character"},
        {"\"\\x\"", "unknown escape"},
        {"\"\\", "ends too early"},
        {"\"\\u12", "ends too early"},
        {"\"\\u12g4\"", "hexadecimal"},
        {"\"\\ud800\"", "surrogate"},
        {"\"\\ud800\\u0041\"", "surrogate"},
        {"\"\\udc00\"", "surrogate"},
        {"\"\\ud800\\n\"", "surrogate"},
        {"\"\xff\"", "no UTF-8"},
        {"\"\xc0\xaf\"", "no UTF-8"},
        {"\"\xed\xa0\x80\"", "no UTF-8"},
        {"\"\xf4\x90\x80\x80\"", "no UTF-8"},
        {"\"\xe2\x82", "no UTF-8"},
        {"\xef\xbb\xbf{}", "a value is wanted"},
        {"[1]\n\n[2]", "line 3, byte 5"},
        {"'a'", "a value is wanted"},
        {"[1//x\n]", "',' or ']'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        read_fails(cases[i].json, strlen(cases[i].json), cases[i].what);
    read_fails("\"\\\0\"", 4, "unknown escape");
    read_fails("[\0]", 3, "a value is wanted");
}

static void depth_is_bounded_both_ways(void **unused)
{
    (void)unused;
    char text[256];
    memset(text, '[', 100);
    memset(text + 100, ']', 100);
    text[200] = '\0';
    round_trip(text, text);
    memset(text, '[', 101);
    read_fails(text, 101, "nested deeper than 100");
    lua_write_fails("local t = {} for i = 1, 101 do t = { t } end return t", "nested deeper than 100");
    lua_writes("local t = {} for i = 1, 3 do t = { t } end return t", "[[[{}]]]");
}

static void values_are_bounded_both_ways(void **unused)
{
    (void)unused;
    size_t n = 1 + 2 * 1000001;
    char *text = malloc(n);
    text[0] = '[';
    for (size_t i = 1; i < n; i += 2)
        memcpy(text + i, "1,", 2);
    read_fails(text, n, "more than 1000000 values");
    free(text);
    lua_write_fails("local t = {} for i = 1, 1000001 do t[i] = 1 end return t", "more than 1000000 values");
}

static void shared_tables_are_paid_for_along_every_path(void **unused)
{
    (void)unused;
    lua_write_fails("local t = { 1 } for i = 1, 60 do t = { t, t } end return t", "more than 1000000 values");
    lua_write_fails("local t = {} for i = 1, 60 do t = { a = t, b = t } end return t",
                    "more than 1000000 values");
    lua_writes("local t = { 1 } return { t, t }", "[[1],[1]]");
}

static void a_text_is_bounded_whatever_is_shared(void **unused)
{
    (void)unused;
    lua_write_fails("local s = ('x'):rep(1000000) local t = {} for i = 1, 1000 do t[i] = s end return t",
                    "larger than 16 MiB");
    lua_write_fails("return { [('k'):rep(17000000)] = 1 }", "larger than 16 MiB");
}

static void what_json_cannot_hold_is_refused_with_its_path(void **unused)
{
    (void)unused;
    lua_write_fails("return { spec = { containers = { {}, { ports = { 1, a = 2 } } } } }",
                    "spec.containers[2].ports: keys must be all strings or 1..n");
    lua_write_fails("return { a = { [1] = 1, [3] = 3 } }", "a: keys must be all strings or 1..n");
    lua_write_fails("return { [0] = 1 }", "keys must be all strings or 1..n");
    lua_write_fails("return { [1.5] = 1 }", "keys must be all strings or 1..n");
    lua_write_fails("return { [true] = 1 }", "keys must be all strings or 1..n");
    lua_write_fails("return { [math.mininteger] = 1, [math.maxinteger] = 2 }", "keys must be");
    lua_write_fails("local l = list { 1, 2, 3 } l[2] = nil return { l = l }",
                    "l: a list must have the keys 1..n");
    lua_write_fails("local l = list { 1 } l.x = 1 return l", "a list must have the keys 1..n");
    lua_write_fails("local l = list() l[2] = 1 return l", "a list must have the keys 1..n");
    lua_write_fails("return { f = print }", "f: JSON cannot hold a function");
    lua_write_fails("return { io.stdout }", "[1]: JSON cannot hold a userdata");
    lua_write_fails("return { x = { 0/0 } }", "x[1]: JSON has no number");
    lua_write_fails("return -math.huge", "JSON has no number");
    lua_write_fails("return { s = 'a\\xff' }", "s: the string holds bytes that are no UTF-8");
    lua_write_fails("return { ['\\xff'] = 1 }", "no UTF-8");
    lua_write_fails("local t = {} t.a = { b = { t } } return t", "a.b[1]: this table holds itself");
    lua_write_fails("return nil", "JSON cannot hold a nil");
}

static void lists_know_that_they_are_lists(void **unused)
{
    (void)unused;
    lua_writes("return list()", "[]");
    lua_writes("return {}", "{}");
    lua_writes("return { 1, 2 }", "[1,2]");
    lua_writes("local l = list() table.insert(l, 'a') l[#l + 1] = 'b' table.remove(l, 1) return l",
               "[\"b\"]");
    lua_writes(
        "local l = list { 3, 1, 2 } table.sort(l) for i, v in ipairs(l) do assert(l[i] == v) end return l",
        "[1,2,3]");
    lua_writes("local l = list() return { is_list(l), is_list {}, is_list(1), list(l) == l, null == null }",
               "[true,false,false,true,true]");
    lua_writes("return { a = null }", "{\"a\":null}");
    lua_writes("return { getmetatable(list()), (pcall(setmetatable, list(), {})), (pcall(setmetatable, "
               "list(), nil)) }",
               "[\"list\",false,false]");
    lua_writes("return select(2, pcall(list, setmetatable({}, {})))",
               "\"list: this table has a metatable of its own\"");
    lua_writes("return select(2, pcall(list, 1))", "\"list: a table is wanted, this is a number\"");
}

static void metatables_are_not_asked(void **unused)
{
    (void)unused;
    lua_writes("local function no() error('asked') end\n"
               "return setmetatable({ a = 1 }, { __index = no, __pairs = no, __len = no, __tostring = no })",
               "{\"a\":1}");
}

static void more_keys_than_fit_the_small_room_are_sorted_too(void **unused)
{
    (void)unused;
    lua_writes("local t = {} for i = 999, 100, -1 do t['k' .. i] = i end\n"
               "local want = {} for i = 100, 999 do want[#want + 1] = '\"k' .. i .. '\":' .. i end\n"
               "WANT = '{' .. table.concat(want, ',') .. '}'\n"
               "return { is_list(t), #WANT }",
               "[false,9901]");
    lua_State *L = state_new();
    struct buf out = {0};
    assert_int_equal(luaL_dostring(L, "local t = {} for i = 999, 100, -1 do t['k' .. i] = i end return t"),
                     0);
    assert_int_equal(write(L, &out), LUA_OK);
    for (int i = 100; i < 999; i++) {
        char a[16], b[16];
        snprintf(a, sizeof(a), "\"k%d\"", i);
        snprintf(b, sizeof(b), "\"k%d\"", i + 1);
        assert_true(strstr(buf_str(&out), a) < strstr(buf_str(&out), b));
    }
    buf_free(&out);
    lua_close(L);
}

/* --- random documents, with jansson as the other opinion --- */

static uint64_t seed = 88172645463325252u;

static unsigned draw(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 33) % n;
}

static void random_space(struct buf *b)
{
    while (draw(8) == 0)
        buf_putc(b, " \t\r\n"[draw(4)]);
}

static void random_string(struct buf *b, const char *end)
{
    static const char *const pieces[] = {"a",
                                         "b",
                                         "z9",
                                         " ",
                                         "/",
                                         "\\n",
                                         "\\\"",
                                         "\\\\",
                                         "\\u00e9",
                                         "\\u0001",
                                         "\\u20ac",
                                         "\\ud83d\\ude00",
                                         "\xC3\xA9",
                                         "\xE2\x82\xAC",
                                         "\xF0\x9F\x98\x80",
                                         "\\/",
                                         "\x7F"};
    buf_putc(b, '"');
    for (unsigned n = draw(6); n > 0; n--)
        buf_puts(b, pieces[draw(sizeof(pieces) / sizeof(*pieces))]);
    buf_puts(b, end);
    buf_putc(b, '"');
}

static void random_value(struct buf *b, int depth)
{
    unsigned n = draw(5), kind = draw(depth > 5 ? 6 : 10);
    char key[16];
    random_space(b);
    switch (kind) {
    case 0:
        buf_puts(b, draw(2) ? "true" : "false");
        break;
    case 1:
        buf_puts(b, "null");
        break;
    case 2:
        buf_printf(b, "%lld", (long long)(seed >> draw(64)) * (draw(2) ? 1 : -1));
        break;
    case 3:
        buf_printf(b, "%.17g", ((double)draw(1000000) + 0.5) / (1 + draw(1000)) + 0.1234567);
        break;
    case 4:
    case 5:
        random_string(b, "");
        break;
    case 6:
    case 7:
        buf_putc(b, '[');
        for (unsigned i = 0; i < n; i++) {
            buf_puts(b, i ? "," : "");
            random_value(b, depth + 1);
        }
        random_space(b);
        buf_putc(b, ']');
        break;
    default:
        buf_putc(b, '{');
        for (unsigned i = 0; i < n; i++) {
            buf_puts(b, i ? "," : "");
            random_space(b);
            snprintf(key, sizeof(key), "%u", i);
            random_string(b, key); /* the number keeps keys apart */
            random_space(b);
            buf_putc(b, ':');
            random_value(b, depth + 1);
        }
        buf_putc(b, '}');
    }
    random_space(b);
}

static void random_documents_survive_the_round_trip(void **unused)
{
    (void)unused;
    lua_State *L = state_new();
    for (int i = 0; i < 3000; i++) {
        struct buf text = {0}, first = {0}, second = {0};
        random_value(&text, 0);
        if (push(L, text.data, text.len) || write(L, &first) || push(L, first.data, first.len) ||
            write(L, &second))
            fail_msg("%s: %s", text.data, lua_tostring(L, -1));
        assert_string_equal(first.data, second.data);
        size_t flags = JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES;
        json_t *a = json_loadb(text.data, text.len, flags, NULL),
               *b = json_loadb(first.data, first.len, flags, NULL);
        if (!a || !b || !json_equal(a, b))
            fail_msg("%s became %s", text.data, first.data);
        json_decref(a);
        json_decref(b);
        buf_free(&text);
        buf_free(&first);
        buf_free(&second);
    }
    assert_int_equal(lua_gettop(L), 0);
    lua_close(L);
}

static void broken_documents_are_refused_as_jansson_refuses_them(void **unused)
{
    (void)unused;
    static const char bytes[] = "{}[]:,\"\\ 01-.eEtfn/u\x80\xC3\xFF\n";
    lua_State *L = state_new();
    int refused = 0;
    for (int i = 0; i < 6000; i++) {
        struct buf text = {0};
        random_value(&text, 0);
        for (unsigned n = 1 + draw(3); n > 0; n--)
            text.data[draw((unsigned)text.len)] = bytes[draw(sizeof(bytes) - 1)];
        char *exact = malloc(text.len);
        memcpy(exact, text.data, text.len);
        json_error_t error;
        json_t *other =
            json_loadb(exact, text.len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
        int status = push(L, exact, text.len);
        /* What jansson alone refuses: integers beyond 64 bits, NUL in a key. */
        bool narrower = json_error_code(&error) == json_error_numeric_overflow ||
                        json_error_code(&error) == json_error_null_byte_in_key;
        if ((status == LUA_OK) != (other != NULL) && !(narrower && !other))
            fail_msg("%s: %s / %s", text.data, other ? "read" : error.text, lua_tostring(L, -1));
        refused += status != LUA_OK;
        json_decref(other);
        free(exact);
        lua_settop(L, 0);
        buf_free(&text);
    }
    assert_in_range(refused, 1000, 5999);
    lua_close(L);
}

/* --- memory --- */

struct allocator {
    size_t countdown; /* 0: none fails */
    bool failing;
};

static void *allocate(void *ud, void *old, size_t old_size, size_t size)
{
    struct allocator *a = ud;
    if (size == 0) {
        free(old);
        return NULL;
    }
    /* Lua relies on shrinking not to fail. */
    bool grows = !old || size > old_size;
    if (grows && a->countdown > 0 && --a->countdown == 0)
        a->failing = true;
    if (grows && a->failing)
        return NULL;
    return realloc(old, size);
}

static const char sample[] =
    "{\"a\":[1,2.5,\"x\\ny\",{\"b\":null}],\"k1\":1,\"k2\":2,\"k3\":[],\"k4\":\"\\u00e9\","
    "\"long\":\"0123456789012345678901234567890123456789012345678901234567890123456789\\n\"}";

/* Lua collects before it gives up, so one allocation that fails is often made good; all from the
 * n-th on fail here. */
static void running_out_of_lua_memory_leaves_nothing_behind(void **unused)
{
    (void)unused;
    int failed = 0;
    for (size_t n = 1; n < 1000; n++) {
        struct allocator a = {0};
        struct buf out = {0};
        lua_State *L = lua_newstate(allocate, &a);
        assert_non_null(L);
        lua_gc(L, LUA_GCSTOP);
        lua_checkstack(L, 100);
        a.countdown = n;
        int status = push(L, sample, strlen(sample));
        if (status == LUA_OK)
            status = write(L, &out);
        bool reached = a.failing;
        a = (struct allocator){0};
        if (status != LUA_OK) {
            assert_true(reached);
            failed++;
        } else {
            assert_string_equal(out.data + out.len - 4, "\\n\"}");
        }
        buf_free(&out);
        lua_close(L);
        if (!reached)
            break;
    }
    assert_true(failed > 5);
}

static void running_out_of_memory_for_the_text_is_an_error(void **unused)
{
    (void)unused;
    lua_State *L = state_new();
    for (size_t n = 1;; n++) {
        struct buf out = {0};
        assert_int_equal(push(L, sample, strlen(sample)), LUA_OK);
        failing_alloc_at(n);
        int status = write(L, &out);
        int hit = failing_alloc_hit();
        failing_alloc_at(0);
        assert_int_equal(status == LUA_OK, !hit);
        if (hit)
            assert_non_null(strstr(lua_tostring(L, -1), "out of memory"));
        lua_settop(L, 0);
        buf_free(&out);
        if (!hit)
            break;
        assert_true(n < 100);
    }
    lua_close(L);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_document_comes_out_as_it_went_in),
        cmocka_unit_test(what_is_no_json_is_refused_with_the_place),
        cmocka_unit_test(depth_is_bounded_both_ways),
        cmocka_unit_test(values_are_bounded_both_ways),
        cmocka_unit_test(shared_tables_are_paid_for_along_every_path),
        cmocka_unit_test(a_text_is_bounded_whatever_is_shared),
        cmocka_unit_test(what_json_cannot_hold_is_refused_with_its_path),
        cmocka_unit_test(lists_know_that_they_are_lists),
        cmocka_unit_test(metatables_are_not_asked),
        cmocka_unit_test(more_keys_than_fit_the_small_room_are_sorted_too),
        cmocka_unit_test(random_documents_survive_the_round_trip),
        cmocka_unit_test(broken_documents_are_refused_as_jansson_refuses_them),
        cmocka_unit_test(running_out_of_lua_memory_leaves_nothing_behind),
        cmocka_unit_test(running_out_of_memory_for_the_text_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
