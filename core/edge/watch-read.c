#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/watch-internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

static const char *const watch_words[] = {"executions", "objects", "scripts", "cluster", NULL};

void watch_request_free(struct watch_request *r)
{
    char **const texts[] = {&r->id,     &r->context, &r->resource, &r->ns,   &r->labels,
                            &r->fields, &r->status,  &r->mode,     &r->user, &r->q};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        free(*texts[i]);
        *texts[i] = NULL;
    }
}

/* A member that is a string; NULL and "" are not said. */
static int read_text(json_t *root, const char *name, char **out, struct err *err)
{
    json_t *value = json_object_get(root, name);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return err_code(err, ERR_BAD_REQUEST, "%s must be a string", name);
    if (json_string_length(value))
        *out = mem_strn(json_string_value(value), json_string_length(value));
    return 0;
}

static int read_one_of(const char *name, const char *is, const char *const *words, struct err *err)
{
    char list[128] = "";
    size_t used = 0;
    if (!is)
        return 0;
    for (size_t i = 0; words[i]; i++) {
        if (str_eq(words[i], is))
            return (int)i;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s%s", used ? ", " : "", words[i]);
    }
    return err_code(err, ERR_BAD_REQUEST, "%s must be one of %s", name, list);
}

static int read_since(json_t *root, int64_t *out, struct err *err)
{
    char *text = NULL;
    if (read_text(root, "since", &text, err))
        return -1;
    *out = text ? clock_parse(text) : 0;
    free(text);
    return *out < 0 ? err_code(err, ERR_BAD_REQUEST, "since must be a time as 2026-11-24T02:35:24Z") : 0;
}

static int read_limit(json_t *root, size_t *out, struct err *err)
{
    json_t *value = json_object_get(root, "limit");
    *out = 50;
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_integer(value) || json_integer_value(value) < 1 || json_integer_value(value) > 200)
        return err_code(err, ERR_BAD_REQUEST, "limit must be a number from 1 to 200");
    *out = (size_t)json_integer_value(value);
    return 0;
}

static int read_id(struct watch_request *r, json_t *root, struct err *err)
{
    json_t *ended = json_object_get(root, "unsubscribe");
    r->unsubscribe = ended != NULL;
    if (read_text(root, r->unsubscribe ? "unsubscribe" : "id", &r->id, err))
        return -1;
    if (!r->id || strlen(r->id) > WATCH_ID) {
        watch_request_free(r);
        return err_code(err, ERR_BAD_REQUEST,
                        "a subscription has an id of 1 to %d bytes, which every message about it carries",
                        WATCH_ID);
    }
    return 0;
}

static int read_filters(struct watch_request *r, json_t *root, struct err *err)
{
    static const char *const states[] = {"planned", "running", "succeeded", "failed", NULL};
    static const char *const modes[] = {"apply", "dry-run", NULL};
    const struct {
        const char *name;
        char **to;
    } texts[] = {{"context", &r->context}, {"resource", &r->resource}, {"namespace", &r->ns},
                 {"labels", &r->labels},   {"fields", &r->fields},     {"status", &r->status},
                 {"mode", &r->mode},       {"user", &r->user},         {"q", &r->q}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (read_text(root, texts[i].name, texts[i].to, err))
            return -1;
    if (r->what == WATCH_OBJECTS && !r->resource)
        return err_code(err, ERR_BAD_REQUEST, "resource is missing");
    if (read_one_of("status", r->status, states, err) < 0 || read_one_of("mode", r->mode, modes, err) < 0)
        return -1;
    return read_since(root, &r->since, err) || read_limit(root, &r->limit, err) ? -1 : 0;
}

static int read_all(struct watch_request *r, json_t *root, struct err *err)
{
    char *word = NULL;
    if (read_id(r, root, err))
        return -1;
    if (r->unsubscribe)
        return 0;
    if (read_text(root, "subscribe", &word, err))
        return -1;
    int what = read_one_of("subscribe", str_or(word, ""), watch_words, err);
    free(word);
    if (what < 0)
        return -1;
    r->what = (enum watch_what)what;
    return read_filters(r, root, err);
}

int watch_request_read(struct watch_request *out, const char *text, size_t len, struct err *err)
{
    json_error_t fault;
    json_t *root = json_loadb(text, len, JSON_REJECT_DUPLICATES, &fault);
    int rc = -1;
    *out = (struct watch_request){0};
    if (json_is_object(root))
        rc = read_all(out, root, err);
    else
        err_code(err, ERR_BAD_REQUEST, "a message must be one JSON object%s%s", root ? "" : ": ",
                 root ? "" : fault.text);
    json_decref(root);
    return rc;
}
