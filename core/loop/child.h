/* child.h: a process of its own group and session, its output as bytes on the loop.
 *
 * posix_spawn with POSIX_SPAWN_SETSID and a pidfd: uv_spawn would fork, which copies
 * page tables (8 ms at 200 MB of heap). A child has ended when it has exited and both
 * pipes are at their end; a grandchild that holds a pipe is waited for at most
 * CHILD_DRAIN_MS after the exit. One that was told to end by a signal has ended only when
 * nobody of its group is left. Loop thread only. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct child;
struct err;
struct loop;

enum { CHILD_DRAIN_MS = 2000 };
enum child_stream { CHILD_STDOUT = 1, CHILD_STDERR = 2 };

struct child_options {
    const char *path;        /* the file to run; found by the caller, no PATH search here */
    const char *const *argv; /* ends with NULL */
    const char *const *envp; /* ends with NULL; the whole environment */
    const char *cwd;         /* NULL: the host's */
    int stdin_fd;            /* its standard input; 0: nothing. Stays the caller's */
    /* Bytes as they come; what they mean (lines) is the caller's business. */
    void (*on_output)(void *arg, enum child_stream stream, const char *data, size_t len);
    /* Once, last. `status` is wait()'s; `held_open` says that a pipe was given up. */
    void (*on_end)(void *arg, int status, int held_open);
    void *arg;
};

/* NULL with err (ERR_NOT_FOUND: no such file, ERR_FORBIDDEN: not executable). The
 * child frees itself after on_end. */
struct child *child_spawn(struct loop *loop, const struct child_options *options, struct err *err);

pid_t child_pid(const struct child *child);

/* A signal to the whole group, which is to end; valid until on_end, also after the exit. */
void child_signal(struct child *child, int signum);

/* Kills the group and forgets the callbacks: for an owner that goes away first. */
void child_abandon(struct child *child);
