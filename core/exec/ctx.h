/* ctx.h: the scripts' API: what a handler's `ctx` can do, in a cell of an execution.
 *
 * The primitives are C (calls to the cluster through the gate, lines, phases, sleep); what is made of
 * them (apply, try …) is Lua in scripts/lib/ctx.lua. Owned by whoever runs the cell; freed after it. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

struct cell;
struct cluster;
struct ctx;
struct event_conflict;
struct event_counts;
struct execution;

/* For a cell that was just made; the cluster may not go away first. */
struct ctx *ctx_new(struct cell *cell, struct execution *execution, struct cluster *cluster);
void ctx_free(struct ctx *ctx);

/* Pushes the ctx object; made at the first call in the cell. May raise. */
void ctx_push(lua_State *L);

/* What is known of the writes since ctx_forget_writes(), those of a dry-run aside. */
enum ctx_writes {
    CTX_NOTHING_WRITTEN,
    CTX_WRITTEN,  /* every write has its answer, and one changed something */
    CTX_IN_DOUBT, /* a write was sent and its answer has not come: yet, or for good */
};
enum ctx_writes ctx_writes(const struct ctx *ctx);
void ctx_forget_writes(struct ctx *ctx);

/* The conflicts that were noted since the last call; the caller frees them and their strings. */
struct event_conflict *ctx_take_conflicts(struct ctx *ctx, size_t *count);

/* What scripts counted by ctx:changed(). */
const struct event_counts *ctx_counts(const struct ctx *ctx);

/* Adds one to the count that `outcome` names; false for another word. */
bool ctx_count(struct ctx *ctx, const char *outcome);
