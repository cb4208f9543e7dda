/* Applies, flows and plans that end before their time, at every moment: nothing is used that is gone, nothing
 * is said after the end. */
#include "apply_rig.h"

#include "exec/images.h"
#include "exec/plan.h"
#include "loop/loop.h"

static char *many_maps(size_t count)
{
    struct buf text = {0};
    for (size_t i = 0; i < count; i++)
        buf_printf(&text, "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: m%zu}\ndata: {k: v}\n", i);
    return buf_take(&text);
}

static void until_says(struct rig *rig, const char *wanted)
{
    bool late = false;
    struct timer *limit = timer_start(rig->w->loop, 10000, too_late, &late);
    while (!late && !strstr(buf_str(&rig->events), wanted))
        loop_turn(rig->w->loop);
    timer_stop(&limit);
    if (late)
        fail_msg("not said: %s\n%s", wanted, buf_str(&rig->events));
}

static void until_streams(struct rig *rig)
{
    bool late = false;
    struct timer *limit = timer_start(rig->w->loop, 10000, too_late, &late);
    while (!late && !rig->w->api.stream)
        loop_turn(rig->w->loop);
    timer_stop(&limit);
    assert_false(late);
}

static void cancel(struct rig *rig)
{
    execution_cancel(rig->execution, &(struct user){.name = "me", .role = "admin"}, NULL);
    until(rig->w, &rig->ended, 1);
}

/* Turns the loop a few times, as often as `n` says. */
static void some_turns(struct rig *rig, unsigned n)
{
    while (n-- > 0)
        uv_run(loop_uv(rig->w->loop), UV_RUN_NOWAIT);
}

/* ---- what a script waits for ---- */

static const struct scripted watched[] = {
    {"GET", "/api/v1/namespaces/apps/configmaps?", 200, "", FAKE_STREAM},
    {"GET", "/api/v1/namespaces/apps/pods/web/log", 200, "", FAKE_STREAM},
    {0}};

static void change(struct rig *rig, const char *type, const char *version)
{
    char *text = mem_printf(
        "{\"type\":\"%s\",\"object\":{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"%s\"}}}\n", type,
        version);
    fake_stream(&rig->w->api, text, strlen(text));
    free(text);
}

static void a_state_from_before_the_known_one_is_no_change(void **state)
{
    struct rig *rig = *state;
    rig->scripted = watched;
    rig_open(rig, "local first = ctx:next_change(obj, '10', 5)\n"
                  "ctx:line('first ' .. first.metadata.resourceVersion)\n"
                  "local second, why = ctx:next_change(obj, '200', 5)\n"
                  "ctx:line('second ' .. (second and second.metadata.resourceVersion or why))\n"
                  "local third, what = ctx:next_change(obj, '300', 5)\n"
                  "ctx:line('third ' .. (third and third.metadata.resourceVersion or what))\n"
                  "return obj, 'unchanged'");
    rig_start(rig, MAP, "");
    until_streams(rig);
    change(rig, "MODIFIED", "99");
    until_says(rig, "first 99");
    change(rig, "MODIFIED", "150");
    change(rig, "DELETED", "160");
    turn_for(rig->w, 50);
    never_says(rig, "second");
    change(rig, "ADDED", "201");
    until_says(rig, "second 201");
    change(rig, "DELETED", "301");
    until_says(rig, "third deleted");
    until(rig->w, &rig->ended, 1);
}

static void who_waits_for_a_change_may_be_cancelled(void **state)
{
    struct rig *rig = *state;
    rig->scripted = watched;
    rig_open(rig, "ctx:next_change(obj, '10', 5)\nctx:next_change(obj, '999', 60)\nreturn obj, 'unchanged'");
    for (unsigned i = 0; i < 30; i++) {
        rig_start(rig, MAP, "");
        some_turns(rig, i);
        cancel(rig);
    }
    rig_start(rig, MAP, "");
    until_streams(rig);
    change(rig, "MODIFIED", "99");
    turn_for(rig->w, 20);
    cancel(rig);
}

