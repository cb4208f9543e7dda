/* Which clusters there are: as kubectl reads it, and faults named so that they can be found. */
#include "kube/kubeconfig.h"

#include "base/err.h"
#include "base/mem.h"
#include "kube/kube-internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char dir[64], home[80], account[80];
};

static char *at(const char *dir, const char *name)
{
    return mem_printf("%s/%s", dir, name);
}

static void put(const char *dir, const char *name, const char *text)
{
    char *path = at(dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    free(path);
}

static int setup(void **state)
{
    struct folder *f = mem_new(sizeof(*f));
    strcpy(f->dir, "/tmp/kubeconfig-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    snprintf(f->home, sizeof(f->home), "%s/home", f->dir);
    snprintf(f->account, sizeof(f->account), "%s/account", f->dir);
    char *kube = at(f->home, ".kube");
    mkdir(f->home, 0700);
    mkdir(kube, 0700);
    mkdir(f->account, 0700);
    free(kube);
    setenv("HOME", f->home, 1);
    unsetenv("KUBECONFIG");
    unsetenv("KUBERNETES_SERVICE_HOST");
    unsetenv("KUBERNETES_SERVICE_PORT");
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct folder *f = *state;
    char *command = mem_printf("rm -rf '%s'", f->dir);
    int rc = system(command);
    free(command);
    free(f);
    return rc;
}

static struct kubeconfig *load(const struct folder *f, const char *named, struct err *err)
{
    return kubeconfig_load_from(named, f->account, err);
}

static const char whole[] =
    "apiVersion: v1\n"
    "kind: Config\n"
    "current-context: dev\n"
    "preferences: {}\n"
    "clusters:\n"
    "- name: one\n"
    "  cluster:\n"
    "    server: https://10.0.0.1:6443\n"
    "    certificate-authority: pki/ca.crt\n"
    "    tls-server-name: api.local\n"
    "    proxy-url: http://proxy:3128\n"
    "    extensions:\n"
    "    - name: client.authentication.k8s.io/exec\n"
    "      extension: {audience: a}\n"
    "- name: two\n"
    "  cluster: {server: 'https://two', insecure-skip-tls-verify: true, certificate-authority-data: 'YWJj'}\n"
    "users:\n"
    "- name: alice\n"
    "  user:\n"
    "    tokenFile: /run/token\n"
    "    client-certificate: pki/a.crt\n"
    "    client-key-data: 'YWJj'\n"
    "    as: bob\n"
    "    as-uid: '7'\n"
    "    as-groups: [ops, dev]\n"
    "    as-user-extra: {scopes: [s]}\n"
    "- name: plug\n"
    "  user:\n"
    "    exec:\n"
    "      apiVersion: client.authentication.k8s.io/v1\n"
    "      command: ./bin/plugin\n"
    "      args: [a, b]\n"
    "      env: [{name: K, value: v}]\n"
    "      installHint: get it\n"
    "      interactiveMode: Never\n"
    "      provideClusterInfo: true\n"
    "contexts:\n"
    "- name: dev\n"
    "  context: {cluster: one, user: alice, namespace: apps}\n"
    "- name: bare\n"
    "  context: {cluster: two}\n";

static void reads_every_field(void **state)
{
    const struct folder *f = *state;
    struct err err;
    char *path = at(f->dir, "config"), *ca = at(f->dir, "pki/ca.crt"), *cert = at(f->dir, "pki/a.crt");
    char *plugin = at(f->dir, "./bin/plugin");
    put(f->dir, "config", whole);
    struct kubeconfig *c = load(f, path, &err);
    if (!c)
        fail_msg("%s", err.text);
    assert_string_equal(c->current_context, "dev");
    assert_string_equal(c->source, path);
    const struct kube_cluster_entry *one = kubeconfig_cluster(c, "one"), *two = kubeconfig_cluster(c, "two");
    assert_string_equal(one->server, "https://10.0.0.1:6443");
    assert_string_equal(one->ca_file, ca);
    assert_string_equal(one->tls_server_name, "api.local");
    assert_string_equal(one->proxy_url, "http://proxy:3128");
    assert_string_equal(one->exec_config, "{\"audience\":\"a\"}");
    assert_true(two->insecure);
    assert_string_equal(two->ca_data, "YWJj");
    const struct kube_user_entry *u = kubeconfig_user(c, "alice");
    assert_string_equal(u->token_file, "/run/token");
    assert_string_equal(u->cert_file, cert);
    assert_string_equal(u->as_groups[1], "dev");
    assert_null(u->as_groups[2]);
    assert_string_equal(u->as_extra[0], "scopes=s");
    assert_string_equal(u->as_uid, "7");
    const struct kube_exec *e = kubeconfig_user(c, "plug")->exec;
    assert_string_equal(e->command, plugin);
    assert_string_equal(e->args[1], "b");
    assert_string_equal(e->env[0], "K=v");
    assert_string_equal(e->install_hint, "get it");
    assert_true(e->provide_cluster_info);
    assert_string_equal(kubeconfig_context(c, "dev")->namespace_, "apps");
    assert_null(kubeconfig_context(c, "bare")->user);
    assert_null(kubeconfig_context(c, "other"));
    kubeconfig_free(c);
    free(path);
    free(ca);
    free(cert);
    free(plugin);
}

static void a_list_of_files_merges_and_the_first_wins(void **state)
{
    const struct folder *f = *state;
    struct err err;
    put(f->dir, "a", "clusters: [{name: red, cluster: {server: http://first}}]\n");
    put(f->dir, "b",
        "current-context: x\n"
        "clusters: [{name: red, cluster: {server: http://second, tls-server-name: t}}]\n"
        "contexts: [{name: x, context: {cluster: red}}]\n");
    put(f->dir, "c", "current-context: y\n");
    char *list = mem_printf("%s/missing:%s/a::%s/b:%s/c", f->dir, f->dir, f->dir, f->dir);
    setenv("KUBECONFIG", list, 1);
    struct kubeconfig *c = load(f, NULL, &err);
    assert_non_null(c);
    assert_int_equal(c->cluster_count, 1);
    assert_string_equal(c->clusters[0].server, "http://first");
    assert_null(c->clusters[0].tls_server_name); /* nothing of the second's entry */
    assert_string_equal(c->current_context, "x");
    assert_int_equal(c->context_count, 1);
    kubeconfig_free(c);
    free(list);
}

static void what_was_named_must_be_there(void **state)
{
    const struct folder *f = *state;
    struct err err;
    char *path = at(f->dir, "missing");
    assert_null(load(f, path, &err));
    assert_int_not_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    setenv("KUBECONFIG", path, 1);
    assert_null(load(f, NULL, &err));
    assert_int_not_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, path));
    assert_null(load(f, f->dir, &err)); /* a folder */
    assert_int_not_equal(err.code, ERR_NOT_FOUND);
    free(path);
}

