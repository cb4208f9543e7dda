#include "io/redact.h"

#include "base/err.h"
#include "base/mem.h"
#include "io/redact-internal.h"

#include <hs.h>
#include <limits.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct redactor {
    hs_database_t *any;   /* can a line hold a shape at all? */
    hs_database_t *spans; /* the shapes, with the start of each match */
    hs_scratch_t *scratch;
    uint64_t masked;
};

struct match {
    unsigned shape;
    size_t from, to;
};

/* The work on one line. */
struct task {
    const struct redactor *redactor;
    struct match *matches;
    size_t match_count, match_room;
    struct redact_span *spans; /* in order, apart from each other */
    size_t span_count;
    size_t pem_end;
    bool pem_goes_on;
};

/* The hints, or the patterns with the start of each match. */
static hs_database_t *compile(bool hints, struct err *err)
{
    const char **patterns = mem_new(redact_shape_count * sizeof(*patterns));
    unsigned *flags = mem_new(redact_shape_count * sizeof(*flags));
    unsigned *ids = mem_new(redact_shape_count * sizeof(*ids));
    hs_compile_error_t *fault = NULL;
    hs_database_t *db = NULL;
    unsigned n = 0;

    for (unsigned i = 0; i < redact_shape_count; i++) {
        const struct redact_shape *shape = &redact_shapes[i];
        if (hints && !shape->hint)
            continue;
        patterns[n] = hints ? shape->hint : shape->pattern;
        flags[n] =
            (hints ? HS_FLAG_SINGLEMATCH : HS_FLAG_SOM_LEFTMOST) | (shape->caseless ? HS_FLAG_CASELESS : 0);
        ids[n++] = i;
    }
    if (hs_compile_multi(patterns, flags, ids, n, HS_MODE_BLOCK, NULL, &db, &fault) != HS_SUCCESS) {
        err_set(err, "the patterns of the redactor do not compile: %s",
                fault ? fault->message : "no reason given");
        hs_free_compile_error(fault);
        db = NULL;
    }
    free(patterns);
    free(flags);
    free(ids);
    return db;
}

struct redactor *redactor_new(struct err *err)
{
    struct redactor *redactor = mem_new(sizeof(*redactor));

    redactor->any = compile(true, err);
    redactor->spans = redactor->any ? compile(false, err) : NULL;
    if (!redactor->spans)
        goto failed;
    if (hs_alloc_scratch(redactor->any, &redactor->scratch) != HS_SUCCESS ||
        hs_alloc_scratch(redactor->spans, &redactor->scratch) != HS_SUCCESS) {
        err_no_memory(err);
        goto failed;
    }
    return redactor;
failed:
    redactor_free(redactor);
    return NULL;
}

void redactor_free(struct redactor *redactor)
{
    if (!redactor)
        return;
    hs_free_scratch(redactor->scratch);
    hs_free_database(redactor->any);
    hs_free_database(redactor->spans);
    free(redactor);
}

static int stop_at_first(unsigned id, unsigned long long from, unsigned long long to, unsigned flags,
                         void *arg)
{
    (void)id, (void)from, (void)to, (void)flags, (void)arg;
    return 1;
}

static int gather(unsigned id, unsigned long long from, unsigned long long to, unsigned flags, void *arg)
{
    struct task *task = arg;
    struct match *last = task->match_count ? &task->matches[task->match_count - 1] : NULL;

    (void)flags;
    /* An open-ended shape reports each further byte. */
    if (last && last->shape == id && last->from == from && redact_shapes[id].kind == REDACT_WHOLE) {
        last->to = to;
        return 0;
    }
    if (task->match_count == task->match_room) {
        size_t room = task->match_room ? task->match_room * 2 : 16;
        struct match *more = realloc(task->matches, room * sizeof(*more));
        if (!more) {
            return 1; /* the scan then says that it was ended */
        }
        task->matches = more;
        task->match_room = room;
    }
    task->matches[task->match_count++] = (struct match){id, from, to};
    return 0;
}

static int by_end(const void *a, const void *b)
{
    const struct match *x = a, *y = b;
    if (x->to != y->to)
        return x->to < y->to ? -1 : 1;
    return x->from < y->from ? -1 : x->from > y->from;
}