static void who_reads_a_log_may_be_cancelled(void **state)
{
    struct rig *rig = *state;
    rig->scripted = watched;
    rig_open(rig, "ctx:logs({ apiVersion = 'v1', kind = 'Pod', name = 'web' }, { follow = true })\n"
                  "return obj, 'unchanged'");
    for (unsigned i = 0; i < 30; i++) {
        rig_start(rig, MAP, "");
        some_turns(rig, i);
        if (rig->w->api.stream)
            fake_stream(&rig->w->api, "2026-01-01T00:00:00.1Z x\nhalf", 29);
        some_turns(rig, i % 4);
        cancel(rig);
    }
}

/* ---- many documents ---- */

static void many_documents_are_cancelled_at_any_moment(void **state)
{
    struct rig *rig = *state;
    char *text = many_maps(300);
    rig_open(rig, NULL);
    srand(7);
    for (unsigned i = 0; i < 12; i++) {
        rig_start(rig, text, i % 3 == 2 ? ",\"mode\":\"dry-run\"" : "");
        some_turns(rig, i == 0 ? 0 : (unsigned)rand() % 60);
        cancel(rig);
        rig_forget(rig);
        fake_api_forget(&rig->w->api);
    }
    free(text);
}

static void a_slow_one_lets_others_go_ahead_but_not_all_of_them(void **state)
{
    static const struct scripted hang[] = {
        {"GET", "/api/v1/namespaces/apps/configmaps/m0", .deed = FAKE_HANG}, {0}};
    struct rig *rig = *state;
    char *text = many_maps(300);
    rig->scripted = hang;
    rig_open(rig, NULL);
    rig_start(rig, text, "");
    while (sent(rig, "PATCH") < 40)
        turn_for(rig->w, 20);
    turn_for(rig->w, 500);
    assert_true(sent(rig, "PATCH") < 200);
    cancel(rig);
    says(rig, "\"ref\":\"configmap/m1\",\"namespace\":\"apps\",\"outcome\":\"created\"");
    free(text);
}

static void nothing_is_said_after_the_end(void **state)
{
    struct rig *rig = *state;
    char *text = many_maps(8);
    rig_open(rig, "local t = {}\nfor i = 1, 1e9 do t[i] = ('x'):rep(1000) .. i end");
    rig_run(rig, text, "");
    turn_for(rig->w, 50);
    const char *end = strstr(buf_str(&rig->events), "\"type\":\"complete\"");
    assert_non_null(end);
    if (strchr(end, '\n')[1])
        fail_msg("after the end: %s", strchr(end, '\n') + 1);
    free(text);
}

/* ---- plans ---- */

struct planned {
    int done;
};

static void plan_is_made(void *arg, struct buf *result)
{
    ((struct planned *)arg)->done++;
    buf_free(result);
}

static struct plan *plan(struct rig *rig, const char *yaml, struct planned *planned)
{
    struct buf json = {0};
    struct json_writer w = JSON_WRITER(&json);
    struct err err;
    jsonw_begin_object(&w);
    jsonw_member(&w, "intent", "apply-yaml");
    jsonw_member(&w, "namespace", "apps");
    jsonw_member(&w, "yaml", yaml);
    jsonw_end_object(&w);
    struct start_request *request = start_request_parse(json.data, json.len, &err);
    buf_free(&json);
    struct plan *plan = plan_start(rig->executions, request, &(struct user){.name = "me", .role = "admin"},
                                   plan_is_made, planned, &err);
    if (!plan)
        fail_msg("%s", err.text);
    return plan;
}

