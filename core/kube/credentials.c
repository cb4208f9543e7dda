/* Who the host is to one cluster: the headers that say so, where they come from, and how long they
 * are good. Static texts are read once, a token file whenever it may have changed, a plugin runs
 * once for all who wait for it. No text of a credential ever goes to the log. */
#include "kube/kube-internal.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

enum { AUTH_FIXED_MAX = 64 };

struct auth_wait {
    TAILQ_ENTRY(auth_wait) link;
    struct kube_auth *auth;
    kube_ready_fn *done;
    void *arg;
    struct deferred *deferred; /* the plugin has ended; this one is about to hear of it */
};

struct kube_auth {
    struct loop *loop;
    const struct kube_user_entry *user;
    const struct kube_cluster_entry *cluster;
    char *headers[AUTH_FIXED_MAX + 2]; /* the first is Authorization; then impersonation; ends with NULL */
    size_t fixed;
    bool has_authorization;
    uint64_t generation; /* which credentials these are */

    struct file_stamp stamp;
    uint64_t file_read_ms;

    struct plugin_run *run;
    struct plugin_result given;
    bool known;
    struct err *failure; /* how the last run ended; NULL: well */
    uint64_t failed_ms, refused_ms;
    unsigned plugin_ms;
    TAILQ_HEAD(, auth_wait) waits;
};

static bool auth_has_control(const char *text)
{
    for (; *text; text++)
        if (iscntrl((unsigned char)*text))
            return true;
    return false;
}

static int auth_add(struct kube_auth *auth, const char *name, const char *value, struct err *err)
{
    if (auth->fixed == AUTH_FIXED_MAX)
        return err_code(err, ERR_BAD_REQUEST, "%s: user \"%s\" impersonates with more than %d values",
                        auth->user->file, auth->user->name, AUTH_FIXED_MAX);
    if (auth_has_control(value))
        return err_code(err, ERR_BAD_REQUEST, "%s: user \"%s\": %s has control characters", auth->user->file,
                        auth->user->name, name);
    auth->headers[1 + auth->fixed++] = mem_printf("%s: %s", name, value);
    return 0;
}

/* "Impersonate-Extra-KEY": bytes that a header's name cannot have are percent-encoded. */
static int auth_add_extra(struct kube_auth *auth, const char *pair, struct err *err)
{
    struct buf name = {0};
    const char *equals = strchr(pair, '=');
    buf_puts(&name, "Impersonate-Extra-");
    for (const char *p = pair; p < equals; p++) {
        if (isalnum((unsigned char)*p) || strchr("!#$&'*+-.^_`|~", *p))
            buf_putc(&name, *p);
        else
            buf_printf(&name, "%%%02X", (unsigned char)*p);
    }
    int rc = auth_add(auth, buf_str(&name), equals + 1, err);
    buf_free(&name);
    return rc;
}

static int auth_impersonate(struct kube_auth *auth, struct err *err)
{
    const struct kube_user_entry *u = auth->user;
    if (!u->as && (u->as_uid || (u->as_groups && *u->as_groups) || (u->as_extra && *u->as_extra)))
        return err_code(err, ERR_BAD_REQUEST,
                        "%s: user \"%s\" has as-groups, as-uid or as-user-extra, but no as", u->file,
                        u->name);
    if (u->as && auth_add(auth, "Impersonate-User", u->as, err))
        return -1;
    if (u->as_uid && auth_add(auth, "Impersonate-Uid", u->as_uid, err))
        return -1;
    for (char **group = u->as_groups; group && *group; group++)
        if (auth_add(auth, "Impersonate-Group", *group, err))
            return -1;
    for (char **extra = u->as_extra; extra && *extra; extra++)
        if (auth_add_extra(auth, *extra, err))
            return -1;
    return 0;
}

/* Another Authorization header, or none. Same text: nothing changes. */
static void auth_authorize(struct kube_auth *auth, char *header)
{
    if (str_eq(auth->headers[0], header)) {
        kube_free_secret(header);
        return;
    }
    kube_free_secret(auth->headers[0]);
    auth->headers[0] = header;
    auth->has_authorization = header != NULL;
    auth->generation++;
}

static int auth_static(struct kube_auth *auth, struct err *err)
{
    const struct kube_user_entry *u = auth->user;
    if (u->token) {
        if (auth_has_control(u->token))
            return err_code(err, ERR_BAD_REQUEST, "%s: user \"%s\": the token has control characters",
                            u->file, u->name);
        auth_authorize(auth, mem_printf("Authorization: Bearer %s", u->token));
    } else if (u->username) {
        char *pair = mem_printf("%s:%s", u->username, str_or(u->password, ""));
        char *data = kube_base64_of(pair, strlen(pair));
        auth_authorize(auth, mem_printf("Authorization: Basic %s", data));
        kube_free_secret(pair);
        kube_free_secret(data);
    }
    return 0;
}