static void finds_the_home_file_then_the_account_then_nothing(void **state)
{
    const struct folder *f = *state;
    struct err err;
    char *kube = at(f->home, ".kube"), *ca = at(f->account, "ca.crt"), *token = at(f->account, "token");
    put(f->account, "token", "tok");
    put(f->account, "ca.crt", "pem");
    put(f->account, "namespace", "team-a\n");

    assert_null(load(f, NULL, &err)); /* the folder alone makes no account */
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_non_null(strstr(err.text, "/.kube/config"));

    setenv("KUBERNETES_SERVICE_HOST", "fd00::1", 1);
    setenv("KUBERNETES_SERVICE_PORT", "443", 1);
    struct kubeconfig *c = load(f, NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->current_context, "in-cluster");
    assert_string_equal(c->clusters[0].server, "https://[fd00::1]:443");
    assert_string_equal(c->clusters[0].ca_file, ca);
    assert_string_equal(c->users[0].token_file, token);
    assert_string_equal(c->contexts[0].namespace_, "team-a");
    kubeconfig_free(c);

    put(kube, "config", "contexts: [{name: home, context: {cluster: c}}]\n");
    c = load(f, NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->contexts[0].name, "home");
    kubeconfig_free(c);

    put(kube, "config", "# nothing yet\n"); /* as good as none */
    c = load(f, NULL, &err);
    assert_non_null(c);
    assert_string_equal(c->contexts[0].name, "in-cluster");
    kubeconfig_free(c);
    free(kube);
    free(ca);
    free(token);
}

