/* Requests to a cluster: who we are, what is repeated and what never, and what a failure says. */
#include "kube/cluster.h"

#include "base/clock.h"
#include "base/str.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube_world.h"

static void sends_what_it_is_given_and_who_it_is(void **state)
{
    struct world *w = *state;
    struct got got = {0};
    struct err err;
    world_must_open(w,
                    "{token: tok-1, as: bob, as-uid: '7', as-groups: [ops, dev], as-user-extra: {a/b: [v]}}");
    struct kube_request request = {
        .method = "PATCH",
        .path = "/api/v1/namespaces/a%20b/pods/x",
        .query = "fieldManager=moonsail",
        .content_type = "application/apply-patch+yaml",
        .accept = "application/json;as=Table",
        .body = "a: 1\n",
        .body_len = 5,
    };
    assert_non_null(kube_send(w->cluster, &request, got_answer, &got, &err));
    until(w, &got.count, 1);
    assert_int_equal(got.status, 200);
    assert_string_equal(got.body, "{}");
    const struct fake_asked *asked = &w->api.asked[0];
    assert_string_equal(asked->method, "PATCH");
    assert_string_equal(asked->target, "/api/v1/namespaces/a%20b/pods/x?fieldManager=moonsail");
    assert_string_equal(asked->body, "a: 1\n");
    static const char *const lines[] = {"Authorization: Bearer tok-1\r\n",
                                        "Content-Type: application/apply-patch+yaml\r\n",
                                        "Accept: application/json;as=Table\r\n",
                                        "Impersonate-User: bob\r\n",
                                        "Impersonate-Uid: 7\r\n",
                                        "Impersonate-Group: ops\r\n",
                                        "Impersonate-Group: dev\r\n",
                                        "Impersonate-Extra-a%2Fb: v\r\n"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++)
        assert_non_null(strstr(asked->head, lines[i]));
    assert_string_equal(cluster_context(w->cluster), "dev");
    assert_string_equal(cluster_namespace(w->cluster), "apps");
    assert_ptr_equal(clusters_get(w->clusters, "dev", &err), w->cluster);
    request.path = "x";
    assert_null(kube_send(w->cluster, &request, got_answer, &got, &err));
    request.path = "/x";
    request.method = "TRACE";
    assert_null(kube_send(w->cluster, &request, got_answer, &got, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
}

static void basic_credentials_go_as_such(void **state)
{
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{username: user, password: pass}");
    world_ask(w, "GET", &got);
    assert_non_null(strstr(w->api.asked[0].head, "Authorization: Basic dXNlcjpwYXNz\r\n"));
}

static void a_failure_says_what_the_server_said(void **state)
{
    static const struct {
        int status;
        enum err_code code;
    } codes[] = {{400, ERR_BAD_REQUEST}, {401, ERR_UNAUTHORIZED}, {403, ERR_FORBIDDEN},
                 {404, ERR_NOT_FOUND},   {409, ERR_CONFLICT},     {413, ERR_TOO_LARGE},
                 {422, ERR_BAD_REQUEST}, {429, ERR_BUSY},         {500, ERR_FAILED},
                 {503, ERR_UNAVAILABLE}};
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{}");
    for (size_t i = 0; i < sizeof(codes) / sizeof(*codes); i++) {
        w->fail_first = 1;
        w->failing = (struct fake_answer){
            .status = codes[i].status,
            .body = "{\"kind\":\"Status\",\"message\":\"because\",\"reason\":\"Why\",\"code\":1}"};
        world_ask(w, "GET", &got);
        assert_int_equal(got.status, codes[i].status);
        assert_int_equal(got.code, codes[i].code);
        assert_string_equal(got.message, "because");
        assert_string_equal(got.reason, "Why");
        assert_false(got.in_doubt);
    }
    w->fail_first = 1;
    w->failing = (struct fake_answer){.status = 502, .body = "<html>\n  Bad   Gateway\n"};
    world_ask(w, "GET", &got);
    assert_non_null(strstr(got.message, " answered 502: <html> Bad Gateway"));
    assert_string_equal(got.reason, "");
}

static void only_retry_after_is_an_invitation(void **state)
{
    static const struct {
        int status;
        const char *headers;
        int sent;
    } cases[] = {
        {503, "Retry-After: 0\r\n", 3}, {429, "Retry-After: 0\r\n", 3},  {503, NULL, 1}, {429, NULL, 1},
        {500, "Retry-After: 0\r\n", 1}, {429, "Retry-After: 600\r\n", 1}};
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{}");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        fake_api_forget(&w->api);
        w->fail_first = 2;
        w->failing =
            (struct fake_answer){.status = cases[i].status, .headers = cases[i].headers, .body = "{}"};
        world_ask(w, "PATCH", &got);
        assert_int_equal(w->api.count, cases[i].sent);
        assert_int_equal(got.status, cases[i].sent == 3 ? 200 : cases[i].status);
        assert_string_equal(w->api.asked[w->api.count - 1].body, "{}");
    }
    /* It does not ask for ever. */
    fake_api_forget(&w->api);
    w->fail_first = 1000;
    w->failing = (struct fake_answer){.status = 429, .headers = "Retry-After: 0\r\n", .body = "{}"};
    world_ask(w, "GET", &got);
    assert_int_equal(got.code, ERR_BUSY);
    assert_int_equal(w->api.count, KUBE_TRIES);
}

static void a_write_without_an_answer_is_in_doubt_and_is_not_sent_again(void **state)
{
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{}");
    w->fail_first = 1;
    w->failing = (struct fake_answer){.deed = FAKE_CLOSE};
    world_ask(w, "POST", &got);
    assert_int_equal(got.status, 0);
    assert_true(got.in_doubt);
    assert_int_equal(w->api.count, 1);
    assert_true(*got.message);
}

static void an_answer_that_does_not_come_is_given_up_in_time(void **state)
{
    struct world *w = *state;
    struct got got;
    world_open(w, "{}", 300);
    w->fail_first = 1;
    w->failing = (struct fake_answer){.deed = FAKE_HANG};
    uint64_t began = clock_mono_ms();
    world_ask(w, "PUT", &got);
    assert_true(clock_mono_ms() - began < 5000);
    assert_int_equal(got.code, ERR_TIMEOUT);
    assert_true(got.in_doubt);
    assert_int_equal(w->api.count, 1);
}

static void a_cluster_that_is_down_says_so(void **state)
{
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{}");
    fake_api_stop(&w->api);
    char *says = mem_printf("No cluster answers at http://127.0.0.1:%d: connection refused", w->api.port);
    world_ask(w, "POST", &got);
    assert_int_equal(got.status, 0);
    assert_int_equal(got.code, ERR_UNAVAILABLE);
    assert_false(got.in_doubt);
    assert_string_equal(got.message, says);
    free(says);
}

static void a_check_is_shared_and_remembered(void **state)
{
    struct world *w = *state;
    struct status got = {0}, other = {0};
    world_must_open(w, "{}");
    cluster_check(w->cluster, got_status, &got);
    cluster_check(w->cluster, got_status, &got);
    struct kube_call *gone = cluster_check(w->cluster, got_status, &other);
    kube_cancel(&gone);
    until(w, &got.count, 2);
    assert_true(got.connected);
    assert_string_equal(got.version, "v1.34.4");
    assert_string_equal(got.error, "");
    cluster_check(w->cluster, got_status, &got);
    until(w, &got.count, 3);
    assert_int_equal(w->api.count, 1);
    assert_int_equal(other.count, 0);
}

static void a_check_says_why_there_is_no_cluster(void **state)
{
    struct world *w = *state;
    struct status got = {0};
    world_must_open(w, "{token: old}");
    w->wanted_token = "new";
    cluster_check(w->cluster, got_status, &got);
    until(w, &got.count, 1);
    assert_false(got.connected);
    assert_non_null(strstr(got.error, "does not accept the credentials of user \"u\""));
    clusters_free(w->clusters);
    world_must_open(w, "{}");
    fake_api_stop(&w->api);
    char *says = mem_printf("No cluster answers at http://127.0.0.1:%d: connection refused", w->api.port);
    cluster_check(w->cluster, got_status, &got);
    until(w, &got.count, 2);
    assert_false(got.connected);
    assert_string_equal(got.error, says);
    assert_string_equal(got.version, "");
    free(says);
}

static void a_token_file_is_read_again_when_it_changes(void **state)
{
    struct world *w = *state;
    struct got got;
    world_put(w, "token", 0600, "first\n");
    world_must_open(w, "{tokenFile: token}");
    w->wanted_token = "Bearer first\r\n";
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    world_put(w, "token", 0600, "second\n");
    w->wanted_token = "Bearer second\r\n";
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    assert_int_equal(w->api.count, 2);
    /* Half written: the last one is kept. */
    world_put(w, "token", 0600, "");
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    /* A refused token that is all there is: no second request. */
    w->wanted_token = "third";
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 401);
    assert_int_equal(w->api.count, 4);
}

