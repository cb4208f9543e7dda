/* bundle.h: the documents of one manifest: parsed, unfolded, routed, put in order.
 *
 * A document is its JSON bytes and the few fields that C must know; Lua decodes one at a time. A
 * bundle owns its documents. bundle_parse() is a pure function of bytes: any thread. */
#pragma once

#include "exec/event.h"
#include "kube/cluster.h"

#include <stdbool.h>
#include <stddef.h>

struct err;
struct execution;
struct map;
struct pack;
struct pack_resource;

enum { BUNDLE_DOCUMENTS_MAX = 20000 };

struct document {
    size_t index, line; /* line in the text, from 1 */
    size_t item;        /* of the List that stands there; or YAML_NO_ITEM */
    char *json;
    size_t json_len;
    char *api_version, *kind, *ns, *name; /* ns and name "" where there is none */
    char *ref;                            /* deployment.apps/api */
    /* After routing: the kind as the cluster serves it (strings of its own), its registered name
     * for rbac, and its handler, NULL for the generic one. */
    struct kube_kind served;
    char *resource_name;
    const struct pack_resource *resource;
    /* Documents of this bundle that it cannot do without: its Namespace, the CRD of its kind; or NULL.
     * A kind that only the bundle's CRD knows is routed by that. */
    struct document *space, *crd;
    struct document *earlier;    /* the same object once more, before it in the order of sending; or NULL */
    const struct document *base; /* the object as it was fetched, of an edit; or NULL */
    int stage;
    const char *outcome;              /* NULL until it is decided */
    bool unready;                     /* applied, and waited for in vain: the message says why */
    char *message;                    /* why it failed; "" */
    enum err_code code;               /* what kind of failure that is */
    struct event_conflict *conflicts; /* fields that others own */
    size_t conflict_count;
    struct event_verdict *verdicts; /* of the guardrails */
    size_t verdict_count;
};

struct bundle {
    struct document *documents;
    size_t count;
    struct map *spaces;      /* its Namespaces by name */
    struct bundle *base;     /* of an edit; or NULL */
    struct document **order; /* in the order of sending, after bundle_order() */
};

/* 0, or -1 with "LINE:COLUMN: sentence". bundle_free() in both cases. */
int bundle_parse(struct bundle *bundle, const char *text, size_t len, struct err *err);
void bundle_free(struct bundle *bundle);

/* The text that an edit began with: each document of the bundle gets its `base`. -1 with err also where one
 * has none there. */
int bundle_parse_base(struct bundle *bundle, const char *text, size_t len, struct err *err);

/* The next two are for one document: a manifest may have thousands, and the loop has others to serve. */

/* Finds its kind among what the cluster serves, else by the bundle's own CRD. False (and its message says
 * why) where it is not there, so that discovery may be asked anew. */
bool bundle_route(struct document *document, struct cluster *cluster, const struct pack *pack);

/* Namespace, permission, and that it is what the request's `resource` says. -1 where it fails: its outcome
 * and its message say so. */
int bundle_judge(struct bundle *bundle, struct document *document, struct execution *execution,
                 struct cluster *cluster);

/* Its row, whose strings are the document's own. */
struct event_document document_row(const struct document *document);

/* Is its object there as it is wanted: created, configured or unchanged? */
bool document_applied(const struct document *document);

/* The document that this one cannot do without and that was not applied; NULL where all were. */
const struct document *document_missing(const struct document *document);

/* Sorts by stage: namespaces, CRDs, accounts, RBAC, config, storage, services, workloads, the rest,
 * webhooks; the order of the file within one. All of it backwards for a delete. */
void bundle_order(struct bundle *bundle, bool backwards);
