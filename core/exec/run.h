/* run.h: an execution from the inside, for the pieces that do its work: apply, runner, ctx, gate.
 *
 * The execution owns its run: `ops` says how to begin, end early and free it. What the run has to
 * say goes through the functions here and comes out as events. */
#pragma once

#include "exec/event.h"
#include "exec/execution.h"

struct event_document;
struct judge;
struct ledger;
struct images;
struct pack;
struct plan;

struct run_ops {
    /* Begins the work; the run that it makes is set with execution_set_run(). */
    void (*start)(struct execution *execution);
    /* Ends it soon: execution_finish() follows, from inside or later. `now` is for the host's end:
     * nothing is waited for. */
    void (*cancel)(void *run, bool now);
    void (*free)(void *run);
};

extern const struct run_ops apply_run;  /* apply.c */
extern const struct run_ops runner_run; /* runner.c: a command */
extern const struct run_ops flow_run;   /* flow.c */

void execution_set_run(struct execution *execution, void *run);

const struct executions_options *execution_options(const struct execution *execution);
const struct start_request *execution_request(const struct execution *execution);
const struct user *execution_user(const struct execution *execution);
struct pack *execution_pack(const struct execution *execution); /* the generation it started with */
struct judge *execution_judge(struct execution *execution);   /* made at the first call, as long as the run */
struct images *execution_images(struct execution *execution); /* of its writes, as long as it is kept */
struct execution *execution_other(const struct execution *execution, const char *id); /* NULL: none kept */
struct plan *execution_planner(const struct execution *execution); /* the plan that it serves; or NULL */
/* Its request may lie on the disk for a while: it holds no Secret. */
void execution_keep_request(const struct execution *execution);
/* Where what becomes of its documents is noted for a later host; NULL where there is no history. */
struct ledger *execution_ledger(const struct execution *execution, const struct event_document *rows,
                                size_t count);
bool execution_cancelled(const struct execution *execution);

void execution_set_running(struct execution *execution); /* planned → running, once */
void execution_phase(struct execution *execution, const char *name, const char *detail, size_t progress,
                     size_t total);
/* A line of text; newlines inside make several. */
void execution_line(struct execution *execution, enum event_stream stream, const char *text);
/* One raw line of a process, at most LINE_KEPT + LINE_BEYOND bytes. */
void execution_raw_line(struct execution *execution, enum event_stream stream, const char *text, size_t len,
                        size_t dropped);

struct execution_end {
    int exit_code, signal;
    const char *error;  /* "" on success; ignored where it was cancelled */
    enum err_code code; /* what kind of failure `error` is */
    struct event_counts changed;
    const struct event_document *documents;
    size_t document_count;
    bool has_documents;
};

/* The last word: final state, complete, and the run is freed in the next turn. Success is exit code 0
 * and no error. */
void execution_finish(struct execution *execution, const struct execution_end *end);
