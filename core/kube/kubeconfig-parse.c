#include "kube/kube-internal.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/yaml.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One file being read: `dir` is what its relative file names are relative to. */
struct reader {
    struct kubeconfig *into;
    const char *file;
    char *dir;
    struct err *err;
};

/* "users[3].user": room for the list's name and any index. */
struct place {
    char text[64];
};

static int reader_wrong(struct reader *r, const char *place, const char *key, const char *what)
{
    return err_code(r->err, ERR_BAD_REQUEST, "%s: %s%s%s %s", r->file, place, *place && *key ? "." : "", key,
                    what);
}

static int read_text(struct reader *r, const json_t *map, const char *place, const char *key, char **out)
{
    const json_t *value = json_object_get(map, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_string(value))
        return reader_wrong(r, place, key, "must be text; write it in quotes");
    *out = json_string_length(value) ? mem_str(json_string_value(value)) : NULL;
    return 0;
}

static int read_bool(struct reader *r, const json_t *map, const char *place, const char *key, bool *out)
{
    const json_t *value = json_object_get(map, key);
    if (!value || json_is_null(value))
        return 0;
    if (!json_is_boolean(value))
        return reader_wrong(r, place, key, "must be true or false");
    *out = json_is_true(value);
    return 0;
}

static int read_data(struct reader *r, const json_t *map, const char *place, const char *key, char **out)
{
    size_t len;
    if (read_text(r, map, place, key, out))
        return -1;
    if (!*out)
        return 0;
    char *bytes = kube_base64(*out, &len);
    kube_free_secret(bytes);
    return bytes ? 0 : reader_wrong(r, place, key, "is not base64");
}

/* A file name: relative ones belong to the folder of the kubeconfig. */
static int read_path(struct reader *r, const json_t *map, const char *place, const char *key, char **out)
{
    if (read_text(r, map, place, key, out))
        return -1;
    if (*out && **out != '/') {
        char *whole = mem_printf("%s/%s", r->dir, *out);
        free(*out);
        *out = whole;
    }
    return 0;
}

static int read_texts(struct reader *r, const json_t *map, const char *place, const char *key, char ***out)
{
    const json_t *list = json_object_get(map, key);
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return reader_wrong(r, place, key, "must be a list");
    size_t n = json_array_size(list);
    *out = mem_new((n + 1) * sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        const json_t *value = json_array_get(list, i);
        if (!json_is_string(value))
            return reader_wrong(r, place, key, "must hold only texts; write them in quotes");
        (*out)[i] = mem_str(json_string_value(value));
    }
    return 0;
}

/* A list of {name, value} maps as "name=value". */
static int read_env(struct reader *r, const json_t *map, const char *place, char ***out)
{
    const json_t *list = json_object_get(map, "env");
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return reader_wrong(r, place, "env", "must be a list");
    size_t n = json_array_size(list);
    *out = mem_new((n + 1) * sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        const json_t *item = json_array_get(list, i);
        const char *name = json_string_value(json_object_get(item, "name"));
        const char *value = json_string_value(json_object_get(item, "value"));
        if (str_empty(name) || strchr(name, '=') || !value)
            return reader_wrong(r, place, "env", "must hold maps of a name and a value, both texts");
        (*out)[i] = mem_printf("%s=%s", name, value);
    }
    return 0;
}

/* A map of lists as "key=value" lines. */
static int read_extra(struct reader *r, const json_t *map, const char *place, char ***out)
{
    json_t *extra = json_object_get(map, "as-user-extra");
    size_t n = 0, i;
    const char *key;
    json_t *values, *value;
    if (!extra || json_is_null(extra))
        return 0;
    *out = mem_new(sizeof(char *));
    if (!json_is_object(extra))
        return reader_wrong(r, place, "as-user-extra", "must be a map of lists");
    json_object_foreach(extra, key, values)
    {
        if (!json_is_array(values))
            return reader_wrong(r, place, "as-user-extra", "must be a map of lists");
        json_array_foreach(values, i, value)
        {
            if (!json_is_string(value))
                return reader_wrong(r, place, "as-user-extra", "must hold only texts");
            *out = mem_grow(*out, (n + 2) * sizeof(char *));
            (*out)[n++] = mem_printf("%s=%s", key, json_string_value(value));
            (*out)[n] = NULL;
        }
    }
    return 0;
}

