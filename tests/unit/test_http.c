#include "http_server.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "io/http.h"
#include "loop/loop.h"

#include <dlfcn.h>
#include <netdb.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

/* Every look-up of the program, libcurl's too, comes here: two names misbehave. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answering;
    int asking;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **out)
{
    static int (*real)(const char *, const char *, const struct addrinfo *, struct addrinfo **);

    if (node && !strcmp(node, "nowhere.test"))
        return EAI_NONAME;
    if (node && !strcmp(node, "silent.test")) {
        pthread_mutex_lock(&names.lock);
        names.asking++;
        while (!names.answering)
            pthread_cond_wait(&names.changed, &names.lock);
        names.asking--;
        pthread_cond_broadcast(&names.changed);
        pthread_mutex_unlock(&names.lock);
        return EAI_AGAIN;
    }
    pthread_mutex_lock(&names.lock);
    if (!real)
        *(void **)&real = dlsym(RTLD_NEXT, "getaddrinfo");
    pthread_mutex_unlock(&names.lock);
    return real(node, service, hints, out);
}

static void name_server_recovers(void)
{
    pthread_mutex_lock(&names.lock);
    names.answering = true;
    pthread_cond_broadcast(&names.changed);
    while (names.asking)
        pthread_cond_wait(&names.changed, &names.lock);
    names.answering = false;
    pthread_mutex_unlock(&names.lock);
}

static struct {
    struct identity ca, other_ca, by_address, by_name, expired, client;
} ids;

struct reply {
    int dones, status, retry_after, warning_count;
    bool sent;
    enum err_code code;
    char error[4096], body[9000], type[64], warnings[4][64];
    struct buf data;          /* of a stream */
    struct http_call *cancel; /* what the callback gives up */
    struct http_client *free;
    struct http_call *call;
};

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
    if (r->free)
        http_client_free(r->free);
}

static void on_data(void *arg, const char *data, size_t len)
{
    struct reply *r = arg;

    buf_append(&r->data, data, len);
    http_cancel(&r->cancel);
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

static void plain_requests_carry_method_path_headers_and_body(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    const char *const headers[] = {"Content-Type: application/apply-patch+yaml", NULL};
    char expected[256];
    struct reply r = get(w, "/a/../b?x=1");

    (void)state;
    snprintf(expected, sizeof expected, "GET /a/../b?x=1 HTTP/1.1|127.0.0.1:%d||", w->server->port);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, expected);
    assert_string_equal(r.type, "text/plain");
    assert_int_equal(r.retry_after, -1);
    r = (struct reply){0};
    ask(w, "PATCH", "/echo", "{\"a\":1}", &r, (struct http_request){.headers = headers});
    wait_for(w, &r);
    assert_has(r.body, "PATCH /echo HTTP/1.1|");
    assert_has(r.body, "|application/apply-patch+yaml|{\"a\":1}");
    r = post(w, "/echo", NULL);
    assert_has(r.body, "POST /echo HTTP/1.1|");
    r = (struct reply){0};
    ask(w, "DELETE", "/echo", NULL, &r, (struct http_request){0});
    wait_for(w, &r);
    assert_has(r.body, "DELETE /echo HTTP/1.1|");
    assert_int_equal(w->server->connections, 1);
    world_free(w);
}

static void warnings_and_retry_after_are_read(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct reply r = get(w, "/busy");

    (void)state;
    assert_int_equal(r.status, 429);
    assert_int_equal(r.retry_after, 7);
    assert_string_equal(r.body, "busy");
    assert_int_equal(r.warning_count, 3);
    assert_string_equal(r.warnings[0], "policy/v1beta1 is \"old\"");
    assert_string_equal(r.warnings[1], "a, b");
    assert_string_equal(r.warnings[2], "c");
    world_free(w);
}

static void a_refused_connection_and_an_unknown_name_are_said_so(void **state)
{
    struct server *s = server_new(NULL, false, NULL);
    struct world *w = world_new(NULL, (struct http_options){0});
    char url[64], expected[128];
    struct reply r;

    (void)state;
    close(s->fd);
    snprintf(url, sizeof url, "https://127.0.0.1:%d", s->port);
    r = post(w, url, "x");
    snprintf(expected, sizeof expected, "%s: connection refused", url);
    assert_string_equal(r.error, expected);
    assert_int_equal(r.code, ERR_UNAVAILABLE);
    assert_false(r.sent);
    r = post(w, "https://nowhere.test/", "x");
    assert_string_equal(r.error, "https://nowhere.test:443: the name nowhere.test cannot be resolved");
    assert_false(r.sent);
    free(s);
    world_free(w);
}

