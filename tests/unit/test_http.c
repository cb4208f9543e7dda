/* What goes out, what comes in, and whom TLS trusts. */
#include "http_world.h"

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
    snprintf(expected, sizeof expected, "https://127.0.0.1:%d/", w->server->port);
    r = get(w, expected);
    assert_has(r.error, ": the server does not speak TLS there");
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

static struct reply get_over_tls(const struct identity *server, struct http_options options)
{
    struct world *w = world_new(server_new(server, true, NULL), options);
    struct reply r = get(w, "/");

    world_free(w);
    return r;
}

static void large_bodies_go_up_whole(void **state)
{
    char *body = malloc(3000001), *small = body + 3000000 - 40000;
    struct http_options options = {.ca_pem = ids.ca.cert_pem};
    struct world *w = world_new(server_new(NULL, false, NULL), options);
    struct reply r;

    (void)state;
    memset(body, 'x', 3000000);
    body[3000000] = '\0';
    r = post(w, "/size", body);
    assert_has(r.body, "3000000 bytes");
    world_free(w);
    w = world_new(server_new(&ids.by_address, true, NULL), options);
    for (int i = 0; i < 2; i++) {
        r = post(w, "/", body);
        assert_string_equal(r.body, "3000000 bytes");
        r = post(w, "/", small);
        assert_string_equal(r.body, "40000 bytes");
    }
    world_free(w);
    free(body);
}

static void a_proxy_is_used_and_named_when_it_fails(void **state)
{
    struct server *s = server_new(&ids.by_name, true, NULL);
    struct http_options options = {.ca_pem = ids.ca.cert_pem, .server_name = "cluster.test"};
    char proxy[64];
    struct world *w;
    struct reply r;

    (void)state;
    s->proxy = true;
    snprintf(proxy, sizeof proxy, "http://127.0.0.1:%d", s->port);
    options.proxy = proxy;
    w = world_new(s, options);
    r = post(w, "https://10.1.2.3:6443/", "hello");
    assert_string_equal(r.body, "hello");
    assert_string_equal(s->tunnel_to, "10.1.2.3:6443");
    assert_string_equal(s->sni, "cluster.test");
    r = get(w, "http://nowhere.test/x");
    assert_has(r.body, "GET http://nowhere.test/x HTTP/1.1|nowhere.test|");
    r = post(w, "https://forbidden.test/", "hello");
    assert_string_equal(r.error, "https://forbidden.test:443: the proxy refused with status 403");
    assert_false(r.sent);
    r = post(w, "https://closing.test/", "hello");
    assert_string_equal(r.error, "https://closing.test:443: the proxy closed the connection");
    assert_false(r.sent);
    world_free(w);
    w = world_new(NULL, options);
    r = post(w, "https://10.1.2.3:6443/", "hello");
    assert_string_equal(r.error, "https://10.1.2.3:6443: the proxy cannot be reached: connection refused");
    world_free(w);
}

static void heads_of_every_shape_are_read(void **state)
{
    static const struct {
        const char *line, *first;
        size_t count;
    } warnings[] = {
        {"299 - \"a\"", "a", 1},
        {"299 - \"a\",299 - \"b\" , 299 x:80 \"c\"", "a", 3},
        {"299 - \"\\\"q\\\\\" \"Wed, 21 Oct 2015 07:28:00 GMT\"", "\"q\\", 1},
        {"110 - \"stale\"", NULL, 0},
        {"299 - \"\"", NULL, 0},
        {"299 - \"open", NULL, 0},
        {"299 - \"open\\", NULL, 0},
        {"299 -", NULL, 0},
        {"299", NULL, 0},
        {"2999 - \"a\"", NULL, 0},
        {",,,", NULL, 0},
        {"", NULL, 0},
    };
    struct http_head head = {.retry_after = -1};
    char date[96];
    time_t soon = time(NULL) + 100;

    (void)state;
    for (size_t i = 0; i < sizeof warnings / sizeof *warnings; i++) {
        head_warnings(&head, warnings[i].line);
        assert_int_equal(head.warning_count, warnings[i].count);
        if (warnings[i].first)
            assert_string_equal(head.warnings[0], warnings[i].first);
        head_clear(&head);
    }
    for (int i = 0; i < 2 * HTTP_MAX_WARNINGS; i++)
        head_warnings(&head, "299 - \"a\"");
    assert_int_equal(head.warning_count, HTTP_MAX_WARNINGS);
    assert_null(head.warnings[HTTP_MAX_WARNINGS]);
    strftime(date, sizeof date, "Retry-After: %a, %d %b %Y %H:%M:%S GMT\r\n", gmtime(&soon));
    head_line(&head, date, strlen(date));
    assert_in_range(head.retry_after, 97, 101);
    head_line(&head, "retry-after: soon\r\n", 19);
    assert_int_equal(head.retry_after, -1);
    head_line(&head, "Retry-After:0", 13);
    assert_int_equal(head.retry_after, 0);
    head_line(&head, "HTTP/1.1 503 Busy\r\n", 19);
    assert_int_equal(head.status, 503);
    assert_int_equal(head.retry_after, -1);
    assert_int_equal(head.warning_count, 0);
    head_clear(&head);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_requests_carry_method_path_headers_and_body),
        cmocka_unit_test(warnings_and_retry_after_are_read),
        cmocka_unit_test(large_bodies_go_up_whole),
        cmocka_unit_test(a_proxy_is_used_and_named_when_it_fails),
        cmocka_unit_test(heads_of_every_shape_are_read),
        cmocka_unit_test(only_the_given_authority_is_trusted),
        cmocka_unit_test(a_certificate_must_be_for_the_name_or_tls_server_name),
        cmocka_unit_test(a_client_certificate_is_shown),
        cmocka_unit_test(credentials_that_cannot_work_are_refused_at_once),
        cmocka_unit_test(what_is_wrong_with_a_request_is_said_before_sending),
        cmocka_unit_test(an_answer_over_the_bound_is_cut_off),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
