#include "apply_rig.h"

#include "exec/judge.h"

/* ---- guardrails in the way of a write ---- */

#define LIVE                                                                                                 \
    "{\"apiVersion\":\"v1\",\"kind\":\"ConfigMap\",\"metadata\":{\"name\":\"a\",\"namespace\":\"apps\"},"    \
    "\"data\":{\"k\":\"live\"}}"

static const struct scripted there[] = {
    {"GET", "/api/v1/namespaces/apps/configmaps/a", .status = 200, .body = LIVE}, {0}};

/* The guardrail's check, its file `own/guardrails/g.lua`. */
static void guard(struct rig *rig, const char *level, const char *check)
{
    char *dir = world_file(rig->w, "own/guardrails");
    mkdir(dir, 0755);
    char *text = mem_printf("return guardrail { name = 'g', level = '%s', help = 'h', resources = { "
                            "'configmaps' }, check = function(req, obj)\n%s\nend }\n",
                            level, check);
    world_put(rig->w, "own/guardrails/g.lua", 0644, text);
    free(text);
    free(dir);
}

static void a_patch_is_judged_by_what_it_would_make(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if obj.data.k == 'bad' then return deny('data.k', 'no %s', obj.data.k) end");
    rig->scripted = there;
    rig_open(rig,
             "local done, err = ctx:try(function() return ctx:patch(obj, { data = { k = 'bad' } }) end)\n"
             "ctx:line('%s: %s', err.code, err.message)\nreturn obj, 'unchanged'");
    rig_run(rig, MAP, "");
    says(rig, "\"text\":\"forbidden: guardrail g: data.k: no bad (");
    assert_int_equal(sent(rig, "PATCH"), 1);
    assert_non_null(strstr(rig->w->api.asked[rig->w->api.count - 1].target, "dryRun=All"));
}

static void a_patch_that_may_be_is_sent_after_its_dry_run(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if obj.data.k == 'bad' then return deny('no') end");
    rig->scripted = there;
    rig_open(rig, "ctx:patch(obj, { data = { k = 'good' } })\nreturn obj, 'configured'");
    rig_run(rig, MAP, "");
    says(rig, "configmap/a configured");
    assert_int_equal(sent(rig, "PATCH"), 2);
    assert_null(strstr(rig->w->api.asked[rig->w->api.count - 1].target, "dryRun"));
}

static void a_delete_is_judged_by_what_is_there(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if req.action == 'delete' then return deny('data.k', 'keep %s', obj.data.k) end");
    rig->scripted = there;
    rig_open(rig, "ctx:delete(obj)\nreturn obj, 'deleted'");
    rig_run(rig, MAP, "");
    says(rig, "configmap/a failed: guardrail g: data.k: keep live (");
    assert_int_equal(sent(rig, "DELETE"), 0);
}

static void a_manifest_that_is_deleted_is_judged_by_what_is_there(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if obj.data.k == 'live' then return deny('%s', req.action, 'keep it') end");
    rig->scripted = there;
    rig_open(rig, NULL);
    rig_run(rig, MAP, ",\"action\":\"delete\"");
    says(rig, "configmap/a denied by guardrail g: delete: keep it (");
    assert_int_equal(sent(rig, "DELETE"), 0);
    rig->scripted = NULL; /* what is not there is nobody's to keep */
    rig_run(rig, MAP, ",\"action\":\"delete\"");
    never_says(rig, "denied");
}

static void what_a_handler_makes_of_the_object_is_judged_too(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if obj.data.k == 'bad' then return deny('no') end");
    rig_open(rig, "obj.data.k = 'bad'\nctx:create(obj)\nreturn obj, 'created'");
    rig_run(rig, MAP, "");
    says(rig, "configmap/a failed: guardrail g: no (");
    assert_int_equal(sent(rig, "POST"), 0);
}

static void a_denied_document_stops_the_others_before_anything_is_sent(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "if obj.metadata.name == 'b' then return deny('no') end");
    rig_open(rig, NULL);
    rig_run(rig, MAP "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\ndata: {k: v}\n", "");
    says(rig, "configmap/b denied by guardrail g: no (");
    says(rig, "\"ref\":\"configmap/a\",\"namespace\":\"apps\",\"outcome\":\"not-started\"");
    says(rig, "\"level\":\"deny\"");
    assert_int_equal(sent(rig, "PATCH"), 0);
}

static void an_object_that_cannot_be_read_is_not_judged_and_not_written(void **state)
{
    static const struct scripted refuses[] = {
        {"GET", "/api/v1/namespaces/apps", .status = 403,
         .body = "{\"kind\":\"Status\",\"reason\":\"Forbidden\",\"message\":\"not for you\",\"code\":403}"},
        {0}};
    struct rig *rig = *state;
    guard(rig, "deny", "return nil");
    rig->scripted = refuses;
    rig_open(rig, NULL);
    rig_run(rig, MAP, "");
    says(rig, "configmap/a failed: a guardrail concerns it, and the live object cannot be read: not for you");
    assert_int_equal(sent(rig, "PATCH"), 0);
}

