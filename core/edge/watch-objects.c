/* Lists of a cluster: one watch at the API server for all who look at the same one. Its rows are kept as
 * the JSON that is told. */
#include "base/clock.h"
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "edge/watch-internal.h"
#include "exec/gate.h"
#include "kube/cluster.h"
#include "kube/watch.h"

#include <stdlib.h>
#include <string.h>

enum { OBJECTS_EVERY_MS = 50, OBJECTS_ANEW_MS = 30000 };

struct objects_topic {
    struct watch_topic topic;
    struct cluster *cluster;
    struct kube_watch *watch;
    char *path, *query, *head;
    char *plural;
    struct buf definitions, columns; /* the cluster's, and what is told of them */
    uint64_t anew_ms;                /* listed anew because they changed */
    struct watch_rows rows;
};

static void objects_free(struct watch_topic *topic)
{
    struct objects_topic *t = (struct objects_topic *)topic;
    kube_watch_stop(&t->watch);
    topic->hub->bytes -= t->rows.bytes;
    watch_rows_free(&t->rows);
    buf_free(&t->definitions);
    buf_free(&t->columns);
    free(t->path);
    free(t->query);
    free(t->head);
    free(t->plural);
    free(t);
}

static bool objects_write(struct watch_sub *sub, struct json_writer *w)
{
    const struct objects_topic *t = (const struct objects_topic *)sub->topic;
    const uint64_t told = t->topic.told;
    bool begins = watch_sub_begin(sub, &t->rows), some = false;
    watch_sub_head(sub, w, begins ? "snapshot" : "change");
    if (begins) {
        jsonw_raw(w, t->head, strlen(t->head));
        jsonw_raw(w, buf_str(&t->columns), t->columns.len);
    }
    jsonw_key(w, begins ? "rows" : "changes");
    jsonw_begin_array(w);
    const size_t most = w->out->len + WATCH_MESSAGE_BYTES;
    const struct watch_row *row = watch_rows_after(&t->rows, sub->seen);
    for (; row && row->rev <= told && w->out->len < most; row = TAILQ_NEXT(row, link)) {
        sub->seen = row->rev;
        if (row->gone && row->rev <= sub->until)
            continue;
        jsonw_raw(w, row->json, row->len);
        some = true;
    }
    jsonw_end_array(w);
    bool all = !row || row->rev > told, was = sub->complete;
    if (all)
        sub->seen = told;
    sub->complete |= all;
    if (begins || sub->complete != was)
        jsonw_member_bool(w, "complete", sub->complete);
    return some || begins || sub->complete != was;
}

static const struct watch_ops objects_ops = {OBJECTS_EVERY_MS, objects_write, objects_free};

/* ---- what the cluster says ---- */

static void objects_fail_too_many(struct objects_topic *t)
{
    struct err err;
    err_code(
        &err, ERR_TOO_LARGE,
        "this list of %s is too long to be watched (more than %d rows, or %d MiB); narrow it by namespace, "
        "labels or fields",
        t->plural, WATCH_ROWS, WATCH_LIST_BYTES >> 20);
    watch_topic_fail(&t->topic, &err);
}

static void objects_changed(struct objects_topic *t, size_t bytes_before)
{
    t->topic.hub->bytes += t->rows.bytes;
    t->topic.hub->bytes -= bytes_before;
    watch_topic_changed(&t->topic, t->rows.rev);
}

/* What a row is known by: its uid, and where a kind has none its place and name. */
static char *objects_key(struct json_span row)
{
    struct json_span metadata = json_span_path(row, "object.metadata");
    struct json_span uid = json_span_member(metadata, "uid"), name = json_span_member(metadata, "name");
    if (uid.len > WATCH_ROW_BYTES || name.len > WATCH_ROW_BYTES)
        return NULL;
    char *key = json_span_text(uid);
    if (!str_empty(key))
        return key;
    free(key);
    struct json_span ns = json_span_member(metadata, "namespace");
    char *space = ns.len > WATCH_ROW_BYTES ? NULL : json_span_text(ns), *text = json_span_text(name);
    key = str_empty(text) ? NULL : mem_printf("%s/%s", str_or(space, ""), text);
    free(space);
    free(text);
    return key;
}

