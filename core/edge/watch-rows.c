#include "base/map.h"
#include "base/mem.h"
#include "edge/watch-internal.h"

#include <stdlib.h>
#include <string.h>

void watch_rows_init(struct watch_rows *rows)
{
    TAILQ_INIT(&rows->all);
    TAILQ_INIT(&rows->removed);
    rows->by_key = map_new();
}

static void row_free(void *arg)
{
    struct watch_row *row = arg;
    free(row->key);
    free(row->json);
    free(row);
}

void watch_rows_free(struct watch_rows *rows)
{
    map_free(rows->by_key, row_free);
}

struct watch_row *watch_rows_find(const struct watch_rows *rows, const char *key)
{
    return map_get(rows->by_key, key);
}

static void rows_is_there(struct watch_rows *rows, struct watch_row *row)
{
    if (!row->gone)
        return;
    TAILQ_REMOVE(&rows->removed, row, gone_link);
    row->gone = false;
    rows->gone--;
    rows->count++;
}

struct watch_row *watch_rows_touch(struct watch_rows *rows, const char *key)
{
    struct watch_row *row = watch_rows_find(rows, key);
    if (row) {
        TAILQ_REMOVE(&rows->all, row, link);
        rows_is_there(rows, row);
    } else {
        row = mem_new(sizeof(*row));
        row->key = mem_str(key);
        map_put(rows->by_key, key, row);
        rows->count++;
    }
    row->rev = ++rows->rev;
    TAILQ_INSERT_TAIL(&rows->all, row, link);
    return row;
}

void watch_row_set(struct watch_rows *rows, struct watch_row *row, char *json, size_t len)
{
    rows->bytes += len;
    rows->bytes -= row->len;
    free(row->json);
    row->json = json;
    row->len = len;
}

void watch_rows_bound(struct watch_rows *rows)
{
    while (rows->gone > WATCH_GONE) {
        struct watch_row *row = TAILQ_FIRST(&rows->removed);
        TAILQ_REMOVE(&rows->removed, row, gone_link);
        TAILQ_REMOVE(&rows->all, row, link);
        map_remove(rows->by_key, row->key);
        rows->floor = row->rev;
        rows->gone--;
        rows->bytes -= row->len;
        row_free(row);
    }
}

void watch_rows_remove(struct watch_rows *rows, struct watch_row *row, char *json, size_t len)
{
    watch_row_set(rows, row, json, len);
    row->rev = ++rows->rev;
    TAILQ_REMOVE(&rows->all, row, link);
    TAILQ_INSERT_TAIL(&rows->all, row, link);
    TAILQ_INSERT_TAIL(&rows->removed, row, gone_link);
    row->gone = true;
    row->marked = false;
    row->execution = NULL;
    rows->count--;
    rows->gone++;
}

void watch_rows_renew(struct watch_rows *rows)
{
    rows->floor = ++rows->rev;
}

struct watch_row *watch_rows_after(const struct watch_rows *rows, uint64_t rev)
{
    struct watch_row *row = rev ? TAILQ_LAST(&rows->all, watch_row_list) : NULL, *found = NULL;
    if (!rev)
        return TAILQ_FIRST(&rows->all);
    for (; row && row->rev > rev; row = TAILQ_PREV(row, watch_row_list, link))
        found = row;
    return found;
}
