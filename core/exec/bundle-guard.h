/* bundle-guard.h: the guardrails on a whole bundle, before anything of it is sent. */
#pragma once

#include <stdbool.h>

struct bundle;
struct bundle_guard;
struct cluster;
struct execution;

/* `denied`: at least one document must not be sent, so none is; those that were denied have their outcome,
 * message and code, and all that was said has been told. */
typedef void bundle_guard_fn(void *arg, bool denied);

/* For a bundle that was routed and judged for permission. Fetches the live object of each document that a
 * guardrail concerns, judges them in slices and fills in their verdicts. `done` is called once, never from
 * inside; the guard is gone by then. The bundle stays the execution's judge's until the execution ends. */
struct bundle_guard *bundle_guard_start(struct bundle *bundle, struct execution *execution,
                                        struct cluster *cluster, bundle_guard_fn *done, void *arg);
void bundle_guard_stop(struct bundle_guard **guard); /* `done` is not called; sets *guard to NULL */
