#include "base/buf.h"
#include "sandbox_rig.h"

static void a_script_has_what_the_page_says_and_nothing_else(void **unused)
{
    (void)unused;
    passes(
        "for _, name in ipairs { 'assert', 'error', 'ipairs', 'next', 'pairs', 'pcall', 'print', 'select',\n"
        "  'setmetatable', 'tonumber', 'tostring', 'type', 'list', 'is_list' } do\n"
        "  assert(type(_ENV[name]) == 'function', name)\n"
        "end\n"
        "for _, name in ipairs { 'math', 'string', 'table', 'utf8', 'cjson' } do\n"
        "  assert(type(_ENV[name]) == 'table', name)\n"
        "end\n"
        "for _, name in ipairs { '_G', 'io', 'os', 'debug', 'package', 'require', 'load', 'loadstring', "
        "'dofile',\n"
        "  'loadfile', 'collectgarbage', 'coroutine', 'rawget', 'rawset', 'rawequal', 'rawlen', "
        "'getmetatable',\n"
        "  'xpcall', 'warn', '_VERSION' } do\n"
        "  assert(_ENV[name] == nil, name)\n"
        "end\n"
        "assert(null == cjson.null and type(null) == 'userdata')\n"
        "for _, name in ipairs { 'dump', 'pack', 'unpack', 'packsize' } do assert(string[name] == nil, name) "
        "end\n"
        "for _, name in ipairs { 'new', 'encode_max_depth', 'decode_max_depth', 'encode_keep_buffer' } do\n"
        "  assert(cjson[name] == nil, name)\n"
        "end");
}

static void nothing_shared_can_be_changed(void **unused)
{
    (void)unused;
    fails("print = nil", "global 'print' cannot be set");
    fails("x = 1", "script:1: global 'x' cannot be set");
    fails("_ENV.assert = 1", "global 'assert'");
    fails("string.format = print", "field 'format' cannot be set");
    fails("table.x = 1", "field 'x' cannot be set");
    fails("cjson.encode = nil", "field 'encode'");
    fails("math.pi = 3", "field 'pi'");
    fails("utf8.char = 3", "field 'char'");
    fails("('').x = 1", "index a string value");
    fails("table.insert(string, 'x')", "__newindex");
    fails("table.insert(_ENV, 'x')", "__newindex");
    fails("table.move({ 1 }, 1, 1, 1, _ENV)", "__newindex");
    fails("table.remove(string)", "__newindex");
    fails("table.sort(string)", "__newindex");
    fails("setmetatable(_ENV, {})", "protected metatable");
    fails("setmetatable(string, nil)", "protected metatable");
    fails("setmetatable('', {})", "table expected");
    fails("setmetatable(list(), nil)", "protected metatable");
    passes("for k in next, _ENV do error('a global: ' .. tostring(k)) end\n"
           "for k in pairs(string) do error('a function: ' .. tostring(k)) end");
    passes("local _ENV = { string = string } x = 1 string = nil");
}

