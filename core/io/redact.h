/* redact.h: takes secrets out of lines of text.
 *
 * A redactor holds the compiled shapes and the one scratch that a scan works in, so
 * one thread uses it: the loop's. What is masked becomes [REDACTED]; the key before
 * it stays. The unit is the line: the caller gives whole lines. What cannot be judged
 * (no memory) is masked whole. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct err;
struct redactor;

/* What goes on from line to line of one stream: inside a PEM block or not. Zeroed at first. */
struct redact_state {
    bool in_pem;
};

/* Compiles the shapes. NULL with err. */
struct redactor *redactor_new(struct err *err);
void redactor_free(struct redactor *redactor);

/* Appends the masked line to `out`. `state` may be NULL for a text that stands alone.
 * Newlines in `line` are allowed: each piece is judged for itself, in order. */
void redact_line(struct redactor *redactor, struct redact_state *state, const char *line, size_t len,
                 struct buf *out);

/* How many secrets it has masked so far; a private key is one. */
uint64_t redactor_masked(const struct redactor *redactor);
