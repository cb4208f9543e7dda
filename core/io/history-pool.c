/* history-pool.c: what takes long on a disk, on the pool, one thing at a time: files that go with their
 * rows, what an earlier host left behind, checkpoints of the database. */
#include "base/log.h"
#include "base/mem.h"
#include "io/archive.h"
#include "io/history-internal.h"
#include "loop/loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    HISTORY_CHECKPOINT_WRITES = 500,
    HISTORY_TICK_MS = 30 * 1000,
    HISTORY_TICKS_HOUR = 120,
    HISTORY_BUSY_POOL_MS = 1000,
};

/* All that the pool's thread touches. */
struct errand {
    struct history *history; /* for the loop only */
    char *path, *journals, *requests;
    uint64_t *gone;
    size_t gone_count;
    uint64_t sweep_before; /* 0: no sweep */
    bool checkpoint;
    bool old_requests; /* are to go */
};

static void errand_free(void *arg)
{
    struct errand *e = arg;
    free(e->path);
    free(e->journals);
    free(e->requests);
    free(e->gone);
    free(e);
}

static bool errand_kept(void *arg, uint64_t number)
{
    sqlite3_stmt *s = arg;
    sqlite3_reset(s);
    sqlite3_bind_int64(s, 1, (sqlite3_int64)number);
    /* Where the database does not answer, nothing is removed. */
    return sqlite3_step(s) != SQLITE_DONE;
}

static void errand_sweep(struct errand *e, sqlite3 *db)
{
    sqlite3_stmt *s = NULL;
    if (sqlite3_prepare_v2(db, "SELECT 1 FROM executions WHERE number = ?1", -1, &s, NULL) == SQLITE_OK)
        archive_sweep(e->journals, e->sweep_before, errand_kept, s);
    sqlite3_finalize(s);
}

static void errand_work(void *arg)
{
    struct errand *e = arg;
    sqlite3 *db = NULL;
    for (size_t i = 0; i < e->gone_count; i++) {
        archive_remove(e->journals, e->gone[i]);
        request_remove(e->requests, e->gone[i]);
    }
    if (e->old_requests)
        request_sweep(e->requests);
    if (!e->sweep_before && !e->checkpoint)
        return;
    /* A connection of its own: the loop's may write meanwhile. */
    if (sqlite3_open_v2(e->path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK) {
        sqlite3_busy_timeout(db, HISTORY_BUSY_POOL_MS);
        if (e->sweep_before)
            errand_sweep(e, db);
        if (sqlite3_wal_checkpoint_v2(db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL) != SQLITE_OK)
            log_warn("%s: %s", e->path, sqlite3_errmsg(db));
    }
    sqlite3_close(db);
}

static void errand_done(void *arg)
{
    struct errand *e = arg;
    struct history *h = e->history;
    h->job = NULL;
    errand_free(e);
    history_pool(h);
}

static void history_send(struct history *h, uint64_t sweep_before, bool old_requests)
{
    struct errand *e = mem_new(sizeof(*e));
    e->history = h;
    e->path = mem_str(h->path);
    e->journals = mem_str(h->journals);
    e->requests = mem_str(h->requests);
    e->old_requests = old_requests;
    e->gone = h->gone;
    e->gone_count = h->gone_count;
    e->sweep_before = sweep_before;
    e->checkpoint = h->unsynced > 0;
    h->gone = NULL;
    h->gone_count = 0;
    h->unsynced = 0;
    h->job = loop_job(h->options.loop, errand_work, errand_done, e);
}

void history_pool(struct history *h)
{
    if (!h->job && (h->gone_count || h->unsynced >= HISTORY_CHECKPOINT_WRITES))
        history_send(h, 0, false);
}

static void history_tick(void *arg)
{
    struct history *h = arg;
    bool old_requests = ++h->ticks % HISTORY_TICKS_HOUR == 0;
    if (!h->job && (h->unsynced || old_requests))
        history_send(h, 0, old_requests);
}

void history_pool_start(struct history *h)
{
    h->timer = timer_repeat(h->options.loop, HISTORY_TICK_MS, history_tick, h);
    history_send(h, h->next, true);
}

void history_pool_stop(struct history *h)
{
    timer_stop(&h->timer);
    if (h->job)
        job_forget(&h->job, errand_free);
}
