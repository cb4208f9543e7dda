/* A kind's schema out of the cluster's OpenAPI v3, with what it refers to and nothing else.
 *
 * The document of a group-version is up to several MiB and the same for all of its kinds; what is kept,
 * for a while, is the answers. */
#include "base/clock.h"
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "kube/cluster.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { SCHEMAS_MAX = 16 * 1024 * 1024, SCHEMAS_MS = 5 * 60 * 1000 };

/* ---- the answers that are kept ---- */

struct schema {
    STAILQ_ENTRY(schema) link;
    char *key;
    uint64_t until; /* clock_mono_ms */
    struct buf text;
};

struct schemas {
    STAILQ_HEAD(schema_list, schema) list; /* the oldest first */
    size_t bytes;
};

static void schema_free(struct schema *schema)
{
    free(schema->key);
    buf_free(&schema->text);
    free(schema);
}

static void schemas_drop_first(struct schemas *all)
{
    struct schema *first = STAILQ_FIRST(&all->list);
    STAILQ_REMOVE_HEAD(&all->list, link);
    all->bytes -= first->text.len;
    schema_free(first);
}

void schemas_free(struct schemas **schemas)
{
    if (!*schemas)
        return;
    while (!STAILQ_EMPTY(&(*schemas)->list))
        schemas_drop_first(*schemas);
    free(*schemas);
    *schemas = NULL;
}

static const struct buf *schemas_find(struct schemas *all, const char *key)
{
    while (!STAILQ_EMPTY(&all->list) && STAILQ_FIRST(&all->list)->until <= clock_mono_ms())
        schemas_drop_first(all);
    for (const struct schema *s = STAILQ_FIRST(&all->list); s; s = STAILQ_NEXT(s, link))
        if (str_eq(s->key, key))
            return &s->text;
    return NULL;
}

static void schemas_keep(struct schemas *all, const char *key, const struct buf *text)
{
    if (text->len > SCHEMAS_MAX || schemas_find(all, key))
        return;
    struct schema *schema = mem_new(sizeof(*schema));
    schema->key = mem_str(key);
    schema->until = clock_mono_ms() + SCHEMAS_MS;
    buf_append(&schema->text, text->data, text->len);
    if (schema->text.failed) {
        schema_free(schema);
        return;
    }
    STAILQ_INSERT_TAIL(&all->list, schema, link);
    all->bytes += schema->text.len;
    while (all->bytes > SCHEMAS_MAX)
        schemas_drop_first(all);
}

/* ---- out of the document ---- */

struct definition {
    struct json_span name, value; /* the name without its quotes */
    bool wanted;
    struct definition *next; /* of those that are wanted and not written yet */
};

struct definitions {
    struct definition *items;
    size_t count, cap;
    struct definition *queue, **queue_end;
};

static int definitions_compare(const void *pa, const void *pb)
{
    const struct definition *a = pa, *b = pb;
    size_t n = a->name.len < b->name.len ? a->name.len : b->name.len;
    int order = memcmp(a->name.at, b->name.at, n);
    return order ? order : (a->name.len > b->name.len) - (a->name.len < b->name.len);
}

static int definitions_read(struct definitions *all, struct json_span schemas, struct err *err)
{
    struct json_span key, value;
    const char *at = NULL;
    while (json_span_next(schemas, &at, &key, &value)) {
        if (all->count == all->cap) {
            size_t cap = all->cap ? 2 * all->cap : 256;
            struct definition *grown = realloc(all->items, cap * sizeof(*grown));
            if (!grown)
                return err_no_memory(err);
            all->items = grown;
            all->cap = cap;
        }
        if (json_span_is_string(key))
            all->items[all->count++] = (struct definition){.name = {key.at + 1, key.len - 2}, .value = value};
    }
    if (all->count)
        qsort(all->items, all->count, sizeof(*all->items), definitions_compare);
    all->queue_end = &all->queue;
    return 0;
}

static void definitions_want(struct definitions *all, struct json_span name)
{
    struct definition key = {.name = name};
    struct definition *found =
        all->count ? bsearch(&key, all->items, all->count, sizeof(key), definitions_compare) : NULL;
    if (!found || found->wanted)
        return;
    found->wanted = true;
    *all->queue_end = found;
    all->queue_end = &found->next;
}

/* Copies a schema; what it refers to is wanted, and found among our definitions. */
static void definitions_copy(struct definitions *all, struct json_span schema, struct buf *out)
{
    static const char theirs[] = "\"#/components/schemas/", ours[] = "\"#/definitions/";
    const char *p = schema.at, *end = p + schema.len, *ref;
    while ((ref = memmem(p, (size_t)(end - p), theirs, sizeof(theirs) - 1))) {
        const char *name = ref + sizeof(theirs) - 1;
        const char *close = memchr(name, '"', (size_t)(end - name));
        if (!close)
            break;
        buf_append(out, p, (size_t)(ref - p));
        buf_puts(out, ours);
        definitions_want(all, (struct json_span){name, (size_t)(close - name)});
        p = name;
    }
    buf_append(out, p, (size_t)(end - p));
}

