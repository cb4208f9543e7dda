/* Which requests go further, and which do not: the one judgement, as promises. */
#include "edge/http-check.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void serve_nothing(struct exchange *x)
{
    (void)x;
}

static const struct http_route routes[] = {
    {"GET", "/", 0, serve_nothing},
    {"GET", "/healthz", ROUTE_PROBE, serve_nothing},
    {"GET", "/api/list", ROUTE_API, serve_nothing},
    {"POST", "/api/list", ROUTE_API, serve_nothing},
    {"GET", "/api/stream", ROUTE_API | ROUTE_WEBSOCKET, NULL},
    {NULL, NULL, 0, NULL},
};
static const char *const hosts[] = {"moon.example", "other.example:8443", NULL};
static const char *const origins[] = {"http://localhost:5173", NULL};
static const struct http_rules rules = {
    .routes = routes, .scheme = "http", .port = 7070, .allow_hosts = hosts, .allow_origins = origins};

static struct http_facts get(const char *path)
{
    return (struct http_facts){.method = "GET", .path = path, .host = "127.0.0.1:7070"};
}

static struct http_facts upgrade(void)
{
    struct http_facts f = get("/api/stream");
    f.upgrade = "websocket";
    f.ws_version = "13";
    f.ws_key = "dGhlIHNhbXBsZSBub25jZQ==";
    return f;
}

static int status_of(const struct http_facts *facts)
{
    struct http_verdict v;
    http_check(&rules, facts, &v);
    if (v.route)
        return 0;
    assert_true(v.message[0] != '\0' && v.code);
    return v.status;
}

static void a_program_without_browser_headers_is_served(void **state)
{
    (void)state;
    struct http_facts f = get("/api/list");
    assert_int_equal(status_of(&f), 0);
}

static void only_known_paths_and_methods(void **state)
{
    (void)state;
    struct http_verdict v;
    struct http_facts f = get("/api/lis");
    assert_int_equal(status_of(&f), 404);
    f = get("/api/list/");
    assert_int_equal(status_of(&f), 404);
    f = get("");
    assert_int_equal(status_of(&f), 404);
    f = get("/api/list");
    f.method = "DELETE";
    http_check(&rules, &f, &v);
    assert_int_equal(v.status, 405);
    assert_string_equal(v.extra, "Allow: GET, HEAD, POST\r\n");
    f.method = "HEAD";
    http_check(&rules, &f, &v);
    assert_non_null(v.route);
    assert_true(v.head);
}

static void a_rebound_name_is_refused(void **state)
{
    (void)state;
    static const char *const good[] = {"127.0.0.1:7070", "localhost:7070",    "LOCALHOST:7070",
                                       "[::1]:7070",     "moon.example",      "moon.example:443",
                                       "Moon.Example",   "other.example:8443"};
    static const char *const bad[] = {"evil.example:7070",
                                      "127.0.0.1",
                                      "127.0.0.1:7071",
                                      "127.0.0.1:",
                                      "127.0.0.1:7070x",
                                      "127.0.0.1:07070x",
                                      "localhost.:7070",
                                      "127.0.0.2:7070",
                                      "[::1]",
                                      "[::1:7070",
                                      "[::2]:7070",
                                      "::1:7070",
                                      ":7070",
                                      "127.0.0.1:7070 x",
                                      "?",
                                      "other.example",
                                      "other.example:443",
                                      "xmoon.example",
                                      "moon.example.evil",
                                      "127.0.0.1:7070, evil",
                                      "user@127.0.0.1:7070"};
    struct http_facts f = get("/api/list");
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        f.host = good[i];
        assert_int_equal(status_of(&f), 0);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f.host = bad[i];
        assert_int_equal(status_of(&f), 403);
    }
    f.host = NULL;
    assert_int_equal(status_of(&f), 400);
}

static void port_80_may_go_unsaid(void **state)
{
    (void)state;
    struct http_rules usual = rules;
    struct http_verdict v;
    struct http_facts f = get("/api/list");
    usual.port = 80;
    f.host = "localhost";
    http_check(&usual, &f, &v);
    assert_non_null(v.route);
    usual.scheme = "https";
    http_check(&usual, &f, &v);
    assert_null(v.route);
}

static void a_page_of_another_origin_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"null",
                                      "",
                                      "http://127.0.0.1:7071",
                                      "http://127.0.0.1",
                                      "https://127.0.0.1:7070",
                                      "http://localhost:7070",
                                      "http://127.0.0.1:7070.evil.example",
                                      "http://127.0.0.1:7070/",
                                      "http://evil.example",
                                      "http://localhost:51733",
                                      "127.0.0.1:7070"};
    struct http_facts f = get("/api/list");
    f.origin = "http://127.0.0.1:7070";
    assert_int_equal(status_of(&f), 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f.origin = bad[i];
        assert_int_equal(status_of(&f), 403);
        struct http_facts ws = upgrade();
        ws.origin = bad[i];
        assert_int_equal(status_of(&ws), 403);
    }
    /* An allowed one is allowed although the browser calls it another site. */
    f.origin = "http://localhost:5173";
    f.fetch_site = "same-site";
    assert_int_equal(status_of(&f), 0);
}