/* False: the topic is no more. */
static bool objects_put(struct objects_topic *t, struct json_span row)
{
    struct buf text = {0};
    struct json_writer w = JSON_WRITER(&text);
    const size_t before = t->rows.bytes;
    char *key = objects_key(row);
    if (key)
        rest_table_row(&w, row);
    if (!key || text.failed || text.len > WATCH_ROW_BYTES) {
        free(key);
        buf_free(&text);
        struct err err;
        err_set(&err, "the cluster tells a row of %s that has no name, or more than %d KiB", t->plural,
                WATCH_ROW_BYTES >> 10);
        watch_topic_fail(&t->topic, &err);
        return false;
    }
    struct watch_row *known = watch_rows_find(&t->rows, key);
    if (known && !known->gone && known->len == text.len && memcmp(known->json, text.data, text.len) == 0) {
        known->marked = false;
        buf_free(&text);
    } else {
        size_t len = text.len;
        known = watch_rows_touch(&t->rows, key);
        known->marked = false;
        watch_row_set(&t->rows, known, buf_take(&text), len);
        objects_changed(t, before);
    }
    free(key);
    if (t->rows.count <= WATCH_ROWS && t->rows.bytes <= WATCH_LIST_BYTES &&
        t->topic.hub->bytes <= WATCH_ALL_BYTES)
        return true;
    objects_fail_too_many(t);
    return false;
}

/* False: the topic is no more. */
static bool objects_remove(struct objects_topic *t, struct watch_row *row)
{
    static const char *const members[] = {"uid", "namespace", "name"};
    const struct json_span told = {row->json, row->len};
    const size_t before = t->rows.bytes;
    struct buf text = {0};
    struct json_writer w = JSON_WRITER(&text);
    if (row->gone)
        return true;
    jsonw_begin_object(&w);
    for (size_t i = 0; i < sizeof(members) / sizeof(members[0]); i++) {
        struct json_span value = json_span_member(told, members[i]);
        jsonw_key(&w, members[i]);
        jsonw_raw(&w, value.at, value.len);
    }
    jsonw_member_bool(&w, "deleted", true);
    jsonw_end_object(&w);
    size_t len = text.len;
    char *json = buf_take(&text);
    if (!json) {
        struct err err;
        err_no_memory(&err);
        watch_topic_fail(&t->topic, &err);
        return false;
    }
    watch_rows_remove(&t->rows, row, json, len);
    objects_changed(t, before);
    return true;
}

static void objects_forget(struct objects_topic *t)
{
    const size_t before = t->rows.bytes;
    watch_rows_bound(&t->rows);
    t->topic.hub->bytes -= before - t->rows.bytes;
}

static void objects_mark(struct objects_topic *t)
{
    struct watch_row *row;
    TAILQ_FOREACH(row, &t->rows.all, link)
    row->marked = !row->gone;
}

static bool objects_columns_are(const struct objects_topic *t, struct json_span columns)
{
    return t->definitions.len == columns.len &&
           (!columns.len || memcmp(buf_str(&t->definitions), columns.at, columns.len) == 0);
}

/* Everybody needs the new columns, and the cells that belong to them. */
static void objects_set_columns(struct objects_topic *t, struct json_span columns)
{
    struct json_writer w = JSON_WRITER(&t->columns);
    if (objects_columns_are(t, columns))
        return;
    buf_clear(&t->definitions);
    buf_append(&t->definitions, columns.at, columns.len);
    buf_clear(&t->columns);
    rest_table_columns(&w, columns);
    watch_rows_renew(&t->rows);
}

