/* What is told whole whenever it changes: what scripts have registered, and how a cluster is. */
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "edge/watch-internal.h"
#include "kube/cluster.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

enum { STATUS_EVERY_MS = 15000, WHOLE_EVERY_MS = 50 };

/* `cluster` is NULL where there is none. A context that is unknown fails the sub: -1. */
static int whole_cluster(struct watch_hub *hub, struct watch_sub *sub, struct cluster **cluster,
                         struct err *err)
{
    err->code = ERR_FAILED;
    *cluster = clusters_get(hub->server->options.clusters, sub->request.context, err);
    if (*cluster || err->code != ERR_NOT_FOUND)
        return 0;
    watch_sub_fail(sub, err);
    return -1;
}

/* The topic of this word and the cluster, joined; `*made` when it is a new one. NULL: the sub has failed. */
static struct watch_topic *whole_join(struct watch_hub *hub, struct watch_sub *sub, const char *word,
                                      const struct cluster *cluster, const struct watch_ops *ops, size_t size,
                                      bool *made)
{
    struct err err;
    char *key = mem_printf("%s\n%s", word, cluster ? cluster_context(cluster) : "");
    struct watch_topic *topic = watch_topic_find(hub, key);
    *made = !topic;
    if (!topic)
        topic = watch_topic_new(hub, size, key, ops, &err);
    free(key);
    if (topic)
        watch_topic_join(topic, sub);
    else
        watch_sub_fail(sub, &err);
    return topic;
}

static void whole_told(struct watch_sub *sub)
{
    sub->begun = sub->complete = true;
    sub->seen = sub->topic->told;
}

/* ---- scripts ---- */

struct scripts_topic {
    struct watch_topic topic;
    struct packs_observer observer;
    struct cluster *cluster;
    struct kube_call *call;
    struct timer *limit;
};

static void scripts_free(struct watch_topic *topic)
{
    struct scripts_topic *t = (struct scripts_topic *)topic;
    packs_unobserve(&t->observer);
    kube_cancel(&t->call);
    timer_stop(&t->limit);
    free(t);
}

static bool scripts_write(struct watch_sub *sub, struct json_writer *w)
{
    const struct scripts_topic *t = (const struct scripts_topic *)sub->topic;
    struct packs *packs = watch_sub_server(sub)->options.packs;
    const struct pack *pack = packs_current(packs);
    watch_sub_head(sub, w, "snapshot");
    jsonw_key(w, "generation");
    jsonw_uint(w, pack_generation(pack));
    rest_write_resources(w, pack, t->cluster);
    rest_write_flows(w, packs);
    rest_write_guardrails(w, packs);
    rest_write_faults(w, pack);
    jsonw_member_bool(w, "complete", true);
    whole_told(sub);
    return true;
}

static const struct watch_ops scripts_ops = {WHOLE_EVERY_MS, scripts_write, scripts_free};

static void scripts_news(void *arg)
{
    struct scripts_topic *t = arg;
    watch_topic_changed(&t->topic, t->topic.rev + 1);
}

static void scripts_known(void *arg, const struct err *why)
{
    struct scripts_topic *t = arg;
    (void)why; /* not known then, which null says */
    t->call = NULL;
    timer_stop(&t->limit);
    watch_topic_tell(&t->topic, t->topic.rev + 1);
}

/* The first answer waits no longer; what the cluster serves is told when it is known. */
static void scripts_late(void *arg)
{
    struct scripts_topic *t = arg;
    t->limit = NULL;
    watch_topic_tell(&t->topic, t->topic.rev + 1);
}

void watch_scripts(struct watch_hub *hub, struct watch_sub *sub)
{
    struct err err;
    struct cluster *cluster;
    bool made;
    if (whole_cluster(hub, sub, &cluster, &err))
        return;
    struct scripts_topic *t =
        (struct scripts_topic *)whole_join(hub, sub, "scripts", cluster, &scripts_ops, sizeof(*t), &made);
    if (!t || !made)
        return;
    t->cluster = cluster;
    t->observer.news = scripts_news;
    t->observer.arg = t;
    packs_observe(hub->server->options.packs, &t->observer);
    if (!cluster || rest_discovered(cluster)) {
        watch_topic_tell(&t->topic, 1);
        return;
    }
    t->limit = timer_start(hub->server->options.loop, REST_DISCOVERY_MS, scripts_late, t);
    t->call = cluster_discover(cluster, false, scripts_known, t);
}

/* ---- a cluster ---- */

struct status_topic {
    struct watch_topic topic;
    struct cluster *cluster;
    struct kube_call *call;
    struct timer *again;
    char *members; /* what is told */
};

static void status_free(struct watch_topic *topic)
{
    struct status_topic *t = (struct status_topic *)topic;
    kube_cancel(&t->call);
    timer_stop(&t->again);
    free(t->members);
    free(t);
}

static bool status_write(struct watch_sub *sub, struct json_writer *w)
{
    const struct status_topic *t = (const struct status_topic *)sub->topic;
    watch_sub_head(sub, w, "snapshot");
    jsonw_raw(w, t->members, strlen(t->members));
    jsonw_member_bool(w, "complete", true);
    whole_told(sub);
    return true;
}

static const struct watch_ops status_ops = {WHOLE_EVERY_MS, status_write, status_free};

static void status_is(struct status_topic *t, const struct cluster_status *status)
{
    struct buf text = {0};
    struct json_writer w = JSON_WRITER(&text);
    rest_write_status(&w, t->topic.hub->server->options.clusters, t->cluster, status);
    char *members = buf_take(&text);
    if (!members || str_eq(members, t->members)) {
        free(members);
        return;
    }
    free(t->members);
    t->members = members;
    watch_topic_tell(&t->topic, t->topic.rev + 1);
}

static void status_ask(void *arg);

static void status_known(void *arg, const struct cluster_status *status)
{
    struct status_topic *t = arg;
    t->call = NULL;
    t->again = timer_start(t->topic.hub->server->options.loop, STATUS_EVERY_MS, status_ask, t);
    status_is(t, status);
}

static void status_ask(void *arg)
{
    struct status_topic *t = arg;
    t->again = NULL;
    t->call = cluster_check(t->cluster, status_known, t);
}

void watch_cluster(struct watch_hub *hub, struct watch_sub *sub)
{
    struct err err;
    struct cluster *cluster;
    bool made;
    if (whole_cluster(hub, sub, &cluster, &err))
        return;
    struct status_topic *t =
        (struct status_topic *)whole_join(hub, sub, "cluster", cluster, &status_ops, sizeof(*t), &made);
    if (!t || !made)
        return;
    t->cluster = cluster;
    if (cluster) {
        status_ask(t);
        return;
    }
    const char *why = clusters_why(hub->server->options.clusters);
    status_is(t, &(struct cluster_status){.version = "", .error = str_or(why, err.text)});
}
