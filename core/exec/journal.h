/* journal.h: what an execution said, in order, once.
 *
 * Events are serialised once, here, and every text in them passes the redactor here and
 * nowhere else. A journal keeps a bounded tail (JOURNAL_TAIL_BYTES); a view is a position in
 * it and nothing else, so a viewer that stops reading costs nothing and slows nobody. What a
 * view has not read when it falls off the tail comes as one gap. Files come below the tail
 * later: view_next() is then where they are read. Loop thread only. */
#pragma once

#include "base/buf.h"
#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct redactor;
struct journal;
struct journal_view;

enum { JOURNAL_TAIL_BYTES = 4 * 1024 * 1024 };

/* `execution_id` stands in every event. */
struct journal *journal_new(struct loop *loop, struct redactor *redactor, const char *execution_id);
void journal_free(struct journal *journal); /* no view is open any more */

/* Appends one event, masked, and returns its seq (1, 2, 3 …). Copies `event`. */
uint64_t journal_append(struct journal *journal, const struct event *event);

/* Nothing follows: views that have read all are at their end. */
void journal_end(struct journal *journal);

uint64_t journal_last(const struct journal *journal);  /* the newest seq, 0 if none */
uint64_t journal_first(const struct journal *journal); /* the oldest one kept */
size_t journal_bytes(const struct journal *journal);   /* memory of the tail */

/* Opens a view after `after_seq`. `news(arg)` is called from the loop, at most once a turn,
 * when there is something to read or the end was reached; also once at first. */
struct journal_view *journal_view_open(struct journal *journal, uint64_t after_seq, void (*news)(void *arg),
                                       void *arg);
void journal_view_close(struct journal_view **view);

/* The next event as JSON, valid until the next call or turn; NULL when there is none now. */
const char *journal_view_next(struct journal_view *view, size_t *len);
bool journal_view_at_end(const struct journal_view *view); /* ended, and everything was read */

/* The kept `line` events after `after_seq` (or, with 0, the last ones), at most `limit`, as the
 * seed's log rows with their seq; stream NULL: both. Appends a JSON array. Returns the first
 * kept seq where older lines are gone, else 0. */
uint64_t journal_write_logs(struct journal *journal, uint64_t after_seq, size_t limit, const char *stream,
                            struct buf *out);
