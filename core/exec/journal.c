#include "base/clock.h"
#include "base/err.h"
#include "base/json-write.h"
#include "base/log.h"
#include "base/mem.h"
#include "exec/journal-internal.h"
#include "io/archive.h"
#include "loop/loop.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RING_ROOM = 16,            /* at first */
    JOURNAL_RETRY_MS = 1000,   /* after the disk refused */
    JOURNAL_SMALL_BYTES = 4096 /* so much of one that has ended is not worth a read */
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
    j->tail_lines = JOURNAL_STORED_LINES;
    j->tail_bytes = JOURNAL_STORED_BYTES;
    TAILQ_INIT(&j->waiting);
    return j;
}

void journal_free(struct journal *j)
{
    deferred_cancel(&j->flush);
    journal_flush(j);
    segments_free(j->segments);
    for (size_t i = 0; i < j->count; i++)
        free(j->ring[(j->head + i) & (j->room - 1)].json);
    free(j->ring);
    free(j->id);
    buf_free(&j->scratch);
    free(j);
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

/* ---- on disk ---- */

void journal_store(struct journal *j, struct archive *archive, uint64_t number)
{
    j->archive = archive;
    j->segments = segments_new(archive, number);
}

void journal_set_tail(struct journal *j, size_t lines, size_t bytes)
{
    j->tail_lines = lines ? lines : JOURNAL_STORED_LINES;
    j->tail_bytes = bytes ? bytes : JOURNAL_STORED_BYTES;
}

static void journal_open(struct journal *j, struct archive *archive, uint64_t number)
{
    struct err err;
    j->archive = archive;
    j->segments = segments_load(archive, number, &err);
    if (j->segments)
        return;
    log_warn("the journal of %s cannot be read: %s", j->id, err.text);
    j->segments = segments_new(archive, number);
}

void journal_load(struct journal *j, struct archive *archive, uint64_t number, uint64_t last,
                  uint64_t whole_from)
{
    journal_open(j, archive, number);
    segments_set_whole_from(j->segments, whole_from);
    j->written = last;
    j->first = last + 1;
    j->ended = true;
}

void journal_resume(struct journal *j, struct archive *archive, uint64_t number, struct buf *line)
{
    journal_open(j, archive, number);
    j->written = segments_mend(j->segments, line);
    j->first = j->written + 1;
}

/* Those that are in memory only, from the oldest on, a batch. */
static int journal_write(struct journal *j, struct err *err)
{
    struct iovec lines[ARCHIVE_LINES_AT_ONCE];
    uint64_t from = j->written + 1 > j->first ? j->written + 1 : j->first;
    uint64_t last = journal_last(j);
    size_t n = 0;
    for (uint64_t seq = from; seq <= last && n < ARCHIVE_LINES_AT_ONCE; seq++) {
        const struct entry *e = journal_entry(j, seq);
        lines[n++] = (struct iovec){.iov_base = e->json, .iov_len = e->len + 1};
    }
    if (segments_append(j->segments, from, lines, n, err))
        return -1;
    j->written = from + n - 1;
    return 0;
}

void journal_flush(struct journal *j)
{
    struct err err;
    if (!j->segments || j->written >= journal_last(j) || (j->retry_at && clock_mono_ms() < j->retry_at))
        return;
    j->retry_at = 0;
    while (j->written < journal_last(j))
        if (journal_write(j, &err)) {
            archive_refused(j->archive, &err);
            j->retry_at = clock_mono_ms() + JOURNAL_RETRY_MS;
            return;
        }
    archive_took(j->archive);
}

static void journal_flush_turn(void *arg)
{
    struct journal *j = arg;
    j->flush = NULL;
    journal_flush(j);
}

/* ---- what is said ---- */

/* What is stored leaves the memory early; what is not, only when the memory is at its bound. */
static void journal_trim(struct journal *j)
{
    while (j->count > 1 && (j->bytes > j->tail_bytes || j->count > j->tail_lines)) {
        if (j->segments && j->written < j->first)
            journal_flush(j);
        if ((!j->segments || j->written < j->first) && j->bytes <= JOURNAL_TAIL_BYTES)
            return;
        journal_forget_oldest(j);
    }
}

uint64_t journal_append(struct journal *j, const struct event *event)
{
    uint64_t seq = journal_last(j) + 1;
    event_write(&j->door, j->id, seq, event, &j->scratch);
    journal_make_room(j);
    struct entry *e = &j->ring[(j->head + j->count) & (j->room - 1)];
    e->len = (uint32_t)j->scratch.len;
    buf_putc(&j->scratch, '\n');
    e->json = mem_strn(buf_str(&j->scratch), j->scratch.len);
    j->count++;
    j->bytes += e->len;
    journal_trim(j);
    if (j->segments && !j->flush)
        j->flush = loop_defer(j->loop, journal_flush_turn, j);
    journal_tell(j);
    return seq;
}

void journal_end(struct journal *j)
{
    j->ended = true;
    j->retry_at = 0;
    deferred_cancel(&j->flush);
    journal_flush(j);
    if (j->segments)
        segments_close(j->segments);
    while (j->bytes > JOURNAL_SMALL_BYTES && j->segments && j->first <= j->written)
        journal_forget_oldest(j);
    buf_free(&j->scratch);
    journal_tell(j);
}

uint64_t journal_last(const struct journal *j)
{
    return j->first + j->count - 1;
}

uint64_t journal_whole_from(const struct journal *j)
{
    bool stored = j->segments && (j->written + 1 >= j->first);
    return stored ? segments_whole_from(j->segments) : j->first;
}

size_t journal_bytes(const struct journal *j)
{
    return j->bytes;
}

/* ---- views ---- */

struct journal_view *journal_view_open(struct journal *j, uint64_t after_seq, void (*news)(void *arg),
                                       void *arg)
{
    struct journal_view *view = mem_new(sizeof(*view));
    *view = (struct journal_view){
        .journal = j, .next = after_seq + 1, .file = after_seq == 0, .news = news, .arg = arg};
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

static const char *view_gap(struct journal_view *view, uint64_t to, size_t *len)
{
    struct json_writer w = JSON_WRITER(&view->gap);
    buf_clear(&view->gap);
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "gap");
    jsonw_member(&w, "executionId", view->journal->id);
    jsonw_member_int(&w, "fromSeq", (int64_t)view->next);
    jsonw_member_int(&w, "toSeq", (int64_t)to);
    jsonw_end_object(&w);
    view->next = to + 1;
    view->file = 0;
    *len = view->gap.len;
    return buf_str(&view->gap);
}

bool journal_is_event(const char *id, uint64_t seq, const char *line, size_t len)
{
    /* As event_write() begins one; an id has nothing to escape. */
    static const char before_id[] = "\",\"executionId\":\"", before_seq[] = "\",\"seq\":";
    const char *at = len > 9 && memcmp(line, "{\"type\":\"", 9) == 0 ? line + 9 : NULL;
    const char *end = line + len;
    char number[32];
    int digits = snprintf(number, sizeof(number), "%" PRIu64 ",", seq);
    at = at ? memchr(at, '"', (size_t)(end - at)) : NULL;
    size_t id_len = strlen(id),
           need = sizeof(before_id) - 1 + id_len + sizeof(before_seq) - 1 + (size_t)digits;
    if (!at || (size_t)(end - at) <= need || memcmp(at, before_id, sizeof(before_id) - 1) != 0)
        return false;
    at += sizeof(before_id) - 1;
    if (memcmp(at, id, id_len) != 0 || memcmp(at + id_len, before_seq, sizeof(before_seq) - 1) != 0)
        return false;
    at += id_len + sizeof(before_seq) - 1;
    return memcmp(at, number, (size_t)digits) == 0 && end[-1] == '}';
}

/* Where the view is in the files; false where its event is in none. */
static bool view_find(struct journal_view *view)
{
    const struct segments *s = view->journal->segments;
    uint64_t file = segments_file_of(s, view->next);
    if (file && view->file == file)
        return true;
    int64_t offset = file ? segments_offset(s, file, view->next) : -1;
    view->file = offset < 0 ? 0 : file;
    view->offset = offset < 0 ? 0 : (uint64_t)offset;
    return offset >= 0;
}

/* The next event, out of the files; NULL where it is not there, or no longer as it was written. */
static const char *view_stored(struct journal_view *view, size_t *len)
{
    struct journal *j = view->journal;
    struct archive_piece *piece = archive_piece(j->archive);
    if (!view_find(view))
        return NULL;
    if (piece->owner != j->segments || piece->file != view->file || view->offset < piece->offset ||
        view->offset >= piece->offset + piece->bytes.len) {
        segments_read(j->segments, view->file, view->offset, &piece->bytes);
        piece->owner = j->segments;
        piece->file = view->file;
        piece->offset = view->offset;
    }
    const char *line = piece->bytes.data + (view->offset - piece->offset);
    size_t left = piece->bytes.len - (size_t)(view->offset - piece->offset);
    const char *end = left ? memchr(line, '\n', left) : NULL;
    if (!end || !journal_is_event(j->id, view->next, line, (size_t)(end - line)))
        return NULL;
    *len = (size_t)(end - line);
    view->offset += *len + 1;
    view->next++;
    return line;
}

/* What is not in memory: from the files, or a gap up to what is there. */
static const char *view_earlier(struct journal_view *view, size_t *len)
{
    struct journal *j = view->journal;
    uint64_t to = j->first - 1;
    if (j->segments) {
        const char *event = view_stored(view, len);
        if (event)
            return event;
        uint64_t after = segments_file_after(j->segments, view->next);
        if (!j->damaged && !j->retry_at && view->next >= segments_whole_from(j->segments)) {
            j->damaged = true;
            log_error("the journal of %s is damaged: event %" PRIu64
                      " and some after it are not there as they "
                      "were written",
                      j->id, view->next);
        }
        if (after && after <= to)
            to = after - 1;
    }
    return view_gap(view, to, len);
}

const char *journal_view_next(struct journal_view *view, size_t *len)
{
    struct journal *j = view->journal;
    if (view->next > journal_last(j)) {
        if (!view->waiting && !j->ended) {
            TAILQ_INSERT_TAIL(&j->waiting, view, link);
            view->waiting = true;
        }
        return NULL;
    }
    if (view->next > j->written)
        journal_flush(j);
    if (view->next < j->first)
        return view_earlier(view, len);
    const struct entry *e = journal_entry(j, view->next++);
    *len = e->len;
    /* Its place in the files goes along, so that it need not be looked for when the view lags. */
    view->offset += *len + 1;
    return e->json;
}

bool journal_view_at_end(const struct journal_view *view)
{
    return view->journal->ended && view->next > journal_last(view->journal);
}
