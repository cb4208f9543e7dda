#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "edge/edge-internal.h"
#include "edge/panel.h"
#include "edge/rest-internal.h"
#include "edge/watch.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A peer that is silent is asked after 20 s and given up after 60 s. */
static const lws_retry_bo_t server_liveness = {.secs_since_valid_ping = 20, .secs_since_valid_hangup = 60};

/* ---- connections ---- */

static void connection_free(struct connection *c)
{
    struct server *server = c->server;
    TAILQ_REMOVE(&server->connections, c, link);
    server->connection_count--;
    server->metrics_count -= c->metrics;
    if (c->refusal)
        server->refused_count--;
    exchange_free(&c->exchange);
    stream_free(&c->stream);
    watch_free(&c->watch);
    free(c->refusal);
    free(c);
}

static void server_metrics_user(struct user *user)
{
    *user = (struct user){.name = "metrics", .role = "metrics", .method = "none"};
}

void server_adopt(struct server *server, int fd, bool metrics)
{
    struct err err = {0};
    struct user user;
    bool admitted = true;
    if (metrics)
        server_metrics_user(&user);
    else /* At accept and not later: a peer that has closed meanwhile could no longer be told. */
        admitted = auth_local_peer(fd, &user, &err) == 0;
    if (server->connection_count >= EDGE_CONNECTIONS ||
        (metrics && server->metrics_count >= EDGE_METRICS_CONNECTIONS) ||
        (!admitted && server->refused_count >= EDGE_REFUSED_CONNECTIONS)) {
        close(fd);
        return;
    }
    struct connection *c = mem_new(sizeof(*c));
    c->server = server;
    c->metrics = metrics;
    server->metrics_count += metrics;
    if (admitted) {
        c->user = user;
    } else {
        c->refusal = mem_str(err.text);
        server->refused_count++;
    }
    TAILQ_INSERT_TAIL(&server->connections, c, link);
    server->connection_count++;
    lws_adopt_desc_t adopt = {
        .vh = server->vhost,
        .type = LWS_ADOPT_SOCKET | LWS_ADOPT_HTTP,
        .fd.sockfd = fd,
        .opaque = c,
    };
    /* On failure lws has closed the descriptor, and tells WSI_DESTROY if it had come that far;
     * what it did not tell of goes with the server. */
    lws_adopt_descriptor_vhost_via_info(&adopt);
}

/* ---- HTTP ---- */

static int server_upgrade(struct connection *c)
{
    c->exchange = exchange_new(c);
    if (!c->exchange)
        return -1;
    bool admitted = c->exchange->route != NULL;
    c->watches = admitted && (c->exchange->route->flags & ROUTE_WATCH);
    if (!admitted)
        exchange_pump(c->exchange);
    exchange_free(&c->exchange);
    return admitted ? 0 : -1;
}

static int server_request(struct connection *c)
{
    exchange_free(&c->exchange);
    struct exchange *x = c->exchange = exchange_new(c);
    if (!x)
        return -1;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, EDGE_ANSWER_S);
    /* A POST is served when its body is there, an empty one too. */
    if (x->route && strcmp(x->route->method, "POST") != 0)
        x->route->serve(x);
    return 0;
}

static int server_body(struct exchange *x, const void *data, size_t len)
{
    if (!x)
        return -1;
    if (x->ready)
        return 0;
    if (x->body.len + len > x->body_expected || clock_mono_ms() > x->body_until)
        return -1;
    buf_append(&x->body, data, len);
    return x->body.failed ? -1 : 0;
}

static int server_body_complete(struct connection *c)
{
    struct exchange *x = c->exchange;
    if (!x)
        return -1;
    lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, EDGE_ANSWER_S);
    if (!x->ready && x->route)
        x->route->serve(x);
    x->body_pending = false;
    return x->done ? -1 : 0;
}

static int server_writable(struct connection *c)
{
    struct exchange *x = c->exchange;
    if (!x || !x->ready || x->done)
        return 0;
    int rc = exchange_pump(x);
    if (rc <= 0)
        return rc;
    if (x->close && x->body_pending) {
        x->done = true;
        lws_set_timeout(c->wsi, PENDING_TIMEOUT_HTTP_CONTENT, EDGE_LINGER_S);
        return 0;
    }
    bool end = x->close;
    exchange_free(&c->exchange);
    if (end)
        return -1;
    return lws_http_transaction_completed(c->wsi) ? -1 : 0;
}

