#include "base/clock.h"
#include "script/pattern.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

/* A state with the stock library as `string` and the bounded functions as `own`. */
static lua_State *state_new(void)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    luaL_openlibs(L);
    lua_newtable(L);
    pattern_open(L);
    lua_setglobal(L, "own");
    return L;
}

static void run(const char *code)
{
    lua_State *L = state_new();
    if (luaL_dostring(L, code))
        fail_msg("%s", lua_tostring(L, -1));
    lua_close(L);
}

/* Expects an error that holds `what`, soon. */
static void refused(const char *code, const char *what)
{
    lua_State *L = state_new();
    uint64_t begin = clock_mono_ms();
    assert_int_not_equal(luaL_dostring(L, code), LUA_OK);
    if (!strstr(lua_tostring(L, -1), what))
        fail_msg("'%s' raised: %s", code, lua_tostring(L, -1));
    assert_in_range(clock_mono_ms() - begin, 0, 3000);
    lua_close(L);
}

static const char differential[] =
    "local function pick(list) return list[math.random(#list)] end\n"
    "local function text(list, most)\n"
    "  local t = {}\n"
    "  for i = 1, math.random(0, most) do t[i] = pick(list) end\n"
    "  return table.concat(t)\n"
    "end\n"
    "local parts = { 'a', 'b', '.', '%', '[', ']', '^', '$', '*', '+', '-', '?', '(', ')', '1', '%a', '%s',\n"
    "  '%b()', '%f[a]', '%1', '%2', '[^a]', '[a-b]', '[%w_]', '(a)', '()', '(.-)', 'z', '\\0', '\\255', "
    "'%z', '%W' }\n"
    "local letters = { 'a', 'b', '1', ' ', '(', ')', ']', '%', 'z', '\\0', '\\255', '-' }\n"
    "local news = { 'a', '%0', '%1', '%2', '%%', '%', 'b', '%x' }\n"
    "local function both(name, ...)\n"
    "  local a, b = table.pack(pcall(string[name], ...)), table.pack(pcall(own[name], ...))\n"
    "  local what = string.format('%s(%q, %q, %q, %q)', name, (...), (select(2, ...)),\n"
    "    tostring((select(3, ...))), tostring((select(4, ...))))\n"
    "  if a.n ~= b.n then error(what .. ': ' .. a.n .. ' / ' .. b.n .. tostring(a[2]) .. tostring(b[2])) "
    "end\n"
    "  for i = 1, a.n do\n"
    "    if a[i] ~= b[i] then error(what .. ': ' .. tostring(a[i]) .. ' / ' .. tostring(b[i])) end\n"
    "  end\n"
    "end\n"
    "local function all(lib, s, p, init)\n"
    "  local out = {}\n"
    "  local ok, e = pcall(function()\n"
    "    for a, b in lib.gmatch(s, p, init) do\n"
    "      out[#out + 1] = tostring(a) .. '|' .. tostring(b)\n"
    "    end\n"
    "  end)\n"
    "  return table.concat(out, ';') .. (ok and '' or e:gsub('^.-:%d+: ', ''))\n"
    "end\n"
    "math.randomseed(20261124)\n"
    "for i = 1, 40000 do\n"
    "  local s, p = text(letters, 12), text(parts, 7)\n"
    "  if math.random(4) == 1 then p = '^' .. p end\n"
    "  local init = math.random(6) == 1 and math.random(-14, 14) or nil\n"
    "  both('find', s, p, init, math.random(8) == 1 or nil)\n"
    "  both('match', s, p, init, nil)\n"
    "  local what = math.random(3)\n"
    "  if what == 1 then both('gsub', s, p, text(news, 3), math.random(3) == 1 and math.random(0, 3) or "
    "nil)\n"
    "  elseif what == 2 then both('gsub', s, p, { a = 'X', b = false, ['1'] = 7, z = {} }, nil)\n"
    "  else both('gsub', s, p, function(x, y) return y or (x == 'a' and 'A') or nil end, nil) end\n"
    "  local g, h = all(string, s, p, init), all(own, s, p, init)\n"
    "  if g ~= h then error(string.format('gmatch(%q, %q): %s / %s', s, p, g, h)) end\n"
    "end\n";

