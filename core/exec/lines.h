/* lines.h: bytes as they come → whole lines.
 *
 * A line ends at \n, \r or the end. Of a longer one than LINE_KEPT + LINE_BEYOND bytes the rest is
 * counted and dropped; what lies beyond LINE_KEPT is there only so that a secret across that place
 * can be judged. A plain value, zeroed at first. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

enum { LINE_KEPT = 64 * 1024, LINE_BEYOND = 8 * 1024 };

struct lines {
    struct buf line;
    size_t dropped;
    bool after_cr; /* a \n that comes now belongs to the \r before it */
};

/* `dropped` is how many bytes of the line's end are not in `text`. */
typedef void line_fn(void *arg, const char *text, size_t len, size_t dropped);

void lines_feed(struct lines *lines, const char *data, size_t len, line_fn *fn, void *arg);
void lines_end(struct lines *lines, line_fn *fn, void *arg); /* gives a partial last line; frees */

/* Appends `text` without terminal escapes other than SGR (colours) and without control characters
 * other than tab. */
void line_clean(const char *text, size_t len, struct buf *out);

/* The same without colours; newlines stay. For texts that are no output of a command. */
void text_clean(const char *text, size_t len, struct buf *out);
