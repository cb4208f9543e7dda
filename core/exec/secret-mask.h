/* secret-mask.h: a Secret as those see it who may not reveal it.
 *
 * A pure function of bytes: any thread. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

#define SECRET_MASK "[REDACTED]"

/* Appends the Secret in `json` (one object, valid JSON) with its keys, and SECRET_MASK for every value of
 * data and stringData and for what kubectl applied last. 0, or -1 when memory ran out. */
int secret_mask(const char *json, size_t len, struct buf *out);
