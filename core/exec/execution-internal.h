/* execution-internal.h: what execution.c (one of them) and executions.c (the set) share. */
#pragma once

#include "exec/event.h"
#include "exec/execution.h"
#include "exec/executions-stats.h"
#include "exec/images.h"
#include "exec/run.h"

#include <sys/queue.h>

struct deferred;
struct timer;

enum execution_status { EXECUTION_PLANNED, EXECUTION_RUNNING, EXECUTION_SUCCEEDED, EXECUTION_FAILED };

struct execution {
    TAILQ_ENTRY(execution) link;  /* in executions.all, newest first */
    TAILQ_ENTRY(execution) queue; /* in executions.queued while it waits for its turn */
    struct executions *set;
    size_t references; /* the set's own, and viewers' */
    uint64_t number;   /* greater than those of all before it, of earlier hosts too */
    bool queued, active;
    char *id, *label;              /* label masked */
    struct start_request *request; /* NULL: an earlier host's, see past.c */
    /* Of an earlier host's: its record as JSON, and what a free text is looked for in. */
    char *record, *search;
    const char *mode, *source;
    bool command; /* what it prints is nobody else's business */
    struct user user;
    struct pack *pack;
    struct images images;    /* of what it wrote */
    struct judge *judge;     /* NULL until it is needed */
    struct journal *journal; /* NULL of a plan */
    struct plan *plan;       /* whose dry-run it is; NULL: it stands in the set's list */
    const struct run_ops *ops;
    void *run;
    enum execution_status status;
    const char *outcome; /* "" until the end */
    char *error;         /* masked */
    int64_t started, last_line;
    struct event end; /* the complete event without its documents, once ended */
    char *cancelled_by;
    struct deferred *begin, *reap;
};

TAILQ_HEAD(execution_list, execution);

struct executions {
    struct executions_options options;
    struct execution_list all, queued;
    LIST_HEAD(, executions_observer) observers;
    struct map *by_id;
    struct map *past;             /* earlier hosts' by id, while somebody reads them */
    uint64_t next;                /* number, where there is no history */
    size_t active, waiting, kept; /* running or validating; in `queued`; in `all` */
    size_t plans;                 /* under way */
    struct executions_stats stats;
    bool draining;
    void (*drained)(void *arg);
    void *drained_arg;
    struct timer *drain_limit, *hourly;
    struct deferred *drain_done, *trim;
};

struct execution *execution_new(struct executions *set, struct start_request *request,
                                const struct user *user, char *id);
void execution_plan(struct execution *execution);    /* says `planned` */
void execution_begin(struct execution *execution);   /* its turn has come */
void execution_abandon(struct execution *execution); /* stops its work without a word */
const char *execution_status_name(enum execution_status status);
const char *execution_mode(const struct execution *execution);
void executions_tell(struct execution *execution, enum execution_news news);

/* The last word: `ex->error` and `ex->outcome` are set; final state, complete, end of the journal, its row.
 */
void execution_conclude(struct execution *execution, const struct execution_end *end, enum err_code code,
                        int64_t completed);
void execution_save(struct execution *execution); /* its row in the history, where there is one */

/* ---- past.c: executions of earlier hosts ---- */

/* The one of `id`, as long as it is kept or until the end of the turn; NULL where there is none. */
struct execution *past_find(struct executions *set, const char *id);
/* Those that a host did not survive end now. */
void past_recover(struct executions *set);
void past_free(struct executions *set);

/* Tells the set that an active one has ended. */
void executions_one_ended(struct execution *execution);

/* ---- executions-stats.c ---- */

void executions_stats_init(struct executions_stats *stats);
void executions_count_end(struct execution *execution);