static void who_asked_for_a_plan_may_leave_at_any_moment(void **state)
{
    static const struct scripted refused[] = {{"PATCH", "/api/v1/namespaces/apps/configmaps/m1", 422,
                                               "{\"kind\":\"Status\",\"reason\":\"Invalid\",\"message\":"
                                               "\"no\",\"code\":422,\"details\":{\"causes\":["
                                               "{\"field\":\"data.k\",\"message\":\"no\"}]}}",
                                               FAKE_ANSWER},
                                              {0}};
    struct rig *rig = *state;
    char *few = many_maps(4), *many = many_maps(1500);
    struct planned planned = {0};
    rig->scripted = refused;
    rig_open(rig, NULL);
    for (unsigned i = 0; i < 60 && !planned.done; i++) {
        struct plan *p = plan(rig, few, &planned);
        some_turns(rig, i);
        if (!planned.done)
            plan_cancel(&p);
        fake_api_forget(&rig->w->api);
    }
    planned.done = 0;
    for (unsigned i = 0; i < 10; i++) {
        struct plan *p = plan(rig, many, &planned);
        some_turns(rig, i * 3);
        if (!planned.done)
            plan_cancel(&p);
        planned.done = 0;
        fake_api_forget(&rig->w->api);
    }
    free(few);
    free(many);
}

/* ---- guardrails ---- */

static void guardrail(struct rig *rig, const char *check)
{
    char *path = world_file(rig->w, "own/guardrails"),
         *text = mem_printf(
             "return guardrail { name = 'g', level = 'deny', help = 'x', resources = { 'configmaps' },\n"
             "check = function(req, obj) %s end }\n",
             check);
    mkdir(path, 0755);
    world_put(rig->w, "own/guardrails/g.lua", 0644, text);
    free(path);
    free(text);
}

static void what_is_judged_may_be_cancelled_at_every_stage(void **state)
{
    struct rig *rig = *state;
    guardrail(rig, "return warn('data', 'so so')");
    rig_open(rig, "ctx:try(function() ctx:patch(obj, { data = { k = 'w' } }) end)\nreturn ctx:apply(obj)");
    static const struct scripted there[] = {{"GET", "/api/v1/namespaces/apps/configmaps/a", 200,
                                             "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{"
                                             "\"name\":\"a\",\"resourceVersion\":\"1\"}}",
                                             FAKE_ANSWER},
                                            {0}};
    rig->scripted = there;
    for (unsigned i = 0; i < 80; i++) {
        rig_start(rig, MAP, "");
        some_turns(rig, i);
        if (!rig->ended)
            cancel(rig);
        rig_forget(rig);
        fake_api_forget(&rig->w->api);
    }
}

static void the_same_name_in_two_namespaces_is_warned_of_twice(void **state)
{
    struct rig *rig = *state;
    guardrail(rig, "return warn('data', 'so so in %s', obj.metadata.namespace)");
    rig_open(rig, NULL);
    rig_run(rig, MAP "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, namespace: other}\n",
            ",\"namespace\":\"apps\",\"allowClusterWide\":true");
    says(rig, "so so in other (");
}

/* ---- flows ---- */

static void flow_open(struct rig *rig, const char *run)
{
    char *path = world_file(rig->w, "own/flows"),
         *text = mem_printf(
             "return flow { name = 'mine', label = 'Mine', action = 'update', help = 'x', resources = {},\n"
             "run = function(ctx, input)\n%s\nend }\n",
             run);
    mkdir(path, 0755);
    world_put(rig->w, "own/flows/mine.lua", 0644, text);
    free(path);
    free(text);
    rig_open(rig, NULL);
}

static void flow_start(struct rig *rig)
{
    static const char json[] = "{\"intent\":\"mine\",\"namespace\":\"apps\"}";
    struct err err;
    rig_forget(rig);
    buf_clear(&rig->events);
    rig->ended = 0;
    struct start_request *request = start_request_parse(json, sizeof(json) - 1, &err);
    struct execution *ex = request ? executions_start(rig->executions, request,
                                                      &(struct user){.name = "me", .role = "admin"}, &err)
                                   : NULL;
    if (!ex)
        fail_msg("%s", err.text);
    rig->execution = execution_keep(ex);
    rig->view = journal_view_open(execution_journal(ex), 0, rig_news, rig);
}

static void options_that_raise_start_no_command(void **state)
{
    struct rig *rig = *state;
    flow_open(rig, "local options = setmetatable({}, { __index = function(_, key)\n"
                   "  if key == 'quiet' then error('no ' .. key) end\nend })\n"
                   "ctx:line('it says ' .. tostring(select(2, pcall(ctx.exec, ctx, 'true', {}, options))))\n"
                   "ctx:sleep(0.01)\nctx:line('and goes on')");
    flow_start(rig);
    until(rig->w, &rig->ended, 1);
    says(rig, "no quiet");
    says(rig, "and goes on");
    says(rig, "\"status\":\"succeeded\"");
}

