#include "kube/kubeconfig.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/kube-internal.h"

#include <errno.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KUBECONFIG_MAX = 3 * 1024 * 1024 };

static void texts_free(char **texts)
{
    for (size_t i = 0; texts && texts[i]; i++)
        kube_free_secret(texts[i]);
    free(texts);
}

static void cluster_entry_free(struct kube_cluster_entry *c)
{
    free(c->name);
    free(c->server);
    free(c->proxy_url);
    free(c->tls_server_name);
    free(c->ca_data);
    free(c->ca_file);
    free(c->exec_config);
    free(c->file);
}

static void user_entry_free(struct kube_user_entry *u)
{
    free(u->name);
    kube_free_secret(u->token);
    free(u->token_file);
    free(u->username);
    kube_free_secret(u->password);
    free(u->cert_data);
    free(u->cert_file);
    kube_free_secret(u->key_data);
    free(u->key_file);
    free(u->as);
    free(u->as_uid);
    texts_free(u->as_groups);
    texts_free(u->as_extra);
    if (u->exec) {
        free(u->exec->api_version);
        free(u->exec->command);
        texts_free(u->exec->args);
        texts_free(u->exec->env);
        free(u->exec->interactive_mode);
        free(u->exec->install_hint);
        free(u->exec);
    }
    free(u->auth_provider);
    free(u->file);
}

static void context_entry_free(struct kube_context_entry *c)
{
    free(c->name);
    free(c->cluster);
    free(c->user);
    free(c->namespace_);
    free(c->file);
}

void kubeconfig_free(struct kubeconfig *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->cluster_count; i++)
        cluster_entry_free(&config->clusters[i]);
    for (size_t i = 0; i < config->user_count; i++)
        user_entry_free(&config->users[i]);
    for (size_t i = 0; i < config->context_count; i++)
        context_entry_free(&config->contexts[i]);
    free(config->clusters);
    free(config->users);
    free(config->contexts);
    free(config->current_context);
    free(config->source);
    free(config);
}

const struct kube_context_entry *kubeconfig_context(const struct kubeconfig *config, const char *name)
{
    for (size_t i = 0; i < config->context_count; i++)
        if (str_eq(config->contexts[i].name, name))
            return &config->contexts[i];
    return NULL;
}

const struct kube_cluster_entry *kubeconfig_cluster(const struct kubeconfig *config, const char *name)
{
    for (size_t i = 0; i < config->cluster_count; i++)
        if (str_eq(config->clusters[i].name, name))
            return &config->clusters[i];
    return NULL;
}

const struct kube_user_entry *kubeconfig_user(const struct kubeconfig *config, const char *name)
{
    for (size_t i = 0; i < config->user_count; i++)
        if (str_eq(config->users[i].name, name))
            return &config->users[i];
    return NULL;
}

/* 1: read, 0: not there, -1 with err. */
static int kubeconfig_read(struct kubeconfig *config, const char *file, struct err *err)
{
    size_t len;
    struct err why;
    char *text = kube_file_read(file, KUBECONFIG_MAX, &len, &why);
    if (!text && (why.code == ERR_NOT_FOUND))
        return 0;
    if (!text)
        return err_code(err, ERR_BAD_REQUEST, "%s", why.text);
    int rc = kubeconfig_parse(config, file, text, len, err);
    kube_free_secret(text);
    if (rc)
        return -1;
    char *source = config->source ? mem_printf("%s:%s", config->source, file) : mem_str(file);
    free(config->source);
    config->source = source;
    return 1;
}

/* $KUBECONFIG: every file of the list that is there. */
static int kubeconfig_read_list(struct kubeconfig *config, const char *list, struct err *err)
{
    char *copy = mem_str(list), *rest = copy, *file;
    int read = 0, rc = 0;
    while (rc >= 0 && (file = strsep(&rest, ":")) != NULL) {
        if (*file)
            rc = kubeconfig_read(config, file, err);
        read += rc > 0;
    }
    free(copy);
    if (rc < 0)
        return -1;
    if (read == 0)
        return err_code(err, ERR_BAD_REQUEST, "KUBECONFIG names %s, which is not there", list);
    return 0;
}

