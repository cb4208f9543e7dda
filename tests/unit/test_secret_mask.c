#include "failing_alloc.h"

#include "base/buf.h"
#include "exec/secret-mask.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void assert_masks(const char *json, const char *masked)
{
    struct buf out = {0};
    assert_int_equal(secret_mask(json, strlen(json), &out), 0);
    assert_string_equal(buf_str(&out), masked);
    buf_free(&out);
}

static void keys_stay_and_values_do_not(void **state)
{
    (void)state;
    assert_masks(
        "{\"kind\":\"Secret\",\"data\":{\"a\":\"aGk=\",\"b\\\"\":\"x\"},\"stringData\":{\"c\":\"hi\"},"
        "\"type\":\"Opaque\",\"metadata\":{\"name\":\"data\",\"labels\":{\"data\":\"y\"}}}",
        "{\"kind\":\"Secret\",\"data\":{\"a\":\"[REDACTED]\",\"b\\\"\":\"[REDACTED]\"},"
        "\"stringData\":{\"c\":\"[REDACTED]\"},\"type\":\"Opaque\","
        "\"metadata\":{\"name\":\"data\",\"labels\":{\"data\":\"y\"}}}");
    assert_masks("{\"data\":{},\"stringData\":null}", "{\"data\":{},\"stringData\":null}");
}

static void what_kubectl_applied_last_is_a_value(void **state)
{
    (void)state;
    assert_masks("{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":"
                 "\"{\\\"data\\\":{\\\"a\\\":\\\"aGk=\\\"}}\",\"note\":\"n\"}}}",
                 "{\"metadata\":{\"annotations\":{\"kubectl.kubernetes.io/last-applied-configuration\":"
                 "\"[REDACTED]\",\"note\":\"n\"}}}");
}

static void a_value_of_the_wrong_shape_is_no_way_out(void **state)
{
    (void)state;
    assert_masks("{\"data\":\"hi\"}", "{\"data\":\"[REDACTED]\"}");
    assert_masks("{\"data\":[\"hi\"]}", "{\"data\":\"[REDACTED]\"}");
    assert_masks("{\"data\":{\"a\":{\"b\":1},\"c\":null}}",
                 "{\"data\":{\"a\":\"[REDACTED]\",\"c\":\"[REDACTED]\"}}");
}

static void a_failed_allocation_is_reported(void **state)
{
    static const char json[] = "{\"data\":{\"a\":\"aGk=\"}}";
    struct buf out = {0};
    (void)state;
    failing_alloc_at(1);
    assert_int_equal(secret_mask(json, sizeof(json) - 1, &out), -1);
    failing_alloc_at(0);
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keys_stay_and_values_do_not),
        cmocka_unit_test(what_kubectl_applied_last_is_a_value),
        cmocka_unit_test(a_value_of_the_wrong_shape_is_no_way_out),
        cmocka_unit_test(a_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
