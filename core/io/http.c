#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/http-internal.h"

#include <string.h>

static int proxy_of(const char *text, char **proxy, struct err *err)
{
    CURLU *url;
    CURLUcode rc;

    if (str_empty(text))
        return 0;
    url = curl_url();
    if (!url)
        return err_no_memory(err);
    rc = curl_url_set(url, CURLUPART_URL, text, CURLU_NON_SUPPORT_SCHEME);
    curl_url_cleanup(url);
    if (rc || (!str_starts(text, "http://") && !str_starts(text, "https://") &&
               !str_starts(text, "socks5://") && !str_starts(text, "socks5h://")))
        return err_code(err, ERR_BAD_REQUEST, "the proxy is no http://, https:// or socks5:// URL");
    /* As in Go, the names are the proxy's to look up; curl calls that socks5h. */
    *proxy = str_starts(text, "socks5://") ? mem_printf("socks5h%s", text + strlen("socks5")) : mem_str(text);
    return 0;
}

struct http_client *http_client_new(struct loop *loop, const struct http_options *options, struct err *err)
{
    struct http_client *client;
    char *proxy = NULL;

    if (curl_global_init(CURL_GLOBAL_DEFAULT)) {
        err_set(err, "the HTTP library cannot be initialised");
        return NULL;
    }
    if (tls_check(options, err) || proxy_of(options->proxy, &proxy, err)) {
        curl_global_cleanup();
        return NULL;
    }
    client = mem_new(sizeof *client);
    client->loop = loop;
    client->ca_pem = mem_str(options->ca_pem);
    client->cert_pem = mem_str(options->cert_pem);
    client->key_pem = mem_str(options->key_pem);
    client->server_name = str_empty(options->server_name) ? NULL : mem_str(options->server_name);
    client->proxy = proxy;
    client->insecure = options->insecure;
    client->connect_ms = options->connect_ms ? options->connect_ms : HTTP_CONNECT_MS;
    client->answer_ms = options->answer_ms ? options->answer_ms : HTTP_ANSWER_MS;
    TAILQ_INIT(&client->pools);
    return client;
}

/* Out of curl's hands and off its timer; what it received stays. */
static void call_detach(struct http_call *call)
{
    timer_stop(&call->limit);
    if (call->easy) {
        curl_multi_remove_handle(call->pool->multi, call->easy);
        curl_easy_cleanup(call->easy);
        call->easy = NULL;
    }
    curl_slist_free_all(call->headers);
    curl_slist_free_all(call->connect_to);
    call->headers = call->connect_to = NULL;
    free(call->body);
    call->body = NULL;
}

static void call_forget(struct http_call *call)
{
    if (!call->pool)
        return;
    call_detach(call);
    if (call->queued)
        TAILQ_REMOVE(&call->pool->ready, call, ready_link);
    call->queued = false;
    TAILQ_REMOVE(&call->pool->calls, call, link);
    call->pool = NULL;
}

static void call_free(struct http_call *call)
{
    call_forget(call);
    head_clear(&call->head);
    buf_free(&call->received);
    free(call->origin);
    free(call->host);
    free(call);
}

/* Whose callback runs right now is only marked; call_deliver() frees it. */
static void call_drop(struct http_call *call)
{
    if (call->busy) {
        call->dropped = true;
        call_forget(call);
    } else {
        call_free(call);
    }
}

void http_client_free(struct http_client *client)
{
    struct http_pool *pool;
    struct http_call *call;

    if (!client)
        return;
    while ((pool = TAILQ_FIRST(&client->pools))) {
        while ((call = TAILQ_FIRST(&pool->calls)))
            call_drop(call);
        pool_close(pool);
    }
    free(client->ca_pem);
    free(client->cert_pem);
    if (client->key_pem)
        explicit_bzero(client->key_pem, strlen(client->key_pem));
    free(client->key_pem);
    free(client->server_name);
    free(client->proxy);
    free(client);
    curl_global_cleanup();
}

void call_queue(struct http_call *call)
{
    if (call->queued)
        return;
    call->queued = true;
    TAILQ_INSERT_TAIL(&call->pool->ready, call, ready_link);
}

/* An API server that knows nobody (401) closes the connection with its answer, and curl 7.88 then
 * drops the body. What the server decided is known all the same. */
static bool call_was_refused(const struct http_call *call, CURLcode result)
{
    bool broken = result == CURLE_PARTIAL_FILE || result == CURLE_RECV_ERROR || result == CURLE_SEND_ERROR ||
                  result == CURLE_HTTP2 || result == CURLE_HTTP2_STREAM;

    return broken && call->attempts && call->head.status >= 400;
}

void call_finish(struct http_call *call, CURLcode result)
{
    if (call->finished)
        return;
    call->finished = true;
    if (call->received.failed)
        err_no_memory(&call->err);
    else if (call->too_large)
        err_code(&call->err, ERR_TOO_LARGE, "%s: the answer is larger than %zu bytes", call->origin,
                 call->head.bytes > HTTP_MAX_HEADERS ? (size_t)HTTP_MAX_HEADERS : call->max_body);
    else if (result && !*call->err.text && !call_was_refused(call, result))
        error_of_result(call, result);
    /* Perhaps the connection leads nowhere any more, which curl cannot see; calls to
     * come take another, those on it may still finish. */
    if (call->err.code == ERR_TIMEOUT && call->attempts && !call->head.status && !call->pool->streams)
        call->pool->retired = true;
    call_detach(call);
    call_queue(call);
}