static void the_libraries_do_as_stock_does(void **unused)
{
    (void)unused;
    passes(
        "assert(('x'):rep(3, ',') == 'x,x,x' and ('x'):rep(0) == '' and ('ab'):rep(1) == 'ab')\n"
        "assert((''):rep(1 << 62) == '' and ('x'):rep(-1) == '' and (''):rep(3, '-') == '--')\n"
        "assert(#('abc'):rep(1001, 'de') == 3003 + 2000 and ('abc'):rep(1001, 'de'):sub(-8) == 'abcdeabc')\n"
        "assert(('%5.1f|%-3s|%q'):format(2.25, 'a', 'b\\n') == '  2.2|a  |\"b\\\\\\n\"')\n"
        "assert('10' + 1 == 11 and #'abc' == 3 and ('abc'):upper():byte(1, -1) == 65)");
    passes(
        "local t = { 1, 2, 3 }\n"
        "table.insert(t, 1, 0) table.insert(t, 4)\n"
        "assert(table.concat(t, ',') == '0,1,2,3,4' and table.concat(t, '', 2, 3) == '12' and "
        "table.concat({}) == '')\n"
        "assert(table.remove(t) == 4 and table.remove(t, 1) == 0 and #t == 3 and table.remove({}) == nil)\n"
        "assert(table.remove(t, 4) == nil and #t == 3)\n"
        "assert(select('#', table.unpack({ 1, nil, 3 }, 1, 3)) == 3 and select(2, table.unpack { 1, 2 }) == "
        "2)\n"
        "local p = table.pack(1, nil, nil) assert(p.n == 3 and p[1] == 1)\n"
        "assert(table.concat(table.move({ 1, 2, 3 }, 1, 3, 2), ',') == '1,1,2,3')\n"
        "assert(table.concat(table.move({ 1, 2, 3 }, 2, 3, 1), ',') == '2,3,3')\n"
        "assert(table.concat(table.move({ 1, 2 }, 1, 2, 3, { 8, 9 }), ',') == '8,9,1,2')\n"
        "assert(table.unpack({ 7 }, math.maxinteger, math.maxinteger) == nil)\n"
        "assert(table.concat({ [math.maxinteger] = 'x' }, '', math.maxinteger, math.maxinteger) == 'x')");
    passes("for n = 0, 200 do\n"
           "  local t, seen = {}, {}\n"
           "  for i = 1, n do t[i] = math.random(50) seen[t[i]] = (seen[t[i]] or 0) + 1 end\n"
           "  table.sort(t)\n"
           "  for i = 1, n do seen[t[i]] = seen[t[i]] - 1 if i > 1 then assert(t[i - 1] <= t[i]) end end\n"
           "  for _, left in pairs(seen) do assert(left == 0) end\n"
           "  table.sort(t, function(a, b) return a > b end)\n"
           "  for i = 2, n do assert(t[i - 1] >= t[i]) end\n"
           "end\n"
           "local t = {} for i = 1, 99 do t[i] = { i // 10, i } end\n"
           "table.sort(t, function(a, b) return a[1] < b[1] end)\n"
           "for i = 1, 99 do assert(t[i][2] == i) end -- equal ones keep their order\n"
           "t = { 3, 1, 2 } table.sort(t, function() return true end) assert(#t == 3)");
    passes("local t = setmetatable({}, { __pairs = function() return next, { a = 1 }, nil end })\n"
           "for k, v in pairs(t) do assert(k == 'a' and v == 1) end\n"
           "assert(next({}) == nil and next({ 5 }) == 1 and utf8.len('\\u{20ac}x') == 2)");
    fails("table.insert({}, 5, 1)", "position out of bounds");
    fails("table.insert({}, 1, 2, 3)", "wrong number of arguments");
    fails("table.concat({ 1, {} })", "invalid value (at index 2)");
    fails("table.sort({ 1, 'x' })", "attempt to compare");
    fails("table.sort({ 2, 1 }, function() error('mine') end)", "mine");
    fails("next({}, 'no')", "invalid key");
    fails("pairs()", "bad argument #1");
    fails("string.rep()", "bad argument #1");
}

static void a_class_works(void **unused)
{
    (void)unused;
    passes("local Point = {} Point.__index = Point\n"
           "Point.__add = function(a, b) return Point.new(a.x + b.x) end\n"
           "Point.__eq = function(a, b) return a.x == b.x end\n"
           "Point.__lt = function(a, b) return a.x < b.x end\n"
           "Point.__tostring = function(p) return 'P' .. p.x end\n"
           "Point.__call = function(p, n) return p.x + n end\n"
           "Point.__name = 'Point' Point.__concat = function() return 'joined' end\n"
           "function Point.new(x) return setmetatable({ x = x }, Point) end\n"
           "function Point:twice() return self.x * 2 end -- after the first setmetatable would do too\n"
           "local p = Point.new(2) + Point.new(3)\n"
           "assert(p.x == 5 and p:twice() == 10 and tostring(p) == 'P5' and p(1) == 6)\n"
           "assert(p == Point.new(5) and Point.new(1) < p and p .. '' == 'joined')\n"
           "local q = setmetatable({}, { __newindex = function(t, k, v) error('no ' .. k) end })\n"
           "assert(not pcall(function() q.a = 1 end))\n"
           "assert(setmetatable(setmetatable({}, { __index = { a = 1 } }), nil).a == nil)\n"
           "assert(not pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}))");
}

static void metamethods_that_run_where_nobody_counts_are_refused(void **unused)
{
    (void)unused;
    fails("setmetatable({}, { __gc = function() end })", "__gc is not offered");
    fails("setmetatable({}, { __close = function() end })", "__close is not offered");
    fails("setmetatable({}, { __mode = 'k' })", "__mode is not offered");
    fails("setmetatable({}, { __len = function() end })", "__len is not offered");
    fails("setmetatable({}, { __gc = false })", "__gc is not offered");
}

