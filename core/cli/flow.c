/* flow.c: runs a flow on one object; without an object tells what it needs, without a name which there are.
 */
#include "exec/flow.h"
#include "base/err.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/host.h"
#include "cli/session.h"
#include "cli/text.h"
#include "script/pack.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what there is ---- */

static const char *member(json_t *object, const char *key)
{
    return str_or(json_string_value(json_object_get(object, key)), "");
}

/* The flows of the scripts here, as a host would tell them. */
static int flow_catalogue_here(const struct flags *flags, struct buf *out)
{
    struct err err;
    size_t count;
    char *shipped = host_shipped(&err);
    if (!shipped)
        return command_fail(EXIT_FAILED, "%s", err.text);
    struct pack *pack = pack_load(shipped, flag_list(flags, "scripts"));
    const struct pack_flow *flows = pack_flows(pack, &count);
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    jsonw_key(&w, "flows");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        flow_write(&w, &flows[i]);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    pack_drop(pack);
    free(shipped);
    return EXIT_OK;
}

/* The flows of the host that would run one, a list of their descriptions; NULL: *code tells, and the message
 * is given. */
static json_t *flow_catalogue(const struct flags *flags, int *code)
{
    struct session_host host = {0};
    struct buf body = {0};
    json_t *root = NULL;
    *code = session_find_host(flags, &host);
    if (*code == EXIT_OK)
        *code = host.url ? call_host(&host, "GET", "/api/flows", &body) : flow_catalogue_here(flags, &body);
    if (*code == EXIT_OK) {
        root = json_loadb(buf_str(&body), body.len, 0, NULL);
        if (!json_is_array(json_object_get(root, "flows")))
            *code = command_fail(EXIT_FAILED, "the host does not say which flows it has");
    }
    json_t *flows = *code ? NULL : json_incref(json_object_get(root, "flows"));
    json_decref(root);
    session_host_free(&host);
    buf_free(&body);
    return flows;
}

static void flow_print_input(FILE *to, const char *name, json_t *input)
{
    json_t *otherwise = json_object_get(input, "default"), *words = json_object_get(input, "enum");
    struct buf text = {0};
    buf_printf(&text, "%s", member(input, "help"));
    if (json_is_true(json_object_get(input, "required")))
        buf_printf(&text, "%srequired", text.len ? "; " : "");
    json_t *const shown[] = {words, otherwise};
    for (size_t i = 0; i < 2; i++) {
        char *one = shown[i] ? json_dumps(shown[i], JSON_ENCODE_ANY | JSON_COMPACT) : NULL;
        if (one)
            buf_printf(&text, "%s%s %s", text.len ? "; " : "", i ? "default" : "one of", one);
        free(one);
    }
    int at = fprintf(to, "    -i %s=%s ", name, member(input, "type"));
    text_wrap(to, buf_str(&text), (size_t)at, 8);
    buf_free(&text);
}

static void flow_print(FILE *to, json_t *flow)
{
    struct buf on = {0};
    size_t i;
    json_t *resource, *input;
    const char *name;
    int at = fprintf(to, "%s ", member(flow, "name"));
    text_wrap(to, member(flow, "help"), (size_t)at, 4);
    json_array_foreach(json_object_get(flow, "resources"), i, resource)
    {
        const char *word = str_or(json_string_value(resource), "");
        buf_printf(&on, "%s%s", i ? ", " : "", str_eq(word, "*") ? "any object" : word);
    }
    if (on.len) {
        fprintf(to, "    on ");
        text_wrap(to, buf_str(&on), 7, 7);
    }
    json_object_foreach(json_object_get(flow, "input"), name, input)
    {
        flow_print_input(to, name, input);
    }
    buf_free(&on);
}

static int flow_list(const struct flags *flags)
{
    int code;
    size_t i;
    json_t *flows = flow_catalogue(flags, &code), *flow;
    bool json = flag_on(flags, "json");
    if (json && flows && json_dumpf(flows, stdout, JSON_COMPACT) == 0)
        putchar('\n');
    json_array_foreach(flows, i, flow)
    {
        if (!json)
            flow_print(stdout, flow);
    }
    if (flows && json_array_size(flows) == 0)
        fputs("There are no flows.\n", stderr);
    json_decref(flows);
    return code;
}

/* What this flow needs, for who named no object; EXIT_OK where it is of none and so can run. */
static int flow_explain(const struct flags *flags, const char *name)
{
    int code;
    size_t i;
    bool known = false, alone = false;
    json_t *flows = flow_catalogue(flags, &code), *flow;
    json_array_foreach(flows, i, flow)
    {
        if (!str_eq(member(flow, "name"), name))
            continue;
        known = true;
        alone = json_array_size(json_object_get(flow, "resources")) == 0;
        if (!alone)
            flow_print(stderr, flow);
    }
    json_decref(flows);
    if (code || alone)
        return code;
    if (!known)
        return command_fail(EXIT_USAGE, "no flow is named \"%s\"; moonsail flow lists them", name);
    return command_fail(EXIT_USAGE, "which object? moonsail flow %s RESOURCE/OBJECT", name);
}

