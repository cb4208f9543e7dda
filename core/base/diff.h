/* diff.h: what changed between two texts, as `diff -u` says it.
 *
 * By lines, minimal while the work stays small; past a budget what is left is shown as replaced
 * as a whole, so that no text costs more than some 50 ms. A pure function of bytes: any thread,
 * and the pool for texts above a few hundred KiB. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

struct err;

enum {
    DIFF_CONTEXT = 3,
    DIFF_MAX_TEXT = 8 * 1024 * 1024, /* bytes of one text */
};

struct diff_options {
    const char *old_name, *new_name; /* for the lines `---` and `+++` */
    size_t context;                  /* lines around a change; 0: DIFF_CONTEXT */
    size_t max_bytes;                /* of the diff; 0: no bound but that of the texts */
};

/* Appends the diff to `out`: nothing where the texts are equal. One that passes max_bytes ends after
 * a whole line, and a last line "\ …" says so. -1 with ERR_TOO_LARGE or ERR_NO_MEMORY. */
int diff_unified(const char *before, size_t before_len, const char *after, size_t after_len,
                 const struct diff_options *options, struct buf *out, struct err *err);
