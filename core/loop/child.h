/* child.h: a process of its own group and session, its output as bytes on the loop.
 *
 * posix_spawn with POSIX_SPAWN_SETSID and a pidfd: uv_spawn would fork, which copies
 * page tables (8 ms at 200 MB of heap). A child has ended when it has exited and both
 * pipes are at their end; a grandchild that holds a pipe is waited for at most
 * CHILD_DRAIN_MS after the exit. One that was told to end by a signal has ended only when
 * nobody is left of its family (census.h): whoever descends from it, also outside of its group
 * and session. From the first child on this process is the reaper of its orphans; one loop a
 * process has children. Loop thread only. */
#pragma once

#include <stddef.h>
#include <sys/types.h>

struct child;
struct err;
struct loop;

enum { CHILD_DRAIN_MS = 2000 };
enum child_stream { CHILD_STDOUT = 1, CHILD_STDERR = 2 };

/* In the environment of each child, with a value of its own: what its orphans are known by. */
#define CHILD_MARK "MOONSAIL_CHILD"

struct child_options {
    const char *path;        /* the file to run; found by the caller, no PATH search here */
    const char *const *argv; /* ends with NULL */
    const char *const *envp; /* ends with NULL; the whole environment, but for CHILD_MARK */
    const char *cwd;         /* NULL: the host's */
    int stdin_fd;            /* its standard input; 0: nothing. Stays the caller's */
    /* Bytes as they come; what they mean (lines) is the caller's business. */
    void (*on_output)(void *arg, enum child_stream stream, const char *data, size_t len);
    /* About once a second, how many processes of its family are alive; NULL: they are not counted. */
    void (*on_count)(void *arg, size_t count);
    /* Before on_end, each process that was killed and does not end; may be NULL. */
    void (*on_left)(void *arg, pid_t pid, const char *command);
    /* Once, last. `status` is wait()'s; `held_open` says that a pipe was given up. */
    void (*on_end)(void *arg, int status, int held_open);
    void *arg;
};

/* NULL with err (ERR_NOT_FOUND: no such file, ERR_FORBIDDEN: not executable). The
 * child frees itself after on_end. */
struct child *child_spawn(struct loop *loop, const struct child_options *options, struct err *err);

pid_t child_pid(const struct child *child);

/* A signal to the whole family, which is to end; valid until on_end, also after the exit. */
void child_signal(struct child *child, int signum);

/* Kills the family and forgets the callbacks: for an owner that goes away first. */
void child_abandon(struct child *child);

/* Kills every child's family and waits for it, without a turn of the loop: for a process that ends now. */
void children_end(struct loop *loop);
/* For loop_close(): the same, and frees the abandoned ones. */
void children_close(struct loop *loop);
