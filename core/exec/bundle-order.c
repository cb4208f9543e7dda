/* bundle-order.c: which document needs which, and what goes out before what. */
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle-internal.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

static bool is_crd(const struct document *d)
{
    return str_eq(d->kind, "CustomResourceDefinition") && str_starts(d->api_version, "apiextensions.k8s.io/");
}

static bool span_is(struct json_span span, const char *text, size_t n)
{
    return json_span_is_string(span) && span.len == n + 2 && memcmp(span.at + 1, text, n) == 0;
}

/* "KIND GROUP" of what a CRD declares. */
static char *crd_key(const struct document *crd)
{
    struct json_span spec = json_span_member((struct json_span){crd->json, crd->json_len}, "spec");
    char *kind = bundle_text(json_span_path(spec, "names.kind"));
    char *group = bundle_text(json_span_member(spec, "group"));
    char *key = mem_printf("%s %s", kind, group);
    free(kind);
    free(group);
    return key;
}

static void link_to_crd(const struct map *crds, struct document *d)
{
    const char *slash = strchr(d->api_version, '/');
    /* Core has no CRD. */
    if (!slash || is_crd(d))
        return;
    char *key = mem_printf("%s %.*s", d->kind, (int)(slash - d->api_version), d->api_version);
    d->crd = map_get(crds, key);
    free(key);
}

/* The first one of a name counts. */
static void link_put(struct map **map, const char *key, struct document *d)
{
    if (!*map)
        *map = map_new();
    if (!map_get(*map, key))
        map_put(*map, key, d);
}

void bundle_link(struct bundle *b)
{
    struct map *crds = NULL;
    for (size_t i = 0; i < b->count; i++) {
        struct document *d = &b->documents[i];
        if (is_crd(d)) {
            char *key = crd_key(d);
            link_put(&crds, key, d);
            free(key);
        } else if (str_eq(d->kind, "Namespace") && str_eq(d->api_version, "v1")) {
            link_put(&b->spaces, d->name, d);
        }
    }
    for (size_t i = 0; crds && i < b->count; i++)
        link_to_crd(crds, &b->documents[i]);
    map_free(crds, NULL);
}

int bundle_kind_of_crd(const struct document *d, struct kube_kind *kind)
{
    struct json_span spec = json_span_member((struct json_span){d->crd->json, d->crd->json_len}, "spec");
    struct json_span plural = json_span_path(spec, "names.plural"), scope = json_span_member(spec, "scope");
    const char *slash = strchr(d->api_version, '/');
    if (!json_span_is_string(plural) || !json_span_is_string(scope) || !slash)
        return -1;
    *kind = (struct kube_kind){
        .group = mem_strn(d->api_version, (size_t)(slash - d->api_version)),
        .version = mem_str(slash + 1),
        .kind = d->kind,
        .api_version = d->api_version,
        .plural = bundle_text(plural),
        .namespaced = span_is(scope, "Namespaced", 10),
    };
    return 0;
}

bool document_applied(const struct document *d)
{
    return str_eq(d->outcome, "created") || str_eq(d->outcome, "configured") ||
           str_eq(d->outcome, "unchanged");
}

const struct document *document_missing(const struct document *d)
{
    if (d->space && !document_applied(d->space))
        return d->space;
    return d->crd && !document_applied(d->crd) ? d->crd : NULL;
}

enum { STAGE_REST = 90, STAGE_WEBHOOKS = 100 };

