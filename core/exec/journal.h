/* journal.h: what an execution said, in order, once.
 *
 * Events are serialised once, here, and every text in them passes the redactor here and nowhere else. A
 * journal keeps a bounded tail in memory and, where it is stored, all of it in files (io/archive.h); a view
 * is a position in it and nothing else, so a viewer that stops reading costs nothing and slows nobody: what
 * has left the tail it reads from the files. What is no longer kept anywhere comes as a gap. What a viewer
 * has seen was written before, except while the disk refuses. Loop thread only. */
#pragma once

#include "base/buf.h"
#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;
struct err;
struct loop;
struct redactor;
struct journal;
struct journal_view;

enum {
    JOURNAL_TAIL_BYTES = 4 * 1024 * 1024, /* kept in memory where nothing is stored … */
    JOURNAL_STORED_BYTES = 1024 * 1024,   /* … and at most where all is, … */
    JOURNAL_STORED_LINES = 500,           /* … and so many events */
};

/* `execution_id` stands in every event. */
struct journal *journal_new(struct loop *loop, struct redactor *redactor, const char *execution_id);
void journal_free(struct journal *journal); /* no view is open any more */

/* From the first event on it is written below `number`. Before anything is appended. */
void journal_store(struct journal *journal, struct archive *archive, uint64_t number);
/* How much stays in memory of one that is stored; 0: as above. */
void journal_set_tail(struct journal *journal, size_t lines, size_t bytes);

/* What was written below `number` by an earlier host, up to `last`, without a hole from `whole_from` on. It
 * has ended. What cannot be read comes as a gap. */
void journal_load(struct journal *journal, struct archive *archive, uint64_t number, uint64_t last,
                  uint64_t whole_from);
/* The same after a host that died: what it wrote is looked through, and more may be appended. `line` gets
 * the last event, "" where there is none. */
void journal_resume(struct journal *journal, struct archive *archive, uint64_t number, struct buf *line);

/* Appends one event, masked, and returns its seq (1, 2, 3 …). Copies `event`. Does not fail: when the disk
 * refuses, the log says so once and the tail goes on in memory. */
uint64_t journal_append(struct journal *journal, const struct event *event);

/* Nothing follows: views that have read all are at their end. What is stored leaves the memory. */
void journal_end(struct journal *journal);

uint64_t journal_last(const struct journal *journal); /* the newest seq, 0 if none */
/* From here on all is kept; 1 where nothing is missing. */
uint64_t journal_whole_from(const struct journal *journal);
size_t journal_bytes(const struct journal *journal); /* memory of the tail */

/* Opens a view after `after_seq`. `news(arg)` is called from the loop, at most once a turn,
 * when there is something to read or the end was reached; also once at first. */
struct journal_view *journal_view_open(struct journal *journal, uint64_t after_seq, void (*news)(void *arg),
                                       void *arg);
void journal_view_close(struct journal_view **view);

/* The next event as JSON, `len` bytes without a NUL behind them, valid until the next call for any view or
 * turn; NULL when there is none now. */
const char *journal_view_next(struct journal_view *view, size_t *len);
bool journal_view_at_end(const struct journal_view *view); /* ended, and everything was read */

/* ---- journal-logs.c ---- */

struct journal_logs_query {
    uint64_t after_seq;
    size_t limit;
    const char *stream; /* NULL: both */
    const char *q;      /* NULL: rows; else which lines hold it, whatever their case */
};

/* A look at the lines, prepared on the loop and run on any thread. */
struct journal_logs;

struct journal_logs *journal_logs_new(struct journal *journal, const struct journal_logs_query *query);
void journal_logs_free(struct journal_logs *logs);
size_t journal_logs_work(const struct journal_logs *logs); /* bytes to go through, about */

/* Appends members of an object. Without q: `logs`, the lines after after_seq (or, with 0, the last ones), at
 * most `limit` and about JOURNAL_LOGS_BYTES, as the seed's log rows with their seq; and `truncated` and
 * `firstSeq` where older lines are gone. With q: `seqs` of at most `limit` lines, `matches` in all, and
 * `lookedTo`: all up to that seq was gone through; the next look begins there. */
enum { JOURNAL_LOGS_BYTES = 8 * 1024 * 1024, JOURNAL_LOGS_LOOK = 16 * 1024 * 1024 };
struct json_writer;
void journal_logs_run(struct journal_logs *logs, struct json_writer *w);