static int auth_check_plugin(const struct kube_user_entry *u, struct err *err)
{
    const struct kube_exec *e = u->exec;
    if (u->auth_provider)
        return err_code(
            err, ERR_BAD_REQUEST,
            "%s: user \"%s\" uses the auth-provider %s, which Kubernetes has given up; use an exec "
            "plugin",
            u->file, u->name, u->auth_provider);
    if (!e)
        return 0;
    if (!str_eq(e->api_version, "client.authentication.k8s.io/v1") &&
        !str_eq(e->api_version, "client.authentication.k8s.io/v1beta1"))
        return err_code(
            err, ERR_BAD_REQUEST,
            "%s: user \"%s\": exec.apiVersion is \"%s\"; known are client.authentication.k8s.io/v1 and "
            "client.authentication.k8s.io/v1beta1",
            u->file, u->name, str_or(e->api_version, ""));
    if (str_eq(e->interactive_mode, "Always"))
        return err_code(
            err, ERR_BAD_REQUEST,
            "%s: user \"%s\": the credential plugin %s wants a terminal (interactiveMode: Always), and "
            "a host has none",
            u->file, u->name, e->command);
    return 0;
}

struct kube_auth *kube_auth_new(struct loop *loop, const struct kube_user_entry *user,
                                const struct kube_cluster_entry *cluster, struct err *err)
{
    struct kube_auth *auth = mem_new(sizeof(*auth));
    auth->loop = loop;
    auth->user = user;
    auth->cluster = cluster;
    auth->plugin_ms = KUBE_PLUGIN_MS;
    auth->generation = 1;
    TAILQ_INIT(&auth->waits);
    if (auth_check_plugin(user, err) || auth_impersonate(auth, err) || auth_static(auth, err)) {
        kube_auth_free(auth);
        return NULL;
    }
    return auth;
}

void kube_auth_free(struct kube_auth *auth)
{
    struct auth_wait *wait;
    if (!auth)
        return;
    if (auth->run)
        plugin_abandon(auth->run);
    while ((wait = TAILQ_FIRST(&auth->waits)) != NULL)
        kube_auth_unwait(&wait);
    plugin_result_clear(&auth->given);
    for (size_t i = 0; i <= auth->fixed; i++)
        kube_free_secret(auth->headers[i]);
    free(auth->failure);
    free(auth);
}

void kube_auth_set_limit(struct kube_auth *auth, unsigned plugin_ms)
{
    auth->plugin_ms = plugin_ms;
}

/* The file's token without the spaces around it; NULL with err. */
static char *auth_file_token(const char *path, struct err *err)
{
    size_t len;
    char *text = kube_file_read(path, KUBE_FILE_MAX, &len, err), *token = NULL;
    if (!text)
        return NULL;
    while (len > 0 && isspace((unsigned char)text[len - 1]))
        text[--len] = '\0';
    const char *begin = text + strspn(text, " \t\r\n");
    if (!*begin)
        err_set(err, "%s: holds no token", path);
    else if (auth_has_control(begin))
        err_set(err, "%s: holds more than a token", path);
    else
        token = mem_str(begin);
    kube_free_secret(text);
    return token;
}

/* The file wins over the text, as in client-go, where it can be read. */
static int auth_read_file(struct kube_auth *auth, struct err *err)
{
    const struct kube_user_entry *u = auth->user;
    uint64_t now = clock_mono_ms();
    struct err why;
    bool old = auth->file_read_ms == 0 || now - auth->file_read_ms >= KUBE_TOKEN_FILE_MS;
    if (!kube_file_changed(u->token_file, &auth->stamp) && !old)
        return 0;
    char *token = auth_file_token(u->token_file, &why);
    if (!token && !auth->has_authorization)
        return err_code(err, ERR_UNAUTHORIZED, "token file of user \"%s\": %s", u->name, why.text);
    auth->file_read_ms = now;
    /* A file that is just being replaced: what it held before may still be good. */
    if (token)
        auth_authorize(auth, mem_printf("Authorization: Bearer %s", token));
    else
        log_warn("token file of user \"%s\": %s; the last token is kept", u->name, why.text);
    kube_free_secret(token);
    return 0;
}