static void another_site_may_not_even_read_the_api(void **state)
{
    (void)state;
    static const char *const bad[] = {"cross-site", "same-site", "Cross-Site", "anything", "?"};
    struct http_facts f = get("/api/list");
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f.fetch_site = bad[i];
        f.path = "/api/list";
        assert_int_equal(status_of(&f), 403);
        f.path = "/"; /* a link to the panel */
        assert_int_equal(status_of(&f), 0);
    }
    f.path = "/api/list";
    f.fetch_site = "same-origin";
    assert_int_equal(status_of(&f), 0);
    f.fetch_site = "none";
    assert_int_equal(status_of(&f), 0);
}

static void a_refused_peer_reaches_probes_only(void **state)
{
    (void)state;
    struct http_verdict v;
    struct http_facts f = get("/api/list");
    f.peer_refusal = "the connection belongs to uid 1001";
    http_check(&rules, &f, &v);
    assert_int_equal(v.status, 403);
    assert_string_equal(v.message, "the connection belongs to uid 1001");
    f.path = "/";
    assert_int_equal(status_of(&f), 403);
    struct http_facts ws = upgrade();
    ws.peer_refusal = f.peer_refusal;
    assert_int_equal(status_of(&ws), 403);
    f.path = "/healthz";
    f.host = "10.1.2.3:7070";
    assert_int_equal(status_of(&f), 0);
    f.host = NULL;
    assert_int_equal(status_of(&f), 0);
}

static void a_websocket_where_one_is_and_nowhere_else(void **state)
{
    (void)state;
    struct http_verdict v;
    struct http_facts f = upgrade();
    http_check(&rules, &f, &v);
    assert_non_null(v.route);
    assert_false(v.batch);
    f.path = "/api/list";
    assert_int_equal(status_of(&f), 400);
    f = get("/api/stream");
    assert_int_equal(status_of(&f), 426);
    f = upgrade();
    f.ws_version = "8";
    assert_int_equal(status_of(&f), 426);
    f = upgrade();
    f.ws_key = NULL;
    assert_int_equal(status_of(&f), 400);
    f = upgrade();
    f.upgrade = "h2c";
    assert_int_equal(status_of(&f), 400);
    f = upgrade();
    f.method = "POST";
    assert_int_equal(status_of(&f), 405);
}

static void only_the_batch_subprotocol_is_spoken(void **state)
{
    (void)state;
    struct http_verdict v;
    struct http_facts f = upgrade();
    static const char *const offers[] = {"moonsail.batch.v1", "foo, moonsail.batch.v1",
                                         "moonsail.batch.v1,foo"};
    for (size_t i = 0; i < sizeof(offers) / sizeof(offers[0]); i++) {
        f.ws_protocols = offers[i];
        http_check(&rules, &f, &v);
        assert_non_null(v.route);
        assert_true(v.batch);
    }
    f.ws_protocols = "moonsail.batch.v2";
    assert_int_equal(status_of(&f), 400);
    f.ws_protocols = "xmoonsail.batch.v1";
    assert_int_equal(status_of(&f), 400);
}

static void a_body_says_how_long_it_is(void **state)
{
    (void)state;
    struct http_verdict v;
    struct http_facts f = get("/api/list");
    f.method = "POST";
    assert_int_equal(status_of(&f), 411);
    f.content_length = "12";
    http_check(&rules, &f, &v);
    assert_non_null(v.route);
    assert_int_equal(v.body, 12);
    f.transfer_encoding = "chunked";
    assert_int_equal(status_of(&f), 411);
    f.transfer_encoding = NULL;
    static const char *const bad[] = {"-1", "+1", "1 2", "0x10", "12,12", "?"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        f.content_length = bad[i];
        assert_int_equal(status_of(&f), 400);
    }
    f.content_length = "8388608";
    assert_int_equal(status_of(&f), 0);
    f.content_length = "8388609";
    assert_int_equal(status_of(&f), 413);
    f.content_length = "99999999999999999999999999";
    assert_int_equal(status_of(&f), 413);
    f = get("/api/list");
    f.content_length = "0";
    assert_int_equal(status_of(&f), 0);
    f.content_length = "1";
    assert_int_equal(status_of(&f), 400);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_program_without_browser_headers_is_served),
        cmocka_unit_test(only_known_paths_and_methods),
        cmocka_unit_test(a_rebound_name_is_refused),
        cmocka_unit_test(port_80_may_go_unsaid),
        cmocka_unit_test(a_page_of_another_origin_is_refused),
        cmocka_unit_test(another_site_may_not_even_read_the_api),
        cmocka_unit_test(a_refused_peer_reaches_probes_only),
        cmocka_unit_test(a_websocket_where_one_is_and_nowhere_else),
        cmocka_unit_test(only_the_batch_subprotocol_is_spoken),
        cmocka_unit_test(a_body_says_how_long_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
