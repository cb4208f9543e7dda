#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static const struct kube_user_entry nobody = {.name = (char *)"", .file = (char *)""};

static void cluster_free(struct cluster *cluster)
{
    struct kube_call *call;
    kube_watch_stop_all(cluster);
    check_free(cluster->check);
    discovery_free(cluster->discovery);
    while ((call = LIST_FIRST(&cluster->calls)) != NULL)
        kube_cancel(&call);
    door_close_all(cluster);
    kube_auth_free(cluster->auth);
    free(cluster->server);
    free(cluster);
}

/* As kubectl: without a scheme it is http, unless something speaks of TLS. */
static char *cluster_server_of(const struct kube_cluster_entry *c, const struct kube_user_entry *u)
{
    bool tls = c->ca_data || c->ca_file || c->insecure || u->cert_data || u->cert_file;
    char *server = strstr(c->server, "://") ? mem_str(c->server)
                                            : mem_printf("%s://%s", tls ? "https" : "http", c->server);
    size_t len = strlen(server);
    while (len > 0 && server[len - 1] == '/')
        server[--len] = '\0';
    return server;
}

static int cluster_entries(const struct kubeconfig *config, const struct kube_context_entry *context,
                           struct cluster *cluster, struct err *err)
{
    const struct kube_cluster_entry *c =
        context->cluster ? kubeconfig_cluster(config, context->cluster) : NULL;
    const struct kube_user_entry *u = context->user ? kubeconfig_user(config, context->user) : &nobody;
    if (!context->cluster)
        return err_code(err, ERR_BAD_REQUEST, "%s: context \"%s\" names no cluster", context->file,
                        context->name);
    if (!c)
        return err_code(err, ERR_BAD_REQUEST,
                        "%s: context \"%s\" names the cluster \"%s\", which is not there", context->file,
                        context->name, context->cluster);
    if (!u)
        return err_code(err, ERR_BAD_REQUEST, "%s: context \"%s\" names the user \"%s\", who is not there",
                        context->file, context->name, context->user);
    if (!c->server)
        return err_code(err, ERR_BAD_REQUEST, "%s: cluster \"%s\" has no server", c->file, c->name);
    if (c->insecure && (c->ca_data || c->ca_file))
        return err_code(
            err, ERR_BAD_REQUEST,
            "%s: cluster \"%s\" has both insecure-skip-tls-verify and a certificate authority; only "
            "one is allowed",
            c->file, c->name);
    cluster->context = *context;
    cluster->entry = *c;
    cluster->user = *u;
    return 0;
}

static struct cluster *cluster_new(struct clusters *clusters, const struct kube_context_entry *context,
                                   struct err *err)
{
    struct cluster *cluster = mem_new(sizeof(*cluster));
    cluster->clusters = clusters;
    LIST_INIT(&cluster->calls);
    LIST_INIT(&cluster->watches);
    LIST_INIT(&cluster->old_doors);
    if (cluster_entries(clusters->config, context, cluster, err))
        goto failed;
    cluster->server = cluster_server_of(&cluster->entry, &cluster->user);
    cluster->auth = kube_auth_new(clusters->loop, &cluster->user, &cluster->entry, err);
    if (!cluster->auth || door_open(cluster, err))
        goto failed;
    cluster->next = clusters->first;
    clusters->first = cluster;
    return cluster;
failed:
    cluster_free(cluster);
    return NULL;
}

/* "a, b, c" for a sentence; the caller frees. */
static char *clusters_names(const struct clusters *clusters)
{
    struct buf names = {0};
    for (size_t i = 0; clusters->names[i]; i++)
        buf_printf(&names, "%s%s", i ? ", " : "", clusters->names[i]);
    return buf_take(&names);
}

static int clusters_unknown(const struct clusters *clusters, const char *context, struct err *err)
{
    const char *near = str_nearest(context, clusters->names);
    char *names = clusters_names(clusters);
    if (near)
        err_code(err, ERR_NOT_FOUND, "no context \"%s\" in %s; did you mean \"%s\"?", context,
                 clusters->config->source, near);
    else
        err_code(err, ERR_NOT_FOUND, "no context \"%s\" in %s; there %s: %s", context,
                 clusters->config->source, clusters->names[0] && clusters->names[1] ? "are" : "is",
                 str_or(names, "none"));
    free(names);
    return -1;
}

