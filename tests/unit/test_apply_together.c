#include "apply_rig.h"

#include "base/clock.h"

/* Documents of one stage under way at the same time: what is told of each, and in which order. */

static char *maps(const char *const *names)
{
    struct buf text = {0};
    for (; *names; names++)
        buf_printf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: %s}\ndata: {k: v}\n",
                   *names);
    return buf_take(&text);
}

/* Turns the loop until the server was asked so often; discovery aside. */
static void until_asked(struct rig *rig, size_t wanted)
{
    uint64_t limit = clock_mono_us() + 10000000;
    for (;;) {
        size_t asked = 0;
        for (size_t i = 0; i < rig->w->api.count; i++)
            asked += str_starts(rig->w->api.asked[i].target, "/api/v1/");
        if (asked >= wanted)
            return;
        if (clock_mono_us() > limit)
            fail_msg("asked %zu times, not %zu", asked, wanted);
        turn_for(rig->w, 20);
    }
}

static size_t place(const struct rig *rig, const char *wanted)
{
    const char *text = buf_str(&rig->events), *at = strstr(text, wanted);
    if (!at)
        fail_msg("not said: %s\n%s", wanted, text);
    return at ? (size_t)(at - text) : 0;
}

static size_t asked_place(const struct rig *rig, const char *method, const char *target)
{
    for (size_t i = 0; i < rig->w->api.count; i++)
        if (str_eq(rig->w->api.asked[i].method, method) && strstr(rig->w->api.asked[i].target, target))
            return i;
    fail_msg("nobody asked %s %s", method, target);
    return 0;
}

static void the_slow_first_one_is_told_first_and_keeps_nobody_from_going_out(void **state)
{
    static const char *const names[] = {"slow", "quick", "third", NULL};
    struct rig *rig = *state;
    char *text = maps(names);
    rig_open(rig, "if obj.metadata.name == 'slow' then ctx:sleep(0.2) end\n"
                  "ctx:line('of ' .. obj.metadata.name)\nreturn ctx:apply(obj)");
    rig_run(rig, text, "");
    assert_true(asked_place(rig, "PATCH", "/quick") < asked_place(rig, "PATCH", "/slow"));
    static const char *const order[] = {
        "\"detail\":\"configmap/slow\"",  "\"text\":\"of slow\"",  "\"text\":\"configmap/slow created\"",
        "\"detail\":\"configmap/quick\"", "\"text\":\"of quick\"", "\"text\":\"configmap/quick created\"",
        "\"detail\":\"configmap/third\"", "\"text\":\"of third\"", "\"text\":\"configmap/third created\"",
    };
    for (size_t i = 1; i < sizeof(order) / sizeof(order[0]); i++)
        assert_true(place(rig, order[i - 1]) < place(rig, order[i]));
    says(rig, "\"created\":3");
    never_says(rig, "stderr");
    free(text);
}

static void sixteen_go_out_at_once_and_no_more(void **state)
{
    static const struct scripted hang[] = {{"GET", "/api/v1/namespaces/apps/configmaps", .deed = FAKE_HANG},
                                           {0}};
    char names[20][4];
    const char *list[21] = {0};
    struct rig *rig = *state;
    for (size_t i = 0; i < 20; i++) {
        snprintf(names[i], sizeof(names[i]), "m%zu", i);
        list[i] = names[i];
    }
    char *text = maps(list);
    rig->scripted = hang;
    rig_open(rig, NULL);
    rig_start(rig, text, "");
    until_asked(rig, 16);
    turn_for(rig->w, 100);
    assert_int_equal(sent(rig, "GET"), 2 + 16); /* with the two of discovery */
    execution_cancel(rig->execution, &(struct user){.name = "me", .role = "admin"}, NULL);
    until(rig->w, &rig->ended, 1);
    free(text);
}

/* One got no answer, one asked only what is there, one has ended and was not told yet. */
static void cancelled_each_is_told_as_it_was(void **state)
{
    static const struct scripted script[] = {
        {"PATCH", "/api/v1/namespaces/apps/configmaps/doubt", .deed = FAKE_HANG},
        {"GET", "/api/v1/namespaces/apps/configmaps/asks", .deed = FAKE_HANG},
        {0},
    };
    static const char *const names[] = {"doubt", "asks", "done", NULL};
    struct rig *rig = *state;
    char *text = maps(names);
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_start(rig, text, "");
    until_asked(rig, 3 + 2);
    turn_for(rig->w, 100); /* the answer of the one that ends is read */
    execution_cancel(rig->execution, &(struct user){.name = "me", .role = "admin"}, NULL);
    until(rig->w, &rig->ended, 1);
    says(rig, "configmap/doubt in doubt: the request was sent and its answer was not waited for");
    says(rig, "configmap/done created");
    says(rig, "\"ref\":\"configmap/doubt\",\"namespace\":\"apps\",\"outcome\":\"in-doubt\"");
    says(rig, "\"ref\":\"configmap/asks\",\"namespace\":\"apps\",\"outcome\":\"not-started\"");
    says(rig, "\"ref\":\"configmap/done\",\"namespace\":\"apps\",\"outcome\":\"created\"");
    free(text);
}

static void a_script_that_must_be_ended_ends_all_and_what_was_written_is_told(void **state)
{
    static const char *const names[] = {"first", "loops", NULL};
    struct rig *rig = *state;
    char *text = maps(names);
    rig_open(rig,
             "if obj.metadata.name == 'loops' then\n"
             "  ctx:sleep(0.1)\n  local t = {}\n  for i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end\nend\n"
             "local result, outcome = ctx:apply(obj)\nctx:sleep(5)\nreturn result, outcome");
    rig_run(rig, text, "");
    says(rig,
         "configmap/first failed: stopped: a script of this execution had to be ended after a part of it was "
         "written");
    says(rig, "configmap/loops failed: ");
    says(rig, "\"status\":\"failed\"");
    free(text);
}

static void the_same_object_twice_goes_one_after_the_other(void **state)
{
    static const char *const names[] = {"same", "same", NULL};
    struct rig *rig = *state;
    char *text = maps(names);
    rig_open(rig, "ctx:log('begun')\nctx:sleep(0.05)\nreturn ctx:apply(obj)");
    rig_run(rig, text, "");
    size_t first = asked_place(rig, "PATCH", "/same"), gets = 0;
    for (size_t i = 0; i < first; i++)
        gets += strstr(rig->w->api.asked[i].target, "/same") != NULL;
    assert_int_equal(gets, 1); /* the second has not even asked */
    assert_int_equal(sent(rig, "PATCH"), 2);
    free(text);
}

static void what_a_script_says_before_its_turn_has_a_bound(void **state)
{
    static const char *const names[] = {"first", "talks", NULL};
    struct rig *rig = *state;
    char *text = maps(names);
    rig_open(rig,
             "if obj.metadata.name == 'first' then ctx:sleep(0.5) return ctx:apply(obj) end\n"
             "local line = ('y'):rep(1000)\nfor _ = 1, 5000 do ctx:line(line) end\nreturn ctx:apply(obj)");
    rig_run(rig, text, "");
    says(rig, "configmap/first created");
    says(rig, "is said before it is this document's turn");
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_slow_first_one_is_told_first_and_keeps_nobody_from_going_out),
        TEST(sixteen_go_out_at_once_and_no_more),
        TEST(cancelled_each_is_told_as_it_was),
        TEST(a_script_that_must_be_ended_ends_all_and_what_was_written_is_told),
        TEST(the_same_object_twice_goes_one_after_the_other),
        TEST(what_a_script_says_before_its_turn_has_a_bound),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
