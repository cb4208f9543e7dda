/* object-diff.h: what changes from one state of an object to another, as people read it.
 *
 * A pure function of bytes: any thread. */
#pragma once

#include "base/buf.h"
#include "base/json-span.h"

struct err;

enum { OBJECT_DIFF_MAX = 256 * 1024 };

/* Appends a unified diff of the two as YAML, named `live` and `applied`, at most OBJECT_DIFF_MAX bytes and a
 * mark; nothing where they are the same. What changes by itself (status, managedFields, resourceVersion …)
 * stays out. A Secret's values are masked; one that changes is shown as changed. Both are JSON as
 * bridge_write() makes it; {0}: not there. -1 with err. */
int object_diff(struct json_span before, struct json_span after, struct buf *out, struct err *err);
