#include "exec/gate-internal.h"

#include "base/json-span.h"
#include "base/str.h"
#include "exec/request.h"
#include "exec/run.h"
#include "guard/rbac.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

static int gate_refuse(const char *action, const char *resource, const char *ns, struct err *err)
{
    return err_code(err, ERR_FORBIDDEN, "RBAC: user is not allowed to %s %s in namespace %s", action,
                    resource, ns);
}

int gate_authorize(const struct start_request *r, const struct user *user, struct err *err)
{
    if (!start_request_is_kubernetes(r))
        return 0;
    if (str_empty(r->namespace_) && !r->allow_cluster_wide)
        return err_code(
            err, ERR_FORBIDDEN,
            "namespace is required for Kubernetes-equivalent executions unless allowClusterWide is "
            "explicitly enabled");
    if (r->allow_cluster_wide && !rbac_is_admin(user->role))
        return err_code(err, ERR_FORBIDDEN,
                        "cluster-wide Kubernetes-equivalent executions are not allowed for this user");
    if (!str_empty(r->resource) && !str_empty(r->action) && !str_empty(r->namespace_) &&
        !rbac_allows(user->role, r->action, r->resource, r->namespace_))
        return gate_refuse(r->action, r->resource, r->namespace_, err);
    return 0;
}

int gate_allows_user(const struct user *user, const char *action, const char *resource, const char *ns,
                     struct err *err)
{
    if (rbac_allows(user->role, action, resource, str_or(ns, "")))
        return 0;
    return gate_refuse(action, resource, str_or(ns, "(cluster-wide)"), err);
}

int gate_allows(const struct execution *ex, const char *action, const char *resource, const char *ns,
                struct err *err)
{
    return gate_allows_user(execution_user(ex), action, resource, ns, err);
}

int gate_scope(const struct execution *ex, const struct kube_kind *kind, const char *ns, struct err *err)
{
    const struct start_request *r = execution_request(ex);
    if (r->allow_cluster_wide)
        return 0;
    if (!kind->namespaced)
        return err_code(
            err, ERR_FORBIDDEN,
            "%s is cluster-scoped: that needs allowClusterWide (--cluster-wide on the command line)",
            kind->kind);
    if (!str_eq(ns, r->namespace_))
        return err_code(
            err, ERR_FORBIDDEN,
            "namespace %s is not the request's (%s): that needs allowClusterWide (--cluster-wide on "
            "the command line)",
            ns, r->namespace_);
    return 0;
}

/* Whoever may only update must not create, and the other way round. With a uid an apply patch or a PUT is
 * refused by the API server where no object with that uid is there, so it cannot create. */
static int gate_check_upsert(const struct execution *ex, const struct gate_request *r, struct err *err)
{
    bool create = gate_allows(ex, "create", r->resource, r->ns, NULL) == 0;
    if (gate_allows(ex, "update", r->resource, r->ns, err))
        return -1;
    struct json_span uid = json_span_path((struct json_span){r->body, r->body_len}, "metadata.uid");
    if (!create && !(json_span_is_string(uid) && uid.len > 2))
        return gate_allows(ex, "create", r->resource, r->ns, err);
    return 0;
}

bool gate_writes(const struct gate_request *r)
{
    return r->verb != GATE_GET && r->verb != GATE_LIST;
}

/* An apply patch may create, so it is not taken for an update; anything else is no apply. */
static bool gate_content_type_fits(const struct gate_request *r)
{
    static const char *const patches[] = {"application/merge-patch+json", "application/json-patch+json",
                                          "application/strategic-merge-patch+json"};
    if (r->verb == GATE_APPLY)
        return str_eq(r->content_type, "application/apply-patch+yaml");
    bool fits = !r->content_type;
    for (size_t i = 0; r->verb == GATE_UPDATE && i < sizeof(patches) / sizeof(patches[0]); i++)
        fits |= str_eq(r->content_type, patches[i]);
    return fits;
}

