#include "base/buf.h"
#include "base/metric.h"

#include <string.h>

#include "cmocka-all.h"

static const uint64_t bounds[HISTOGRAM_BUCKETS] = {1000,  2000,   5000,   10000,  20000,
                                                   50000, 100000, 200000, 500000, 1000000};

static void a_family_says_what_it_is_and_then_its_samples(void **state)
{
    struct buf out = {0};
    (void)state;
    metric_family(&out, "x_total", "counter", "Things \\ of\ntwo \"lines\".");
    metric_sample(&out, "x_total", (const char *const[]){"a", "1", "b", "q\"b\\n\n", NULL}, 3);
    metric_sample(&out, "x_total", (const char *const[]){NULL}, 0);
    metric_single(&out, "y", "gauge", "One.", 0.25);
    assert_string_equal(buf_str(&out), "# HELP x_total Things \\\\ of\\ntwo \"lines\".\n"
                                       "# TYPE x_total counter\n"
                                       "x_total{a=\"1\",b=\"q\\\"b\\\\n\\n\"} 3\n"
                                       "x_total 0\n"
                                       "# HELP y One.\n"
                                       "# TYPE y gauge\n"
                                       "y 0.25\n");
    buf_free(&out);
}

static void large_counters_stay_exact(void **state)
{
    struct buf out = {0};
    (void)state;
    metric_sample(&out, "a", NULL, 9007199254740991.0);
    metric_sample(&out, "b", NULL, 1795535763.25);
    metric_sample(&out, "c", NULL, 1e300);
    assert_string_equal(buf_str(&out), "a 9007199254740991\nb 1795535763.25\nc 1e+300\n");
    buf_free(&out);
}

static void a_histogram_counts_each_value_up_to_its_bound_and_above(void **state)
{
    struct histogram h = {.bounds = bounds};
    struct buf out = {0};
    (void)state;
    histogram_add(&h, 0);
    histogram_add(&h, 1000);
    histogram_add(&h, 1001);
    histogram_add(&h, 5000000);
    metric_histogram(&out, "t", (const char *const[]){"k", "v", NULL}, &h);
    assert_non_null(strstr(buf_str(&out), "t_bucket{k=\"v\",le=\"0.001\"} 2\n"));
    assert_non_null(strstr(buf_str(&out), "t_bucket{k=\"v\",le=\"0.002\"} 3\n"));
    assert_non_null(strstr(buf_str(&out), "t_bucket{k=\"v\",le=\"1\"} 3\n"));
    assert_non_null(strstr(buf_str(&out), "t_bucket{k=\"v\",le=\"+Inf\"} 4\n"));
    assert_non_null(strstr(buf_str(&out), "t_sum{k=\"v\"} 5.002001\nt_count{k=\"v\"} 4\n"));
    buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_says_what_it_is_and_then_its_samples),
        cmocka_unit_test(large_counters_stay_exact),
        cmocka_unit_test(a_histogram_counts_each_value_up_to_its_bound_and_above),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
