#include "exec/request-internal.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(key, member)                                                                                    \
    {                                                                                                        \
        key, offsetof(struct start_request, member)                                                          \
    }

const struct text_field request_texts[] = {
    TEXT("executionId", execution_id),
    TEXT("command", command),
    TEXT("workingDir", working_dir),
    TEXT("label", label),
    TEXT("namespace", namespace_),
    TEXT("context", context),
    TEXT("userAction", user_action),
    TEXT("resource", resource),
    TEXT("action", action),
    TEXT("intent", intent),
    TEXT("name", name),
    TEXT("retryOf", retry_of),
    TEXT("propagation", propagation),
    TEXT("reason", reason),
};
const size_t request_text_count = sizeof(request_texts) / sizeof(request_texts[0]);

enum {
    REQUEST_TEXT_MAX = 4096,
    REQUEST_ARGS_MAX = 4096,
    REQUEST_LEAVE_MAX = 4096,
    REQUEST_TIMEOUT_MAX = 7 * 24 * 3600,
    REQUEST_REPLICAS_MAX = 1000000,
};

static int request_read_texts(json_t *root, struct start_request *r, struct err *err)
{
    for (size_t i = 0; i < request_text_count; i++) {
        json_t *value = json_object_get(root, request_texts[i].key);
        char **field = (char **)((char *)r + request_texts[i].offset);
        if (value && !json_is_null(value) && !json_is_string(value))
            return err_code(err, ERR_BAD_REQUEST, "%s must be a string", request_texts[i].key);
        if (json_string_length(value) > REQUEST_TEXT_MAX)
            return err_code(err, ERR_BAD_REQUEST, "%s is longer than %d bytes", request_texts[i].key,
                            REQUEST_TEXT_MAX);
        *field = mem_str(json_is_string(value) ? json_string_value(value) : "");
    }
    return 0;
}

static int request_bool(json_t *root, const char *key, bool *out, struct err *err)
{
    json_t *value = json_object_get(root, key);
    if (value && !json_is_null(value) && !json_is_boolean(value))
        return err_code(err, ERR_BAD_REQUEST, "%s must be true or false", key);
    *out = json_is_true(value);
    return 0;
}

static int request_strings(json_t *root, const char *key, char ***out, struct err *err)
{
    json_t *list = json_object_get(root, key), *value;
    size_t i, n = json_array_size(list);
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list) || n > REQUEST_ARGS_MAX)
        return err_code(err, ERR_BAD_REQUEST, "%s must be a list of at most %d strings", key,
                        REQUEST_ARGS_MAX);
    *out = mem_new((n + 1) * sizeof(**out));
    json_array_foreach(list, i, value)
    {
        if (!json_is_string(value))
            return err_code(err, ERR_BAD_REQUEST, "%s[%zu] must be a string", key, i);
        (*out)[i] = mem_str(json_string_value(value));
    }
    return 0;
}

static int request_id(const char *id, struct err *err)
{
    size_t n = strlen(id);
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)id[i]) && !strchr("._-", id[i])) {
            n = 65;
            break;
        }
    if (n > 64 || *id == '.')
        return err_code(err, ERR_BAD_REQUEST,
                        "executionId must be 1 to 64 of A-Z a-z 0-9 . _ - and not begin with a dot");
    return 0;
}

static int request_mode(json_t *root, struct start_request *r, struct err *err)
{
    json_t *mode = json_object_get(root, "mode");
    const char *word = json_string_value(mode);
    if (mode && !json_is_null(mode) &&
        (!word || (!str_eq(word, "") && !str_eq(word, "apply") && !str_eq(word, "dry-run"))))
        return err_code(err, ERR_BAD_REQUEST, "mode must be \"apply\" or \"dry-run\"");
    bool dry_run;
    if (request_bool(root, "dryRun", &dry_run, err))
        return -1;
    r->dry_run = dry_run || str_eq(word, "dry-run");
    r->mode_is_said = !str_empty(word) || json_is_boolean(json_object_get(root, "dryRun"));
    return 0;
}

/* A text that may be large. "" where it is not there. */
static int request_long_text(json_t *root, const char *key, char **out, size_t *len, struct err *err)
{
    json_t *value = json_object_get(root, key);
    if (value && !json_is_null(value) && !json_is_string(value))
        return err_code(err, ERR_BAD_REQUEST, "%s must be a string: the manifest's text", key);
    *len = json_string_length(value);
    *out = malloc(*len + 1);
    if (!*out)
        return err_no_memory(err);
    if (*len)
        memcpy(*out, json_string_value(value), *len);
    (*out)[*len] = '\0';
    return 0;
}

