/* http.h: an HTTP client on the loop: one pool of connections with one set of
 * credentials for TLS. Over libcurl's multi interface. Loop thread only.
 *
 * Short calls share HTTP/2 connections; a stream (a watch, a log) has an HTTP/1.1
 * connection of its own. A call belongs to the client until its `done` ran or
 * http_cancel(); the strings of an answer live only during `done`. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct loop;
struct http_client;
struct http_call;

struct http_options {
    const char *ca_pem, *cert_pem, *key_pem; /* PEM text or NULL; no files */
    const char *server_name;        /* name that TLS asks for and checks instead of the URL's; or NULL */
    const char *proxy;              /* http://, https:// or socks5:// URL; NULL: none */
    bool insecure;                  /* do not verify the server */
    unsigned connect_ms, answer_ms; /* 0: 5,000 and 30,000 */
};

struct http_client *http_client_new(struct loop *loop, const struct http_options *options, struct err *err);
/* Cancels what is under way; no `done` is called any more. */
void http_client_free(struct http_client *client);

struct http_answer {
    int status;            /* 0: no answer, `err` says why */
    const struct err *err; /* ERR_UNAVAILABLE, ERR_TIMEOUT, ERR_TOO_LARGE … ; NULL with a status */
    bool sent;             /* without an answer: the request may have reached the server */
    const char *body;      /* NUL-terminated */
    size_t body_len;
    const char *content_type;    /* "" if none */
    int retry_after;             /* seconds, -1 if the header is not there */
    const char *const *warnings; /* texts of Warning: headers (299 - "text"), ends with NULL */
};

struct http_request {
    const char *method, *url;
    const char *const *headers; /* "Name: value", ends with NULL; may be NULL */
    const void *body;           /* copied; NULL for none */
    size_t body_len;
    unsigned answer_ms; /* 0: the client's. For a stream: the longest silence allowed */
    size_t max_body;    /* 0: 64 MiB */
    /* Set for a stream: bytes of a 2xx body as they come; `done` then has no body. */
    void (*on_data)(void *arg, const char *data, size_t len);
    void (*on_open)(void *arg); /* of a stream, or NULL: a 2xx answer has begun */
    void (*done)(void *arg, const struct http_answer *answer); /* once, never from inside http_send() */
    void *arg;
};

/* NULL with err only for what is wrong with the request itself. */
struct http_call *http_send(struct http_client *client, const struct http_request *request, struct err *err);

/* Gives up a call: `done` is not called. Sets *call to NULL. Its stream is reset, and the others on the
 * connection go on; libcurl 7.88 sends that reset with the connection's next bytes. */
void http_cancel(struct http_call **call);

/* Holds a stream's bytes back, so that the server has to wait, or lets them come again. What was read
 * already (a few hundred KiB) may still be handed out, and a paused stream is never called silent. */
void http_pause(struct http_call *call, bool paused);