static void a_token_file_that_is_not_there_fails_the_request(void **state)
{
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{tokenFile: nowhere}");
    world_ask(w, "POST", &got);
    assert_int_equal(got.status, 0);
    assert_int_equal(got.code, ERR_UNAUTHORIZED);
    assert_false(got.in_doubt);
    assert_non_null(strstr(got.message, "nowhere: No such file"));
    assert_int_equal(w->api.count, 0);
}

static void nothing_is_called_back_after_a_cancel(void **state)
{
    struct world *w = *state;
    struct got waiting, sent, failing;
    world_must_open(w, "{}");
    w->fail_first = 2;
    w->failing = (struct fake_answer){.status = 503, .headers = "Retry-After: 1\r\n", .body = "{}"};
    struct kube_call *again = world_send(w, "GET", &waiting);
    while (w->fail_first > 1)
        loop_turn(w->loop);
    turn_for(w, 50); /* it waits for its second try now */
    kube_cancel(&again);
    assert_null(again);
    w->failing = (struct fake_answer){.deed = FAKE_HANG};
    struct kube_call *hanging = world_send(w, "POST", &sent);
    while (w->fail_first > 0)
        loop_turn(w->loop);
    kube_cancel(&hanging);
    clusters_free(w->clusters);
    world_must_open(w, "{tokenFile: nowhere}");
    struct kube_call *unsent = world_send(w, "GET", &failing);
    kube_cancel(&unsent);
    kube_cancel(&unsent);
    turn_for(w, 1200);
    assert_int_equal(waiting.count + sent.count + failing.count, 0);
    assert_int_equal(w->api.count, 2);
}