/* A whole number from `least` to `most`; *out stays as it is where none is given. */
static int request_number(json_t *root, const char *key, long least, long most, long *out, struct err *err)
{
    json_t *value = json_object_get(root, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < least || json_integer_value(value) > most)
        return err_code(err, ERR_BAD_REQUEST, "%s must be a whole number from %ld to %ld", key, least, most);
    *out = (long)json_integer_value(value);
    return 0;
}

static int request_leave(json_t *root, struct start_request *r, struct err *err)
{
    json_t *list = json_object_get(root, "leave"), *value;
    size_t i, n = json_array_size(list);
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list) || n > REQUEST_LEAVE_MAX)
        return err_code(err, ERR_BAD_REQUEST,
                        "leave must be a list of at most %d of {\"index\": 0, \"field\": \"spec.replicas\"}",
                        REQUEST_LEAVE_MAX);
    r->leave = mem_new((n + 1) * sizeof(*r->leave));
    json_array_foreach(list, i, value)
    {
        json_t *index = json_object_get(value, "index"), *field = json_object_get(value, "field");
        if ((index && (!json_is_integer(index) || json_integer_value(index) < 0)) ||
            json_string_length(field) == 0 || json_string_length(field) > REQUEST_TEXT_MAX)
            return err_code(err, ERR_BAD_REQUEST,
                            "leave[%zu] must be {\"index\": the document's number from 0, \"field\": the "
                            "field's path}",
                            i);
        r->leave[r->leave_count++] = (struct request_leave){.index = (size_t)json_integer_value(index),
                                                            .field = mem_str(json_string_value(field))};
    }
    return 0;
}

static int request_propagation(struct start_request *r, struct err *err)
{
    static const char *const words[] = {"Foreground", "Background", "Orphan"};
    if (str_empty(r->propagation))
        return 0;
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (strcasecmp(words[i], r->propagation) == 0) {
            free(r->propagation);
            r->propagation = mem_str(words[i]);
            return 0;
        }
    return err_code(err, ERR_BAD_REQUEST, "propagation must be Foreground, Background or Orphan");
}

static int request_input(json_t *root, struct start_request *r, struct err *err)
{
    json_t *input = json_object_get(root, "input");
    if (input && !json_is_null(input) && !json_is_object(input))
        return err_code(err, ERR_BAD_REQUEST, "input must be an object: {\"timeout\": 300}");
    r->input = json_is_object(input) ? json_dumps(input, JSON_COMPACT) : mem_str("{}");
    return r->input ? 0 : err_no_memory(err);
}

/* How it is to be done. */
static int request_options(json_t *root, struct start_request *r, struct err *err)
{
    long timeout = 0;
    r->replicas = -1;
    if (request_bool(root, "kubernetesEquivalent", &r->kubernetes_equivalent, err) ||
        request_bool(root, "allowClusterWide", &r->allow_cluster_wide, err) ||
        request_bool(root, "force", &r->force, err) || request_bool(root, "recreate", &r->recreate, err) ||
        request_bool(root, "wait", &r->wait, err) ||
        request_number(root, "timeout", 1, REQUEST_TIMEOUT_MAX, &timeout, err) ||
        request_number(root, "replicas", 0, REQUEST_REPLICAS_MAX, &r->replicas, err) ||
        request_propagation(r, err))
        return -1;
    r->timeout = (unsigned)timeout;
    return 0;
}

/* What would contradict itself is refused: to do one of both instead could be the opposite of what was asked.
 */
static int request_agrees(const struct start_request *r, struct err *err)
{
    static const char *const actions[] = {"", "create", "update", "apply", "delete", "scale"};
    if (!start_request_is_apply(r))
        return 0;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++)
        if (str_eq(r->action, actions[i])) {
            if (r->base_len && !str_empty(r->action) && !str_eq(r->action, "update"))
                return err_code(err, ERR_BAD_REQUEST, "base goes with the action update, not with %s",
                                r->action);
            return 0;
        }
    return err_code(err, ERR_BAD_REQUEST,
                    "the action of a manifest is create, update, delete or scale, not \"%s\"", r->action);
}

static int request_check(const struct start_request *r, struct err *err)
{
    if (!str_empty(r->retry_of))
        return 0;
    if (start_request_is_apply(r)) {
        if (strspn(r->yaml, " \t\r\n") == r->yaml_len)
            return err_code(err, ERR_BAD_REQUEST, "the manifest is empty");
        return 0;
    }
    if (start_request_is_flow(r))
        return 0;
    if (str_empty(r->command))
        return err_code(err, ERR_BAD_REQUEST,
                        "nothing to do: give a command, or intent \"apply-yaml\" with a manifest in yaml");
    if (str_eq(r->command, "__k8s-apply-yaml"))
        return err_code(err, ERR_BAD_REQUEST,
                        "command __k8s-apply-yaml needs intent \"apply-yaml\" and a manifest in yaml");
    return 0;
}

