/* event-json.h: an event as the wire's JSON. This is the one door: every text in it passes the
 * redactor here. */
#pragma once

#include "base/buf.h"
#include "exec/event.h"
#include "io/redact.h"

#include <stdint.h>

struct json_writer;

enum { EVENT_TEXT_MAX = 8 * 1024 };

/* What the door remembers from line to line. */
struct event_door {
    struct redactor *redactor;
    struct redact_state stdout_state, stderr_state;
};

/* Appends a text that is no line (a label, a phase, a reason) as it may be shown: masked, without
 * escapes, at most EVENT_TEXT_MAX bytes and a mark. */
void event_mask(struct redactor *redactor, const char *text, struct buf *out);

/* Replaces what is in `out` by the event, at most EVENT_BYTES_MAX: a line is cut, rows of documents
 * are left out and counted. */
void event_write(struct event_door *door, const char *execution_id, uint64_t seq, const struct event *event,
                 struct buf *out);

/* Members of `summary`, for a complete event and for a record. */
void event_write_summary(struct json_writer *w, const struct event *event);
/* Members of a document's row. */
void event_write_document(struct event_door *door, struct json_writer *w,
                          const struct event_document *document);
void event_write_counts(struct json_writer *w, const struct event_counts *counts);