static void what_is_added_to_a_metatable_later_has_no_effect(void **unused)
{
    (void)unused;
    passes("local ran = false\n"
           "local mt = {} local t = setmetatable({ 1, 2 }, mt)\n"
           "mt.__len = function() ran = true return 1 << 60 end\n"
           "mt.__gc = mt.__len mt.__close = mt.__len mt.__index = mt.__len mt.__mode = 'kv'\n"
           "assert(#t == 2 and t.x == nil and table.concat(t) == '12')\n"
           "t = nil for i = 1, 1e5 do local _ = {} end\n"
           "assert(not ran)");
    fails("local mt = {} local t = setmetatable({}, mt) mt.__close = function() end\n"
          "for _ in next, {}, nil, t do end",
          "non-closable");
    fails("local mt = {} local t = setmetatable({}, mt) mt.__close = function() end\n"
          "local x <close> = t",
          "non-closable");
    /* The strong table keeps its values: __mode came too late. */
    passes("local mt = {} local t = setmetatable({}, mt) mt.__mode = 'v' t[1] = {}\n"
           "for i = 1, 2e5 do local _ = {} end assert(t[1])");
}

static void a_table_cannot_be_called_through_itself(void **unused)
{
    (void)unused;
    fails("local t = {} setmetatable(t, { __call = t }) t()", "__call must be a function");
    fails("setmetatable({}, { __call = setmetatable({}, { __call = print }) })", "__call must be a function");
    fails("local a, b = {}, {} setmetatable(a, { __index = b }) setmetatable(b, { __index = a }) return a.x",
          "'__index' chain too long");
}

static void a_kill_is_not_swallowed(void **unused)
{
    (void)unused;
    fails("while true do end", "ended by the host");
    fails("while true do pcall(function() while true do end end) end", "ended by the host");
    fails("pcall(pcall, function() while true do end end) return 'on'", "ended by the host");
    fails("local function f() pcall(f) pcall(f) end f()", "ended by the host");
    fails("local t = {} for i = 1, 100 do t[i] = i % 7 end\n"
          "while true do pcall(table.sort, t, function(a, b) while true do end end) end",
          "ended by the host");
    fails("pcall(string.gsub, 'x', 'x', function() while true do end end) return 'on'", "ended by the host");
    fails("pcall(tostring, setmetatable({}, { __tostring = function() while true do end end })) return 1",
          "ended by the host");
}

static void running_out_of_memory_is_not_swallowed(void **unused)
{
    (void)unused;
    fails_in(4 << 20,
             "while true do pcall(function() local t = {} while true do t[#t + 1] = { t } end end) end",
             "not enough memory");
    fails_in(4 << 20,
             "pcall(pcall, function() local t = {} while true do t[#t + 1] = { t } end end) return 'on'",
             "not enough memory");
}

static void errors_are_caught_as_ever(void **unused)
{
    (void)unused;
    passes(
        "local ok, e = pcall(error, { code = 7 }) assert(not ok and e.code == 7)\n"
        "ok, e = pcall(error) assert(not ok and e == nil)\n"
        "ok, e = pcall(function() local x = nil; return x.y end) assert(not ok and e:find('script:3:'))\n"
        "assert(select('#', pcall(function() return 1, nil, nil end)) == 4)\n"
        "assert(select('#', pcall(function() end)) == 1)\n"
        "assert(not pcall(pcall))\n"
        "local function deep() local a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p return 1 + deep() end\n"
        "ok, e = pcall(deep) assert(not ok and e:find('stack overflow'))\n"
        "local function nest() return pcall(nest) end assert(nest())\n"
        "ok, e = pcall(string.rep, 'x', 1e9) assert(not ok and e:find('16 MiB'))\n"
        "ok, e = pcall(error, setmetatable({}, { __tostring = function() error('again') end })) "
        "assert(not ok)");
}

static void pcall_and_pairs_can_be_waited_in(void **unused)
{
    (void)unused;
    struct rig r;
    int n;
    lua_State *L = rig_new(&r);
    lua_pushcfunction(L, rig_wait);
    sandbox_set_global(L, "wait");
    lua_State *co = lua_newthread(L);
    const char code[] =
        "local ok, a = pcall(function() local v = wait() return v + 1 end)\n"
        "assert(ok and a == 42)\n"
        "for k in pairs(setmetatable({}, { __pairs = function() wait() return next, { z = 1 } end })) do\n"
        "  assert(k == 'z')\n"
        "end\n"
        "ok, a = pcall(function() wait() error('late', 0) end)\n"
        "return a";
    assert_int_equal(sandbox_load(co, code, strlen(code), "=script"), LUA_OK);
    assert_int_equal(lua_resume(co, L, 0, &n), LUA_YIELD);
    lua_pushinteger(co, 41);
    assert_int_equal(lua_resume(co, L, 1, &n), LUA_YIELD);
    assert_int_equal(lua_resume(co, L, 0, &n), LUA_YIELD);
    assert_int_equal(lua_resume(co, L, 0, &n), LUA_OK);
    assert_string_equal(lua_tostring(co, -1), "late");
    lua_close(L);
}

