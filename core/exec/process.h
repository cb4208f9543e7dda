/* process.h: one command on its way: found in a fixed PATH, in a folder and an environment that the operator
 * allows (shell.h) and a group of its own, its output as lines, within limits of time, output and processes.
 *
 * What runs as an execution of its own (runner.c) and what a flow runs (ctx:exec) goes out this way. Freed
 * by its owner; loop thread only. */
#pragma once

#include "exec/event.h"

#include <stddef.h>

struct err;
struct loop;
struct process;
struct shell;

struct process_options {
    struct loop *loop;
    const struct shell *shell;    /* as long as the process */
    const char *command, *folder; /* folder "": home */
    char *const *args;            /* without the command; ends with NULL */
    const char *input;            /* its standard input; NULL: none */
    size_t input_len;
    void (*line)(void *arg, enum event_stream stream, const char *text, size_t len, size_t dropped);
    /* Bytes of its standard output as they come; may be NULL. */
    void (*output)(void *arg, const char *data, size_t len);
    /* Once, last: the code (128 + N where signal N ended it) and the signal or 0; `limit` is what it was
     * stopped for where it went beyond what the operator allows, else NULL. */
    void (*end)(void *arg, int code, int signal, const struct err *limit);
    void *arg;
};

/* NULL with err, and the exit code that stands for it in *code: 127 not found, 126 not executable, 125. */
struct process *process_start(const struct process_options *options, int *code, struct err *err);

/* SIGTERM to it and all that descend from it, SIGKILL 5 s later. */
void process_stop(struct process *process);
/* SIGKILL. `end` follows. */
void process_kill(struct process *process);

/* One that still runs is killed, without a word. */
void process_free(struct process *process);
