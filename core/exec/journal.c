#include "exec/journal.h"

#include "base/json-span.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/event-json.h"
#include "loop/loop.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

struct entry {
    char *json;
    uint32_t len;
    enum event_type type;
};

struct journal_view {
    TAILQ_ENTRY(journal_view) link;
    struct journal *journal;
    uint64_t next;
    void (*news)(void *arg);
    void *arg;
    struct deferred *told; /* news is on its way */
    bool waiting;          /* in the list of those that have read everything */
    struct buf gap;
};

TAILQ_HEAD(view_list, journal_view);

enum { RING_ROOM = 16 }; /* at first */

struct journal {
    struct loop *loop;
    struct event_door door;
    char *id;
    /* The tail: a ring of `room` entries (a power of two), `count` of them used, the first one with seq
     * `first`. */
    struct entry *ring;
    size_t room, head, count, bytes;
    uint64_t first;
    bool ended;
    struct buf scratch;
    /* Views that have read everything: only these are told of something new, so an event costs
     * nothing for a viewer that lags. */
    struct view_list waiting;
};

struct journal *journal_new(struct loop *loop, struct redactor *redactor, const char *execution_id)
{
    struct journal *j = mem_new(sizeof(*j));
    j->loop = loop;
    j->door.redactor = redactor;
    j->id = mem_str(execution_id);
    j->first = 1;
    j->room = RING_ROOM;
    j->ring = mem_new(j->room * sizeof(*j->ring));
    TAILQ_INIT(&j->waiting);
    return j;
}

void journal_free(struct journal *j)
{
    for (size_t i = 0; i < j->count; i++)
        free(j->ring[(j->head + i) & (j->room - 1)].json);
    free(j->ring);
    free(j->id);
    buf_free(&j->scratch);
    free(j);
}

static struct entry *journal_entry(const struct journal *j, uint64_t seq)
{
    return &j->ring[(j->head + (size_t)(seq - j->first)) & (j->room - 1)];
}

static void journal_forget_oldest(struct journal *j)
{
    struct entry *e = &j->ring[j->head];
    j->bytes -= e->len;
    free(e->json);
    j->head = (j->head + 1) & (j->room - 1);
    j->count--;
    j->first++;
}

static void journal_make_room(struct journal *j)
{
    if (j->count < j->room)
        return;
    size_t room = j->room * 2;
    struct entry *ring = mem_new(room * sizeof(*ring));
    for (size_t i = 0; i < j->count; i++)
        ring[i] = j->ring[(j->head + i) & (j->room - 1)];
    free(j->ring);
    j->ring = ring;
    j->room = room;
    j->head = 0;
}

static void view_tell(void *arg)
{
    struct journal_view *view = arg;
    view->told = NULL;
    view->news(view->arg);
}

static void journal_tell(struct journal *j)
{
    struct journal_view *view;
    while ((view = TAILQ_FIRST(&j->waiting)) != NULL) {
        TAILQ_REMOVE(&j->waiting, view, link);
        view->waiting = false;
        if (!view->told)
            view->told = loop_defer(j->loop, view_tell, view);
    }
}

uint64_t journal_append(struct journal *j, const struct event *event)
{
    uint64_t seq = journal_last(j) + 1;
    event_write(&j->door, j->id, seq, event, &j->scratch);
    journal_make_room(j);
    j->ring[(j->head + j->count) & (j->room - 1)] = (struct entry){
        .json = mem_strn(buf_str(&j->scratch), j->scratch.len),
        .len = (uint32_t)j->scratch.len,
        .type = event->type,
    };
    j->count++;
    j->bytes += j->scratch.len;
    while (j->bytes > JOURNAL_TAIL_BYTES && j->count > 1)
        journal_forget_oldest(j);
    journal_tell(j);
    return seq;
}

void journal_end(struct journal *j)
{
    j->ended = true;
    journal_tell(j);
}

uint64_t journal_last(const struct journal *j)
{
    return j->first + j->count - 1;
}

uint64_t journal_first(const struct journal *j)
{
    return j->first;
}

size_t journal_bytes(const struct journal *j)
{
    return j->bytes;
}

struct journal_view *journal_view_open(struct journal *j, uint64_t after_seq, void (*news)(void *arg),
                                       void *arg)
{
    struct journal_view *view = mem_new(sizeof(*view));
    *view = (struct journal_view){.journal = j, .next = after_seq + 1, .news = news, .arg = arg};
    view->told = loop_defer(j->loop, view_tell, view);
    return view;
}

void journal_view_close(struct journal_view **at)
{
    struct journal_view *view = *at;
    *at = NULL;
    if (!view)
        return;
    deferred_cancel(&view->told);
    if (view->waiting)
        TAILQ_REMOVE(&view->journal->waiting, view, link);
    buf_free(&view->gap);
    free(view);
}

static const char *view_gap(struct journal_view *view, size_t *len)
{
    struct journal *j = view->journal;
    struct json_writer w = JSON_WRITER(&view->gap);
    buf_clear(&view->gap);
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "gap");
    jsonw_member(&w, "executionId", j->id);
    jsonw_member_int(&w, "fromSeq", (int64_t)view->next);
    jsonw_member_int(&w, "toSeq", (int64_t)j->first - 1);
    jsonw_end_object(&w);
    view->next = j->first;
    *len = view->gap.len;
    return buf_str(&view->gap);
}

const char *journal_view_next(struct journal_view *view, size_t *len)
{
    struct journal *j = view->journal;
    if (view->next < j->first)
        return view_gap(view, len);
    if (view->next > journal_last(j)) {
        if (!view->waiting && !j->ended) {
            TAILQ_INSERT_TAIL(&j->waiting, view, link);
            view->waiting = true;
        }
        return NULL;
    }
    const struct entry *e = journal_entry(j, view->next++);
    *len = e->len;
    return e->json;
}

bool journal_view_at_end(const struct journal_view *view)
{
    return view->journal->ended && view->next > journal_last(view->journal);
}

static bool log_matches(const struct entry *e, const char *stream)
{
    if (e->type != EVENT_LINE)
        return false;
    if (str_empty(stream))
        return true;
    struct json_span is = json_span_member((struct json_span){e->json, e->len}, "stream");
    return is.len == strlen(stream) + 2 && memcmp(is.at + 1, stream, is.len - 2) == 0;
}

static void log_row(struct json_writer *w, const struct entry *e)
{
    static const char *const fields[] = {"seq", "timestamp", "stream", "text"};
    struct json_span whole = {e->json, e->len};
    jsonw_begin_object(w);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_span value = json_span_member(whole, fields[i]);
        jsonw_key(w, fields[i]);
        jsonw_raw(w, value.at, value.len);
    }
    jsonw_end_object(w);
}

uint64_t journal_write_logs(struct journal *j, uint64_t after_seq, size_t limit, const char *stream,
                            struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    uint64_t last = journal_last(j), from = after_seq + 1 > j->first ? after_seq + 1 : j->first;
    if (after_seq == 0) {
        size_t found = 0;
        for (from = last + 1; from > j->first && found < limit; from--)
            found += log_matches(journal_entry(j, from - 1), stream);
    }
    jsonw_begin_array(&w);
    for (uint64_t seq = from; seq <= last && limit > 0; seq++) {
        const struct entry *e = journal_entry(j, seq);
        if (!log_matches(e, stream))
            continue;
        log_row(&w, e);
        limit--;
    }
    jsonw_end_array(&w);
    return j->first > after_seq + 1 ? j->first : 0;
}
