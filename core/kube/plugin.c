/* One run of a credential plugin: client.authentication.k8s.io, as kubectl does it. The plugin has
 * no terminal, so one that insists on asking somebody is refused before it starts. */
#include "kube/kube-internal.h"

#include "base/clock.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"

#include <ctype.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PLUGIN_OUT_MAX = 1024 * 1024, PLUGIN_ERR_MAX = 2048 };

struct plugin_run {
    struct kube_exec *exec;
    char *user, *command;
    struct child *child;
    struct timer *limit;
    unsigned limit_ms;
    struct buf out, err;
    bool too_much;
    plugin_done_fn *done;
    void *arg;
};

void plugin_result_clear(struct plugin_result *result)
{
    kube_free_secret(result->token);
    kube_free_secret(result->cert_pem);
    kube_free_secret(result->key_pem);
    *result = (struct plugin_result){0};
}

static void plugin_free(struct plugin_run *run)
{
    timer_stop(&run->limit);
    if (run->out.data)
        explicit_bzero(run->out.data, run->out.len);
    buf_free(&run->out);
    buf_free(&run->err);
    free(run->user);
    free(run->command);
    free(run);
}

void plugin_abandon(struct plugin_run *run)
{
    child_abandon(run->child);
    plugin_free(run);
}

static void plugin_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct plugin_run *run = arg;
    if (stream == CHILD_STDERR) {
        /* The end of it is what says why. */
        size_t keep = len > PLUGIN_ERR_MAX ? PLUGIN_ERR_MAX : len;
        buf_append(&run->err, data + len - keep, keep);
        if (run->err.len > PLUGIN_ERR_MAX)
            buf_consume(&run->err, run->err.len - PLUGIN_ERR_MAX);
    } else if (run->out.len + len > PLUGIN_OUT_MAX) {
        run->too_much = true;
        child_signal(run->child, SIGKILL);
    } else {
        buf_append(&run->out, data, len);
    }
}

/* What it wrote on stderr, on one line, or "". */
static char *plugin_words(const struct plugin_run *run)
{
    char *words = mem_new(run->err.len + 1), *to = words;
    for (const char *p = buf_str(&run->err); *p; p++) {
        bool space = isspace((unsigned char)*p) || iscntrl((unsigned char)*p);
        if (!space)
            *to++ = *p;
        else if (to > words && to[-1] != ' ')
            *to++ = ' ';
    }
    while (to > words && to[-1] == ' ')
        to--;
    *to = '\0';
    return words;
}

static int plugin_wrong(const struct plugin_run *run, struct err *err, const char *what)
{
    char *words = plugin_words(run);
    err_code(err, ERR_UNAUTHORIZED, "credential plugin %s (user \"%s\") %s%s%s", run->command, run->user,
             what, *words ? ": " : "", words);
    free(words);
    return -1;
}

static int plugin_read_status(const struct plugin_run *run, const json_t *root, struct plugin_result *result,
                              struct err *err)
{
    const json_t *status = json_object_get(root, "status");
    const char *version = json_string_value(json_object_get(root, "apiVersion"));
    const char *kind = json_string_value(json_object_get(root, "kind"));
    const char *token = json_string_value(json_object_get(status, "token"));
    const char *cert = json_string_value(json_object_get(status, "clientCertificateData"));
    const char *key = json_string_value(json_object_get(status, "clientKeyData"));
    const char *until = json_string_value(json_object_get(status, "expirationTimestamp"));
    if (!str_eq(kind, "ExecCredential"))
        return plugin_wrong(run, err, "printed no ExecCredential");
    if (!str_eq(version, run->exec->api_version))
        return plugin_wrong(run, err, "answers in another apiVersion than the kubeconfig asks for");
    if (str_empty(token) && (str_empty(cert) || str_empty(key)))
        return plugin_wrong(run, err, "gave neither a token nor a certificate with its key");
    if (str_empty(cert) != str_empty(key))
        return plugin_wrong(run, err, "gave a certificate without its key, or a key alone");
    if (until && (result->expires_ms = clock_parse(until)) < 0)
        return plugin_wrong(run, err, "gave an expirationTimestamp that is no time");
    for (const char *p = str_or(token, ""); *p; p++)
        if (iscntrl((unsigned char)*p))
            return plugin_wrong(run, err, "gave a token with control characters");
    result->token = str_empty(token) ? NULL : mem_str(token);
    result->cert_pem = str_empty(cert) ? NULL : mem_str(cert);
    result->key_pem = str_empty(key) ? NULL : mem_str(key);
    return 0;
}

