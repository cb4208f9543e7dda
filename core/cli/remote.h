/* remote.h: a running host as the command line sees it: one execution over its WebSocket.
 *
 * Connects, sends the start request, hands every event on as the JSON that came. A connection
 * lost in the middle is taken up again with `attach` after the last seq, for 60 s. Loop thread only. */
#pragma once

#include <stddef.h>

struct err;
struct loop;
struct remote;

struct remote_options {
    struct loop *loop;
    const char *server; /* http://HOST:PORT */
    const char *token;  /* bearer token or NULL */
    const char *start;  /* the start request as JSON … */
    size_t start_len;
    const char *attach; /* … or, instead, the id of an execution to watch, from after `after_seq` */
    unsigned long long after_seq;
    void (*event)(void *arg, const char *json, size_t len); /* one event */
    void (*note)(void *arg, const char *text);              /* "connection lost, trying again" */
    /* Once: NULL after `complete` or `error` was handed on; else why there is no host. */
    void (*end)(void *arg, const struct err *err);
    void *arg;
};

struct remote *remote_start(const struct remote_options *options, struct err *err);
void remote_cancel(struct remote *remote); /* asks the host to cancel; events go on */
void remote_free(struct remote **remote);