static void freeing_ends_calls_in_every_stage(void **state)
{
    struct world *w = *state;
    struct got got[3];
    struct status status = {0};
    world_must_open(w, "{}");
    w->fail_first = 1000;
    w->failing = (struct fake_answer){.deed = FAKE_HANG};
    for (size_t i = 0; i < 3; i++)
        world_send(w, "POST", &got[i]);
    cluster_check(w->cluster, got_status, &status);
    while (w->api.count < 4)
        loop_turn(w->loop);
    clusters_free(w->clusters);
    w->clusters = NULL;
    turn_for(w, 100);
    assert_int_equal(got[0].count + got[1].count + got[2].count + status.count, 0);
}

struct chain {
    struct world *w;
    struct got got;
    int left;
};

static void chain_next(void *arg, const struct kube_answer *answer)
{
    struct chain *chain = arg;
    struct kube_request request = {.method = "GET", .path = "/x"};
    assert_int_equal(answer->status, 200);
    chain->got.count++;
    if (--chain->left > 0)
        assert_non_null(kube_send(chain->w->cluster, &request, chain_next, chain, NULL));
}

static void an_answer_may_send_the_next_request(void **state)
{
    struct world *w = *state;
    struct chain chain = {.w = w, .left = 20};
    struct kube_request request = {.method = "GET", .path = "/x"};
    world_must_open(w, "{}");
    assert_non_null(kube_send(w->cluster, &request, chain_next, &chain, NULL));
    until(w, &chain.got.count, 20);
    assert_int_equal(w->api.count, 20);
}

