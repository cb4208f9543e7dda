/* history-internal.h: what history.c (its life and its rows) and history-query.c (questions) share. */
#pragma once

#include "io/history.h"

#include <sqlite3.h>

enum history_statement {
    HISTORY_PUT,
    HISTORY_FIND,
    HISTORY_UNENDED,
    HISTORY_LIST,
    HISTORY_OLDEST,
    HISTORY_DELETE,
    HISTORY_ENDED,
    HISTORY_NUMBER,
    HISTORY_STATEMENTS,
};

struct job;
struct timer;

struct history {
    struct history_options options;
    char *path, *journals, *requests;
    sqlite3 *db;
    sqlite3_stmt *statements[HISTORY_STATEMENTS];
    struct archive *archive;
    uint64_t next;     /* number */
    uint64_t ended;    /* rows of ended ones */
    unsigned unsynced; /* writes since the last checkpoint */
    struct job *job;   /* what the pool does, one thing at a time */
    uint64_t *gone;    /* numbers whose files are to be removed */
    size_t gone_count;
    struct timer *timer;
    unsigned ticks;
    bool refuses; /* the database did so last, and the log says it */
};

sqlite3_stmt *history_statement(struct history *history, enum history_statement which);
/* Says once that the database refuses. Returns -1. */
int history_refused(struct history *history);

/* ---- history-pool.c ---- */

/* Lets the pool do what is due: the sweep of a start, removals, a checkpoint. */
void history_pool(struct history *history);
void history_pool_start(struct history *history);
void history_pool_stop(struct history *history);

/* ---- history-request.c ---- */

/* Any thread: the kept request of `number` goes. */
void request_remove(const char *dir, uint64_t number);
/* Any thread: those that are too old go. */
void request_sweep(const char *dir);
