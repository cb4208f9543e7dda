#include "base/err.h"
#include "exec/request.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"

static struct start_request *parse(const char *json, struct err *err)
{
    return start_request_parse(json, strlen(json), err);
}

static void a_request_is_read_as_the_wire_has_it(void **state)
{
    struct start_request *r = parse(
        "{\"type\":\"start\",\"executionId\":\"e.1_x-2\",\"command\":\"echo\",\"args\":[\"a\",\"\"],\"mode\":"
        "\"dry-run\",\"namespace\":\"ns\",\"force\":true,\"takeOver\":[\"m\"],\"unknown\":{\"a\":1},"
        "\"label\":null}",
        NULL);
    (void)state;
    assert_non_null(r);
    assert_string_equal(r->execution_id, "e.1_x-2");
    assert_string_equal(r->args[0], "a");
    assert_string_equal(r->args[1], "");
    assert_null(r->args[2]);
    assert_true(r->dry_run && r->force && !r->allow_cluster_wide);
    assert_string_equal(r->take_over[0], "m");
    assert_string_equal(r->label, "");
    assert_false(start_request_is_kubernetes(r));
    assert_string_equal(r->input, "{}");
    assert_true(r->replicas == -1 && r->timeout == 0 && !r->wait && !r->recreate && !r->leave);
    start_request_free(r);
    r = parse("{\"command\":\"x\",\"input\":{\"n\":9007199254740993,\"l\":[]},\"wait\":true,\"timeout\":5,"
              "\"propagation\":\"orphan\",\"replicas\":0,\"recreate\":true,\"reason\":\"why\",\"base\":\"b\","
              "\"leave\":[{\"index\":1,\"field\":\"spec.replicas\"}]}",
              NULL);
    assert_string_equal(r->input, "{\"n\":9007199254740993,\"l\":[]}");
    assert_true(r->wait && r->recreate && r->timeout == 5 && r->replicas == 0);
    assert_string_equal(r->propagation, "Orphan");
    assert_string_equal(r->reason, "why");
    assert_string_equal(r->base, "b");
    assert_true(r->leave_count == 1 && r->leave[0].index == 1);
    assert_string_equal(r->leave[0].field, "spec.replicas");
    start_request_free(r);
}

static void what_is_wrong_is_refused_with_a_sentence_that_names_it(void **state)
{
    static const char *const cases[][2] = {
        {"[]", "no JSON object"},
        {"{", "no JSON object"},
        {"{\"command\":1}", "command must be a string"},
        {"{\"command\":\"x\",\"args\":\"y\"}", "args must be a list"},
        {"{\"command\":\"x\",\"args\":[1]}", "args[0] must be a string"},
        {"{\"command\":\"x\",\"mode\":\"real\"}", "mode must be"},
        {"{\"command\":\"x\",\"force\":1}", "force must be true or false"},
        {"{\"command\":\"x\",\"executionId\":\"../x\"}", "executionId must be"},
        {"{\"command\":\"x\",\"executionId\":\".x\"}", "executionId must be"},
        {"{\"command\":\"x\",\"command\":\"y\"}", "no JSON object"},
        {"{}", "nothing to do"},
        {"{\"intent\":\"apply-yaml\"}", "the manifest is empty"},
        {"{\"intent\":\"apply-yaml\",\"yaml\":\" \\n\"}", "the manifest is empty"},
        {"{\"intent\":\"apply-yaml\",\"yaml\":{}}", "yaml must be a string"},
        {"{\"command\":\"__k8s-apply-yaml\",\"yaml\":\"a\"}", "needs intent"},
        {"{\"intent\":\"apply-yaml\",\"yaml\":\"a\",\"action\":\"replace\"}", "not \"replace\""},
        {"{\"intent\":\"apply-yaml\",\"yaml\":\"a\",\"base\":\"b\",\"action\":\"delete\"}", "base goes with"},
        {"{\"intent\":\"apply-yaml\",\"yaml\":\"a\",\"leave\":[{}]}", "leave[0] must be"},
        {"{\"intent\":\"apply-yaml\",\"yaml\":\"a\",\"leave\":[{\"index\":-1,\"field\":\"a\"}]}",
         "leave[0] must be"},
        {"{\"command\":\"x\",\"timeout\":0}", "timeout must be a whole number from 1"},
        {"{\"command\":\"x\",\"timeout\":1.5}", "timeout must be a whole number from 1"},
        {"{\"command\":\"x\",\"replicas\":-1}", "replicas must be a whole number from 0"},
        {"{\"command\":\"x\",\"propagation\":\"later\"}",
         "propagation must be Foreground, Background or Orphan"},
        {"{\"command\":\"x\",\"wait\":1}", "wait must be true or false"},
        {"{\"command\":\"x\",\"input\":[]}", "input must be an object"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct err err;
        assert_null(parse(cases[i][0], &err));
        assert_int_equal(err.code, ERR_BAD_REQUEST);
        if (!strstr(err.text, cases[i][1]))
            fail_msg("%s: \"%s\" does not say \"%s\"", cases[i][0], err.text, cases[i][1]);
    }
}

static void a_retry_is_the_kept_request_with_what_it_says_otherwise(void **state)
{
    struct start_request *kept =
        parse("{\"intent\":\"apply-yaml\",\"yaml\":\"kind: X\",\"mode\":\"dry-run\",\"namespace\":\"ns\","
              "\"takeOver\":[\"a\",\"b\"],\"label\":\"first\",\"executionId\":\"one\",\"replicas\":3,"
              "\"input\":{\"a\":1}}",
              NULL);
    struct start_request *asked = parse("{\"retryOf\":\"one\",\"mode\":\"apply\"}", NULL);
    struct start_request *plain = parse("{\"retryOf\":\"one\",\"label\":\"again\"}", NULL);
    (void)state;
    assert_true(kept && asked && plain);
    struct start_request *real = start_request_retry(kept, asked, NULL);
    struct start_request *same = start_request_retry(kept, plain, NULL);
    assert_false(real->dry_run);
    assert_string_equal(real->yaml, "kind: X");
    assert_string_equal(real->label, "first");
    assert_string_equal(real->execution_id, "");
    assert_string_equal(real->take_over[1], "b");
    assert_string_equal(real->input, "{\"a\":1}");
    assert_int_equal(real->replicas, 3);
    assert_true(same->dry_run);
    assert_string_equal(same->label, "again");
    start_request_free(kept);
    start_request_free(asked);
    start_request_free(plain);
    start_request_free(real);
    start_request_free(same);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read_as_the_wire_has_it),
        cmocka_unit_test(what_is_wrong_is_refused_with_a_sentence_that_names_it),
        cmocka_unit_test(a_retry_is_the_kept_request_with_what_it_says_otherwise),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
