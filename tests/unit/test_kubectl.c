#include "base/err.h"
#include "exec/kubectl.h"
#include "exec/request.h"

#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"

static void count(const char *line, struct event_counts expected)
{
    struct event_counts counts = {0};
    kubectl_count(line, strlen(line), &counts);
    if (memcmp(&counts, &expected, sizeof(counts)) != 0)
        fail_msg("%s: %u %u %u %u", line, counts.created, counts.configured, counts.unchanged,
                 counts.deleted);
}

static void what_kubectl_says_of_an_object_is_counted(void **state)
{
    const struct event_counts created = {.created = 1}, configured = {.configured = 1},
                              unchanged = {.unchanged = 1}, deleted = {.deleted = 1}, none = {0};
    (void)state;
    count("deployment.apps/web created", created);
    count("deployment.apps/web created (dry run)", created);
    count("service/web exposed", created);
    count("deployment.apps/web configured", configured);
    count("deployment.apps/web serverside-applied", configured);
    count("deployment.apps/web scaled", configured);
    count("deployment.apps/web image updated", configured);
    count("deployment.apps/web rolled back", configured);
    count("node/n1 cordoned", configured);
    count("configmap/a unchanged", unchanged);
    count("configmap/a patched (no change)", unchanged);
    count("node/n1 already cordoned", unchanged);
    count("pod/a not labeled", unchanged);
    count("pod \"a\" deleted", deleted);
    count("pod \"a\" deleted from default namespace", deleted);
    count("pod \"a\" force deleted", deleted);
    count("widget.example.com/a.b-c deleted", deleted);
    count("deployment.apps/web createdx", none);
    count("deployment.apps/web condition met", none);
    count("deployment.apps/ created", none);
    count("/web created", none);
    count("Warning: deployment.apps/web created", none);
    count("pod \"a", none);
    count("pod \"\" deleted", none);
    count("created", none);
    count("", none);
    struct event_counts counts = {0};
    kubectl_count("pod/a\0x created", 15, &counts);
    assert_int_equal(counts.created, 0);
}

static struct start_request *request(const char *json)
{
    struct err err;
    struct start_request *r = start_request_parse(json, strlen(json), &err);
    if (!r)
        fail_msg("%s", err.text);
    return r;
}

static void the_flag_of_a_dry_run_stands_behind_the_subcommand(void **state)
{
    struct start_request *r = request(
        "{\"command\":\"/usr/bin/helm\",\"args\":[\"--kube-context\",\"c\",\"upgrade\",\"web\",\".\"]}");
    const char *const expected[] = {"--kube-context", "c", "upgrade", "--dry-run=server", "web", "."};
    (void)state;
    char **args = kubectl_dry_run_args(r, NULL);
    assert_non_null(args);
    for (size_t i = 0; i < 6; i++)
        assert_string_equal(args[i], expected[i]);
    assert_null(args[6]);
    free(args);
    start_request_free(r);
}

static void what_has_no_dry_run_is_refused(void **state)
{
    static const char *const requests[] = {
        "{\"command\":\"kubectl\",\"args\":[]}",
        "{\"command\":\"kubectl\",\"args\":[\"-n\"]}",
        "{\"command\":\"kubectl\",\"args\":[\"-n\",\"apply\"]}",
        "{\"command\":\"kubectl\",\"args\":[\"set\"]}",
        "{\"command\":\"kubectl\",\"args\":[\"--\",\"apply\"]}",
        "{\"command\":\"kubectl-apply\",\"args\":[\"apply\"]}",
        "{\"command\":\"kubectl\",\"args\":[\"apply\",\"--dry-run=no\"]}",
        "{\"command\":\"helm\",\"args\":[\"uninstall\",\"x\"]}",
        "{\"command\":\"rm\",\"args\":[\"delete\"]}",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(requests) / sizeof(requests[0]); i++) {
        struct start_request *r = request(requests[i]);
        struct err err;
        if (kubectl_dry_run_args(r, &err))
            fail_msg("%s", requests[i]);
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        start_request_free(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_kubectl_says_of_an_object_is_counted),
        cmocka_unit_test(the_flag_of_a_dry_run_stands_behind_the_subcommand),
        cmocka_unit_test(what_has_no_dry_run_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
