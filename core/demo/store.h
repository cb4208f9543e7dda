/* store.h: the demo cluster's objects, what happened to them, and what is due; in one SQLite file.
 *
 * An object is its JSON text under resource ("deployments.apps"), namespace ("" for cluster-scoped)
 * and name. Every change has a revision of its own and stands in the log, the newest
 * STORE_LOG_KEPT of them; a watch is a position in the log and nothing else. All changes happen
 * between store_begin() and store_commit(). Loop thread only. */
#pragma once

#include "base/buf.h"

#include <stddef.h>
#include <stdint.h>

struct err;
struct store;

enum { STORE_LOG_KEPT = 10000 };

struct store_key {
    const char *resource, *ns, *name;
};

/* A row of the log, or an object (type NULL then). Valid during the call that shows it. */
struct store_row {
    const char *ns, *name;
    uint64_t revision;
    const char *type;   /* ADDED, MODIFIED, DELETED */
    const char *body;   /* JSON; of DELETED the last state */
    const char *before; /* the labels before a MODIFIED, as JSON, or NULL */
};
typedef int store_row_fn(void *arg, const struct store_row *row); /* not 0 ends the walk */

struct store *store_open(const char *path, struct err *err); /* NULL with err */
void store_close(struct store *store);

int store_begin(struct store *store, struct err *err);
int store_commit(struct store *store, struct err *err); /* rolled back where it fails */
void store_rollback(struct store *store);

uint64_t store_revision(const struct store *store); /* of the newest change, 0 at the very start */
uint64_t store_next(struct store *store);           /* takes a revision, for the change that follows */
uint64_t store_forgotten(struct store *store);      /* a watch can begin at this revision or later */

/* 1 and the text in `out`, 0 where it is not, -1 with err. */
int store_get(struct store *store, const struct store_key *key, struct buf *out, struct err *err);

/* Keeps a change with its revision. `row->type` says which; its ns and name are the key's. */
int store_put(struct store *store, const char *resource, const struct store_row *row, struct err *err);

/* Objects in the order of namespace and name, after the place `after` (NULL: from the start); ns NULL is all
 * namespaces, limit 0 all. */
int store_each(struct store *store, const char *resource, const char *ns, const struct store_key *after,
               size_t limit, store_row_fn *fn, void *arg, struct err *err);

/* The log after `revision`, of one namespace or (NULL) of all. */
int store_log(struct store *store, const char *resource, const char *ns, uint64_t revision, store_row_fn *fn,
              void *arg, struct err *err);

/* What is to be looked at again, and when (milliseconds since 1970); the earlier of two stays. */
int store_due(struct store *store, const struct store_key *key, int64_t at_ms, struct err *err);
int64_t store_due_next(struct store *store); /* -1: nothing is */
/* Takes the first that is due by now: 1 with its "resource\0ns\0name\0" in `out`, 0, or -1 with err. */
int store_due_take(struct store *store, int64_t now_ms, struct buf *out, struct err *err);