static void cancelled_while_a_write_is_judged_nothing_is_in_doubt(void **state)
{
    static const struct scripted hangs[] = {
        {"GET", "/api/v1/namespaces/apps/configmaps/a", .status = 200, .body = LIVE},
        {"PATCH", "/", .deed = FAKE_HANG},
        {0}};
    struct rig *rig = *state;
    struct err err;
    guard(rig, "deny", "return nil");
    rig->scripted = hangs;
    rig_open(rig, "ctx:patch(obj, { data = { k = 'x' } })\nreturn obj, 'configured'");
    rig_start(rig, MAP, "");
    while (!sent(rig, "PATCH"))
        loop_turn(rig->w->loop);
    assert_int_equal(execution_cancel(rig->execution, &(struct user){.name = "me", .role = "admin"}, &err),
                     0);
    until(rig->w, &rig->ended, 1);
    never_says(rig, "in-doubt");
    says(rig, "\"outcome\":\"not-started\"");
}

static void where_none_is_concerned_nothing_more_is_asked(void **state)
{
    struct rig *rig = *state;
    guard(rig, "deny", "return deny('no')");
    rig_open(rig, NULL);
    rig_run(rig, "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {k: v}\n", "");
    says(rig, "secret/a created");
    assert_int_equal(fake_api_asked(&rig->w->api, "/api/v1/namespaces/apps/secrets/a"), 2);
}

/* ---- the judge alone ---- */

static void judged(struct rig *rig, struct verdicts *v)
{
    struct judge *judge = judge_new(NULL, packs_current(rig->packs));
    struct judge_case c = {.resource = "configmaps", .ref = "x", .json = LIVE, .json_len = strlen(LIVE)};
    while (!judge_some(judge, &c, v))
        ;
    judge_free(judge);
}

static void a_guardrail_changes_nothing_for_the_next_one_and_none_escapes_by_anothers_end(void **state)
{
    struct rig *rig = *state;
    struct verdicts v = {0};
    guard(rig, "deny", "obj.data.k = 'x' while true do pcall(function() while true do end end) end");
    world_put(rig->w, "own/guardrails/h.lua", 0644,
              "return guardrail { name = 'h', level = 'deny', help = 'h', check = function(req, obj)\n"
              "return { warn('data.k', 'is %s', obj.data.k), deny('no') } end }");
    rig_open(rig, NULL);
    judged(rig, &v);
    assert_int_equal(v.count, 3);
    assert_non_null(strstr(v.items[0].message, "g.lua:2: ended after 50 ms"));
    assert_string_equal(v.items[1].level, "warn");
    assert_string_equal(v.items[1].message, "is live");
    assert_string_equal(v.items[2].field, "");
    assert_true(v.denied);
    verdicts_free(&v);
}

static void of_endless_verdicts_a_bound_is_kept_and_the_denial_is_among_them(void **state)
{
    struct rig *rig = *state;
    struct verdicts v = {0};
    guard(rig, "deny",
          "local all = {} for i = 1, 500 do all[i] = warn('f', '%s', ('x'):rep(5000)) end\n"
          "all[501] = deny('no') return all");
    rig_open(rig, NULL);
    judged(rig, &v);
    assert_int_equal(v.count, 100);
    assert_true(strlen(v.items[0].message) < 1100);
    assert_string_equal(verdicts_denial(&v)->message, "no");
    verdicts_free(&v);
}

static void what_cannot_be_given_or_changed_denies(void **state)
{
    struct rig *rig = *state;
    struct verdicts v = {0};
    guard(rig, "deny", "req.bundle[1] = 1");
    world_put(rig->w, "own/guardrails/h.lua", 0644,
              "return guardrail { name = 'h', level = 'deny', help = 'h', needs = { 'dry-run' },\n"
              "check = function(req, obj) end }");
    rig_open(rig, NULL);
    judged(rig, &v);
    assert_int_equal(v.count, 2);
    assert_non_null(strstr(v.items[0].message, "req.bundle is for reading"));
    assert_non_null(strstr(v.items[1].message, "it needs the result of a dry-run"));
    verdicts_free(&v);
}

#define RIG_TEST(f) cmocka_unit_test_setup_teardown(f, rig_setup, rig_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        RIG_TEST(a_patch_is_judged_by_what_it_would_make),
        RIG_TEST(a_patch_that_may_be_is_sent_after_its_dry_run),
        RIG_TEST(a_delete_is_judged_by_what_is_there),
        RIG_TEST(a_manifest_that_is_deleted_is_judged_by_what_is_there),
        RIG_TEST(what_a_handler_makes_of_the_object_is_judged_too),
        RIG_TEST(a_denied_document_stops_the_others_before_anything_is_sent),
        RIG_TEST(an_object_that_cannot_be_read_is_not_judged_and_not_written),
        RIG_TEST(cancelled_while_a_write_is_judged_nothing_is_in_doubt),
        RIG_TEST(where_none_is_concerned_nothing_more_is_asked),
        RIG_TEST(a_guardrail_changes_nothing_for_the_next_one_and_none_escapes_by_anothers_end),
        RIG_TEST(of_endless_verdicts_a_bound_is_kept_and_the_denial_is_among_them),
        RIG_TEST(what_cannot_be_given_or_changed_denies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
