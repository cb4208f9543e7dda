/* The demo cluster's HTTP: one request at a time on a connection, and watches that go on. */
#include "base/clock.h"
#include "base/err.h"
#include "base/json-write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "demo/server-internal.h"
#include "loop/loop.h"

#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>

/* None: a watch may be silent for as long as nothing happens, and loopback loses no peer. */
static const lws_retry_bo_t demo_liveness = {0};

struct demo_refusal {
    int status;
    const char *reason, *message;
};

static const struct demo_refusal no_length = {411, "BadRequest", "the demo cluster wants a Content-Length"};
static const struct demo_refusal too_large = {413, "RequestEntityTooLarge",
                                              "Request entity too large: limit is 3145728"};
static const struct demo_refusal unknown = {401, "Unauthorized", "Unauthorized"};

static void demo_exchange_clear(struct demo_connection *c)
{
    timer_stop(&c->timer);
    demo_watch_free(&c->watch);
    buf_clear(&c->query);
    buf_free(&c->body);
    buf_free(&c->out);
    free(c->path);
    c->path = NULL;
    c->sent = 0;
    c->refusal = NULL;
    c->waiting = c->ready = c->close = c->due = c->end = false;
}

static void demo_connection_free(struct demo_connection *c)
{
    TAILQ_REMOVE(&c->server->connections, c, link);
    c->server->count--;
    demo_exchange_clear(c);
    buf_free(&c->query);
    free(c);
}

/* ---- what was asked ---- */

static void demo_header(struct lws *wsi, enum lws_token_indexes token, char *room, size_t size)
{
    room[0] = '\0';
    if (lws_hdr_total_length(wsi, token) > 0 && lws_hdr_copy(wsi, room, (int)size, token) < 0)
        room[0] = '\0';
}

/* lws has decoded and parted the query; each part becomes one NUL-terminated text. */
static void demo_read_query(struct demo_connection *c)
{
    for (int i = 0;; i++) {
        int n = lws_hdr_fragment_length(c->wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        char *room = n > 0 ? buf_reserve(&c->query, (size_t)n + 1) : NULL;
        if (!room || lws_hdr_copy_fragment(c->wsi, room, n + 1, WSI_TOKEN_HTTP_URI_ARGS, i) < 0)
            return;
        c->query.len += strlen(room) + 1;
    }
}

static bool demo_is_known(struct demo_connection *c)
{
    char given[512];
    const char *token = c->server->demo->token;
    demo_header(c->wsi, WSI_TOKEN_HTTP_AUTHORIZATION, given, sizeof(given));
    return strncasecmp(given, "Bearer ", 7) == 0 && strlen(given + 7) == strlen(token) &&
           CRYPTO_memcmp(given + 7, token, strlen(token)) == 0;
}

static void demo_send(struct demo_connection *c, struct demo_answer *answer)
{
    struct buf *out = &c->out;
    size_t len = answer->body.len;
    if (buf_reserve(out, LWS_PRE + 1024))
        out->len = LWS_PRE;
    buf_printf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nCache-Control: no-cache, private\r\n",
               answer->status, answer->status < 400 ? "OK" : "Refused", answer->type);
    for (size_t at = 0; at < answer->warnings.len; at += strlen(answer->warnings.data + at) + 1)
        buf_printf(out, "Warning: 299 - \"%s\"\r\n", answer->warnings.data + at);
    if (answer->watch)
        buf_puts(out, "Transfer-Encoding: chunked\r\n");
    else
        buf_printf(out, "Content-Length: %zu\r\n", len);
    buf_printf(out, "%s\r\n", c->close ? "Connection: close\r\n" : "");
    if (answer->watch && len)
        buf_printf(out, "%zx\r\n", len);
    if (!c->head)
        buf_append(out, answer->body.data, len);
    if (answer->watch && len)
        buf_puts(out, "\r\n");
    out->failed |= answer->body.failed || answer->warnings.failed;
    c->watch = answer->watch;
    c->sent = LWS_PRE;
    c->ready = true;
    buf_free(&answer->body);
    buf_free(&answer->warnings);
    if (c->watch)
        demo_watch_begin(c);
    lws_callback_on_writable(c->wsi);
}

void demo_write_status(struct buf *out, int code, const char *reason, const char *message)
{
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    jsonw_member(&w, "kind", "Status");
    jsonw_member(&w, "apiVersion", "v1");
    jsonw_key(&w, "metadata");
    jsonw_raw(&w, "{}", 2);
    jsonw_member(&w, "status", "Failure");
    jsonw_member(&w, "message", message);
    jsonw_member(&w, "reason", reason);
    jsonw_member_int(&w, "code", code);
    jsonw_end_object(&w);
}

