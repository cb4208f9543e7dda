/* One request on its way: credentials, then the wire, then perhaps once more. Whether a request may
 * be repeated is decided in call_again_ms() and nowhere else. */
#include "kube/kube-internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct send_call {
    struct kube_call base;
    kube_done_fn *done;
    void *arg;
    void (*on_open)(void *arg);
    void (*on_data)(void *arg, const char *data, size_t len); /* NULL: no stream */
    char *method, *url, *content_type, *accept, *body;
    size_t body_len;
    uint64_t deadline_ms, paused_ms, sent_us;
    uint64_t generation; /* of the credentials that were sent */
    unsigned tries, silence_ms;
    bool once, refreshed, paused;
    /* What it is doing: one of these is set. */
    struct auth_wait *wait;
    struct http_call *http;
    struct timer *again;
    struct deferred *failing;
    struct door *door;
    struct err *failure;
};

static const char *const no_warnings[] = {NULL};

static void call_start(struct send_call *call);
static void call_cancel(struct kube_call *base);

void kube_call_link(struct kube_call *call, struct cluster *cluster, void (*cancel)(struct kube_call *))
{
    call->cluster = cluster;
    call->cancel = cancel;
    LIST_INSERT_HEAD(&cluster->calls, call, link);
}

void kube_cancel(struct kube_call **at)
{
    struct kube_call *call = *at;
    *at = NULL;
    if (!call)
        return;
    LIST_REMOVE(call, link);
    call->cancel(call);
}

static void call_free(struct send_call *call)
{
    kube_auth_unwait(&call->wait);
    if (call->http)
        http_cancel(&call->http);
    timer_stop(&call->again);
    deferred_cancel(&call->failing);
    if (call->door)
        door_give(call->base.cluster, call->door);
    free(call->method);
    free(call->url);
    free(call->content_type);
    free(call->accept);
    free(call->body);
    free(call->failure);
    free(call);
}

static void call_cancel(struct kube_call *base)
{
    call_free((struct send_call *)base);
}

/* The end: the answer's texts live until `done` has returned. The call itself is gone by then. */
static void call_finish(struct send_call *call, const struct kube_answer *answer)
{
    kube_done_fn *done = call->done;
    void *arg = call->arg;
    LIST_REMOVE(&call->base, link);
    call_free(call);
    done(arg, answer);
}

static void call_failed(void *arg)
{
    struct send_call *call = arg;
    struct err *failure = call->failure;
    call->failing = NULL;
    call->failure = NULL;
    struct kube_answer answer = {
        .body = "", .warnings = no_warnings, .reason = "", .message = failure->text, .code = failure->code};
    call_finish(call, &answer);
    free(failure);
}

/* Nothing was sent. */
static void call_fail(struct send_call *call, const struct err *err)
{
    call->failure = mem_new(sizeof(*err));
    *call->failure = *err;
    call->failing = loop_defer(call->base.cluster->clusters->loop, call_failed, call);
}

static void call_again(void *arg)
{
    struct send_call *call = arg;
    call->again = NULL;
    call_start(call);
}

/* How long to wait before the same request goes out again; -1: not at all. A write is repeated only
 * when the server said that it did not do it, or never got it. */
static int64_t call_again_ms(const struct send_call *call, const struct http_answer *http)
{
    int64_t wait = -1;
    if (call->once || call->tries >= KUBE_TRIES)
        return -1;
    if ((http->status == 429 || http->status == 503) && http->retry_after >= 0) {
        wait = (int64_t)http->retry_after * 1000;
        if (wait < (50 << call->tries))
            wait = 50 << call->tries;
    } else if (http->status == 0 && !http->sent && http->err->code == ERR_UNAVAILABLE) {
        /* A connection that the server just closed, or a server that is just coming back. Soon
         * over: who is down is to be said at once. */
        wait = KUBE_UNSENT_MS << (call->tries - 1);
    }
    /* No use in waiting for a try that would have no time. */
    return wait >= 0 && clock_mono_ms() + (uint64_t)wait < call->deadline_ms ? wait : -1;
}