/* ---- one that runs ---- */

struct flow_target {
    const char *name, *object; /* of the flow; of its object, "" where it is of none */
    char *resource;
};

/* KEY=VALUE each; the host knows their types. */
static void flow_write_input(struct json_writer *w, const struct flags *flags)
{
    jsonw_key(w, "input");
    jsonw_begin_object(w);
    for (const char *const *one = flag_list(flags, "input"); *one; one++) {
        size_t n = strcspn(*one, "=");
        jsonw_keyn(w, *one, n);
        jsonw_string(w, *one + n + 1);
    }
    jsonw_end_object(w);
}

static void flow_request(const struct flags *flags, const char *ns, void *arg, struct buf *out)
{
    const struct flow_target *target = arg;
    struct json_writer w = JSON_WRITER(out);
    bool wide = flag_on(flags, "cluster-wide");
    const char *timeout = flag_value(flags, "timeout");
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "start");
    jsonw_member(&w, "intent", target->name);
    jsonw_member(&w, "userAction", "cli-flow");
    jsonw_member_bool(&w, "kubernetesEquivalent", true);
    jsonw_member(&w, "mode", flag_on(flags, "dry-run") ? "dry-run" : "apply");
    jsonw_member(&w, "namespace", wide && !flag_value(flags, "namespace") ? "" : ns);
    jsonw_member(&w, "context", str_or(flag_value(flags, "context"), ""));
    jsonw_member(&w, "resource", target->resource);
    jsonw_member(&w, "name", target->object);
    jsonw_member_bool(&w, "allowClusterWide", wide);
    if (timeout)
        jsonw_member_int(&w, "timeout", strtol(timeout, NULL, 10));
    flow_write_input(&w, flags);
    jsonw_end_object(&w);
}

static int flow_check_flags(const struct flags *flags)
{
    const char *timeout = flag_value(flags, "timeout");
    char *end;
    for (const char *const *one = flag_list(flags, "input"); *one; one++) {
        const char *equals = strchr(*one, '=');
        if (!equals || equals == *one)
            return command_fail(EXIT_USAGE, "--input must be KEY=VALUE, not \"%s\"", *one);
        for (const char *const *before = flag_list(flags, "input"); before != one; before++)
            if (strncmp(*before, *one, (size_t)(equals - *one) + 1) == 0)
                return command_fail(EXIT_USAGE, "input %.*s is given twice", (int)(equals - *one), *one);
    }
    if (timeout && (strtol(timeout, &end, 10) < 1 || *end))
        return command_fail(EXIT_USAGE, "--timeout must be a number of seconds, not \"%s\"", timeout);
    return EXIT_OK;
}

static int flow_run_command(const struct flags *flags)
{
    size_t count;
    const char *const *words = flags_words(flags, &count);
    int code = flow_check_flags(flags);
    if (code)
        return code;
    if (count == 0)
        return flow_list(flags);
    if (count == 1 && (code = flow_explain(flags, words[0])) != EXIT_OK)
        return code;
    const char *object = count == 1 ? "/" : words[1], *slash = strchr(object, '/');
    if (count > 1 && (!slash || slash == object || !slash[1]))
        return command_fail(EXIT_USAGE, "\"%s\" is no object: RESOURCE/OBJECT, such as deployments/web",
                            object);
    struct flow_target target = {
        .name = words[0], .object = slash + 1, .resource = mem_strn(object, (size_t)(slash - object))};
    code = session_run(&(struct session_options){
        .flags = flags, .request = flow_request, .arg = &target, .needs_cluster = true, .kind = SHOW_APPLY});
    free(target.resource);
    return code;
}

static const struct flag flow_flags[] = {
    {"namespace", 'n', FLAG_VALUE, "NS", "namespace; else the context's, else default", NULL, NULL},
    {"input", 'i', FLAG_LIST, "KEY=VALUE", "an input of the flow; repeats", NULL, NULL},
    {"dry-run", 0, FLAG_SWITCH, NULL, "ask the server what would happen and change nothing", NULL, NULL},
    {"timeout", 0, FLAG_VALUE, "S", "seconds, for a flow that waits", NULL, NULL},
    {"cluster-wide", 0, FLAG_SWITCH, NULL, "allow cluster-scoped objects and other namespaces", NULL, NULL},
    SESSION_LOCAL_FLAGS,
    SESSION_FLAGS,
    {0},
};

const struct command command_flow = {
    .name = "flow",
    .arguments = "[NAME [RESOURCE/OBJECT]]",
    .help =
        "Runs a flow on an object: restart, scale, rollback and what your scripts add. With a name alone it "
        "tells what that flow needs, without any it lists them.",
    .flags = flow_flags,
    .words = 2,
    .run = flow_run_command,
};
