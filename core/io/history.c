#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/archive.h"
#include "io/history-internal.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { HISTORY_VERSION = 1, HISTORY_BUSY_MS = 2 };

#define HISTORY_COLUMNS                                                                                      \
    "number, id, user, status, mode, search, record, started, ended, command, last_seq, whole_from"

static const char *const statement_texts[HISTORY_STATEMENTS] = {
    [HISTORY_PUT] = "INSERT INTO executions (" HISTORY_COLUMNS ") VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, "
                    "?9, ?10, ?11, ?12) ON CONFLICT (number) DO UPDATE SET status = excluded.status, record "
                    "= excluded.record, search = excluded.search, ended = excluded.ended, last_seq = "
                    "excluded.last_seq, whole_from = excluded.whole_from",
    [HISTORY_FIND] = "SELECT " HISTORY_COLUMNS " FROM executions WHERE id = ?1",
    [HISTORY_UNENDED] = "SELECT " HISTORY_COLUMNS " FROM executions WHERE ended = 0 ORDER BY number",
    [HISTORY_LIST] =
        "SELECT " HISTORY_COLUMNS " FROM executions WHERE number < ?1 AND ended = 1 AND (?2 IS NULL OR "
        "status = ?2) AND (?3 IS NULL OR mode = ?3) AND (?4 IS NULL OR user = ?4) AND started >= ?5 AND "
        "(?6 IS NULL OR user = ?6 OR (?7 AND command = 0)) ORDER BY number DESC",
    [HISTORY_OLDEST] = "SELECT number, started FROM executions WHERE ended = 1 ORDER BY number LIMIT 1",
    [HISTORY_DELETE] = "DELETE FROM executions WHERE number = ?1",
    [HISTORY_ENDED] = "SELECT count(*) FROM executions WHERE ended = 1",
    [HISTORY_NUMBER] = "SELECT max(number) FROM executions",
};

static const char history_schema[] =
    "CREATE TABLE IF NOT EXISTS executions (number INTEGER PRIMARY KEY, id TEXT UNIQUE NOT "
    "NULL, user TEXT NOT NULL, status TEXT NOT NULL, mode TEXT NOT NULL, search TEXT NOT NULL, record TEXT "
    "NOT NULL, started INTEGER NOT NULL, ended INTEGER NOT NULL, command INTEGER NOT NULL, last_seq INTEGER "
    "NOT NULL, whole_from INTEGER NOT NULL);"
    "CREATE INDEX IF NOT EXISTS executions_unended ON executions (number) WHERE ended = 0;"
    "PRAGMA user_version = 1;";

static int history_fault(struct history *h, struct err *err)
{
    return err_set(err, "%s: %s", h->path, h->db ? sqlite3_errmsg(h->db) : "out of memory");
}

int history_refused(struct history *h)
{
    if (!h->refuses)
        log_error("%s: %s; what ends now is not found any more after a restart, until that is mended",
                  h->path, sqlite3_errmsg(h->db));
    h->refuses = true;
    return -1;
}

sqlite3_stmt *history_statement(struct history *h, enum history_statement which)
{
    sqlite3_stmt *s = h->statements[which];
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return s;
}

static uint64_t history_count(struct history *h, enum history_statement which)
{
    sqlite3_stmt *s = history_statement(h, which);
    uint64_t count = sqlite3_step(s) == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    sqlite3_reset(s);
    return count;
}

