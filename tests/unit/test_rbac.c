#include "guard/rbac.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const char *const reads[] = {"get", "list", "watch"};
static const char *const writes[] = {"create", "update", "delete"};

#define EACH(item, list) for (size_t item = 0; item < sizeof(list) / sizeof((list)[0]); item++)

static void test_an_admin_may_do_everything(void **state)
{
    (void)state;
    EACH(i, reads)
    assert_true(rbac_allows("admin", reads[i], "nodes", ""));
    EACH(i, writes)
    assert_true(rbac_allows("admin", writes[i], "clusterroles", ""));
    assert_true(rbac_allows("admin", "reveal", "secrets", "default"));
    assert_true(rbac_allows("admin", "scale", "statefulsets", "default"));
}

static void test_a_developer_reads_all_and_changes_what_an_application_is_made_of(void **state)
{
    static const char *const own[] = {"pods", "deployments", "services", "configmaps"};
    static const char *const foreign[] = {
        "secrets",    "statefulsets", "daemonsets",           "namespaces",  "pod",
        "deployment", "config",       "deployments services", "configmaps ", "*"};
    (void)state;
    EACH(i, reads)
    {
        assert_true(rbac_allows("developer", reads[i], "secrets", "default"));
        assert_true(rbac_allows("developer", reads[i], "persistentvolumes", ""));
    }
    EACH(i, writes)
    {
        EACH(j, own)
        assert_true(rbac_allows("developer", writes[i], own[j], "default"));
        EACH(j, foreign)
        assert_false(rbac_allows("developer", writes[i], foreign[j], "default"));
    }
}

static void test_a_developer_scales_deployments_and_nothing_else(void **state)
{
    (void)state;
    assert_true(rbac_allows("developer", "scale", "deployments", "default"));
    assert_false(rbac_allows("developer", "scale", "statefulsets", "default"));
    assert_false(rbac_allows("developer", "scale", "pods", "default"));
}

static void test_only_an_admin_reveals_the_values_of_secrets(void **state)
{
    (void)state;
    assert_false(rbac_allows("developer", "reveal", "secrets", "default"));
    assert_false(rbac_allows("viewer", "reveal", "secrets", "default"));
}

static void test_a_viewer_only_reads(void **state)
{
    (void)state;
    EACH(i, reads)
    assert_true(rbac_allows("viewer", reads[i], "deployments", "default"));
    EACH(i, writes)
    assert_false(rbac_allows("viewer", writes[i], "deployments", "default"));
    assert_false(rbac_allows("viewer", "scale", "deployments", "default"));
    assert_false(rbac_allows("viewer", "get list", "deployments", "default"));
}

static void test_an_unknown_role_and_a_missing_word_allow_nothing(void **state)
{
    static const char *const roles[] = {"", "Admin", "admin ", "root", "*", "developer,admin"};
    (void)state;
    EACH(i, roles)
    {
        assert_false(rbac_allows(roles[i], "get", "pods", "default"));
        assert_false(rbac_is_admin(roles[i]));
    }
    assert_false(rbac_allows(NULL, "get", "pods", "default"));
    assert_false(rbac_allows("admin", "", "pods", "default"));
    assert_false(rbac_allows("admin", "get", NULL, "default"));
    assert_false(rbac_is_admin(NULL));
}

static void test_only_admin_is_admin(void **state)
{
    (void)state;
    assert_true(rbac_is_admin("admin"));
    assert_false(rbac_is_admin("developer"));
    assert_false(rbac_is_admin("viewer"));
}

static void test_metrics_are_for_admins_and_their_own_role_which_may_nothing_else(void **state)
{
    (void)state;
    assert_true(rbac_allows("metrics", "scrape", "metrics", ""));
    assert_true(rbac_allows("admin", "scrape", "metrics", ""));
    assert_false(rbac_allows("developer", "scrape", "metrics", ""));
    assert_false(rbac_allows("viewer", "scrape", "metrics", ""));
    EACH(i, reads)
    {
        assert_false(rbac_allows("metrics", reads[i], "pods", "default"));
        assert_false(rbac_allows("metrics", reads[i], "executions", ""));
    }
    EACH(i, writes)
    assert_false(rbac_allows("metrics", writes[i], "pods", "default"));
    assert_false(rbac_is_admin("metrics"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_metrics_are_for_admins_and_their_own_role_which_may_nothing_else),
        cmocka_unit_test(test_an_admin_may_do_everything),
        cmocka_unit_test(test_a_developer_reads_all_and_changes_what_an_application_is_made_of),
        cmocka_unit_test(test_a_developer_scales_deployments_and_nothing_else),
        cmocka_unit_test(test_only_an_admin_reveals_the_values_of_secrets),
        cmocka_unit_test(test_a_viewer_only_reads),
        cmocka_unit_test(test_an_unknown_role_and_a_missing_word_allow_nothing),
        cmocka_unit_test(test_only_admin_is_admin),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
