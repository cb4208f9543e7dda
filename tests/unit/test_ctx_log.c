/* ctx:logs: a Pod's log as lines, and where it goes on. */
#include "apply_rig.h"

#define LOGS(options)                                                                                        \
    "local lines, last, why = ctx:logs({ apiVersion = 'v1', kind = 'Pod', name = 'web' }, " options ")\n"    \
    "ctx:line('%d lines, the last at %s, %s', lines, last or '-', why or 'to its end')\n"                    \
    "return obj, 'unchanged'"

static const char *log_asked(const struct rig *rig)
{
    for (size_t i = 0; i < rig->w->api.count; i++)
        if (strstr(rig->w->api.asked[i].target, "/pods/web/log?"))
            return rig->w->api.asked[i].target;
    fail_msg("no log was asked for");
    return "";
}

static void log_run(struct rig *rig, const char *lua, const struct scripted *scripted)
{
    rig_open(rig, lua);
    rig->scripted = scripted;
    rig_run(rig, MAP, "");
}

static void the_times_are_asked_for_and_not_shown(void **state)
{
    static const struct scripted scripted[] = {
        {"GET", "/api/v1/namespaces/apps/pods/web/log", 200,
         "2026-01-01T00:00:00.100000000Z one\n2026-01-01T00:00:01.200000000+01:00 \n"
         "2026 is no time\n2026-01-01T00:00:02.300000000Z two",
         FAKE_ANSWER},
        {0}};
    struct rig *rig = *state;
    log_run(rig, LOGS("{ container = 'c', tail = 5, prefix = '[web/c] ' }"), scripted);
    assert_non_null(strstr(log_asked(rig), "timestamps=true&container=c&tailLines=5"));
    says(rig, "\"[web/c] one\"");
    says(rig, "\"[web/c] \"");
    says(rig, "\"[web/c] 2026 is no time\"");
    says(rig, "\"[web/c] two\"");
    says(rig, "4 lines, the last at 2026-01-01T00:00:02.300000000Z, to its end");
}

static void they_are_shown_where_that_is_asked_for(void **state)
{
    static const struct scripted scripted[] = {{"GET", "/api/v1/namespaces/apps/pods/web/log", 200,
                                                "2026-01-01T00:00:00.100000000Z one\n", FAKE_ANSWER},
                                               {0}};
    log_run(*state, LOGS("{ timestamps = true }"), scripted);
    says(*state, "\"2026-01-01T00:00:00.100000000Z one\"");
}

static void a_log_that_goes_on_repeats_no_line(void **state)
{
    static const struct scripted scripted[] = {
        {"GET", "/api/v1/namespaces/apps/pods/web/log", 200,
         "2026-01-01T00:00:05.100000000+01:00 known\n2026-01-01T00:00:05.200000000+01:00 known too\n"
         "2026-01-01T00:00:05.300000000+01:00 new\n2026-01-01T00:00:05.300000000+01:00 at the same time\n",
         FAKE_ANSWER},
        {0}};
    struct rig *rig = *state;
    log_run(rig, LOGS("{ after = '2026-01-01T00:00:05.200000000+01:00' }"), scripted);
    assert_non_null(strstr(log_asked(rig), "sinceTime=2026-01-01T00%3A00%3A05.200000000%2B01%3A00"));
    never_says(rig, "known");
    says(rig, "\"new\"");
    says(rig, "\"at the same time\"");
    says(rig, "2 lines, ");
}

static void nothing_but_a_time_goes_into_the_query(void **state)
{
    struct rig *rig = *state;
    log_run(rig, LOGS("{ after = '2026&follow=true' }"), NULL);
    says(rig, "after must be a time that an earlier call gave");
    assert_int_equal(sent(rig, "GET"), 2); /* discovery alone */
}

static void one_that_breaks_off_says_how_far_it_came(void **state)
{
    static const struct scripted scripted[] = {
        {"GET", "/api/v1/namespaces/apps/pods/web/log", 200, "", FAKE_STREAM}, {0}};
    static const char text[] = "2026-01-01T00:00:00.100000000Z one\n2026-01-01T00:00:01.100000000Z tw";
    struct rig *rig = *state;
    rig_open(rig, LOGS("{ follow = true }"));
    rig->scripted = scripted;
    rig_start(rig, MAP, "");
    while (!rig->w->api.stream)
        uv_run(loop_uv(rig->w->loop), UV_RUN_ONCE);
    fake_stream(&rig->w->api, text, sizeof(text) - 1);
    while (!strstr(buf_str(&rig->events), "\"one\""))
        uv_run(loop_uv(rig->w->loop), UV_RUN_ONCE);
    fake_close(rig->w->api.stream);
    until(rig->w, &rig->ended, 1);
    says(rig, "the last at 2026-01-01T00:00:00.100000000Z, ");
    never_says(rig, "to its end");
    never_says(rig, "\"tw\"");
}

static void one_that_is_refused_raises_the_servers_words(void **state)
{
    static const struct scripted scripted[] = {{"GET", "/api/v1/namespaces/apps/pods/web/log", 400,
                                                "{\"kind\":\"Status\",\"reason\":\"BadRequest\",\"code\":400,"
                                                "\"message\":\"it is waiting to start\"}",
                                                FAKE_ANSWER},
                                               {0}};
    log_run(*state, LOGS("{}"), scripted);
    says(*state, "configmap/a failed: it is waiting to start");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_times_are_asked_for_and_not_shown),    TEST(they_are_shown_where_that_is_asked_for),
        TEST(a_log_that_goes_on_repeats_no_line),       TEST(nothing_but_a_time_goes_into_the_query),
        TEST(one_that_breaks_off_says_how_far_it_came), TEST(one_that_is_refused_raises_the_servers_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