/* A write says no more than what is known here: so none can contradict dryRun or fieldManager. */
static bool gate_query_fits(const struct gate_request *r)
{
    static const struct {
        enum gate_verb verb;
        const char *query;
    } known[] = {
        {GATE_APPLY, "force=true"},
        {GATE_CREATE, "dryRun=All"}, /* may an object be made anew? */
        {GATE_DELETE, "propagationPolicy=Foreground"},
        {GATE_DELETE, "propagationPolicy=Background"},
        {GATE_DELETE, "propagationPolicy=Orphan"},
    };
    bool fits = str_empty(r->query);
    for (size_t i = 0; i < sizeof(known) / sizeof(known[0]); i++)
        fits |= r->verb == known[i].verb && str_eq(r->query, known[i].query);
    if (fits || gate_writes(r))
        return fits;
    for (const char *p = r->query; *p; p++)
        if (*p <= ' ' || *p >= 0x7f || *p == '#')
            return false;
    return true;
}

/* A word such as "scale", of one object: as a path it would lead to another object. What leads out of the API
 * server, into a Pod or a node, knows neither its dry-run nor what may be done to its objects. */
static bool gate_subresource_fits(const struct gate_request *r)
{
    static const char *const leave[] = {"proxy", "exec", "attach", "portforward"};
    if (str_empty(r->subresource))
        return true;
    if (r->verb == GATE_CREATE && !str_eq(r->subresource, "eviction"))
        return false;
    for (size_t i = 0; i < sizeof(leave) / sizeof(leave[0]); i++)
        if (str_eq(r->subresource, leave[i]))
            return false;
    return r->name && strspn(r->subresource, "abcdefghijklmnopqrstuvwxyz-") == strlen(r->subresource);
}

/* What a script asks for becomes a URL: it must mean there what was judged here. */
static int gate_check_shape(const struct gate_request *r, struct err *err)
{
    if (!gate_subresource_fits(r))
        return err_code(err, ERR_BAD_REQUEST, "\"%s\" is no subresource of one object", r->subresource);
    if (!gate_content_type_fits(r))
        return err_code(err, ERR_BAD_REQUEST, "a body of the type \"%s\" does not go with this verb",
                        str_or(r->content_type, ""));
    if (!gate_query_fits(r))
        return err_code(err, ERR_BAD_REQUEST, "the query \"%s\" does not go with this verb", r->query);
    if (gate_writes(r) && r->verb != GATE_CREATE && str_empty(r->name))
        return err_code(err, ERR_BAD_REQUEST, "this verb is one of a single object, and no name is given");
    /* With a body the API server does not look at a DELETE's query, where dryRun stands. */
    if (r->body_len && (!gate_writes(r) || r->verb == GATE_DELETE))
        return err_code(err, ERR_BAD_REQUEST, "this verb takes no body");
    return 0;
}

/* What cannot be judged is not written. */
static int gate_guardrails(const struct execution *ex, struct err *err)
{
    const struct pack *pack = execution_pack(ex);
    const char *fault = pack ? pack_guardrail_fault(pack) : NULL;
    if (!fault)
        return 0;
    return err_code(err, ERR_FORBIDDEN, "nothing is written while a guardrail cannot be loaded: %s", fault);
}

int gate_check(const struct execution *ex, const struct gate_request *r, struct err *err)
{
    static const char *const actions[] = {
        [GATE_GET] = "get",       [GATE_LIST] = "list",     [GATE_CREATE] = "create",
        [GATE_UPDATE] = "update", [GATE_DELETE] = "delete",
    };
    if (gate_check_shape(r, err))
        return -1;
    if (gate_writes(r) && (gate_guardrails(ex, err) || gate_scope(ex, r->kind, str_or(r->ns, ""), err)))
        return -1;
    if (r->verb == GATE_UPDATE && str_eq(r->subresource, "scale"))
        return gate_allows(ex, "scale", r->resource, r->ns, err);
    if (r->verb == GATE_CREATE && !str_empty(r->subresource))
        return gate_allows(ex, "delete", r->resource, r->ns, err); /* an eviction */
    if (r->verb == GATE_APPLY || (r->verb == GATE_UPDATE && !r->content_type))
        return gate_check_upsert(ex, r, err);
    return gate_allows(ex, actions[r->verb], r->resource, r->ns, err);
}
