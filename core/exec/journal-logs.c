/* journal-logs.c: the lines of a journal as rows, and the search in them. The loop notes which files there
 * are and copies what is in memory only; going through them may take long, and is done on any thread. */
#include "base/json-span.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/journal-internal.h"
#include "io/archive.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct journal_logs {
    struct journal_logs_query query;
    char *id, *stream, *q;
    uint64_t last, whole_from;
    struct segments *segments; /* NULL: all is in `memory` */
    struct buf memory;         /* events that are in no file, a line each … */
    uint64_t memory_first;     /* … from this one on */
    /* Rows from the last to the first. */
    char **rows;
    size_t count, bytes;
};

struct journal_logs *journal_logs_new(struct journal *j, const struct journal_logs_query *query)
{
    struct journal_logs *l = mem_new(sizeof(*l));
    journal_flush(j);
    l->query = *query;
    l->stream = mem_str(query->stream);
    l->q = mem_str(query->q);
    l->id = mem_str(j->id);
    l->last = journal_last(j);
    l->whole_from = journal_whole_from(j);
    l->segments = j->segments ? segments_copy(j->segments) : NULL;
    l->memory_first = j->written + 1 > j->first ? j->written + 1 : j->first;
    for (uint64_t seq = l->memory_first; seq <= l->last; seq++) {
        const struct entry *e = journal_entry(j, seq);
        buf_append(&l->memory, e->json, e->len + 1);
    }
    return l;
}

void journal_logs_free(struct journal_logs *l)
{
    if (!l)
        return;
    for (size_t i = 0; i < l->count; i++)
        free(l->rows[i]);
    free(l->rows);
    segments_free(l->segments);
    buf_free(&l->memory);
    free(l->id);
    free(l->stream);
    free(l->q);
    free(l);
}

size_t journal_logs_work(const struct journal_logs *l)
{
    return l->memory.len + (l->segments ? (size_t)segments_bytes(l->segments) : 0);
}

/* ---- one event ---- */

/* Is it a line of the stream that is asked for? */
static bool logs_match(const struct journal_logs *l, const char *json, size_t len)
{
    static const char line[] = "{\"type\":\"line\",";
    if (len < sizeof(line) || memcmp(json, line, sizeof(line) - 1) != 0)
        return false;
    if (str_empty(l->stream))
        return true;
    struct json_span is = json_span_member((struct json_span){json, len}, "stream");
    return is.len == strlen(l->stream) + 2 && memcmp(is.at + 1, l->stream, is.len - 2) == 0;
}

static bool logs_holds(const struct journal_logs *l, const char *json, size_t len)
{
    char *text = json_span_text(json_span_member((struct json_span){json, len}, "text"));
    bool holds = text && strcasestr(text, l->q);
    free(text);
    return holds;
}

/* A row as text; NULL when out of memory. */
static char *logs_row(const char *json, size_t len)
{
    static const char *const fields[] = {"seq", "timestamp", "stream", "text"};
    struct buf row = {0};
    struct json_writer w = JSON_WRITER(&row);
    jsonw_begin_object(&w);
    for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
        struct json_span value = json_span_member((struct json_span){json, len}, fields[i]);
        jsonw_key(&w, fields[i]);
        jsonw_raw(&w, value.at, value.len);
    }
    jsonw_end_object(&w);
    return buf_take(&row);
}

/* False when there are enough. */
static bool logs_keep(struct journal_logs *l, const char *json, size_t len)
{
    char *row = logs_row(json, len);
    if (!row)
        return false;
    if ((l->count & (l->count - 1)) == 0)
        l->rows = mem_grow(l->rows, (l->count ? l->count * 2 : 1) * sizeof(*l->rows));
    l->rows[l->count++] = row;
    l->bytes += strlen(row);
    return l->count < l->query.limit && l->bytes < JOURNAL_LOGS_BYTES;
}

/* ---- forwards ---- */

struct logs_walk {
    struct journal_logs *logs;
    uint64_t seq; /* of the event that comes next */
    uint64_t looked;
    size_t seen; /* bytes */
    uint64_t matches;
    struct json_writer *seqs;
    bool over;
};

static void logs_search(struct logs_walk *walk, const char *json, size_t len)
{
    if (!logs_holds(walk->logs, json, len))
        return;
    if (walk->matches++ < walk->logs->query.limit)
        jsonw_uint(walk->seqs, walk->seq);
}

/* The events of `text`; false at one that is not as it was written. */
static bool logs_lines(struct logs_walk *walk, const char *text, size_t len)
{
    struct journal_logs *l = walk->logs;
    const char *end = text + len, *at;
    for (; !walk->over && text < end; text = at + 1, walk->seq++) {
        at = memchr(text, '\n', (size_t)(end - text));
        size_t n = (size_t)(at - text);
        if (!journal_is_event(l->id, walk->seq, text, n))
            return false;
        bool match = logs_match(l, text, n);
        if (match && l->q)
            logs_search(walk, text, n);
        else if (match)
            walk->over = !logs_keep(l, text, n);
        walk->looked = walk->seq;
    }
    walk->seen += len;
    walk->over = walk->over || (l->q && walk->seen >= JOURNAL_LOGS_LOOK);
    return true;
}

