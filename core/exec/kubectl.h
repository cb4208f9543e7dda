/* kubectl.h: what is known of the command lines of kubectl and helm, and of what kubectl prints. */
#pragma once

#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct start_request;

/* The request's arguments with --dry-run=server behind a subcommand that has it; the caller frees the array,
 * its strings are the request's and literals. NULL with err (ERR_BAD_REQUEST) where the command has no
 * dry-run that is known. */
char **kubectl_dry_run_args(const struct start_request *request, struct err *err);

/* Does what it prints count as what kubectl prints: it is kubectl, or its request says that it is
 * equivalent? */
bool kubectl_speaks(const struct start_request *request);

/* Counts a line such as "deployment.apps/web configured" or `pod "web" deleted`. */
void kubectl_count(const char *line, size_t len, struct event_counts *counts);