static char *kubeconfig_home(void)
{
    const char *home = getenv("HOME");
    const struct passwd *user = str_empty(home) ? getpwuid(getuid()) : NULL;
    if (user)
        home = user->pw_dir;
    return mem_printf("%s/.kube/config", str_or(home, "/"));
}

/* The account that Kubernetes gives a Pod, as a kubeconfig of one context. 0: there is none. */
static int kubeconfig_account(struct kubeconfig *config, const char *dir, struct err *err)
{
    const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
    if (str_empty(host) || str_empty(port))
        return 0;
    char *token_file = mem_printf("%s/token", dir), *namespace_file = mem_printf("%s/namespace", dir);
    int rc = 0;
    size_t len;
    if (access(token_file, R_OK)) {
        if (errno != ENOENT)
            rc = err_code(err, ERR_BAD_REQUEST, "%s: %s", token_file, strerror(errno));
        goto out;
    }
    config->clusters = mem_new(sizeof(*config->clusters));
    config->users = mem_new(sizeof(*config->users));
    config->contexts = mem_new(sizeof(*config->contexts));
    config->cluster_count = config->user_count = config->context_count = 1;
    config->clusters[0] = (struct kube_cluster_entry){
        .name = mem_str("in-cluster"),
        .server = mem_printf(strchr(host, ':') ? "https://[%s]:%s" : "https://%s:%s", host, port),
        .ca_file = mem_printf("%s/ca.crt", dir),
        .file = mem_str(dir),
    };
    config->users[0] = (struct kube_user_entry){
        .name = mem_str("in-cluster"), .token_file = mem_str(token_file), .file = mem_str(dir)};
    char *namespace_ = kube_file_read(namespace_file, 256, &len, NULL);
    if (namespace_)
        namespace_[strcspn(namespace_, " \r\n")] = '\0';
    config->contexts[0] = (struct kube_context_entry){
        .name = mem_str("in-cluster"),
        .cluster = mem_str("in-cluster"),
        .user = mem_str("in-cluster"),
        .namespace_ = namespace_ && *namespace_ ? mem_str(namespace_) : NULL,
        .file = mem_str(dir),
    };
    free(namespace_);
    config->current_context = mem_str("in-cluster");
    free(config->source);
    config->source = mem_printf("the in-cluster account (%s)", dir);
    rc = 1;
out:
    free(token_file);
    free(namespace_file);
    return rc;
}

/* Nobody named a file: the one in the home folder, else the in-cluster account. */
static int kubeconfig_find(struct kubeconfig *config, const char *account_dir, struct err *err)
{
    char *home = kubeconfig_home();
    int rc = kubeconfig_read(config, home, err);
    int found = rc;
    if (rc < 0 || (rc > 0 && (config->context_count || config->cluster_count)))
        goto out;
    rc = kubeconfig_account(config, account_dir, err);
    if (rc == 0)
        rc = err_code(
            err, ERR_NOT_FOUND,
            "no cluster is named: neither --kubeconfig nor KUBECONFIG is set, %s %s, and there is no "
            "in-cluster account",
            home, found ? "names none" : "is not there");
out:
    free(home);
    return rc < 0 ? -1 : 0;
}

struct kubeconfig *kubeconfig_load_from(const char *named, const char *account_dir, struct err *err)
{
    struct kubeconfig *config = mem_new(sizeof(*config));
    const char *list = getenv("KUBECONFIG");
    int rc;
    if (!str_empty(named)) {
        rc = kubeconfig_read(config, named, err);
        if (rc == 0)
            rc = err_code(err, ERR_BAD_REQUEST, "%s: %s", named, strerror(ENOENT));
    } else if (!str_empty(list)) {
        rc = kubeconfig_read_list(config, list, err);
    } else {
        rc = kubeconfig_find(config, account_dir, err);
    }
    if (rc < 0) {
        kubeconfig_free(config);
        return NULL;
    }
    return config;
}

struct kubeconfig *kubeconfig_load(const char *named, struct err *err)
{
    return kubeconfig_load_from(named, "/var/run/secrets/kubernetes.io/serviceaccount", err);
}