static bool definition_is(const struct definition *d, const struct kube_kind *kind)
{
    struct json_span kinds = json_span_member(d->value, "x-kubernetes-group-version-kind"), one;
    const char *at = NULL;
    while (json_span_next(kinds, &at, NULL, &one))
        if (json_span_is(json_span_member(one, "group"), kind->group) &&
            json_span_is(json_span_member(one, "version"), kind->version) &&
            json_span_is(json_span_member(one, "kind"), kind->kind))
            return true;
    return false;
}

static void schema_write(struct definitions *all, const struct definition *root, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    jsonw_key(&w, "schema");
    definitions_copy(all, root->value, out);
    w.comma = true;
    jsonw_key(&w, "definitions");
    jsonw_begin_object(&w);
    for (const struct definition *d = all->queue; d; d = d->next) {
        jsonw_keyn(&w, d->name.at, d->name.len);
        definitions_copy(all, d->value, out);
        w.comma = true;
    }
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

/* What `kept` says: "apiVersion\nkind\ncontext". Cuts it into a kind, whose strings lie in `text`. */
static struct kube_kind schema_kind(char *text)
{
    char *kind = strchr(text, '\n'), *slash;
    *kind++ = '\0';
    *strchr(kind, '\n') = '\0';
    slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    return (struct kube_kind){.group = slash ? text : "", .version = slash ? slash + 1 : text, .kind = kind};
}

static int schema_make(struct rest_job *job, struct err *err)
{
    struct json_span document = {buf_str(&job->in), job->in.len};
    struct definitions all = {0};
    const struct definition *root = NULL;
    char *text = mem_str(job->kept);
    struct kube_kind kind = schema_kind(text);
    int rc = definitions_read(&all, json_span_path(document, "components.schemas"), err);
    for (size_t i = 0; rc == 0 && !root && i < all.count; i++)
        if (definition_is(&all.items[i], &kind))
            root = &all.items[i];
    if (rc == 0 && !root)
        rc = err_code(err, ERR_NOT_FOUND, "the cluster publishes no schema of %s in %s%s%s", kind.kind,
                      kind.group, *kind.group ? "/" : "", kind.version);
    if (rc == 0) {
        schema_write(&all, root, &job->out);
        rc = job->out.failed ? err_no_memory(err) : 0;
    }
    free(all.items);
    free(text);
    return rc;
}

/* ---- the route ---- */

static void schema_made(struct rest_job *job)
{
    schemas_keep(rest_server(job->exchange)->schemas, job->kept, &job->out);
}

static void schema_answered(void *arg, const struct kube_answer *answer)
{
    struct exchange *x = arg;
    struct err err;
    x->call = NULL;
    if (answer->status == 200) {
        rest_make(x, answer, "application/json", schema_make, schema_made);
    } else if (answer->status == 404) {
        err_code(&err, ERR_NOT_FOUND, "the cluster publishes no OpenAPI v3 document of %s",
                 exchange_param(x, "apiVersion"));
        exchange_fail(x, &err);
    } else {
        rest_fail_answer(x, answer);
    }
}

/* "v1" or "apps/v1": it becomes a part of an address. */
static bool schema_version_fits(const char *version)
{
    size_t group = strcspn(version, "/");
    const char *v = version[group] ? version + group + 1 : version;
    return strlen(version) < 300 &&
           version[strspn(version, "abcdefghijklmnopqrstuvwxyz0123456789-./")] == '\0' && group > 0 &&
           *version != '.' && *v && !strchr(v, '/') && !strchr(v, '.');
}

static void schema_ask(struct exchange *x, struct cluster *cluster, const char *version)
{
    struct err err = {0};
    char *path = mem_printf("/openapi/v3/%s/%s", strchr(version, '/') ? "apis" : "api", version);
    struct kube_request request = {.method = "GET", .path = path};
    x->call = kube_send(cluster, &request, schema_answered, x, &err);
    if (!x->call)
        exchange_fail(x, &err);
    free(path);
}

void rest_schema(struct exchange *x)
{
    struct server *server = rest_server(x);
    struct err err = {0};
    const char *version = rest_needs(x, "apiVersion");
    const char *kind = version ? rest_needs(x, "kind") : NULL;
    if (!kind)
        return;
    if (!schema_version_fits(version) || kind[strcspn(kind, "\n")]) {
        exchange_refuse(x, 400, "bad_request", "",
                        "apiVersion must be such as v1 or apps/v1, and kind a word");
        return;
    }
    struct cluster *cluster = rest_cluster(x, &err);
    if (!cluster) {
        exchange_fail(x, &err);
        return;
    }
    if (!server->schemas) {
        server->schemas = mem_new(sizeof(*server->schemas));
        STAILQ_INIT(&server->schemas->list);
    }
    x->kept = mem_printf("%s\n%s\n%s", version, kind, cluster_context(cluster));
    const struct buf *known = schemas_find(server->schemas, x->kept);
    if (known) {
        struct buf body = {0};
        buf_append(&body, known->data, known->len);
        exchange_send_json(x, 200, &body);
    } else {
        schema_ask(x, cluster, version);
    }
}
