/* What scripts have registered: kinds, flows, guardrails. */
#include "base/map.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "exec/flow.h"
#include "kube/cluster.h"
#include "script/pack.h"

#include <string.h>

static void scripts_strings(struct json_writer *w, const char *key, const char *const *list)
{
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (; list && *list; list++)
        jsonw_string(w, *list);
    jsonw_end_array(w);
}

void rest_write_faults(struct json_writer *w, const struct pack *pack)
{
    size_t count = 0;
    const struct pack_fault *faults = pack_faults(pack, &count);
    jsonw_key(w, "faults");
    jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        jsonw_begin_object(w);
        jsonw_member(w, "text", faults[i].text);
        jsonw_member_bool(w, "kept", faults[i].kept);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void scripts_begin(struct json_writer *w, const struct pack *pack)
{
    jsonw_begin_object(w);
    jsonw_key(w, "generation");
    jsonw_uint(w, pack_generation(pack));
}

static void scripts_send(struct exchange *x, struct json_writer *w, const struct pack *pack)
{
    rest_write_faults(w, pack);
    jsonw_end_object(w);
    exchange_send_json(x, 200, w->out);
}

/* ---- the kinds that scripts know ---- */

/* Every cluster serves namespaces: where they are known, so is the rest. */
bool rest_discovered(struct cluster *cluster)
{
    return cluster && cluster_kind(cluster, "v1", "Namespace");
}

/* What the cluster says of a kind; null where it was not asked, or does not serve it. */
static void scripts_served(struct json_writer *w, struct cluster *cluster, const struct pack_resource *r)
{
    bool known = rest_discovered(cluster);
    const struct kube_kind *kind = known ? rest_served_kind(cluster, r) : NULL;
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

static bool scripts_name(const char *const *list, const char *name)
{
    while (list && *list && !str_eq(*list, name))
        list++;
    return list && *list;
}

/* A flow says on which resources it is offered, by name or alias, and a resource may name flows. */
static bool scripts_offers(const struct pack *pack, const struct pack_resource *r,
                           const struct pack_flow *flow)
{
    bool offered = scripts_name(r->flows, flow->name);
    for (const char *const *name = flow->resources; !offered && *name; name++)
        offered = str_eq(*name, "*") || pack_resource(pack, *name) == pack_resource(pack, r->name);
    return offered;
}

static void scripts_resource(struct json_writer *w, const struct pack *pack, struct cluster *cluster,
                             const struct pack_resource *r)
{
    size_t count = 0;
    const struct pack_flow *flows = pack_flows(pack, &count);
    jsonw_begin_object(w);
    jsonw_member(w, "name", r->name);
    jsonw_member(w, "help", str_or(r->help, ""));
    jsonw_member(w, "source", str_or(r->file, ""));
    scripts_strings(w, "aliases", r->aliases);
    jsonw_member(w, "kind", r->kind);
    scripts_strings(w, "versions", r->versions);
    scripts_served(w, cluster, r);
    scripts_strings(w, "actions", r->actions);
    jsonw_key(w, "flows");
    jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++)
        if (scripts_offers(pack, r, &flows[i]))
            jsonw_string(w, flows[i].name);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

void rest_write_resources(struct json_writer *w, const struct pack *pack, struct cluster *cluster)
{
    size_t count = 0;
    const struct pack_resource *resources = pack_resources(pack, &count);
    jsonw_key(w, "resources");
    jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++)
        scripts_resource(w, pack, cluster, &resources[i]);
    jsonw_end_array(w);
}

static void resources_send(struct exchange *x, struct cluster *cluster)
{
    const struct pack *pack = packs_current(rest_server(x)->options.packs);
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    scripts_begin(&w, pack);
    rest_write_resources(&w, pack, cluster);
    scripts_send(x, &w, pack);
}

static void resources_ready(struct exchange *x)
{
    struct err err = {0};
    timer_stop(&x->timer);
    resources_send(x, rest_cluster(x, &err));
}

static void resources_discovered(void *arg, const struct err *why)
{
    struct exchange *x = arg;
    (void)why; /* not known then, which null says */
    x->call = NULL;
    resources_ready(x);
}

static void resources_late(void *arg)
{
    struct exchange *x = arg;
    x->timer = NULL;
    kube_cancel(&x->call);
    resources_ready(x);
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
        resources_send(x, cluster);
        return;
    }
    x->timer = timer_start(rest_server(x)->options.loop, REST_DISCOVERY_MS, resources_late, x);
    x->call = cluster_discover(cluster, false, resources_discovered, x);
}

/* ---- what can be done, and what may not ---- */

void rest_write_flows(struct json_writer *w, struct packs *packs)
{
    size_t count = 0;
    const struct pack_flow *flows = pack_flows(packs_current(packs), &count);
    jsonw_key(w, "flows");
    jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++)
        flow_write(w, &flows[i]);
    jsonw_end_array(w);
}

void rest_write_guardrails(struct json_writer *w, struct packs *packs)
{
    size_t count = 0;
    const struct pack_guardrail *guardrails = pack_guardrails(packs_current(packs), &count);
    const struct map *verdicts = packs_stats(packs)->verdicts;
    jsonw_key(w, "guardrails");
    jsonw_begin_array(w);
    for (size_t i = 0; i < count; i++) {
        jsonw_begin_object(w);
        jsonw_member(w, "name", guardrails[i].name);
        jsonw_member(w, "help", guardrails[i].help);
        jsonw_member(w, "level", guardrails[i].level);
        scripts_strings(w, "resources", guardrails[i].resources);
        jsonw_member(w, "source", guardrails[i].file);
        const struct verdict_counts *said = map_get(verdicts, guardrails[i].name);
        jsonw_member_int(w, "stopped", said ? (int64_t)said->deny : 0);
        jsonw_member_int(w, "warned", said ? (int64_t)said->warn : 0);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

static void scripts_answer(struct exchange *x, void (*write)(struct json_writer *w, struct packs *packs))
{
    struct packs *packs = rest_server(x)->options.packs;
    const struct pack *pack = packs_current(packs);
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    scripts_begin(&w, pack);
    write(&w, packs);
    scripts_send(x, &w, pack);
}

void rest_flows(struct exchange *x)
{
    scripts_answer(x, rest_write_flows);
}

void rest_guardrails(struct exchange *x)
{
    scripts_answer(x, rest_write_guardrails);
}
