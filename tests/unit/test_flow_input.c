#include "base/buf.h"
#include "base/err.h"
#include "exec/flow-input.h"

#include <string.h>

#include "cmocka-all.h"

static const char schema[] =
    "{\"n\":{\"type\":\"integer\",\"default\":7},\"x\":{\"type\":\"number\"},\"on\":{\"type\":\"boolean\"},"
    "\"names\":{\"type\":\"list\"},\"map\":{\"type\":\"object\"},\"word\":{\"type\":\"string\",\"enum\":["
    "\"a\",\"b\"]}}";

static void becomes(const char *given, const char *otherwise, const char *whole)
{
    struct buf out = {0};
    struct err err = {0};
    if (flow_input(schema, given, otherwise, &out, &err))
        fail_msg("%s: %s", given, err.text);
    assert_string_equal(buf_str(&out), whole);
    buf_free(&out);
}

static void refused(const char *given, const char *why)
{
    struct buf out = {0};
    struct err err = {0};
    assert_int_equal(flow_input(schema, given, "{}", &out, &err), -1);
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    if (!strstr(err.text, why))
        fail_msg("%s: \"%s\" does not say \"%s\"", given, err.text, why);
    buf_free(&out);
}

static void texts_are_taken_for_what_they_say(void **state)
{
    (void)state;
    becomes("{\"n\":\"300\",\"on\":\"true\"}", "{}", "{\"n\":300,\"on\":true}");
    becomes("{\"n\":1,\"x\":\"0.5\"}", "{}", "{\"n\":1,\"x\":0.5}");
    becomes("{\"n\":1,\"names\":\"a,b\"}", "{}", "{\"n\":1,\"names\":[\"a\",\"b\"]}");
    becomes("{\"n\":1,\"names\":\"\"}", "{}", "{\"n\":1,\"names\":[]}");
    becomes("{\"n\":1,\"names\":\"[1]\",\"map\":\"{}\"}", "{}", "{\"n\":1,\"names\":[1],\"map\":{}}");
    becomes("{\"n\":\"9007199254740993\"}", "{}", "{\"n\":9007199254740993}");
}

static void what_is_not_given_comes_from_the_request_then_from_the_default(void **state)
{
    (void)state;
    becomes("{}", "{}", "{\"n\":7}");
    becomes("{\"n\":null}", "{\"n\":8,\"unknown\":1}", "{\"n\":8}");
    becomes("{\"n\":9}", "{\"n\":8}", "{\"n\":9}");
}

static void a_value_of_another_type_is_refused_by_name(void **state)
{
    (void)state;
    refused("{\"n\":\"1e3\"}", "input n must be a whole number, not \"1e3\"");
    refused("{\"n\":\"99999999999999999999\"}", "input n must be a whole number");
    refused("{\"x\":\"inf\"}", "input x must be a number");
    refused("{\"on\":1}", "input on must be true or false");
    refused("{\"names\":{}}", "input names must be a list");
    refused("{\"map\":\"[]\"}", "input map must be an object");
    refused("{\"word\":\"c\"}", "input word must be one of \"a\", \"b\"");
    refused("{\"worb\":\"a\"}", "did you mean \"word\"?");
    refused("{\"word\":\"\\u0000\"}", "cannot be read");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_are_taken_for_what_they_say),
        cmocka_unit_test(what_is_not_given_comes_from_the_request_then_from_the_default),
        cmocka_unit_test(a_value_of_another_type_is_refused_by_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
