/* judge.h: what the guardrails say to an object before it is sent.
 *
 * They are judged in a cell of their own, in which no handler or flow runs; it is made at the first check,
 * and anew after one that had to be ended. Each check has 50 ms and its own copy of the object. One that
 * fails, in whatever way, denies. One judge an execution, or a command; loop thread only. */
#pragma once

#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>

struct bundle;
struct judge;
struct loop;
struct pack;

/* Keeps the pack; NULL: judges nothing. `loop` may be NULL in a program without one. */
struct judge *judge_new(struct loop *loop, struct pack *pack);
void judge_free(struct judge *judge);

/* What `req.bundle` shows from now on, here and in the gate. It stays the caller's; NULL: nothing. */
void judge_set_bundle(struct judge *judge, const struct bundle *bundle);

/* Does a guardrail concern the resource (its registered name)? */
bool judge_needed(const struct pack *pack, const char *resource);

struct judge_case {
    const char *user, *role, *context, *namespace_, *action;
    const char *resource; /* the registered name */
    const char *ref;      /* for people */
    bool dry_run;
    const char *json; /* the object */
    size_t json_len;
    const char *live; /* NULL: not there */
    size_t live_len;
};

/* What was said to one object, at first zeroed. */
struct verdicts {
    struct event_verdict *items;
    size_t count;
    bool denied;
    size_t next; /* where judging goes on */
};
void verdicts_free(struct verdicts *verdicts);

/* Judges until some 5 ms are over. True when every guardrail has been asked; false: once more, in a later
 * turn of the loop, with the same case. */
bool judge_some(struct judge *judge, const struct judge_case *judged, struct verdicts *verdicts);

/* The first one that denies; NULL where none does. */
const struct event_verdict *verdicts_denial(const struct verdicts *verdicts);

/* "rule: field: message (file)"; the caller frees. */
char *verdict_sentence(const struct event_verdict *verdict);

/* True the first time only that this is said of the object: a warning is told once an execution. */
bool judge_first(struct judge *judge, const char *ns, const char *ref, const struct event_verdict *verdict);
