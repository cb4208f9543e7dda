/* server-internal.h: a connection of the demo cluster, and the watch that may run on it.
 *
 * A connection lives from accept to lws's WSI_DESTROY; its request, answer and watch go with it. */
#pragma once

#include "demo/demo-internal.h"

#include <libwebsockets.h>
#include <sys/queue.h>

enum {
    DEMO_SEND_S = 60,
    DEMO_PIECE = 64 * 1024,
    DEMO_DISCARDED_BYTES = 64 * 1024 * 1024, /* of a refused body; a longer one ends the connection */
    DEMO_WATCH_BATCH = 256 * 1024,           /* bytes of events before others have their turn */
    DEMO_BOOKMARK_MS = 60000,
};

struct demo_refusal;

struct demo_connection {
    TAILQ_ENTRY(demo_connection) link;
    struct demo_server *server;
    struct lws *wsi;
    const char *method;
    char *path;
    char accept[1024], content_type[128], user_agent[256];
    struct buf query, body;
    const struct demo_refusal *refusal; /* what the request gets once its body was read */
    bool head, waiting, ready, close;
    struct buf out; /* LWS_PRE bytes of room, then what is to be sent */
    size_t sent;
    struct demo_watch *watch;
    struct timer *timer; /* the watch's next bookmark or poll, or its end */
    uint64_t until;      /* clock_mono_ms */
    bool due, end;       /* a bookmark or a poll is; the watch is over */
};

struct demo_server {
    struct demo *demo;
    struct lws_context *context;
    struct lws_vhost *vhost;
    struct lws_protocols protocols[2];
    TAILQ_HEAD(, demo_connection) connections;
    size_t count;
    char *url;
};

/* ---- watch.c ---- */

void demo_watch_begin(struct demo_connection *c);

/* All is sent: puts what is new into `out`. False: nothing is. Once the watch is over its end is put
 * there, and c->watch is NULL. */
bool demo_watch_fill(struct demo_connection *c);
