#include "exec/bundle-internal.h"

#include "base/err.h"
#include "base/json-span.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/gate.h"
#include "exec/request.h"
#include "exec/run.h"
#include "io/yaml-locate.h"
#include "io/yaml.h"
#include "script/pack.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

char *bundle_ref(const char *api_version, const char *kind, const char *name)
{
    const char *slash = strchr(api_version, '/');
    char *ref = slash ? mem_printf("%s.%.*s/%s", kind, (int)(slash - api_version), api_version, name)
                      : mem_printf("%s/%s", kind, name);
    for (char *p = ref, *end = ref + strlen(kind); p < end; p++)
        *p = (char)tolower((unsigned char)*p);
    return ref;
}

char *bundle_text(struct json_span value)
{
    char *text = json_span_text(value);
    return text ? text : mem_str("");
}

/* A field that must be a string but may look like something else to YAML: y, on, 1.10, 2024-01-01 … */
static int bundle_check_text(const struct document *d, struct json_span value, const char *field,
                             struct err *err)
{
    if (!value.at || json_span_is_string(value) || *value.at == '{' || *value.at == '[' || *value.at == 'n')
        return 0;
    return err_code(err, ERR_BAD_REQUEST,
                    "%zu:1: %s of document %zu must be a string, and YAML reads %.*s: quote it", d->line,
                    field, d->index + 1, (int)value.len, value.at);
}

/* The fields that C needs of one object, and that it has what every object needs. */
static int bundle_identify(struct document *d, struct err *err)
{
    struct json_span whole = {d->json, d->json_len};
    struct json_span name = json_span_path(whole, "metadata.name");
    struct json_span ns = json_span_path(whole, "metadata.namespace");
    d->api_version = bundle_text(json_span_member(whole, "apiVersion"));
    d->kind = bundle_text(json_span_member(whole, "kind"));
    d->ns = bundle_text(ns);
    d->name = bundle_text(name);
    if (bundle_check_text(d, name, "metadata.name", err) ||
        bundle_check_text(d, ns, "metadata.namespace", err))
        return -1;
    if (str_empty(d->api_version))
        return err_code(err, ERR_BAD_REQUEST, "%zu:1: document %zu has no apiVersion", d->line, d->index + 1);
    if (str_empty(d->kind))
        return err_code(err, ERR_BAD_REQUEST, "%zu:1: document %zu has no kind", d->line, d->index + 1);
    char *generate = bundle_text(json_span_path(whole, "metadata.generateName"));
    bool named = !str_empty(d->name) || !str_empty(generate);
    char *shown = str_empty(d->name) ? mem_printf("%s…", generate) : mem_str(d->name);
    d->ref = bundle_ref(d->api_version, d->kind, shown);
    free(shown);
    free(generate);
    if (!named)
        return err_code(err, ERR_BAD_REQUEST, "%zu:1: document %zu (%s) has no metadata.name", d->line,
                        d->index + 1, d->kind);
    return 0;
}

static int bundle_add(struct bundle *b, struct json_span object, size_t line, size_t item, struct err *err)
{
    if (b->count == BUNDLE_DOCUMENTS_MAX)
        return err_code(err, ERR_TOO_LARGE, "the manifest has more than %d documents", BUNDLE_DOCUMENTS_MAX);
    if ((b->count & (b->count - 1)) == 0)
        b->documents = mem_grow(b->documents, (b->count ? b->count * 2 : 1) * sizeof(*b->documents));
    struct document *d = &b->documents[b->count];
    *d = (struct document){
        .index = b->count, .line = line, .item = item, .json_len = object.len, .message = mem_str("")};
    b->count++;
    d->json = malloc(object.len + 1);
    if (!d->json)
        return err_no_memory(err);
    memcpy(d->json, object.at, object.len);
    d->json[object.len] = '\0';
    return 0;
}

/* `kind: List` gives its items, lists inside lists too; only those of the outer one are found again by
 * `item`. */
static int bundle_unfold(struct bundle *b, struct json_span object, size_t line, size_t item_index, int depth,
                         struct err *err)
{
    char *kind = bundle_text(json_span_member(object, "kind"));
    char *version = bundle_text(json_span_member(object, "apiVersion"));
    bool list = str_eq(kind, "List") && str_eq(version, "v1");
    free(kind);
    free(version);
    if (!list) {
        if (bundle_add(b, object, line, item_index, err))
            return -1;
        return bundle_identify(&b->documents[b->count - 1], err);
    }
    struct json_span items = json_span_member(object, "items"), item;
    if (!items.at || *items.at != '[' || depth > 8)
        return err_code(err, ERR_BAD_REQUEST, "%zu:1: the List has no list of items", line);
    const char *at = NULL;
    for (size_t i = 0; json_span_next(items, &at, NULL, &item); i++) {
        if (*item.at != '{')
            return err_code(err, ERR_BAD_REQUEST, "%zu:1: items[%zu] of the List is no object", line, i);
        if (bundle_unfold(b, item, line, depth ? YAML_NO_ITEM : i, depth + 1, err))
            return -1;
    }
    return 0;
}

int bundle_parse(struct bundle *b, const char *text, size_t len, struct err *err)
{
    struct yaml_documents parsed;
    int rc = yaml_parse(text, len, &parsed, err);
    for (size_t i = 0; rc == 0 && i < parsed.count; i++) {
        struct yaml_document *d = &parsed.items[i];
        rc = bundle_unfold(b, (struct json_span){d->json, d->json_len}, d->line, YAML_NO_ITEM, 0, err);
    }
    if (rc == 0 && b->count == 0)
        rc = err_code(err, ERR_BAD_REQUEST, "the manifest is empty");
    yaml_documents_free(&parsed);
    if (rc == 0)
        bundle_link(b);
    return rc;
}

