/* watch.h: the objects of a collection as they are, then as they change, for as long as it takes.
 *
 * A watch lists (in pages), says that it is in step, and then follows the server's changes. It comes
 * back by itself, from where it was, when a connection ends, breaks or falls silent, and lists again
 * where the server no longer knows that place (410). It ends only for what waiting does not cure: a
 * request that is refused (4xx), an object beyond all size.
 *
 * The owner keeps it until kube_watch_stop(), which may be called at any time, from inside its callbacks
 * as well; freeing the clusters ends it, too. Callbacks run from the loop, never inside start or stop,
 * and a few milliseconds of them a turn: what comes faster waits at the server. Loop thread only. */
#pragma once

#include "base/err.h"
#include "base/json-span.h"

struct cluster;
struct kube_watch;

enum kube_watch_type {
    KUBE_WATCH_ITEM,   /* an object of the list. A list's items may lack kind and apiVersion */
    KUBE_WATCH_SYNCED, /* that was all of them */
    KUBE_WATCH_ADDED,  /* an object is new, or came to match the selector */
    KUBE_WATCH_MODIFIED,
    KUBE_WATCH_DELETED, /* its last state; also when it no longer matches the selector */
    KUBE_WATCH_RESTART, /* forget every object: items come again, then KUBE_WATCH_SYNCED */
    KUBE_WATCH_LOST,    /* out of touch, `message` says why; trying again. May come several times */
    KUBE_WATCH_BACK,    /* in touch again, after KUBE_WATCH_LOST */
};

struct kube_watch_event {
    enum kube_watch_type type;
    struct json_span object;  /* of ITEM, ADDED, MODIFIED, DELETED; lives during the callback */
    struct json_span columns; /* of SYNCED, where a Table was listed: its columnDefinitions */
    const char *message;      /* of LOST; else "" */
};

struct kube_watch_options {
    const char *path;             /* a collection, kube_path(kind, ns, NULL) */
    const char *query;            /* "fieldSelector=metadata.name%3Dweb", encoded; or NULL */
    const char *accept;           /* NULL: application/json. As a Table, an item is a row, an event's
                                   * object a Table of one, and SYNCED tells the columns */
    const char *resource_version; /* NULL or "": lists first; else follows from there, without items */
    unsigned silence_ms;          /* without a byte for so long is lost; 0: 120,000 (bookmarks come in 60) */
    void (*on_event)(void *arg, const struct kube_watch_event *event);
    void (*on_fail)(void *arg, const struct err *err); /* it is over; nothing is called any more */
    void *arg;
};

/* Copies the options. NULL with err where there is nothing to watch in them, or no memory. */
struct kube_watch *kube_watch_start(struct cluster *cluster, const struct kube_watch_options *options,
                                    struct err *err);
void kube_watch_stop(struct kube_watch **watch); /* sets *watch to NULL; NULL inside is fine */