static unsigned call_limit_ms(const struct http_call *call)
{
    unsigned connect_ms = call->pool->client->connect_ms;

    return call->attempts || call->answer_ms < connect_ms ? call->answer_ms : connect_ms;
}

/* Our own clock and not curl's: that one does not tick for calls that wait for a connection. */
static void call_limit(void *arg)
{
    struct http_call *call = arg;
    uint64_t since = call->on_data && call->attempts ? call->heard_ms : call->started_ms;
    uint64_t waited = clock_mono_ms() - since;
    unsigned limit = call_limit_ms(call);

    call->limit = NULL;
    if (call->paused && call->attempts)
        waited = 0;
    if (waited < limit) {
        call->limit = timer_start(call->pool->client->loop, limit - waited, call_limit, call);
        return;
    }
    if (call->attempts)
        error_no_answer(call);
    else
        error_no_connection(call, limit);
    call_finish(call, CURLE_OPERATION_TIMEDOUT);
    pool_settle(call->pool);
}

static void call_answer(struct http_call *call)
{
    struct http_answer answer = {
        .status = *call->err.text ? 0 : call->head.status,
        .err = *call->err.text ? &call->err : NULL,
        .sent = call->attempts && !call->refused && (call->repeatable || call->on_wire),
        .body = *call->err.text ? "" : buf_str(&call->received),
        .body_len = *call->err.text ? 0 : call->received.len,
        .content_type = str_or(call->head.content_type, ""),
        .retry_after = call->head.retry_after,
        .warnings = (const char *const *)call->head.warnings,
    };

    call->done(call->arg, &answer);
}

/* Curl may give what it kept from inside of this. */
static void call_let_go(struct http_call *call)
{
    if (!call->held || call->paused || !call->easy)
        return;
    call->held = false;
    curl_easy_pause(call->easy, CURLPAUSE_CONT);
}

void http_pause(struct http_call *call, bool paused)
{
    if (call->dropped || call->paused == paused)
        return;
    call->paused = paused;
    call->heard_ms = clock_mono_ms();
    call_let_go(call);
}

void call_deliver(struct http_call *call)
{
    bool stream = call->on_data && call->head.status / 100 == 2;

    TAILQ_REMOVE(&call->pool->ready, call, ready_link);
    call->queued = false;
    call->busy = true;
    if (call->open && !call->told_open) {
        call->told_open = true;
        call->on_open(call->arg);
    }
    if (stream && call->received.len && !call->dropped) {
        struct buf data = call->received;

        call->received = (struct buf){0};
        call->on_data(call->arg, data.data, data.len);
        buf_free(&data);
        call_let_go(call);
    }
    if (call->finished && !call->dropped) {
        call_answer(call);
        call->busy = false;
        call_free(call);
        return;
    }
    call->busy = false;
    if (call->dropped)
        call_free(call);
}

static struct http_pool *pool_for(struct http_client *client, bool streams)
{
    struct http_pool *pool;

    TAILQ_FOREACH(pool, &client->pools, link)
    if (pool->streams == streams && !pool->retired)
        return pool;
    return pool_new(client, streams);
}

struct http_call *http_send(struct http_client *client, const struct http_request *request, struct err *err)
{
    struct http_pool *pool;
    struct http_call *call;

    if (request_check(request, err))
        return NULL;
    pool = pool_for(client, request->on_data != NULL);
    if (!pool) {
        err_no_memory(err);
        return NULL;
    }
    call = mem_new(sizeof *call);
    call->pool = pool;
    TAILQ_INSERT_TAIL(&pool->calls, call, link);
    call->head.retry_after = -1;
    call->answer_ms = request->answer_ms ? request->answer_ms : client->answer_ms;
    call->max_body = request->max_body ? request->max_body : HTTP_MAX_BODY;
    call->on_data = request->on_data;
    call->on_open = request->on_open;
    call->done = request->done;
    call->arg = request->arg;
    call->fd = -1;
    call->easy = curl_easy_init();
    if (!call->easy) {
        err_no_memory(err);
        goto fail;
    }
    if (request_build(call, client, request, err))
        goto fail;
    if (curl_multi_add_handle(pool->multi, call->easy)) {
        err_no_memory(err);
        goto fail;
    }
    call->started_ms = call->heard_ms = clock_mono_ms();
    call->limit = timer_start(client->loop, call_limit_ms(call), call_limit, call);
    return call;
fail:
    call_free(call);
    return NULL;
}

void http_cancel(struct http_call **call)
{
    struct http_call *c = *call;
    struct http_pool *pool;

    *call = NULL;
    if (!c || c->dropped)
        return;
    pool = c->pool;
    call_drop(c);
    pool_close_if_done(pool);
}
