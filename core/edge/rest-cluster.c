/* What asks a cluster. The call belongs to the exchange, and goes with it when the client does. */
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "kube/cluster.h"
#include "script/pack.h"

#include <stdlib.h>

struct cluster *rest_cluster(const struct exchange *x, struct err *err)
{
    return clusters_get(rest_server(x)->options.clusters, exchange_param(x, "context"), err);
}

const struct kube_kind *rest_served_kind(struct cluster *cluster, const struct pack_resource *r)
{
    const struct kube_kind *kind = NULL;
    for (size_t i = 0; !kind && r->versions && r->versions[i]; i++)
        kind = cluster_kind(cluster, r->versions[i], r->kind);
    return kind;
}

const char *rest_needs(struct exchange *x, const char *name)
{
    struct err err;
    const char *value = exchange_param(x, name);
    if (!str_empty(value))
        return value;
    err_code(&err, ERR_BAD_REQUEST, "%s is missing", name);
    exchange_fail(x, &err);
    return NULL;
}

/* ---- the cluster's answers ---- */

void rest_fail_cluster(struct exchange *x, const struct err *err)
{
    struct err ours = *err;
    if (ours.code == ERR_UNAUTHORIZED)
        ours.code = ERR_UNAVAILABLE;
    exchange_fail(x, &ours);
}

void rest_fail_answer(struct exchange *x, const struct kube_answer *answer)
{
    struct err err;
    err_code(&err, answer->code, "%s", answer->message);
    if (answer->status == 410)
        exchange_refuse(x, 410, "expired", "", err.text);
    else
        rest_fail_cluster(x, &err);
}

static void rest_job_free(void *arg)
{
    struct rest_job *job = arg;
    buf_free(&job->in);
    buf_free(&job->out);
    free(job->kept);
    free(job);
}

static void rest_job_work(void *arg)
{
    struct rest_job *job = arg;
    job->rc = job->in.failed ? err_no_memory(&job->err) : job->make(job, &job->err);
}

static void rest_job_done(void *arg)
{
    struct rest_job *job = arg;
    struct exchange *x = job->exchange;
    x->job = NULL;
    if (job->rc) {
        exchange_fail(x, &job->err);
    } else {
        if (job->made)
            job->made(job);
        exchange_send(x, 200, job->type, &job->out);
    }
    rest_job_free(job);
}

void rest_make(struct exchange *x, const struct kube_answer *answer, const char *type,
               int (*make)(struct rest_job *job, struct err *err), void (*made)(struct rest_job *job))
{
    struct rest_job *job = mem_new(sizeof(*job));
    job->exchange = x;
    job->type = type;
    job->make = make;
    job->made = made;
    job->kept = x->kept;
    x->kept = NULL;
    buf_append(&job->in, answer->body, answer->body_len);
    x->job_dispose = rest_job_free;
    x->job = loop_job(rest_server(x)->options.loop, rest_job_work, rest_job_done, job);
}

/* ---- is it there ---- */

void rest_write_status(struct json_writer *w, struct clusters *clusters, struct cluster *cluster,
                       const struct cluster_status *status)
{
    jsonw_member_bool(w, "connected", status->connected);
    jsonw_member(w, "context", cluster ? cluster_context(cluster) : "");
    jsonw_member(w, "server", cluster ? cluster_server(cluster) : "");
    jsonw_member(w, "version", status->version);
    jsonw_member_bool(w, "demo", clusters_demo(clusters));
    jsonw_key(w, "contexts");
    jsonw_begin_array(w);
    for (const char *const *context = clusters_contexts(clusters); *context; context++)
        jsonw_string(w, *context);
    jsonw_end_array(w);
    jsonw_member(w, "error", status->error);
}

static void rest_send_status(struct exchange *x, struct cluster *cluster, const struct cluster_status *status)
{
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    jsonw_begin_object(&w);
    rest_write_status(&w, rest_server(x)->options.clusters, cluster, status);
    jsonw_end_object(&w);
    exchange_send_json(x, 200, &body);
}

static void rest_status_known(void *arg, const struct cluster_status *status)
{
    struct exchange *x = arg;
    struct err err = {0};
    x->call = NULL;
    struct cluster *cluster = rest_cluster(x, &err);
    rest_send_status(x, cluster, status);
}

void rest_cluster_status(struct exchange *x)
{
    struct err err = {0};
    struct cluster *cluster = rest_cluster(x, &err);
    if (cluster) {
        x->call = cluster_check(cluster, rest_status_known, x);
        return;
    }
    if (err.code == ERR_NOT_FOUND) {
        exchange_fail(x, &err);
        return;
    }
    const char *why = clusters_why(rest_server(x)->options.clusters);
    struct cluster_status none = {.version = "", .error = str_or(why, err.text)};
    rest_send_status(x, NULL, &none);
}