static void call_answered(void *arg, const struct http_answer *http)
{
    struct send_call *call = arg;
    struct cluster *cluster = call->base.cluster;
    call->http = NULL;
    clusters_count(cluster->clusters, call->method, http->status, call->on_data != NULL,
                   clock_mono_us() - call->sent_us);
    door_give(cluster, call->door);
    call->door = NULL;
    if (http->status == 401 && !call->refreshed && kube_auth_refused(cluster->auth, call->generation)) {
        call->refreshed = true;
        call_start(call);
        return;
    }
    int64_t wait = call_again_ms(call, http);
    if (wait >= 0) {
        call->again = timer_start(cluster->clusters->loop, (uint64_t)wait, call_again, call);
        return;
    }
    struct kube_answer answer;
    struct answer_text text = {0};
    answer_of_http(&answer, &text, http, call->method, cluster);
    call_finish(call, &answer);
    answer_text_clear(&text);
}

static void call_opened(void *arg)
{
    const struct send_call *call = arg;
    if (call->on_open)
        call->on_open(call->arg);
}

static void call_data(void *arg, const char *data, size_t len)
{
    const struct send_call *call = arg;
    call->on_data(call->arg, data, len);
}

static const char **call_headers(const struct send_call *call, char *own[4])
{
    const char *const *auth = kube_auth_headers(call->base.cluster->auth);
    size_t n = 0, most = 5;
    while (auth[most - 5])
        most++;
    const char **headers = mem_new(most * sizeof(*headers));
    own[0] = mem_str("User-Agent: moonsail");
    own[1] = mem_printf("Accept: %s", call->accept);
    own[2] = call->body ? mem_printf("Content-Type: %s", call->content_type) : NULL;
    own[3] = NULL;
    for (size_t i = 0; own[i]; i++)
        headers[n++] = own[i];
    for (; *auth; auth++)
        headers[n++] = *auth;
    return headers;
}

/* Credentials are at hand. */
static void call_transmit(struct send_call *call)
{
    struct cluster *cluster = call->base.cluster;
    uint64_t now = clock_mono_ms();
    struct err err;
    char *own[4];
    call->door = door_take(cluster, &err);
    if (!call->door) {
        call_fail(call, &err);
        return;
    }
    const char **headers = call_headers(call, own);
    struct http_request request = {
        .method = call->method,
        .url = call->url,
        .headers = headers,
        .body = call->body,
        .body_len = call->body_len,
        .answer_ms = call->deadline_ms > now ? (unsigned)(call->deadline_ms - now) : 1,
        .done = call_answered,
        .arg = call,
    };
    if (call->on_data) {
        request.on_open = call_opened;
        request.on_data = call_data;
        request.answer_ms = call->silence_ms;
    }
    call->tries++;
    call->sent_us = clock_mono_us();
    call->generation = kube_auth_generation(cluster->auth);
    call->http = http_send(call->door->client, &request, &err);
    if (!call->http)
        call_fail(call, &err);
    else if (call->paused)
        http_pause(call->http, true);
    for (size_t i = 0; own[i]; i++)
        free(own[i]);
    free(headers);
}

static void call_has_credentials(void *arg, const struct err *err)
{
    struct send_call *call = arg;
    call->wait = NULL;
    /* A plugin has its own limit; the server's time begins when it is asked. */
    call->deadline_ms += clock_mono_ms() - call->paused_ms;
    if (err)
        call_fail(call, err);
    else
        call_transmit(call);
}

static void call_start(struct send_call *call)
{
    struct kube_auth *auth = call->base.cluster->auth;
    struct err err;
    switch (kube_auth_ready(auth, &err)) {
    case AUTH_READY:
        call_transmit(call);
        break;
    case AUTH_WAIT:
        call->paused_ms = clock_mono_ms();
        call->wait = kube_auth_wait(auth, call_has_credentials, call);
        break;
    case AUTH_FAILED:
        call_fail(call, &err);
    }
}

