/* scope.h: one that speaks within an execution: a document of a bundle, or a whole flow.
 *
 * Documents go out at the same time and are told of one after the other: a scope that is held keeps what
 * it has to say until it is its turn. It also knows its writes and the conflicts it met. Owned by the ctx
 * of its cell (ctx_scope_new); loop thread only. */
#pragma once

#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct execution;
struct said;

/* What is known of the writes of a scope, those of a dry-run aside. */
enum scope_writes {
    SCOPE_NOTHING_WRITTEN,
    SCOPE_WRITTEN,  /* every write has its answer, and one changed something */
    SCOPE_IN_DOUBT, /* a write was sent and its answer has not come: yet, or for good */
};

struct scope {
    struct execution *execution;
    bool held;
    STAILQ_HEAD(said_list, said) said; /* while held */
    size_t said_bytes;
    unsigned writing;      /* under way */
    bool written, doubted; /* one was answered well; the last one that ended got no answer */
    struct event_conflict *conflicts;
    size_t conflict_count;
};

/* A plain value; scope_close() frees what it holds, unsaid. */
void scope_open(struct scope *scope, struct execution *execution, bool held);
void scope_close(struct scope *scope);

/* Its turn: says what was held, and from now on at once. */
void scope_speak(struct scope *scope);

/* A line of text (newlines make several) and a phase. */
void scope_line(struct scope *scope, enum event_stream stream, const char *text);
void scope_phase(struct scope *scope, const char *name, const char *detail, size_t progress, size_t total);

/* Does it hold so much that a script must not say more before its turn? */
enum { SCOPE_HELD_BYTES = 1024 * 1024 };
bool scope_full(const struct scope *scope);

enum scope_writes scope_writes(const struct scope *scope);

/* Notes a field that somebody else owns; copies. More than 100 are not kept. */
void scope_conflict(struct scope *scope, const struct event_conflict *conflict);
/* The conflicts that were noted since the last call; the caller frees them and their strings. */
struct event_conflict *scope_take_conflicts(struct scope *scope, size_t *count);
