/* kube-internal.h: what the files of kube/ share.
 *
 * A cluster has a door (the HTTP client with its TLS material, replaced when files on
 * disk or a plugin's certificate change), a kube_auth (what goes into the headers), what
 * it serves (a discovery), and its calls. Every kind of call begins with a struct
 * kube_call, so that one kube_cancel() ends each of them at any stage. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/http.h"
#include "kube/cluster.h"
#include "kube/kubeconfig.h"
#include "loop/loop.h"

#include <jansson.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/stat.h>

enum {
    KUBE_CHECK_MS = 5000,          /* how long /version may take */
    KUBE_CHECK_FRESH_MS = 3000,    /* and how long its answer is taken as true */
    KUBE_PLUGIN_MS = 60000,        /* a credential plugin's whole life */
    KUBE_TOKEN_FILE_MS = 60000,    /* a token file is read again after so long */
    KUBE_HOLD_MS = 2000,           /* a failed plugin is not run again, discovery not asked again */
    KUBE_REFUSED_MS = 5000,        /* between two refreshes that a 401 causes */
    KUBE_ROUND_MS = 60000,         /* one round of discovery */
    KUBE_KNOWN_MS = 60000,         /* what is known is asked again, behind the caller's back */
    KUBE_TRIES = 4,                /* of one request, all in all */
    KUBE_UNSENT_MS = 20,           /* before a request that was not sent goes out again; then twice it */
    KUBE_MESSAGE_MAX = 8192,       /* of a server's message */
    KUBE_STATUS_MAX = 1024 * 1024, /* a larger failure is not looked into */
    KUBE_DISCOVERY_MAX = 8 * 1024 * 1024, /* one discovery document */
    KUBE_GROUPS_MAX = 1000,               /* group-versions asked one by one */
    KUBE_KINDS_MAX = 50000,
    KUBE_DISCOVERY_SMALL = 64 * 1024, /* a larger one is read on the pool: 25 ns a byte */
    KUBE_FILE_MAX = 1024 * 1024,      /* a certificate, key or token file */
};

/* ---- file.c: texts from files and base64 ---- */

/* The file's text, NUL-terminated; the caller frees. NULL with err (ERR_NOT_FOUND only where there
 * is no such file), "PATH: why". */
char *kube_file_read(const char *path, size_t most, size_t *len, struct err *err);
/* Decodes; newlines are skipped. NULL for what is no base64. The caller frees. */
char *kube_base64(const char *text, size_t *len);
char *kube_base64_of(const char *data, size_t len);
/* Overwrites, then frees. NULL is fine. */
void kube_free_secret(char *text);

struct file_stamp {
    ino_t inode;
    off_t size;
    struct timespec changed;
};

/* Looks again; true when the file is another one than at the last look. NULL path: false. */
bool kube_file_changed(const char *path, struct file_stamp *stamp);

/* ---- kubeconfig.c, kubeconfig-parse.c ---- */

/* With the folder of the in-cluster account given. */
struct kubeconfig *kubeconfig_load_from(const char *named, const char *account_dir, struct err *err);
/* Adds one file's entries; those that are there already stay. */
int kubeconfig_parse(struct kubeconfig *into, const char *file, const char *text, size_t len,
                     struct err *err);

/* ---- plugin.c: one run of a credential plugin ---- */

struct plugin_run;
struct plugin_result {
    char *token, *cert_pem, *key_pem;
    int64_t expires_ms; /* wall clock; 0: not said */
};
typedef void plugin_done_fn(void *arg, struct plugin_result *result, const struct err *err);

/* `done` is called once, with a result whose texts it takes over, or with err. NULL with err when
 * the plugin cannot be started. `ca_pem` is what the cluster's entry holds, or NULL. */
struct plugin_run *plugin_start(struct loop *loop, const struct kube_user_entry *user,
                                const struct kube_cluster_entry *cluster, const char *ca_pem,
                                unsigned limit_ms, plugin_done_fn *done, void *arg, struct err *err);
void plugin_abandon(struct plugin_run *run);
void plugin_result_clear(struct plugin_result *result);

/* ---- credentials.c: who we are ---- */

struct kube_auth;
struct auth_wait;
enum auth_state { AUTH_FAILED = -1, AUTH_READY, AUTH_WAIT };

struct kube_auth *kube_auth_new(struct loop *loop, const struct kube_user_entry *user,
                                const struct kube_cluster_entry *cluster, struct err *err);
void kube_auth_free(struct kube_auth *auth);
void kube_auth_set_limit(struct kube_auth *auth, unsigned plugin_ms);

/* Are credentials at hand? Starts the plugin where one is needed; then wait with kube_auth_wait(). */
enum auth_state kube_auth_ready(struct kube_auth *auth, struct err *err);
/* `done` once from the loop, err NULL when credentials are there. It may be given up before. */
struct auth_wait *kube_auth_wait(struct kube_auth *auth, kube_ready_fn *done, void *arg);
void kube_auth_unwait(struct auth_wait **wait);

/* The server refused (401) what `generation` gave: is it worth asking once more? */
bool kube_auth_refused(struct kube_auth *auth, uint64_t generation);
uint64_t kube_auth_generation(const struct kube_auth *auth);
/* Header lines, ends with NULL; valid until the loop turns. */
const char *const *kube_auth_headers(const struct kube_auth *auth);
/* The client certificate that a plugin gave; NULL for none. */
const char *kube_auth_cert(const struct kube_auth *auth, const char **key_pem);
const char *kube_auth_plugin(const struct kube_auth *auth); /* its command, "" for none */

