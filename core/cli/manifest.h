/* manifest.h: the files of -f as one text. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

struct err;

/* Where each file begins in the text of all. */
struct manifest_part {
    char *name;
    size_t line; /* from 1 */
};
struct manifest_parts {
    struct manifest_part *items;
    size_t count;
};
void manifest_parts_free(struct manifest_parts *parts);

/* The file that a line of the whole text stands in; `line` becomes the line of that file. */
const char *manifest_part_of(const struct manifest_parts *parts, size_t *line);

/* Reads the files, folders (their *.yaml *.yml *.json, sorted) and "-" (stdin), each checked by itself,
 * so that an error names file, line and column; appends them as one text of documents. -1 with err:
 * ERR_NOT_FOUND for what cannot be read, else what is wrong with a document. */
int manifest_read(const char *const *names, struct buf *out, struct err *err);

/* The same, and adds the files to `parts`. manifest_parts_free() in both cases. */
int manifest_read_parts(const char *const *names, struct buf *out, struct manifest_parts *parts,
                        struct err *err);
