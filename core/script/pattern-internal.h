/* pattern-internal.h: the matcher (pattern-match.c) and the string functions over it (pattern.c). */
#pragma once

#include <lua.h>
#include <stddef.h>

#define PATTERN_ESC '%'

enum {
    PATTERN_CAPTURES = 32,   /* LUA_MAXCAPTURES */
    PATTERN_DEPTH = 200,     /* MAXCCALLS */
    PATTERN_CHUNK = 1 << 15, /* steps between two charges */
};

#define CAPTURE_UNFINISHED (-1)
#define CAPTURE_POSITION   (-2)

struct match {
    const char *begin, *end; /* of the subject */
    const char *pattern_end;
    lua_State *L;
    size_t steps; /* settled so far */
    long chunk;   /* left until the next settling */
    int depth;    /* calls left on the C stack */
    int level;    /* captures, finished or not */
    struct {
        const char *begin;
        ptrdiff_t len;
    } capture[PATTERN_CAPTURES];
};

/* A new budget. */
void match_start(struct match *m, lua_State *L, const char *s, size_t len, const char *p, size_t plen);

/* Charges what was not yet charged: at the end of a call. */
void match_end(struct match *m);

/* Charges, and raises when the budget is spent. */
void match_settle(struct match *m);

static inline void match_spend(struct match *m, size_t steps)
{
    m->chunk -= (long)steps;
    if (m->chunk <= 0)
        match_settle(m);
}

/* The end of the match that starts at s, or NULL. */
const char *match_at(struct match *m, const char *s, const char *p);
