#include "apply_rig.h"

static void a_manifest_is_applied_and_told_of_in_order(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, NULL);
    rig_run(rig, MAP, "");
    says(rig, "\"text\":\"configmap/a created\"");
    says(rig, "\"created\":1");
    const char *planned = strstr(buf_str(&rig->events), "\"planned\"");
    const char *running = strstr(buf_str(&rig->events), "\"running\"");
    const char *succeeded = strstr(buf_str(&rig->events), "\"succeeded\"");
    assert_true(planned && running > planned && succeeded > running);
    assert_int_equal(sent(rig, "PATCH"), 1);
}

/* ---- a script does not get around the gate ---- */

static void a_refused_call_leaves_nothing_behind_that_a_later_one_would_touch(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "for i = 1, 200 do\n"
                  "  local other = { apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'x', "
                  "namespace = 'elsewhere' } }\n"
                  "  local done, err = ctx:try(function() return ctx:update(other) end)\n"
                  "  assert(not done and err.code == 'forbidden')\n"
                  "  for j = 1, 200 do local garbage = { j, tostring(j) .. 'x' } end\n"
                  "  ctx:sleep(0)\n"
                  "end\n"
                  "return ctx:apply(obj)");
    rig_run(rig, MAP, "");
    says(rig, "configmap/a created");
    assert_int_equal(sent(rig, "PUT"), 0);
}

static void a_dry_run_deletes_nothing_whatever_the_propagation(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "ctx:delete(obj, { propagation = 'Background' })\nreturn obj, 'deleted'");
    rig_run(rig, MAP, ",\"mode\":\"dry-run\"");
    const struct fake_asked *asked = &rig->w->api.asked[rig->w->api.count - 1];
    assert_string_equal(asked->method, "DELETE");
    /* With a body the API server does not look at the query, so dryRun would be lost. */
    assert_string_equal(asked->body, "");
    assert_non_null(strstr(asked->target, "dryRun=All"));
    assert_non_null(strstr(asked->target, "propagationPolicy=Background"));
}

static void a_subresource_is_a_word_and_no_path(void **state)
{
    static const char *const words[] = {
        "status#", "../../b/configmaps/x", "scale?dryRun=", "a/b", "%2e%2e", "status&x=y", "..", "sta tus"};
    struct rig *rig = *state;
    struct buf lua = {0};
    buf_puts(&lua, "local refused = 0\nfor _, word in ipairs {");
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        buf_printf(&lua, "'%s',", words[i]);
    buf_puts(&lua, "} do\n"
                   "  local ok, err = ctx:try(function()\n"
                   "    return ctx:patch(obj, { data = { a = 'b' } }, { subresource = word })\n"
                   "  end)\n"
                   "  if not ok then refused = refused + 1; ctx:line('%s', err.message) end\n"
                   "end\n"
                   "ctx:line('%d refused', refused)\n"
                   "return obj, 'unchanged'");
    rig_open(rig, buf_str(&lua));
    buf_free(&lua);
    rig_run(rig, MAP, ",\"mode\":\"dry-run\"");
    says(rig, "\"8 refused\"");
    assert_int_equal(sent(rig, "PATCH"), 0);
}

/* lib.ctx is the shipped one; a team's own in its place gets the host's primitives bare. */
static void the_gate_holds_for_the_bare_primitives_too(void **state)
{
    static const char *const calls[] = {
        "'delete', target, { kind = 'DeleteOptions', apiVersion = 'v1' }, nil",
        "'update', target, target, { content_type = 'application/apply-patch+yaml' }",
        "'apply', target, target, { content_type = 'application/merge-patch+json' }",
        "'apply', target, target, nil",
        "'create', target, target, { subresource = 'other' }",
        "'create', target, target, { content_type = 'application/yaml' }",
        "'list', target, nil, { subresource = 'other' }",
        "'get', target, target, nil",
        "'update', target, target, { query = 'dryRun=&dryRun=All' }",
        "'update', target, target, { query = 'force=true#' }",
        "'delete', target, nil, { query = 'dryRun=' }",
        "'delete', target, nil, { query = 'x=1&dry%52un=' }",
        "'update', target, target, { query = 'fieldManager=other' }",
    };
    struct rig *rig = *state;
    struct buf lua = {0};
    buf_puts(&lua, "local apply = require 'lib.apply'\nlocal refused = 0\n"
                   "return function(core, fields)\n"
                   "  local ctx = fields\n"
                   "  function ctx:try_all(target)\n");
    for (size_t i = 0; i < sizeof(calls) / sizeof(calls[0]); i++)
        buf_printf(
            &lua,
            "    do local ok, err = pcall(core.request, %s)\n"
            "      if ok then core.line('stderr', 'taken: %zu') else core.line('stdout', err.message) end\n"
            "    end\n",
            calls[i], i);
    buf_puts(&lua, "  end\n  return ctx\nend\n");
    world_put(rig->w, "own/lib/ctx.lua", 0644, buf_str(&lua));
    buf_free(&lua);
    rig_open(rig, "ctx:try_all(obj)\nreturn obj, 'unchanged'");
    rig_run(rig, MAP, ",\"mode\":\"dry-run\"");
    never_says(rig, "taken: ");
    assert_int_equal(sent(rig, "GET") + sent(rig, "PUT") + sent(rig, "PATCH") + sent(rig, "POST") +
                         sent(rig, "DELETE"),
                     sent(rig, "GET"));
}

