/* ctx.h: the scripts' API: what a handler's or flow's `ctx` can do, in a cell of an execution.
 *
 * The primitives are C (calls to the cluster through the gate, lines, phases, sleep); what is made of
 * them (apply, try …) is Lua in scripts/lib/ctx.lua. Owned by whoever runs the cell; freed after it. */
#pragma once

#include "exec/scope.h"

#include <lua.h>
#include <stdbool.h>

struct cell;
struct cluster;
struct ctx;

/* For a cell that was just made; the cluster may not go away first. */
struct ctx *ctx_new(struct cell *cell, struct execution *execution, struct cluster *cluster);
void ctx_free(struct ctx *ctx);

/* One more that speaks. It belongs to the ctx: scripts may keep its object until the cell ends. */
struct scope *ctx_scope_new(struct ctx *ctx, bool held);

/* Pushes a ctx object that speaks through `scope`. May raise. */
void ctx_push(lua_State *L, struct scope *scope);

/* What was counted by ctx:changed() and ctx_count(). */
const struct event_counts *ctx_counts(const struct ctx *ctx);

/* Adds one to the count that `outcome` names, and returns the word, which lives for ever; NULL for another
 * word. */
const char *ctx_count(struct ctx *ctx, const char *outcome);
