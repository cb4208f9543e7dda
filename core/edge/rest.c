#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/edge-internal.h"
#include "edge/panel.h"
#include "exec/execution.h"
#include "exec/request.h"
#include "guard/rbac.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

#include "edge/rest-internal.h"

/* ---- executions ---- */

static bool rest_one_of(const char *text, const char *const *words)
{
    for (; *words; words++)
        if (strcmp(*words, text) == 0)
            return true;
    return false;
}

int rest_word(struct exchange *x, const char *name, const char *const *words, const char **out)
{
    struct err err;
    *out = exchange_param(x, name);
    if (str_empty(*out)) {
        *out = NULL;
        return 0;
    }
    if (rest_one_of(*out, words))
        return 0;
    struct buf text = {0};
    for (size_t i = 0; words[i]; i++)
        buf_printf(&text, "%s%s", i ? ", " : "", words[i]);
    err_code(&err, ERR_BAD_REQUEST, "%s must be one of %s", name, buf_str(&text));
    buf_free(&text);
    exchange_fail(x, &err);
    return -1;
}

static void rest_list(struct exchange *x)
{
    static const char *const states[] = {"planned", "running", "succeeded", "failed", NULL};
    static const char *const modes[] = {"apply", "dry-run", NULL};
    struct executions_query query = {0};
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    struct err err = {0};
    uint64_t limit;
    if (exchange_number(x, "limit", 1, 200, 50, &limit) || rest_word(x, "status", states, &query.status) ||
        rest_word(x, "mode", modes, &query.mode))
        return;
    query.limit = (size_t)limit;
    query.before = str_or(exchange_param(x, "before"), NULL);
    query.user = str_or(exchange_param(x, "user"), NULL);
    query.q = str_or(exchange_param(x, "q"), NULL);
    const char *since = exchange_param(x, "since");
    if (!str_empty(since) && (query.since = clock_parse(since)) < 0) {
        err_code(&err, ERR_BAD_REQUEST, "since must be a time as 2026-11-24T02:35:24Z");
        exchange_fail(x, &err);
        return;
    }
    if (executions_write_list(rest_server(x)->options.executions, &query, &x->connection->user, &w, &err)) {
        buf_free(&body);
        exchange_fail(x, &err);
        return;
    }
    exchange_send_json(x, 200, &body);
}

/* A start request being parsed on the pool. */
struct rest_start {
    struct exchange *exchange;
    void (*begin)(struct exchange *x, struct start_request *request);
    struct buf body;
    struct start_request *request;
    struct err err;
};

static void rest_start_free(void *arg)
{
    struct rest_start *start = arg;
    buf_free(&start->body);
    if (start->request)
        start_request_free(start->request);
    free(start);
}

static void rest_start_read(void *arg)
{
    struct rest_start *start = arg;
    start->request = start_request_parse(buf_str(&start->body), start->body.len, &start->err);
}

static void rest_start_done(void *arg)
{
    struct rest_start *start = arg;
    struct exchange *x = start->exchange;
    struct start_request *request = start->request;
    x->job = NULL;
    start->request = NULL;
    if (request)
        start->begin(x, request);
    else
        exchange_fail(x, &start->err);
    rest_start_free(start);
}

void rest_read_start(struct exchange *x, void (*begin)(struct exchange *x, struct start_request *request))
{
    struct rest_start *start = mem_new(sizeof(*start));
    start->exchange = x;
    start->begin = begin;
    start->body = x->body;
    x->body = (struct buf){0};
    if (start->body.len <= EDGE_POOL_BYTES) {
        rest_start_read(start);
        rest_start_done(start);
        return;
    }
    x->job_dispose = rest_start_free;
    x->job = loop_job(rest_server(x)->options.loop, rest_start_read, rest_start_done, start);
}

/* 202: it was taken, and this is its id. */
static void rest_accepted(struct exchange *x, const struct execution *execution)
{
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    jsonw_begin_object(&w);
    jsonw_member(&w, "executionId", execution_id(execution));
    jsonw_end_object(&w);
    exchange_send_json(x, 202, &body);
}

