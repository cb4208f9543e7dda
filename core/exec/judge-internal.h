/* judge-internal.h: what judge.c (which guardrails, and when) and judge-check.c (one check, inside its cell)
 * share. */
#pragma once

#include "exec/judge.h"

#include <lua.h>

struct cell;
struct map;
struct pack_guardrail;

struct judge_rule {
    unsigned ended; /* how often a limit ended it */
    char *why;      /* the last time */
};

struct judge {
    struct loop *loop;
    struct pack *pack;
    const struct pack_guardrail *guardrails;
    size_t count;
    struct judge_rule *rules; /* beside `guardrails` */
    struct cell *cell;
    const struct bundle *bundle;
    struct map *said; /* what judge_first() was asked */
};

struct judge_call {
    struct judge *judge;
    const struct judge_case *judged;
    struct verdicts *verdicts;
    const struct pack_guardrail *guardrail;
};

/* Inside the cell, by cell_call(): runs the check and adds what it answers. Raises. */
int judge_run(lua_State *L, void *call);

/* Copies `said`, cut to a bound. */
void judge_add(struct judge *judge, const struct judge_case *judged, struct verdicts *verdicts,
               const struct event_verdict *said);