/* Adds a span; what comes in the order of its end may still begin before spans that are there. */
static void add_span(struct task *task, struct redact_span span)
{
    while (task->span_count > 0 && task->spans[task->span_count - 1].to >= span.from) {
        const struct redact_span *last = &task->spans[--task->span_count];
        span.from = last->from < span.from ? last->from : span.from;
        span.to = last->to > span.to ? last->to : span.to;
    }
    task->spans[task->span_count++] = span;
}

static void judge_match(struct task *task, struct redact_place *place, const struct match *m)
{
    enum redact_kind kind = redact_shapes[m->shape].kind;
    size_t covered = task->span_count ? task->spans[task->span_count - 1].to : 0;
    struct redact_span span;

    if (kind == REDACT_PEM) {
        size_t end;
        if (task->pem_goes_on || m->to <= task->pem_end)
            return;
        /* A key that is written in one line, with \n in it, ends in it. */
        end = redact_pem_end(place->line, place->len, m->from);
        task->pem_goes_on = end == 0;
        task->pem_end = end;
        span = (struct redact_span){m->from, end ? end : place->len};
    } else {
        /* In a value that is masked nothing is looked for: so each byte is judged once. */
        if (kind != REDACT_WHOLE && m->to <= covered)
            return;
        span = redact_value(place, kind, m->from, m->to);
    }
    if (span.from < span.to)
        add_span(task, span);
}

/* The spans of the secrets in a line without escapes. 0, or -1 if it cannot be judged. */
static int find_spans(struct task *task, const char *line, size_t len)
{
    const struct redactor *r = task->redactor;
    struct redact_place place = {.line = line, .len = len};

    if (hs_scan(r->spans, line, (unsigned)len, 0, r->scratch, gather, task) != HS_SUCCESS)
        return -1;
    if (task->match_count == 0)
        return 0;
    task->spans = calloc(task->match_count, sizeof(*task->spans));
    if (!task->spans)
        return -1;
    qsort(task->matches, task->match_count, sizeof(*task->matches), by_end);
    for (size_t i = 0; i < task->match_count; i++)
        judge_match(task, &place, &task->matches[i]);
    return 0;
}

/* Judges a line by its shadow, and writes it with its escapes where they were. */
static int judge(struct redactor *r, struct redact_state *state, const struct redact_shadow *shadow,
                 struct buf *out)
{
    struct task task = {.redactor = r};
    int rc = -1;

    if (shadow->len > UINT_MAX)
        return -1;
    switch (hs_scan(r->any, shadow->text, (unsigned)shadow->len, 0, r->scratch, stop_at_first, NULL)) {
    case HS_SUCCESS:
        break;
    case HS_SCAN_TERMINATED:
        if (find_spans(&task, shadow->text, shadow->len))
            goto out;
        break;
    default:
        goto out;
    }
    state->in_pem = task.pem_goes_on;
    redact_shadow_write(shadow, task.spans, task.span_count, out);
    r->masked += task.span_count;
    rc = 0;
out:
    free(task.matches);
    free(task.spans);
    return rc;
}

static void redact_piece(struct redactor *r, struct redact_state *state, const char *line, size_t len,
                         struct buf *out)
{
    struct redact_shadow shadow;
    bool judged = false;

    if (redact_shadow_make(&shadow, line, len) == 0) {
        size_t end = 0;
        if (state->in_pem && redact_pem_body(shadow.text, shadow.len, &end)) {
            struct redact_span all = {0, end};
            judged = true;
            redact_shadow_write(&shadow, &all, end > 0, out);
            state->in_pem = !redact_pem_ends(shadow.text, shadow.len);
        } else {
            judged = judge(r, state, &shadow, out) == 0;
        }
    }
    if (!judged) {
        buf_puts(out, REDACT_MASK);
        r->masked++;
    }
    redact_shadow_free(&shadow);
}

void redact_line(struct redactor *redactor, struct redact_state *state, const char *line, size_t len,
                 struct buf *out)
{
    struct redact_state alone = {false};

    for (;;) {
        const char *end = memchr(line, '\n', len);
        size_t n = end ? (size_t)(end - line) : len;
        redact_piece(redactor, state ? state : &alone, line, n, out);
        if (!end)
            return;
        buf_putc(out, '\n');
        line += n + 1;
        len -= n + 1;
    }
}

uint64_t redactor_masked(const struct redactor *redactor)
{
    return redactor->masked;
}
