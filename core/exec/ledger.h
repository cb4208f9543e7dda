/* ledger.h: what an apply has sent and what became of it, on disk beside its journal, so that whoever comes
 * after a host that died can tell what was done, what is in doubt and what was not started.
 *
 * A row a document, written before the first is sent; then a few bytes as each is sent and decided. A ledger
 * that the disk refuses is one that is not there. Loop thread only. */
#pragma once

#include "exec/event.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct archive;
struct ledger;
struct redactor;

/* NULL where it cannot be made. */
struct ledger *ledger_new(struct archive *archive, uint64_t number, struct redactor *redactor,
                          const struct event_document *rows, size_t count);
/* `outcome` is a document's, or "sent". */
void ledger_note(struct ledger *ledger, size_t row, const char *outcome);
void ledger_done(struct ledger *ledger); /* all is said: the file goes; frees it */
void ledger_free(struct ledger *ledger); /* it stays for whoever comes after; frees it */

/* The rows of a ledger that was left: `*rows` is NULL where there is none. Its texts lie in `*room`. */
void ledger_read(struct archive *archive, uint64_t number, bool dry_run, struct event_document **rows,
                 size_t *count, char **room);
