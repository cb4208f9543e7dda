#include "edge/http-check.h"

#include "base/str.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

__attribute__((format(printf, 4, 5))) static bool http_refuse(struct http_verdict *v, int status,
                                                              const char *code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(v->message, sizeof(v->message), format, args);
    va_end(args);
    v->status = status;
    v->code = code;
    v->route = NULL;
    return false;
}

/* Addresses of the panel are its own affair; those of the API never are. */
static bool http_is_page(const char *path)
{
    return strcmp(path, "/api") != 0 && strncmp(path, "/api/", 5) != 0;
}

static bool http_check_route(const struct http_rules *rules, const struct http_facts *f,
                             struct http_verdict *v)
{
    char allow[64] = "";
    size_t used = 0;
    v->head = strcmp(f->method, "HEAD") == 0;
    const char *method = v->head ? "GET" : f->method;
    for (const struct http_route *r = rules->routes; r->path; r++) {
        if (strcmp(r->path, f->path) != 0)
            continue;
        if (strcmp(r->method, method) == 0 && !(v->head && (r->flags & ROUTE_WEBSOCKET))) {
            v->route = r;
            return true;
        }
        bool get = strcmp(r->method, "GET") == 0 && !(r->flags & ROUTE_WEBSOCKET);
        int n = snprintf(allow + used, sizeof(allow) - used, "%s%s%s", used ? ", " : "", r->method,
                         get ? ", HEAD" : "");
        if (n > 0 && used + (size_t)n < sizeof(allow))
            used += (size_t)n;
    }
    if (!used && rules->pages && http_is_page(f->path)) {
        if (strcmp(method, rules->pages->method) == 0) {
            v->route = rules->pages;
            return true;
        }
        used = (size_t)snprintf(allow, sizeof(allow), "GET, HEAD");
    }
    if (!used)
        return http_refuse(v, 404, "not_found", "there is nothing at this path");
    snprintf(v->extra, sizeof(v->extra), "Allow: %s\r\n", allow);
    return http_refuse(v, 405, "bad_request", "this path takes %s", allow);
}

/* Splits "name:port" and "[v6]:port"; the port is 0 where none is said, and the text must be
 * used up. */
static bool http_split_host(const char *host, size_t *name_len, unsigned *port)
{
    const char *end = host[0] == '[' ? strchr(host, ']') : host + strcspn(host, ":");
    if (!end || end == host)
        return false;
    if (*end == ']')
        end++;
    *name_len = (size_t)(end - host);
    *port = 0;
    if (*end == '\0')
        return true;
    if (*end != ':' || end[1] == '\0' || strspn(end + 1, "0123456789") != strlen(end + 1) ||
        strlen(end + 1) > 5)
        return false;
    *port = (unsigned)strtoul(end + 1, NULL, 10);
    return true;
}

static bool http_name_is(const char *host, size_t len, const char *name)
{
    return strlen(name) == len && strncasecmp(host, name, len) == 0;
}

static bool http_host_allowed(const struct http_rules *rules, const char *host)
{
    static const char *const own[] = {"localhost", "127.0.0.1", "[::1]"};
    size_t len;
    unsigned port;
    if (!http_split_host(host, &len, &port))
        return false;
    unsigned usual = strcmp(rules->scheme, "https") == 0 ? 443 : 80;
    for (size_t i = 0; i < sizeof(own) / sizeof(own[0]); i++)
        if (http_name_is(host, len, own[i]))
            return (port ? port : usual) == rules->port;
    /* A named host may be reached through a proxy on any port, unless its entry has one. */
    for (const char *const *allowed = rules->allow_hosts; allowed && *allowed; allowed++)
        if (http_name_is(host, len, *allowed) || strcasecmp(host, *allowed) == 0)
            return true;
    return false;
}

static bool http_origin_listed(const struct http_rules *rules, const char *origin)
{
    for (const char *const *allowed = rules->allow_origins; allowed && *allowed; allowed++)
        if (strcasecmp(origin, *allowed) == 0)
            return true;
    return false;
}

static bool http_origin_is_ours(const struct http_rules *rules, const struct http_facts *f)
{
    size_t scheme = strlen(rules->scheme);
    return strncasecmp(f->origin, rules->scheme, scheme) == 0 && strncmp(f->origin + scheme, "://", 3) == 0 &&
           strcasecmp(f->origin + scheme + 3, f->host) == 0;
}

/* DNS rebinding shows in Host, a foreign page in Origin or, where a GET has none, in
 * Sec-Fetch-Site. Another port of localhost is the same site, so cookies would not stop it. */
