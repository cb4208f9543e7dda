/* The executions, as GET /api/executions tells them. A row says only that a record has changed: it is
 * written for each who looks, as they may see it and with their filters. */
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/watch-internal.h"
#include "exec/execution.h"

#include <stdlib.h>
#include <string.h>

enum {
    EXECUTIONS_EVERY_MS = 200,
    EXECUTIONS_LINES_MS = 1000,
    EXECUTIONS_PAGE = 20, /* records of a snapshot in a message */
};

struct executions_topic {
    struct watch_topic topic;
    struct executions_observer observer;
    struct watch_rows rows;
    struct execution *spoke; /* the last one that did: most lines are of the same */
    struct timer *lines;
};

static void executions_topic_free(struct watch_topic *topic)
{
    struct executions_topic *t = (struct executions_topic *)topic;
    executions_unobserve(&t->observer);
    timer_stop(&t->lines);
    watch_rows_free(&t->rows);
    free(t);
}

/* ---- what is told ---- */

static struct executions_query executions_query(const struct watch_sub *sub, size_t limit)
{
    const struct watch_request *r = &sub->request;
    return (struct executions_query){.limit = limit,
                                     .before = sub->before,
                                     .status = r->status,
                                     .mode = r->mode,
                                     .user = r->user,
                                     .q = r->q,
                                     .since = r->since};
}

/* The next records of the snapshot; those below `before` may be gone meanwhile: they were the oldest. */
static void executions_write_page(struct watch_sub *sub, struct json_writer *w)
{
    struct buf page = {0};
    struct json_writer list = JSON_WRITER(&page);
    size_t wanted = sub->left < EXECUTIONS_PAGE ? sub->left : EXECUTIONS_PAGE, count = 0;
    struct executions_query query = executions_query(sub, wanted);
    if (executions_write_list(watch_sub_server(sub)->options.executions, &query, watch_sub_user(sub), &list,
                              NULL))
        buf_puts(&page, "[]");
    struct json_span last = {0}, record;
    for (const char *at = NULL;
         json_span_next((struct json_span){buf_str(&page), page.len}, &at, NULL, &record); count++)
        last = record;
    free(sub->before);
    sub->before = json_span_text(json_span_member(last, "executionId"));
    sub->left -= count;
    sub->complete = count < wanted || !sub->left;
    jsonw_raw(w, buf_str(&page), page.len);
    if (page.failed)
        w->out->failed = true;
    buf_free(&page);
}

static void executions_write_snapshot(struct watch_sub *sub, struct json_writer *w, bool begins)
{
    watch_sub_head(sub, w, begins ? "snapshot" : "change");
    jsonw_key(w, begins ? "executions" : "changes");
    executions_write_page(sub, w);
    if (begins || sub->complete)
        jsonw_member_bool(w, "complete", sub->complete);
}

static bool executions_write_row(struct watch_sub *sub, struct json_writer *w, const struct watch_row *row)
{
    const struct user *user = watch_sub_user(sub);
    struct executions_query query = executions_query(sub, 1);
    if (row->execution ? !execution_visible(row->execution, user)
                       : !execution_shown(row->json, row->command, user))
        return false;
    if (row->execution && execution_matches(row->execution, &query, user)) {
        execution_write_record(row->execution, w);
        return true;
    }
    jsonw_begin_object(w);
    jsonw_member(w, "executionId", row->key);
    jsonw_member_bool(w, "deleted", true);
    jsonw_end_object(w);
    return true;
}

static bool executions_write(struct watch_sub *sub, struct json_writer *w)
{
    const struct executions_topic *t = (const struct executions_topic *)sub->topic;
    const uint64_t told = t->topic.told;
    bool begins = watch_sub_begin(sub, &t->rows), some = false;
    if (begins) {
        sub->seen = told;
        sub->left = sub->request.limit;
        free(sub->before);
        sub->before = NULL;
    }
    if (!sub->complete) {
        executions_write_snapshot(sub, w, begins);
        return true;
    }
    watch_sub_head(sub, w, "change");
    jsonw_key(w, "changes");
    jsonw_begin_array(w);
    const size_t most = w->out->len + WATCH_MESSAGE_BYTES;
    const struct watch_row *row = watch_rows_after(&t->rows, sub->seen);
    for (; row && row->rev <= told && w->out->len < most; row = TAILQ_NEXT(row, link)) {
        sub->seen = row->rev;
        some |= executions_write_row(sub, w, row);
    }
    jsonw_end_array(w);
    if (!row || row->rev > told)
        sub->seen = told;
    return some;
}

static const struct watch_ops executions_ops = {EXECUTIONS_EVERY_MS, executions_write, executions_topic_free};

/* ---- what happens ---- */

static void executions_touch(struct executions_topic *t, struct execution *execution)
{
    struct watch_row *row = watch_rows_touch(&t->rows, execution_id(execution));
    row->execution = execution;
    watch_row_set(&t->rows, row, NULL, 0);
    row->marked = false;
    watch_topic_changed(&t->topic, t->rows.rev);
}

static void executions_lines(void *arg)
{
    struct executions_topic *t = arg;
    struct watch_row *row = TAILQ_FIRST(&t->rows.all), *next;
    t->lines = NULL;
    t->spoke = NULL;
    for (; row; row = next) {
        next = TAILQ_NEXT(row, link);
        if (row->marked)
            executions_touch(t, row->execution);
    }
}

static void executions_spoke(struct executions_topic *t, struct execution *execution)
{
    if (t->spoke == execution)
        return;
    struct watch_row *row = watch_rows_find(&t->rows, execution_id(execution));
    if (!row) {
        executions_touch(t, execution);
        row = watch_rows_find(&t->rows, execution_id(execution));
    }
    t->spoke = execution;
    row->marked = true;
    if (!t->lines)
        t->lines = timer_start(t->topic.hub->server->options.loop, EXECUTIONS_LINES_MS, executions_lines, t);
}

static void executions_gone(struct executions_topic *t, const struct execution *execution)
{
    struct watch_row *row = watch_rows_touch(&t->rows, execution_id(execution));
    if (t->spoke == execution)
        t->spoke = NULL;
    watch_rows_remove(&t->rows, row, mem_str(execution_starter(execution)), 0);
    row->command = execution_is_command(execution);
    watch_rows_bound(&t->rows);
    watch_topic_changed(&t->topic, t->rows.rev);
}

static void executions_news(void *arg, struct execution *execution, enum execution_news news)
{
    struct executions_topic *t = arg;
    switch (news) {
    case EXECUTION_CHANGED:
        executions_touch(t, execution);
        return;
    case EXECUTION_SPOKE:
        executions_spoke(t, execution);
        return;
    case EXECUTION_GONE:
        executions_gone(t, execution);
        return;
    }
}

void watch_executions(struct watch_hub *hub, struct watch_sub *sub)
{
    static const char key[] = "executions";
    struct err err;
    struct watch_topic *known = watch_topic_find(hub, key);
    if (known) {
        watch_topic_join(known, sub);
        return;
    }
    struct executions_topic *t =
        (struct executions_topic *)watch_topic_new(hub, sizeof(*t), key, &executions_ops, &err);
    if (!t) {
        watch_sub_fail(sub, &err);
        return;
    }
    watch_rows_init(&t->rows);
    t->observer.news = executions_news;
    t->observer.arg = t;
    executions_observe(hub->server->options.executions, &t->observer);
    t->topic.ready = true;
    watch_topic_join(&t->topic, sub);
}
