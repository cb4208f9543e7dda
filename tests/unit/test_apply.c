/* A manifest from the start request to its last event, against an API server of the test's own: what
 * is sent, what is never sent, and what is said of it. */
#include "exec/execution.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/json-write.h"
#include "exec/bundle.h"
#include "exec/journal.h"
#include "exec/request.h"
#include "guard/auth.h"
#include "io/redact.h"
#include "kube_world.h"
#include "script/pack.h"

#include <sys/stat.h>

static const char core_kinds[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"items\":["
    "{\"metadata\":{},\"versions\":[{\"version\":\"v1\",\"resources\":["
    "{\"resource\":\"configmaps\",\"responseKind\":{\"kind\":\"ConfigMap\"},\"scope\":\"Namespaced\","
    "\"singularResource\":\"configmap\",\"verbs\":[]},"
    "{\"resource\":\"secrets\",\"responseKind\":{\"kind\":\"Secret\"},\"scope\":\"Namespaced\","
    "\"singularResource\":\"secret\",\"verbs\":[]},"
    "{\"resource\":\"namespaces\",\"responseKind\":{\"kind\":\"Namespace\"},\"scope\":\"Cluster\","
    "\"singularResource\":\"namespace\",\"verbs\":[]}]}]}]}";

static const char no_groups[] = "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[]}";

/* What the server answers to `method` on a target that begins so; the first one that fits. */
struct scripted {
    const char *method, *target;
    int status;
    const char *body;
    enum fake_deed deed;
};

struct rig {
    struct world *w;
    struct redactor *redactor;
    struct packs *packs;
    struct executions *executions;
    const struct scripted *scripted;
    char *dirs[2];
    struct buf events, body;
    struct execution *execution; /* the last one, kept */
    struct journal_view *view;
    int news, ended;
    bool drained;
    size_t events_count;
};

static void rig_answer(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    struct world *w = api->arg;
    struct rig *rig = w->arg;
    if (str_eq(asked->target, "/api") || str_eq(asked->target, "/apis")) {
        answer->body = str_eq(asked->target, "/api") ? core_kinds : no_groups;
        return;
    }
    for (const struct scripted *s = rig->scripted; s && s->method; s++)
        if (str_eq(s->method, asked->method) && str_starts(asked->target, s->target)) {
            *answer = (struct fake_answer){.deed = s->deed, .status = s->status, .body = s->body};
            return;
        }
    if (str_eq(asked->method, "GET")) {
        answer->status = 404;
        answer->body = "{\"kind\":\"Status\",\"reason\":\"NotFound\",\"message\":\"not there\",\"code\":404}";
        return;
    }
    /* A write is answered with what was sent. */
    buf_clear(&rig->body);
    buf_puts(&rig->body, asked->body);
    answer->status = str_eq(asked->method, "PATCH") ? 201 : 200;
    answer->body = buf_str(&rig->body);
}

static int rig_setup(void **state)
{
    if (world_setup(state))
        return -1;
    struct rig *rig = mem_new(sizeof(*rig));
    rig->w = *state;
    rig->w->arg = rig;
    rig->w->api.fn = rig_answer;
    rig->redactor = redactor_new(NULL);
    rig->dirs[0] = world_file(rig->w, "own");
    mkdir(rig->dirs[0], 0755);
    static const char *const folders[] = {"own/resources", "own/lib"};
    for (size_t i = 0; i < 2; i++) {
        char *path = world_file(rig->w, folders[i]);
        mkdir(path, 0755);
        free(path);
    }
    *state = rig;
    return 0;
}

/* `apply` is the body of the function that applies ConfigMaps; NULL: the host's own. */
static void rig_open_limited(struct rig *rig, const char *apply, struct executions_options options)
{
    if (apply) {
        char *text =
            mem_printf("return resource { name = \"configmaps\", kind = \"ConfigMap\", help = \"x\", "
                       "versions = { \"v1\" }, apply = function(ctx, obj)\n%s\nend }\n",
                       apply);
        world_put(rig->w, "own/resources/configmaps.lua", 0644, text);
        free(text);
    }
    world_must_open(rig->w, "{}");
    rig->packs = packs_new(rig->w->loop, TEST_DATA "/../../..", (const char *const *)rig->dirs);
    size_t faults;
    const struct pack_fault *fault = pack_faults(packs_current(rig->packs), &faults);
    if (faults)
        fail_msg("%s", fault->text);
    options.loop = rig->w->loop;
    options.clusters = rig->w->clusters;
    options.packs = rig->packs;
    options.redactor = rig->redactor;
    options.shell = true;
    rig->executions = executions_new(&options);
}

static void rig_open(struct rig *rig, const char *apply)
{
    rig_open_limited(rig, apply, (struct executions_options){0});
}

static void rig_forget(struct rig *rig)
{
    journal_view_close(&rig->view);
    execution_drop(rig->execution);
    rig->execution = NULL;
}

static int rig_teardown(void **state)
{
    struct rig *rig = *state;
    struct world *w = rig->w;
    rig_forget(rig);
    if (rig->executions)
        executions_free(rig->executions);
    if (rig->packs)
        packs_free(rig->packs);
    free(rig->dirs[0]);
    buf_free(&rig->events);
    buf_free(&rig->body);
    *state = w;
    int rc = world_teardown(state);
    redactor_free(rig->redactor);
    free(rig);
    return rc;
}

static void rig_news(void *arg)
{
    struct rig *rig = arg;
    const char *json;
    size_t len;
    while ((json = journal_view_next(rig->view, &len)) != NULL) {
        assert_true(len <= JOURNAL_EVENT_BYTES);
        assert_int_equal(len, strlen(json));
        rig->events_count++;
        buf_append(&rig->events, json, len);
        buf_putc(&rig->events, '\n');
    }
    rig->news++;
    rig->ended = journal_view_at_end(rig->view);
}

/* `more` are further members: `,"mode":"dry-run"`. */
static struct execution *rig_ask(struct rig *rig, const char *yaml, const char *more, const char *role,
                                 struct err *err)
{
    struct buf json = {0};
    struct json_writer w = JSON_WRITER(&json);
    struct user user = {.name = "me", .method = "local"};
    snprintf(user.role, sizeof(user.role), "%s", role);
    jsonw_begin_object(&w);
    jsonw_member(&w, "intent", "apply-yaml");
    if (!strstr(more, "\"namespace\""))
        jsonw_member(&w, "namespace", "apps");
    jsonw_member(&w, "yaml", yaml);
    buf_puts(&json, more);
    jsonw_end_object(&w);
    struct start_request *request = start_request_parse(json.data, json.len, err);
    buf_free(&json);
    return request ? executions_start(rig->executions, request, &user, err) : NULL;
}

static void rig_start(struct rig *rig, const char *yaml, const char *more)
{
    struct err err;
    rig_forget(rig);
    buf_clear(&rig->events);
    rig->ended = 0;
    rig->events_count = 0;
    struct execution *ex = rig_ask(rig, yaml, more, "admin", &err);
    if (!ex)
        fail_msg("%s", err.text);
    rig->execution = execution_keep(ex);
    rig->view = journal_view_open(execution_journal(ex), 0, rig_news, rig);
}

static const char *rig_run(struct rig *rig, const char *yaml, const char *more)
{
    rig_start(rig, yaml, more);
    until(rig->w, &rig->ended, 1);
    return buf_str(&rig->events);
}

static void says(struct rig *rig, const char *wanted)
{
    if (!strstr(buf_str(&rig->events), wanted))
        fail_msg("not said: %s\n%s", wanted, buf_str(&rig->events));
}

static void never_says(struct rig *rig, const char *unwanted)
{
    if (strstr(buf_str(&rig->events), unwanted))
        fail_msg("said: %s\n%s", unwanted, buf_str(&rig->events));
}

static size_t sent(const struct rig *rig, const char *method)
{
    size_t n = 0;
    for (size_t i = 0; i < rig->w->api.count; i++)
        n += str_eq(rig->w->api.asked[i].method, method);
    return n;
}

#define MAP "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {k: v}\n"

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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
