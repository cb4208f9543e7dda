#include "sandbox_rig.h"

#include <stdio.h>

static void removed_keys_are_walked_over_in_time(void **unused)
{
    (void)unused;
    const char make[] = "local t = {} for i = 1, 5e5 do t['k' .. i] = i end\n"
                        "for i = 1, 5e5 do t['k' .. i] = nil end\n"
                        "local l = {} for i = 1, 1e5 do l[i] = t end\n";
    char code[512];
    snprintf(code, sizeof(code), "%s return cjson.encode(l)", make);
    fails(code, "ended by the host");
}

static void cjson_is_held(void **unused)
{
    (void)unused;
    passes("assert(cjson.encode({ 1, 2, { a = null } }) == '[1,2,{\"a\":null}]')\n"
           "local t = cjson.decode('{\"a\":[1,2.5,null,\"x\"]}')\n"
           "assert(t.a[1] == 1 and t.a[3] == null and t.a[4] == 'x')\n"
           "assert(cjson.encode('a\\n\"') == '\"a\\\\n\\\\\"\"')\n"
           "local big = cjson.decode('[\"' .. ('x'):rep(4e6) .. '\"]') assert(#big[1] == 4e6)\n"
           "assert(#cjson.encode(big) == 4e6 + 4) assert(cjson.encode {} == '{}')\n"
           "assert(cjson.encode(1) == '1')");
    fails("local t = { 1 } for i = 1, 60 do t = { t, t } end return cjson.encode(t)", "cjson.encode: ");
    fails("local t = {} t.t = t return cjson.encode(t)", "holds itself");
    fails("local t = {} for i = 1, 101 do t = { t } end return cjson.encode(t)", "nested deeper than 100");
    fails("return cjson.encode(('x'):rep(9e6))", "larger than 8 MiB");
    fails("return cjson.encode(('\\1'):rep(2e6))", "larger than 8 MiB");
    fails("local s, t = ('x'):rep(1e6), {} for i = 1, 1e5 do t[i] = s end return cjson.encode(t)",
          "larger than 8 MiB");
    fails("return cjson.encode { [1] = 1, [1e9 // 1 | 0] = 2 }", "sparse");
    fails("return cjson.encode(print)", "type not supported");
    fails("return cjson.encode(0/0)", "NaN");
    fails("return cjson.decode(('['):rep(200))", "too many nested");
    fails("return cjson.decode(('x'):rep(9e6))", "larger than 8 MiB");
    fails("return cjson.decode('{')", "Expected");
    fails("return cjson.decode('[' .. ('[],'):rep(2e6) .. '1]')", "not enough memory");
    fails("return cjson.decode()", "string expected");
}

/* What decode_need() promises: once it says that there is room, cjson doesn't run out of it (it
 * would lose its scratch buffer then). */
static void decoding_never_needs_more_than_was_asked_for(void **unused)
{
    (void)unused;
    static const char *const texts[] = {
        "('[' .. ('1,'):rep(N) .. '1]')",
        "('[' .. ('[],'):rep(N) .. '1]')",
        "('[' .. ('{},'):rep(N) .. '1]')",
        "('[' .. ('[1],'):rep(N) .. '1]')",
        "('[' .. ('[1,2,3],'):rep(N) .. '1]')",
        "('[' .. ('{\"a\":1},'):rep(N) .. '1]')",
        "('[' .. ('{\"a\":1,\"b\":2,\"c\":3,\"d\":4,\"e\":5},'):rep(N) .. '1]')",
        "(function() local t = {} for i = 1, N do t[i] = i end\n"
        "  return '[\"' .. table.concat(t, '\",\"') .. '\"]' end)()",
        "(function() local t = {} for i = 1, N do t[i] = ('\"k%d\":%d'):format(i, i) end\n"
        "  return '{' .. table.concat(t, ',') .. '}' end)()",
        "(function() local t = {} for i = 1, N do t[i] = ('\"k%d\":\"v%d\"'):format(i, i) end\n"
        "  return '{' .. table.concat(t, ',') .. '}' end)()",
        "('[\"' .. ('x'):rep(N) .. '\"]')",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        for (int bits = 0; bits <= 16; bits += 2) {
            int n = (1 << bits) + 1; /* tables have just doubled */
            struct rig r;
            char code[512];
            int results;
            lua_State *L = rig_new(&r);
            lua_pushcfunction(L, rig_wait);
            sandbox_set_global(L, "here");
            lua_State *co = lua_newthread(L);
            snprintf(code, sizeof(code),
                     "local N = %d cjson.decode('1') local s = %s here() return cjson.decode(s)", n,
                     texts[i]);
            r.begin_us = rig_now();
            assert_int_equal(sandbox_load(co, code, strlen(code), "=script"), LUA_OK);
            assert_int_equal(lua_resume(co, L, 0, &results), LUA_YIELD);
            lua_gc(L, LUA_GCCOLLECT);
            lua_gc(L, LUA_GCSTOP); /* so that the peak counts everything that decoding allocates */
            r.peak = r.probe = 0;
            size_t before = r.used;
            r.begin_us = rig_now();
            if (lua_resume(co, L, 0, &results) != LUA_OK)
                fail_msg("%s: %s", code, lua_tostring(co, -1));
            /* The probe is the first allocation after the mark, and the largest. */
            if (r.peak - before > r.probe)
                fail_msg("%s: asked for %zu, took %zu", code, r.probe, r.peak - before);
            lua_close(L);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(removed_keys_are_walked_over_in_time),
        cmocka_unit_test(cjson_is_held),
        cmocka_unit_test(decoding_never_needs_more_than_was_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