static int history_exec(struct history *h, const char *sql, struct err *err)
{
    return sqlite3_exec(h->db, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : history_fault(h, err);
}

static int history_check_version(struct history *h, struct err *err)
{
    sqlite3_stmt *s = NULL;
    int version = 0;
    if (sqlite3_prepare_v2(h->db, "PRAGMA user_version", -1, &s, NULL) != SQLITE_OK)
        return history_fault(h, err);
    if (sqlite3_step(s) == SQLITE_ROW)
        version = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    if (version > HISTORY_VERSION)
        return err_set(err,
                       "%s was written by a newer moonsail (version %d of its tables, this one knows %d)",
                       h->path, version, HISTORY_VERSION);
    return 0;
}

static int history_prepare(struct history *h, struct err *err)
{
    /* No checkpoint inside a write: the pool makes them. */
    if (history_exec(h,
                     "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0",
                     err) ||
        history_check_version(h, err) || history_exec(h, history_schema, err))
        return -1;
    for (int i = 0; i < HISTORY_STATEMENTS; i++)
        if (sqlite3_prepare_v3(h->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT, &h->statements[i],
                               NULL) != SQLITE_OK)
            return history_fault(h, err);
    /* A number is not given again while anything is named by it. */
    const uint64_t given[] = {history_count(h, HISTORY_NUMBER), archive_newest(h->journals),
                              archive_newest(h->requests)};
    for (size_t i = 0; i < sizeof(given) / sizeof(given[0]); i++)
        if (h->next <= given[i])
            h->next = given[i] + 1;
    h->ended = history_count(h, HISTORY_ENDED);
    return 0;
}

struct history *history_open(const struct history_options *options, struct err *err)
{
    struct history *h = mem_new(sizeof(*h));
    h->options = *options;
    h->options.dir = NULL;
    h->next = 1;
    h->path = mem_printf("%s/history.db", options->dir);
    h->journals = mem_printf("%s/journals", options->dir);
    h->requests = mem_printf("%s/requests", options->dir);
    h->archive = archive_new(h->journals, options->journal_bytes);
    /* Before SQLite makes it, so that it and its companions are nobody else's. */
    int fd = open(h->path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0) {
        err_set(err, "%s: %s", h->path, strerror(errno));
        goto fail;
    }
    close(fd);
    if (sqlite3_open_v2(h->path, &h->db, SQLITE_OPEN_READWRITE, NULL) != SQLITE_OK) {
        history_fault(h, err);
        goto fail;
    }
    sqlite3_busy_timeout(h->db, HISTORY_BUSY_MS);
    if (history_prepare(h, err))
        goto fail;
    history_pool_start(h);
    return h;
fail:
    history_close(h);
    return NULL;
}

void history_close(struct history *h)
{
    if (!h)
        return;
    history_pool_stop(h);
    for (int i = 0; i < HISTORY_STATEMENTS; i++)
        sqlite3_finalize(h->statements[i]);
    sqlite3_close(h->db);
    archive_free(h->archive);
    free(h->gone);
    free(h->path);
    free(h->journals);
    free(h->requests);
    free(h);
}

struct archive *history_archive(struct history *h)
{
    return h->archive;
}

uint64_t history_number(struct history *h)
{
    return h->next++;
}

static void history_bind(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

int history_put(struct history *h, const struct history_row *row)
{
    sqlite3_stmt *s = history_statement(h, HISTORY_PUT);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)row->number);
    history_bind(s, 2, row->id);
    history_bind(s, 3, row->user);
    history_bind(s, 4, row->status);
    history_bind(s, 5, row->mode);
    history_bind(s, 6, row->search);
    history_bind(s, 7, row->record);
    sqlite3_bind_int64(s, 8, row->started);
    sqlite3_bind_int(s, 9, row->ended);
    sqlite3_bind_int(s, 10, row->command);
    sqlite3_bind_int64(s, 11, (sqlite3_int64)row->last_seq);
    sqlite3_bind_int64(s, 12, (sqlite3_int64)row->whole_from);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_DONE)
        history_refused(h);
    sqlite3_reset(s);
    if (rc != SQLITE_DONE)
        return -1;
    if (h->refuses)
        log_info("%s: executions are kept again", h->path);
    h->refuses = false;
    h->ended += row->ended;
    h->unsynced++;
    history_pool(h);
    return 0;
}

/* ---- what goes ---- */

static int history_delete(struct history *h, uint64_t number)
{
    sqlite3_stmt *s = history_statement(h, HISTORY_DELETE);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)number);
    int rc = sqlite3_step(s) == SQLITE_DONE ? 0 : history_refused(h);
    sqlite3_reset(s);
    h->unsynced++;
    return rc;
}

enum { HISTORY_GONE_AT_ONCE = 64 };

bool history_trim(struct history *h, void (*gone)(void *arg, uint64_t number), void *arg)
{
    int64_t oldest = clock_wall_ms() - (int64_t)h->options.days * 24 * 3600 * 1000;
    int count = 0;
    for (; count < HISTORY_GONE_AT_ONCE; count++) {
        sqlite3_stmt *s = history_statement(h, HISTORY_OLDEST);
        bool found = sqlite3_step(s) == SQLITE_ROW;
        uint64_t number = found ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
        int64_t started = found ? sqlite3_column_int64(s, 1) : 0;
        sqlite3_reset(s);
        if (!found || (h->ended <= h->options.executions && started >= oldest) || history_delete(h, number))
            break;
        h->ended--;
        h->gone = mem_grow(h->gone, (h->gone_count + 1) * sizeof(*h->gone));
        h->gone[h->gone_count++] = number;
        gone(arg, number);
    }
    history_pool(h);
    return count == HISTORY_GONE_AT_ONCE;
}