void bundle_free(struct bundle *b)
{
    for (size_t i = 0; i < b->count; i++) {
        struct document *d = &b->documents[i];
        free(d->json);
        free(d->api_version);
        free(d->kind);
        free(d->ns);
        free(d->name);
        free(d->ref);
        free(d->message);
        event_conflicts_free(d->conflicts, d->conflict_count);
        event_verdicts_free(d->verdicts, d->verdict_count);
        free(d->resource_name);
        free((char *)d->served.api_version);
        free((char *)d->served.group);
        free((char *)d->served.version);
        free((char *)d->served.plural);
    }
    free(b->documents);
    free(b->order);
    map_free(b->spaces, NULL);
    if (b->base)
        bundle_free(b->base);
    free(b->base);
    *b = (struct bundle){0};
}

struct event_document document_row(const struct document *d)
{
    return (struct event_document){
        .index = d->index,
        .line = d->line,
        .ref = str_or(d->ref, ""),
        .namespace_ = d->ns,
        .outcome = str_or(d->outcome, "not-started"),
        .message = d->message,
        .conflicts = d->conflicts,
        .conflict_count = d->conflict_count,
        .verdicts = d->verdicts,
        .verdict_count = d->verdict_count,
    };
}

static void bundle_fail(struct document *d, char *message)
{
    free(d->message);
    d->message = message;
}

/* Discovery's strings live only for a turn of the loop. */
static void bundle_keep_kind(struct document *d, const struct kube_kind *kind)
{
    d->served = (struct kube_kind){
        .group = mem_str(kind->group),
        .version = mem_str(kind->version),
        .plural = mem_str(kind->plural),
        .kind = d->kind,
        .api_version = mem_str(kind->api_version),
        .namespaced = kind->namespaced,
        .verbs = kind->verbs,
    };
}

/* The kind in the document's own version, else in the first version of its resource file that the
 * cluster serves: its handler then converts. NULL where there is none. */
static const struct kube_kind *bundle_find_kind(const struct document *d, struct cluster *cluster,
                                                const struct pack *pack)
{
    const struct kube_kind *kind = cluster_kind(cluster, d->api_version, d->kind);
    const char *slash = strchr(d->api_version, '/');
    char *group = mem_strn(d->api_version, slash ? (size_t)(slash - d->api_version) : 0);
    const struct pack_resource *resource = !kind && pack ? pack_resource_of(pack, group, d->kind) : NULL;
    size_t n = slash ? (size_t)(slash - d->api_version) + 1 : 0;
    free(group);
    for (const char *const *version = resource ? resource->versions : NULL; version && *version && !kind;
         version++)
        if (strncmp(*version, d->api_version, n) == 0)
            kind = cluster_kind(cluster, *version, d->kind);
    return kind;
}

bool bundle_route(struct document *d, struct cluster *cluster, const struct pack *pack)
{
    struct kube_kind own = {0};
    if (d->served.plural)
        return true;
    const struct kube_kind *kind = bundle_find_kind(d, cluster, pack);
    if (!kind && d->crd && bundle_kind_of_crd(d, &own) == 0)
        kind = &own;
    if (!kind) {
        bundle_fail(d, mem_printf("no matches for kind \"%s\" in version \"%s\"", d->kind, d->api_version));
        return false;
    }
    bundle_fail(d, mem_str(""));
    bundle_keep_kind(d, kind);
    d->resource = pack ? pack_resource_of(pack, kind->group, kind->kind) : NULL;
    d->resource_name = mem_str(d->resource ? d->resource->name : kind->plural);
    if (!kind->namespaced) {
        free(d->ns);
        d->ns = mem_str("");
    }
    free((char *)own.group);
    free((char *)own.version);
    free((char *)own.plural);
    return true;
}

/* Is the document what the request's `resource` names: by registered name or alias, else as the
 * cluster names it? */
static bool bundle_is_resource(const struct document *d, const char *wanted, struct cluster *cluster,
                               const struct pack *pack)
{
    const struct pack_resource *registered = pack ? pack_resource(pack, wanted) : NULL;
    if (registered)
        return d->resource == registered;
    const struct kube_kind *kind = cluster_resource(cluster, wanted);
    return kind && str_eq(kind->kind, d->kind) && str_eq(kind->group, d->served.group);
}

static int bundle_judge_one(struct bundle *b, struct document *d, struct execution *ex,
                            struct cluster *cluster, struct err *err)
{
    const struct start_request *r = execution_request(ex);
    if (!d->served.plural)
        return err_code(err, ERR_BAD_REQUEST, "%s", d->message);
    if (!str_empty(r->resource) && !bundle_is_resource(d, r->resource, cluster, execution_pack(ex)))
        return err_code(err, ERR_BAD_REQUEST,
                        "the request is for %s, and this document is a %s; leave resource empty to apply a "
                        "bundle",
                        r->resource, d->kind);
    if (d->served.namespaced && str_empty(d->ns)) {
        free(d->ns);
        d->ns = mem_str(str_or(r->namespace_, cluster_namespace(cluster)));
    }
    if (gate_scope(ex, &d->served, d->ns, err))
        return -1;
    if (b->spaces && !str_empty(d->ns))
        d->space = map_get(b->spaces, d->ns);
    if (gate_allows(ex, "create", d->resource_name, d->ns, NULL) == 0)
        return 0;
    return gate_allows(ex, "update", d->resource_name, d->ns, err);
}

int bundle_judge(struct bundle *b, struct document *d, struct execution *ex, struct cluster *cluster)
{
    struct err err;
    if (bundle_judge_one(b, d, ex, cluster, &err) == 0)
        return 0;
    bundle_fail(d, mem_str(err.text));
    d->code = err.code;
    d->outcome = "failed";
    return -1;
}
