/* server.h: the host's front door: HTTP and WebSocket over libwebsockets on the loop.
 *
 * One listener (a loopback name binds 127.0.0.1 and ::1, both or not at all), and one for metrics where it
 * is asked for, which lets everybody in and has nothing else. Every request is
 * judged here first: path, Host, Origin, Sec-Fetch-Site, peer; only then `rest` or `stream` see
 * it. Owns its connections and nothing else. Loop thread only. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct clusters;
struct err;
struct executions;
struct loop;
struct packs;
struct redactor;
struct server;

struct server_options {
    struct loop *loop;
    const char *listen;         /* HOST:PORT; port 0: any free one */
    const char *metrics_listen; /* the same, on any address, for /metrics and probes alone; NULL: not */
    struct executions *executions;
    struct clusters *clusters;
    struct packs *packs;
    const struct redactor *redactor;
    const char *version, *commit; /* as /metrics tells them */
    const char *panel;            /* the panel's folder; NULL: a page in its place that says what there is */
    const char *const *allow_hosts, *const *allow_origins; /* each ends with NULL; may be NULL */
};

/* Are these addresses that server_new() would take? Opens nothing. -1 with err, one sentence. */
int server_check_listen(const char *listen, const char *metrics_listen, struct err *err);

/* Listens. NULL with err (a taken port, a bad address: one sentence). */
struct server *server_new(const struct server_options *options, struct err *err);
const char *server_url(const struct server *server); /* "http://127.0.0.1:7070", the real port */
/* "http://127.0.0.1:9090/metrics" of its own listener, the real port; NULL where there is none. */
const char *server_metrics_url(const struct server *server);

/* Stops listening but for probes, answers `busy` to a start and 503 to /readyz; open viewers go on. */
void server_drain(struct server *server);
/* Closes what is open (1001 to viewers) and frees. */
void server_free(struct server *server);
