/* demo-internal.h: what the files of demo/ share.
 *
 * server.c turns HTTP into struct demo_request and an answer back into HTTP, script.c lets
 * scripts/demo say what a request means, store.c keeps the objects. Loop thread only. */
#pragma once

#include "base/buf.h"
#include "demo/demo.h"
#include "demo/store.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct cell;
struct demo_server;
struct loop;
struct timer;

enum {
    DEMO_BODY_BYTES = 3 * 1024 * 1024, /* as kube-apiserver */
    DEMO_CONNECTIONS = 1000,
};

struct demo {
    struct loop *loop;
    struct store *store;
    struct cell *cell;
    char *scripts;     /* the folder with the Lua files */
    char *token, *old; /* what a client must show; which kinds are served in their old version only */
    char *kubeconfig, *folder;
    int lock;        /* of the folder, a descriptor */
    bool own_folder; /* a temporary one: goes with the process */
    struct demo_server *server;
    struct timer *due;
    struct buf scratch; /* texts on their way into Lua; freed here, whatever Lua raises */
};

struct demo_request {
    const char *method, *path;
    const char *query; /* "name=value" texts, each NUL-terminated, decoded */
    size_t query_len;
    const char *accept, *content_type, *user_agent;
    const char *body;
    size_t body_len;
};

/* What a watch shows. `script` where each event passes Lua: a selector, another version, a Table. With
 * `poll_ms` it shows no changes: scripts/demo is asked again and again for more (of a Pod's log). */
struct demo_watch {
    char *resource, *ns; /* ns NULL: all */
    char *spec;          /* JSON that scripts/demo made and gets back with each event */
    uint64_t revision;   /* shown up to here */
    uint64_t timeout_ms, poll_ms;
    bool script, bookmarks;
};

struct demo_answer {
    int status;
    const char *type;          /* of the body */
    struct buf body, warnings; /* warnings: texts, each NUL-terminated */
    struct demo_watch *watch;  /* goes on after the body, an event a line */
};

/* ---- script.c ---- */

int demo_script_open(struct demo *demo, struct err *err);
void demo_script_close(struct demo *demo);

/* Never fails: what goes wrong is an answer with 500. */
void demo_handle(struct demo *demo, const struct demo_request *request, struct demo_answer *answer);
void demo_watch_free(struct demo_watch **watch);

/* What a client of `watch` reads of a change; nothing where it does not concern it. -1 with err. */
int demo_watch_event(struct demo *demo, const struct demo_watch *watch, const struct store_row *row,
                     struct buf *out, struct err *err);
void demo_watch_bookmark(struct demo *demo, const struct demo_watch *watch, struct buf *out);

/* What has come since the last time, of a watch with poll_ms. False: nothing will come any more. */
bool demo_watch_more(struct demo *demo, struct demo_watch *watch, struct buf *out);

/* Lets the controllers look at what is due, and sets the timer for the next. */
void demo_run_due(void *demo);
void demo_await_due(struct demo *demo);
int demo_seed(struct demo *demo, struct err *err);

/* A Status as kube-apiserver writes them. */
void demo_write_status(struct buf *out, int code, const char *reason, const char *message);

/* ---- server.c ---- */

struct demo_server *demo_server_new(struct demo *demo, const char *listen, struct err *err);
void demo_server_free(struct demo_server *server);
const char *demo_server_url(const struct demo_server *server);
void demo_server_news(struct demo_server *server); /* something was committed: watches look */