static void a_silent_name_server_never_stalls_the_loop(void **state)
{
    struct world *w = world_new(NULL, (struct http_options){.connect_ms = 150});
    struct reply r = {0}, cancelled = {0}, left = {0};
    struct http_call *call =
        ask(w, "GET", "http://silent.test:81/", NULL, &cancelled, (struct http_request){0});
    uint64_t began;

    (void)state;
    ask(w, "GET", "https://silent.test/x", NULL, &r, (struct http_request){0});
    turn_for(w, 50, NULL, 0);
    assert_true(names.asking > 0);
    began = clock_mono_ms();
    http_cancel(&call);
    assert_true(clock_mono_ms() - began < 50);
    w->ticks = 0;
    began = clock_mono_ms();
    wait_for(w, &r);
    assert_true(clock_mono_ms() - began < 1000);
    assert_true(w->ticks >= 5);
    assert_has(r.error, "https://silent.test:443: no connection within 0.1");
    assert_has(r.error, "looking up the name silent.test");
    assert_int_equal(r.code, ERR_TIMEOUT);
    assert_false(r.sent);
    assert_int_equal(cancelled.dones, 0);
    ask(w, "GET", "https://silent.test/y", NULL, &left, (struct http_request){0});
    turn_for(w, 30, NULL, 0);
    began = clock_mono_ms();
    world_free(w);
    assert_true(clock_mono_ms() - began < 100);
    name_server_recovers();
    assert_int_equal(left.dones, 0);
}

static struct reply get_over_tls(const struct identity *server, struct http_options options)
{
    struct world *w = world_new(server_new(server, true, NULL), options);
    struct reply r = get(w, "/");

    world_free(w);
    return r;
}

static void only_the_given_authority_is_trusted(void **state)
{
    struct reply r = get_over_tls(&ids.by_address, (struct http_options){.ca_pem = ids.ca.cert_pem});

    (void)state;
    assert_int_equal(r.status, 200);
    r = get_over_tls(&ids.by_address, (struct http_options){.ca_pem = ids.other_ca.cert_pem});
    assert_int_equal(r.status, 0);
    assert_has(r.error, ": certificate signed by an unknown authority");
    assert_has(r.error, "https://127.0.0.1:");
    assert_false(r.sent);
    r = get_over_tls(&ids.by_address, (struct http_options){0});
    assert_has(r.error, ": certificate signed by an unknown authority");
    r = get_over_tls(&ids.by_address, (struct http_options){.insecure = true});
    assert_int_equal(r.status, 200);
    r = get_over_tls(&ids.expired, (struct http_options){.ca_pem = ids.ca.cert_pem});
    assert_has(r.error, "the certificate has expired");
}

static void a_certificate_must_be_for_the_name_or_tls_server_name(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem};
    struct reply r = get_over_tls(&ids.by_name, options);
    char expected[128];
    struct world *w;

    (void)state;
    assert_has(r.error, "the certificate is not for 127.0.0.1");
    options.server_name = "elsewhere.test";
    r = get_over_tls(&ids.by_name, options);
    assert_has(r.error, "the certificate is not for elsewhere.test");
    options.server_name = "cluster.test";
    w = world_new(server_new(&ids.by_name, false, NULL), options);
    r = get(w, "/echo");
    assert_int_equal(r.status, 200);
    snprintf(expected, sizeof expected, "|127.0.0.1:%d|", w->server->port);
    assert_has(r.body, expected);
    assert_string_equal(w->server->sni, "cluster.test");
    world_free(w);
}

static void a_client_certificate_is_shown(void **state)
{
    struct http_options options = {
        .ca_pem = ids.ca.cert_pem, .cert_pem = ids.client.cert_pem, .key_pem = ids.client.key_pem};
    struct world *w = world_new(server_new(&ids.by_address, true, &ids.ca), options);
    struct reply r = get(w, "/");

    (void)state;
    assert_int_equal(r.status, 200);
    world_free(w);
    w = world_new(server_new(&ids.by_address, true, &ids.ca),
                  (struct http_options){.ca_pem = ids.ca.cert_pem});
    r = get(w, "/");
    assert_int_equal(r.status, 0);
    assert_int_equal(w->server->requests, 0);
    world_free(w);
}

