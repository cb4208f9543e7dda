#include "demo/store.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <sqlite3.h>
#include <stdlib.h>
#include <string.h>

enum { STORE_TRIM_EVERY = 256, STORE_BUSY_MS = 2000 };

enum statement {
    STORE_BEGIN,
    STORE_COMMIT,
    STORE_ROLLBACK,
    STORE_GET,
    STORE_WRITE,
    STORE_DELETE,
    STORE_EACH,
    STORE_LOG,
    STORE_LOG_ADD,
    STORE_LOG_TRIM,
    STORE_LOG_FIRST,
    STORE_DUE_ADD,
    STORE_DUE_NEXT,
    STORE_DUE_FIRST,
    STORE_DUE_REMOVE,
    STORE_STATEMENTS,
};

static const char *const statement_texts[STORE_STATEMENTS] = {
    [STORE_BEGIN] = "BEGIN IMMEDIATE",
    [STORE_COMMIT] = "COMMIT",
    [STORE_ROLLBACK] = "ROLLBACK",
    [STORE_GET] = "SELECT body FROM objects WHERE resource = ?1 AND ns = ?2 AND name = ?3",
    [STORE_WRITE] = "INSERT INTO objects VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO UPDATE SET "
                    "revision = excluded.revision, body = excluded.body",
    [STORE_DELETE] = "DELETE FROM objects WHERE resource = ?1 AND ns = ?2 AND name = ?3",
    /* The place to begin after is one value, so that SQLite seeks it in the key. */
    [STORE_EACH] = "SELECT ns, name, revision, NULL, body, NULL FROM objects WHERE resource = ?1 AND "
                   "(?2 IS NULL OR ns = ?2) AND (ns, name) > (?3, ?4) ORDER BY ns, name LIMIT ?5",
    [STORE_LOG] =
        "SELECT ns, name, revision, type, body, before FROM log WHERE revision > ?2 AND resource = ?1 "
        "AND (?3 IS NULL OR ns = ?3) ORDER BY revision",
    [STORE_LOG_ADD] = "INSERT INTO log VALUES (?4, ?1, ?2, ?3, ?6, ?5, ?7)",
    [STORE_LOG_TRIM] = "DELETE FROM log WHERE revision <= ?1",
    [STORE_LOG_FIRST] = "SELECT min(revision) FROM log",
    [STORE_DUE_ADD] =
        "INSERT INTO due VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO UPDATE SET at = min(at, excluded.at)",
    [STORE_DUE_NEXT] = "SELECT min(at) FROM due",
    [STORE_DUE_FIRST] = "SELECT resource, ns, name FROM due WHERE at <= ?1 ORDER BY at LIMIT 1",
    [STORE_DUE_REMOVE] = "DELETE FROM due WHERE resource = ?1 AND ns = ?2 AND name = ?3",
};

static const char store_schema[] =
    "PRAGMA journal_mode = WAL;"
    "PRAGMA synchronous = NORMAL;"
    "CREATE TABLE IF NOT EXISTS objects (resource TEXT, ns TEXT, name TEXT, revision INTEGER, body TEXT, "
    "PRIMARY KEY (resource, ns, name)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS log (revision INTEGER PRIMARY KEY, resource TEXT, ns TEXT, name TEXT, "
    "type TEXT, body TEXT, before TEXT);"
    "CREATE TABLE IF NOT EXISTS due (resource TEXT, ns TEXT, name TEXT, at INTEGER, "
    "PRIMARY KEY (resource, ns, name)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS due_at ON due (at);";

struct store {
    sqlite3 *db;
    sqlite3_stmt *statements[STORE_STATEMENTS];
    uint64_t revision, committed;
};

static int store_failed(struct store *store, struct err *err)
{
    return err_set(err, "the demo cluster's data: %s", sqlite3_errmsg(store->db));
}

static sqlite3_stmt *store_statement(struct store *store, enum statement which)
{
    sqlite3_stmt *s = store->statements[which];
    sqlite3_reset(s);
    return s;
}

static void store_bind(sqlite3_stmt *s, int at, const char *text)
{
    sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC);
}