static void demo_refuse(struct demo_connection *c, const struct demo_refusal *why)
{
    struct demo_answer answer = {.status = why->status, .type = "application/json"};
    demo_write_status(&answer.body, why->status, why->reason, why->message);
    c->waiting = false;
    demo_send(c, &answer);
}

static void demo_serve(struct demo_connection *c)
{
    struct demo_answer answer = {0};
    struct demo_request request = {
        .method = c->method,
        .path = c->path,
        .query = buf_str(&c->query),
        .query_len = c->query.len,
        .accept = c->accept,
        .content_type = c->content_type,
        .user_agent = c->user_agent,
        .body = buf_str(&c->body),
        .body_len = c->body.len,
    };
    c->waiting = false;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, DEMO_SEND_S);
    demo_handle(c->server->demo, &request, &answer);
    demo_send(c, &answer);
}

static int demo_on_request(struct demo_connection *c)
{
    static const char *const methods[] = {"GET",   "POST",   "OPTIONS", "PUT",
                                          "PATCH", "DELETE", "CONNECT", "HEAD"};
    char length[32], encoding[64], *path = NULL;
    int path_len = 0, method = lws_http_get_uri_and_method(c->wsi, &path, &path_len);
    demo_exchange_clear(c);
    if (method < 0 || method >= (int)(sizeof(methods) / sizeof(methods[0])) || !path)
        return -1;
    c->method = methods[method];
    c->head = str_eq(c->method, "HEAD");
    c->path = mem_strn(path, (size_t)path_len);
    demo_read_query(c);
    demo_header(c->wsi, WSI_TOKEN_HTTP_ACCEPT, c->accept, sizeof(c->accept));
    demo_header(c->wsi, WSI_TOKEN_HTTP_CONTENT_TYPE, c->content_type, sizeof(c->content_type));
    demo_header(c->wsi, WSI_TOKEN_HTTP_USER_AGENT, c->user_agent, sizeof(c->user_agent));
    demo_header(c->wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, length, sizeof(length));
    demo_header(c->wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, encoding, sizeof(encoding));
    size_t expected = strtoull(length, NULL, 10);
    c->refusal = !demo_is_known(c) ? &unknown : expected > DEMO_BODY_BYTES ? &too_large : NULL;
    c->close = *encoding || expected > DEMO_DISCARDED_BYTES;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, DEMO_SEND_S);
    if (c->close)
        demo_refuse(c, c->refusal ? c->refusal : &no_length);
    else if (expected || str_eq(c->method, "POST") || str_eq(c->method, "PUT") || str_eq(c->method, "PATCH"))
        c->waiting = true; /* for the body, a refused one too: unread, it would reset the answer away */
    else if (c->refusal)
        demo_refuse(c, c->refusal);
    else
        demo_serve(c);
    return 0;
}

static int demo_on_body(struct demo_connection *c, const void *data, size_t len)
{
    if (!c->waiting || c->refusal)
        return 0;
    if (c->body.len + len > DEMO_BODY_BYTES)
        return -1;
    buf_append(&c->body, data, len);
    return c->body.failed ? -1 : 0;
}

/* ---- what is answered ---- */

/* 1: all is sent, 0: more to come, -1: the connection is lost. */
static int demo_pump(struct demo_connection *c)
{
    if (c->out.failed)
        return -1;
    while (c->sent < c->out.len) {
        if (lws_send_pipe_choked(c->wsi)) {
            lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, DEMO_SEND_S);
            lws_callback_on_writable(c->wsi);
            return 0;
        }
        size_t n = c->out.len - c->sent;
        if (n > DEMO_PIECE)
            n = DEMO_PIECE;
        if (lws_write(c->wsi, (unsigned char *)c->out.data + c->sent, n, LWS_WRITE_HTTP) < (int)n)
            return -1;
        c->sent += n;
    }
    return 1;
}