/* What the cluster's entry says to credential plugins. */
static int read_exec_config(struct reader *r, const json_t *map, const char *place, char **out)
{
    const json_t *list = json_object_get(map, "extensions");
    size_t i;
    json_t *item;
    if (!list || json_is_null(list))
        return 0;
    if (!json_is_array(list))
        return reader_wrong(r, place, "extensions", "must be a list");
    json_array_foreach(list, i, item)
    {
        const char *name = json_string_value(json_object_get(item, "name"));
        const json_t *value = json_object_get(item, "extension");
        if (!*out && value && str_eq(name, "client.authentication.k8s.io/exec"))
            *out = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
    }
    return 0;
}

static int read_cluster(struct reader *r, const char *name, const json_t *map, const char *place)
{
    struct kubeconfig *config = r->into;
    config->clusters = mem_grow(config->clusters, (config->cluster_count + 1) * sizeof(*config->clusters));
    struct kube_cluster_entry *c = &config->clusters[config->cluster_count++];
    *c = (struct kube_cluster_entry){.name = mem_str(name), .file = mem_str(r->file)};
    return read_text(r, map, place, "server", &c->server) ||
                   read_text(r, map, place, "proxy-url", &c->proxy_url) ||
                   read_text(r, map, place, "tls-server-name", &c->tls_server_name) ||
                   read_data(r, map, place, "certificate-authority-data", &c->ca_data) ||
                   read_path(r, map, place, "certificate-authority", &c->ca_file) ||
                   read_bool(r, map, place, "insecure-skip-tls-verify", &c->insecure) ||
                   read_exec_config(r, map, place, &c->exec_config)
               ? -1
               : 0;
}

static int read_exec(struct reader *r, const json_t *map, const char *place, struct kube_exec *e)
{
    if (read_text(r, map, place, "apiVersion", &e->api_version) ||
        read_text(r, map, place, "command", &e->command) || read_texts(r, map, place, "args", &e->args) ||
        read_env(r, map, place, &e->env) ||
        read_bool(r, map, place, "provideClusterInfo", &e->provide_cluster_info) ||
        read_text(r, map, place, "interactiveMode", &e->interactive_mode) ||
        read_text(r, map, place, "installHint", &e->install_hint))
        return -1;
    if (!e->command)
        return reader_wrong(r, place, "command", "is missing");
    if (*e->command != '/' && strchr(e->command, '/')) {
        char *whole = mem_printf("%s/%s", r->dir, e->command);
        free(e->command);
        e->command = whole;
    }
    return 0;
}

static int read_user_ways(struct reader *r, const json_t *map, const char *place, struct kube_user_entry *u)
{
    const json_t *exec = json_object_get(map, "exec"), *provider = json_object_get(map, "auth-provider");
    if (exec && !json_is_null(exec)) {
        char inner[96];
        if (!json_is_object(exec))
            return reader_wrong(r, place, "exec", "must be a map");
        u->exec = mem_new(sizeof(*u->exec));
        snprintf(inner, sizeof(inner), "%s.exec", place);
        if (read_exec(r, exec, inner, u->exec))
            return -1;
    }
    if (provider && !json_is_null(provider))
        u->auth_provider = mem_str(str_or(json_string_value(json_object_get(provider, "name")), "unnamed"));
    if (u->token && u->username)
        return reader_wrong(r, place, "", "has both a token and a username; only one is allowed");
    return 0;
}

static int read_user(struct reader *r, const char *name, const json_t *map, const char *place)
{
    struct kubeconfig *config = r->into;
    config->users = mem_grow(config->users, (config->user_count + 1) * sizeof(*config->users));
    struct kube_user_entry *u = &config->users[config->user_count++];
    *u = (struct kube_user_entry){.name = mem_str(name), .file = mem_str(r->file)};
    return read_text(r, map, place, "token", &u->token) ||
                   read_path(r, map, place, "tokenFile", &u->token_file) ||
                   read_text(r, map, place, "username", &u->username) ||
                   read_text(r, map, place, "password", &u->password) ||
                   read_data(r, map, place, "client-certificate-data", &u->cert_data) ||
                   read_path(r, map, place, "client-certificate", &u->cert_file) ||
                   read_data(r, map, place, "client-key-data", &u->key_data) ||
                   read_path(r, map, place, "client-key", &u->key_file) ||
                   read_text(r, map, place, "as", &u->as) || read_text(r, map, place, "as-uid", &u->as_uid) ||
                   read_texts(r, map, place, "as-groups", &u->as_groups) ||
                   read_extra(r, map, place, &u->as_extra) || read_user_ways(r, map, place, u)
               ? -1
               : 0;
}