static int plugin_read(const struct plugin_run *run, int status, struct plugin_result *result,
                       struct err *err)
{
    char what[64];
    if (run->too_much)
        return plugin_wrong(run, err, "printed more than 1 MiB");
    if (run->out.failed)
        return err_no_memory(err);
    if (WIFSIGNALED(status)) {
        snprintf(what, sizeof(what), "was ended by signal %d", WTERMSIG(status));
        return plugin_wrong(run, err, what);
    }
    if (WEXITSTATUS(status)) {
        snprintf(what, sizeof(what), "failed with exit code %d", WEXITSTATUS(status));
        return plugin_wrong(run, err, what);
    }
    json_t *root = json_loadb(buf_str(&run->out), run->out.len, 0, NULL);
    if (!root)
        return plugin_wrong(run, err, "printed no JSON");
    int rc = plugin_read_status(run, root, result, err);
    json_decref(root);
    return rc;
}

static void plugin_ended(void *arg, int status, int held_open)
{
    struct plugin_run *run = arg;
    struct plugin_result result = {0};
    struct err err;
    plugin_done_fn *done = run->done;
    (void)held_open;
    int rc = plugin_read(run, status, &result, &err);
    arg = run->arg;
    plugin_free(run);
    done(arg, rc ? NULL : &result, rc ? &err : NULL);
}

static void plugin_over(void *arg)
{
    struct plugin_run *run = arg;
    struct err err;
    char what[64];
    plugin_done_fn *done = run->done;
    run->limit = NULL;
    snprintf(what, sizeof(what), "has not ended within %u s", (run->limit_ms + 999) / 1000);
    plugin_wrong(run, &err, what);
    err.code = ERR_TIMEOUT;
    arg = run->arg;
    plugin_abandon(run);
    done(arg, NULL, &err);
}

static char *plugin_find(const char *command)
{
    if (strchr(command, '/'))
        return access(command, F_OK) ? NULL : mem_str(command);
    char *path = mem_str(str_or(getenv("PATH"), "/usr/local/bin:/usr/bin:/bin")), *rest = path, *dir;
    char *found = NULL;
    while (!found && (dir = strsep(&rest, ":")) != NULL) {
        struct stat st;
        /* An empty part would be the working folder: a command there is nobody's choice. */
        char *file = *dir == '/' ? mem_printf("%s/%s", dir, command) : NULL;
        if (file && stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0)
            found = file;
        else
            free(file);
    }
    free(path);
    return found;
}

static char *plugin_info(const struct kube_exec *exec, const struct kube_cluster_entry *c, const char *ca_pem)
{
    struct buf out = {0};
    struct json_writer w = JSON_WRITER(&out);
    jsonw_begin_object(&w);
    jsonw_member(&w, "kind", "ExecCredential");
    jsonw_member(&w, "apiVersion", exec->api_version);
    jsonw_key(&w, "spec");
    jsonw_begin_object(&w);
    if (exec->provide_cluster_info) {
        jsonw_key(&w, "cluster");
        jsonw_begin_object(&w);
        jsonw_member(&w, "server", str_or(c->server, ""));
        if (c->tls_server_name)
            jsonw_member(&w, "tls-server-name", c->tls_server_name);
        if (c->insecure)
            jsonw_member_bool(&w, "insecure-skip-tls-verify", true);
        if (c->ca_data)
            jsonw_member(&w, "certificate-authority-data", c->ca_data);
        else if (ca_pem) {
            char *data = kube_base64_of(ca_pem, strlen(ca_pem));
            jsonw_member(&w, "certificate-authority-data", data);
            free(data);
        }
        if (c->proxy_url)
            jsonw_member(&w, "proxy-url", c->proxy_url);
        if (c->exec_config) {
            jsonw_key(&w, "config");
            jsonw_raw(&w, c->exec_config, strlen(c->exec_config));
        }
        jsonw_end_object(&w);
    }
    jsonw_member_bool(&w, "interactive", false);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    return buf_take(&out);
}

