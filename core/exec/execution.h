/* execution.h: one run of something, from planned to its end, and the set of all of them.
 *
 * An execution belongs to the host, not to a socket. `executions` owns them: at most
 * max_running at once, max_queued waiting in `planned`, and the newest ended ones. Whoever keeps
 * a pointer over a turn of the loop holds it with execution_keep(). Loop thread only. */
#pragma once

#include "base/err.h"
#include "exec/shell.h"
#include "guard/auth.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct clusters;
struct executions;
struct execution;
struct history;
struct journal;
struct json_writer;
struct loop;
struct packs;
struct redactor;
struct start_request;

struct executions_options {
    struct loop *loop;
    struct clusters *clusters;
    struct packs *packs;
    struct redactor *redactor;
    unsigned max_running, max_queued, max_kept; /* 0: 64, 1,000, 1,000 */
    /* Memory of what is kept of ended ones (journals and requests), and that of the requests that wait;
     * 0: 256 MiB each. */
    size_t max_bytes;
    struct shell shell; /* what commands may do */
    /* Where all of it is kept beyond the end of this host; NULL: in memory only. Its owner frees it after the
     * executions. */
    struct history *history;
    size_t tail_lines, tail_bytes; /* of a journal that is stored, in memory; 0: the defaults */
};

struct executions *executions_new(const struct executions_options *options);
void executions_free(struct executions *executions); /* ends what still runs, at once */

/* Takes the request over (also on failure) and starts it, or queues it. NULL with err:
 * ERR_BAD_REQUEST, ERR_FORBIDDEN, ERR_CONFLICT (the id exists), ERR_BUSY. Events come from the
 * next turn of the loop on. */
struct execution *executions_start(struct executions *executions, struct start_request *request,
                                   const struct user *user, struct err *err);

/* Of this host, or kept from an earlier one: that is there until the end of the turn, or as long as it is
 * kept. NULL where there is none. */
struct execution *executions_find(struct executions *executions, const char *id);

/* Which executions, newest first. Empty fields ask for all. */
struct executions_query {
    size_t limit;       /* 0: 50 */
    const char *before; /* an executionId: older ones than it */
    const char *status, *mode, *user, *q;
    int64_t since; /* wall milliseconds, 0: all */
};
/* Writes the records that `user` may see as a JSON array. -1 with err (an unknown `before`). */
int executions_write_list(struct executions *executions, const struct executions_query *query,
                          const struct user *user, struct json_writer *w, struct err *err);

/* Who is told when a record changes. The owner keeps it, and takes it out before the set is freed. */
enum execution_news {
    EXECUTION_CHANGED, /* new, or another status */
    EXECUTION_SPOKE,   /* its last line moved on: for every line, so be quick */
    EXECUTION_GONE,    /* the host keeps it no longer */
};
struct executions_observer {
    LIST_ENTRY(executions_observer) link;
    void (*news)(void *arg, struct execution *execution, enum execution_news news);
    void *arg;
};
void executions_observe(struct executions *executions, struct executions_observer *observer);
void executions_unobserve(struct executions_observer *observer);

/* Would the list for `user` hold it? `limit` and `before` do not matter. */
bool execution_matches(const struct execution *execution, const struct executions_query *query,
                       const struct user *user);
void execution_write_record(const struct execution *execution, struct json_writer *w);

size_t executions_running(const struct executions *executions);

/* Refuses new ones (busy), cancels shells, lets applies finish within `ms`, then ends what is
 * left; done(arg) when nothing runs any more. */
void executions_drain(struct executions *executions, uint64_t ms, void (*done)(void *arg), void *arg);

struct execution *execution_keep(struct execution *execution);
void execution_drop(struct execution *execution);

const char *execution_id(const struct execution *execution);
bool execution_ended(const struct execution *execution);
struct journal *execution_journal(struct execution *execution);

/* May `user` see its events? Its starter, an admin, and for applies whoever may watch executions. */
bool execution_visible(const struct execution *execution, const struct user *user);

/* The same of one that is gone: started by `starter`, a command or not. */
bool execution_shown(const char *starter, bool command, const struct user *user);
const char *execution_starter(const struct execution *execution);
bool execution_is_command(const struct execution *execution);

/* Asks it to end; the outcome comes as events. -1 with err: ERR_FORBIDDEN, or ERR_CONFLICT where
 * it has ended. Asking twice is no error. */
int execution_cancel(struct execution *execution, const struct user *user, struct err *err);
