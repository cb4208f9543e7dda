/* cluster.h: one Kubernetes API server as the host sees it: a connection pool, a way
 * to authenticate, what it serves, and requests. Loop thread only.
 *
 * `clusters` owns one cluster a context, made at first use. A call belongs to its
 * cluster until `done` ran or kube_cancel(). Answers live only during `done`. */
#pragma once

#include "base/err.h"
#include "base/metric.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;
struct kubeconfig;
struct clusters;
struct cluster;
struct kube_call;

struct clusters_options {
    const char *kubeconfig;         /* --kubeconfig or NULL */
    const char *context;            /* --context or NULL: the kubeconfig's current one */
    unsigned connect_ms, answer_ms; /* 0: 5,000 and 30,000 */
    bool demo; /* the demo cluster that ships with the host; a mark for people, nothing else */
};

/* Reads the kubeconfig. Nothing found at all is no error: the clusters are then none,
 * and clusters_why() says where was looked. A named file that fails is. */
struct clusters *clusters_new(struct loop *loop, const struct clusters_options *options, struct err *err);
void clusters_free(struct clusters *clusters); /* cancels every call; no `done` runs */

const char *clusters_why(const struct clusters *clusters);     /* "" or why there is no cluster */
const char *clusters_current(const struct clusters *clusters); /* the default context's name, "" if none */
bool clusters_demo(const struct clusters *clusters);           /* the options' mark */
/* Names of the contexts, ends with NULL. */
const char *const *clusters_contexts(const struct clusters *clusters);

/* The cluster of a context; NULL or "" is the default one. NULL with err for an unknown
 * context or none at all (ERR_NOT_FOUND, ERR_UNAVAILABLE). */
struct cluster *clusters_get(struct clusters *clusters, const char *context, struct err *err);

const char *cluster_context(const struct cluster *cluster);
const char *cluster_server(const struct cluster *cluster);
const char *cluster_namespace(const struct cluster *cluster); /* the context's, else "default" */

/* One request. Credentials are added (exec plugins run, token files are re-read, and a
 * 401 refreshes them once). It is repeated only after 429 or 503 with Retry-After, or
 * when the connection never carried it; within answer_ms in all. */
struct kube_request {
    const char *method;       /* GET POST PUT PATCH DELETE */
    const char *path;         /* "/api/v1/…", encoded */
    const char *query;        /* "a=b&c=d", encoded; or NULL */
    const char *content_type; /* of the body; NULL: application/json */
    const char *accept;       /* NULL: application/json */
    const void *body;
    size_t body_len;
    unsigned answer_ms; /* 0: the cluster's */
};

struct kube_answer {
    int status;    /* HTTP status; 0: no answer */
    bool in_doubt; /* a write that was sent and got no answer */
    const char *body;
    size_t body_len;
    const char *const *warnings; /* ends with NULL */
    /* Not 2xx: what happened. message is the API server's Status.message (or the transport's
     * reason), reason its word ("Conflict", "Invalid", "" if none), code the kind of failure. */
    enum err_code code;
    const char *reason, *message;
};

typedef void kube_done_fn(void *arg, const struct kube_answer *answer);

/* `done` is called once, never from inside kube_send(). NULL with err only for a request
 * that cannot be made. */
struct kube_call *kube_send(struct cluster *cluster, const struct kube_request *request, kube_done_fn *done,
                            void *arg, struct err *err);
void kube_cancel(struct kube_call **call); /* `done` is not called; sets *call to NULL */

/* A GET whose 2xx body is handed out as it comes (a log that is followed), on a connection of its own.
 * Credentials and repeats as with kube_send(); once the body has begun, nothing is repeated. */
struct kube_stream_request {
    const char *path, *query, *accept; /* as in struct kube_request */
    unsigned silence_ms;               /* the longest time without a byte; 0: the cluster's answer_ms. A log
                                        * may be silent for days (UINT_MAX): a dead path is noticed anyway */
    void (*on_open)(void *arg);        /* a 2xx answer has begun; may be NULL */
    void (*on_data)(void *arg, const char *data, size_t len); /* a piece, some 300 KiB at most */
};

