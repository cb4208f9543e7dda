/* journal-internal.h: what journal.c (events and views) and journal-logs.c (a look at the lines) share. */
#pragma once

#include "exec/event-json.h"
#include "exec/journal.h"

#include <sys/queue.h>

struct archive_piece;
struct deferred;
struct segments;

struct entry {
    char *json; /* with a newline behind it */
    uint32_t len;
};

struct journal_view {
    TAILQ_ENTRY(journal_view) link;
    struct journal *journal;
    uint64_t next;
    uint64_t file, offset; /* where `next` lies in the journal's files; file 0: not known */
    void (*news)(void *arg);
    void *arg;
    struct deferred *told; /* news is on its way */
    bool waiting;          /* in the list of those that have read everything */
    struct buf gap;
};

TAILQ_HEAD(view_list, journal_view);

struct journal {
    struct loop *loop;
    struct event_door door;
    char *id;
    /* The tail: a ring of `room` entries (a power of two), `count` of them used, the first one with seq
     * `first`. */
    struct entry *ring;
    size_t room, head, count, bytes;
    uint64_t first;
    bool ended, damaged; /* damaged: the log says so */
    struct buf scratch;
    /* Views that have read everything: only these are told of something new, so an event costs
     * nothing for a viewer that lags. */
    struct view_list waiting;
    struct archive *archive;   /* NULL: in memory only */
    struct segments *segments; /* its files */
    size_t tail_lines, tail_bytes;
    uint64_t written;       /* all up to this seq that the disk took */
    uint64_t retry_at;      /* mono ms: the disk refused, and is asked again then */
    struct deferred *flush; /* the batch of this turn */
};

static inline struct entry *journal_entry(const struct journal *j, uint64_t seq)
{
    return &j->ring[(j->head + (size_t)(seq - j->first)) & (j->room - 1)];
}

/* Writes what is in memory only. */
void journal_flush(struct journal *j);

/* Is this line of a file the event `seq` of `id`, as it was written? */
bool journal_is_event(const char *id, uint64_t seq, const char *line, size_t len);
