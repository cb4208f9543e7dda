#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/edge-internal.h"
#include "exec/plan.h"
#include "kube/cluster.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { EXCHANGE_HEADER = 1024, EXCHANGE_PIECE = 64 * 1024, EXCHANGE_TURN_US = 4000 };

/* Every answer has them. Scripts and styles only from files of our own, and nobody frames us. */
static const char exchange_always[] =
    "X-Content-Type-Options: nosniff\r\n"
    "Content-Security-Policy: default-src 'self'; script-src 'self'; object-src 'none'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'\r\n"
    "Referrer-Policy: no-referrer\r\n"
    "Cross-Origin-Resource-Policy: same-origin\r\n";

int edge_status(enum err_code code)
{
    switch (code) {
    case ERR_BAD_REQUEST:
        return 400;
    case ERR_UNAUTHORIZED:
        return 401;
    case ERR_FORBIDDEN:
        return 403;
    case ERR_NOT_FOUND:
        return 404;
    case ERR_CONFLICT:
    case ERR_CANCELLED:
        return 409;
    case ERR_TOO_LARGE:
        return 413;
    case ERR_BUSY:
    case ERR_UNAVAILABLE:
    case ERR_NO_MEMORY:
        return 503;
    case ERR_TIMEOUT:
        return 504;
    case ERR_FAILED:
        break;
    }
    return 500;
}