/* ---- door.c: the HTTP client, with the TLS material of the moment ---- */

struct door {
    struct http_client *client;
    size_t users;
    LIST_ENTRY(door) link; /* among those that are no longer used for new calls */
};

/* ---- clusters.c ---- */

struct discovery;
struct check;

struct cluster {
    struct clusters *clusters;
    struct cluster *next;
    struct kube_context_entry context;
    struct kube_cluster_entry entry; /* shallow copies: the texts are the kubeconfig's */
    struct kube_user_entry user;
    char *server; /* with its scheme, without a slash at the end */
    struct kube_auth *auth;
    struct door *door;
    LIST_HEAD(, door) old_doors;
    struct deferred *sweep;
    struct file_stamp ca_stamp, cert_stamp, key_stamp;
    uint64_t door_generation;
    LIST_HEAD(, kube_call) calls;
    LIST_HEAD(, kube_watch) watches;
    struct discovery *discovery;
    struct check *check;
};

struct clusters {
    struct loop *loop;
    struct kubeconfig *config; /* NULL: none found */
    char *why, *current;
    const char **names;
    unsigned connect_ms, answer_ms;
    bool demo;
    struct cluster *first;
    struct clusters_stats stats;
};

struct clusters *clusters_of(struct loop *loop, const struct clusters_options *options,
                             const char *account_dir, struct err *err);

/* Opens the first door: reads the certificates. */
int door_open(struct cluster *cluster, struct err *err);
/* The door for a new call (give it back); takes up changed certificates. */
struct door *door_take(struct cluster *cluster, struct err *err);
void door_give(struct cluster *cluster, struct door *door);
void door_close_all(struct cluster *cluster);
/* The PEM text of the cluster's authority, NULL with rc 0 for none; the caller frees. */
int door_authority(const struct kube_cluster_entry *entry, char **pem, struct err *err);

/* ---- call.c ---- */

struct kube_call {
    LIST_ENTRY(kube_call) link;
    struct cluster *cluster;
    void (*cancel)(struct kube_call *call); /* unlinked already; frees */
};

void kube_call_link(struct kube_call *call, struct cluster *cluster, void (*cancel)(struct kube_call *));

/* kube_send() that never repeats after a failure, for questions whose answer is "it is down". */
struct kube_call *kube_send_once(struct cluster *cluster, const struct kube_request *request,
                                 kube_done_fn *done, void *arg, struct err *err);
/* Does the call still wait for credentials? */
bool kube_call_waits_for_credentials(const struct kube_call *call);

/* ---- stats.c ---- */

void clusters_stats_init(struct clusters_stats *stats);
/* An answer came (status 0: none), `us` after the request went out; a stream has no such time. */
void clusters_count(struct clusters *clusters, const char *method, int status, bool stream, uint64_t us);

/* ---- answer.c ---- */

struct answer_text {
    json_t *status;
    struct buf message;
};

/* What an HTTP answer means; `text` holds what the strings need, answer_text_clear() after use. */
void answer_of_http(struct kube_answer *out, struct answer_text *text, const struct http_answer *http,
                    const char *method, const struct cluster *cluster);
void answer_text_clear(struct answer_text *text);
bool kube_method_writes(const char *method);

/* ---- kinds.c: what a server serves, once asked ---- */

struct kind_block;
struct kind_set { /* the kinds of one document; everything lies in the blocks */
    struct kind_block *blocks;
    struct kube_kind *items;
    size_t count, cap;
    bool failed; /* out of memory */
};

struct kind_set *kind_set_new(void);
void kind_set_free(struct kind_set *set);
/* A new zeroed kind in the set; NULL when there is no memory or no room. */
struct kube_kind *kind_set_add(struct kind_set *set);
char *kind_set_text(struct kind_set *set, const char *text);
void *kind_set_room(struct kind_set *set, size_t size);

/* Percent-encodes what is no letter, digit, - . _ or ~. */
void kube_encode(struct buf *out, const char *part);

struct kinds {
    struct kind_set **sets; /* in the server's order */
    size_t set_count, count;
    char **failures; /* ends with NULL */
    size_t failure_count;
};

struct kinds *kinds_new(void);
void kinds_free(struct kinds *kinds);
void kinds_add(struct kinds *kinds, struct kind_set *set);   /* takes it over */
void kinds_add_failure(struct kinds *kinds, char *sentence); /* takes it over */
const struct kube_kind *kinds_find(const struct kinds *kinds, const char *api_version, const char *kind);
const struct kube_kind *kinds_resource(const struct kinds *kinds, const char *name);

/* ---- discovery-parse.c: pure functions of JSON ---- */

struct group_version {
    char *group, *version, *path;
    bool preferred;
};
struct group_list {
    struct group_version *items;
    size_t count;
};

/* What one document says. */
struct discovered {
    struct kind_set *set;     /* its kinds, or NULL */
    struct group_list groups; /* group-versions that have to be asked, of a root of the old form */
    struct group_list stale;  /* those whose API server does not answer */
};

/* The answer of /api or /apis. */
int discovery_read_root(const char *body, size_t len, struct discovered *out, struct err *err);
/* An APIResourceList. */
int discovery_read_resources(const char *body, size_t len, const struct group_version *gv,
                             struct discovered *out, struct err *err);
void discovered_clear(struct discovered *discovered);

/* ---- watch.c ---- */

void kube_watch_stop_all(struct cluster *cluster);
size_t kube_watch_count(const struct cluster *cluster);

/* ---- discovery.c, check.c ---- */

void discovery_free(struct discovery *discovery);
void check_free(struct check *check);