/* `done` once, as kube_send()'s: 2xx when the body has ended, status 0 when it broke off or fell silent.
 * Callbacks may cancel the call; none runs inside kube_stream(). */
struct kube_call *kube_stream(struct cluster *cluster, const struct kube_stream_request *request,
                              kube_done_fn *done, void *arg, struct err *err);
/* For a reader that cannot keep up: the server has to wait, as long as it takes. What was read already
 * may still come, and while paused an end is not noticed. */
void kube_stream_pause(struct kube_call *stream, bool paused);

/* ---- what the cluster serves ---- */

struct kube_kind {
    const char *group, *version, *kind; /* group "" for core */
    const char *api_version;            /* "apps/v1", "v1" */
    const char *plural, *singular;
    const char *const *short_names; /* ends with NULL */
    bool namespaced;
    unsigned verbs; /* bits of enum kube_verb */
    bool preferred; /* this version is its group's preferred one */
};

enum kube_verb {
    KUBE_GET = 1,
    KUBE_LIST = 2,
    KUBE_WATCH = 4,
    KUBE_CREATE = 8,
    KUBE_UPDATE = 16,
    KUBE_PATCH = 32,
    KUBE_DELETE = 64,
};

typedef void kube_ready_fn(void *arg, const struct err *err); /* err NULL: known now */

/* Makes sure that discovery is known: at once deferred when it is, younger than 60 s or
 * not; asks the server (aggregated discovery, else group by group) when nothing is known
 * or `fresh` is set (a kind was not found; at most one round every 2 s). Returned call as
 * with kube_send(). */
struct kube_call *cluster_discover(struct cluster *cluster, bool fresh, kube_ready_fn *done, void *arg);

/* Was all of what is known asked for since then (clock_mono_ms), so that asking anew would tell nothing new?
 */
bool cluster_discovered_since(const struct cluster *cluster, uint64_t since_ms);

/* Look-ups in what is known; NULL where it is not served. Valid until the next turn of the loop. */
const struct kube_kind *cluster_kind(struct cluster *cluster, const char *api_version, const char *kind);
/* By plural, singular or short name, optionally "name.group"; the preferred version. */
const struct kube_kind *cluster_resource(struct cluster *cluster, const char *name);

/* Group-versions that could not be asked, a sentence each ("metrics.k8s.io/v1beta1: …"); ends
 * with NULL. They hide nothing else. */
const char *const *cluster_discovery_failures(const struct cluster *cluster);

/* "/apis/apps/v1/namespaces/ns/deployments/name", parts encoded; name NULL: the collection.
 * For a namespaced kind ns NULL or "" is all namespaces. The caller frees. */
char *kube_path(const struct kube_kind *kind, const char *ns, const char *name);

/* Asks for /version (and remembers): for GET /api/cluster/status. */
struct cluster_status {
    bool connected;
    const char *version; /* "v1.34.4", "" when not connected */
    const char *error;   /* "" when connected */
};
typedef void cluster_status_fn(void *arg, const struct cluster_status *status);
struct kube_call *cluster_check(struct cluster *cluster, cluster_status_fn *done, void *arg);

/* ---- what is counted ---- */

enum { KUBE_METHODS = 5, KUBE_STATUS_END = 600 };
extern const char *const kube_methods[KUBE_METHODS + 1]; /* ends with NULL */

struct clusters_stats {
    /* By method and HTTP status, each try; 0: no answer. A stream counts at its end. */
    uint64_t answers[KUBE_METHODS][KUBE_STATUS_END];
    struct histogram took[KUBE_METHODS]; /* those that were answered and are no streams */
};
const struct clusters_stats *clusters_stats(const struct clusters *clusters);
size_t clusters_watches(const struct clusters *clusters); /* that are kept up now */
