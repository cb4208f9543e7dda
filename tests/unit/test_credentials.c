/* Credential plugins: one run for all who wait, kept while it is good, and a failure that says why. */
#include "kube/cluster.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube_world.h"

/* A plugin that counts its runs in the file "runs" and then does what `script` says. */
static void plugin(struct world *w, const char *script, const char *more)
{
    char *text =
        mem_printf("#!/bin/sh\necho x >> '%s/runs'\nrun=$(wc -l < '%s/runs')\n%s\n", w->dir, w->dir, script);
    world_put(w, "plugin", 0700, text);
    free(text);
    char *user = mem_printf("{exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1, "
                            "interactiveMode: IfAvailable%s}}",
                            more);
    world_must_open(w, user);
    free(user);
}

static size_t runs(const struct world *w)
{
    char *path = world_file(w, "runs");
    size_t len = 0;
    char *text = kube_file_read(path, 4096, &len, NULL);
    free(text);
    free(path);
    return len / 2;
}

#define CREDENTIAL(status)                                                                                   \
    "echo \"{\\\"apiVersion\\\":\\\"client.authentication.k8s.io/v1\\\",\\\"kind\\\":\\\"ExecCredential\\\"" \
    ",\\\"status\\\":{" status "}}\""
#define TOKEN "\\\"token\\\":\\\"tok-$run\\\""

static void one_run_serves_all_who_wait_and_all_who_come(void **state)
{
    struct world *w = *state;
    struct got got[5];
    plugin(w, "sleep 0.1; " CREDENTIAL(TOKEN), "");
    w->wanted_token = "Bearer tok-1\r\n";
    for (size_t i = 0; i < 5; i++)
        world_send(w, "GET", &got[i]);
    for (size_t i = 0; i < 5; i++) {
        until(w, &got[i].count, 1);
        assert_int_equal(got[i].status, 200);
    }
    world_ask(w, "GET", &got[0]);
    assert_int_equal(got[0].status, 200);
    assert_int_equal(runs(w), 1);
    assert_int_equal(w->api.count, 6);
}

static void what_has_expired_is_asked_anew(void **state)
{
    struct world *w = *state;
    struct got got;
    plugin(w, CREDENTIAL(TOKEN ",\\\"expirationTimestamp\\\":\\\"2020-01-01T00:00:00Z\\\""), "");
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200); /* stale on arrival is still better than nothing, and no loop */
    world_ask(w, "GET", &got);
    assert_int_equal(runs(w), 2);
    assert_non_null(strstr(w->api.asked[1].head, "Bearer tok-2\r\n"));
    clusters_free(w->clusters);
    plugin(w, CREDENTIAL(TOKEN ",\\\"expirationTimestamp\\\":\\\"2099-01-01T00:00:00Z\\\""), "");
    world_ask(w, "GET", &got);
    world_ask(w, "GET", &got);
    assert_int_equal(runs(w), 3);
}

static void a_refused_token_is_renewed_once_for_all(void **state)
{
    struct world *w = *state;
    struct got got[4];
    plugin(w, CREDENTIAL(TOKEN), "");
    world_ask(w, "GET", &got[0]);
    assert_int_equal(got[0].status, 200);
    w->wanted_token = "Bearer tok-2\r\n";
    for (size_t i = 0; i < 4; i++)
        world_send(w, "POST", &got[i]);
    for (size_t i = 0; i < 4; i++) {
        until(w, &got[i].count, 1);
        assert_int_equal(got[i].status, 200);
        assert_false(got[i].in_doubt);
    }
    assert_int_equal(runs(w), 2);
    /* Refused for good: one more try, then the server's word. */
    w->wanted_token = "nobody";
    clusters_free(w->clusters);
    plugin(w, CREDENTIAL(TOKEN), "");
    fake_api_forget(&w->api);
    world_ask(w, "GET", &got[0]);
    assert_int_equal(got[0].status, 401);
    assert_string_equal(got[0].message, "Unauthorized");
    assert_int_equal(w->api.count, 2);
    world_ask(w, "GET", &got[0]);
    assert_int_equal(w->api.count, 3);
    assert_int_equal(runs(w), 4);
}

