/* http-check.h: may this request go any further. The one place that judges.
 *
 * Values in, verdict out: nothing here knows a socket. The order is path, method, Host,
 * Origin, Sec-Fetch-Site, peer, WebSocket, body. A browser tells where a page comes from and
 * cannot be made to lie about it; what tells neither Origin nor Sec-Fetch-Site is no browser. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct exchange;

enum { HTTP_BODY_MAX = 8 * 1024 * 1024, HTTP_MESSAGE = 512 };
#define HTTP_BATCH_PROTOCOL "moonsail.batch.v1"

enum http_route_flags {
    ROUTE_PROBE = 1,     /* for probes: open to any Host and peer */
    ROUTE_WEBSOCKET = 2, /* is an upgrade and nothing else */
    ROUTE_API = 4,       /* other sites may not even read it */
    ROUTE_WATCH = 8,     /* a WebSocket of subscriptions, not of one execution */
};

struct http_route {
    const char *method; /* GET (then HEAD too) or POST */
    const char *path;
    unsigned flags;
    void (*serve)(struct exchange *x); /* NULL for a WebSocket */
};

/* What the client sent; NULL for a header that is not there. */
struct http_facts {
    const char *method, *path;
    const char *host, *origin, *fetch_site;
    const char *upgrade, *ws_version, *ws_key, *ws_protocols;
    const char *content_length, *transfer_encoding;
    const char *peer_refusal; /* why the peer was not admitted; NULL: it was */
};

struct http_rules {
    const struct http_route *routes; /* ends with a NULL path */
    const struct http_route *pages;  /* takes what no route names, but for /api; may be NULL */
    const char *scheme;              /* "http" */
    unsigned port;
    const char *const *allow_hosts, *const *allow_origins; /* end with NULL; may be NULL */
};

struct http_verdict {
    const struct http_route *route; /* NULL: refused, as below */
    bool head, batch;
    size_t body; /* bytes that follow */
    int status;
    const char *code;
    char extra[128]; /* whole header lines to add, with CRLF; or "" */
    char message[HTTP_MESSAGE];
};

void http_check(const struct http_rules *rules, const struct http_facts *facts, struct http_verdict *verdict);
