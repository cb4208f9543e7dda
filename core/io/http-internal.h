/* http-internal.h: what the files of the HTTP client share.
 *
 * A client has two pools: short calls (HTTP/2, shared connections) and streams
 * (HTTP/1.1, one connection each). They are apart because curl keeps one mark a
 * host for "can multiplex", which a stream would spoil. A pool is a curl multi
 * handle on the loop. No code of a caller runs inside curl: the callbacks only
 * write things down, and pool_settle() hands them out when curl has returned. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/http.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <stdlib.h>
#include <sys/queue.h>

enum {
    HTTP_CONNECT_MS = 5000,
    HTTP_ANSWER_MS = 30000,
    HTTP_MAX_BODY = 64 * 1024 * 1024,
    HTTP_MAX_PIECE = 256 * 1024,   /* of a stream, before its caller gets it */
    HTTP_MAX_HEADERS = 256 * 1024, /* bytes of one answer's headers */
    HTTP_MAX_WARNINGS = 64,
    HTTP_MAX_CONNECTIONS = 32, /* of short calls; those beyond wait for one */
    HTTP_MAX_STREAMS = 1000,   /* on one of HTTP/2, if the server allows; beyond, curl connects again */
    HTTP_DEAD_PATH_MS = 20000, /* unacknowledged for so long: the connection is dead */
};

struct http_socket {
    LIST_ENTRY(http_socket) link;
    uv_poll_t poll;
    struct http_pool *pool;
    curl_socket_t fd;
};

LIST_HEAD(http_sockets, http_socket);
TAILQ_HEAD(http_calls, http_call);

struct http_pool {
    struct http_client *client;
    CURLM *multi;
    uv_timer_t timer;
    struct http_sockets sockets;
    struct http_calls calls; /* every call that did not run `done` yet */
    struct http_calls ready; /* those that have something for their caller */
    TAILQ_ENTRY(http_pool) link;
    uint64_t opened_ms; /* when it last began to connect somewhere */
    bool streams;
    bool retired; /* takes no new calls; goes with its last one */
    bool closed;  /* only its memory is left, until libuv has closed the handles */
    bool settling;
};

TAILQ_HEAD(http_pools, http_pool);

struct http_client {
    struct loop *loop;
    struct http_pools pools;
    char *ca_pem, *cert_pem, *key_pem, *server_name, *proxy;
    bool insecure;
    unsigned connect_ms, answer_ms;
};

/* What an answer says beside its body. */
struct http_head {
    int status;
    int retry_after;
    char *content_type;
    size_t bytes;
    size_t warning_count;
    char *warnings[HTTP_MAX_WARNINGS + 1];
};

struct http_call {
    TAILQ_ENTRY(http_call) link, ready_link;
    struct http_pool *pool; /* NULL once the client let go of it */
    CURL *easy;
    struct curl_slist *headers, *connect_to;
    char *body, *origin, *host;
    struct timer *limit;
    uint64_t started_ms, heard_ms;
    unsigned answer_ms;
    size_t max_body;
    bool repeatable; /* asking twice does no harm: GET, HEAD */
    bool refused;    /* the server said that it did not touch the request */
    bool on_wire;    /* bytes of the request left curl */
    bool too_large, queued, busy, dropped, finished;
    bool open, told_open; /* a stream's 2xx head has come; its caller knows */
    bool paused;          /* the caller wants no more of the stream */
    bool held;            /* curl keeps bytes that it could not give */
    unsigned stream_id;   /* of HTTP/2 */
    int local_port;       /* tells which connection carries it */
    curl_socket_t fd;     /* the last one that it opened */
    unsigned attempts;    /* connections that were ready to carry it */
    struct http_head head;
    struct buf received; /* the body, or what of a stream was not handed out yet */
    struct err err;      /* text "" while all is well */
    char curl_error[CURL_ERROR_SIZE];
    void (*on_data)(void *, const char *, size_t);
    void (*on_open)(void *);
    void (*done)(void *, const struct http_answer *);
    void *arg;
};

/* http-pool.c */
struct http_pool *pool_new(struct http_client *client, bool streams);
void pool_close(struct http_pool *pool); /* its calls must be gone */
void pool_close_if_done(struct http_pool *pool);
void pool_settle(struct http_pool *pool);
bool pool_is_connected(struct http_pool *pool, curl_socket_t fd);
int pool_close_socket(void *pool, curl_socket_t fd);

/* http.c */
void call_queue(struct http_call *call);
void call_finish(struct http_call *call, CURLcode result);
void call_deliver(struct http_call *call);

/* http-request.c: the curl handle of a call. */
int request_check(const struct http_request *request, struct err *err);
int request_build(struct http_call *call, const struct http_client *client,
                  const struct http_request *request, struct err *err);

/* http-answer.c */
void head_clear(struct http_head *head);
int head_line(struct http_head *head, const char *line, size_t len); /* -1: too much of it */
void head_warnings(struct http_head *head, const char *value);

/* http-error.c: sentences. */
void error_of_result(struct http_call *call, CURLcode result);
void error_no_connection(struct http_call *call, unsigned ms);
void error_no_answer(struct http_call *call);

/* http-tls.c: refuses PEM texts that cannot work, before any call. */
int tls_check(const struct http_options *options, struct err *err);