static void c_functions_have_bounds(void **unused)
{
    (void)unused;
    fails("return ('x'):rep(1e9)", "larger than 16 MiB");
    fails("return (''):rep(1e18, 'x')", "larger than 16 MiB");
    fails("return ('x'):rep(math.maxinteger)", "larger than 16 MiB");
    fails("return ('%999d'):format(1)", "invalid conversion");
    fails("return ('%.999f'):format(1)", "invalid conversion");
    fails("table.move({}, 1, 1e15, 2)", "more than 1000000 elements");
    fails("table.move({}, math.mininteger, math.maxinteger, 1)", "too many elements to move");
    fails("table.concat({}, 'x', 1, math.maxinteger)", "more than 1000000 elements");
    fails("local t, s = {}, ('x'):rep(1e6) for i = 1, 100 do t[i] = s end return table.concat(t)",
          "larger than 16 MiB");
    fails("table.unpack({}, 1, 1e7)", "too many results");
    fails("table.unpack({}, math.mininteger, math.maxinteger)", "too many results");
    fails("local t = {} for i = 1, 200001 do t[i] = i end table.sort(t)", "more than 200000 elements");
    fails("return ('a'):rep(30):find(('a*'):rep(30) .. 'b')", "pattern too costly");
}

static void a_length_that_is_none_is_not_walked(void **unused)
{
    (void)unused;
    /* Lua looks for a border by doubling, and finds 2^62 here. */
    struct buf table = {0}, code = {0};
    buf_puts(&table, "local t = {");
    for (int i = 0; i < 63; i++)
        buf_printf(&table, "[%lld]=1,", 1LL << i);
    buf_puts(&table, "} assert(#t == 1 << 62)");
    static const struct {
        const char *code, *what;
    } cases[] = {
        {"table.insert(t, 1, 1)", "more than 1000000 elements"},
        {"table.remove(t, 1)", "more than 1000000 elements"},
        {"table.concat(t)", "more than 1000000 elements"},
        {"table.unpack(t)", "too many results"},
        {"table.sort(t)", "more than 200000 elements"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        buf_clear(&code);
        buf_printf(&code, "%s %s", buf_str(&table), cases[i].code);
        fails(buf_str(&code), cases[i].what);
    }
    buf_free(&table);
    buf_free(&code);
}

static void work_inside_c_meets_the_clock(void **unused)
{
    (void)unused;
    /* Callbacks that are C functions: the count hook sees nothing of these loops. */
    fails("local big = {} for i = 1, 1e6 do big[i] = 1 end\n"
          "local mt = { __index = table.concat }\n"
          "('x'):rep(1e7):gsub('.', setmetatable(big, mt))",
          "ended by the host");
    fails("local a, b = ('x'):rep(8e6) .. 'a', ('x'):rep(8e6) .. 'b'\n"
          "local t = {} for i = 1, 1e5 do t[i] = i % 2 == 0 and a or b end\n"
          "table.sort(t)",
          "ended by the host");
    fails("local s = ('a'):rep(3000) local three, t = { s .. 1, s .. 2, s .. 3 }, {}\n"
          "for i = 1, 2e5 do t[i] = three[i % 3 + 1] end\n"
          "table.sort(t, string.find)",
          "ended by the host");
    fails("local t = {} for i = 1, 1e6 do t[i] = i end for i = 1, 1e6 do t[i] = nil end\n"
          "while true do next(t) end",
          "ended by the host");
}

static void chunks_are_text(void **unused)
{
    (void)unused;
    struct rig r;
    struct buf code = {0};
    lua_State *L = rig_new(&r);
    assert_int_equal(sandbox_load(L, "local a = 1\nreturn a + nil", 26, "@x.lua"), LUA_OK);
    assert_int_equal(sandbox_dump(L, &code), 0);
    assert_int_not_equal(sandbox_load(L, code.data, code.len, "@x.lua"), LUA_OK);
    assert_non_null(strstr(lua_tostring(L, -1), "attempt to load a binary chunk"));
    assert_int_not_equal(sandbox_load(L, "x = = 1", 7, "@x.lua"), LUA_OK);
    assert_non_null(strstr(lua_tostring(L, -1), "x.lua:1: "));
    assert_int_not_equal(sandbox_undump(L, "return 1", 8, "@x.lua"), LUA_OK);
    lua_close(L);

    /* In another state, with the lines kept. */
    L = rig_new(&r);
    assert_int_equal(sandbox_undump(L, code.data, code.len, "@x.lua"), LUA_OK);
    assert_int_not_equal(lua_pcall(L, 0, 0, 0), LUA_OK);
    assert_non_null(strstr(lua_tostring(L, -1), "x.lua:2: "));
    buf_free(&code);
    lua_close(L);
}

static void the_host_adds_globals_and_seals_tables(void **unused)
{
    (void)unused;
    struct rig r;
    lua_State *L = rig_new(&r);
    lua_newtable(L);
    lua_pushinteger(L, 7);
    lua_setfield(L, -2, "seven");
    sandbox_seal(L);
    sandbox_set_global(L, "mine");
    assert_int_equal(lua_gettop(L), 0);
    assert_int_equal(
        rig_run(L, "assert(mine.seven == 7 and not pcall(function() mine.x = 1 end)) print(1, 2)"), LUA_OK);
    assert_int_equal(r.printed, 2);
    lua_pushnil(L);
    sandbox_set_global(L, "mine");
    assert_int_equal(rig_run(L, "assert(mine == nil)"), LUA_OK);
    lua_close(L);
}

static void odd_names_and_texts_are_errors_not_crashes(void **unused)
{
    (void)unused;
    fails("tostring(setmetatable({}, { __tostring = function() return {} end }))", "must return a string");
    fails("tostring(setmetatable({}, { __tostring = 1 }))", "attempt to call");
    fails("('%s'):format(setmetatable({}, { __tostring = function() return nil end }))",
          "must return a string");
    passes("assert(tostring(setmetatable({}, { __name = 'Odd' })):find('^Odd: '))\n"
           "assert(tostring(setmetatable({}, { __name = 12 })):find('^table: '))\n"
           "assert(not pcall(string.rep, setmetatable({}, { __name = ('x'):rep(5000) })))");
}

static void a_state_that_cannot_be_opened_is_an_error(void **unused)
{
    (void)unused;
    int failed = 0;
    for (size_t n = 1;; n++) {
        struct rig r = {.cap = CAP};
        lua_State *L = lua_newstate(rig_alloc, &r);
        assert_non_null(L);
        r.fail_from = n;
        lua_pushcfunction(L, protected_open);
        int status = lua_pcall(L, 0, 0, 0);
        bool reached = r.grown >= n;
        r.fail_from = 0;
        assert_int_equal(status == LUA_OK, !reached);
        failed += reached;
        lua_close(L);
        assert_int_equal(r.used, 0);
        if (!reached)
            break;
    }
    assert_in_range(failed, 50, 2000);
}

/* Not a benchmark: ten times what it takes, to notice when somebody makes it slow. */
static void opening_takes_well_under_a_millisecond(void **unused)
{
    (void)unused;
    uint64_t begin = clock_cpu_us();
    for (int i = 0; i < 100; i++) {
        struct rig r;
        lua_close(rig_new(&r));
    }
    assert_in_range((clock_cpu_us() - begin) / 100, 0, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_has_what_the_page_says_and_nothing_else),
        cmocka_unit_test(nothing_shared_can_be_changed),
        cmocka_unit_test(the_libraries_do_as_stock_does),
        cmocka_unit_test(a_class_works),
        cmocka_unit_test(metamethods_that_run_where_nobody_counts_are_refused),
        cmocka_unit_test(what_is_added_to_a_metatable_later_has_no_effect),
        cmocka_unit_test(a_table_cannot_be_called_through_itself),
        cmocka_unit_test(a_kill_is_not_swallowed),
        cmocka_unit_test(running_out_of_memory_is_not_swallowed),
        cmocka_unit_test(errors_are_caught_as_ever),
        cmocka_unit_test(pcall_and_pairs_can_be_waited_in),
        cmocka_unit_test(c_functions_have_bounds),
        cmocka_unit_test(a_length_that_is_none_is_not_walked),
        cmocka_unit_test(work_inside_c_meets_the_clock),
        cmocka_unit_test(chunks_are_text),
        cmocka_unit_test(the_host_adds_globals_and_seals_tables),
        cmocka_unit_test(odd_names_and_texts_are_errors_not_crashes),
        cmocka_unit_test(a_state_that_cannot_be_opened_is_an_error),
        cmocka_unit_test(opening_takes_well_under_a_millisecond),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