static int demo_on_writable(struct demo_connection *c)
{
    if (!c->ready)
        return 0;
    int rc = demo_pump(c);
    while (rc == 1 && c->watch && demo_watch_fill(c))
        rc = demo_pump(c);
    if (rc <= 0)
        return rc;
    if (c->watch) {
        lws_set_timeout(c->wsi, NO_PENDING_TIMEOUT, 0);
        return 0;
    }
    bool end = c->close || c->end;
    demo_exchange_clear(c);
    return end || lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* ---- what lws calls ---- */

static int demo_on_connect(struct demo_server *server, struct lws *wsi)
{
    if (server->count >= DEMO_CONNECTIONS)
        return -1;
    struct demo_connection *c = mem_new(sizeof(*c));
    c->server = server;
    c->wsi = wsi;
    TAILQ_INSERT_TAIL(&server->connections, c, link);
    server->count++;
    lws_set_opaque_user_data(wsi, c);
    return 0;
}

static int demo_event(struct demo_connection *c, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP:
        return demo_on_request(c);
    case LWS_CALLBACK_HTTP_BODY:
        return demo_on_body(c, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        if (c->waiting && c->refusal)
            demo_refuse(c, c->refusal);
        else if (c->waiting)
            demo_serve(c);
        return 0;
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return demo_on_writable(c);
    case LWS_CALLBACK_CLOSED_HTTP:
        demo_exchange_clear(c);
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        lws_set_opaque_user_data(c->wsi, NULL);
        demo_connection_free(c);
        return 0;
    default:
        return 0;
    }
}

static int demo_callback(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in,
                         size_t len)
{
    struct demo_connection *c = lws_get_opaque_user_data(wsi);
    (void)session;
    if (reason == LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED)
        return demo_on_connect(lws_vhost_user(lws_get_vhost(wsi)), wsi);
    if (c)
        return demo_event(c, reason, in, len);
    switch (reason) {
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_HTTP:
        return -1;
    default:
        return 0;
    }
}

static void demo_lws_log(int level, const char *line)
{
    (void)level;
    log_debug("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

/* ---- life ---- */

static int demo_listen_parse(const char *text, int *port, struct err *err)
{
    const char *colon = strrchr(text, ':'), *digits = colon ? colon + 1 : "";
    size_t n = strlen(digits), host = colon ? (size_t)(colon - text) : 0;
    bool loopback = (host == 9 && strncmp(text, "127.0.0.1", 9) == 0) ||
                    (host == 9 && strncasecmp(text, "localhost", 9) == 0);
    if (!colon || n == 0 || n > 5 || strspn(digits, "0123456789") != n || strtol(digits, NULL, 10) > 65535)
        return err_code(err, ERR_BAD_REQUEST,
                        "--listen %s: expected HOST:PORT, for example 127.0.0.1:0 (port 0: any free one)",
                        text);
    if (!loopback)
        return err_code(err, ERR_BAD_REQUEST, "--listen %s: the demo cluster listens on 127.0.0.1 only",
                        text);
    *port = (int)strtol(digits, NULL, 10);
    return 0;
}

struct demo_server *demo_server_new(struct demo *demo, const char *listen, struct err *err)
{
    struct demo_server *server = mem_new(sizeof(*server));
    void *loops[] = {loop_uv(demo->loop)};
    struct lws_context_creation_info info = {
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME | LWS_SERVER_OPTION_DISABLE_IPV6,
        .foreign_loops = loops,
        .protocols = server->protocols,
        .iface = "127.0.0.1",
        .vhost_name = "demo",
        .user = server,
        .timeout_secs = 10,
        .timeout_secs_ah_idle = 10,
        .keepalive_timeout = 120,
        .max_http_header_data2 = 16 * 1024,
        .max_http_header_pool2 = 256,
        .retry_and_idle_policy = &demo_liveness,
        .pcontext = &server->context,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    server->demo = demo;
    TAILQ_INIT(&server->connections);
    server->protocols[0] =
        (struct lws_protocols){.name = "http", .callback = demo_callback, .tx_packet_size = 2 * DEMO_PIECE};
    if (demo_listen_parse(listen, &info.port, err))
        goto failed;
    lws_set_log_level(LLL_ERR | LLL_WARN, demo_lws_log);
    server->context = lws_create_context(&info);
    if (!server->context) {
        err_set(err,
                "libwebsockets does not start: is its libuv plug-in installed (libwebsockets-evlib-uv)?");
        goto failed;
    }
    server->vhost = lws_create_vhost(server->context, &info);
    if (!server->vhost) {
        err_code(err, ERR_CONFLICT, "cannot listen on %s: is the port taken?", listen);
        goto failed;
    }
    server->url = mem_printf("http://127.0.0.1:%d", lws_get_vhost_listen_port(server->vhost));
    return server;
failed:
    demo_server_free(server);
    return NULL;
}

const char *demo_server_url(const struct demo_server *server)
{
    return server->url;
}

/* lws closes its handles through the loop: destroy, let the loop run that, destroy again. */
void demo_server_free(struct demo_server *server)
{
    struct demo_connection *c;
    if (!server)
        return;
    if (server->context)
        lws_context_destroy(server->context);
    for (int i = 0; i < 16 && server->context; i++)
        uv_run(loop_uv(server->demo->loop), UV_RUN_NOWAIT);
    for (int i = 0; i < 2 && server->context; i++)
        lws_context_destroy(server->context);
    while ((c = TAILQ_FIRST(&server->connections)) != NULL)
        demo_connection_free(c);
    free(server->url);
    free(server);
}

void demo_server_news(struct demo_server *server)
{
    struct demo_connection *c;
    TAILQ_FOREACH(c, &server->connections, link)
    if (c->watch)
        lws_callback_on_writable(c->wsi);
}
