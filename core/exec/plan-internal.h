/* plan-internal.h: a plan for those who do its work, and its parts: plan.c (its life), plan-write.c (its
 * answer). */
#pragma once

#include "base/buf.h"
#include "base/json-write.h"
#include "exec/plan.h"
#include "kube/causes.h"

#include <stdbool.h>
#include <stddef.h>

struct bundle;
struct document;
struct execution;

/* Of a document, while it is told by its index. What would change; more than one note is one after the other.
 */
void plan_note_diff(struct plan *plan, size_t index, const char *diff, size_t len);
/* Why it would not be taken: a Status as JSON. */
void plan_note_refusal(struct plan *plan, size_t index, const char *status, size_t len);

/* The apply is over and works no more; its bundle (of no documents where the text was not understood) stays
 * as long as the execution has its run. `why`: what ended the whole; or NULL. */
void plan_ended(struct plan *plan, const struct bundle *bundle, const struct err *why);

/* ---- between plan.c and plan-write.c ---- */

/* What was noted of a document. */
struct plan_note {
    struct buf diff;
    struct kube_cause *causes;
    size_t cause_count;
    size_t first_place; /* of the places, where the first of its causes stands */
};

/* Where a refused field stands in the text. */
struct plan_place {
    char *field;
    size_t document_line, item;
    size_t line, column;
};

struct plan_places;

struct plan {
    struct executions *set;
    struct execution *execution;
    plan_done_fn *done;
    void *arg;
    struct timer *limit;
    struct deferred *turn;
    bool over_limit;
    struct plan_note *notes; /* by index */
    size_t note_count, note_bytes;
    const struct bundle *bundle; /* once the apply has ended */
    struct err *why;
    struct plan_places *places;
    struct job *job;
    struct buf out;
    struct json_writer w;
    size_t at, omitted; /* the next document; those for which there was no room */
};

/* Finds the places of what was refused, and writes the answer, slice by slice; plan_answer() follows. */
void plan_write(struct plan *plan);
void plan_answer(struct plan *plan);
/* Forgets what plan_write() has begun. */
void plan_write_stop(struct plan *plan);