static void it_finds_what_the_stock_matcher_finds(void **unused)
{
    (void)unused;
    run(differential);
}

static void a_pattern_that_explodes_is_ended(void **unused)
{
    (void)unused;
    refused("return own.find(('a'):rep(30), ('a*'):rep(30) .. 'b')",
            "pattern too costly (more than 10000000 steps");
    refused("return own.match(('x'):rep(4000), '.-.-.-.-y')", "pattern too costly");
    refused("return own.gsub(('('):rep(200000), '%b()', '')", "pattern too costly");
    refused("for x in own.gmatch(('x'):rep(4000), '.-.-.-.-y') do end", "pattern too costly");
    refused("return own.find(('x'):rep(100000), '(x*)%1y')", "pattern too costly");
}

static void a_long_set_counts_for_each_character(void **unused)
{
    (void)unused;
    refused("return own.find(('a'):rep(100000), '[' .. ('b'):rep(100000) .. ']')", "pattern too costly");
    refused("return own.find(('a'):rep(100000), '%f[' .. ('b'):rep(100000) .. ']')", "pattern too costly");
}

static void a_long_replacement_that_adds_nothing_counts(void **unused)
{
    (void)unused;
    refused("return own.gsub(('a'):rep(100000), '()a*-', ('%0'):rep(100000))", "pattern too costly");
    refused("return own.gsub(('a'):rep(100000), '(b*)', ('%1'):rep(100000))", "pattern too costly");
}

static void plain_find_is_linear(void **unused)
{
    (void)unused;
    run("local s, n = ('a'):rep(8000000), ('a'):rep(40000) .. 'b'\n"
        "assert(own.find(s, n, 1, true) == nil)\n"
        "assert(own.find(s .. 'b', n) == 8000001 - 40000)\n"
        "assert(own.find('', '') == 1 and own.find('a\\0b', '\\0b') == 2)");
}

static void recursion_is_bounded_as_in_stock(void **unused)
{
    (void)unused;
    refused("return own.find(('a'):rep(300), ('a?'):rep(300))", "pattern too complex");
    refused("return own.find('x', ('('):rep(40))", "too many captures");
}

static void everyday_patterns_on_a_large_text_are_within_the_budget(void **unused)
{
    (void)unused;
    run("local s = ('key: value, '):rep(40000)\n"
        "assert(select(2, own.gsub(s, '%s+', ' ')) == 80000)\n"
        "assert(select(2, own.gsub(s, '(%w+): (%w+)', '%2=%1')) == 40000)\n"
        "assert(own.find(s, 'nothing') == nil)\n"
        "local n = 0\n"
        "for k, v in own.gmatch(s, '(%w+): (%w+)') do n = n + 1 end\n"
        "assert(n == 40000)");
}

static void a_callback_may_use_patterns_itself(void **unused)
{
    (void)unused;
    run("assert(own.gsub('ab cd', '%w+', function(w) return (own.gsub(w, '(.)(.)', '%2%1')) end) == 'ba "
        "dc')");
    refused("own.gsub('ab', '.', function() error('from inside') end)", "from inside");
    refused("own.gsub('ab', '.', function() return {} end)", "invalid replacement value (a table)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_what_the_stock_matcher_finds),
        cmocka_unit_test(a_pattern_that_explodes_is_ended),
        cmocka_unit_test(a_long_set_counts_for_each_character),
        cmocka_unit_test(a_long_replacement_that_adds_nothing_counts),
        cmocka_unit_test(plain_find_is_linear),
        cmocka_unit_test(recursion_is_bounded_as_in_stock),
        cmocka_unit_test(everyday_patterns_on_a_large_text_are_within_the_budget),
        cmocka_unit_test(a_callback_may_use_patterns_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
