/* http_world.h: a loop, a client and a server, for the tests of the HTTP client. */
#pragma once

#include "http_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "io/http-internal.h"
#include "loop/loop.h"

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct {
    struct identity ca, other_ca, by_address, by_name, expired, client;
} ids;

struct world;

struct reply {
    int dones, status, retry_after, warning_count;
    bool sent;
    enum err_code code;
    char error[4096], body[9000], type[64], warnings[4][64];
    struct buf data;          /* of a stream */
    struct http_call *cancel; /* what the callback gives up */
    struct http_client *free;
    struct http_call *call;
    struct world *again; /* where it asks once more from inside `done` */
    struct reply *next;
};

static void ask_again(struct reply *r);

struct world {
    struct loop *loop;
    struct http_client *client;
    struct server *server;
    char url[128];
    int ticks;
};

static void on_done(void *arg, const struct http_answer *a)
{
    struct reply *r = arg;

    r->dones++;
    r->call = NULL;
    r->status = a->status;
    r->sent = a->sent;
    r->retry_after = a->retry_after;
    assert_true(!a->err == !!a->status);
    if (a->err) {
        r->code = a->err->code;
        snprintf(r->error, sizeof r->error, "%s", a->err->text);
    }
    assert_int_equal(a->body_len, strlen(a->body));
    snprintf(r->body, sizeof r->body, "%s", a->body);
    snprintf(r->type, sizeof r->type, "%s", a->content_type);
    for (const char *const *w = a->warnings; *w; w++)
        snprintf(r->warnings[r->warning_count++], 64, "%s", *w);
    http_cancel(&r->cancel);
    if (r->again)
        ask_again(r);
    if (r->free)
        http_client_free(r->free);
}

static void on_tick(void *arg)
{
    ((struct world *)arg)->ticks++;
}

static struct world *world_new(struct server *server, struct http_options options)
{
    struct world *w = calloc(1, sizeof *w);
    struct err err = {0};

    w->loop = loop_new();
    w->server = server;
    if (server) {
        server_start(server);
        snprintf(w->url, sizeof w->url, "%s://127.0.0.1:%d", server->tls ? "https" : "http", server->port);
    }
    w->client = http_client_new(w->loop, &options, &err);
    if (!w->client)
        fail_msg("%s", err.text);
    return w;
}

/* Nothing may be left open. */
static void world_free(struct world *w)
{
    http_client_free(w->client);
    assert_int_equal(loop_close(w->loop), 0);
    if (w->server)
        server_free(w->server);
    free(w);
}

static struct http_call *ask(struct world *w, const char *method, const char *path, const char *body,
                             struct reply *r, struct http_request more)
{
    char url[256];
    struct err err = {0};

    snprintf(url, sizeof url, "%s%s", *path == '/' ? w->url : "", path);
    more.method = method;
    more.url = url;
    more.body = body;
    more.body_len = body ? strlen(body) : 0;
    more.done = on_done;
    more.arg = r;
    r->call = http_send(w->client, &more, &err);
    if (!r->call)
        fail_msg("%s", err.text);
    assert_int_equal(r->dones, 0);
    return r->call;
}

static void ask_again(struct reply *r)
{
    ask(r->again, "GET", "/echo", NULL, r->next, (struct http_request){0});
}

static void turn_for(struct world *w, uint64_t ms, const int *until, int enough)
{
    uint64_t end = clock_mono_ms() + ms;
    struct timer *tick = timer_repeat(w->loop, 5, on_tick, w);

    while (clock_mono_ms() < end && (!until || *until < enough))
        loop_turn(w->loop);
    timer_stop(&tick);
}

static void wait_for(struct world *w, struct reply *r)
{
    turn_for(w, 10000, &r->dones, 1);
    assert_int_equal(r->dones, 1);
}

#define WAIT_UNTIL(w, condition)                                                                             \
    do {                                                                                                     \
        for (int tries_ = 0; tries_ < 1000 && !(condition); tries_++)                                        \
            turn_for(w, 10, NULL, 0);                                                                        \
        assert_true(condition);                                                                              \
    } while (0)

static struct reply get(struct world *w, const char *path)
{
    struct reply r = {0};

    ask(w, "GET", path, NULL, &r, (struct http_request){0});
    wait_for(w, &r);
    return r;
}

static struct reply post(struct world *w, const char *path, const char *body)
{
    struct reply r = {0};

    ask(w, "POST", path, body, &r, (struct http_request){0});
    wait_for(w, &r);
    return r;
}

static void assert_has(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("\"%s\" is not in \"%s\"", part, text);
}

static int set_up(void **state)
{
    (void)state;
    signal(SIGPIPE, SIG_IGN); /* the server's writes */
    ids.ca = identity_new("authority", NULL, NULL, 86400);
    ids.other_ca = identity_new("other authority", NULL, NULL, 86400);
    ids.by_address = identity_new("server", "IP:127.0.0.1", &ids.ca, 86400);
    ids.by_name = identity_new("server", "DNS:cluster.test", &ids.ca, 86400);
    ids.expired = identity_new("server", "IP:127.0.0.1", &ids.ca, -60);
    ids.client = identity_new("client", NULL, &ids.ca, 86400);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    identity_free(&ids.ca);
    identity_free(&ids.other_ca);
    identity_free(&ids.by_address);
    identity_free(&ids.by_name);
    identity_free(&ids.expired);
    identity_free(&ids.client);
    return 0;
}
