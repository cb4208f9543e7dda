#include "exec/event.h"

#include "base/clock.h"
#include "base/json-write.h"
#include "base/str.h"
#include "exec/event-json.h"
#include "exec/lines.h"
#include "io/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const event_types[] = {"state", "phase", "line", "complete"};

void event_mask(struct redactor *redactor, const char *text, struct buf *out)
{
    struct buf clean = {0}, masked = {0};
    /* A little more than is shown, so that a secret across that place is found. */
    text_clean(text, strnlen(text, EVENT_TEXT_MAX + LINE_BEYOND), &clean);
    redact_line(redactor, NULL, buf_str(&clean), clean.len, &masked);
    bool whole = masked.len <= EVENT_TEXT_MAX;
    buf_append(out, buf_str(&masked), whole ? masked.len : str_utf8_cut(masked.data, EVENT_TEXT_MAX));
    if (!whole)
        buf_puts(out, "…");
    buf_free(&clean);
    buf_free(&masked);
}

static void event_text(struct event_door *door, struct json_writer *w, const char *key, const char *text)
{
    struct buf shown = {0};
    event_mask(door->redactor, str_or(text, ""), &shown);
    jsonw_key(w, key);
    jsonw_stringn(w, buf_str(&shown), shown.len);
    buf_free(&shown);
}

static void event_time(struct json_writer *w, const char *key, int64_t wall_ms)
{
    char text[CLOCK_TEXT];
    jsonw_member(w, key, clock_text(wall_ms, text));
}

static void event_line(struct event_door *door, struct json_writer *w, const struct event *e, size_t most)
{
    struct buf clean = {0}, masked = {0};
    bool err = e->line.stream == STREAM_STDERR;
    line_clean(e->line.text, e->line.len, &clean);
    redact_line(door->redactor, err ? &door->stderr_state : &door->stdout_state, buf_str(&clean), clean.len,
                &masked);
    size_t kept = masked.len > most ? str_utf8_cut(masked.data, most) : masked.len;
    size_t dropped = masked.len - kept + e->line.dropped;
    if (dropped) {
        masked.len = kept;
        buf_printf(&masked, "… [%zu more bytes of this line are not kept]", dropped);
    }
    jsonw_member(w, "stream", err ? "stderr" : "stdout");
    jsonw_key(w, "text");
    jsonw_stringn(w, buf_str(&masked), masked.len);
    buf_free(&clean);
    buf_free(&masked);
}

void event_write_counts(struct json_writer *w, const struct event_counts *counts)
{
    jsonw_key(w, "resourcesChanged");
    jsonw_begin_object(w);
    jsonw_member_int(w, "created", counts->created);
    jsonw_member_int(w, "configured", counts->configured);
    jsonw_member_int(w, "unchanged", counts->unchanged);
    jsonw_member_int(w, "deleted", counts->deleted);
    jsonw_end_object(w);
}

void event_conflicts_free(struct event_conflict *conflicts, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(conflicts[i].field);
        free(conflicts[i].manager);
        free(conflicts[i].live);
        free(conflicts[i].since);
    }
    free(conflicts);
}

static void event_conflict(struct event_door *door, struct json_writer *w, const struct event_conflict *c)
{
    jsonw_begin_object(w);
    event_text(door, w, "field", c->field);
    event_text(door, w, "manager", c->manager);
    event_text(door, w, "live", c->live);
    event_text(door, w, "since", c->since);
    jsonw_end_object(w);
}

void event_verdict_clear(struct event_verdict *v)
{
    free(v->rule);
    free(v->field);
    free(v->message);
    free(v->file);
    *v = (struct event_verdict){0};
}

void event_verdicts_free(struct event_verdict *verdicts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        event_verdict_clear(&verdicts[i]);
    free(verdicts);
}

static void event_verdict(struct event_door *door, struct json_writer *w, const struct event_verdict *v)
{
    jsonw_begin_object(w);
    event_text(door, w, "rule", v->rule);
    jsonw_member(w, "level", v->level);
    event_text(door, w, "field", v->field);
    event_text(door, w, "message", v->message);
    event_text(door, w, "file", v->file);
    jsonw_end_object(w);
}

void event_write_document(struct event_door *door, struct json_writer *w, const struct event_document *d)
{
    jsonw_member_int(w, "index", (int64_t)d->index);
    jsonw_member_int(w, "line", (int64_t)d->line);
    event_text(door, w, "ref", d->ref);
    event_text(door, w, "namespace", d->namespace_);
    jsonw_member(w, "outcome", d->outcome);
    event_text(door, w, "message", d->message);
    jsonw_key(w, "conflicts");
    jsonw_begin_array(w);
    for (size_t i = 0; i < d->conflict_count; i++)
        event_conflict(door, w, &d->conflicts[i]);
    jsonw_end_array(w);
    jsonw_key(w, "verdicts");
    jsonw_begin_array(w);
    for (size_t i = 0; i < d->verdict_count; i++)
        event_verdict(door, w, &d->verdicts[i]);
    jsonw_end_array(w);
}

static void event_document(struct event_door *door, struct json_writer *w, const struct event_document *d)
{
    jsonw_begin_object(w);
    event_write_document(door, w, d);
    jsonw_end_object(w);
}