static int request_check(const struct kube_request *request, struct err *err)
{
    bool known = false;
    for (size_t i = 0; i < KUBE_METHODS; i++)
        known = known || str_eq(kube_methods[i], request->method);
    if (!known)
        return err_code(err, ERR_BAD_REQUEST, "the method %s is none that Kubernetes has",
                        str_or(request->method, "\"\""));
    if (!request->path || *request->path != '/')
        return err_code(err, ERR_BAD_REQUEST, "the path \"%s\" does not begin with /",
                        str_or(request->path, ""));
    return 0;
}

/* The sizes are an outsider's: everything may fail. */
static int call_copy(struct send_call *call, const struct kube_request *request, const char *server)
{
    struct buf url = {0};
    buf_puts(&url, server);
    buf_puts(&url, request->path);
    if (!str_empty(request->query)) {
        buf_putc(&url, '?');
        buf_puts(&url, request->query);
    }
    call->url = buf_take(&url);
    call->method = strdup(request->method);
    call->content_type = strdup(str_or(request->content_type, "application/json"));
    call->accept = strdup(str_or(request->accept, "application/json"));
    call->body_len = request->body ? request->body_len : 0;
    call->body = request->body ? malloc(call->body_len + 1) : NULL;
    if (call->body)
        memcpy(call->body, request->body, call->body_len);
    return call->url && call->method && call->content_type && call->accept && (call->body || !request->body)
               ? 0
               : -1;
}

static struct send_call *call_new(struct cluster *cluster, const struct kube_request *request,
                                  kube_done_fn *done, void *arg, struct err *err)
{
    if (request_check(request, err))
        return NULL;
    struct send_call *call = calloc(1, sizeof(*call));
    if (!call) {
        err_no_memory(err);
        return NULL;
    }
    call->done = done;
    call->arg = arg;
    call->base.cluster = cluster;
    if (call_copy(call, request, cluster->server)) {
        err_no_memory(err);
        call_free(call);
        return NULL;
    }
    kube_call_link(&call->base, cluster, call_cancel);
    call->deadline_ms =
        clock_mono_ms() + (request->answer_ms ? request->answer_ms : cluster->clusters->answer_ms);
    return call;
}

static struct kube_call *send_start(struct cluster *cluster, const struct kube_request *request, bool once,
                                    kube_done_fn *done, void *arg, struct err *err)
{
    struct send_call *call = call_new(cluster, request, done, arg, err);
    if (!call)
        return NULL;
    call->once = once;
    call_start(call);
    return &call->base;
}

struct kube_call *kube_send(struct cluster *cluster, const struct kube_request *request, kube_done_fn *done,
                            void *arg, struct err *err)
{
    return send_start(cluster, request, false, done, arg, err);
}

struct kube_call *kube_send_once(struct cluster *cluster, const struct kube_request *request,
                                 kube_done_fn *done, void *arg, struct err *err)
{
    return send_start(cluster, request, true, done, arg, err);
}

bool kube_call_waits_for_credentials(const struct kube_call *call)
{
    return call->cancel == call_cancel && ((const struct send_call *)call)->wait;
}

struct kube_call *kube_stream(struct cluster *cluster, const struct kube_stream_request *stream,
                              kube_done_fn *done, void *arg, struct err *err)
{
    struct kube_request request = {
        .method = "GET", .path = stream->path, .query = stream->query, .accept = stream->accept};
    struct send_call *call = call_new(cluster, &request, done, arg, err);
    if (!call)
        return NULL;
    call->on_open = stream->on_open;
    call->on_data = stream->on_data;
    call->silence_ms = stream->silence_ms ? stream->silence_ms : cluster->clusters->answer_ms;
    call_start(call);
    return &call->base;
}

void kube_stream_pause(struct kube_call *stream, bool paused)
{
    struct send_call *call = (struct send_call *)stream;
    call->paused = paused;
    if (call->http)
        http_pause(call->http, paused);
}