/* ---- what is said of a write whose answer never came ---- */

static void a_write_without_an_answer_is_in_doubt(void **state)
{
    static const struct scripted script[] = {{"PATCH", "/", .deed = FAKE_CLOSE}, {0}};
    struct rig *rig = *state;
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_run(rig, MAP, "");
    says(rig, "\"outcome\":\"in-doubt\"");
    says(rig, "configmap/a in doubt: ");
    says(rig, "\"exitCode\":1");
}

static void nothing_of_a_dry_run_is_in_doubt(void **state)
{
    static const struct scripted script[] = {{"PATCH", "/", .deed = FAKE_CLOSE}, {0}};
    struct rig *rig = *state;
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_run(rig, MAP, ",\"mode\":\"dry-run\"");
    never_says(rig, "in-doubt");
    says(rig, "\"outcome\":\"failed\",\"message\"");
}

static void rig_cancel(struct rig *rig)
{
    struct err err;
    struct user user = {.name = "me", .role = "admin"};
    assert_int_equal(execution_cancel(rig->execution, &user, &err), 0);
    /* Twice is no error, or it has ended by now. */
    if (execution_cancel(rig->execution, &user, &err))
        assert_int_equal(err.code, ERR_CONFLICT);
    until(rig->w, &rig->ended, 1);
    says(rig, "\"outcome\":\"cancelled\"");
    says(rig, "\"exitCode\":130");
    says(rig, "cancelled by me");
}

static void until_sent(struct rig *rig, const char *method)
{
    struct timer *limit = timer_start(rig->w->loop, 10000, too_late, &rig->w->late);
    while (!sent(rig, method) && !rig->w->late)
        loop_turn(rig->w->loop);
    assert_false(rig->w->late);
    timer_stop(&limit);
}

static void cancelled_before_anything_is_sent_it_ends_at_once(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, NULL);
    rig_start(rig, MAP, "");
    rig_cancel(rig); /* its begin is still deferred */
    struct buf yaml = {0};
    buf_puts(&yaml, MAP);
    for (int i = 0; i < 20000; i++)
        buf_puts(&yaml, "# a comment that makes it long enough for the pool\n");
    rig_start(rig, buf_str(&yaml), "");
    while (!strstr(buf_str(&rig->events), "Validating"))
        loop_turn(rig->w->loop);
    rig_cancel(rig); /* on the pool */
    rig_start(rig, buf_str(&yaml), "");
    while (!strstr(buf_str(&rig->events), "Validating"))
        loop_turn(rig->w->loop);
    rig_forget(rig);
    executions_free(rig->executions); /* the job still has its text */
    rig->executions = NULL;
    buf_free(&yaml);
    assert_int_equal(sent(rig, "PATCH"), 0);
}

static void cancelled_while_it_asks_what_is_there_nothing_was_started(void **state)
{
    static const struct scripted script[] = {{"GET", "/api/v1/namespaces", .deed = FAKE_HANG}, {0}};
    struct rig *rig = *state;
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_start(rig, MAP, "");
    until_sent(rig, "GET");
    while (!fake_api_asked(&rig->w->api, "/api/v1/namespaces/apps/configmaps/a"))
        loop_turn(rig->w->loop);
    rig_cancel(rig);
    says(rig, "\"outcome\":\"not-started\"");
}

static void cancelled_with_a_patch_on_its_way_it_is_in_doubt(void **state)
{
    static const struct scripted script[] = {{"PATCH", "/", .deed = FAKE_HANG}, {0}};
    struct rig *rig = *state;
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_start(rig, MAP, "");
    until_sent(rig, "PATCH");
    rig_cancel(rig);
    says(rig, "\"outcome\":\"in-doubt\"");
    rig_start(rig, MAP, ",\"mode\":\"dry-run\"");
    fake_api_forget(&rig->w->api);
    until_sent(rig, "PATCH");
    rig_cancel(rig);
    says(rig, "\"outcome\":\"not-started\"");
    never_says(rig, "in doubt");
}