/* Runs a statement that gives no rows. */
static int store_run(struct store *store, sqlite3_stmt *s, struct err *err)
{
    int rc = sqlite3_step(s);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc == SQLITE_DONE ? 0 : store_failed(store, err);
}

/* The one integer that a statement gives; `otherwise` for null and none. */
static int64_t store_number(sqlite3_stmt *s, int64_t otherwise)
{
    bool has = sqlite3_step(s) == SQLITE_ROW && sqlite3_column_type(s, 0) != SQLITE_NULL;
    int64_t value = has ? sqlite3_column_int64(s, 0) : otherwise;
    sqlite3_reset(s);
    return value;
}

static int store_prepare(struct store *store, struct err *err)
{
    char *why = NULL;
    if (sqlite3_exec(store->db, store_schema, NULL, NULL, &why) != SQLITE_OK) {
        err_set(err, "the demo cluster's data: %s", why ? why : sqlite3_errmsg(store->db));
        sqlite3_free(why);
        return -1;
    }
    for (int i = 0; i < STORE_STATEMENTS; i++)
        if (sqlite3_prepare_v3(store->db, statement_texts[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &store->statements[i], NULL) != SQLITE_OK)
            return store_failed(store, err);
    sqlite3_stmt *last = NULL;
    if (sqlite3_prepare_v2(store->db, "SELECT max(revision) FROM log", -1, &last, NULL) != SQLITE_OK)
        return store_failed(store, err);
    store->revision = store->committed = (uint64_t)store_number(last, 0);
    sqlite3_finalize(last);
    return 0;
}

struct store *store_open(const char *path, struct err *err)
{
    struct store *store = mem_new(sizeof(*store));
    if (sqlite3_open_v2(path, &store->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK) {
        err_set(err, "%s: %s", path, store->db ? sqlite3_errmsg(store->db) : "out of memory");
        goto failed;
    }
    sqlite3_busy_timeout(store->db, STORE_BUSY_MS);
    if (store_prepare(store, err)) {
        err_prefix(err, "%s", path);
        goto failed;
    }
    return store;
failed:
    store_close(store);
    return NULL;
}

void store_close(struct store *store)
{
    if (!store)
        return;
    for (int i = 0; i < STORE_STATEMENTS; i++)
        sqlite3_finalize(store->statements[i]);
    sqlite3_close(store->db);
    free(store);
}

int store_begin(struct store *store, struct err *err)
{
    return store_run(store, store_statement(store, STORE_BEGIN), err);
}

int store_commit(struct store *store, struct err *err)
{
    if (store_run(store, store_statement(store, STORE_COMMIT), err)) {
        store_rollback(store);
        return -1;
    }
    store->committed = store->revision;
    return 0;
}

void store_rollback(struct store *store)
{
    struct err err;
    if (store_run(store, store_statement(store, STORE_ROLLBACK), &err))
        log_warn("%s", err.text);
    store->revision = store->committed;
}

uint64_t store_revision(const struct store *store)
{
    return store->revision;
}

uint64_t store_next(struct store *store)
{
    return ++store->revision;
}

uint64_t store_forgotten(struct store *store)
{
    return (uint64_t)store_number(store_statement(store, STORE_LOG_FIRST), 1) - 1;
}

static sqlite3_stmt *store_of_key(struct store *store, enum statement which, const struct store_key *key)
{
    sqlite3_stmt *s = store_statement(store, which);
    store_bind(s, 1, key->resource);
    store_bind(s, 2, key->ns);
    store_bind(s, 3, key->name);
    return s;
}

int store_get(struct store *store, const struct store_key *key, struct buf *out, struct err *err)
{
    sqlite3_stmt *s = store_of_key(store, STORE_GET, key);
    int rc = sqlite3_step(s), found = 0;
    if (rc == SQLITE_ROW) {
        buf_append(out, sqlite3_column_text(s, 0), (size_t)sqlite3_column_bytes(s, 0));
        found = out->failed ? err_no_memory(err) : 1;
    } else if (rc != SQLITE_DONE) {
        found = store_failed(store, err);
    }
    sqlite3_reset(s);
    return found;
}

static int store_log_add(struct store *store, const struct store_key *key, const struct store_row *row,
                         struct err *err)
{
    sqlite3_stmt *s = store_of_key(store, STORE_LOG_ADD, key);
    sqlite3_bind_int64(s, 4, (sqlite3_int64)row->revision);
    store_bind(s, 5, row->body);
    store_bind(s, 6, row->type);
    store_bind(s, 7, row->before);
    if (store_run(store, s, err))
        return -1;
    if (row->revision % STORE_TRIM_EVERY || row->revision <= STORE_LOG_KEPT)
        return 0;
    s = store_statement(store, STORE_LOG_TRIM);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)(row->revision - STORE_LOG_KEPT));
    return store_run(store, s, err);
}

