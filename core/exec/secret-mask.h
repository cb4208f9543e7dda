/* secret-mask.h: a Secret as those see it who may not reveal it.
 *
 * A pure function of bytes: any thread. */
#pragma once

#include "base/buf.h"
#include "base/json-span.h"

#include <stddef.h>

#define SECRET_MASK         "[REDACTED]"
#define SECRET_MASK_CHANGED "[REDACTED (changed)]"

/* Appends the Secret in `json` (one object, valid JSON) with its keys, and SECRET_MASK for every value of
 * data and stringData and for what kubectl applied last. 0, or -1 when memory ran out. */
int secret_mask(const char *json, size_t len, struct buf *out);

/* The same of a Secret as it is after a change: SECRET_MASK_CHANGED for what was another value in `before`
 * (not there: {0}). Both as bridge_write() makes them, keys sorted. */
int secret_mask_after(struct json_span secret, struct json_span before, struct buf *out);