static const char *exchange_status_text(int status)
{
    static const struct {
        int status;
        const char *text;
    } texts[] = {
        {200, "OK"},
        {202, "Accepted"},
        {400, "Bad Request"},
        {401, "Unauthorized"},
        {403, "Forbidden"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {410, "Gone"},
        {411, "Length Required"},
        {413, "Content Too Large"},
        {426, "Upgrade Required"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i].status == status)
            return texts[i].text;
    return "Internal Server Error";
}

void edge_write_error(struct buf *out, const char *code, const char *message)
{
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    jsonw_key(&w, "error");
    jsonw_begin_object(&w);
    jsonw_member(&w, "code", code);
    jsonw_member(&w, "message", message);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
}

/* ---- what was asked ---- */

struct exchange_headers {
    char host[300], origin[300], fetch_site[32], upgrade[32], ws_version[16], ws_key[64], ws_protocols[256],
        content_length[32], transfer_encoding[64];
};

/* NULL where it is not there; what is too long to be right becomes a text that nothing accepts. */
static const char *exchange_header(struct lws *wsi, enum lws_token_indexes token, char *room, size_t size)
{
    if (lws_hdr_total_length(wsi, token) <= 0)
        return NULL;
    if (lws_hdr_copy(wsi, room, (int)size, token) < 0)
        snprintf(room, size, "?");
    return room;
}

static const char *exchange_custom_header(struct lws *wsi, const char *name, char *room, size_t size)
{
    int n = (int)strlen(name);
    if (lws_hdr_custom_length(wsi, name, n) < 0)
        return NULL;
    if (lws_hdr_custom_copy(wsi, room, (int)size, name, n) < 0)
        snprintf(room, size, "?");
    return room;
}

static void exchange_facts(struct connection *c, struct exchange_headers *h, struct http_facts *f)
{
    struct lws *wsi = c->wsi;
    f->host = exchange_header(wsi, WSI_TOKEN_HOST, h->host, sizeof(h->host));
    f->origin = exchange_header(wsi, WSI_TOKEN_ORIGIN, h->origin, sizeof(h->origin));
    f->fetch_site = exchange_custom_header(wsi, "sec-fetch-site:", h->fetch_site, sizeof(h->fetch_site));
    f->upgrade = exchange_header(wsi, WSI_TOKEN_UPGRADE, h->upgrade, sizeof(h->upgrade));
    f->ws_version = exchange_header(wsi, WSI_TOKEN_VERSION, h->ws_version, sizeof(h->ws_version));
    f->ws_key = exchange_header(wsi, WSI_TOKEN_KEY, h->ws_key, sizeof(h->ws_key));
    f->ws_protocols = exchange_header(wsi, WSI_TOKEN_PROTOCOL, h->ws_protocols, sizeof(h->ws_protocols));
    f->content_length =
        exchange_header(wsi, WSI_TOKEN_HTTP_CONTENT_LENGTH, h->content_length, sizeof(h->content_length));
    f->transfer_encoding = exchange_header(wsi, WSI_TOKEN_HTTP_TRANSFER_ENCODING, h->transfer_encoding,
                                           sizeof(h->transfer_encoding));
    f->peer_refusal = c->refusal;
}

/* lws has decoded and parted the query; each part becomes one NUL-terminated text. */
static void exchange_read_query(struct exchange *x, struct lws *wsi)
{
    for (int i = 0;; i++) {
        int n = lws_hdr_fragment_length(wsi, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (n <= 0)
            return;
        char *room = buf_reserve(&x->query, (size_t)n + 1);
        if (!room)
            return;
        int got = lws_hdr_copy_fragment(wsi, room, n + 1, WSI_TOKEN_HTTP_URI_ARGS, i);
        if (got < 0)
            return;
        x->query.len += strlen(room) + 1;
    }
}

struct exchange *exchange_new(struct connection *connection)
{
    static const char *const methods[] = {"GET",   "POST",   "OPTIONS", "PUT",
                                          "PATCH", "DELETE", "CONNECT", "HEAD"};
    struct server *server = connection->server;
    struct exchange_headers headers;
    struct http_verdict verdict;
    struct http_facts facts = {0};
    struct http_rules rules = {
        .routes = connection->metrics ? rest_metrics_routes() : rest_routes(),
        .pages = server->panel && !connection->metrics ? rest_pages() : NULL,
        .scheme = "http",
        .port = server->port,
        .allow_hosts = (const char *const *)server->allow_hosts,
        .allow_origins = (const char *const *)server->allow_origins,
    };
    char *path = NULL;
    int path_len = 0;
    int method = lws_http_get_uri_and_method(connection->wsi, &path, &path_len);
    if (method < 0 || method >= (int)(sizeof(methods) / sizeof(methods[0])) || !path)
        return NULL;
    facts.method = methods[method];
    facts.path = strlen(path) == (size_t)path_len ? path : "";
    exchange_facts(connection, &headers, &facts);
    http_check(&rules, &facts, &verdict);

    struct exchange *x = mem_new(sizeof(*x));
    x->connection = connection;
    x->path = mem_str(facts.path);
    x->route = verdict.route;
    x->head = verdict.head;
    x->body_expected = verdict.body;
    x->body_until = clock_mono_ms() + EDGE_BODY_S * 1000;
    connection->batch = verdict.batch;
    exchange_read_query(x, connection->wsi);
    if (!x->route) {
        /* A body that nobody takes would be read as the next request. */
        x->body_pending = verdict.status == 411 || facts.content_length || facts.transfer_encoding;
        x->close = x->body_pending || facts.upgrade;
        exchange_refuse(x, verdict.status, verdict.code, verdict.extra, verdict.message);
    }
    return x;
}

void exchange_free(struct exchange **exchange)
{
    struct exchange *x = *exchange;
    if (!x)
        return;
    *exchange = NULL;
    if (x->call)
        kube_cancel(&x->call);
    timer_stop(&x->timer);
    if (x->job)
        job_forget(&x->job, x->job_dispose);
    plan_cancel(&x->plan);
    if (x->source)
        x->source_free(x->source);
    free(x->path);
    free(x->kept);
    buf_free(&x->query);
    buf_free(&x->body);
    buf_free(&x->out);
    free(x);
}

const char *exchange_param(const struct exchange *x, const char *name)
{
    size_t n = strlen(name);
    for (size_t at = 0; at < x->query.len;) {
        const char *part = x->query.data + at;
        size_t len = strlen(part);
        if (len >= n && memcmp(part, name, n) == 0 && (part[n] == '=' || part[n] == '\0'))
            return part[n] == '=' ? part + n + 1 : part + n;
        at += len + 1;
    }
    return NULL;
}

int exchange_number(struct exchange *x, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
                    uint64_t *out)
{
    const char *text = exchange_param(x, name);
    *out = otherwise;
    if (str_empty(text))
        return 0;
    size_t n = strlen(text);
    uint64_t value = n <= 18 && strspn(text, "0123456789") == n ? strtoull(text, NULL, 10) : UINT64_MAX;
    if (value < least || value > most) {
        struct err err;
        err_code(&err, ERR_BAD_REQUEST, "%s must be a number from %" PRIu64 " to %" PRIu64, name, least,
                 most);
        exchange_fail(x, &err);
        return -1;
    }
    *out = value;
    return 0;
}

/* ---- what is answered ---- */

/* Nothing that is said here is kept by a cache, unless somebody says so. */
static const char exchange_no_store[] = "Cache-Control: no-store\r\n";

/* The head of an answer; `length` is the header that tells how long the body is. */
static void exchange_head(struct exchange *x, int status, const char *type, const char *cache,
                          const char *extra, const char *length)
{
    if (buf_reserve(&x->out, LWS_PRE + EXCHANGE_HEADER))
        x->out.len = LWS_PRE;
    buf_printf(&x->out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\n%s\r\n%s%s%s%s\r\n", status,
               exchange_status_text(status), type, length, exchange_always, cache, extra,
               x->close ? "Connection: close\r\n" : "");
    x->sent = LWS_PRE;
    x->ready = true;
    lws_callback_on_writable(x->connection->wsi);
}

static void exchange_answer(struct exchange *x, int status, const char *type, const char *cache,
                            const char *extra, struct buf *body)
{
    char length[64];
    if (!x->ready && x->connection->wsi) {
        snprintf(length, sizeof(length), "Content-Length: %zu", body->len);
        exchange_head(x, status, type, cache, extra, length);
        if (!x->head)
            buf_append(&x->out, body->data, body->len);
        if (body->failed)
            x->out.failed = true;
    }
    buf_free(body);
}

void exchange_send_pieces(struct exchange *x, const char *type, exchange_more_fn *more, void *source,
                          loop_fn *source_free)
{
    x->source = source;
    x->source_free = source_free;
    if (x->ready || !x->connection->wsi)
        return;
    exchange_head(x, 200, type, exchange_no_store, "", "Transfer-Encoding: chunked");
    x->more = x->head ? NULL : more;
}

void exchange_send(struct exchange *x, int status, const char *type, struct buf *body)
{
    exchange_answer(x, status, type, exchange_no_store, "", body);
}

void exchange_send_file(struct exchange *x, const char *type, bool forever, const char *data, size_t len)
{
    struct buf body = {0};
    buf_append(&body, data, len);
    exchange_answer(x, 200, type,
                    forever ? "Cache-Control: public, max-age=31536000, immutable\r\n"
                            : "Cache-Control: no-cache\r\n",
                    "", &body);
}

void exchange_send_json(struct exchange *x, int status, struct buf *body)
{
    exchange_answer(x, status, "application/json", exchange_no_store, "", body);
}

void exchange_refuse(struct exchange *x, int status, const char *code, const char *extra, const char *message)
{
    struct buf body = {0};
    edge_write_error(&body, code, message);
    exchange_answer(x, status, "application/json", exchange_no_store, extra, &body);
}

void exchange_fail(struct exchange *x, const struct err *err)
{
    exchange_refuse(x, edge_status(err->code), err_code_name(err->code), "", err->text);
}

/* The next piece as a chunk in `out`; an empty chunk is the end. */
static void exchange_next_piece(struct exchange *x)
{
    struct buf piece = {0};
    bool more = x->more(x->source, &piece);
    x->out.len = x->sent = LWS_PRE;
    if (piece.len) {
        buf_printf(&x->out, "%zx\r\n", piece.len);
        buf_append(&x->out, piece.data, piece.len);
        buf_puts(&x->out, "\r\n");
    }
    if (!more) {
        buf_puts(&x->out, "0\r\n\r\n");
        x->more = NULL;
    }
    if (piece.failed)
        x->out.failed = true;
    buf_free(&piece);
}

/* 1: all of `out` is sent. */
static int exchange_write(struct exchange *x)
{
    struct lws *wsi = x->connection->wsi;
    while (x->sent < x->out.len) {
        if (lws_send_pipe_choked(wsi)) {
            lws_set_timeout(wsi, PENDING_TIMEOUT_HTTP_CONTENT, EDGE_SEND_S);
            lws_callback_on_writable(wsi);
            return 0;
        }
        size_t n = x->out.len - x->sent;
        if (n > EXCHANGE_PIECE)
            n = EXCHANGE_PIECE;
        if (lws_write(wsi, (unsigned char *)x->out.data + x->sent, n, LWS_WRITE_HTTP) < (int)n)
            return -1;
        x->sent += n;
    }
    return 1;
}

int exchange_pump(struct exchange *x)
{
    uint64_t began = clock_mono_us();
    for (;;) {
        if (x->out.failed || !x->connection->wsi)
            return -1;
        int rc = exchange_write(x);
        if (rc <= 0 || !x->more)
            return rc;
        if (clock_mono_us() - began > EXCHANGE_TURN_US) {
            lws_callback_on_writable(x->connection->wsi);
            return 0;
        }
        exchange_next_piece(x);
    }
}
