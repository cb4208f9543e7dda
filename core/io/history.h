/* history.h: what a data folder remembers of executions: a row each in DIR/history.db (SQLite), their
 * journals in DIR/journals (archive.h), and the requests that may be asked for again in DIR/requests.
 *
 * A row is written as its execution starts and ends; files are named by its number, never by its id. A
 * history that a disk refuses says so once in the log and forgets what it could not write. It may be NULL:
 * then nothing is kept on disk. Loop thread only; checkpoints and removals run on the pool. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;
struct err;
struct history;
struct loop;

struct history_options {
    struct loop *loop;
    const char *dir;        /* of the data; it is there */
    unsigned executions;    /* so many that have ended are kept */
    unsigned days;          /* and no longer than this */
    uint64_t journal_bytes; /* of one journal */
};

/* NULL with err: the database cannot be opened, is damaged, or is of a newer host. */
struct history *history_open(const struct history_options *options, struct err *err);
void history_close(struct history *history);

struct archive *history_archive(struct history *history);

/* The number of the next execution: greater than all that are kept. */
uint64_t history_number(struct history *history);

/* One execution. Texts are masked already; `record` is what the wire shows of it. */
struct history_row {
    uint64_t number;
    const char *id, *user, *status, *mode;
    const char *search; /* what a free text is looked for in */
    const char *record;
    int64_t started; /* wall milliseconds */
    bool ended;
    bool command; /* its lines are its user's and an admin's only */
    uint64_t last_seq, whole_from;
};

/* Writes or replaces it. -1 where that failed (the log says so once). */
int history_put(struct history *history, const struct history_row *row);

typedef int history_row_fn(void *arg, const struct history_row *row); /* not 0 ends the walk */

/* Shows the row of `id`; false where there is none. */
bool history_find(struct history *history, const char *id, history_row_fn *fn, void *arg);
/* Those that no host has ended, oldest first. */
void history_unended(struct history *history, history_row_fn *fn, void *arg);

struct history_query {
    uint64_t before; /* a number: only smaller ones; 0: all */
    const char *status, *mode, *user, *q;
    int64_t since;
    const char *viewer; /* who asks: sees their own; NULL: all */
    bool others;        /* and what is no command of others */
};
/* Newest first, until fn ends it. */
void history_list(struct history *history, const struct history_query *query, history_row_fn *fn, void *arg);

/* Ended ones that are too many or too old go, oldest first: gone(arg, number) for each; their files go on
 * the pool. True where there are more than should go at once. */
bool history_trim(struct history *history, void (*gone)(void *arg, uint64_t number), void *arg);

/* The request of an execution, to be asked for again within a day: written on the pool; takes the bytes over.
 */
void history_keep_request(struct history *history, uint64_t number, struct buf *request);
/* Appends it to `out`; -1 where it is not kept any more. */
int history_request(struct history *history, uint64_t number, struct buf *out);