/* ---- what lws calls ---- */

static int server_http_event(struct connection *c, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
        return server_upgrade(c);
    case LWS_CALLBACK_HTTP:
        return server_request(c);
    case LWS_CALLBACK_HTTP_BODY:
        return server_body(c->exchange, in, len);
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
        return server_body_complete(c);
    case LWS_CALLBACK_HTTP_WRITEABLE:
        return server_writable(c);
    case LWS_CALLBACK_CLOSED_HTTP:
        exchange_free(&c->exchange);
        return 0;
    default:
        return 0;
    }
}

static int server_stream_event(struct connection *c, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        c->stream = stream_new(c);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return c->stream ? stream_receive(c->stream, in, len) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return c->stream ? stream_writable(c->stream) : -1;
    case LWS_CALLBACK_TIMER:
        return c->stream ? stream_timeout(c->stream) : 0;
    case LWS_CALLBACK_CLOSED:
        stream_free(&c->stream);
        return 0;
    default:
        return 0;
    }
}

static int server_watch_event(struct connection *c, enum lws_callback_reasons reason, void *in, size_t len)
{
    switch (reason) {
    case LWS_CALLBACK_ESTABLISHED:
        c->watch = watch_new(c);
        return 0;
    case LWS_CALLBACK_RECEIVE:
        return c->watch ? watch_receive(c->watch, in, len) : -1;
    case LWS_CALLBACK_SERVER_WRITEABLE:
        return c->watch ? watch_writable(c->watch) : -1;
    case LWS_CALLBACK_TIMER:
        return c->watch ? watch_timeout(c->watch) : 0;
    case LWS_CALLBACK_CLOSED:
        watch_free(&c->watch);
        return 0;
    default:
        return 0;
    }
}

static int server_callback(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in,
                           size_t len)
{
    struct connection *c = lws_get_opaque_user_data(wsi);
    (void)session;
    switch (reason) {
    case LWS_CALLBACK_SERVER_NEW_CLIENT_INSTANTIATED:
        c->wsi = wsi;
        return 0;
    case LWS_CALLBACK_WSI_DESTROY:
        if (c) {
            c->wsi = NULL;
            lws_set_opaque_user_data(wsi, NULL);
            connection_free(c);
        }
        return 0;
    case LWS_CALLBACK_RAW_ADOPT:
    case LWS_CALLBACK_RAW_RX:
        return -1; /* CONNECT would make a tunnel of us */
    case LWS_CALLBACK_HTTP_CONFIRM_UPGRADE:
    case LWS_CALLBACK_HTTP:
    case LWS_CALLBACK_HTTP_BODY:
    case LWS_CALLBACK_HTTP_BODY_COMPLETION:
    case LWS_CALLBACK_HTTP_WRITEABLE:
    case LWS_CALLBACK_CLOSED_HTTP:
        return c && c->wsi ? server_http_event(c, reason, in, len) : -1;
    case LWS_CALLBACK_ESTABLISHED:
    case LWS_CALLBACK_RECEIVE:
    case LWS_CALLBACK_SERVER_WRITEABLE:
    case LWS_CALLBACK_TIMER:
    case LWS_CALLBACK_CLOSED:
        if (!c || !c->wsi)
            return -1;
        return c->watches ? server_watch_event(c, reason, in, len) : server_stream_event(c, reason, in, len);
    default:
        return 0;
    }
}

