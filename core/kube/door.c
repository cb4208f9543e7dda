/* The way in: an HTTP client with the TLS material of the moment. A new one takes the place of the
 * old when a file on disk changed or a plugin gave another certificate; the old one goes when its
 * last call has ended. */
#include "kube/kube-internal.h"

#include "base/log.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct material {
    char *ca, *cert, *key;
};

/* Data before a file, as kubectl; neither: *pem stays NULL. */
static int material_read(const char *what, const char *data, const char *file, char **pem, struct err *err)
{
    size_t len;
    if (data) {
        *pem = kube_base64(data, &len);
        return *pem ? 0 : err_code(err, ERR_BAD_REQUEST, "%s-data is not base64", what);
    }
    if (!file)
        return 0;
    *pem = kube_file_read(file, KUBE_FILE_MAX, &len, err);
    if (*pem)
        return 0;
    if (err)
        err->code = ERR_BAD_REQUEST;
    return err_prefix(err, "%s", what);
}

int door_authority(const struct kube_cluster_entry *entry, char **pem, struct err *err)
{
    return material_read("certificate-authority", entry->ca_data, entry->ca_file, pem, err);
}

static void material_clear(struct material *m)
{
    free(m->ca);
    free(m->cert);
    kube_free_secret(m->key);
}

static int material_of(const struct cluster *cluster, struct material *m, struct err *err)
{
    const struct kube_cluster_entry *c = &cluster->entry;
    const struct kube_user_entry *u = &cluster->user;
    const char *key, *cert = kube_auth_cert(cluster->auth, &key);
    if (door_authority(c, &m->ca, err))
        return err_prefix(err, "%s: cluster \"%s\"", c->file, c->name);
    if (cert) {
        m->cert = strdup(cert);
        m->key = strdup(key);
        return m->cert && m->key ? 0 : err_no_memory(err);
    }
    if (material_read("client-certificate", u->cert_data, u->cert_file, &m->cert, err) ||
        material_read("client-key", u->key_data, u->key_file, &m->key, err))
        return err_prefix(err, "%s: user \"%s\"", u->file, u->name);
    if (!m->cert != !m->key)
        return err_code(err, ERR_BAD_REQUEST, "%s: user \"%s\" has a client-%s without the client-%s",
                        u->file, u->name, m->cert ? "certificate" : "key", m->cert ? "key" : "certificate");
    return 0;
}

static struct door *door_new(struct cluster *cluster, struct err *err)
{
    struct material m = {0};
    struct door *door = calloc(1, sizeof(*door));
    struct clusters *all = cluster->clusters;
    if (!door)
        err_no_memory(err);
    if (!door || material_of(cluster, &m, err))
        goto failed;
    struct http_options options = {
        .ca_pem = m.ca,
        .cert_pem = m.cert,
        .key_pem = m.key,
        .server_name = cluster->entry.tls_server_name,
        .proxy = cluster->entry.proxy_url,
        .insecure = cluster->entry.insecure,
        .connect_ms = all->connect_ms,
        .answer_ms = all->answer_ms,
    };
    door->client = http_client_new(all->loop, &options, err);
    if (!door->client) {
        err_prefix(err, "%s: context \"%s\"", cluster->context.file, cluster->context.name);
        goto failed;
    }
    material_clear(&m);
    return door;
failed:
    material_clear(&m);
    free(door);
    return NULL;
}

/* Looks at every file, so that all stamps are of now. */
static bool door_files_changed(struct cluster *cluster)
{
    const struct kube_cluster_entry *c = &cluster->entry;
    const struct kube_user_entry *u = &cluster->user;
    bool ca = !c->ca_data && kube_file_changed(c->ca_file, &cluster->ca_stamp);
    bool cert = !u->cert_data && kube_file_changed(u->cert_file, &cluster->cert_stamp);
    bool key = !u->key_data && kube_file_changed(u->key_file, &cluster->key_stamp);
    return ca || cert || key;
}

int door_open(struct cluster *cluster, struct err *err)
{
    door_files_changed(cluster);
    cluster->door = door_new(cluster, err);
    cluster->door_generation = kube_auth_generation(cluster->auth);
    return cluster->door ? 0 : -1;
}

static void door_free(struct door *door)
{
    http_client_free(door->client);
    free(door);
}

/* Clients are freed from the loop, never from inside one of their own answers. */
static void door_sweep(void *arg)
{
    struct cluster *cluster = arg;
    struct door *door = LIST_FIRST(&cluster->old_doors), *next;
    cluster->sweep = NULL;
    for (; door; door = next) {
        next = LIST_NEXT(door, link);
        if (door->users == 0) {
            LIST_REMOVE(door, link);
            door_free(door);
        }
    }
}

static void door_sweep_later(struct cluster *cluster)
{
    if (!cluster->sweep)
        cluster->sweep = loop_defer(cluster->clusters->loop, door_sweep, cluster);
}

struct door *door_take(struct cluster *cluster, struct err *err)
{
    const char *key;
    bool given = kube_auth_cert(cluster->auth, &key) != NULL;
    bool other = given && cluster->door_generation != kube_auth_generation(cluster->auth);
    if (door_files_changed(cluster) || other) {
        struct err why;
        struct door *door = door_new(cluster, &why);
        if (!door && other) {
            if (err)
                *err = why;
            return NULL;
        }
        if (!door) {
            log_warn("%s; what was read before is kept", why.text);
        } else {
            LIST_INSERT_HEAD(&cluster->old_doors, cluster->door, link);
            cluster->door = door;
            cluster->door_generation = kube_auth_generation(cluster->auth);
            door_sweep_later(cluster);
        }
    }
    cluster->door->users++;
    return cluster->door;
}

void door_give(struct cluster *cluster, struct door *door)
{
    door->users--;
    if (door != cluster->door && door->users == 0)
        door_sweep_later(cluster);
}

void door_close_all(struct cluster *cluster)
{
    struct door *door;
    deferred_cancel(&cluster->sweep);
    while ((door = LIST_FIRST(&cluster->old_doors)) != NULL) {
        LIST_REMOVE(door, link);
        door_free(door);
    }
    if (cluster->door)
        door_free(cluster->door);
    cluster->door = NULL;
}