static void credentials_that_cannot_work_are_refused_at_once(void **state)
{
    struct loop *loop = loop_new();
    struct err err;
    struct http_options bad[] = {
        {.ca_pem = "hello"},
        {.cert_pem = ids.client.cert_pem},
        {.cert_pem = ids.client.cert_pem, .key_pem = ids.ca.key_pem},
        {.cert_pem = ids.client.cert_pem, .key_pem = "hello"},
        {.proxy = "gopher://x"},
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        assert_null(http_client_new(loop, &bad[i], &err));
        assert_int_equal(err.code, ERR_BAD_REQUEST);
    }
    assert_int_equal(loop_close(loop), 0);
}

static void what_is_wrong_with_a_request_is_said_before_sending(void **state)
{
    struct world *w = world_new(NULL, (struct http_options){0});
    const char *const smuggled[] = {"X: a\r\nY: b", NULL}, *const nameless[] = {"hello", NULL};
    struct http_request bad[] = {
        {.method = "GET", .url = "ftp://x/"},
        {.method = "GET", .url = "x y"},
        {.method = "GET", .url = ""},
        {.method = "GET\r\n", .url = "http://x/"},
        {.method = "GET", .url = "http://x/", .headers = smuggled},
        {.method = "GET", .url = "http://x/", .headers = nameless},
    };
    struct err err;

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        bad[i].done = on_done;
        assert_null(http_send(w->client, &bad[i], &err));
        assert_int_equal(err.code, ERR_BAD_REQUEST);
    }
    world_free(w);
}

static void a_server_that_never_answers_is_given_up(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem, .connect_ms = 200, .answer_ms = 150};
    struct world *w = world_new(server_new(NULL, false, NULL), options);
    struct reply r = post(w, "/hang", "x");

    (void)state;
    assert_has(r.error, ": no answer within 0.1");
    assert_int_equal(r.code, ERR_TIMEOUT);
    assert_true(r.sent);
    r = get(w, "/echo");
    assert_int_equal(r.status, 200);
    world_free(w);
    options.answer_ms = 5000;
    w = world_new(server_new(&ids.by_address, true, NULL), options);
    w->server->silent = true;
    r = get(w, "/");
    assert_has(r.error, ": connected, but no TLS handshake within 0.2 s");
    assert_false(r.sent);
    world_free(w);
}

static void calls_that_wait_for_a_stuck_connection_end_together(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem, .connect_ms = 150};
    struct server *s = server_new(&ids.by_address, true, NULL);
    struct reply r[8] = {0};
    struct world *w;
    uint64_t began;

    (void)state;
    s->silent = true;
    w = world_new(s, options);
    began = clock_mono_ms();
    for (int i = 0; i < 8; i++)
        ask(w, "GET", "/", NULL, &r[i], (struct http_request){0});
    for (int i = 0; i < 8; i++)
        wait_for(w, &r[i]);
    assert_true(clock_mono_ms() - began < 900); /* one after the other would be 1200 */
    for (int i = 0; i < 8; i++)
        assert_false(r[i].sent);
    world_free(w);
}

static void an_answer_over_the_bound_is_cut_off(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    const char *const paths[] = {"/big", "/endless", "/headers"};

    (void)state;
    for (int i = 0; i < 3; i++) {
        struct reply r = {0};

        ask(w, "GET", paths[i], NULL, &r, (struct http_request){.max_body = 50000});
        wait_for(w, &r);
        assert_int_equal(r.code, ERR_TOO_LARGE);
        assert_has(r.error, "the answer is larger than");
        assert_string_equal(r.body, "");
    }
    world_free(w);
}