static void rest_start_begin(struct exchange *x, struct start_request *request)
{
    struct server *server = rest_server(x);
    struct err err = {0};
    struct execution *execution = NULL;
    if (server->draining) {
        err_code(&err, ERR_BUSY, "the host is ending and starts nothing new");
        start_request_free(request);
    } else {
        execution = executions_start(server->options.executions, request, &x->connection->user, &err);
    }
    if (execution)
        rest_accepted(x, execution);
    else
        exchange_fail(x, &err);
}

static void rest_start(struct exchange *x)
{
    rest_read_start(x, rest_start_begin);
}

struct execution *rest_execution(struct exchange *x)
{
    struct err err;
    const char *id = exchange_param(x, "executionId");
    if (str_empty(id)) {
        err_code(&err, ERR_BAD_REQUEST, "executionId is missing");
        exchange_fail(x, &err);
        return NULL;
    }
    struct execution *execution = executions_find(rest_server(x)->options.executions, id);
    if (!execution) {
        err_code(&err, ERR_NOT_FOUND, "there is no execution of this executionId");
        exchange_fail(x, &err);
        return NULL;
    }
    if (!execution_visible(execution, &x->connection->user)) {
        err_code(&err, ERR_FORBIDDEN, "this execution belongs to somebody else");
        exchange_fail(x, &err);
        return NULL;
    }
    return execution;
}

static void rest_cancel(struct exchange *x)
{
    struct err err = {0};
    struct execution *execution = rest_execution(x);
    if (!execution)
        return;
    if (execution_cancel(execution, &x->connection->user, &err)) {
        exchange_fail(x, &err);
        return;
    }
    rest_accepted(x, execution);
}

/* ---- who asks ---- */

static void rest_may(struct json_writer *w, const char *role, const char *resource)
{
    static const char *const actions[] = {"get",    "list",  "watch",  "create", "update",
                                          "delete", "scale", "reveal", NULL};
    jsonw_key(w, resource);
    jsonw_begin_array(w);
    for (size_t i = 0; actions[i]; i++)
        if (rbac_allows(role, actions[i], resource, ""))
            jsonw_string(w, actions[i]);
    jsonw_end_array(w);
}

static void rest_me(struct exchange *x)
{
    const struct user *user = &x->connection->user;
    struct buf body = {0};
    struct json_writer w = JSON_WRITER(&body);
    size_t count = 0;
    const struct pack_resource *resources =
        pack_resources(packs_current(rest_server(x)->options.packs), &count);
    jsonw_begin_object(&w);
    jsonw_member(&w, "name", user->name);
    jsonw_member(&w, "role", user->role);
    jsonw_member(&w, "method", user->method);
    jsonw_member_bool(&w, "admin", rbac_is_admin(user->role));
    jsonw_key(&w, "may");
    jsonw_begin_object(&w);
    rest_may(&w, user->role, "executions");
    for (size_t i = 0; i < count; i++)
        rest_may(&w, user->role, resources[i].name);
    jsonw_end_object(&w);
    jsonw_end_object(&w);
    exchange_send_json(x, 200, &body);
}

/* ---- the host itself ---- */

static void rest_text(struct exchange *x, int status, const char *type, const char *text)
{
    struct buf body = {0};
    buf_puts(&body, text);
    exchange_send(x, status, type, &body);
}

static void rest_healthz(struct exchange *x)
{
    rest_text(x, 200, "text/plain; charset=utf-8", "ok\n");
}

static void rest_readyz(struct exchange *x)
{
    bool draining = rest_server(x)->draining;
    rest_text(x, draining ? 503 : 200, "text/plain; charset=utf-8", draining ? "draining\n" : "ok\n");
}

static void rest_panel(struct exchange *x)
{
    const struct panel_file *file = panel_find(rest_server(x)->panel, x->path);
    if (file) {
        exchange_send_file(x, file->type, file->immutable, file->data, file->len);
        return;
    }
    exchange_refuse(x, 404, "not_found", "", "the panel has no such file; reload the page");
}