static void the_plugin_is_told_what_it_may_know(void **state)
{
    struct world *w = *state;
    struct got got;
    char *path = world_file(w, "info");
    plugin(w, "echo \"$1 $K $KUBERNETES_EXEC_INFO\" > \"$(dirname \"$0\")/info\"; " CREDENTIAL(TOKEN),
           ", args: [an arg], env: [{name: K, value: v}, {name: KUBERNETES_EXEC_INFO, value: other}], "
           "provideClusterInfo: true");
    world_ask(w, "GET", &got);
    size_t len;
    char *info = kube_file_read(path, 4096, &len, NULL);
    char *says = mem_printf("an arg v {\"kind\":\"ExecCredential\",\"apiVersion\":"
                            "\"client.authentication.k8s.io/v1\",\"spec\":{\"cluster\":{\"server\":"
                            "\"http://127.0.0.1:%d\"},\"interactive\":false}}\n",
                            w->api.port);
    assert_non_null(info);
    assert_string_equal(info, says);
    free(info);
    free(says);
    free(path);
}

static void a_failure_says_what_the_plugin_said(void **state)
{
    static const struct {
        const char *script, *says;
    } cases[] = {
        {"echo 'log in' >&2; echo '  first' >&2; exit 3",
         "/plugin (user \"u\") failed with exit code 3: log in first"},
        {"kill -9 $$", "was ended by signal 9"},
        {"echo nothing", "printed no JSON"},
        {"echo '{}'", "printed no ExecCredential"},
        {"echo '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1beta1\"}'",
         "answers in another apiVersion"},
        {CREDENTIAL(""), "gave neither a token nor a certificate"},
        {CREDENTIAL("\\\"clientKeyData\\\":\\\"k\\\"," TOKEN), "gave a certificate without its key"},
        {CREDENTIAL(TOKEN ",\\\"expirationTimestamp\\\":\\\"soon\\\""),
         "expirationTimestamp that is no time"},
        {"head -c 2000000 /dev/zero", "printed more than 1 MiB"},
    };
    struct world *w = *state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct got got;
        plugin(w, cases[i].script, "");
        world_ask(w, "POST", &got);
        assert_int_equal(got.status, 0);
        assert_int_equal(got.code, ERR_UNAUTHORIZED);
        assert_false(got.in_doubt);
        if (!strstr(got.message, cases[i].says))
            fail_msg("case %zu says \"%s\"", i, got.message);
        world_ask(w, "GET", &got); /* held: a plugin that fails is not run for each request */
        assert_int_equal(runs(w), i + 1);
        clusters_free(w->clusters);
        w->clusters = NULL;
    }
    assert_int_equal(w->api.count, 0);
}

static void a_plugin_that_is_not_there_comes_with_its_hint(void **state)
{
    struct world *w = *state;
    struct got got;
    world_must_open(w, "{exec: {command: no-such-plugin-anywhere, installHint: 'Install it from the shelf.', "
                       "apiVersion: client.authentication.k8s.io/v1beta1}}");
    world_ask(w, "GET", &got);
    assert_int_equal(got.code, ERR_UNAUTHORIZED);
    assert_string_equal(got.message,
                        "credential plugin no-such-plugin-anywhere (user \"u\") is not there: no "
                        "folder of PATH has it. Install it from the shelf.");
}

static void a_plugin_that_hangs_is_ended(void **state)
{
    struct world *w = *state;
    struct got got;
    plugin(w, "sleep 30", "");
    kube_auth_set_limit(w->cluster->auth, 200);
    world_ask(w, "GET", &got);
    assert_int_equal(got.code, ERR_TIMEOUT);
    assert_non_null(strstr(got.message, "has not ended within 1 s"));
}