/* Which rows stay as an event that is too large is written again: all, those that changed
 * something, those with a message, as many of them as fit. */
static bool event_document_stays(const struct event_document *d, int tightness)
{
    if (tightness >= 1 && str_eq(d->outcome, "unchanged") && str_empty(d->message))
        return false;
    return tightness < 2 || !str_empty(d->message);
}

enum { EVENT_REST = 4096 }; /* room for what follows the rows */

/* False where it has no room: then nothing is written. */
static bool event_document_fits(struct event_door *door, struct json_writer *w,
                                const struct event_document *d)
{
    struct json_writer before = *w;
    size_t len = w->out->len;
    if (len > EVENT_BYTES_MAX - 2 * EVENT_REST)
        return false;
    event_document(door, w, d);
    if (w->out->len <= EVENT_BYTES_MAX - EVENT_REST)
        return true;
    *w = before;
    w->out->len = len;
    w->out->data[len] = '\0';
    return false;
}

static void event_documents(struct event_door *door, struct json_writer *w, const struct event *e,
                            int tightness)
{
    size_t omitted = 0;
    jsonw_key(w, "documents");
    jsonw_begin_array(w);
    for (size_t i = 0; i < e->complete.document_count; i++) {
        const struct event_document *d = &e->complete.documents[i];
        if (!event_document_stays(d, tightness))
            omitted++;
        else if (tightness >= 3)
            omitted += !event_document_fits(door, w, d);
        else if (w->out->len <= EVENT_BYTES_MAX) /* else it is written again anyway */
            event_document(door, w, d);
    }
    jsonw_end_array(w);
    if (omitted)
        jsonw_member_int(w, "documentsOmitted", (int64_t)omitted);
}

void event_write_summary(struct json_writer *w, const struct event *e)
{
    event_time(w, "startedAt", e->complete.started);
    event_time(w, "completedAt", e->complete.completed);
    jsonw_member_int(w, "durationMs", e->complete.completed - e->complete.started);
    jsonw_member_int(w, "exitCode", e->complete.exit_code);
    if (e->complete.signal)
        jsonw_member_int(w, "signal", e->complete.signal);
    event_write_counts(w, &e->complete.changed);
}

static void event_complete(struct event_door *door, struct json_writer *w, const struct event *e,
                           int tightness)
{
    jsonw_member(w, "status", e->complete.status);
    jsonw_member(w, "outcome", e->complete.outcome);
    event_text(door, w, "error", e->complete.error);
    jsonw_member(w, "code", e->complete.code);
    jsonw_key(w, "summary");
    jsonw_begin_object(w);
    event_write_summary(w, e);
    if (e->complete.has_documents)
        event_documents(door, w, e, tightness);
    jsonw_end_object(w);
}

static void event_body(struct event_door *door, struct json_writer *w, const struct event *e, int tightness)
{
    switch (e->type) {
    case EVENT_STATE:
        jsonw_member(w, "status", e->state.status);
        event_text(door, w, "label", e->state.label);
        break;
    case EVENT_PHASE:
        event_text(door, w, "name", e->phase.name);
        event_text(door, w, "detail", e->phase.detail);
        jsonw_member_int(w, "progress", (int64_t)e->phase.progress);
        jsonw_member_int(w, "total", (int64_t)e->phase.total);
        break;
    case EVENT_LINE:
        /* Escaped, 64 KiB can become six times as much; each try takes half of it. */
        event_line(door, w, e, (size_t)LINE_KEPT >> tightness);
        break;
    case EVENT_COMPLETE:
        event_complete(door, w, e, tightness);
        break;
    }
}

enum { EVENT_ROW_LEAST = 100 };

/* The first try that may fit: writing thousands of rows in vain would hold the loop. */
static int event_first_try(const struct event *e)
{
    for (int tightness = 0; e->type == EVENT_COMPLETE && tightness < 3; tightness++) {
        size_t rows = 0;
        for (size_t i = 0; i < e->complete.document_count; i++)
            rows += event_document_stays(&e->complete.documents[i], tightness);
        if (rows <= EVENT_BYTES_MAX / EVENT_ROW_LEAST)
            return tightness;
    }
    return e->type == EVENT_COMPLETE ? 3 : 0;
}

void event_write(struct event_door *door, const char *execution_id, uint64_t seq, const struct event *e,
                 struct buf *out)
{
    struct redact_state out_state = door->stdout_state, err_state = door->stderr_state;
    for (int tightness = event_first_try(e); tightness <= 3; tightness++) {
        struct json_writer w = JSON_WRITER(out);
        buf_clear(out);
        door->stdout_state = out_state;
        door->stderr_state = err_state;
        jsonw_begin_object(&w);
        jsonw_member(&w, "type", event_types[e->type]);
        jsonw_member(&w, "executionId", execution_id);
        jsonw_member_int(&w, "seq", (int64_t)seq);
        event_time(&w, "timestamp", e->time);
        event_body(door, &w, e, tightness);
        jsonw_member(&w, "mode", e->mode);
        jsonw_member(&w, "sourceLabel", e->source_label);
        jsonw_end_object(&w);
        if (out->len <= EVENT_BYTES_MAX)
            return;
    }
}
