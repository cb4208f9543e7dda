/* How connections and calls begin, wait, are shared, and end. */
#include "http_world.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>

/* Every look-up of the program, libcurl's too, comes here, as the program's own symbol stands before the
 * C library's: two names misbehave. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool answering;
    int asking;
} names = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

__attribute__((visibility("default"))) int getaddrinfo(const char *node, const char *service,
                                                       const struct addrinfo *hints, struct addrinfo **out)
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

static void on_data(void *arg, const char *data, size_t len)
{
    struct reply *r = arg;

    buf_append(&r->data, data, len);
    http_cancel(&r->cancel);
    if (r->free)
        http_client_free(r->free);
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
    struct world *w = world_new(NULL, (struct http_options){.connect_ms = 400});
    struct reply r = {0}, cancelled = {0}, left = {0};
    struct http_call *call =
        ask(w, "GET", "http://silent.test:81/", NULL, &cancelled, (struct http_request){0});
    uint64_t began;

    (void)state;
    ask(w, "GET", "https://silent.test/x", NULL, &r, (struct http_request){0});
    WAIT_UNTIL(w, names.asking > 0);
    began = clock_mono_ms();
    http_cancel(&call);
    assert_true(clock_mono_ms() - began < 1000);
    w->ticks = 0;
    began = clock_mono_ms();
    wait_for(w, &r);
    assert_true(clock_mono_ms() - began < 3000);
    assert_true(w->ticks >= 5);
    assert_has(r.error, "https://silent.test:443: no connection within 0.4 s");
    assert_has(r.error, "looking up the name silent.test");
    assert_int_equal(r.code, ERR_TIMEOUT);
    assert_false(r.sent);
    assert_int_equal(cancelled.dones, 0);
    ask(w, "GET", "https://silent.test/y", NULL, &left, (struct http_request){0});
    turn_for(w, 30, NULL, 0);
    began = clock_mono_ms();
    world_free(w);
    assert_true(clock_mono_ms() - began < 1000);
    name_server_recovers();
    assert_int_equal(left.dones, 0);
}

static void a_server_that_never_answers_is_given_up(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem, .connect_ms = 400};
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct reply r = {0};

    (void)state;
    ask(w, "POST", "/hang", "x", &r, (struct http_request){.answer_ms = 400});
    wait_for(w, &r);
    assert_has(r.error, ": no answer within 0.4 s");
    assert_int_equal(r.code, ERR_TIMEOUT);
    assert_true(r.sent);
    r = get(w, "/echo");
    assert_int_equal(r.status, 200);
    world_free(w);
    w = world_new(server_new(&ids.by_address, true, NULL), options);
    w->server->silent = true;
    r = get(w, "/");
    assert_has(r.error, ": connected, but no TLS handshake within 0.4 s");
    assert_int_equal(r.code, ERR_TIMEOUT);
    assert_false(r.sent);
    world_free(w);
}

static void the_sockets_notice_a_dead_path_and_stay_out_of_children(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    int found = 0;

    (void)state;
    get(w, "/echo");
    for (int fd = 0; fd < 1024; fd++) {
        struct sockaddr_in peer;
        socklen_t len = sizeof peer, n = sizeof(int);
        int keepalive = 0, limit = 0;

        if (getpeername(fd, (struct sockaddr *)&peer, &len) || ntohs(peer.sin_port) != w->server->port)
            continue;
        found++;
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
        getsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &keepalive, &n);
        getsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, &n);
        assert_true(keepalive);
        assert_int_equal(limit, HTTP_DEAD_PATH_MS);
    }
    assert_int_equal(found, 1);
    world_free(w);
}

static void a_tls_server_without_http2_gets_a_connection_a_call(void **state)
{
    struct world *w =
        world_new(server_new(&ids.by_address, false, NULL), (struct http_options){.ca_pem = ids.ca.cert_pem});
    struct reply hanging = {0}, r[10] = {0};

    (void)state;
    ask(w, "GET", "/hang", NULL, &hanging, (struct http_request){0});
    for (int i = 0; i < 10; i++)
        ask(w, "POST", "/echo", "x", &r[i], (struct http_request){0});
    for (int i = 0; i < 10; i++) {
        wait_for(w, &r[i]);
        assert_int_equal(r[i].status, 200);
    }
    world_free(w);
}

static void calls_that_wait_for_a_stuck_connection_end_together(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem, .connect_ms = 400};
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
    assert_true(clock_mono_ms() - began < 2400); /* one after the other would be 3200 */
    for (int i = 0; i < 8; i++)
        assert_false(r[i].sent);
    world_free(w);
}