static void a_stream_hands_out_bytes_as_they_come(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct http_request stream = {.on_data = on_data, .answer_ms = 150};
    struct reply r = {0}, gone = {0}, broken = {0}, silent = {0};

    (void)state;
    ask(w, "GET", "/stream", NULL, &r, stream);
    wait_for(w, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(buf_str(&r.data), "a\nb\n");
    assert_string_equal(r.body, "");
    ask(w, "GET", "/gone", NULL, &gone, stream);
    wait_for(w, &gone);
    assert_int_equal(gone.status, 410);
    assert_string_equal(gone.body, "too old");
    assert_int_equal(gone.data.len, 0);
    ask(w, "GET", "/stream-break", NULL, &broken, stream);
    wait_for(w, &broken);
    assert_int_equal(broken.status, 0);
    assert_has(broken.error, "the connection broke before the answer ended");
    assert_string_equal(buf_str(&broken.data), "a\n");
    ask(w, "GET", "/stream-hang", NULL, &silent, stream);
    wait_for(w, &silent);
    assert_has(silent.error, ": silent for 0.1");
    assert_string_equal(buf_str(&silent.data), "a\n");
    buf_free(&r.data);
    buf_free(&broken.data);
    buf_free(&silent.data);
    world_free(w);
}

static void a_stream_has_a_connection_of_its_own_beside_http2(void **state)
{
    struct world *w =
        world_new(server_new(&ids.by_address, true, NULL), (struct http_options){.ca_pem = ids.ca.cert_pem});
    struct reply a = {0}, b = {0}, r;

    (void)state;
    get(w, "/");
    ask(w, "GET", "/stream-hang", NULL, &a, (struct http_request){.on_data = on_data});
    ask(w, "GET", "/stream-hang", NULL, &b, (struct http_request){.on_data = on_data});
    WAIT_UNTIL(w, a.data.len && b.data.len);
    assert_int_equal(w->server->connections, 3);
    for (int i = 0; i < 5; i++) {
        r = post(w, "/", "echo");
        assert_string_equal(r.body, "echo");
    }
    assert_int_equal(w->server->connections, 3);
    http_cancel(&a.call);
    assert_null(a.call);
    WAIT_UNTIL(w, w->server->hung_up == 1);
    buf_free(&a.data);
    buf_free(&b.data);
    world_free(w);
    assert_int_equal(a.dones + b.dones, 0);
}

static void short_calls_share_one_http2_connection(void **state)
{
    struct world *w =
        world_new(server_new(&ids.by_address, true, NULL), (struct http_options){.ca_pem = ids.ca.cert_pem});
    struct reply held[20] = {0}, r;

    (void)state;
    for (int i = 0; i < 20; i++)
        ask(w, "POST", "/", "hold", &held[i], (struct http_request){0});
    WAIT_UNTIL(w, w->server->requests == 20);
    http_cancel(&held[7].call);
    http_cancel(&held[8].call);
    r = post(w, "/", "echo"); /* the resets go out with the next request, or before it */
    assert_string_equal(r.body, "echo");
    assert_int_equal(w->server->resets, 2);
    r = post(w, "/", "release");
    assert_string_equal(r.body, "released");
    for (int i = 0; i < 20; i++) {
        if (i == 7 || i == 8)
            continue;
        wait_for(w, &held[i]);
        assert_string_equal(held[i].body, "held");
    }
    assert_int_equal(w->server->connections, 1);
    assert_int_equal(held[7].dones + held[8].dones, 0);
    world_free(w);
}

static void a_connection_that_stopped_answering_takes_no_new_calls(void **state)
{
    struct world *w =
        world_new(server_new(&ids.by_address, true, NULL), (struct http_options){.ca_pem = ids.ca.cert_pem});
    struct reply held = {0}, late = {0}, r;

    (void)state;
    ask(w, "POST", "/", "hold", &held, (struct http_request){0});
    ask(w, "POST", "/", "hold", &late, (struct http_request){.answer_ms = 200});
    wait_for(w, &late);
    assert_has(late.error, "no answer within 0.2 s");
    assert_true(late.sent);
    r = post(w, "/", "echo");
    assert_string_equal(r.body, "echo");
    assert_int_equal(w->server->connections, 2);
    assert_int_equal(held.dones, 0);
    http_cancel(&held.call);
    r = post(w, "/", "echo");
    assert_int_equal(w->server->connections, 2);
    world_free(w);
}

static void an_idle_connection_that_the_server_closed_is_replaced(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});

    struct reply r = get(w, "/last");

    (void)state;
    assert_int_equal(r.status, 200);
    turn_for(w, 30, NULL, 0);
    r = post(w, "/echo", "x");
    assert_int_equal(r.status, 200);
    assert_int_equal(w->server->connections, 2);
    assert_int_equal(w->server->requests, 2);
    world_free(w);
}

static void check_dying(bool h2)
{
    struct world *w =
        world_new(server_new(&ids.by_address, h2, NULL), (struct http_options){.ca_pem = ids.ca.cert_pem});
    struct reply r;

    post(w, "/echo", "first");
    w->server->die_left = 1;
    r = post(w, "/die", "die");
    assert_int_equal(r.status, 0);
    assert_true(r.sent);
    assert_int_equal(r.code, ERR_UNAVAILABLE);
    assert_has(r.error, ": the connection was closed before an answer came");
    assert_int_equal(w->server->requests, 2);
    if (!h2) {
        post(w, "/echo", "first");
        w->server->die_left = 1;
        r = get(w, "/die");
        assert_int_equal(r.status, 200);
        assert_int_equal(w->server->requests, 5);
    }
    world_free(w);
}