static bool env_has(const char *const *env, size_t n, const char *entry)
{
    size_t name = strcspn(entry, "=") + 1;
    for (size_t i = 0; i < n; i++)
        if (strncmp(env[i], entry, name) == 0)
            return true;
    return false;
}

/* The host's environment under the entry's own variables. Only the array is new. */
static const char **plugin_env(const struct kube_exec *exec, const char *info)
{
    size_t own = 0, all = 0, n = 0;
    while (exec->env && exec->env[own])
        own++;
    while (environ[all])
        all++;
    const char **env = mem_new((own + all + 2) * sizeof(*env));
    env[n++] = info;
    for (size_t i = own; i > 0; i--) /* of two with one name the later counts */
        if (!env_has(env, n, exec->env[i - 1]))
            env[n++] = exec->env[i - 1];
    for (size_t i = 0, set = n; i < all; i++)
        if (!env_has(env, set, environ[i]))
            env[n++] = environ[i];
    return env;
}

static int plugin_spawn(struct plugin_run *run, struct loop *loop, const char *path, const char *info,
                        struct err *err)
{
    const struct kube_exec *exec = run->exec;
    char *variable = mem_printf("KUBERNETES_EXEC_INFO=%s", info);
    size_t n = 0;
    while (exec->args && exec->args[n])
        n++;
    const char **argv = mem_new((n + 2) * sizeof(*argv));
    const char **env = plugin_env(exec, variable);
    argv[0] = run->command;
    for (size_t i = 0; i < n; i++)
        argv[i + 1] = exec->args[i];
    struct child_options options = {.path = path,
                                    .argv = argv,
                                    .envp = env,
                                    .on_output = plugin_output,
                                    .on_end = plugin_ended,
                                    .arg = run};
    run->child = child_spawn(loop, &options, err);
    if (!run->child) {
        err_prefix(err, "credential plugin of user \"%s\"", run->user);
        if (err)
            err->code = ERR_UNAUTHORIZED;
    }
    free(argv);
    free(env);
    free(variable);
    return run->child ? 0 : -1;
}

struct plugin_run *plugin_start(struct loop *loop, const struct kube_user_entry *user,
                                const struct kube_cluster_entry *cluster, const char *ca_pem,
                                unsigned limit_ms, plugin_done_fn *done, void *arg, struct err *err)
{
    struct kube_exec *exec = user->exec;
    char *info = NULL, *path = plugin_find(exec->command);
    struct plugin_run *run = NULL;
    if (!path) {
        err_code(err, ERR_UNAUTHORIZED, "credential plugin %s (user \"%s\") is not there%s%s%s",
                 exec->command, user->name, strchr(exec->command, '/') ? "" : ": no folder of PATH has it",
                 exec->install_hint ? ". " : "", str_or(exec->install_hint, ""));
        return NULL;
    }
    run = mem_new(sizeof(*run));
    *run = (struct plugin_run){.exec = exec, .done = done, .arg = arg, .limit_ms = limit_ms};
    run->user = mem_str(user->name);
    run->command = mem_str(exec->command);
    info = plugin_info(exec, cluster, ca_pem);
    if (!info || plugin_spawn(run, loop, path, info, err)) {
        if (!info)
            err_no_memory(err);
        plugin_free(run);
        run = NULL;
    } else {
        run->limit = timer_start(loop, limit_ms, plugin_over, run);
    }
    free(info);
    free(path);
    return run;
}