static void a_stream_hands_out_bytes_as_they_come(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct http_request stream = {.on_data = on_data, .answer_ms = 600};
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
    assert_has(silent.error, ": silent for 0.6 s");
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
    ask(w, "POST", "/", "hold", &late, (struct http_request){.answer_ms = 600});
    wait_for(w, &late);
    assert_has(late.error, "no answer within 0.6 s");
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

static void a_refusal_counts_though_its_body_broke_off(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct reply r = post(w, "/unauthorized", "x");

    (void)state;
    assert_int_equal(r.status, 401);
    assert_string_equal(r.body, "who");
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

static void a_write_beside_one_that_was_turned_away_was_not_sent_either(void **state)
{
    struct http_options options = {.ca_pem = ids.ca.cert_pem};
    struct world *w = world_new(server_new(&ids.by_address, true, NULL), options);
    struct reply r[4] = {0};

    (void)state;
    post(w, "/", "first"); /* now there is a connection to share */
    w->server->refuse_left = 1;
    for (int i = 0; i < 4; i++)
        ask(w, "POST", "/", i < 3 ? "mute" : "goaway", &r[i], (struct http_request){0});
    for (int i = 0; i < 4; i++) {
        wait_for(w, &r[i]);
        assert_true(r[i].status == 200 || !r[i].sent);
    }
    world_free(w);
}

static void calls_can_be_cancelled_and_sent_from_callbacks(void **state)
{
    struct world *w = world_new(server_new(NULL, false, NULL), (struct http_options){0});
    struct reply hanging = {0}, itself = {0}, stream = {0}, r = {0}, next = {0};
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
    r = (struct reply){.again = w, .next = &next};
    ask(w, "GET", "/echo", NULL, &r, (struct http_request){0});
    wait_for(w, &r);
    wait_for(w, &next);
    assert_int_equal(next.status, 200);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_refused_connection_and_an_unknown_name_are_said_so),
        cmocka_unit_test(a_silent_name_server_never_stalls_the_loop),
        cmocka_unit_test(a_server_that_never_answers_is_given_up),
        cmocka_unit_test(the_sockets_notice_a_dead_path_and_stay_out_of_children),
        cmocka_unit_test(a_tls_server_without_http2_gets_a_connection_a_call),
        cmocka_unit_test(calls_that_wait_for_a_stuck_connection_end_together),
        cmocka_unit_test(a_stream_hands_out_bytes_as_they_come),
        cmocka_unit_test(a_stream_has_a_connection_of_its_own_beside_http2),
        cmocka_unit_test(short_calls_share_one_http2_connection),
        cmocka_unit_test(a_connection_that_stopped_answering_takes_no_new_calls),
        cmocka_unit_test(an_idle_connection_that_the_server_closed_is_replaced),
        cmocka_unit_test(a_refusal_counts_though_its_body_broke_off),
        cmocka_unit_test(a_write_that_the_server_may_have_seen_is_not_repeated),
        cmocka_unit_test(a_write_that_the_server_did_not_look_at_was_not_sent),
        cmocka_unit_test(a_write_beside_one_that_was_turned_away_was_not_sent_either),
        cmocka_unit_test(calls_can_be_cancelled_and_sent_from_callbacks),
        cmocka_unit_test(the_client_can_be_freed_with_calls_under_way_and_from_callbacks),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
