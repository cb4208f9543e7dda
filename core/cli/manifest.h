/* manifest.h: the files of -f as one text. */
#pragma once

#include "base/buf.h"

struct err;

/* Reads the files, folders (their *.yaml *.yml *.json, sorted) and "-" (stdin), each checked by itself,
 * so that an error names file, line and column; appends them as one text of documents. -1 with err:
 * ERR_NOT_FOUND for what cannot be read, else what is wrong with a document. */
int manifest_read(const char *const *names, struct buf *out, struct err *err);