static void waiting_for_a_plugin_can_be_given_up(void **state)
{
    struct world *w = *state;
    struct got gone, stays;
    plugin(w, "sleep 0.2; " CREDENTIAL(TOKEN), "");
    struct kube_call *call = world_send(w, "GET", &gone);
    world_send(w, "GET", &stays);
    kube_cancel(&call);
    until(w, &stays.count, 1);
    assert_int_equal(gone.count, 0);
    assert_int_equal(w->api.count, 1);
    clusters_free(w->clusters);
    plugin(w, "sleep 30", "");
    world_send(w, "GET", &gone);
    turn_for(w, 50);
    clusters_free(w->clusters); /* and with it the plugin */
    w->clusters = NULL;
    assert_int_equal(gone.count, 0);
}

static void the_servers_time_begins_when_it_is_asked(void **state)
{
    struct world *w = *state;
    struct got got;
    plugin(w, "sleep 0.5; " CREDENTIAL(TOKEN), "");
    w->clusters->answer_ms = 300;
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
}

static void a_static_token_keeps_the_plugin_out(void **state)
{
    struct world *w = *state;
    struct got got;
    world_put(w, "plugin", 0700, "#!/bin/sh\nexit 1\n");
    world_must_open(w,
                    "{token: own, exec: {command: ./plugin, apiVersion: client.authentication.k8s.io/v1}}");
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    assert_non_null(strstr(w->api.asked[0].head, "Bearer own\r\n"));
}

/* Some certificate authority, as PEM; each call makes another one. */
static void put_authority(struct world *w, const char *name)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = X509_new();
    X509_NAME *subject = X509_get_subject_name(cert);
    char *path = world_file(w, name);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)"ca", -1, -1, 0);
    X509_set_issuer_name(cert, subject);
    X509_gmtime_adj(X509_getm_notBefore(cert), 0);
    X509_gmtime_adj(X509_getm_notAfter(cert), 3600);
    X509_set_pubkey(cert, key);
    X509_sign(cert, key, EVP_sha256());
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    PEM_write_X509(f, cert);
    fclose(f);
    X509_free(cert);
    EVP_PKEY_free(key);
    free(path);
}

static void changed_certificates_are_taken_up_and_end_no_call(void **state)
{
    struct world *w = *state;
    struct got hanging, got;
    char *path = world_file(w, "ca.crt");
    put_authority(w, "ca.crt");
    world_must_open(w, "{}");
    w->cluster->entry.ca_file = path;
    world_ask(w, "GET", &got);
    w->fail_first = 1;
    w->failing = (struct fake_answer){.deed = FAKE_HANG};
    struct kube_call *call = world_send(w, "POST", &hanging);
    while (w->fail_first)
        loop_turn(w->loop);

    const struct door *before = w->cluster->door;
    put_authority(w, "ca.crt");
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    assert_ptr_not_equal(w->cluster->door, before);
    assert_ptr_equal(LIST_FIRST(&w->cluster->old_doors), before);
    assert_int_equal(hanging.count, 0);

    before = w->cluster->door;
    world_put(w, "ca.crt", 0600, "half of a cert"); /* is being written */
    world_ask(w, "GET", &got);
    assert_int_equal(got.status, 200);
    assert_ptr_equal(w->cluster->door, before);

    kube_cancel(&call);
    turn_for(w, 10);
    assert_null(LIST_FIRST(&w->cluster->old_doors));
    clusters_free(w->clusters);
    w->clusters = NULL;
    free(path);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_run_serves_all_who_wait_and_all_who_come),
        TEST(what_has_expired_is_asked_anew),
        TEST(a_refused_token_is_renewed_once_for_all),
        TEST(the_plugin_is_told_what_it_may_know),
        TEST(a_failure_says_what_the_plugin_said),
        TEST(a_plugin_that_is_not_there_comes_with_its_hint),
        TEST(a_plugin_that_hangs_is_ended),
        TEST(waiting_for_a_plugin_can_be_given_up),
        TEST(the_servers_time_begins_when_it_is_asked),
        TEST(a_static_token_keeps_the_plugin_out),
        TEST(changed_certificates_are_taken_up_and_end_no_call),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
