/* gate.h: the only way from an execution to a cluster.
 *
 * authorizeExecution stands here: the seed's three rules for the request, and the third again for
 * every single call with the object's real kind and namespace. A script reaches the cluster through
 * ctx, ctx through gate_send(), and no write goes around it; what is read as it comes, a watch or a log, asks
 * gate_allows() first. */
#pragma once

#include "kube/cluster.h"

#include <stdbool.h>
#include <stddef.h>

struct execution;
struct gate_call;
struct start_request;
struct user;

/* Rules 1 to 3 for the request as a whole. 0, or -1 with err (ERR_FORBIDDEN and the seed's sentence). */
int gate_authorize(const struct start_request *request, const struct user *user, struct err *err);

/* May `user` do `action` on `resource` (registered name) in `ns` ("" or NULL: all of them, or none)? -1 with
 * the seed's sentence. */
int gate_allows_user(const struct user *user, const char *action, const char *resource, const char *ns,
                     struct err *err);

/* May the execution's user do `action` on `resource` (registered name) in `ns`? -1 with the seed's sentence.
 */
int gate_allows(const struct execution *execution, const char *action, const char *resource, const char *ns,
                struct err *err);

/* Where the request may write: its own namespace, elsewhere and to cluster-scoped kinds only with
 * allowClusterWide. -1 with err. */
int gate_scope(const struct execution *execution, const struct kube_kind *kind, const char *ns,
               struct err *err);

enum gate_verb { GATE_GET, GATE_LIST, GATE_CREATE, GATE_UPDATE, GATE_APPLY, GATE_DELETE };

/* Called once, with gate_send()'s `arg`, when the call itself goes out; possibly from inside gate_send().
 * Before that nothing is in doubt. */
typedef void gate_begun_fn(void *arg);

struct gate_request {
    enum gate_verb verb;  /* GATE_APPLY may create or update */
    const char *resource; /* the registered name, for rbac */
    const struct kube_kind *kind;
    const char *ns, *name;    /* name NULL: the collection */
    const char *subresource;  /* "scale" … or NULL */
    const char *content_type; /* of a patch */
    const char *query;        /* more of it, or NULL */
    const void *body;
    size_t body_len;
    gate_begun_fn *begun; /* or NULL */
};

/* Checks, and sends to `cluster`; fieldManager, fieldValidation and the execution's dryRun are added to
 * every write. A write that a guardrail concerns is judged first, which takes requests and turns of the
 * loop: what a guardrail denies is answered as ERR_FORBIDDEN, what it warns of stands among the answer's
 * warnings. NULL with err when it is refused at once. `done` is never called from inside. */
struct gate_call *gate_send(struct execution *execution, struct cluster *cluster,
                            const struct gate_request *request, kube_done_fn *done, void *arg,
                            struct err *err);
void gate_cancel(struct gate_call **call); /* `done` is not called; sets *call to NULL */

/* The object as it is, for the guardrails alone: whatever the user may read, nobody else is shown it. */
struct kube_call *gate_live(struct cluster *cluster, const struct kube_kind *kind, const char *ns,
                            const char *name, kube_done_fn *done, void *arg, struct err *err);
