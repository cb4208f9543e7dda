/* redact-internal.h: the parts of the redactor: which shapes there are, where a value ends. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define REDACT_MASK "[REDACTED]"

/* What to do where a shape ends. */
enum redact_kind {
    REDACT_WHOLE,         /* the match is the secret */
    REDACT_KEY,           /* a value follows the key and its separator */
    REDACT_SECRET,        /* the same for "secret", which is also a kind of object */
    REDACT_AUTHORIZATION, /* scheme and credentials follow */
    REDACT_DOCKER_AUTH,   /* a value, if it is base64 of NAME:PASSWORD */
    REDACT_FLAG,          /* the value is the next word */
    REDACT_URL,           /* "://", then NAME:PASSWORD@ */
    REDACT_QUERY,         /* the value is up to the next & */
    REDACT_PEM,           /* the first line of a private key */
};

/* Both patterns are Vectorscan's. The hint is short, compiles fast, and is in every text that
 * the pattern matches; NULL where the hint of another shape is. */
struct redact_shape {
    enum redact_kind kind;
    bool caseless;
    const char *hint, *pattern;
};

extern const struct redact_shape redact_shapes[];
extern const size_t redact_shape_count;

/* A part of a line. Empty where from == to. */
struct redact_span {
    size_t from, to;
};

/* How a line stands at a position: what is open there. Moves forward only, so that
 * judging all matches of a line costs one walk over it. */
struct redact_place {
    const char *line;
    size_t len, at;
    size_t opened;      /* where the open quote stands */
    size_t backslashes; /* how many precede it: quotes in a JSON text in a JSON text */
    char quote;         /* the open one, or 0 */
    unsigned depth;     /* open { and [ outside of quotes */
};

void redact_place_move(struct redact_place *place, size_t to);

/* Where the value is that belongs to the match [from, to) of a shape of `kind`; empty for
 * nothing to mask. `place` stands at or before `to` and is moved there. */
struct redact_span redact_value(struct redact_place *place, enum redact_kind kind, size_t from, size_t to);

/* Where the private key ends that begins at `from`, if it ends in this text; else 0. */
size_t redact_pem_end(const char *line, size_t len, size_t from);

/* Is this a line inside of a private key? `masked` is then how much of it to mask: 0 for a blank one. */
bool redact_pem_body(const char *line, size_t len, size_t *masked);
bool redact_pem_ends(const char *line, size_t len);

/* A line without its terminal escapes, in which a secret is found that they cut. */
struct redact_cut {
    size_t at;       /* in the shadow: the escape stands before this byte */
    size_t from, to; /* in the line */
    bool colour;
};

struct redact_shadow {
    const char *line, *text; /* the same where there are no escapes */
    size_t line_len, len;
    char *copy;
    struct redact_cut *cuts;
    size_t cut_count;
};

/* -1 when out of memory. Free in both cases. */
int redact_shadow_make(struct redact_shadow *shadow, const char *line, size_t len);
void redact_shadow_free(struct redact_shadow *shadow);

/* Appends the line with the spans of its shadow masked. Of the escapes inside a span its colours stay. */
void redact_shadow_write(const struct redact_shadow *shadow, const struct redact_span *spans, size_t count,
                         struct buf *out);