static int clusters_choose(struct clusters *clusters, const char *wanted, struct err *err)
{
    const struct kubeconfig *config = clusters->config;
    clusters->names = mem_new(((config ? config->context_count : 0) + 1) * sizeof(*clusters->names));
    for (size_t i = 0; config && i < config->context_count; i++)
        clusters->names[i] = config->contexts[i].name;
    if (!str_empty(wanted) && !config)
        return err_code(err, ERR_NOT_FOUND, "no context \"%s\": %s", wanted, clusters->why);
    if (!str_empty(wanted) && !kubeconfig_context(config, wanted))
        return clusters_unknown(clusters, wanted, err);
    if (!str_empty(wanted))
        clusters->current = mem_str(wanted);
    else if (config && config->current_context)
        clusters->current = mem_str(config->current_context);
    else if (config && config->context_count == 1)
        clusters->current = mem_str(config->contexts[0].name);
    if (config && config->context_count == 0)
        clusters->why = mem_printf("%s names no context", config->source);
    return 0;
}

struct clusters *clusters_of(struct loop *loop, const struct clusters_options *options,
                             const char *account_dir, struct err *err)
{
    struct clusters *clusters = mem_new(sizeof(*clusters));
    struct err why;
    clusters->loop = loop;
    clusters_stats_init(&clusters->stats);
    clusters->demo = options->demo;
    clusters->connect_ms = options->connect_ms ? options->connect_ms : 5000;
    clusters->answer_ms = options->answer_ms ? options->answer_ms : 30000;
    clusters->config = account_dir ? kubeconfig_load_from(options->kubeconfig, account_dir, &why)
                                   : kubeconfig_load(options->kubeconfig, &why);
    if (!clusters->config && why.code != ERR_NOT_FOUND) {
        if (err)
            *err = why;
        goto failed;
    }
    if (!clusters->config)
        clusters->why = mem_str(why.text);
    if (clusters_choose(clusters, options->context, err))
        goto failed;
    return clusters;
failed:
    clusters_free(clusters);
    return NULL;
}

struct clusters *clusters_new(struct loop *loop, const struct clusters_options *options, struct err *err)
{
    return clusters_of(loop, options, NULL, err);
}

void clusters_free(struct clusters *clusters)
{
    struct cluster *cluster;
    if (!clusters)
        return;
    while ((cluster = clusters->first) != NULL) {
        clusters->first = cluster->next;
        cluster_free(cluster);
    }
    kubeconfig_free(clusters->config);
    free(clusters->names);
    free(clusters->why);
    free(clusters->current);
    free(clusters);
}

const char *clusters_why(const struct clusters *clusters)
{
    return str_or(clusters->why, "");
}

bool clusters_demo(const struct clusters *clusters)
{
    return clusters->demo;
}

const char *clusters_current(const struct clusters *clusters)
{
    return str_or(clusters->current, "");
}

const char *const *clusters_contexts(const struct clusters *clusters)
{
    return clusters->names;
}

struct cluster *clusters_get(struct clusters *clusters, const char *context, struct err *err)
{
    const char *name = str_or(context, clusters_current(clusters));
    if (clusters->why) {
        err_code(err, ERR_UNAVAILABLE, "%s", clusters->why);
        return NULL;
    }
    if (!*name) {
        char *names = clusters_names(clusters);
        err_code(err, ERR_NOT_FOUND, "%s has no current-context; choose one of: %s", clusters->config->source,
                 str_or(names, ""));
        free(names);
        return NULL;
    }
    for (struct cluster *cluster = clusters->first; cluster; cluster = cluster->next)
        if (str_eq(cluster->context.name, name))
            return cluster;
    const struct kube_context_entry *entry = kubeconfig_context(clusters->config, name);
    if (!entry) {
        clusters_unknown(clusters, name, err);
        return NULL;
    }
    return cluster_new(clusters, entry, err);
}

const char *cluster_context(const struct cluster *cluster)
{
    return cluster->context.name;
}

const char *cluster_server(const struct cluster *cluster)
{
    return cluster->server;
}

const char *cluster_namespace(const struct cluster *cluster)
{
    return str_or(cluster->context.namespace_, "default");
}
