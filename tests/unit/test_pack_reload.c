/* What a change of a script becomes. */
#include "pack_place.h"

static void turn_until(struct loop *loop, struct packs *packs, unsigned generation, size_t faults)
{
    uint64_t limit = clock_mono_ms() + 10000;
    size_t count;
    for (;;) {
        pack_faults(packs_current(packs), &count);
        if (pack_generation(packs_current(packs)) >= generation && count == faults)
            return;
        assert_true(clock_mono_ms() < limit);
        loop_turn(loop);
    }
}

static const char ours[] = "return resource { name = 'x', kind = 'X', help = 'first', ready = print }";

static void a_change_is_a_new_generation_and_a_bad_one_keeps_the_last_good(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "own/resources/x.lua", ours);
    struct loop *loop = loop_new();
    struct packs *packs = packs_new(loop, p->shipped, p->dirs);
    struct pack *first = pack_keep(packs_current(packs));
    assert_no_faults(first);
    put(p, "own/resources/x.lua", "return resource { name = 'x', kind = 'X', help = 'second' }");
    turn_until(loop, packs, 2, 0);
    assert_string_equal(pack_resource(packs_current(packs), "x")->help, "second");
    assert_string_equal(pack_resource(first, "x")->help, "first");

    put(p, "own/resources/x.lua", "return resource { name = 'x', kind = }");
    put(p, "own/resources/y.lua", "return resource { name = 'y', kind = 'Y', help = 'new' }");
    turn_until(loop, packs, 3, 1);
    const struct pack_fault *faults = pack_faults(packs_current(packs), &count);
    assert_true(faults[0].kept);
    assert_non_null(strstr(faults[0].text, "/own/resources/x.lua:1: unexpected symbol"));
    assert_string_equal(pack_resource(packs_current(packs), "x")->help, "second");
    assert_string_equal(pack_resource(packs_current(packs), "y")->help, "new");

    /* The last good form outlives several bad ones, and works. */
    put(p, "own/resources/x.lua", "return resource { name = 'x' }");
    unsigned before = pack_generation(packs_current(packs));
    turn_until(loop, packs, before + 1, 1);
    assert_string_equal(pack_resource(packs_current(packs), "x")->help, "second");
    before = pack_generation(packs_current(packs));
    drop(p, "own/resources/x.lua");
    turn_until(loop, packs, before + 1, 0);
    assert_null(pack_resource(packs_current(packs), "x"));
    pack_drop(first);
    packs_free(packs);
    assert_int_equal(loop_close(loop), 0);
}

static void a_module_that_breaks_others_leaves_the_generation_running(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "own/lib/words.lua", "return { name = 'x' }");
    put(p, "own/resources/x.lua",
        "return resource { name = require('lib.words').name, kind = 'X', help = 'h' }");
    struct loop *loop = loop_new();
    struct packs *packs = packs_new(loop, p->shipped, p->dirs);
    assert_no_faults(packs_current(packs));
    put(p, "own/lib/words.lua", "return { name = 5 }");
    turn_until(loop, packs, 1, 1);
    assert_int_equal(pack_generation(packs_current(packs)), 1);
    const struct pack_fault *faults = pack_faults(packs_current(packs), &count);
    assert_true(faults[0].kept);
    assert_non_null(strstr(faults[0].text, "/own/resources/x.lua:1: field \"name\" must be a string"));
    assert_non_null(pack_resource(packs_current(packs), "x"));
    put(p, "own/lib/words.lua", "return { name = 'z' }");
    turn_until(loop, packs, 2, 0);
    assert_non_null(pack_resource(packs_current(packs), "z"));
    packs_free(packs);
    assert_int_equal(loop_close(loop), 0);
}

static void a_guardrail_that_breaks_while_running_stays_in_force(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "own/guardrails/g.lua",
        "return guardrail { name = 'g', level = 'deny', help = 'h', check = print }");
    struct loop *loop = loop_new();
    struct packs *packs = packs_new(loop, p->shipped, p->dirs);
    put(p, "own/guardrails/g.lua", "return guardrail { name = 'g', level = 'deny', help = 'h' }");
    turn_until(loop, packs, 2, 1);
    assert_null(pack_guardrail_fault(packs_current(packs)));
    pack_guardrails(packs_current(packs), &count);
    assert_int_equal(count, 1);
    /* Two files for its name: the one that held it keeps it. */
    put(p, "own/guardrails/a.lua",
        "return guardrail { name = 'g', level = 'observe', help = 'h', check = print }");
    turn_until(loop, packs, 3, 2);
    assert_string_equal(pack_guardrails(packs_current(packs), &count)[0].level, "deny");
    assert_int_equal(count, 1);
    assert_null(pack_guardrail_fault(packs_current(packs)));
    /* A reload that is still at work when all ends. */
    packs_reload(packs);
    packs_reload(packs);
    packs_free(packs);
    assert_int_equal(loop_close(loop), 0);
}

static void fifty_files_load_without_holding_up_the_loop(void **state)
{
    struct place *p = *state;
    for (int i = 0; i < 50; i++) {
        char *name = mem_printf("shipped/resources/r%d.lua", i);
        char *text = mem_printf("return resource { name = 'r%d', kind = 'R%d', help = 'h' }", i, i);
        put(p, name, text);
        free(name);
        free(text);
    }
    struct loop *loop = loop_new();
    struct packs *packs = packs_new(loop, p->shipped, p->dirs);
    assert_no_faults(packs_current(packs));
    uint64_t began = clock_mono_us(), longest = 0;
    packs_reload(packs);
    while (pack_generation(packs_current(packs)) < 2) {
        uint64_t at = clock_cpu_us();
        loop_turn(loop);
        at = clock_cpu_us() - at;
        longest = at > longest ? at : longest;
    }
    print_message("  50 files: %.1f ms, the loop held for %.1f ms at most\n",
                  (double)(clock_mono_us() - began) / 1000, (double)longest / 1000);
    assert_true(longest < 100000);
    packs_free(packs);
    assert_int_equal(loop_close(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(a_change_is_a_new_generation_and_a_bad_one_keeps_the_last_good),
        PLACE_TEST(a_module_that_breaks_others_leaves_the_generation_running),
        PLACE_TEST(a_guardrail_that_breaks_while_running_stays_in_force),
        PLACE_TEST(fifty_files_load_without_holding_up_the_loop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
