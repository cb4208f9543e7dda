/* plan.h: what an apply would do, without an execution that anybody sees.
 *
 * A plan goes the way of an apply as a dry-run: parsed, routed, judged, each document sent with dryRun. It
 * stands in no list, keeps no journal and ends with one answer: a row a document, with its diff, and where in
 * the text each refused field stands. Owned by who started it. Loop thread only. */
#pragma once

struct buf;
struct err;
struct executions;
struct plan;
struct start_request;
struct user;

enum {
    PLANS_AT_ONCE = 16,
    PLAN_SECONDS = 55, /* what is not done by then is told as not started; whoever asks waits for 60 */
};

/* Called once, never from inside, with the answer as JSON, whose bytes it takes over; the plan is gone by
 * then. `result` has failed where memory ran out. */
typedef void plan_done_fn(void *arg, struct buf *result);

/* Takes the request over (also on failure); it becomes a dry-run. NULL with err: ERR_BAD_REQUEST where it is
 * no apply of a manifest, ERR_FORBIDDEN as for a start, ERR_BUSY. */
struct plan *plan_start(struct executions *executions, struct start_request *request, const struct user *user,
                        plan_done_fn *done, void *arg, struct err *err);
void plan_cancel(
    struct plan **plan); /* `done` is not called; sets *plan to NULL, which may be inside already */
