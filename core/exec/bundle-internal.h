/* bundle-internal.h: what bundle.c (one document) and bundle-order.c (all of them) share. */
#pragma once

#include "base/json-span.h"
#include "exec/bundle.h"

/* A string member as text of its own, "" where it is none; the caller frees. */
char *bundle_text(struct json_span value);

/* "deployment.apps/api"; the caller frees. */
char *bundle_ref(const char *api_version, const char *kind, const char *name);

/* Finds each document's CRD in the bundle, and gathers its Namespaces. Any thread. */
void bundle_link(struct bundle *bundle);

/* The kind as the document's CRD declares it; the strings group, version and plural are the caller's.
 * -1 where the CRD does not say enough. */
int bundle_kind_of_crd(const struct document *document, struct kube_kind *kind);