static int read_context(struct reader *r, const char *name, const json_t *map, const char *place)
{
    struct kubeconfig *config = r->into;
    config->contexts = mem_grow(config->contexts, (config->context_count + 1) * sizeof(*config->contexts));
    struct kube_context_entry *c = &config->contexts[config->context_count++];
    *c = (struct kube_context_entry){.name = mem_str(name), .file = mem_str(r->file)};
    return read_text(r, map, place, "cluster", &c->cluster) || read_text(r, map, place, "user", &c->user) ||
                   read_text(r, map, place, "namespace", &c->namespace_)
               ? -1
               : 0;
}

enum list_of { OF_CLUSTERS, OF_USERS, OF_CONTEXTS };

static const char *entry_file(const struct kubeconfig *config, enum list_of what, const char *name)
{
    if (what == OF_CLUSTERS) {
        const struct kube_cluster_entry *c = kubeconfig_cluster(config, name);
        return c ? c->file : NULL;
    }
    if (what == OF_USERS) {
        const struct kube_user_entry *u = kubeconfig_user(config, name);
        return u ? u->file : NULL;
    }
    const struct kube_context_entry *x = kubeconfig_context(config, name);
    return x ? x->file : NULL;
}

static int read_item(struct reader *r, enum list_of what, const char *list, size_t i, const json_t *item)
{
    static const char *const inner[] = {"cluster", "user", "context"};
    struct place place;
    snprintf(place.text, sizeof(place.text), "%s[%zu]", list, i);
    const char *name = json_string_value(json_object_get(item, "name"));
    if (str_empty(name))
        return reader_wrong(r, place.text, "name", "is missing or is no text");
    const char *before = entry_file(r->into, what, name);
    if (str_eq(before, r->file))
        return reader_wrong(r, place.text, "name", "is a name that an earlier entry has");
    json_t *map = json_object_get(item, inner[what]);
    if (map && !json_is_null(map) && !json_is_object(map))
        return reader_wrong(r, place.text, inner[what], "must be a map");
    if (before)
        return 0; /* an earlier file named it: the first wins, as a whole */
    snprintf(place.text, sizeof(place.text), "%s[%zu].%s", list, i, inner[what]);
    if (what == OF_CLUSTERS)
        return read_cluster(r, name, map, place.text);
    return what == OF_USERS ? read_user(r, name, map, place.text) : read_context(r, name, map, place.text);
}

static int read_list(struct reader *r, const json_t *root, enum list_of what, const char *list)
{
    const json_t *items = json_object_get(root, list);
    size_t i;
    json_t *item;
    if (!items || json_is_null(items))
        return 0;
    if (!json_is_array(items))
        return reader_wrong(r, list, "", "must be a list");
    json_array_foreach(items, i, item)
    {
        if (read_item(r, what, list, i, item))
            return -1;
    }
    return 0;
}

static int read_root(struct reader *r, const json_t *root)
{
    char *kind = NULL;
    int rc = -1;
    if (!json_is_object(root))
        return reader_wrong(r, "", "", "is no kubeconfig: it must be a map");
    if (read_text(r, root, "", "kind", &kind))
        goto out;
    if (kind && strcmp(kind, "Config") != 0) {
        err_code(r->err, ERR_BAD_REQUEST, "%s: is no kubeconfig: its kind is \"%s\", not Config", r->file,
                 kind);
        goto out;
    }
    if (read_list(r, root, OF_CLUSTERS, "clusters") || read_list(r, root, OF_USERS, "users") ||
        read_list(r, root, OF_CONTEXTS, "contexts"))
        goto out;
    rc = r->into->current_context ? 0 : read_text(r, root, "", "current-context", &r->into->current_context);
out:
    free(kind);
    return rc;
}

int kubeconfig_parse(struct kubeconfig *into, const char *file, const char *text, size_t len, struct err *err)
{
    struct yaml_documents documents = {0};
    struct err why;
    json_error_t wrong;
    json_t *root = NULL;
    int rc = -1;
    const char *slash = strrchr(file, '/');
    struct reader r = {.into = into, .file = file, .err = err};
    r.dir = slash ? mem_strn(file, (size_t)(slash - file)) : mem_str(".");

    if (yaml_parse(text, len, &documents, &why)) {
        err_code(err, ERR_BAD_REQUEST, "%s:%s", file, why.text);
        goto out;
    }
    if (documents.count == 0) {
        rc = 0;
        goto out;
    }
    if (documents.count > 1)
        log_warn("%s: holds %zu documents; only the first is read", file, documents.count);
    root = json_loadb(documents.items[0].json, documents.items[0].json_len, JSON_DECODE_ANY, &wrong);
    if (root)
        rc = read_root(&r, root);
    else
        err_code(err, ERR_BAD_REQUEST, "%s: cannot be used: %s", file, wrong.text);
out:
    json_decref(root);
    yaml_documents_free(&documents);
    free(r.dir);
    return rc;
}
