/* call.h: one REST call to a host, waited for. */
#pragma once

#include "base/buf.h"

struct session_host;

/* Makes the call and appends the answer's body. Returns 0, or an exit code with the host's message
 * already given (refused 3, not there or ended 1, no host 4). */
int call_host(const struct session_host *host, const char *method, const char *path, struct buf *body);

/* "last" as the newest execution's id, any other word as it is; the caller frees. NULL: *code tells,
 * the message is given. */
char *call_resolve_id(const struct session_host *host, const char *id, int *code);