static void objects_synced(struct objects_topic *t, struct json_span columns)
{
    struct watch_row *row = TAILQ_FIRST(&t->rows.all), *next;
    /* What becomes a removal goes to the end, and is not marked any more. */
    for (; row; row = next) {
        next = TAILQ_NEXT(row, link);
        if (row->marked && !objects_remove(t, row))
            return;
    }
    objects_forget(t);
    objects_set_columns(t, columns);
    if (t->columns.failed || t->definitions.failed) {
        struct err err;
        err_no_memory(&err);
        watch_topic_fail(&t->topic, &err);
        return;
    }
    watch_topic_lost(&t->topic, NULL);
    watch_topic_tell(&t->topic, t->rows.rev);
}

static bool objects_start(struct objects_topic *t);

/* Of a kind whose columns have changed the rows that are kept are out of date. */
static bool objects_anew(struct objects_topic *t, struct json_span columns)
{
    uint64_t now = clock_mono_ms();
    if (!columns.len || *columns.at != '[' || objects_columns_are(t, columns) ||
        (t->anew_ms && now - t->anew_ms < OBJECTS_ANEW_MS))
        return false;
    t->anew_ms = now;
    kube_watch_stop(&t->watch);
    objects_mark(t);
    objects_start(t);
    return true;
}

static void objects_event_row(struct objects_topic *t, const struct kube_watch_event *event)
{
    const char *at = NULL;
    struct json_span row = {0};
    if (!json_span_next(json_span_member(event->object, "rows"), &at, NULL, &row) ||
        objects_anew(t, json_span_member(event->object, "columnDefinitions")))
        return;
    if (event->type != KUBE_WATCH_DELETED) {
        objects_put(t, row);
        return;
    }
    char *key = objects_key(row);
    struct watch_row *known = key ? watch_rows_find(&t->rows, key) : NULL;
    free(key);
    if (known && objects_remove(t, known))
        objects_forget(t);
}

static void objects_fail_no_table(struct objects_topic *t)
{
    struct err err;
    err_set(&err, "the cluster's answer is no table: whatever serves %s does not make one", t->plural);
    watch_topic_fail(&t->topic, &err);
}

static void objects_event(void *arg, const struct kube_watch_event *event)
{
    struct objects_topic *t = arg;
    switch (event->type) {
    case KUBE_WATCH_ITEM:
        if (json_span_member(event->object, "cells").at)
            objects_put(t, event->object);
        else
            objects_fail_no_table(t);
        return;
    case KUBE_WATCH_SYNCED:
        if (event->columns.at)
            objects_synced(t, event->columns);
        else
            objects_fail_no_table(t);
        return;
    case KUBE_WATCH_ADDED:
    case KUBE_WATCH_MODIFIED:
    case KUBE_WATCH_DELETED:
        objects_event_row(t, event);
        return;
    case KUBE_WATCH_RESTART:
        objects_mark(t);
        return;
    case KUBE_WATCH_LOST: {
        char *why = mem_printf("lost, trying again: %s", event->message);
        watch_topic_lost(&t->topic, why);
        free(why);
        return;
    }
    case KUBE_WATCH_BACK:
        watch_topic_lost(&t->topic, NULL);
        return;
    }
}

static void objects_over(void *arg, const struct err *why)
{
    struct objects_topic *t = arg;
    struct err err = *why;
    if (err.code == ERR_UNAUTHORIZED) /* the host's credentials, not the viewer's */
        err.code = ERR_UNAVAILABLE;
    watch_topic_fail(&t->topic, &err);
}

/* False: the topic is no more. */
static bool objects_start(struct objects_topic *t)
{
    struct err err;
    t->watch = kube_watch_start(t->cluster,
                                &(struct kube_watch_options){
                                    .path = t->path,
                                    .query = t->query,
                                    .accept = REST_TABLE,
                                    .on_event = objects_event,
                                    .on_fail = objects_over,
                                    .arg = t,
                                },
                                &err);
    if (!t->watch)
        watch_topic_fail(&t->topic, &err);
    return t->watch != NULL;
}