static void faults_are_named_with_their_place(void **state)
{
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"clusters: [\n", ":2:"},
        {"a: 1\na: 2\n", ":2:1: "},
        {"- a\n", ":1:1: "},
        {"kind: Pod\n", ": is no kubeconfig: its kind is \"Pod\", not Config"},
        {"clusters: {}\n", ": clusters must be a list"},
        {"users: [{user: {}}]\n", ": users[0].name is missing or is no text"},
        {"users: [{name: 1}]\n", ": users[0].name is missing or is no text"},
        {"users: [{name: a, user: {password: 123}}]\n", ": users[0].user.password must be text"},
        {"users: [{name: a, user: []}]\n", ": users[0].user must be a map"},
        {"users: [{name: a}, {name: b, user: {client-key-data: '%%'}}]\n",
         ": users[1].user.client-key-data is not base64"},
        {"clusters: [{name: a, cluster: {certificate-authority-data: 'YWJ'}}]\n",
         ": clusters[0].cluster.certificate-authority-data is not base64"},
        {"clusters: [{name: a, cluster: {insecure-skip-tls-verify: 'yes'}}]\n",
         ": clusters[0].cluster.insecure-skip-tls-verify must be true or false"},
        {"contexts: [{name: a}, {name: a}]\n", ": contexts[1].name is a name that an earlier entry has"},
        {"users: [{name: a, user: {token: t, username: u}}]\n",
         ": users[0].user has both a token and a username"},
        {"users: [{name: a, user: {exec: {args: []}}}]\n", ": users[0].user.exec.command is missing"},
        {"users: [{name: a, user: {exec: {command: x, args: [1]}}}]\n",
         ": users[0].user.exec.args must hold only texts"},
        {"users: [{name: a, user: {exec: {command: x, env: [{name: n}]}}}]\n",
         ": users[0].user.exec.env must hold maps"},
    };
    const struct folder *f = *state;
    char *path = at(f->dir, "config");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct err err = {0};
        put(f->dir, "config", cases[i].text);
        assert_null(load(f, path, &err));
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        assert_memory_equal(err.text, path, strlen(path));
        if (!strstr(err.text + strlen(path), cases[i].says))
            fail_msg("case %zu says \"%s\", not \"%s\"", i, err.text, cases[i].says);
    }
    free(path);
}

static void base64_is_read_strictly(void **state)
{
    static const char *const bad[] = {"YQ", "YQ=", "=", "Y===", "Y Q=", "YQ==YQ==", "Y-==", NULL};
    size_t len;
    (void)state;
    for (size_t i = 0; bad[i]; i++)
        assert_null(kube_base64(bad[i], &len));
    char *text = kube_base64("YWJj\nZGU=\n", &len);
    assert_string_equal(text, "abcde");
    assert_int_equal(len, 5);
    free(text);
    text = kube_base64("/+8=", &len);
    assert_int_equal(len, 2);
    assert_memory_equal(text, "\xff\xef", 2);
    free(text);
    text = kube_base64("", &len);
    assert_int_equal(len, 0);
    free(text);
    text = kube_base64_of("user:pass", 9);
    assert_string_equal(text, "dXNlcjpwYXNz");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(reads_every_field, setup, teardown),
        cmocka_unit_test_setup_teardown(a_list_of_files_merges_and_the_first_wins, setup, teardown),
        cmocka_unit_test_setup_teardown(what_was_named_must_be_there, setup, teardown),
        cmocka_unit_test_setup_teardown(finds_the_home_file_then_the_account_then_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(faults_are_named_with_their_place, setup, teardown),
        cmocka_unit_test(base64_is_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
