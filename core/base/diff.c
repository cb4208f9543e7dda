#include "base/diff.h"

#include "base/diff-internal.h"
#include "base/err.h"

#include <stdlib.h>
#include <string.h>

enum {
    DIFF_GIVEN_BACK = 64, /* lines of a common end that a change may still move into */
};

struct writer {
    const struct diff_side *a, *b;
    const struct diff_options *options;
    size_t context;
    size_t skipped; /* lines before those of the sides */
    size_t start;   /* of the diff in out */
    struct buf *out;
    bool full;
};

static void end_if_full(struct writer *w, size_t whole)
{
    size_t most = w->options->max_bytes;
    if (!most || w->full || w->out->len - w->start <= most)
        return;
    w->full = true;
    w->out->len = whole;
    buf_printf(w->out, "\\ The rest is left out: the diff is over %zu bytes\n", most);
}

static void write_lines(struct writer *w, char sign, const struct diff_side *s, size_t from, size_t to)
{
    for (; from < to && !w->full; from++) {
        size_t whole = w->out->len, len = s->starts[from + 1] - s->starts[from];
        const char *line = s->text + s->starts[from];
        buf_putc(w->out, sign);
        buf_append(w->out, line, len);
        if (line[len - 1] != '\n')
            buf_puts(w->out, "\n\\ No newline at end of file\n");
        end_if_full(w, whole);
    }
}

/* An empty range names the line before it. */
static void write_range(struct writer *w, char sign, size_t from, size_t to)
{
    size_t line = w->skipped + from + (to > from);
    if (to - from == 1)
        buf_printf(w->out, "%c%zu", sign, line);
    else
        buf_printf(w->out, "%c%zu,%zu", sign, line, to - from);
}

/* The edits first to last - 1, with what stands between and around them. */
static void write_hunk(struct writer *w, const struct diff_edit *first, const struct diff_edit *last)
{
    const struct diff_edit *final = last - 1;
    size_t before = first->a < w->context ? first->a : w->context;
    size_t a = first->a - before, b = first->b - before, whole = w->out->len;
    size_t a_end = final->a + final->a_count, left = w->a->count - a_end;
    size_t after = left < w->context ? left : w->context;
    buf_puts(w->out, "@@ ");
    write_range(w, '-', a, a_end + after);
    buf_putc(w->out, ' ');
    write_range(w, '+', b, final->b + final->b_count + after);
    buf_puts(w->out, " @@\n");
    end_if_full(w, whole);
    for (const struct diff_edit *e = first; e < last; e++) {
        write_lines(w, ' ', w->a, a, e->a);
        a = e->a + e->a_count;
        write_lines(w, '-', w->a, e->a, a);
        write_lines(w, '+', w->b, e->b, e->b + e->b_count);
    }
    write_lines(w, ' ', w->a, a_end, a_end + after);
}

static void write_diff(struct writer *w, const struct diff_edits *edits)
{
    const struct diff_edit *end = edits->items + edits->count, *next;
    buf_printf(w->out, "--- %s\n+++ %s\n", w->options->old_name, w->options->new_name);
    for (const struct diff_edit *first = edits->items; first < end && !w->full; first = next) {
        next = first + 1;
        while (next < end && next->a - (next[-1].a + next[-1].a_count) <= 2 * w->context)
            next++;
        write_hunk(w, first, next);
    }
}

/* Which bytes differ: both texts are alike before `from`, and alike from their ends on. */
struct middle {
    size_t from, a_end, b_end;
};

static size_t line_start(const char *text, size_t at, size_t lines_back)
{
    for (;; lines_back--) {
        while (at && text[at - 1] != '\n')
            at--;
        if (!at || !lines_back)
            return at;
        at--;
    }
}

/* Whole lines, with so many alike ones around as are shown or may be moved over. */
static struct middle find_middle(const char *a, size_t a_len, const char *b, size_t b_len, size_t context)
{
    size_t most = a_len < b_len ? a_len : b_len, front = 0, back = 0;
    while (front < most && a[front] == b[front])
        front++;
    front = line_start(a, front, context);
    while (back < most - front && a[a_len - back - 1] == b[b_len - back - 1])
        back++;
    size_t lines = context > DIFF_GIVEN_BACK ? context : DIFF_GIVEN_BACK;
    const char *at = a + a_len - back, *end = a + a_len;
    /* The first line of the end is whole only where a line ends before it, on both sides. */
    if ((back < a_len && at[-1] != '\n') || (back < b_len && b[b_len - back - 1] != '\n'))
        lines++;
    for (; lines && at < end; lines--) {
        const char *newline = memchr(at, '\n', (size_t)(end - at));
        at = newline ? newline + 1 : end;
    }
    return (struct middle){front, (size_t)(at - a), b_len - (size_t)(end - at)};
}

static size_t count_newlines(const char *text, size_t len)
{
    size_t n = 0;
    for (size_t i = 0; i < len; i++)
        n += text[i] == '\n';
    return n;
}

static int side_open(struct diff_side *s, const char *text, size_t len)
{
    s->text = text;
    s->count = count_newlines(text, len) + (len && text[len - 1] != '\n');
    s->starts = malloc((s->count + 1) * sizeof(*s->starts));
    s->ids = malloc((s->count + 1) * sizeof(*s->ids));
    s->changed = calloc(s->count + 1, sizeof(*s->changed));
    if (!s->starts || !s->ids || !s->changed)
        return -1;
    size_t at = 0;
    for (size_t i = 0; i < s->count; i++) {
        s->starts[i] = (uint32_t)at;
        const char *newline = memchr(text + at, '\n', len - at);
        at = newline ? (size_t)(newline - text) + 1 : len;
    }
    s->starts[s->count] = (uint32_t)len;
    return 0;
}

static void side_close(struct diff_side *s)
{
    free(s->starts);
    free(s->ids);
    free(s->changed);
}

int diff_unified(const char *before, size_t before_len, const char *after, size_t after_len,
                 const struct diff_options *options, struct buf *out, struct err *err)
{
    struct diff_side a = {0}, b = {0};
    struct diff_edits edits = {0};
    int rc = -1;
    if (before_len > DIFF_MAX_TEXT || after_len > DIFF_MAX_TEXT)
        return err_code(err, ERR_TOO_LARGE, "a text over %d MiB is not compared", DIFF_MAX_TEXT >> 20);
    if (before_len == after_len && (!before_len || memcmp(before, after, before_len) == 0))
        return 0;
    size_t context = options->context ? options->context : DIFF_CONTEXT;
    struct middle m = find_middle(before, before_len, after, after_len, context);
    if (side_open(&a, before + m.from, m.a_end - m.from) || side_open(&b, after + m.from, m.b_end - m.from) ||
        diff_compare(&a, &b, &edits))
        goto out;
    struct writer w = {
        .a = &a, .b = &b, .options = options, .context = context, .start = out->len, .out = out};
    w.skipped = count_newlines(before, m.from);
    write_diff(&w, &edits);
    rc = out->failed ? -1 : 0;
out:
    if (rc)
        err_no_memory(err);
    side_close(&a);
    side_close(&b);
    free(edits.items);
    return rc;
}
