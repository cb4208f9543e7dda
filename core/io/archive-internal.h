/* archive-internal.h: what archive.c (the folder) and segments.c (one journal in it) share. */
#pragma once

#include "io/archive.h"

#define ARCHIVE_SUFFIX ".jsonl"
#define ARCHIVE_LEDGER "ledger"

struct archive {
    char *dir;
    uint64_t most;
    bool refuses; /* the disk did so last, and the log says it */
    struct archive_piece piece;
};

uint64_t archive_number(const char *name, const char *end);

/* The folder of a journal; -1 with errno. */
int archive_make(const struct archive *archive, const char *folder);
