#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json-span.h"
#include "base/json-write.h"
#include "base/map.h"
#include "base/str.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"

static void numbers_are_written_as_go_writes_them(void **state)
{
    static const struct {
        double v;
        const char *text;
    } cases[] = {
        {1.0, "1"},
        {0.1, "0.1"},
        {1.5, "1.5"},
        {-2.25, "-2.25"},
        {1e20, "100000000000000000000"},
        {1e21, "1e+21"},
        {1e-6, "0.000001"},
        {1e-7, "1e-7"},
        {1e300, "1e+300"},
        {-0.0, "-0"},
        {0, "0"},
        {18446744073709551616.0, "18446744073709552000"},
        {123456789012345680.0, "123456789012345680"},
        {1.7976931348623157e308, "1.7976931348623157e+308"},
        {5e-324, "5e-324"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        struct json_writer w = JSON_WRITER(&out);
        jsonw_real(&w, cases[i].v);
        assert_string_equal(buf_str(&out), cases[i].text);
        buf_free(&out);
    }
}

static void strings_are_escaped_and_always_utf8(void **state)
{
    struct buf out = {0};
    struct json_writer w = JSON_WRITER(&out);
    (void)state;
    jsonw_begin_object(&w);
    jsonw_member(&w, "a\"b", "tab\t nl\n bell\a \xff \xc3\xa4 \xed\xa0\x80");
    jsonw_key(&w, "list");
    jsonw_begin_array(&w);
    jsonw_int(&w, -5);
    jsonw_null(&w);
    jsonw_bool(&w, true);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    assert_string_equal(buf_str(&out), "{\"a\\\"b\":\"tab\\t nl\\n bell\\u0007 \xEF\xBF\xBD \xc3\xa4 "
                                       "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\",\"list\":[-5,null,true]}");
    buf_free(&out);
}

static struct json_span span(const char *text)
{
    return (struct json_span){text, strlen(text)};
}

static void members_are_found_without_making_values(void **state)
{
    struct json_span doc =
        span("{ \"kind\" : \"List\", \"a\":{\"kind\":\"x\",\"n\":[1,{\"}\":\"]\"}]},\"metadata\":{\"name\":"
             "\"q\\\"\\u00e4\\ud83d\\ude00\"},\"last\":null}");
    (void)state;
    char *kind = json_span_text(json_span_member(doc, "kind"));
    char *name = json_span_text(json_span_path(doc, "metadata.name"));
    assert_string_equal(kind, "List");
    assert_string_equal(name, "q\"\xc3\xa4\xf0\x9f\x98\x80");
    free(kind);
    free(name);
    struct json_span list = json_span_path(doc, "a.n"), item;
    const char *at = NULL;
    assert_true(json_span_next(list, &at, NULL, &item));
    assert_int_equal(item.len, 1);
    assert_true(json_span_next(list, &at, NULL, &item));
    assert_memory_equal(item.at, "{\"}\":\"]\"}", item.len);
    assert_false(json_span_next(list, &at, NULL, &item));
    assert_null(json_span_member(doc, "missing").at);
    assert_null(json_span_path(doc, "kind.name").at);
    assert_null(json_span_text(json_span_member(doc, "last")));
    assert_false(json_span_next(span("[]"), &(const char *){NULL}, NULL, &item));
}

static void a_map_keeps_what_was_put_and_forgets_what_was_removed(void **state)
{
    struct map *m = map_new();
    char key[32];
    (void)state;
    for (intptr_t i = 1; i <= 1000; i++) {
        snprintf(key, sizeof(key), "key-%d", (int)i);
        map_put(m, key, (void *)i);
    }
    for (intptr_t i = 1; i <= 1000; i += 2) {
        snprintf(key, sizeof(key), "key-%d", (int)i);
        assert_ptr_equal(map_remove(m, key), (void *)i);
    }
    assert_int_equal(map_count(m), 500);
    map_put(m, "key-2", (void *)7);
    assert_ptr_equal(map_get(m, "key-2"), (void *)7);
    assert_null(map_get(m, "key-1"));
    size_t at = 0, seen = 0;
    while (map_next(m, &at, NULL, NULL))
        seen++;
    assert_int_equal(seen, 500);
    /* Many rounds of put and remove do not fill the table with the places of removed ones. */
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "round-%d", i);
        map_put(m, key, m);
        map_remove(m, key);
    }
    assert_int_equal(map_count(m), 500);
    map_free(m, NULL);
}

static void times_are_written_and_read_back(void **state)
{
    char text[CLOCK_TEXT];
    (void)state;
    assert_string_equal(clock_text(1764000924976, text), "2025-11-24T16:15:24.976Z");
    assert_int_equal(clock_parse("2025-11-24T16:15:24.976Z"), 1764000924976);
    assert_int_equal(clock_parse("2025-11-24T17:15:24+01:00"), 1764000924000);
    assert_int_equal(clock_parse("yesterday"), -1);
    assert_int_equal(clock_parse("2025-11-24T16:15:24Zx"), -1);
}

static void text_is_cut_on_a_character(void **state)
{
    (void)state;
    assert_int_equal(str_utf8_cut("a\xc3\xa4", 2), 1);
    assert_int_equal(str_utf8_cut("a\xc3\xa4", 3), 3);
    assert_int_equal(str_utf8_cut("\xf0\x9f\x98\x80", 3), 0);
    struct err err;
    char big[9000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    err_set(&err, "%s", big);
    assert_true(str_ends(err.text, "…"));
    err_code(&err, ERR_CONFLICT, "it is there");
    err_prefix(&err, "file.yaml:%d", 3);
    assert_string_equal(err.text, "file.yaml:3: it is there");
    assert_int_equal(err.code, ERR_CONFLICT);
}

static void a_near_word_is_suggested_and_a_far_one_is_not(void **state)
{
    static const char *const names[] = {"serve", "apply", "version", NULL};
    (void)state;
    assert_string_equal(str_nearest("aply", names), "apply");
    assert_string_equal(str_nearest("verison", names), "version");
    assert_null(str_nearest("frobnicate", names));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_written_as_go_writes_them),
        cmocka_unit_test(strings_are_escaped_and_always_utf8),
        cmocka_unit_test(members_are_found_without_making_values),
        cmocka_unit_test(a_map_keeps_what_was_put_and_forgets_what_was_removed),
        cmocka_unit_test(times_are_written_and_read_back),
        cmocka_unit_test(text_is_cut_on_a_character),
        cmocka_unit_test(a_near_word_is_suggested_and_a_far_one_is_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
