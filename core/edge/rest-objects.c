/* What a cluster's objects look like: one as YAML, many as the cluster's own table. */
#include "base/json-span.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "exec/gate.h"
#include "exec/secret-mask.h"
#include "io/yaml-write.h"
#include "kube/cluster.h"
#include "script/pack.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int rest_may(struct exchange *x, const char *action, const struct rest_target *t)
{
    struct err err;
    if (gate_allows_user(&x->connection->user, action, t->resource, t->ns, &err) == 0)
        return 0;
    exchange_fail(x, &err);
    return -1;
}

static void rest_send(struct exchange *x, const struct rest_target *t, const struct kube_request *request,
                      kube_done_fn *done)
{
    struct err err = {0};
    x->call = kube_send(t->cluster, request, done, x, &err);
    if (!x->call)
        exchange_fail(x, &err);
}

/* ---- one object ---- */

/* Without metadata.managedFields, which are for machines. */
static void object_shorten(struct json_writer *w, struct json_span object, bool metadata)
{
    const char *at = NULL;
    struct json_span key, value;
    jsonw_begin_object(w);
    while (json_span_next(object, &at, &key, &value)) {
        if (metadata && json_span_is(key, "managedFields"))
            continue;
        jsonw_raw_key(w, key.at, key.len);
        if (!metadata && json_span_is(key, "metadata"))
            object_shorten(w, value, true);
        else
            jsonw_raw(w, value.at, value.len);
    }
    jsonw_end_object(w);
}

static int object_write(const char *json, size_t len, struct buf *out, struct err *err)
{
    struct json_span object = {json, len}, metadata = json_span_member(object, "metadata");
    struct buf shortened = {0};
    struct json_writer w = JSON_WRITER(&shortened);
    if (!metadata.at || *metadata.at != '{')
        return err_set(err, "the cluster's answer is no object");
    object_shorten(&w, object, false);
    int rc = shortened.failed ? err_no_memory(err) : yaml_write(buf_str(&shortened), shortened.len, out, err);
    buf_free(&shortened);
    return rc;
}

static int object_make(struct rest_job *job, struct err *err)
{
    return object_write(buf_str(&job->in), job->in.len, &job->out, err);
}

static int object_make_masked(struct rest_job *job, struct err *err)
{
    struct buf masked = {0};
    int rc = secret_mask(buf_str(&job->in), job->in.len, &masked) ? err_no_memory(err) : 0;
    if (rc == 0)
        rc = object_write(buf_str(&masked), masked.len, &job->out, err);
    buf_free(&masked);
    return rc;
}

static void object_answered(struct exchange *x, const struct kube_answer *answer,
                            int (*make)(struct rest_job *, struct err *))
{
    x->call = NULL;
    if (answer->status == 200)
        rest_make(x, answer, "text/yaml; charset=utf-8", make, NULL);
    else
        rest_fail_answer(x, answer);
}

static void object_plain(void *arg, const struct kube_answer *answer)
{
    object_answered(arg, answer, object_make);
}

static void object_masked(void *arg, const struct kube_answer *answer)
{
    object_answered(arg, answer, object_make_masked);
}

/* Is it to be shown with its values? -1 when that was answered. */
static int object_reveal(struct exchange *x, const struct rest_target *t)
{
    const char *text = str_or(exchange_param(x, "reveal"), "false");
    if (str_eq(text, "false"))
        return 0;
    if (!str_eq(text, "true")) {
        exchange_refuse(x, 400, "bad_request", "", "reveal must be true or false");
        return -1;
    }
    return rest_may(x, "reveal", t) ? -1 : 1;
}

static void object_ask(struct exchange *x, struct rest_target *t)
{
    struct err err;
    const char *name = exchange_param(x, "name");
    bool secret = str_empty(t->kind->group) && str_eq(t->kind->kind, "Secret");
    if (t->kind->namespaced && str_empty(t->ns)) {
        err_code(&err, ERR_BAD_REQUEST, "namespace is missing: %s are in namespaces", t->kind->plural);
        exchange_fail(x, &err);
        return;
    }
    if (rest_may(x, "get", t))
        return;
    int reveal = secret ? object_reveal(x, t) : 1;
    if (reveal < 0)
        return;
    if (secret && reveal)
        log_info("%s reveals secret/%s in namespace %s of %s", x->connection->user.name, name, t->ns,
                 cluster_context(t->cluster));
    char *path = kube_path(t->kind, t->ns, name);
    struct kube_request request = {.method = "GET", .path = path};
    rest_send(x, t, &request, reveal ? object_plain : object_masked);
    free(path);
}

/* ---- many ---- */

static void objects_answered(void *arg, const struct kube_answer *answer)
{
    struct exchange *x = arg;
    x->call = NULL;
    if (answer->status == 200)
        rest_make(x, answer, "application/json", rest_table_make, NULL);
    else
        rest_fail_answer(x, answer);
}

