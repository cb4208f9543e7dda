/* event.h: one thing that an execution says. A plain value; strings are the caller's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EVENT_BYTES_MAX = 256 * 1024 }; /* of an event as JSON: who makes one cuts it */

enum event_type { EVENT_STATE, EVENT_PHASE, EVENT_LINE, EVENT_COMPLETE };
enum event_stream { STREAM_STDOUT, STREAM_STDERR };

struct event_counts {
    unsigned created, configured, unchanged, deleted;
};

/* A field that somebody else owns. */
struct event_conflict {
    char *field, *manager, *live, *since; /* since: RFC 3339 or "" */
};

void event_conflicts_free(struct event_conflict *conflicts, size_t count);

/* What a guardrail said to the document. */
struct event_verdict {
    char *rule;
    const char *level; /* "deny", "warn", "observe" */
    char *field, *message, *file;
};

void event_verdict_clear(struct event_verdict *verdict); /* frees its texts */
void event_verdicts_free(struct event_verdict *verdicts, size_t count);

/* What became of one document, as `complete.summary.documents` shows it. */
struct event_document {
    size_t index, line;
    const char *ref, *namespace_, *outcome, *message;
    const struct event_conflict *conflicts;
    size_t conflict_count;
    const struct event_verdict *verdicts;
    size_t verdict_count;
};

struct event {
    enum event_type type;
    int64_t time; /* wall milliseconds */
    const char *mode, *source_label;
    union {
        struct {
            const char *status, *label;
        } state;
        struct {
            const char *name, *detail;
            size_t progress, total;
        } phase;
        struct {
            enum event_stream stream;
            const char *text;
            size_t len, dropped; /* bytes of the line's end that are not in text */
        } line;
        struct {
            const char *status, *outcome, *error;
            const char *code; /* the error's kind, a word of err_code_name(); "" on success */
            int64_t started, completed;
            int exit_code, signal;
            struct event_counts changed;
            const struct event_document *documents;
            size_t document_count;
            bool has_documents;
        } complete;
    };
};
