/* history-query.c: rows that are looked for. */
#include "base/str.h"
#include "io/history-internal.h"

#include <string.h>

static const char *column_text(sqlite3_stmt *s, int at)
{
    return str_or((const char *)sqlite3_column_text(s, at), "");
}

/* The columns are those of HISTORY_COLUMNS. Valid until the statement goes on. */
static struct history_row history_row(sqlite3_stmt *s)
{
    return (struct history_row){
        .number = (uint64_t)sqlite3_column_int64(s, 0),
        .id = column_text(s, 1),
        .user = column_text(s, 2),
        .status = column_text(s, 3),
        .mode = column_text(s, 4),
        .search = column_text(s, 5),
        .record = column_text(s, 6),
        .started = sqlite3_column_int64(s, 7),
        .ended = sqlite3_column_int(s, 8) != 0,
        .command = sqlite3_column_int(s, 9) != 0,
        .last_seq = (uint64_t)sqlite3_column_int64(s, 10),
        .whole_from = (uint64_t)sqlite3_column_int64(s, 11),
    };
}

/* Shows rows until one ends it; tells how many. */
static size_t history_walk(struct history *h, sqlite3_stmt *s, const char *q, history_row_fn *fn, void *arg)
{
    size_t shown = 0;
    int rc, end = 0;
    while (!end && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct history_row row = history_row(s);
        if (!str_empty(q) && !strcasestr(row.search, q))
            continue;
        end = fn(arg, &row);
        shown++;
    }
    if (!end && rc != SQLITE_DONE)
        history_refused(h);
    sqlite3_reset(s);
    return shown;
}

bool history_find(struct history *h, const char *id, history_row_fn *fn, void *arg)
{
    sqlite3_stmt *s = history_statement(h, HISTORY_FIND);
    sqlite3_bind_text(s, 1, id, -1, SQLITE_STATIC);
    return history_walk(h, s, NULL, fn, arg) > 0;
}

void history_unended(struct history *h, history_row_fn *fn, void *arg)
{
    history_walk(h, history_statement(h, HISTORY_UNENDED), NULL, fn, arg);
}

static void query_bind(sqlite3_stmt *s, int at, const char *text)
{
    if (!str_empty(text))
        sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

void history_list(struct history *h, const struct history_query *query, history_row_fn *fn, void *arg)
{
    sqlite3_stmt *s = history_statement(h, HISTORY_LIST);
    sqlite3_bind_int64(s, 1, query->before ? (sqlite3_int64)query->before : INT64_MAX);
    query_bind(s, 2, query->status);
    query_bind(s, 3, query->mode);
    query_bind(s, 4, query->user);
    sqlite3_bind_int64(s, 5, query->since);
    query_bind(s, 6, query->viewer);
    sqlite3_bind_int(s, 7, query->others);
    history_walk(h, s, query->q, fn, arg);
}