static bool http_check_site(const struct http_rules *rules, const struct http_facts *f,
                            struct http_verdict *v)
{
    if (str_empty(f->host))
        return http_refuse(v, 400, "bad_request", "the Host header is missing");
    if (!http_host_allowed(rules, f->host))
        return http_refuse(
            v, 403, "forbidden",
            "this host does not answer to that Host name; use localhost, 127.0.0.1 or [::1] with "
            "port %u, or allow the name with --allow-host",
            rules->port);
    if (f->origin && http_origin_listed(rules, f->origin))
        return true;
    if (f->origin && !http_origin_is_ours(rules, f))
        return http_refuse(v, 403, "forbidden",
                           "the request comes from a page of another origin; allow it with --allow-origin");
    if ((v->route->flags & ROUTE_API) && f->fetch_site && strcasecmp(f->fetch_site, "same-origin") != 0 &&
        strcasecmp(f->fetch_site, "none") != 0)
        return http_refuse(v, 403, "forbidden", "the request comes from a page of another site");
    return true;
}

static bool http_offers_batch(const char *protocols)
{
    const size_t want = strlen(HTTP_BATCH_PROTOCOL);
    for (const char *at = protocols; *at;) {
        at += strspn(at, ", \t");
        size_t n = strcspn(at, ", \t");
        if (n == want && strncmp(at, HTTP_BATCH_PROTOCOL, n) == 0)
            return true;
        at += n;
    }
    return false;
}

static bool http_check_upgrade(const struct http_facts *f, struct http_verdict *v)
{
    bool websocket = f->upgrade && strcasecmp(f->upgrade, "websocket") == 0;
    if (f->upgrade && !websocket)
        return http_refuse(v, 400, "bad_request", "an upgrade can only be to websocket");
    if (!(v->route->flags & ROUTE_WEBSOCKET)) {
        if (websocket)
            return http_refuse(v, 400, "bad_request", "this path is no WebSocket");
        return true;
    }
    if (!websocket) {
        snprintf(v->extra, sizeof(v->extra), "Upgrade: websocket\r\n");
        return http_refuse(v, 426, "bad_request", "this path is a WebSocket");
    }
    if (!f->ws_version || strcmp(f->ws_version, "13") != 0) {
        snprintf(v->extra, sizeof(v->extra), "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n");
        return http_refuse(v, 426, "bad_request", "only version 13 of the WebSocket protocol is spoken");
    }
    if (str_empty(f->ws_key))
        return http_refuse(v, 400, "bad_request", "the Sec-WebSocket-Key header is missing");
    v->batch = f->ws_protocols && http_offers_batch(f->ws_protocols);
    if (!str_empty(f->ws_protocols) && !v->batch)
        return http_refuse(v, 400, "bad_request",
                           "the only subprotocol is " HTTP_BATCH_PROTOCOL "; offer it or none");
    return true;
}

static bool http_check_body(const struct http_facts *f, struct http_verdict *v)
{
    bool takes = strcmp(v->route->method, "POST") == 0;
    if (f->transfer_encoding)
        return http_refuse(v, 411, "bad_request",
                           "a body needs a Content-Length; chunked bodies are not read");
    if (!f->content_length) {
        if (takes)
            return http_refuse(v, 411, "bad_request", "a POST needs a Content-Length, 0 without a body");
        return true;
    }
    size_t digits = strlen(f->content_length);
    if (digits == 0 || strspn(f->content_length, "0123456789") != digits)
        return http_refuse(v, 400, "bad_request", "the Content-Length is no number");
    unsigned long long n = digits > 18 ? (unsigned long long)-1 : strtoull(f->content_length, NULL, 10);
    if (n > HTTP_BODY_MAX)
        return http_refuse(v, 413, "too_large", "a body may have at most %d bytes", HTTP_BODY_MAX);
    if (n && !takes)
        return http_refuse(v, 400, "bad_request", "a %s has no body here", f->method);
    v->body = (size_t)n;
    return true;
}

void http_check(const struct http_rules *rules, const struct http_facts *f, struct http_verdict *v)
{
    memset(v, 0, sizeof(*v));
    if (!http_check_route(rules, f, v))
        return;
    if (!(v->route->flags & ROUTE_PROBE)) {
        if (!http_check_site(rules, f, v))
            return;
        if (f->peer_refusal) {
            http_refuse(v, 403, "forbidden", "%s", f->peer_refusal);
            return;
        }
    }
    if (http_check_upgrade(f, v))
        http_check_body(f, v);
}
