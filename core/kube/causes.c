#include "kube/causes.h"

#include "base/str.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

enum { PATH_LONGEST = 512 };

struct causes {
    struct kube_cause *items;
    size_t count;
};

static void add(struct causes *c, const char *field, size_t field_len, const char *message, size_t len)
{
    if (field_len && *field == '.') {
        field++;
        field_len--;
    }
    if (!field_len || c->count == KUBE_CAUSES_MAX)
        return;
    if (!c->items && !(c->items = calloc(KUBE_CAUSES_MAX, sizeof(*c->items))))
        return;
    struct kube_cause cause = {strndup(field, field_len), strndup(message, len)};
    if (cause.field && cause.message) {
        c->items[c->count++] = cause;
        return;
    }
    free(cause.field);
    free(cause.message);
}

static void from_details(struct causes *c, const json_t *status)
{
    const json_t *cause, *list = json_object_get(json_object_get(status, "details"), "causes");
    size_t i;
    json_array_foreach(list, i, cause)
    {
        const char *field = json_string_value(json_object_get(cause, "field"));
        const char *message = str_or(json_string_value(json_object_get(cause, "message")), "");
        if (field)
            add(c, field, strlen(field), message, strlen(message));
    }
}

/* The end of the field path that begins here: a bracket may hold anything, quoted text too. What goes on for
 * longer is no path: a message is full of places where one could begin. */
static const char *path_end(const char *p)
{
    const char *most = p + strnlen(p, PATH_LONGEST);
    while (p < most && !isspace((unsigned char)*p) && *p != ':' && *p != ',') {
        if (*p != '[') {
            p++;
            continue;
        }
        bool quoted = false;
        for (p++; p < most && *p != '\n' && (quoted || *p != ']'); p++) {
            if (quoted && *p == '\\' && p[1])
                p++;
            else if (*p == '"')
                quoted = !quoted;
        }
        p += *p == ']';
    }
    return p;
}

/* `.spec.a: text`, one or several on lines of their own (server-side apply). */
static void from_typed(struct causes *c, const char *message)
{
    const char *at = strstr(message, "): ");
    if (!at)
        return;
    at += strlen("): ");
    if (str_starts(at, "errors:\n"))
        at += strlen("errors:\n");
    while (*at) {
        at += strspn(at, " ");
        const char *end = path_end(at), *stop = end + strcspn(end, "\n");
        if (*at == '.' && str_starts(end, ": "))
            add(c, at, (size_t)(end - at), end + 2, (size_t)(stop - end - 2));
        at = *stop ? stop + 1 : stop;
    }
}

/* `unknown field "spec.a", duplicate field "spec.b"` (strict decoding). */
static void from_strict(struct causes *c, const char *at)
{
    static const char *const kinds[] = {"unknown field", "duplicate field"};
    while ((at = strstr(at, " field \"")) != NULL) {
        const char *field = at + strlen(" field \""), *end = strchr(field, '"');
        if (!end)
            return;
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
            size_t before = strlen(kinds[i]) - strlen(" field");
            if (strncmp(at - before, kinds[i], strlen(kinds[i])) == 0)
                add(c, field, (size_t)(end - field), kinds[i], strlen(kinds[i]));
        }
        at = end + 1;
    }
}

/* `json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32`: the
 * path stands behind the name of a Go type, and has no indices. */
static void from_type(struct causes *c, const char *sentence)
{
    static const char before[] = "into Go struct field ";
    const char *at = strstr(sentence, before);
    const char *dot = at ? strchr(at, '.') : NULL;
    const char *end = dot ? strstr(dot, " of type ") : NULL;
    if (end)
        add(c, dot, (size_t)(end - dot), sentence, strlen(sentence));
}

/* Does a `path: Required value` begin here? Returns the end of the path. */
static const char *invalid_at(const char *at)
{
    static const char *const kinds[] = {"Required value",  "Invalid value",  "Unsupported value", "Not found",
                                        "Duplicate value", "Forbidden",      "Too long",          "Too many",
                                        "Too few",         "Internal error", "Conflicting value", NULL};
    const char *end = isalpha((unsigned char)*at) || *at == '<' ? path_end(at) : at;
    if (end == at || !str_starts(end, ": "))
        return NULL;
    for (size_t i = 0; kinds[i]; i++)
        if (str_starts(end + 2, kinds[i]))
            return end;
    return NULL;
}

/* `Deployment.apps "x" is invalid: [spec.a: Required value, spec.b: Invalid value: 1: why, and more]`: a
 * comma separates only where a path and a kind of fault follow. */
static void from_invalid(struct causes *c, const char *at)
{
    bool several = *at == '[';
    at += several;
    for (const char *path = invalid_at(at); path;) {
        const char *message = path + 2, *stop = message, *next = NULL;
        for (; *stop && !next; stop++)
            if (several && stop[0] == ',' && stop[1] == ' ' && (next = invalid_at(stop + 2)) != NULL)
                break;
        size_t len = (size_t)(stop - message);
        if (several && !next && len && stop[-1] == ']')
            len--;
        add(c, at, (size_t)(path - at), message, len);
        at = stop + 2;
        path = next;
    }
}

static void from_message(struct causes *c, const char *message)
{
    const char *at;
    if (str_starts(message, "failed to create typed "))
        from_typed(c, message);
    else if ((at = strstr(message, "strict decoding error: ")) != NULL)
        from_strict(c, at + strlen("strict decoding error: "));
    else if ((at = strstr(message, "json: cannot unmarshal ")) != NULL)
        from_type(c, at + strlen("json: "));
    else if ((at = strstr(message, "\" is invalid: ")) != NULL)
        from_invalid(c, at + strlen("\" is invalid: "));
}

size_t kube_causes(const char *body, const char *message, struct kube_cause **out)
{
    struct causes c = {0};
    json_t *status = body ? json_loads(body, 0, NULL) : NULL;
    from_details(&c, status);
    if (!message)
        message = json_string_value(json_object_get(status, "message"));
    if (!c.count && message)
        from_message(&c, message);
    json_decref(status);
    *out = c.items;
    return c.count;
}

void kube_causes_free(struct kube_cause *causes, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(causes[i].field);
        free(causes[i].message);
    }
    free(causes);
}
