/* What asks a cluster. The call belongs to the exchange, and goes with it when the client does. */
#include "base/str.h"
#include "edge/rest-internal.h"
#include "kube/cluster.h"
#include "script/pack.h"

enum { REST_DISCOVERY_MS = 2000 }; /* the list of resources waits no longer for a cluster */

static void rest_strings(struct json_writer *w, const char *key, const char *const *list)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (; list && *list; list++)
        jsonw_string(w, *list);
    jsonw_end_array(w);
}

static struct cluster *rest_cluster(struct exchange *x, struct err *err)
{
    return clusters_get(rest_server(x)->options.clusters, exchange_param(x, "context"), err);
}

static void rest_send_status(struct exchange *x, struct cluster *cluster, const struct cluster_status *status)
{
    struct clusters *clusters = rest_server(x)->options.clusters;
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    jsonw_begin_object(&w);
    jsonw_member_bool(&w, "connected", status->connected);
    jsonw_member(&w, "context", cluster ? cluster_context(cluster) : "");
    jsonw_member(&w, "server", cluster ? cluster_server(cluster) : "");
    jsonw_member(&w, "version", status->version);
    jsonw_member_bool(&w, "demo", clusters_demo(clusters));
    rest_strings(&w, "contexts", clusters_contexts(clusters));
    jsonw_member(&w, "error", status->error);
    jsonw_end_object(&w);
    exchange_send_json(x, 200, &body);
}

static void rest_status_known(void *arg, const struct cluster_status *status)
{
    struct exchange *x = arg;
    struct err err = {0};
    x->call = NULL;
    struct cluster *cluster = rest_cluster(x, &err);
    rest_send_status(x, cluster, status);
}

void rest_cluster_status(struct exchange *x)
{
    struct err err = {0};
    struct cluster *cluster = rest_cluster(x, &err);
    if (cluster) {
        x->call = cluster_check(cluster, rest_status_known, x);
        return;
    }
    if (err.code == ERR_NOT_FOUND) {
        exchange_fail(x, &err);
        return;
    }
    const char *why = clusters_why(rest_server(x)->options.clusters);
    struct cluster_status none = {.version = "", .error = str_or(why, err.text)};
    rest_send_status(x, NULL, &none);
}

/* ---- the kinds that scripts know ---- */

/* Every cluster serves namespaces: where they are known, so is the rest. */
static bool rest_discovered(struct cluster *cluster)
{
    return cluster && cluster_kind(cluster, "v1", "Namespace");
}

/* What the cluster says of a kind; null where it was not asked, or does not serve it. */
static void rest_served(struct json_writer *w, struct cluster *cluster, const struct pack_resource *r)
{
    const struct kube_kind *kind = NULL;
    bool known = rest_discovered(cluster);
    for (size_t i = 0; known && !kind && r->versions && r->versions[i]; i++)
        kind = cluster_kind(cluster, r->versions[i], r->kind);
    jsonw_key(w, "served");
    if (known)
        jsonw_bool(w, kind != NULL);
    else
        jsonw_null(w);
    jsonw_key(w, "namespaced");
    if (kind)
        jsonw_bool(w, kind->namespaced);
    else
        jsonw_null(w);
}

static void rest_write_resource(struct json_writer *w, struct cluster *cluster, const struct pack_resource *r)
{
    static const char *const no_flows[] = {NULL}; /* flows come with a later generation of packs */
    jsonw_begin_object(w);
    jsonw_member(w, "name", r->name);
    jsonw_member(w, "help", str_or(r->help, ""));
    jsonw_member(w, "source", str_or(r->file, ""));
    rest_strings(w, "aliases", r->aliases);
    jsonw_member(w, "kind", r->kind);
    rest_strings(w, "versions", r->versions);
    rest_served(w, cluster, r);
    rest_strings(w, "actions", r->actions);
    rest_strings(w, "flows", no_flows);
    jsonw_end_object(w);
}

static void rest_send_resources(struct exchange *x, struct cluster *cluster)
{
    struct pack *pack = packs_current(rest_server(x)->options.packs);
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    size_t count = 0;
    jsonw_begin_object(&w);
    jsonw_key(&w, "generation");
    jsonw_uint(&w, pack_generation(pack));
    jsonw_key(&w, "resources");
    jsonw_begin_array(&w);
    const struct pack_resource *resources = pack_resources(pack, &count);
    for (size_t i = 0; i < count; i++)
        rest_write_resource(&w, cluster, &resources[i]);
    jsonw_end_array(&w);
    jsonw_key(&w, "faults");
    jsonw_begin_array(&w);
    const struct pack_fault *faults = pack_faults(pack, &count);
    for (size_t i = 0; i < count; i++) {
        jsonw_begin_object(&w);
        jsonw_member(&w, "text", faults[i].text);
        jsonw_member_bool(&w, "kept", faults[i].kept);
        jsonw_end_object(&w);
    }
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    exchange_send_json(x, 200, &body);
}

static void rest_resources_ready(struct exchange *x)
{
    struct err err = {0};
    timer_stop(&x->timer);
    rest_send_resources(x, rest_cluster(x, &err));
}

static void rest_discovery_known(void *arg, const struct err *why)
{
    struct exchange *x = arg;
    (void)why; /* not known then, which null says */
    x->call = NULL;
    rest_resources_ready(x);
}

static void rest_discovery_late(void *arg)
{
    struct exchange *x = arg;
    x->timer = NULL;
    kube_cancel(&x->call);
    rest_resources_ready(x);
}

void rest_resources(struct exchange *x)
{
    struct err err = {0};
    struct cluster *cluster = rest_cluster(x, &err);
    if (!cluster && err.code == ERR_NOT_FOUND) {
        exchange_fail(x, &err);
        return;
    }
    if (!cluster || rest_discovered(cluster)) {
        rest_send_resources(x, cluster);
        return;
    }
    x->timer = timer_start(rest_server(x)->options.loop, REST_DISCOVERY_MS, rest_discovery_late, x);
    x->call = cluster_discover(cluster, false, rest_discovery_known, x);
}
