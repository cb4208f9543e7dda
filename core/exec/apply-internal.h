/* apply-internal.h: what apply.c (the whole of an apply) and apply-documents.c (its documents) share. */
#pragma once

#include "exec/bundle.h"

#include "loop/loop.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct apply_parse;
struct apply_wait;
struct apply;
struct bundle_guard;
struct cell;
struct cell_task;
struct cluster;
struct ctx;
struct err;
struct execution;
struct kube_call;
struct ledger;
struct scope;

/* A document on its way, in the order of sending. */
struct sending {
    struct apply *apply;
    struct document *document;
    struct scope *scope; /* NULL until there is something to say */
    struct cell_task *task;
    size_t weight; /* of flying_bytes, while it has begun and is not decided */
    bool decided;
};

struct apply {
    struct execution *execution;
    struct bundle bundle;
    struct job *parsing;
    struct apply_parse *parse;
    struct cluster *cluster;
    struct kube_call *discovering;
    uint64_t began_ms; /* when it first asked what the cluster serves */
    bool asked_anew;
    struct deferred *turn; /* the next slice of what is done to each document */
    size_t at;             /* where that goes on */
    struct bundle_guard *guard;
    bool unknown, refused; /* a kind that is not served; a document that may not be sent */
    struct cell *cell;
    struct ctx *ctx;
    struct ledger *ledger;    /* NULL where there is no history */
    struct sending *sendings; /* as many as documents, once the first may go */
    size_t next;              /* the first that has not begun */
    size_t telling;           /* the one whose turn to speak it is */
    size_t flying;            /* how many have begun and are not decided */
    size_t flying_bytes;
    struct apply_wait *waiting; /* after the documents, where that was asked for */
    bool ended;
};

/* True, and `again` comes in a later turn, where the slice that began then is over. */
bool apply_slice_over(struct apply *apply, uint64_t began, loop_fn *again);

/* Ends it: `why` is what ended the whole; NULL where each document has its own outcome. */
void apply_finish(struct apply *apply, const struct err *why);

/* Sends all documents, stage by stage; apply_sent() follows. */
void apply_send(struct apply *apply);
void apply_sent(struct apply *apply);

/* Waits until what was applied is ready; apply_finish() follows. */
void apply_wait_start(struct apply *apply);
void apply_wait_free(struct apply *apply);

/* Decides those that are under way when it must end early ("cancelled"): nobody must read "not started" of
 * what was written. Says everything that was held. Their tasks are the cell's to drop. */
void apply_interrupt(struct apply *apply, const char *why);

/* Says why a document may not be sent: its message. */
void apply_document_refused(struct apply *apply, struct document *document);
