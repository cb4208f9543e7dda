#include "failing_alloc.h"

#include "base/err.h"
#include "exec/object-diff.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct json_span span(const char *json)
{
    return (struct json_span){json, json ? strlen(json) : 0};
}

static void assert_diff(const char *before, const char *after, const char *diff)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(object_diff(span(before), span(after), &out, &err), 0);
    assert_string_equal(buf_str(&out), diff);
    buf_free(&out);
}

static void what_changes_by_itself_is_no_change(void **state)
{
    (void)state;
    assert_diff(
        "{\"kind\":\"A\",\"metadata\":{\"creationTimestamp\":\"t\",\"generation\":1,\"managedFields\":[],"
        "\"name\":\"a\",\"resourceVersion\":\"1\",\"uid\":\"u\"},\"status\":{\"x\":1}}",
        "{\"kind\":\"A\",\"metadata\":{\"generation\":2,\"name\":\"a\",\"resourceVersion\":\"2\"}}", "");
    /* Only where they mean that. */
    assert_diff("{\"spec\":{\"status\":1}}", "{\"spec\":{\"status\":2}}",
                "--- live\n+++ applied\n@@ -1,2 +1,2 @@\n spec:\n-  status: 1\n+  status: 2\n");
}

static void what_is_not_there_has_no_lines(void **state)
{
    (void)state;
    assert_diff(NULL, "{\"kind\":\"A\"}", "--- live\n+++ applied\n@@ -0,0 +1 @@\n+kind: A\n");
    assert_diff("{\"kind\":\"A\"}", NULL, "--- live\n+++ applied\n@@ -1 +0,0 @@\n-kind: A\n");
    assert_diff(NULL, NULL, "");
}

static void a_secret_shows_that_a_value_changes_and_not_which(void **state)
{
    (void)state;
    assert_diff(
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"MQ==\",\"b\":\"Mg==\",\"d\":\"NA==\"},\"kind\":\"Secret\"}",
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"MQ==\",\"b\":\"Mw==\",\"c\":\"NQ==\"},\"kind\":\"Secret\"}",
        "--- live\n+++ applied\n@@ -2,5 +2,5 @@\n kind: Secret\n data:\n   a: '[REDACTED]'\n"
        "-  b: '[REDACTED]'\n-  d: '[REDACTED]'\n+  b: '[REDACTED (changed)]'\n+  c: '[REDACTED]'\n");
    /* A Secret that becomes something else is still one. */
    assert_diff(
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"MQ==\"},\"kind\":\"Secret\"}",
        "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"MQ==\"},\"kind\":\"ConfigMap\"}",
        "--- live\n+++ applied\n@@ -1,4 +1,4 @@\n apiVersion: v1\n-kind: Secret\n+kind: ConfigMap\n data:\n"
        "   a: '[REDACTED]'\n");
}

static void a_long_one_ends_with_a_mark(void **state)
{
    struct buf large = {0}, out = {0};
    struct err err = {0};
    (void)state;
    buf_puts(&large, "{\"data\":{\"a\":0");
    for (int i = 0; i < 40000; i++)
        buf_printf(&large, ",\"key%05d\":\"value\"", i);
    buf_puts(&large, "}}");
    assert_int_equal(object_diff(span(NULL), span(buf_str(&large)), &out, &err), 0);
    assert_true(out.len <= OBJECT_DIFF_MAX + 100);
    assert_non_null(strstr(buf_str(&out), "\n\\ The rest is left out"));
    buf_free(&large);
    buf_free(&out);
}

static void every_failed_allocation_is_told(void **state)
{
    static const char before[] = "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"MQ==\"},\"kind\":\"Secret\"}";
    static const char after[] = "{\"apiVersion\":\"v1\",\"data\":{\"a\":\"Mg==\"},\"kind\":\"Secret\"}";
    int rc = -1;
    (void)state;
    for (int n = 1; rc && n < 1000; n++) {
        struct buf out = {0};
        struct err err = {0};
        failing_alloc_at(n);
        rc = object_diff(span(before), span(after), &out, &err);
        failing_alloc_at(0);
        if (rc)
            assert_int_equal(err.code, ERR_NO_MEMORY);
        rc = rc || out.failed;
        buf_free(&out);
    }
    assert_int_equal(rc, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_changes_by_itself_is_no_change),
        cmocka_unit_test(what_is_not_there_has_no_lines),
        cmocka_unit_test(a_secret_shows_that_a_value_changes_and_not_which),
        cmocka_unit_test(a_long_one_ends_with_a_mark),
        cmocka_unit_test(every_failed_allocation_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
