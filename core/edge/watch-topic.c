#include "base/mem.h"
#include "base/str.h"
#include "edge/watch-internal.h"
#include "edge/watch.h"
#include "kube/cluster.h"

#include <stdlib.h>

struct watch_hub *watch_hub_new(struct server *server)
{
    struct watch_hub *hub = mem_new(sizeof(*hub));
    hub->server = server;
    return hub;
}

void watch_hub_free(struct watch_hub *hub)
{
    if (!hub)
        return;
    buf_free(&hub->out);
    free(hub);
}

/* ---- topics ---- */

struct watch_topic *watch_topic_find(struct watch_hub *hub, const char *key)
{
    struct watch_topic *topic;
    LIST_FOREACH(topic, &hub->topics, link)
    if (str_eq(topic->key, key))
        return topic;
    return NULL;
}

struct watch_topic *watch_topic_new(struct watch_hub *hub, size_t size, const char *key,
                                    const struct watch_ops *ops, struct err *err)
{
    if (hub->topic_count >= WATCH_TOPICS) {
        err_code(err, ERR_BUSY, "%d different lists are watched on this host already; try again later",
                 WATCH_TOPICS);
        return NULL;
    }
    struct watch_topic *topic = mem_new(size);
    topic->hub = hub;
    topic->ops = ops;
    topic->key = mem_str(key);
    LIST_INSERT_HEAD(&hub->topics, topic, link);
    hub->topic_count++;
    return topic;
}

static void topic_free(struct watch_topic *topic)
{
    LIST_REMOVE(topic, link);
    topic->hub->topic_count--;
    timer_stop(&topic->tick);
    free(topic->key);
    free(topic->lost_why);
    topic->ops->free(topic);
}

static void topic_wake(struct watch_topic *topic)
{
    struct watch_sub *sub;
    LIST_FOREACH(sub, &topic->subs, same)
    watch_sub_wake(sub);
}

static void topic_tick(void *arg)
{
    struct watch_topic *topic = arg;
    topic->tick = NULL;
    watch_topic_tell(topic, topic->rev);
}

void watch_topic_changed(struct watch_topic *topic, uint64_t rev)
{
    topic->rev = rev;
    if (topic->ready && !topic->tick)
        topic->tick = timer_start(topic->hub->server->options.loop, topic->ops->every_ms, topic_tick, topic);
}

void watch_topic_tell(struct watch_topic *topic, uint64_t rev)
{
    topic->ready = true;
    topic->rev = topic->told = rev;
    topic_wake(topic);
}

void watch_topic_lost(struct watch_topic *topic, const char *why)
{
    if (topic->lost == (why != NULL) && (!why || str_eq(why, topic->lost_why)))
        return;
    free(topic->lost_why);
    topic->lost_why = mem_str(why);
    topic->lost = why != NULL;
    topic->state++;
    topic_wake(topic);
}

void watch_topic_join(struct watch_topic *topic, struct watch_sub *sub)
{
    LIST_INSERT_HEAD(&topic->subs, sub, same);
    sub->topic = topic;
    sub->state = topic->lost ? topic->state - 1 : topic->state;
    watch_sub_wake(sub);
}

static void topic_leave(struct watch_sub *sub)
{
    struct watch_topic *topic = sub->topic;
    if (!topic)
        return;
    sub->topic = NULL;
    LIST_REMOVE(sub, same);
    if (LIST_EMPTY(&topic->subs))
        topic_free(topic);
}

void watch_topic_fail(struct watch_topic *topic, const struct err *why)
{
    struct err err = *why;
    struct watch_sub *sub = LIST_FIRST(&topic->subs), *next;
    for (; sub; sub = next) {
        next = LIST_NEXT(sub, same); /* the topic goes with the last of them */
        watch_sub_fail(sub, &err);
    }
}

/* ---- subs ---- */

void watch_sub_fail(struct watch_sub *sub, const struct err *err)
{
    kube_cancel(&sub->call);
    topic_leave(sub);
    if (!sub->failed)
        sub->failed = mem_new(sizeof(*sub->failed));
    *sub->failed = *err;
    watch_sub_wake(sub);
}

void watch_sub_free(struct watch_sub *sub)
{
    kube_cancel(&sub->call);
    topic_leave(sub);
    watch_request_free(&sub->request);
    free(sub->failed);
    free(sub->before);
    free(sub);
}

bool watch_sub_pending(const struct watch_sub *sub)
{
    const struct watch_topic *topic = sub->topic;
    if (sub->failed)
        return true;
    if (!topic)
        return false;
    return sub->state != topic->state ||
           (topic->ready && (!sub->begun || !sub->complete || sub->seen < topic->told));
}

bool watch_sub_begin(struct watch_sub *sub, const struct watch_rows *rows)
{
    uint64_t known = sub->seen > sub->until ? sub->seen : sub->until;
    if (sub->begun && known >= rows->floor)
        return false;
    sub->begun = true;
    sub->complete = false;
    sub->seen = 0;
    sub->until = sub->topic->told;
    return true;
}

void watch_sub_head(const struct watch_sub *sub, struct json_writer *w, const char *type)
{
    jsonw_member(w, "type", type);
    jsonw_member(w, "id", sub->request.id);
}

static void sub_write_failed(struct watch_sub *sub, struct json_writer *w)
{
    watch_sub_head(sub, w, "error");
    jsonw_member(w, "code", err_code_name(sub->failed->code));
    jsonw_member(w, "error", sub->failed->text);
}

static void sub_write_state(struct watch_sub *sub, struct json_writer *w)
{
    const struct watch_topic *topic = sub->topic;
    watch_sub_head(sub, w, "state");
    jsonw_member_bool(w, "connected", !topic->lost);
    jsonw_member(w, "error", str_or(topic->lost_why, ""));
    sub->state = topic->state;
}

bool watch_sub_write(struct watch_sub *sub, struct json_writer *w)
{
    bool said = true;
    jsonw_begin_object(w);
    if (sub->failed)
        sub_write_failed(sub, w);
    else if (sub->state != sub->topic->state)
        sub_write_state(sub, w);
    else
        said = sub->topic->ops->write(sub, w);
    jsonw_end_object(w);
    return said;
}