struct start_request *start_request_parse(const char *json, size_t len, struct err *err)
{
    json_error_t fault;
    struct start_request *r = mem_new(sizeof(*r));
    json_t *root = json_loadb(json, len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &fault);
    int rc = -1;
    if (!json_is_object(root)) {
        err_code(err, ERR_BAD_REQUEST, "the request is no JSON object: %s",
                 root ? "it is another value" : fault.text);
        goto out;
    }
    if (request_read_texts(root, r, err) || request_strings(root, "args", &r->args, err) ||
        request_strings(root, "takeOver", &r->take_over, err) || request_mode(root, r, err) ||
        request_options(root, r, err) || request_leave(root, r, err) || request_input(root, r, err) ||
        request_long_text(root, "yaml", &r->yaml, &r->yaml_len, err) ||
        request_long_text(root, "base", &r->base, &r->base_len, err) || request_id(r->execution_id, err) ||
        request_check(r, err) || request_agrees(r, err))
        goto out;
    if (!r->args)
        r->args = mem_new(sizeof(*r->args));
    rc = 0;
out:
    json_decref(root);
    if (rc) {
        start_request_free(r);
        return NULL;
    }
    return r;
}

static char **request_copy_strings(char *const *list)
{
    size_t n = 0;
    while (list && list[n])
        n++;
    char **copy = list ? mem_new((n + 1) * sizeof(char *)) : NULL;
    for (size_t i = 0; i < n; i++)
        copy[i] = mem_str(list[i]);
    return copy;
}

static struct request_leave *request_copy_leave(const struct request_leave *list, size_t count)
{
    struct request_leave *copy = list ? mem_new((count + 1) * sizeof(*copy)) : NULL;
    for (size_t i = 0; i < count; i++)
        copy[i] = (struct request_leave){.index = list[i].index, .field = mem_str(list[i].field)};
    return copy;
}

/* What outsiders can make large: NULL when out of memory. */
static char *request_copy_bytes(const char *text, size_t len)
{
    char *copy = malloc(len + 1);
    return copy ? memcpy(copy, text, len + 1) : NULL;
}

struct start_request *start_request_retry(const struct start_request *kept, const struct start_request *asked,
                                          struct err *err)
{
    struct start_request *r = mem_new(sizeof(*r));
    *r = *kept;
    for (size_t i = 0; i < request_text_count; i++)
        *(char **)((char *)r + request_texts[i].offset) =
            mem_str(*(char *const *)((const char *)kept + request_texts[i].offset));
    r->args = request_copy_strings(kept->args);
    r->take_over = request_copy_strings(kept->take_over);
    r->leave = request_copy_leave(kept->leave, kept->leave_count);
    r->yaml = request_copy_bytes(kept->yaml, kept->yaml_len);
    r->base = request_copy_bytes(kept->base, kept->base_len);
    r->input = request_copy_bytes(kept->input, strlen(kept->input));
    if (!r->yaml || !r->base || !r->input) {
        start_request_free(r);
        err_no_memory(err);
        return NULL;
    }
    free(r->execution_id);
    r->execution_id = mem_str(asked->execution_id);
    free(r->retry_of);
    r->retry_of = mem_str(asked->retry_of);
    if (!str_empty(asked->label)) {
        free(r->label);
        r->label = mem_str(asked->label);
    }
    if (asked->mode_is_said)
        r->dry_run = asked->dry_run;
    return r;
}

static void request_free_strings(char **list)
{
    for (char **s = list; s && *s; s++)
        free(*s);
    free(list);
}

void start_request_free(struct start_request *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < request_text_count; i++)
        free(*(char **)((char *)r + request_texts[i].offset));
    request_free_strings(r->args);
    request_free_strings(r->take_over);
    for (size_t i = 0; i < r->leave_count; i++)
        free(r->leave[i].field);
    free(r->leave);
    free(r->yaml);
    free(r->base);
    free(r->input);
    free(r);
}

size_t start_request_bytes(const struct start_request *r)
{
    size_t bytes = r->yaml_len + r->base_len + strlen(r->input);
    for (char **arg = r->args; *arg; arg++)
        bytes += strlen(*arg);
    return bytes;
}

bool start_request_is_apply(const struct start_request *r)
{
    return str_eq(r->intent, "apply-yaml");
}

bool start_request_is_flow(const struct start_request *r)
{
    return !start_request_is_apply(r) && !str_empty(r->intent) && str_empty(r->command);
}

bool start_request_is_command(const struct start_request *r)
{
    return !start_request_is_apply(r) && !start_request_is_flow(r);
}

bool start_request_is_kubernetes(const struct start_request *r)
{
    return start_request_is_apply(r) || start_request_is_flow(r) || r->kubernetes_equivalent;
}