void rest_query_add(struct buf *query, const char *as, const char *value)
{
    size_t n = str_empty(value) ? 0 : strlen(value);
    if (n == 0)
        return;
    buf_printf(query, "&%s=", as);
    /* Each byte becomes three at most, and a NUL ends them. */
    char *room = buf_reserve(query, 3 * n + 1);
    if (room) {
        lws_urlencode(room, value, (int)(3 * n + 1));
        query->len += strlen(room);
    }
}

/* What is known of the kind now, and later perhaps no more. */
char *rest_objects_head(const struct rest_target *t)
{
    struct buf head = {0};
    struct json_writer w = JSON_WRITER(&head);
    jsonw_member(&w, "resource", t->resource);
    jsonw_member(&w, "kind", t->kind->kind);
    jsonw_member(&w, "apiVersion", t->kind->api_version);
    jsonw_member_bool(&w, "namespaced", t->kind->namespaced);
    return buf_take(&head);
}

static void objects_ask(struct exchange *x, struct rest_target *t)
{
    uint64_t limit;
    struct err err;
    struct buf query = {0};
    if (rest_may(x, "list", t) || exchange_number(x, "limit", 1, 1000, 500, &limit))
        return;
    if (!(t->kind->verbs & KUBE_LIST)) {
        err_code(&err, ERR_BAD_REQUEST, "the cluster does not list %s", t->kind->plural);
        exchange_fail(x, &err);
        return;
    }
    buf_printf(&query, "includeObject=Metadata&limit=%" PRIu64, limit);
    rest_query_add(&query, "labelSelector", exchange_param(x, "labels"));
    rest_query_add(&query, "fieldSelector", exchange_param(x, "fields"));
    rest_query_add(&query, "continue", exchange_param(x, "continue"));
    char *path = kube_path(t->kind, t->ns, NULL);
    struct kube_request request = {
        .method = "GET", .path = path, .query = buf_str(&query), .accept = REST_TABLE};
    x->kept = rest_objects_head(t);
    if (query.failed || !x->kept) {
        err_no_memory(&err);
        exchange_fail(x, &err);
    } else {
        rest_send(x, t, &request, objects_answered);
    }
    buf_free(&query);
    free(path);
}

/* ---- which kind ---- */

const struct kube_kind *rest_target_find(struct server *server, const char *name, const char *ns,
                                         struct rest_target *t)
{
    const struct pack *pack = packs_current(server->options.packs);
    const struct pack_resource *registered = pack_resource(pack, name);
    t->kind = registered ? rest_served_kind(t->cluster, registered) : NULL;
    if (!t->kind)
        t->kind = cluster_resource(t->cluster, name);
    if (!t->kind)
        return NULL;
    registered = pack_resource_of(pack, t->kind->group, t->kind->kind);
    t->resource = registered ? registered->name : t->kind->plural;
    t->ns = t->kind->namespaced ? str_or(ns, "") : "";
    return t->kind;
}

static const struct kube_kind *rest_find(struct exchange *x, struct rest_target *t)
{
    return rest_target_find(rest_server(x), exchange_param(x, "resource"), exchange_param(x, "namespace"), t);
}

static void rest_kind_known(struct exchange *x, const struct err *why)
{
    struct err err = {0};
    struct rest_target target = {.cluster = rest_cluster(x, &err)};
    if (!target.cluster) {
        exchange_fail(x, &err);
    } else if (rest_find(x, &target)) {
        if (x->route->serve == rest_object)
            object_ask(x, &target);
        else
            objects_ask(x, &target);
    } else if (why) {
        rest_fail_cluster(x, why);
    } else {
        err_code(&err, ERR_NOT_FOUND, "the cluster serves no \"%.200s\"", exchange_param(x, "resource"));
        exchange_fail(x, &err);
    }
}

static void rest_asked_again(void *arg, const struct err *why)
{
    struct exchange *x = arg;
    x->call = NULL;
    rest_kind_known(x, why);
}

/* A kind that was not known may be a new one: the cluster is asked once more. */
static void rest_asked(void *arg, const struct err *why)
{
    struct exchange *x = arg;
    struct err err = {0};
    struct rest_target target = {.cluster = rest_cluster(x, &err)};
    x->call = NULL;
    if (why || !target.cluster || rest_find(x, &target))
        rest_kind_known(x, why);
    else
        x->call = cluster_discover(target.cluster, true, rest_asked_again, x);
}

static void rest_ask(struct exchange *x)
{
    struct err err = {0};
    struct cluster *cluster = rest_cluster(x, &err);
    if (cluster)
        x->call = cluster_discover(cluster, false, rest_asked, x);
    else
        exchange_fail(x, &err);
}

void rest_object(struct exchange *x)
{
    if (rest_needs(x, "resource") && rest_needs(x, "name"))
        rest_ask(x);
}

void rest_objects(struct exchange *x)
{
    if (rest_needs(x, "resource"))
        rest_ask(x);
}
