/* past.c: executions of earlier hosts, out of the history: those that somebody asks for, and those that a
 * host did not survive. */
#include "base/clock.h"
#include "base/json-span.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/execution-internal.h"
#include "exec/journal.h"
#include "exec/ledger.h"
#include "io/history.h"
#include "loop/loop.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const past_outcomes[] = {"succeeded", "failed", "cancelled", "interrupted"};

static struct json_span past_member(const char *json, const char *path)
{
    return json_span_path((struct json_span){json, strlen(json)}, path);
}

static char *past_text(const char *json, const char *path)
{
    char *text = json_span_text(past_member(json, path));
    return text ? text : mem_str("");
}

static int64_t past_time(const char *json, const char *path)
{
    char *text = past_text(json, path);
    int64_t time = clock_parse(text);
    free(text);
    return time;
}

static const char *past_outcome(const char *json, const char *path)
{
    for (size_t i = 0; i < sizeof(past_outcomes) / sizeof(past_outcomes[0]); i++)
        if (json_span_is(past_member(json, path), past_outcomes[i]))
            return past_outcomes[i];
    return "";
}

static enum execution_status past_status(const char *word)
{
    enum execution_status status = EXECUTION_PLANNED;
    while (status < EXECUTION_FAILED && !str_eq(execution_status_name(status), word))
        status++;
    return status;
}

static struct execution *past_new(struct executions *set, const struct history_row *row)
{
    struct execution *ex = mem_new(sizeof(*ex));
    ex->set = set;
    ex->references = 1;
    ex->number = row->number;
    ex->id = mem_str(row->id);
    ex->record = mem_str(row->record);
    ex->search = mem_str(row->search);
    ex->command = row->command;
    ex->status = past_status(row->status);
    ex->mode = str_eq(row->mode, "dry-run") ? "dry-run" : "apply";
    ex->source =
        json_span_is(past_member(row->record, "sourceLabel"), "shell") ? "shell" : "kubectl-equivalent";
    ex->label = past_text(row->record, "label");
    ex->error = past_text(row->record, "error");
    ex->outcome = past_outcome(row->record, "outcome");
    ex->started = ex->last_line = row->started;
    snprintf(ex->user.name, sizeof(ex->user.name), "%s", row->user);
    ex->journal = journal_new(set->options.loop, set->options.redactor, ex->id);
    return ex;
}

/* ---- those that somebody asks for ---- */

static int past_load(void *arg, const struct history_row *row)
{
    struct executions *set = arg;
    if (!row->ended)
        return 1;
    struct execution *ex = past_new(set, row);
    journal_load(ex->journal, history_archive(set->options.history), row->number, row->last_seq,
                 row->whole_from);
    map_put(set->past, ex->id, ex);
    return 1;
}

/* The turn is over: whoever still needs it keeps it. */
static void past_let_go(void *arg)
{
    struct execution *ex = arg;
    ex->reap = NULL;
    execution_drop(ex);
}

struct execution *past_find(struct executions *set, const char *id)
{
    struct execution *ex = map_get(set->past, id);
    if (ex)
        return ex;
    history_find(set->options.history, id, past_load, set);
    ex = map_get(set->past, id);
    if (ex)
        ex->reap = loop_defer(set->options.loop, past_let_go, ex);
    return ex;
}

void past_free(struct executions *set)
{
    size_t at = 0;
    void *ex;
    while (map_next(set->past, &at, NULL, &ex))
        execution_drop(ex);
    map_free(set->past, NULL);
}

/* ---- those that a host did not survive ---- */

struct past_list {
    struct executions *set;
    struct execution **items;
    size_t count;
};

static int past_collect(void *arg, const struct history_row *row)
{
    struct past_list *list = arg;
    list->items = mem_grow(list->items, (list->count + 1) * sizeof(struct execution *));
    list->items[list->count++] = past_new(list->set, row);
    return 0;
}

static unsigned past_number(const char *json, const char *path)
{
    struct json_span span = past_member(json, path);
    return span.at ? (unsigned)strtoul(span.at, NULL, 10) : 0;
}

/* It had ended, and only its row was not written. */
static void past_was_complete(struct execution *ex, const char *complete)
{
    char *status = past_text(complete, "status");
    ex->status = past_status(status);
    ex->outcome = past_outcome(complete, "outcome");
    free(ex->error);
    ex->error = past_text(complete, "error");
    ex->end.complete.started = ex->started;
    ex->end.complete.completed = past_time(complete, "summary.completedAt");
    ex->end.complete.exit_code = (int)past_number(complete, "summary.exitCode");
    ex->end.complete.signal = (int)past_number(complete, "summary.signal");
    ex->end.complete.changed = (struct event_counts){
        .created = past_number(complete, "summary.resourcesChanged.created"),
        .configured = past_number(complete, "summary.resourcesChanged.configured"),
        .unchanged = past_number(complete, "summary.resourcesChanged.unchanged"),
        .deleted = past_number(complete, "summary.resourcesChanged.deleted"),
    };
    free(status);
    journal_end(ex->journal);
    execution_save(ex);
}

static struct event_counts past_counts(const struct event_document *rows, size_t count)
{
    struct event_counts counts = {0};
    for (size_t i = 0; i < count; i++) {
        counts.created += str_eq(rows[i].outcome, "created");
        counts.configured += str_eq(rows[i].outcome, "configured");
        counts.unchanged += str_eq(rows[i].outcome, "unchanged");
        counts.deleted += str_eq(rows[i].outcome, "deleted");
    }
    return counts;
}

static char *past_reason(const struct event_document *rows, size_t count)
{
    size_t doubt = 0, waiting = 0;
    for (size_t i = 0; i < count; i++) {
        doubt += str_eq(rows[i].outcome, "in-doubt");
        waiting += str_eq(rows[i].outcome, "not-started");
    }
    if (!count)
        return mem_str("the host ended without warning while this ran");
    return mem_printf(
        "the host ended without warning while this ran: of %zu documents %zu were decided, %zu are "
        "in doubt, %zu were not started",
        count, count - doubt - waiting, doubt, waiting);
}

static void past_interrupt(struct execution *ex, const char *last)
{
    int64_t seen = past_time(last, "timestamp");
    struct event_document *rows;
    size_t count;
    char *room;
    ledger_read(history_archive(ex->set->options.history), ex->number, str_eq(ex->mode, "dry-run"), &rows,
                &count, &room);
    free(ex->error);
    ex->error = past_reason(rows, count);
    ex->outcome = "interrupted";
    if (seen > ex->started)
        ex->last_line = seen;
    execution_conclude(ex,
                       &(struct execution_end){
                           .exit_code = 1,
                           .changed = past_counts(rows, count),
                           .documents = rows,
                           .document_count = count,
                           .has_documents = count > 0,
                       },
                       ERR_FAILED, seen > ex->started ? seen : ex->started);
    free(rows);
    free(room);
}

void past_recover(struct executions *set)
{
    struct past_list list = {.set = set};
    history_unended(set->options.history, past_collect, &list);
    for (size_t i = 0; i < list.count; i++) {
        struct execution *ex = list.items[i];
        struct buf last = {0};
        journal_resume(ex->journal, history_archive(set->options.history), ex->number, &last);
        if (json_span_is(past_member(buf_str(&last), "type"), "complete"))
            past_was_complete(ex, buf_str(&last));
        else
            past_interrupt(ex, buf_str(&last));
        buf_free(&last);
        execution_drop(ex);
    }
    if (list.count)
        log_warn("an earlier host did not end by itself: %zu executions are interrupted", list.count);
    free(list.items);
}