/* ---- who asks ---- */

static void objects_open(struct watch_hub *hub, struct watch_sub *sub, const struct rest_target *target,
                         const char *key, char *path)
{
    struct err err;
    struct buf query = {0};
    struct objects_topic *t =
        (struct objects_topic *)watch_topic_new(hub, sizeof(*t), key, &objects_ops, &err);
    if (!t) {
        free(path);
        watch_sub_fail(sub, &err);
        return;
    }
    buf_puts(&query, "includeObject=Metadata");
    rest_query_add(&query, "labelSelector", sub->request.labels);
    rest_query_add(&query, "fieldSelector", sub->request.fields);
    watch_rows_init(&t->rows);
    t->cluster = target->cluster;
    t->path = path;
    t->plural = mem_str(target->kind->plural);
    t->head = rest_objects_head(target);
    t->query = buf_take(&query);
    watch_topic_join(&t->topic, sub);
    if (t->head && t->query) {
        objects_start(t);
        return;
    }
    err_no_memory(&err);
    watch_topic_fail(&t->topic, &err);
}

static void objects_join(struct watch_sub *sub, const struct rest_target *target)
{
    struct watch_hub *hub = watch_sub_server(sub)->watches;
    const struct watch_request *r = &sub->request;
    const struct user *user = watch_sub_user(sub);
    struct err err;
    if (gate_allows_user(user, "list", target->resource, target->ns, &err) ||
        gate_allows_user(user, "watch", target->resource, target->ns, &err)) {
        watch_sub_fail(sub, &err);
        return;
    }
    if (!(target->kind->verbs & KUBE_LIST) || !(target->kind->verbs & KUBE_WATCH)) {
        err_code(&err, ERR_BAD_REQUEST, "the cluster does not let %s be watched", target->kind->plural);
        watch_sub_fail(sub, &err);
        return;
    }
    char *path = kube_path(target->kind, target->ns, NULL);
    char *key = mem_printf("objects\n%s\n%s\n%s\n%s", cluster_context(target->cluster), path,
                           str_or(r->labels, ""), str_or(r->fields, ""));
    struct watch_topic *topic = watch_topic_find(hub, key);
    if (topic) {
        free(path);
        watch_topic_join(topic, sub);
    } else {
        objects_open(hub, sub, target, key, path);
    }
    free(key);
}

/* A kind that was not known may be a new one: the cluster is asked once more. */
static void objects_asked(void *arg, const struct err *why)
{
    struct watch_sub *sub = arg;
    const struct watch_request *r = &sub->request;
    struct server *server = watch_sub_server(sub);
    struct err err = {0};
    struct rest_target target = {.cluster = clusters_get(server->options.clusters, r->context, &err)};
    sub->call = NULL;
    if (target.cluster && rest_target_find(server, r->resource, r->ns, &target)) {
        objects_join(sub, &target);
        return;
    }
    if (target.cluster && !why && !sub->asked_again) {
        sub->asked_again = true;
        sub->call = cluster_discover(target.cluster, true, objects_asked, sub);
        return;
    }
    if (target.cluster && why) {
        err = *why;
        err.code = err.code == ERR_UNAUTHORIZED ? ERR_UNAVAILABLE : err.code;
    } else if (target.cluster) {
        err_code(&err, ERR_NOT_FOUND, "the cluster serves no \"%.200s\"", r->resource);
    }
    watch_sub_fail(sub, &err);
}

void watch_objects(struct watch_hub *hub, struct watch_sub *sub)
{
    struct err err;
    struct cluster *cluster = clusters_get(hub->server->options.clusters, sub->request.context, &err);
    if (cluster)
        sub->call = cluster_discover(cluster, false, objects_asked, sub);
    else
        watch_sub_fail(sub, &err);
}
