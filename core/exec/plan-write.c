/* plan-write.c: the answer of a plan. Fields are looked for in the text on the pool, rows are written in
 * slices: a manifest may have thousands of documents. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle.h"
#include "exec/event-json.h"
#include "exec/execution-internal.h"
#include "exec/plan-internal.h"
#include "exec/request.h"
#include "io/yaml-locate.h"
#include "loop/loop.h"

#include <ctype.h>
#include <stdlib.h>

enum {
    WRITE_SLICE_US = 4000,
    WRITE_MAX = 32 * 1024 * 1024,    /* of the answer; further rows are counted */
    PLACES_FOUND = 200,              /* others stand at their document's line */
    PLACES_WORK = 128 * 1024 * 1024, /* bytes of text that may be read for them */
};

/* What the pool works on; outlives the plan that forgot it. */
struct plan_places {
    struct plan *plan;
    struct execution *execution; /* kept: it owns the text */
    const struct start_request *request;
    struct plan_place *items;
    size_t count;
};

/* ---- places ---- */

static void places_free(void *arg)
{
    struct plan_places *s = arg;
    for (size_t i = 0; i < s->count; i++)
        free(s->items[i].field);
    free(s->items);
    execution_drop(s->execution);
    free(s);
}

static void places_find(void *arg)
{
    struct plan_places *s = arg;
    const struct start_request *r = s->request;
    size_t most = PLACES_WORK / (r->yaml_len + 1) + 1;
    for (size_t i = 0; i < s->count && i < PLACES_FOUND && i < most; i++) {
        struct plan_place *at = &s->items[i];
        yaml_locate(r->yaml, r->yaml_len, at->document_line, at->item, at->field, &at->line, &at->column);
    }
}

/* Conflicts are told as such, not as errors too. */
static const struct plan_note *plan_refusal(const struct plan *p, const struct document *d)
{
    const struct plan_note *note = d->index < p->note_count ? &p->notes[d->index] : NULL;
    return note && str_eq(d->outcome, "failed") && d->conflict_count == 0 ? note : NULL;
}

static struct plan_places *plan_places(struct plan *p)
{
    struct plan_places *s = mem_new(sizeof(*s));
    *s = (struct plan_places){
        .plan = p, .execution = execution_keep(p->execution), .request = p->execution->request};
    for (size_t i = 0; i < p->bundle->count; i++) {
        const struct document *d = &p->bundle->documents[i];
        const struct plan_note *note = plan_refusal(p, d);
        if (!note || !note->cause_count)
            continue;
        s->items = mem_grow(s->items, (s->count + note->cause_count) * sizeof(*s->items));
        p->notes[d->index].first_place = s->count;
        for (size_t c = 0; c < note->cause_count; c++)
            s->items[s->count++] = (struct plan_place){
                .field = mem_str(note->causes[c].field),
                .document_line = d->line,
                .item = d->item,
                .line = d->line,
                .column = 1,
            };
    }
    return s;
}

/* ---- rows ---- */

static void write_text(struct plan *p, const char *key, const char *text)
{
    struct buf shown = {0};
    event_mask(p->set->options.redactor, text, &shown);
    jsonw_key(&p->w, key);
    jsonw_stringn(&p->w, buf_str(&shown), shown.len);
    buf_free(&shown);
}

static void write_error(struct plan *p, size_t line, size_t column, const char *field, const char *message)
{
    jsonw_begin_object(&p->w);
    jsonw_member_int(&p->w, "line", (int64_t)line);
    jsonw_member_int(&p->w, "column", (int64_t)column);
    write_text(p, "field", field);
    write_text(p, "message", message);
    jsonw_end_object(&p->w);
}

static void write_document(struct plan *p, const struct document *d)
{
    const struct plan_note *note = d->index < p->note_count ? &p->notes[d->index] : NULL;
    const struct plan_note *refusal = plan_refusal(p, d);
    struct event_door door = {.redactor = p->set->options.redactor};
    struct event_document row = document_row(d);
    jsonw_begin_object(&p->w);
    event_write_document(&door, &p->w, &row);
    jsonw_key(&p->w, "diff");
    jsonw_stringn(&p->w, note ? buf_str(&note->diff) : "", note ? note->diff.len : 0);
    jsonw_key(&p->w, "errors");
    jsonw_begin_array(&p->w);
    for (size_t i = 0; refusal && i < refusal->cause_count; i++) {
        const struct plan_place *at = &p->places->items[refusal->first_place + i];
        write_error(p, at->line, at->column, at->field, refusal->causes[i].message);
    }
    jsonw_end_array(&p->w);
    jsonw_end_object(&p->w);
}

/* "3:14: duplicate key …" of a text that was not understood; the sentence behind it. NULL for another text.
 */
static const char *place_of(const char *text, size_t *line, size_t *column)
{
    char *end;
    if (!isdigit((unsigned char)*text))
        return NULL;
    *line = strtoul(text, &end, 10);
    if (*end != ':' || !isdigit((unsigned char)end[1]))
        return NULL;
    *column = strtoul(end + 1, &end, 10);
    return end[0] == ':' && end[1] == ' ' ? end + 2 : NULL;
}

/* What is said of the whole: an error at its place where it is one of the text. */
static void write_end(struct plan *p)
{
    size_t line, column;
    const char *why = p->why ? p->why->text : "";
    const char *sentence = p->bundle->count == 0 ? place_of(why, &line, &column) : NULL;
    jsonw_end_array(&p->w);
    if (p->omitted)
        jsonw_member_int(&p->w, "documentsOmitted", (int64_t)p->omitted);
    write_text(p, "error", sentence ? "" : why);
    jsonw_key(&p->w, "errors");
    jsonw_begin_array(&p->w);
    if (sentence)
        write_error(p, line, column, "", sentence);
    jsonw_end_array(&p->w);
    jsonw_end_object(&p->w);
}

static void plan_write_rows(void *arg)
{
    struct plan *p = arg;
    uint64_t began = clock_mono_us();
    p->turn = NULL;
    while (p->at < p->bundle->count) {
        if (clock_mono_us() - began > WRITE_SLICE_US) {
            p->turn = loop_defer(p->set->options.loop, plan_write_rows, p);
            return;
        }
        const struct document *d = &p->bundle->documents[p->at++];
        if (p->out.len > WRITE_MAX)
            p->omitted++;
        else
            write_document(p, d);
    }
    write_end(p);
    plan_answer(p);
}

static void plan_write_now(struct plan *p)
{
    p->w = (struct json_writer)JSON_WRITER(&p->out);
    jsonw_begin_object(&p->w);
    jsonw_key(&p->w, "documents");
    jsonw_begin_array(&p->w);
    plan_write_rows(p);
}

static void places_found(void *arg)
{
    struct plan_places *s = arg;
    s->plan->job = NULL;
    plan_write_now(s->plan);
}

void plan_write(struct plan *p)
{
    p->places = plan_places(p);
    if (p->places->count)
        p->job = loop_job(p->set->options.loop, places_find, places_found, p->places);
    else
        plan_write_now(p);
}

void plan_write_stop(struct plan *p)
{
    if (p->job)
        job_forget(&p->job, places_free);
    else if (p->places)
        places_free(p->places);
    p->places = NULL;
}
