/* ctx.h: the scripts' API: what a handler's `ctx` can do, in a cell of an execution.
 *
 * The primitives are C (calls to the cluster through the gate, lines, phases, sleep); what is made of
 * them (apply, try …) is Lua in scripts/lib/ctx.lua. Owned by whoever runs the cell; freed after it. */
#pragma once

#include <lua.h>
#include <stdbool.h>

struct cell;
struct cluster;
struct ctx;
struct event_counts;
struct execution;

/* For a cell that was just made; the cluster may not go away first. */
struct ctx *ctx_new(struct cell *cell, struct execution *execution, struct cluster *cluster);
void ctx_free(struct ctx *ctx);

/* Pushes the ctx object; made at the first call in the cell. May raise. */
void ctx_push(lua_State *L);

/* Is a write under way whose answer has not come? Then its object is in doubt. */
bool ctx_writing(const struct ctx *ctx);

/* What scripts counted by ctx:changed(). */
const struct event_counts *ctx_counts(const struct ctx *ctx);

/* Adds one to the count that `outcome` names; false for another word. */
bool ctx_count(struct ctx *ctx, const char *outcome);