static void server_lws_log(int level, const char *line)
{
    (void)level;
    log_debug("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

/* ---- life ---- */

static char **server_copy_list(const char *const *from)
{
    size_t n = 0;
    while (from && from[n])
        n++;
    char **list = mem_new((n + 1) * sizeof(*list));
    for (size_t i = 0; i < n; i++)
        list[i] = mem_str(from[i]);
    return list;
}

static void server_free_list(char **list)
{
    for (size_t i = 0; list && list[i]; i++)
        free(list[i]);
    free(list);
}

static int server_start_lws(struct server *server, struct err *err)
{
    void *loops[] = {loop_uv(server->options.loop)};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN_SERVER,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   LWS_SERVER_OPTION_SKIP_SERVER_CANONICAL_NAME,
        .foreign_loops = loops,
        .protocols = server->protocols,
        .vhost_name = "moonsail",
        .timeout_secs = EDGE_HANDSHAKE_S,
        .timeout_secs_ah_idle = EDGE_HANDSHAKE_S,
        .keepalive_timeout = 60,
        .max_http_header_data2 = EDGE_HEADER_BYTES,
        .max_http_header_pool2 = 256,
        .retry_and_idle_policy = &server_liveness,
        .pcontext = &server->context,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    /* The first is for clients that offer no subprotocol; its name is none that can be offered.
     * Without tx_packet_size lws would send a frame in pieces of 4 KiB, one a turn of the loop. */
    server->protocols[0] = (struct lws_protocols){
        .name = "one event a message", .callback = server_callback, .tx_packet_size = 2 * EDGE_FRAME_BYTES};
    server->protocols[1] = (struct lws_protocols){
        .name = HTTP_BATCH_PROTOCOL, .callback = server_callback, .tx_packet_size = 2 * EDGE_FRAME_BYTES};
    lws_set_log_level(LLL_ERR | LLL_WARN, server_lws_log);
    server->context = lws_create_context(&info);
    if (!server->context)
        return err_set(
            err, "libwebsockets does not start: is its libuv plug-in installed (libwebsockets-evlib-uv)?");
    server->vhost = lws_create_vhost(server->context, &info);
    if (!server->vhost)
        return err_set(err, "libwebsockets does not make its virtual host");
    return 0;
}

struct server *server_new(const struct server_options *options, struct err *err)
{
    struct server *server = mem_new(sizeof(*server));
    server->options = *options;
    TAILQ_INIT(&server->connections);
    server->allow_hosts = server_copy_list(options->allow_hosts);
    server->allow_origins = server_copy_list(options->allow_origins);
    server->watches = watch_hub_new(server);
    server->frame = mem_new(LWS_PRE + EDGE_FRAME_BYTES + EDGE_FRAME_BYTES);
    if (options->panel && !(server->panel = panel_new(options->panel, err)))
        goto fail;
    if (server_start_lws(server, err))
        goto fail;
    server->listeners = listeners_open(server, false, err);
    if (!server->listeners)
        goto fail;
    if (options->metrics_listen && !(server->metrics_listeners = listeners_open(server, true, err)))
        goto fail;
    return server;
fail:
    server_free(server);
    return NULL;
}

const char *server_url(const struct server *server)
{
    return server->url;
}

const char *server_metrics_url(const struct server *server)
{
    return server->metrics_url;
}

void server_drain(struct server *server)
{
    server->draining = true;
    listeners_close(&server->listeners);
}

static bool server_has_streams(const struct server *server)
{
    struct connection *c;
    TAILQ_FOREACH(c, &server->connections, link)
    if (c->stream || c->watch)
        return true;
    return false;
}

/* Viewers get a close frame with 1001 and a moment to take it. */
static void server_goodbye(struct server *server)
{
    struct connection *c;
    TAILQ_FOREACH(c, &server->connections, link)
    if (c->stream)
        stream_goodbye(c->stream);
    else if (c->watch)
        watch_goodbye(c->watch);
    uint64_t until = clock_mono_ms() + EDGE_GOODBYE_MS;
    while (server_has_streams(server) && clock_mono_ms() < until) {
        if (!uv_run(loop_uv(server->options.loop), UV_RUN_NOWAIT))
            break;
        usleep(1000);
    }
}

/* lws closes its handles through the loop: destroy, let the loop run that, destroy again. */
static void server_stop_lws(struct server *server)
{
    uv_loop_t *uv = loop_uv(server->options.loop);
    if (!server->context)
        return;
    lws_context_destroy(server->context);
    for (int i = 0; i < 16 && server->context; i++)
        uv_run(uv, UV_RUN_NOWAIT);
    if (server->context)
        lws_context_destroy(server->context);
    if (server->context)
        lws_context_destroy(server->context);
}

void server_free(struct server *server)
{
    struct connection *c;
    if (!server)
        return;
    server_drain(server);
    listeners_close(&server->metrics_listeners);
    if (server->context)
        server_goodbye(server);
    server_stop_lws(server);
    while ((c = TAILQ_FIRST(&server->connections)) != NULL) {
        c->wsi = NULL;
        connection_free(c);
    }
    server_free_list(server->allow_hosts);
    server_free_list(server->allow_origins);
    panel_free(server->panel);
    schemas_free(&server->schemas);
    watch_hub_free(server->watches);
    free(server->frame);
    free(server->url);
    free(server->metrics_url);
    free(server);
}