static void what_was_deferred_runs_although_a_command_does_not_end(void **state)
{
    struct rig *rig = *state;
    flow_open(rig, "ctx:defer(function() ctx:line('cleaned up') end)\n"
                   "ctx:exec('sh', { '-c', 'trap \"\" TERM; echo begun; while :; do sleep 0.1; done' })");
    flow_start(rig);
    until_says(rig, "\"begun\"");
    cancel(rig);
    says(rig, "cleaned up");
}

static void a_flow_may_be_cancelled_while_it_cleans_up(void **state)
{
    struct rig *rig = *state;
    flow_open(rig, "ctx:defer(function() ctx:line('cleans'); ctx:sleep(0.05); ctx:line('cleaned') end)\n"
                   "ctx:spawn(function() ctx:sleep(0.02) end)\n"
                   "ctx:spawn(function() ctx:exec('true') end)");
    for (unsigned i = 0; i < 60; i += 2) {
        flow_start(rig);
        turn_for(rig->w, i * 2);
        if (!rig->ended)
            cancel(rig);
    }
}

/* ---- what a script may not ask for ---- */

static void no_subresource_leads_into_a_pod_and_no_name_into_a_query(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "local pod = { apiVersion = 'v1', kind = 'Pod', metadata = { name = 'p' } }\n"
                  "for _, word in ipairs { 'proxy', 'exec', 'attach', 'portforward' } do\n"
                  "  local _, err = ctx:try(function() ctx:get(pod, { subresource = word }) end)\n"
                  "  ctx:line('%s', err.message)\n"
                  "  _, err = ctx:try(function() ctx:patch(pod, {}, { subresource = word }) end)\n"
                  "  ctx:line('%s', err.message)\nend\n"
                  "pod.metadata.name = 'p&resourceVersion=0'\n"
                  "ctx:line('%s', select(2, pcall(ctx.next_change, ctx, pod, '1', 1)))\n"
                  "return obj, 'unchanged'");
    rig_run(rig, MAP, ",\"mode\":\"dry-run\"");
    says(rig, "\\\"proxy\\\" is no subresource of one object");
    says(rig, "\\\"portforward\\\" is no subresource of one object");
    says(rig, "one that no object has");
    assert_int_equal(sent(rig, "GET"), 2); /* discovery */
    assert_int_equal(sent(rig, "PATCH"), 0);
}

/* ---- what is kept ---- */

static void images_of_nothing_have_a_bound_too(void **state)
{
    struct images images = {0};
    (void)state;
    for (size_t i = 0; i < 1000000; i++)
        images_add(&images, NULL, 0, NULL, 0);
    assert_true(images.count * sizeof(struct image) <= IMAGES_BYTES_MAX);
    assert_int_equal(images.count + images.omitted, 1000000);
    images_free(&images);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_state_from_before_the_known_one_is_no_change, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(who_waits_for_a_change_may_be_cancelled, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(who_reads_a_log_may_be_cancelled, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(many_documents_are_cancelled_at_any_moment, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(a_slow_one_lets_others_go_ahead_but_not_all_of_them, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(nothing_is_said_after_the_end, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(who_asked_for_a_plan_may_leave_at_any_moment, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(what_is_judged_may_be_cancelled_at_every_stage, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(the_same_name_in_two_namespaces_is_warned_of_twice, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(options_that_raise_start_no_command, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(what_was_deferred_runs_although_a_command_does_not_end, rig_setup,
                                        rig_teardown),
        cmocka_unit_test_setup_teardown(a_flow_may_be_cancelled_while_it_cleans_up, rig_setup, rig_teardown),
        cmocka_unit_test_setup_teardown(no_subresource_leads_into_a_pod_and_no_name_into_a_query, rig_setup,
                                        rig_teardown),
        cmocka_unit_test(images_of_nothing_have_a_bound_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