static const struct {
    const char *group, *kind;
    int stage;
} stages[] = {
    {"", "Namespace", 10},
    {"apiextensions.k8s.io", "CustomResourceDefinition", 20},
    {"", "ServiceAccount", 30},
    {"rbac.authorization.k8s.io", "ClusterRole", 40},
    {"rbac.authorization.k8s.io", "Role", 40},
    {"rbac.authorization.k8s.io", "ClusterRoleBinding", 45},
    {"rbac.authorization.k8s.io", "RoleBinding", 45},
    {"", "ResourceQuota", 50},
    {"", "LimitRange", 50},
    {"", "Secret", 50},
    {"", "ConfigMap", 50},
    {"scheduling.k8s.io", "PriorityClass", 50},
    {"storage.k8s.io", "StorageClass", 60},
    {"", "PersistentVolume", 60},
    {"", "PersistentVolumeClaim", 65},
    {"", "Service", 70},
    {"apps", "DaemonSet", 80},
    {"apps", "Deployment", 80},
    {"apps", "StatefulSet", 80},
    {"apps", "ReplicaSet", 80},
    {"batch", "Job", 80},
    {"batch", "CronJob", 80},
    {"", "Pod", 80},
    {"admissionregistration.k8s.io", "ValidatingWebhookConfiguration", STAGE_WEBHOOKS},
    {"admissionregistration.k8s.io", "MutatingWebhookConfiguration", STAGE_WEBHOOKS},
};

static int bundle_stage(const struct document *d)
{
    if (d->resource && d->resource->stage)
        return d->resource->stage;
    for (size_t i = 0; i < sizeof(stages) / sizeof(stages[0]); i++)
        if (str_eq(stages[i].group, d->served.group) && str_eq(stages[i].kind, d->kind))
            return stages[i].stage;
    return STAGE_REST;
}

static int bundle_compare(const void *a, const void *b)
{
    const struct document *x = *(struct document *const *)a, *y = *(struct document *const *)b;
    if (x->stage != y->stage)
        return x->stage < y->stage ? -1 : 1;
    return x->index < y->index ? -1 : 1;
}

/* Which document is the same object once more. */
static void bundle_find_earlier(struct bundle *b)
{
    struct map *seen = map_new();
    for (size_t i = 0; i < b->count; i++) {
        struct document *d = b->order[i];
        char *key = mem_printf("%s %s %s %s", d->served.group, d->kind, d->ns, d->name);
        d->earlier = str_empty(d->name) ? NULL : map_get(seen, key);
        map_put(seen, key, d);
        free(key);
    }
    map_free(seen, NULL);
}

void bundle_order(struct bundle *b, bool backwards)
{
    b->order = mem_new((b->count + 1) * sizeof(*b->order));
    for (size_t i = 0; i < b->count; i++) {
        b->order[i] = &b->documents[i];
        b->documents[i].stage = bundle_stage(&b->documents[i]);
    }
    qsort(b->order, b->count, sizeof(*b->order), bundle_compare);
    for (size_t i = 0; backwards && i < b->count / 2; i++) {
        struct document *d = b->order[i];
        b->order[i] = b->order[b->count - 1 - i];
        b->order[b->count - 1 - i] = d;
    }
    bundle_find_earlier(b);
}

static bool document_is_same(const struct document *a, const struct document *b)
{
    bool same_ns = str_eq(a->ns, b->ns) || str_empty(a->ns) || str_empty(b->ns);
    return str_eq(a->api_version, b->api_version) && str_eq(a->kind, b->kind) && str_eq(a->name, b->name) &&
           same_ns;
}

static const struct document *bundle_find_same(const struct bundle *b, const struct document *d)
{
    for (size_t i = 0; i < b->count; i++)
        if (document_is_same(&b->documents[i], d))
            return &b->documents[i];
    return NULL;
}

enum { BUNDLE_EDIT_MAX = 100 };

int bundle_parse_base(struct bundle *b, const char *text, size_t len, struct err *err)
{
    if (b->count > BUNDLE_EDIT_MAX)
        return err_code(err, ERR_TOO_LARGE, "an edit (with base) has at most %d documents", BUNDLE_EDIT_MAX);
    b->base = mem_new(sizeof(*b->base));
    if (bundle_parse(b->base, text, len, err)) {
        struct err why = *err;
        return err_code(err, ERR_BAD_REQUEST, "base: %s", why.text);
    }
    for (size_t i = 0; i < b->count; i++) {
        struct document *d = &b->documents[i];
        d->base = bundle_find_same(b->base, d);
        if (!d->base)
            return err_code(err, ERR_BAD_REQUEST,
                            "%zu:1: %s is not in base: an edit changes neither kind nor name", d->line,
                            d->ref);
    }
    return 0;
}
