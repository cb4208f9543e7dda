/* child-internal.h: what child.c (one of them) and children.c (all of a loop) share. */
#pragma once

#include "loop/census.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <sys/queue.h>
#include <uv.h>

struct children;

struct child_pipe {
    uv_poll_t uv;
    int fd;
    struct child *child;
    enum child_stream stream;
    bool open;
};

struct child {
    LIST_ENTRY(child) link;
    struct children *set;
    struct loop *loop;
    struct child_options options; /* only the callbacks are looked at after the spawn */
    pid_t pid;
    int pidfd, status;
    char mark[CENSUS_MARK];
    uv_poll_t exit;
    struct child_pipe out, err;
    struct timer *drain;
    bool exited;       /* and not reaped: its number stays taken, so the group can be signalled */
    int signum;        /* its family was told to end: then all of it must; 0: it was not */
    uint64_t given_up; /* clock_mono_ms from which on nobody is waited for; 0: not killed */
    bool held_open, abandoned;
    int handles; /* libuv handles that are not closed yet */
    /* Who is alive of its family, as the last census found it. */
    struct census_member *members;
    size_t count;
    bool asked;     /* a census is under way that counts it */
    bool stale;     /* something has happened since the last one began */
    unsigned empty; /* censuses in a row that found nobody */
};

/* The loop's children; made at the first one. */
struct children *children_of(struct loop *loop);
void children_add(struct children *set, struct child *child);
void children_remove(struct child *child); /* before it is reaped */
/* Reaps what has ended and is not in the set: orphans that came to this process. */
void children_reap(struct children *set);

/* Counts families soon, or again when the census that is under way has ended. One of the others follows;
 * one that could not be counted is tried again after a pause. */
void children_look(struct children *set);
void child_counted(struct child *child);
void child_not_counted(struct child *child);

/* Ends it without another turn of the loop; its family is dead. */
void child_close(struct child *child);

void child_set_members(struct child *child, struct census_member *members, size_t count);