static void cancelled_after_a_part_of_it_was_written_it_is_not_called_not_started(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "local a, b = ctx:apply(obj)\nctx:line('written')\nctx:sleep(3600)\nreturn a, b");
    rig_start(rig, MAP, "");
    while (!strstr(buf_str(&rig->events), "written"))
        loop_turn(rig->w->loop);
    rig_cancel(rig);
    never_says(rig, "not-started");
    says(rig, "\"outcome\":\"failed\",\"message\":\"cancelled after ");
}

static void queued_ones_are_cancelled_and_drained(void **state)
{
    static const struct scripted script[] = {{"PATCH", "/", .deed = FAKE_HANG}, {0}};
    struct rig *rig = *state;
    struct err err;
    rig->scripted = script;
    rig_open_limited(rig, NULL, (struct executions_options){.max_running = 1, .max_queued = 2});
    rig_start(rig, MAP, ",\"executionId\":\"first\"");
    until_sent(rig, "PATCH");
    assert_non_null(rig_ask(rig, MAP, ",\"executionId\":\"q1\"", "admin", &err));
    assert_non_null(rig_ask(rig, MAP, ",\"executionId\":\"q2\"", "admin", &err));
    assert_null(rig_ask(rig, MAP, "", "admin", &err));
    assert_int_equal(err.code, ERR_BUSY);
    struct user me = {.name = "me", .role = "admin"};
    assert_int_equal(execution_cancel(executions_find(rig->executions, "q1"), &me, &err), 0);
    executions_drain(rig->executions, 50, too_late, &rig->drained);
    assert_null(rig_ask(rig, MAP, "", "admin", &err));
    assert_int_equal(err.code, ERR_BUSY);
    assert_true(execution_ended(executions_find(rig->executions, "q2")));
    until(rig->w, &rig->ended, 1);
    while (!rig->drained)
        loop_turn(rig->w->loop);
    says(rig, "cancelled by the host, which stops");
    says(rig, "\"outcome\":\"in-doubt\"");
    assert_int_equal(executions_running(rig->executions), 0);
}

/* ---- nobody holds the loop ---- */

static void the_longest_kind_takes_no_time(void **state)
{
    struct bundle bundle = {0};
    struct err err;
    struct buf yaml = {0};
    (void)state;
    buf_puts(&yaml, "apiVersion: v1\nmetadata: {name: a}\nkind: ");
    for (int i = 0; i < 200 * 1024; i++)
        buf_putc(&yaml, 'K');
    uint64_t began = clock_mono_ms();
    assert_int_equal(bundle_parse(&bundle, yaml.data, yaml.len, &err), 0);
    assert_true(clock_mono_ms() - began < 500);
    bundle_free(&bundle);
    buf_free(&yaml);
}

static void a_script_says_what_it_has_to_say_in_pieces(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "local function said(text) return pcall(ctx.line, ctx, text) end\n"
                  "assert(not said(('\\n'):rep(1000000)))\n"
                  "assert(not said(('x'):rep(1 << 20)))\n"
                  "assert(said(('y'):rep(1 << 17)))\n"
                  "assert(said('one\\ntwo'))\n"
                  "return obj, 'unchanged'");
    rig_run(rig, MAP, "");
    says(rig, "\"text\":\"one\"");
    says(rig, "\"text\":\"two\"");
    says(rig, "more bytes of this line are not kept]");
    says(rig, "\"outcome\":\"succeeded\"");
}

static void manifests_that_are_kept_or_wait_have_a_bound_in_bytes(void **state)
{
    static const struct scripted script[] = {{"PATCH", "/", .deed = FAKE_HANG}, {0}};
    struct rig *rig = *state;
    struct err err;
    struct buf yaml = {0};
    rig_open_limited(rig, NULL, (struct executions_options){.max_running = 1, .max_bytes = 64 * 1024});
    buf_puts(&yaml, MAP);
    while (yaml.len < 30 * 1024)
        buf_puts(&yaml, "# nothing\n");
    rig_run(rig, buf_str(&yaml), ",\"executionId\":\"e1\"");
    rig_run(rig, buf_str(&yaml), ",\"executionId\":\"e2\"");
    rig_run(rig, buf_str(&yaml), ",\"executionId\":\"e3\"");
    turn_for(rig->w, 10);
    assert_null(executions_find(rig->executions, "e1"));
    assert_non_null(executions_find(rig->executions, "e3"));
    rig->scripted = script;
    rig_start(rig, buf_str(&yaml), "");
    assert_non_null(rig_ask(rig, buf_str(&yaml), "", "admin", &err));
    assert_non_null(rig_ask(rig, buf_str(&yaml), "", "admin", &err));
    assert_null(rig_ask(rig, buf_str(&yaml), "", "admin", &err));
    assert_int_equal(err.code, ERR_BUSY);
    buf_free(&yaml);
}

