/* kubeconfig.h: which clusters there are and how to get in, read as kubectl reads it.
 *
 * A plain value after loading: strings belong to the kubeconfig. Files named inside
 * (CA, key, token) are relative to the file that names them and are read when a
 * cluster is opened, token files again whenever they may have changed. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

struct kube_exec { /* user.exec: a credential plugin */
    char *api_version, *command;
    char **args; /* ends with NULL */
    char **env;  /* "NAME=value", ends with NULL */
    bool provide_cluster_info;
    char *interactive_mode, *install_hint;
};

struct kube_cluster_entry {
    char *name, *server, *proxy_url, *tls_server_name;
    char *ca_data, *ca_file; /* data: base64 as in the file (known to be good base64) */
    bool insecure;
    char *exec_config; /* JSON for credential plugins (an extension of the entry); NULL: none */
    char *file;        /* the file that names it, for messages */
};

struct kube_user_entry {
    char *name, *token, *token_file, *username, *password;
    char *cert_data, *cert_file, *key_data, *key_file;
    char *as, *as_uid;
    char **as_groups;
    char **as_extra;        /* "key=value", ends with NULL */
    struct kube_exec *exec; /* NULL: none */
    char *auth_provider;    /* its name; not supported, an error for whoever uses the entry */
    char *file;
};

struct kube_context_entry {
    char *name, *cluster, *user, *namespace_;
    char *file;
};

struct kubeconfig {
    struct kube_cluster_entry *clusters;
    struct kube_user_entry *users;
    struct kube_context_entry *contexts;
    size_t cluster_count, user_count, context_count;
    char *current_context; /* NULL: none named */
    char *source;          /* what it was read from, for people */
};

/* Reads `named` (the --kubeconfig flag), else $KUBECONFIG (a list; the first file
 * that names a thing wins), else ~/.kube/config, else the in-cluster account as
 * context "in-cluster". A named file that cannot be read or parsed is an error
 * ("FILE:LINE:COLUMN: …" or "FILE: users[0].name …"), and so is a $KUBECONFIG of which
 * no file is there. Nothing there at all: ERR_NOT_FOUND (and nothing else has this code),
 * and the text says where was looked. NULL with err. */
struct kubeconfig *kubeconfig_load(const char *named, struct err *err);
void kubeconfig_free(struct kubeconfig *config);

/* By name; NULL where it is not. */
const struct kube_context_entry *kubeconfig_context(const struct kubeconfig *config, const char *name);
const struct kube_cluster_entry *kubeconfig_cluster(const struct kubeconfig *config, const char *name);
const struct kube_user_entry *kubeconfig_user(const struct kubeconfig *config, const char *name);