int store_put(struct store *store, const char *resource, const struct store_row *row, struct err *err)
{
    struct store_key key = {resource, row->ns, row->name};
    bool gone = strcmp(row->type, "DELETED") == 0;
    sqlite3_stmt *s = store_of_key(store, gone ? STORE_DELETE : STORE_WRITE, &key);
    if (!gone) {
        sqlite3_bind_int64(s, 4, (sqlite3_int64)row->revision);
        store_bind(s, 5, row->body);
    }
    return store_run(store, s, err) || store_log_add(store, &key, row, err) ? -1 : 0;
}

/* Shows the rows of a statement; it may be used again inside fn only after the walk has ended. */
static int store_walk(struct store *store, sqlite3_stmt *s, store_row_fn *fn, void *arg, struct err *err)
{
    int rc, end = 0;
    while ((rc = sqlite3_step(s)) == SQLITE_ROW && !end) {
        struct store_row row = {
            .ns = (const char *)sqlite3_column_text(s, 0),
            .name = (const char *)sqlite3_column_text(s, 1),
            .revision = (uint64_t)sqlite3_column_int64(s, 2),
            .type = (const char *)sqlite3_column_text(s, 3),
            .body = (const char *)sqlite3_column_text(s, 4),
            .before = (const char *)sqlite3_column_text(s, 5),
        };
        end = fn(arg, &row);
    }
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        end = store_failed(store, err);
    sqlite3_reset(s);
    sqlite3_clear_bindings(s);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? 0 : end;
}

int store_each(struct store *store, const char *resource, const char *ns, const struct store_key *after,
               size_t limit, store_row_fn *fn, void *arg, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, STORE_EACH);
    store_bind(s, 1, resource);
    store_bind(s, 2, ns);
    store_bind(s, 3, after ? after->ns : "");
    store_bind(s, 4, after ? after->name : "");
    sqlite3_bind_int64(s, 5, limit ? (sqlite3_int64)limit : -1);
    return store_walk(store, s, fn, arg, err);
}

int store_log(struct store *store, const char *resource, const char *ns, uint64_t revision, store_row_fn *fn,
              void *arg, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, STORE_LOG);
    store_bind(s, 1, resource);
    sqlite3_bind_int64(s, 2, (sqlite3_int64)revision);
    store_bind(s, 3, ns);
    return store_walk(store, s, fn, arg, err);
}

int store_due(struct store *store, const struct store_key *key, int64_t at_ms, struct err *err)
{
    sqlite3_stmt *s = store_of_key(store, STORE_DUE_ADD, key);
    sqlite3_bind_int64(s, 4, at_ms);
    return store_run(store, s, err);
}

int64_t store_due_next(struct store *store)
{
    return store_number(store_statement(store, STORE_DUE_NEXT), -1);
}

int store_due_take(struct store *store, int64_t now_ms, struct buf *out, struct err *err)
{
    sqlite3_stmt *s = store_statement(store, STORE_DUE_FIRST);
    sqlite3_bind_int64(s, 1, now_ms);
    int rc = sqlite3_step(s);
    for (int i = 0; rc == SQLITE_ROW && i < 3; i++)
        buf_append(out, sqlite3_column_text(s, i), (size_t)sqlite3_column_bytes(s, i) + 1);
    sqlite3_reset(s);
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? 0 : store_failed(store, err);
    if (out->failed)
        return err_no_memory(err);
    const char *ns = out->data + strlen(out->data) + 1;
    struct store_key key = {out->data, ns, ns + strlen(ns) + 1};
    return store_run(store, store_of_key(store, STORE_DUE_REMOVE, &key), err) ? -1 : 1;
}
