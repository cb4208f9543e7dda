/* watch-internal.h: GET /api/watch, what somebody looks at, kept up to date.
 *
 * A topic is one thing that is looked at (a list of a cluster, the executions, the scripts, a cluster's
 * health), shared by all who look; it lives as long as there is one. A sub is one look at it. Nothing is
 * queued for a sub: it is a place in the topic's order of changes, and reads on from there when its socket
 * takes more. So one that is slow, or never reads, costs what one costs that has read everything. */
#pragma once

#include "edge/edge-internal.h"

#include <sys/queue.h>

struct execution;
struct map;
struct watch_socket;
struct watch_sub;
struct watch_topic;

enum {
    WATCH_SUBS = 64, /* on a socket */
    WATCH_TOPICS = 256,
    WATCH_ID = 64,
    WATCH_MESSAGE_BYTES = 128 * 1024, /* of rows in a message; one row more may go beyond */
    WATCH_ROW_BYTES = 64 * 1024,
    WATCH_ROWS = 20000,
    WATCH_LIST_BYTES = 64 * 1024 * 1024, /* the rows of a topic */
    WATCH_ALL_BYTES = 256 * 1024 * 1024, /* the rows of all of them */
    WATCH_GONE = 1000,                   /* removals that are kept for those who have not heard of them */
};

/* ---- watch-read.c: what a client says ---- */

enum watch_what { WATCH_EXECUTIONS, WATCH_OBJECTS, WATCH_SCRIPTS, WATCH_CLUSTER };

struct watch_request {
    bool unsubscribe;
    enum watch_what what;
    char *id;
    /* NULL where it is not said. */
    char *context, *resource, *ns, *labels, *fields, *status, *mode, *user, *q;
    int64_t since;
    size_t limit;
};

/* 0, or -1 with err. After a failure `id` may be set: the refusal is that subscription's. */
int watch_request_read(struct watch_request *out, const char *text, size_t len, struct err *err);
void watch_request_free(struct watch_request *request);

/* ---- watch-rows.c: rows in the order of their last change ---- */

struct watch_row {
    TAILQ_ENTRY(watch_row) link;
    TAILQ_ENTRY(watch_row) gone_link;
    uint64_t rev; /* of its last change */
    char *key;
    bool gone;   /* a removal, kept for those who know the row */
    bool marked; /* the topic's */
    char *json;  /* what is told; may be NULL */
    size_t len;
    struct execution *execution; /* of an execution that is there; of one that is gone … */
    bool command;                /* … was it one, and `json` its starter */
};

TAILQ_HEAD(watch_row_list, watch_row);

struct watch_rows {
    struct watch_row_list all, removed;
    struct map *by_key;
    uint64_t rev;   /* of the newest change */
    uint64_t floor; /* who has seen less has missed a removal */
    size_t count, gone, bytes;
};

void watch_rows_init(struct watch_rows *rows);
void watch_rows_free(struct watch_rows *rows);
struct watch_row *watch_rows_find(const struct watch_rows *rows, const char *key); /* also a removal */
/* The row of the key, a new one where there is none, as the newest change. */
struct watch_row *watch_rows_touch(struct watch_rows *rows, const char *key);
/* Takes the text over. */
void watch_row_set(struct watch_rows *rows, struct watch_row *row, char *json, size_t len);
/* Makes it a removal, which is told as `json` (taken over). */
void watch_rows_remove(struct watch_rows *rows, struct watch_row *row, char *json, size_t len);
/* Forgets the oldest removals beyond the bound; frees them. */
void watch_rows_bound(struct watch_rows *rows);
/* From here on everybody needs all rows anew. */
void watch_rows_renew(struct watch_rows *rows);
struct watch_row *watch_rows_after(const struct watch_rows *rows, uint64_t rev);

/* ---- subs ---- */

struct watch_sub {
    TAILQ_ENTRY(watch_sub) link; /* on the socket, longest waiting first */
    LIST_ENTRY(watch_sub) same;  /* of the topic */
    struct watch_socket *socket;
    struct watch_topic *topic; /* NULL while its kind is asked for, and once it has failed */
    struct watch_request request;
    struct kube_call *call;
    struct err *failed; /* to be said; then it is gone */
    bool asked_again;   /* the cluster, for a kind that it did not know */
    bool begun;         /* a snapshot was begun … */
    bool complete;      /* … and is told */
    uint64_t seen;      /* what it has been told */
    uint64_t until;     /* the topic's newest change when the snapshot began */
    unsigned state;     /* of the topic's, told */
    char *before;       /* executions: the snapshot's next page begins below it */
    size_t left;
};

struct server *watch_sub_server(const struct watch_sub *sub);
const struct user *watch_sub_user(const struct watch_sub *sub);
/* It ends with this error. */
void watch_sub_fail(struct watch_sub *sub, const struct err *err);

/* Has it missed what is no longer kept? Then, and at its beginning, its snapshot begins: true. */
bool watch_sub_begin(struct watch_sub *sub, const struct watch_rows *rows);
/* The members with which a message begins. */
void watch_sub_head(const struct watch_sub *sub, struct json_writer *w, const char *type);

/* ---- topics ---- */

struct watch_ops {
    unsigned every_ms; /* changes are told no more often */
    /* Writes one message's members; false: there was nothing to say after all. */
    bool (*write)(struct watch_sub *sub, struct json_writer *w);
    void (*free)(struct watch_topic *topic);
};

struct watch_topic {
    LIST_ENTRY(watch_topic) link;
    const struct watch_ops *ops;
    struct watch_hub *hub;
    char *key;
    LIST_HEAD(, watch_sub) subs;
    bool ready;    /* there is something to tell */
    uint64_t rev;  /* the newest change */
    uint64_t told; /* up to here subs may read */
    bool lost;
    char *lost_why;
    unsigned state; /* how often `lost` or its reason has changed */
    struct timer *tick;
};

/* The topic of a key; NULL. */
struct watch_topic *watch_topic_find(struct watch_hub *hub, const char *key);
/* `size` bytes that begin with a topic. NULL with err where there are too many. */
struct watch_topic *watch_topic_new(struct watch_hub *hub, size_t size, const char *key,
                                    const struct watch_ops *ops, struct err *err);
void watch_topic_join(struct watch_topic *topic, struct watch_sub *sub);
void watch_topic_changed(struct watch_topic *topic, uint64_t rev); /* told within every_ms */
void watch_topic_tell(struct watch_topic *topic, uint64_t rev);    /* told now */
void watch_topic_lost(struct watch_topic *topic, const char *why); /* NULL: in touch again */
/* All its subs end with the error, and so does the topic. */
void watch_topic_fail(struct watch_topic *topic, const struct err *err);

struct watch_hub {
    struct server *server;
    LIST_HEAD(, watch_topic) topics;
    size_t topic_count, bytes;
    struct buf out; /* a message that is being made */
};

/* Each joins the sub to its topic, at once or later, or fails it. */
void watch_executions(struct watch_hub *hub, struct watch_sub *sub);
void watch_objects(struct watch_hub *hub, struct watch_sub *sub);
void watch_scripts(struct watch_hub *hub, struct watch_sub *sub);
void watch_cluster(struct watch_hub *hub, struct watch_sub *sub);
