/* host.h: the pieces of a host put together: what serve and an apply in its own process share. */
#pragma once

#include "cli/history-settings.h"
#include "exec/shell.h"

#include <stdbool.h>

struct clusters;
struct err;
struct demo_child;
struct executions;
struct history;
struct loop;
struct packs;
struct redactor;

struct host_options {
    const char *kubeconfig, *context;
    const char *const *scripts; /* folders of the operator, ends with NULL */
    struct shell shell;
    unsigned max_running;
    /* Where the demo cluster keeps its objects, if this host may start one; NULL: it may not. It does
     * where no cluster is named or found, or, with demo_always, in any case. */
    const char *demo_data;
    bool demo_always;
    struct history_settings history; /* zeroed: none */
};

/* main's one struct. */
struct host {
    struct loop *loop;
    struct redactor *redactor;
    struct clusters *clusters;
    struct packs *packs;
    struct history *history; /* NULL: off, or the disk refuses it */
    struct executions *executions;
    struct demo_child *demo; /* where this host has started one */
};

/* 0, or -1 with err; host_close() in both cases. */
int host_open(struct host *host, const struct host_options *options, struct err *err);
/* Frees everything; returns how many libuv handles were left open: 0. */
int host_close(struct host *host);

/* The folder with the shipped resources/ and scripts/: beside the installed binary or in its build
 * tree. The caller frees; NULL with err. */
char *host_shipped(struct err *err);

/* The folder of the panel that was built; the caller frees; NULL where none was. */
char *host_panel(void);
