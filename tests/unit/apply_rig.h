/* apply_rig.h: an execution that applies a manifest to a fake API server, on a loop of the test's own. */
#pragma once

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
    "{\"resource\":\"pods\",\"responseKind\":{\"kind\":\"Pod\"},\"scope\":\"Namespaced\","
    "\"singularResource\":\"pod\",\"verbs\":[]},"
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
    options.shell.mode = SHELL_ANY;
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
        assert_true(len <= EVENT_BYTES_MAX);
        assert_null(memchr(json, 0, len));
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
