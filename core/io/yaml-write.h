/* yaml-write.h: one JSON value → YAML as people want to read it.
 *
 * Block style, keys in their order (of a Kubernetes object apiVersion, kind and metadata come first,
 * status last), texts of several lines as they are, nothing folded; numbers stay as the JSON has them.
 * yaml_parse() reads the same value back. A pure function of bytes: any thread. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

struct err;

enum { YAML_WRITE_MAX = 16 * 1024 * 1024 }; /* bytes of the JSON */

/* Appends to `out`. 0, or -1 with err (ERR_BAD_REQUEST for text that is no JSON, is nested deeper than
 * YAML_MAX_DEPTH or holds a number beyond a double; ERR_TOO_LARGE, ERR_NO_MEMORY); `out` then holds a
 * part. A key that comes twice is the caller's business. */
int yaml_write(const char *json, size_t len, struct buf *out, struct err *err);