static void auth_tell(void *arg)
{
    struct auth_wait *wait = arg;
    struct kube_auth *auth = wait->auth;
    kube_ready_fn *done = wait->done;
    arg = wait->arg;
    wait->deferred = NULL;
    TAILQ_REMOVE(&auth->waits, wait, link);
    free(wait);
    done(arg, auth->failure);
}

static void auth_keep_failure(struct kube_auth *auth, const struct err *err)
{
    free(auth->failure);
    auth->failure = NULL;
    if (!err)
        return;
    auth->failure = mem_new(sizeof(*err));
    *auth->failure = *err;
    auth->failed_ms = clock_mono_ms();
}

static void auth_plugin_done(void *arg, struct plugin_result *result, const struct err *err)
{
    struct kube_auth *auth = arg;
    struct auth_wait *wait;
    auth->run = NULL;
    auth_keep_failure(auth, err);
    if (result) {
        plugin_result_clear(&auth->given);
        auth->given = *result;
        auth->known = true;
        auth->generation++;
        /* A token in the entry itself is somebody's explicit wish and stays. */
        if (!auth->user->token && !auth->user->username)
            auth_authorize(auth,
                           result->token ? mem_printf("Authorization: Bearer %s", result->token) : NULL);
    }
    TAILQ_FOREACH(wait, &auth->waits, link)
    if (!wait->deferred)
        wait->deferred = loop_defer(auth->loop, auth_tell, wait);
}

static enum auth_state auth_plugin_ready(struct kube_auth *auth, struct err *err)
{
    struct err why;
    if (auth->run)
        return AUTH_WAIT;
    if (auth->known && (!auth->given.expires_ms || clock_wall_ms() < auth->given.expires_ms))
        return AUTH_READY;
    if (auth->failure && clock_mono_ms() - auth->failed_ms < KUBE_HOLD_MS)
        goto failed;
    char *ca = NULL;
    if (auth->user->exec->provide_cluster_info && door_authority(auth->cluster, &ca, &why)) {
        auth_keep_failure(auth, &why);
        goto failed;
    }
    auth->run = plugin_start(auth->loop, auth->user, auth->cluster, ca, auth->plugin_ms, auth_plugin_done,
                             auth, &why);
    free(ca);
    if (auth->run)
        return AUTH_WAIT;
    auth_keep_failure(auth, &why);
failed:
    if (err)
        *err = *auth->failure;
    return AUTH_FAILED;
}

enum auth_state kube_auth_ready(struct kube_auth *auth, struct err *err)
{
    if (auth->user->exec && !auth->user->token && !auth->user->username && !auth->user->token_file)
        return auth_plugin_ready(auth, err);
    if (auth->user->token_file && auth_read_file(auth, err))
        return AUTH_FAILED;
    return AUTH_READY;
}

struct auth_wait *kube_auth_wait(struct kube_auth *auth, kube_ready_fn *done, void *arg)
{
    struct auth_wait *wait = mem_new(sizeof(*wait));
    *wait = (struct auth_wait){.auth = auth, .done = done, .arg = arg};
    TAILQ_INSERT_TAIL(&auth->waits, wait, link);
    return wait;
}

void kube_auth_unwait(struct auth_wait **at)
{
    struct auth_wait *wait = *at;
    *at = NULL;
    if (!wait)
        return;
    deferred_cancel(&wait->deferred);
    TAILQ_REMOVE(&wait->auth->waits, wait, link);
    free(wait);
}

static bool auth_refused_plugin(struct kube_auth *auth)
{
    uint64_t now = clock_mono_ms();
    if (auth->run)
        return true;
    if (auth->refused_ms && now - auth->refused_ms < KUBE_REFUSED_MS)
        return false;
    auth->refused_ms = now;
    auth->known = false;
    return true;
}

bool kube_auth_refused(struct kube_auth *auth, uint64_t generation)
{
    if (generation != auth->generation)
        return true;
    if (auth->user->token_file) {
        auth->file_read_ms = 0;
        return auth_read_file(auth, NULL) == 0 && generation != auth->generation;
    }
    if (auth->user->exec && !auth->user->token && !auth->user->username)
        return auth_refused_plugin(auth);
    return false;
}

uint64_t kube_auth_generation(const struct kube_auth *auth)
{
    return auth->generation;
}

const char *const *kube_auth_headers(const struct kube_auth *auth)
{
    return (const char *const *)auth->headers + (auth->headers[0] ? 0 : 1);
}

const char *kube_auth_cert(const struct kube_auth *auth, const char **key_pem)
{
    *key_pem = auth->given.key_pem;
    return auth->given.cert_pem;
}

const char *kube_auth_plugin(const struct kube_auth *auth)
{
    return auth->user->exec ? auth->user->exec->command : "";
}