static void contexts_that_lead_nowhere_are_named(void **state)
{
    static const struct {
        const char *context, *says;
        enum err_code code;
    } cases[] = {
        {NULL, "has no current-context; choose one of: good, lost, alone, bare, both", ERR_NOT_FOUND},
        {"goof", "did you mean \"good\"?", ERR_NOT_FOUND},
        {"elsewhere-entirely", "there are: good, lost, alone", ERR_NOT_FOUND},
        {"lost", "context \"lost\" names the cluster \"gone\", which is not there", ERR_BAD_REQUEST},
        {"alone", "context \"alone\" names the user \"gone\", who is not there", ERR_BAD_REQUEST},
        {"bare", "cluster \"bare\" has no server", ERR_BAD_REQUEST},
        {"both", "cluster \"c\": certificate-authority: ", ERR_BAD_REQUEST},
    };
    struct world *w = *state;
    world_put(
        w, "config", 0600,
        "clusters: [{name: c, cluster: {server: 'https://c', certificate-authority: no.crt}}, "
        "{name: g, cluster: {server: 'http://g/'}}, {name: bare}]\n"
        "users: [{name: u}]\n"
        "contexts: [{name: good, context: {cluster: g, user: u}}, {name: lost, context: {cluster: gone}},\n"
        " {name: alone, context: {cluster: g, user: gone}}, {name: bare, context: {cluster: bare}},\n"
        " {name: both, context: {cluster: c, user: u}}]\n");
    char *path = world_file(w, "config");
    struct clusters_options options = {.kubeconfig = path};
    struct err err;
    w->clusters = clusters_of(w->loop, &options, w->dir, &err);
    assert_non_null(w->clusters);
    assert_string_equal(clusters_current(w->clusters), "");
    assert_string_equal(clusters_why(w->clusters), "");
    assert_string_equal(clusters_contexts(w->clusters)[4], "both");
    assert_null(clusters_contexts(w->clusters)[5]);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_null(clusters_get(w->clusters, cases[i].context, &err));
        assert_int_equal(err.code, cases[i].code);
        if (!strstr(err.text, cases[i].says))
            fail_msg("case %zu says \"%s\"", i, err.text);
    }
    w->cluster = clusters_get(w->clusters, "good", &err);
    assert_non_null(w->cluster);
    assert_string_equal(cluster_server(w->cluster), "http://g");
    assert_string_equal(cluster_namespace(w->cluster), "default");
    options.context = "other";
    assert_null(clusters_of(w->loop, &options, w->dir, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    free(path);
}

static void no_cluster_at_all_is_no_fault(void **state)
{
    struct world *w = *state;
    struct err err;
    struct clusters_options options = {0};
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    setenv("HOME", w->dir, 1);
    w->clusters = clusters_of(w->loop, &options, w->dir, &err);
    assert_non_null(w->clusters);
    assert_non_null(strstr(clusters_why(w->clusters), "/.kube/config"));
    assert_null(clusters_contexts(w->clusters)[0]);
    assert_null(clusters_get(w->clusters, NULL, &err));
    assert_int_equal(err.code, ERR_UNAVAILABLE);
}

static void credentials_that_cannot_work_are_refused_at_once(void **state)
{
    static const struct {
        const char *user, *says;
    } cases[] = {
        {"{auth-provider: {name: gcp}}", "uses the auth-provider gcp"},
        {"{token: \"a\\nb\"}", "the token has control characters"},
        {"{as-groups: [a]}", "but no as"},
        {"{client-certificate-data: 'YWJj'}", "has a client-certificate without the client-key"},
        {"{client-certificate: a.crt, client-key: a.key}", "client-certificate: "},
        {"{exec: {command: x, apiVersion: client.authentication.k8s.io/v1alpha1}}", "exec.apiVersion is"},
        {"{exec: {command: x, apiVersion: client.authentication.k8s.io/v1, interactiveMode: Always}}",
         "wants a terminal"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err err = world_open(w, cases[i].user, 0);
        assert_null(w->cluster);
        if (!strstr(err.text, cases[i].says) || !strstr(err.text, "/config: user \"u\""))
            fail_msg("case %zu says \"%s\"", i, err.text);
        clusters_free(w->clusters);
        w->clusters = NULL;
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(sends_what_it_is_given_and_who_it_is),
        TEST(basic_credentials_go_as_such),
        TEST(a_failure_says_what_the_server_said),
        TEST(only_retry_after_is_an_invitation),
        TEST(a_write_without_an_answer_is_in_doubt_and_is_not_sent_again),
        TEST(an_answer_that_does_not_come_is_given_up_in_time),
        TEST(a_cluster_that_is_down_says_so),
        TEST(a_check_is_shared_and_remembered),
        TEST(a_check_says_why_there_is_no_cluster),
        TEST(a_token_file_is_read_again_when_it_changes),
        TEST(a_token_file_that_is_not_there_fails_the_request),
        TEST(nothing_is_called_back_after_a_cancel),
        TEST(freeing_ends_calls_in_every_stage),
        TEST(an_answer_may_send_the_next_request),
        TEST(contexts_that_lead_nowhere_are_named),
        TEST(no_cluster_at_all_is_no_fault),
        TEST(credentials_that_cannot_work_are_refused_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
