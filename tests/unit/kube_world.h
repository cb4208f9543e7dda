/* kube_world.h: a cluster client and a fake API server on one loop, for tests. Included after
 * cmocka.h by one program each. */
#pragma once

#include "base/clock.h"
#include "base/str.h"
#include "fake_api.h"
#include "kube/cluster.h"
#include "kube/kube-internal.h"

#include <unistd.h>

struct world {
    struct loop *loop;
    struct fake_api api;
    struct clusters *clusters;
    struct cluster *cluster;
    char dir[64];
    bool late;
    void *arg; /* for a test's own functions */
    /* What the function below answers. */
    int fail_first; /* so many requests get `failing` */
    struct fake_answer failing;
    const char *wanted_token; /* NULL: all are welcome */
};

static inline char *world_file(const struct world *w, const char *name)
{
    return mem_printf("%s/%s", w->dir, name);
}

static inline void world_put(const struct world *w, const char *name, int mode, const char *text)
{
    char *path = world_file(w, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    chmod(path, (mode_t)mode);
    free(path);
}

static const char unauthorized[] = "{\"kind\":\"Status\",\"apiVersion\":\"v1\",\"status\":\"Failure\","
                                   "\"message\":\"Unauthorized\",\"reason\":\"Unauthorized\",\"code\":401}";

static inline void world_answer(struct fake_api *api, const struct fake_asked *asked,
                                struct fake_answer *answer)
{
    struct world *w = api->arg;
    if (w->fail_first > 0) {
        w->fail_first--;
        *answer = w->failing;
    } else if (w->wanted_token && !strstr(asked->head, w->wanted_token)) {
        *answer = (struct fake_answer){.status = 401, .body = unauthorized};
    } else if (str_eq(asked->target, "/version")) {
        answer->body = "{\"gitVersion\":\"v1.34.4\"}";
    }
}

static inline int world_setup(void **state)
{
    struct world *w = mem_new(sizeof(*w));
    strcpy(w->dir, "/tmp/cluster-XXXXXX");
    if (!mkdtemp(w->dir))
        return -1;
    w->loop = loop_new();
    fake_api_start(&w->api, w->loop, world_answer);
    w->api.arg = w;
    *state = w;
    return 0;
}

static inline int world_teardown(void **state)
{
    struct world *w = *state;
    clusters_free(w->clusters);
    fake_api_stop(&w->api);
    fake_api_forget(&w->api);
    /* A plugin that was given up is reaped by the loop. */
    loop_run(w->loop);
    assert_int_equal(loop_close(w->loop), 0);
    char *command = mem_printf("rm -rf '%s'", w->dir);
    int rc = system(command);
    free(command);
    free(w);
    return rc;
}

/* A kubeconfig of one context; `user` is the user's map. */
static inline struct err world_open(struct world *w, const char *user, unsigned answer_ms)
{
    struct err err = {0};
    char *text = mem_printf("current-context: dev\n"
                            "clusters: [{name: c, cluster: {server: 'http://127.0.0.1:%d'}}]\n"
                            "users:\n- name: u\n  user: %s\n"
                            "contexts: [{name: dev, context: {cluster: c, user: u, namespace: apps}}]\n",
                            w->api.port, user);
    world_put(w, "config", 0600, text);
    free(text);
    char *path = world_file(w, "config");
    struct clusters_options options = {.kubeconfig = path, .answer_ms = answer_ms};
    w->clusters = clusters_of(w->loop, &options, w->dir, &err);
    w->cluster = w->clusters ? clusters_get(w->clusters, NULL, &err) : NULL;
    free(path);
    return err;
}

static inline void world_must_open(struct world *w, const char *user)
{
    struct err err = world_open(w, user, 0);
    if (!w->cluster)
        fail_msg("%s", err.text);
}

static inline void too_late(void *arg)
{
    *(bool *)arg = true;
}

/* Turns the loop until *flag; fails after ten seconds. */
static inline void until(struct world *w, const int *count, int wanted)
{
    struct timer *limit = timer_start(w->loop, 10000, too_late, &w->late);
    while (*count < wanted && !w->late)
        loop_turn(w->loop);
    assert_false(w->late);
    timer_stop(&limit);
}

/* For things that must not happen. */
static inline void turn_for(struct world *w, unsigned ms)
{
    bool over = false;
    timer_start(w->loop, ms, too_late, &over);
    while (!over)
        loop_turn(w->loop);
}

struct got {
    int count, status;
    bool in_doubt;
    enum err_code code;
    char reason[64], message[1024], body[1024];
};

static inline void got_answer(void *arg, const struct kube_answer *a)
{
    struct got *got = arg;
    got->count++;
    got->status = a->status;
    got->in_doubt = a->in_doubt;
    got->code = a->code;
    snprintf(got->reason, sizeof(got->reason), "%s", a->reason);
    snprintf(got->message, sizeof(got->message), "%s", a->message);
    snprintf(got->body, sizeof(got->body), "%s", a->body);
}

static inline struct kube_call *world_send(struct world *w, const char *method, struct got *got)
{
    struct err err;
    struct kube_request request = {.method = method, .path = "/api/v1/x"};
    if (strcmp(method, "GET") != 0) {
        request.body = "{}";
        request.body_len = 2;
    }
    *got = (struct got){0};
    struct kube_call *call = kube_send(w->cluster, &request, got_answer, got, &err);
    assert_non_null(call);
    assert_int_equal(got->count, 0);
    return call;
}

static inline void world_ask(struct world *w, const char *method, struct got *got)
{
    world_send(w, method, got);
    until(w, &got->count, 1);
}

struct status {
    int count;
    bool connected;
    char version[64], error[512];
};

static inline void got_status(void *arg, const struct cluster_status *s)
{
    struct status *got = arg;
    got->count++;
    got->connected = s->connected;
    snprintf(got->version, sizeof(got->version), "%s", s->version);
    snprintf(got->error, sizeof(got->error), "%s", s->error);
}
