/* Does the cluster answer? One question at a time; its answer holds for a few seconds. */
#include "kube/kube-internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct check_wait {
    struct kube_call base;
    TAILQ_ENTRY(check_wait) link;
    cluster_status_fn *done;
    void *arg;
    struct deferred *deferred;
};

struct check {
    struct cluster *cluster;
    struct kube_call *call;
    struct timer *limit;
    uint64_t known_ms; /* 0: never asked */
    bool connected;
    char *version, *error;
    TAILQ_HEAD(, check_wait) waits;
};

static void check_tell(void *arg)
{
    struct check_wait *wait = arg;
    struct check *check = wait->base.cluster->check;
    cluster_status_fn *done = wait->done;
    /* Copies: who is told may ask again, or free everything. */
    char *version = mem_str(str_or(check->version, "")), *error = mem_str(str_or(check->error, ""));
    struct cluster_status status = {.connected = check->connected, .version = version, .error = error};
    arg = wait->arg;
    wait->deferred = NULL;
    LIST_REMOVE(&wait->base, link);
    TAILQ_REMOVE(&check->waits, wait, link);
    free(wait);
    done(arg, &status);
    free(version);
    free(error);
}

static void check_wait_cancel(struct kube_call *call)
{
    struct check_wait *wait = (struct check_wait *)call;
    deferred_cancel(&wait->deferred);
    TAILQ_REMOVE(&call->cluster->check->waits, wait, link);
    free(wait);
}

/* Takes over the texts. */
static void check_end(struct check *check, bool connected, char *version, char *error)
{
    struct check_wait *wait;
    timer_stop(&check->limit);
    free(check->version);
    free(check->error);
    check->connected = connected;
    check->version = version;
    check->error = error;
    check->known_ms = clock_mono_ms();
    TAILQ_FOREACH(wait, &check->waits, link)
    if (!wait->deferred)
        wait->deferred = loop_defer(check->cluster->clusters->loop, check_tell, wait);
}

static char *check_version_of(const struct kube_answer *answer)
{
    json_t *root =
        answer->body_len <= KUBE_STATUS_MAX ? json_loadb(answer->body, answer->body_len, 0, NULL) : NULL;
    const char *version = json_string_value(json_object_get(root, "gitVersion"));
    char *text = version ? mem_strn(version, strnlen(version, 64)) : NULL;
    json_decref(root);
    return text;
}

static void check_answered(void *arg, const struct kube_answer *answer)
{
    struct check *check = arg;
    const char *server = check->cluster->server;
    char *version = NULL, *error = NULL;
    check->call = NULL;
    if (answer->status >= 200 && answer->status < 300) {
        version = check_version_of(answer);
        if (!version)
            error = mem_printf("%s answers, but not as a Kubernetes API server does", server);
    } else if (answer->status == 403) {
        /* It knows us and answers; it only doesn't say its version. */
        version = mem_str("");
    } else if (answer->status == 401) {
        error = mem_printf("%s does not accept the credentials of user \"%s\"", server,
                           check->cluster->user.name);
    } else {
        error = mem_str(answer->message);
    }
    check_end(check, error == NULL, version, error);
}

/* The last word where the question itself has none, such as a plugin that takes its time. */
static void check_over(void *arg)
{
    struct check *check = arg;
    const struct cluster *cluster = check->cluster;
    check->limit = NULL;
    bool credentials = kube_call_waits_for_credentials(check->call);
    kube_cancel(&check->call);
    check_end(check, false, NULL,
              credentials ? mem_printf("The credential plugin %s has not answered yet, so %s cannot be asked",
                                       kube_auth_plugin(cluster->auth), cluster->server)
                          : mem_printf("No cluster answers at %s: no answer within %d s", cluster->server,
                                       KUBE_CHECK_MS / 1000));
}

static void check_begin(struct check *check)
{
    struct kube_request request = {.method = "GET", .path = "/version", .answer_ms = KUBE_CHECK_MS};
    struct err err;
    check->call = kube_send_once(check->cluster, &request, check_answered, check, &err);
    if (check->call)
        check->limit = timer_start(check->cluster->clusters->loop, KUBE_CHECK_MS + 500, check_over, check);
    else
        check_end(check, false, NULL, mem_str(err.text));
}

struct kube_call *cluster_check(struct cluster *cluster, cluster_status_fn *done, void *arg)
{
    struct check *check = cluster->check;
    if (!check) {
        check = cluster->check = mem_new(sizeof(*check));
        check->cluster = cluster;
        TAILQ_INIT(&check->waits);
    }
    struct check_wait *wait = mem_new(sizeof(*wait));
    wait->done = done;
    wait->arg = arg;
    kube_call_link(&wait->base, cluster, check_wait_cancel);
    TAILQ_INSERT_TAIL(&check->waits, wait, link);
    if (check->call)
        return &wait->base;
    if (check->known_ms && clock_mono_ms() - check->known_ms < KUBE_CHECK_FRESH_MS)
        wait->deferred = loop_defer(cluster->clusters->loop, check_tell, wait);
    else
        check_begin(check);
    return &wait->base;
}

void check_free(struct check *check)
{
    struct check_wait *wait;
    if (!check)
        return;
    while ((wait = TAILQ_FIRST(&check->waits)) != NULL) {
        struct kube_call *call = &wait->base;
        kube_cancel(&call);
    }
    kube_cancel(&check->call);
    timer_stop(&check->limit);
    free(check->version);
    free(check->error);
    free(check);
}