/* Where no panel was built. */
static void rest_page(struct exchange *x)
{
    if (rest_server(x)->panel) {
        rest_panel(x);
        return;
    }
    rest_text(
        x, 200, "text/html; charset=utf-8",
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n<title>Moonsail</title>\n"
        "<h1>Moonsail</h1>\n"
        "<p>This is a Moonsail host: it runs commands and applies manifests to Kubernetes clusters, and "
        "streams what happens.</p>\n"
        "<ul>\n"
        "<li><code>GET /api/execution/stream</code>: WebSocket; start or watch an execution</li>\n"
        "<li><a href=\"/api/executions\"><code>GET /api/executions</code></a>: what ran and runs</li>\n"
        "<li><code>GET /api/executions/logs?executionId=</code>: what it said</li>\n"
        "<li><code>POST /api/executions</code>, <code>POST /api/executions/cancel?executionId=</code></li>\n"
        "<li><code>POST /api/plan</code>: what an apply would do</li>\n"
        "<li><a href=\"/api/cluster/status\"><code>GET /api/cluster/status</code></a>: the cluster</li>\n"
        "<li><code>GET /api/objects?resource=&amp;namespace=</code>, <code>GET "
        "/api/object?resource=&amp;namespace=&amp;name=</code>: what is in it</li>\n"
        "<li><a href=\"/api/resources\"><code>GET /api/resources</code></a>, <a "
        "href=\"/api/flows\"><code>/api/flows</code></a>, <a "
        "href=\"/api/guardrails\"><code>/api/guardrails</code></a>: what scripts have registered</li>\n"
        "<li><a href=\"/api/me\"><code>GET /api/me</code></a>: who you are here</li>\n"
        "</ul>\n</html>\n");
}

const struct http_route *rest_pages(void)
{
    static const struct http_route pages = {"GET", "", 0, rest_panel};
    return &pages;
}

const struct http_route *rest_routes(void)
{
    static const struct http_route routes[] = {
        {"GET", "/", 0, rest_page},
        {"GET", "/healthz", ROUTE_PROBE, rest_healthz},
        {"GET", "/readyz", ROUTE_PROBE, rest_readyz},
        {"GET", "/metrics", ROUTE_API, rest_metrics},
        {"GET", "/api/execution/stream", ROUTE_API | ROUTE_WEBSOCKET, NULL},
        {"GET", "/api/executions", ROUTE_API, rest_list},
        {"POST", "/api/executions", ROUTE_API, rest_start},
        {"GET", "/api/executions/logs", ROUTE_API, rest_logs},
        {"POST", "/api/executions/cancel", ROUTE_API, rest_cancel},
        {"POST", "/api/plan", ROUTE_API, rest_plan},
        {"GET", "/api/cluster/status", ROUTE_API, rest_cluster_status},
        {"GET", "/api/resources", ROUTE_API, rest_resources},
        {"GET", "/api/flows", ROUTE_API, rest_flows},
        {"GET", "/api/guardrails", ROUTE_API, rest_guardrails},
        {"GET", "/api/objects", ROUTE_API, rest_objects},
        {"GET", "/api/object", ROUTE_API, rest_object},
        {"GET", "/api/watch", ROUTE_API | ROUTE_WEBSOCKET | ROUTE_WATCH, NULL},
        {"GET", "/api/schema", ROUTE_API, rest_schema},
        {"GET", "/api/me", ROUTE_API, rest_me},
        {NULL, NULL, 0, NULL},
    };
    return routes;
}

const struct http_route *rest_metrics_routes(void)
{
    static const struct http_route routes[] = {
        {"GET", "/metrics", ROUTE_PROBE, rest_metrics},
        {"GET", "/healthz", ROUTE_PROBE, rest_healthz},
        {"GET", "/readyz", ROUTE_PROBE, rest_readyz},
        {NULL, NULL, 0, NULL},
    };
    return routes;
}
