/* rest-internal.h: routes that live in files of their own, and what they share. */
#pragma once

#include "edge/edge-internal.h"

struct cluster;
struct cluster_status;
struct clusters;
struct execution;
struct json_span;
struct kube_answer;
struct kube_kind;
struct pack;
struct packs;
struct pack_resource;
struct start_request;

static inline struct server *rest_server(const struct exchange *x)
{
    return x->connection->server;
}

/* ---- rest.c ---- */

/* Reads the body as a start request, a large one on the pool, and gives it to `begin`, which takes it over
 * and answers; one that cannot be read is answered. */
void rest_read_start(struct exchange *x, void (*begin)(struct exchange *x, struct start_request *request));

/* A query parameter that is one of the words (NULL ends them), or NULL where it is not said. -1 when it was
 * answered with 400. */
int rest_word(struct exchange *x, const char *name, const char *const *words, const char **out);
/* The execution that the query names; NULL when that was answered. */
struct execution *rest_execution(struct exchange *x);

/* ---- rest-logs.c ---- */

void rest_logs(struct exchange *x);

/* ---- rest-plan.c ---- */

void rest_plan(struct exchange *x);

/* ---- rest-cluster.c ---- */

void rest_cluster_status(struct exchange *x);

/* The members of a status; `cluster` NULL where there is none. */
void rest_write_status(struct json_writer *w, struct clusters *clusters, struct cluster *cluster,
                       const struct cluster_status *status);

/* The cluster of the query's context; NULL with err. */
struct cluster *rest_cluster(const struct exchange *x, struct err *err);
/* The version of a script's kind that the cluster serves; NULL where it was not asked or serves none. */
const struct kube_kind *rest_served_kind(struct cluster *cluster, const struct pack_resource *resource);

/* The value of a query parameter that must be there; NULL when that was answered. */
const char *rest_needs(struct exchange *x, const char *name);

/* Answers with what a cluster refused. Its 401 is about the host's credentials, not the viewer's. */
void rest_fail_cluster(struct exchange *x, const struct err *err);
void rest_fail_answer(struct exchange *x, const struct kube_answer *answer);

/* A cluster's answer on its way to be ours. */
struct rest_job {
    struct exchange *exchange;
    struct buf in, out;
    char *kept;                                         /* the exchange's */
    const char *type;                                   /* of the answer */
    int (*make)(struct rest_job *job, struct err *err); /* in → out, on the pool: touches only these */
    void (*made)(struct rest_job *job);                 /* on the loop, before `out` is sent; or NULL */
    int rc;
    struct err err;
};

/* Copies the cluster's answer, takes the exchange's `kept` over and sends what `make` makes of them. */
void rest_make(struct exchange *x, const struct kube_answer *answer, const char *type,
               int (*make)(struct rest_job *job, struct err *err), void (*made)(struct rest_job *job));

/* ---- rest-objects.c, rest-table.c, rest-schema.c ---- */

void rest_object(struct exchange *x);
void rest_objects(struct exchange *x);

#define REST_TABLE "application/json;as=Table;v=v1;g=meta.k8s.io"

/* What was asked for, as the cluster and the roles know it. */
struct rest_target {
    struct cluster *cluster;
    const struct kube_kind *kind;
    const char *resource; /* the registered name, else the plural */
    const char *ns;       /* "": all of them, or none */
};
/* The kind of a name that the cluster serves, NULL where it serves none; `t->cluster` is known already. */
const struct kube_kind *rest_target_find(struct server *server, const char *name, const char *ns,
                                         struct rest_target *t);
/* Members that tell the kind; the caller frees. NULL: no memory. */
char *rest_objects_head(const struct rest_target *t);
/* Adds "&as=value", encoded; nothing for an empty value. */
void rest_query_add(struct buf *query, const char *as, const char *value);

void rest_table_columns(struct json_writer *w, struct json_span columns); /* the member `columns` */
void rest_table_row(struct json_writer *w, struct json_span row);
/* A Table of the API server becomes columns and rows; `kept` holds the answer's first members. */
int rest_table_make(struct rest_job *job, struct err *err);

void rest_schema(struct exchange *x);
void schemas_free(struct schemas **schemas);

/* ---- rest-scripts.c ---- */

void rest_resources(struct exchange *x);
void rest_flows(struct exchange *x);
void rest_guardrails(struct exchange *x);

enum { REST_DISCOVERY_MS = 2000 }; /* the list of resources waits no longer for a cluster */

/* Is known what the cluster serves? */
bool rest_discovered(struct cluster *cluster);
/* A member each: `resources`, `flows`, `guardrails`, `faults`. `cluster` may be NULL. */
void rest_write_resources(struct json_writer *w, const struct pack *pack, struct cluster *cluster);
void rest_write_flows(struct json_writer *w, struct packs *packs);
void rest_write_guardrails(struct json_writer *w, struct packs *packs);
void rest_write_faults(struct json_writer *w, const struct pack *pack);

/* ---- metrics.c ---- */

void rest_metrics(struct exchange *x);