static void a_write_that_the_server_may_have_seen_is_not_repeated(void **state)
{
    (void)state;
    check_dying(false);
    check_dying(true);
}

static void a_write_that_the_server_did_not_look_at_was_not_sent(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem};
    struct world *w = world_new(server_new(&ids.by_address, true, NULL), options);
    struct reply r;

    (void)state;
    w->server->refuse_left = 1; /* the stream: repeated at once, on another connection */
    r = post(w, "/", "refuse");
    assert_string_equal(r.body, "refuse");
    assert_int_equal(w->server->requests, 2);
    world_free(w);
    w = world_new(server_new(&ids.by_address, true, NULL), options);
    w->server->refuse_left = 1; /* the connection: the caller may repeat it */
    r = post(w, "/", "goaway");
    assert_int_equal(r.status, 0);
    assert_false(r.sent);
    r = post(w, "/", "goaway");
    assert_string_equal(r.body, "goaway");
    world_free(w);
}

static void a_call_can_be_cancelled_from_any_callback(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct reply hanging = {0}, itself = {0}, stream = {0}, r = {0};
    struct http_call *none = NULL;

    (void)state;
    http_cancel(&none);
    ask(w, "GET", "/hang", NULL, &hanging, (struct http_request){0});
    r.cancel = hanging.call;
    ask(w, "GET", "/echo", NULL, &r, (struct http_request){0});
    wait_for(w, &r);
    WAIT_UNTIL(w, w->server->hung_up == 1);
    itself.cancel = ask(w, "GET", "/echo", NULL, &itself, (struct http_request){0});
    wait_for(w, &itself);
    stream.cancel = ask(w, "GET", "/stream", NULL, &stream, (struct http_request){.on_data = on_data});
    WAIT_UNTIL(w, stream.data.len > 0);
    turn_for(w, 30, NULL, 0);
    assert_int_equal(hanging.dones + stream.dones, 0);
    buf_free(&stream.data);
    world_free(w);
}

static void the_client_can_be_freed_with_calls_under_way_and_from_callbacks(void **state)
{
    (void)state;
    for (int way = 0; way < 3; way++) {
        struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
        struct reply hanging = {0}, stream = {0}, r = {0};

        ask(w, "GET", "/hang", NULL, &hanging, (struct http_request){0});
        ask(w, "GET", "/stream-hang", NULL, &stream, (struct http_request){.on_data = on_data});
        if (way == 1) {
            r.free = w->client;
            ask(w, "GET", "/echo", NULL, &r, (struct http_request){0});
            wait_for(w, &r);
            w->client = NULL;
        } else if (way == 2) {
            stream.free = w->client;
            WAIT_UNTIL(w, stream.data.len > 0);
            w->client = NULL;
        } else {
            turn_for(w, 20, NULL, 0);
        }
        buf_free(&stream.data);
        world_free(w);
        assert_int_equal(hanging.dones + stream.dones, 0);
    }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_carry_method_path_headers_and_body),
        cmocka_unit_test(warnings_and_retry_after_are_read),
        cmocka_unit_test(a_refused_connection_and_an_unknown_name_are_said_so),
        cmocka_unit_test(a_silent_name_server_never_stalls_the_loop),
        cmocka_unit_test(only_the_given_authority_is_trusted),
        cmocka_unit_test(a_certificate_must_be_for_the_name_or_tls_server_name),
        cmocka_unit_test(a_client_certificate_is_shown),
        cmocka_unit_test(credentials_that_cannot_work_are_refused_at_once),
        cmocka_unit_test(what_is_wrong_with_a_request_is_said_before_sending),
        cmocka_unit_test(a_server_that_never_answers_is_given_up),
        cmocka_unit_test(calls_that_wait_for_a_stuck_connection_end_together),
        cmocka_unit_test(an_answer_over_the_bound_is_cut_off),
        cmocka_unit_test(a_stream_hands_out_bytes_as_they_come),
        cmocka_unit_test(a_stream_has_a_connection_of_its_own_beside_http2),
        cmocka_unit_test(short_calls_share_one_http2_connection),
        cmocka_unit_test(a_connection_that_stopped_answering_takes_no_new_calls),
        cmocka_unit_test(an_idle_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(a_write_that_the_server_may_have_seen_is_not_repeated),
        cmocka_unit_test(a_write_that_the_server_did_not_look_at_was_not_sent),
        cmocka_unit_test(a_call_can_be_cancelled_from_any_callback),
        cmocka_unit_test(the_client_can_be_freed_with_calls_under_way_and_from_callbacks),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
