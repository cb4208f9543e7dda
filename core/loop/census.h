/* census.h: who descends from which child, read from /proc.
 *
 * A process belongs to a child's family by its session or group, by its parent, by having belonged to it
 * before, or, as an orphan of ours (the host is its children's reaper), by a mark in its environment. So one
 * that has left session, group and parent is found too. Everything here blocks: it is for the pool. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { CENSUS_MARK = 64 };

struct census_member {
    pid_t pid;
    uint64_t start; /* when it began: with pid, which process it is */
    bool told;      /* it was sent a signal already */
    char *command;  /* its command line, where it was asked for; else NULL */
};

struct census_family {
    pid_t root;                    /* the child; not reaped while it is asked for */
    char mark[CENSUS_MARK];        /* "NAME=value" */
    int signum;                    /* what its members are sent; 0: they are only counted */
    bool named;                    /* command lines are wanted */
    struct census_member *members; /* those known before; afterwards those alive */
    size_t count;
};

/* Counts all families, and sends each member its signal: SIGKILL always, another one once and not to the
 * root's own group, which was sent it as a whole. -1 where /proc cannot be read (no file descriptor is left,
 * say): then the families are as they were. */
int census_take(struct census_family *families, size_t count);

void census_clear(struct census_family *family); /* frees the members */