static void logs_file(struct logs_walk *walk, uint64_t file)
{
    const struct segments *s = walk->logs->segments;
    struct buf piece = {0};
    if (walk->seq < file)
        walk->seq = file;
    for (int64_t at = segments_offset(s, file, walk->seq); at >= 0 && !walk->over; at += (int64_t)piece.len) {
        segments_read(s, file, (uint64_t)at, &piece);
        if (!piece.len || !logs_lines(walk, piece.data, piece.len))
            break;
    }
    buf_free(&piece);
}

static void logs_forwards(struct logs_walk *walk)
{
    struct journal_logs *l = walk->logs;
    const struct segments *s = l->segments;
    uint64_t file = 0;
    if (s && !(file = segments_file_of(s, walk->seq)))
        file = segments_file_after(s, 0);
    for (; file && !walk->over; file = segments_file_after(s, file))
        logs_file(walk, file);
    if (walk->over || !l->memory.len)
        return;
    const char *from = l->memory.data, *end = from + l->memory.len;
    uint64_t seq = l->memory_first;
    for (; seq < walk->seq && from < end; seq++)
        from = (const char *)memchr(from, '\n', (size_t)(end - from)) + 1;
    walk->seq = seq;
    logs_lines(walk, from, (size_t)(end - from));
}

/* ---- backwards: the last ones ---- */

/* The events of whole lines, the last first; false when there are enough. */
static bool logs_backwards(struct journal_logs *l, const char *text, size_t len)
{
    while (len) {
        const char *before = memrchr(text, '\n', len - 1), *line = before ? before + 1 : text;
        size_t n = len - 1 - (size_t)(line - text);
        if (logs_match(l, line, n) && !logs_keep(l, line, n))
            return false;
        len = (size_t)(line - text);
    }
    return true;
}

static bool logs_file_backwards(struct journal_logs *l, uint64_t file)
{
    struct buf whole = {0}, piece = {0};
    uint64_t seq = file;
    for (bool ok = true; ok; ok = piece.len > 0) {
        segments_read(l->segments, file, whole.len, &piece);
        /* What is damaged would not be JSON in the answer. */
        const char *at = piece.data, *end = at + piece.len, *line = at;
        for (; line < end; line = at + 1, seq++) {
            at = memchr(line, '\n', (size_t)(end - line));
            if (!journal_is_event(l->id, seq, line, (size_t)(at - line)))
                break;
        }
        buf_append(&whole, piece.data, (size_t)(line - piece.data));
        if (line < end)
            break;
    }
    bool more = logs_backwards(l, whole.data, whole.len);
    buf_free(&whole);
    buf_free(&piece);
    return more;
}

static void logs_last(struct journal_logs *l)
{
    if (!logs_backwards(l, l->memory.data, l->memory.len) || !l->segments)
        return;
    for (uint64_t before = UINT64_MAX, file; (file = segments_file_of(l->segments, before));
         before = file - 1)
        if (!logs_file_backwards(l, file))
            return;
}

/* ---- what is answered ---- */

static void logs_found(struct journal_logs *l, struct json_writer *w)
{
    struct logs_walk walk = {.logs = l, .seq = l->query.after_seq + 1, .seqs = w};
    jsonw_key(w, "seqs");
    jsonw_begin_array(w);
    logs_forwards(&walk);
    jsonw_end_array(w);
    jsonw_key(w, "matches");
    jsonw_uint(w, walk.matches);
    jsonw_key(w, "lookedTo");
    jsonw_uint(w, walk.over ? walk.looked : l->last);
}

static void logs_rows(struct journal_logs *l, struct json_writer *w)
{
    bool last = l->query.after_seq == 0;
    struct logs_walk walk = {.logs = l, .seq = l->query.after_seq + 1};
    if (last)
        logs_last(l);
    else
        logs_forwards(&walk);
    jsonw_key(w, "logs");
    jsonw_begin_array(w);
    for (size_t i = 0; i < l->count; i++) {
        const char *row = l->rows[last ? l->count - 1 - i : i];
        jsonw_raw(w, row, strlen(row));
    }
    jsonw_end_array(w);
}

void journal_logs_run(struct journal_logs *l, struct json_writer *w)
{
    if (l->q)
        logs_found(l, w);
    else
        logs_rows(l, w);
    if (l->whole_from <= l->query.after_seq + 1)
        return;
    jsonw_member_bool(w, "truncated", true);
    jsonw_key(w, "firstSeq");
    jsonw_uint(w, l->whole_from);
}
