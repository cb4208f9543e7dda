/* edge-internal.h: what the files of edge/ share: the server, its connections, one exchange.
 *
 * A connection lives from accept to lws's WSI_DESTROY and is found through the wsi's opaque
 * pointer; `wsi` in it is NULL once lws has said goodbye, so nobody writes to a dead one. An
 * exchange is one HTTP request on it and its answer, a stream its WebSocket: both belong to the
 * connection and take what they wait for (a kube call, a pool job, a view) down with them. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/json-write.h"
#include "edge/http-check.h"
#include "edge/server.h"
#include "guard/auth.h"
#include "loop/loop.h"

#include <libwebsockets.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/queue.h>

enum {
    EDGE_HANDSHAKE_S = 10,         /* for headers, and for a stream's first message */
    EDGE_ANSWER_S = 60,            /* for an answer that waits for a cluster */
    EDGE_SEND_S = 30,              /* for a reader to take the next piece of an answer */
    EDGE_BODY_S = 120,             /* for a whole body */
    EDGE_LINGER_S = 2,             /* for the rest of a refused body */
    EDGE_REFUSED_CONNECTIONS = 64, /* open ones that were not admitted */
    EDGE_METRICS_CONNECTIONS = 64, /* open ones of the listener for metrics */
    EDGE_CONNECTIONS = 10000,      /* open ones in all */
    EDGE_HEADER_BYTES = 16 * 1024, /* cookies of other programs on localhost come along */
    EDGE_MESSAGE_BYTES = 8 * 1024 * 1024,
    EDGE_FRAME_BYTES = 256 * 1024, /* one batch */
    EDGE_POOL_BYTES = 256 * 1024,  /* longer texts are parsed on the pool */
    EDGE_GOODBYE_MS = 500,         /* for close frames to leave at the end */
};

struct kube_call;
struct listeners;
struct panel;
struct plan;
struct schemas;
struct stream;
struct watch_hub;
struct watch_socket;

struct connection {
    TAILQ_ENTRY(connection) link;
    struct server *server;
    struct lws *wsi;
    struct user user; /* where admitted */
    char *refusal;    /* why not admitted; NULL: admitted */
    bool metrics;     /* of the listener for metrics: whoever that is, and nothing but metrics and probes */
    struct exchange *exchange;
    struct stream *stream; /* a WebSocket is one of these two */
    struct watch_socket *watch;
    bool batch;
    bool watches; /* which of them */
};

TAILQ_HEAD(connection_list, connection);

struct server {
    struct server_options options;
    char **allow_hosts, **allow_origins;
    struct panel *panel;     /* NULL where there is none */
    struct schemas *schemas; /* NULL until somebody asks for one */
    struct watch_hub *watches;
    char *url, *metrics_url;
    unsigned port;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct listeners *listeners;         /* NULL once drained */
    struct listeners *metrics_listeners; /* or NULL */
    struct connection_list connections;
    size_t connection_count, refused_count, metrics_count;
    size_t viewers; /* streams with an execution */
    bool draining;
    unsigned char *frame; /* LWS_PRE + EDGE_FRAME_BYTES and one event; used within one callback */
    struct lws_protocols protocols[3];
};

/* ---- listen.c ---- */

/* Binds what the server's options say, for everything or for metrics alone; sets server->port and url, or
 * metrics_url. NULL with err. */
struct listeners *listeners_open(struct server *server, bool metrics, struct err *err);
void listeners_close(struct listeners **listeners);

/* ---- server.c ---- */

/* Takes an accepted socket over. */
void server_adopt(struct server *server, int fd, bool metrics);

/* ---- exchange.c: one request, one answer ---- */

/* Appends a piece to `out`, some 64 KiB, or nothing where it has looked long enough. False at the end. */
typedef bool exchange_more_fn(void *source, struct buf *out);

struct exchange {
    struct connection *connection;
    const struct http_route *route; /* NULL: refused */
    bool head, ready;
    bool close;        /* the connection ends with the answer … */
    bool body_pending; /* … once what still comes was read: unread, it would reset the answer away */
    bool done;
    char *path;
    struct buf query; /* "name=value" texts, each NUL-terminated, decoded */
    struct buf body;
    size_t body_expected;
    uint64_t body_until; /* clock_mono_ms */
    struct buf out;      /* LWS_PRE bytes of room, then header and body */
    size_t sent;
    char *kept; /* what a route wants to know when it has what it waited for */
    /* An answer of unknown length, in pieces: the next one is asked for when the last is sent. */
    exchange_more_fn *more; /* NULL: `out` is all that comes */
    void *source;
    loop_fn *source_free;
    /* What the answer waits for. */
    struct kube_call *call;
    struct timer *timer;
    struct job *job;
    loop_fn *job_dispose;
    struct plan *plan;
};

/* Reads the request's headers and judges it; what is refused has its answer already. */
struct exchange *exchange_new(struct connection *connection);
void exchange_free(struct exchange **x);

/* Writes what can be written. 1: all is sent, 0: more to come, -1: the connection is lost. */
int exchange_pump(struct exchange *x);

/* The value of a query parameter; NULL where it is not, "" for an empty one. */
const char *exchange_param(const struct exchange *x, const char *name);
/* A number within the bounds; `otherwise` where it is not said. -1 when it was answered with 400. */
int exchange_number(struct exchange *x, const char *name, uint64_t least, uint64_t most, uint64_t otherwise,
                    uint64_t *out);

/* The answer; takes the body's bytes over. */
void exchange_send(struct exchange *x, int status, const char *type, struct buf *body);
void exchange_send_json(struct exchange *x, int status, struct buf *body);
/* 200 with what `more` gives, piece by piece; takes the source over. */
void exchange_send_pieces(struct exchange *x, const char *type, exchange_more_fn *more, void *source,
                          loop_fn *source_free);
void exchange_fail(struct exchange *x, const struct err *err);
void exchange_refuse(struct exchange *x, int status, const char *code, const char *extra,
                     const char *message);

/* {"error":{"code","message"}} */
void edge_write_error(struct buf *out, const char *code, const char *message);
int edge_status(enum err_code code);

/* A file that caches may keep: `forever`, or after asking each time. Copies the bytes. */
void exchange_send_file(struct exchange *x, const char *type, bool forever, const char *data, size_t len);

/* ---- rest.c ---- */

const struct http_route *rest_routes(void);
const struct http_route *rest_metrics_routes(void); /* of the listener for metrics */
const struct http_route *rest_pages(void);          /* for every other address, where there is a panel */

/* ---- socket.c: what every WebSocket does ---- */

/* Adds a piece of a message of at most `most` bytes. 1: it is whole, 0: more to come, -1 with err. */
int socket_gather(struct connection *connection, struct buf *in, const char *data, size_t len, size_t most,
                  struct err *err);
/* Closes with a frame that says why; false: it must be asked again when the pipe is free. */
bool socket_close(struct connection *connection, enum lws_close_status status);

/* ---- stream.c ---- */

struct stream *stream_new(struct connection *connection);
void stream_free(struct stream **stream);
/* Each returns what the lws callback returns: -1 closes. */
int stream_receive(struct stream *stream, const char *data, size_t len);
int stream_writable(struct stream *stream);
int stream_timeout(struct stream *stream);
void stream_goodbye(struct stream *stream); /* the host ends: 1001 */