static void an_empty_name_beside_generateName_is_none(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, NULL);
    rig_run(rig, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: '', generateName: a-}\n", "");
    assert_int_equal(sent(rig, "POST"), 1);
    rig_run(rig, "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: , generateName: a-}\n", "");
    assert_int_equal(sent(rig, "POST"), 2);
}

static void a_dry_run_takes_out_what_would_go_and_not_the_way_to_it(void **state)
{
#define LABELLED(fields, manager, operation)                                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"namespace\":\"apps\","     \
    "\"uid\":"                                                                                               \
    "\"u\",\"labels\":{\"drop\":\"1\"},\"managedFields\":[{\"manager\":\"" manager                           \
    "\",\"operation\":\"" operation                                                                          \
    "\",\"apiVersion\":\"v1\",\"fieldsType\":\"FieldsV1\",\"fieldsV1\":" fields                              \
    "}]},\"data\":{\"k\":\"v\"}}"
    static const char live[] =
        LABELLED("{\"f:metadata\":{\"f:labels\":{\".\":{},\"f:drop\":{}}},\"f:data\":{\".\":{},\"f:k\":{}}}",
                 "tool", "Update");
    static const char answer[] = LABELLED("{\"f:data\":{\"f:k\":{}}}", "moonsail", "Apply");
    static const struct scripted script[] = {
        {.method = "GET", .target = "/api/v1/namespaces/apps/", .status = 200, .body = live},
        {.method = "PATCH", .target = "/", .status = 200, .body = answer},
        {0}};
    struct rig *rig = *state;
    rig->scripted = script;
    rig_open(rig, NULL);
    rig_run(rig, MAP, ",\"mode\":\"dry-run\",\"takeOver\":[\"tool\"]");
    says(rig, "ownership would move from tool to moonsail");
    says(rig, "would be configured");
    const struct fake_asked *asked = &rig->w->api.asked[rig->w->api.count - 1];
    assert_string_equal(asked->method, "PUT");
    assert_non_null(strstr(asked->target, "dryRun=All"));
    assert_non_null(strstr(asked->body, "\"name\":\"a\""));
    assert_non_null(strstr(asked->body, "\"k\":\"v\""));
    assert_null(strstr(asked->body, "labels"));
}

static void a_call_without_a_namespace_is_in_that_of_the_context(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, "local x = { apiVersion = 'v1', kind = 'ConfigMap', metadata = { name = 'x' } }\n"
                  "local a, b = ctx:try(function() return 1, ctx:get(x) end)\n"
                  "assert(a == 1 and b == nil)\n"
                  "local c, d = ctx:try(function() return 1, 2 end)\n"
                  "assert(c == 1 and d == 2)\n"
                  "return obj, 'unchanged'");
    rig_run(rig, MAP, ",\"namespace\":\"\",\"allowClusterWide\":true");
    says(rig, "\"outcome\":\"succeeded\"");
    assert_int_equal(fake_api_asked(&rig->w->api, "/api/v1/namespaces/apps/configmaps/x"), 1);
}

static void a_kind_that_nobody_serves_is_not_asked_for_twice_in_a_moment(void **state)
{
    struct rig *rig = *state;
    rig_open(rig, NULL);
    rig_run(rig, "apiVersion: example.com/v1\nkind: Foo\nmetadata: {name: a}\n", "");
    says(rig, "no matches for kind \\\"Foo\\\" in version \\\"example.com/v1\\\"");
    assert_int_equal(sent(rig, "GET"), 2); /* /api and /apis */
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_manifest_is_applied_and_told_of_in_order),
        TEST(a_refused_call_leaves_nothing_behind_that_a_later_one_would_touch),
        TEST(a_dry_run_deletes_nothing_whatever_the_propagation),
        TEST(a_subresource_is_a_word_and_no_path),
        TEST(the_gate_holds_for_the_bare_primitives_too),
        TEST(a_write_without_an_answer_is_in_doubt),
        TEST(nothing_of_a_dry_run_is_in_doubt),
        TEST(cancelled_before_anything_is_sent_it_ends_at_once),
        TEST(cancelled_while_it_asks_what_is_there_nothing_was_started),
        TEST(cancelled_with_a_patch_on_its_way_it_is_in_doubt),
        TEST(cancelled_after_a_part_of_it_was_written_it_is_not_called_not_started),
        cmocka_unit_test(the_longest_kind_takes_no_time),
        TEST(a_script_says_what_it_has_to_say_in_pieces),
        TEST(manifests_that_are_kept_or_wait_have_a_bound_in_bytes),
        TEST(an_empty_name_beside_generateName_is_none),
        TEST(a_dry_run_takes_out_what_would_go_and_not_the_way_to_it),
        TEST(a_call_without_a_namespace_is_in_that_of_the_context),
        TEST(queued_ones_are_cancelled_and_drained),
        TEST(a_kind_that_nobody_serves_is_not_asked_for_twice_in_a_moment),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
