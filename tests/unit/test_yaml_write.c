#include "failing_alloc.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/json-write.h"
#include "io/yaml-write.h"
#include "io/yaml.h"

#include <jansson.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_writes(const char *json, const char *yaml)
{
    struct buf out = {0};
    struct err err = {0};
    if (yaml_write(json, strlen(json), &out, &err))
        fail_msg("%s: %s", json, err.text);
    assert_string_equal(buf_str(&out), yaml);
    buf_free(&out);
}

static void assert_refuses(const char *json, size_t len, enum err_code code, const char *reason)
{
    struct buf out = {0};
    struct err err = {0};
    char *exact = test_malloc(len ? len : 1); /* a read past its end is seen */
    memcpy(exact, json, len);
    assert_int_equal(yaml_write(exact, len, &out, &err), -1);
    assert_string_equal(err.text, reason);
    assert_int_equal(err.code, code);
    test_free(exact);
    buf_free(&out);
}

static void an_object_reads_as_kubectl_shows_it(void **state)
{
    (void)state;
    assert_writes("{\"status\":{},\"spec\":{\"replicas\":2,\"containers\":[{\"name\":\"a\",\"args\":[]}]},"
                  "\"metadata\":{\"name\":\"api\",\"creationTimestamp\":\"2026-11-24T02:35:24Z\"},"
                  "\"kind\":\"Deployment\",\"apiVersion\":\"apps/v1\"}",
                  "apiVersion: apps/v1\n"
                  "kind: Deployment\n"
                  "metadata:\n"
                  "  name: api\n"
                  "  creationTimestamp: \"2026-11-24T02:35:24Z\"\n"
                  "spec:\n"
                  "  replicas: 2\n"
                  "  containers:\n"
                  "  - name: a\n"
                  "    args: []\n"
                  "status: {}\n");
}

static void other_maps_keep_their_order(void **state)
{
    (void)state;
    assert_writes("{\"status\":1,\"kind\":\"x\",\"a\":null}", "status: 1\nkind: x\na: null\n");
}

static void texts_that_look_like_something_else_are_quoted(void **state)
{
    (void)state;
    assert_writes(
        "{\"a\":[\"yes\",\"n\",\"1\",\"1.5\",\"0x1f\",\"017\",\"~\",\"null\",\"\",\"1:20\",\"<<\",\"=\","
        "\".inf\",\"2001-12-14\",\"1e3\",\"1_000\"]}",
        "a:\n- \"yes\"\n- \"n\"\n- \"1\"\n- \"1.5\"\n- \"0x1f\"\n- \"017\"\n- \"~\"\n- \"null\"\n- \"\"\n"
        "- \"1:20\"\n- \"<<\"\n- \"=\"\n- \".inf\"\n- \"2001-12-14\"\n- \"1e3\"\n- \"1_000\"\n");
    assert_writes("{\"on\":\"off\",\"1\":\"10.96.0.1\",\"<<\":\"nginx:1.27\"}",
                  "\"on\": \"off\"\n\"1\": 10.96.0.1\n\"<<\": nginx:1.27\n");
    assert_writes("{\"a\":[\"- x\",\"# x\",\"a: b\",\"*x\",\"it's\",\" x\"]}",
                  "a:\n- '- x'\n- '# x'\n- 'a: b'\n- '*x'\n- it's\n- ' x'\n");
}

static void a_text_of_several_lines_is_shown_as_it_is(void **state)
{
    (void)state;
    assert_writes(
        "{\"data\":{\"a.conf\":\"one: 1\\n\\ntwo # x\\n\",\"b\":\"no\\nend\",\"c\":\"more\\n\\n\",\"d\":1}}",
        "data:\n"
        "  a.conf: |\n    one: 1\n\n    two # x\n"
        "  b: |-\n    no\n    end\n"
        "  c: |+\n    more\n\n"
        "  d: 1\n");
    /* Space at a line's end is not seen, a tab may be lost on the way: escapes show both. */
    assert_writes("{\"a\":\"x \\ny\",\"b\":\"x\\ty\",\"c\":\"x\\r\\ny\"}",
                  "a: \"x \\ny\"\nb: \"x\\ty\"\nc: \"x\\r\\ny\"\n");
}

static void a_long_line_stays_one_line(void **state)
{
    struct buf json = {0}, yaml = {0}, word = {0};
    (void)state;
    for (int i = 0; i < 200; i++)
        buf_printf(&word, "word%d ", i);
    word.len--;
    buf_printf(&json, "{\"a\":\"%.*s\"}", (int)word.len, word.data);
    buf_printf(&yaml, "a: %.*s\n", (int)word.len, word.data);
    assert_writes(buf_str(&json), buf_str(&yaml));
    buf_free(&json);
    buf_free(&yaml);
    buf_free(&word);
}

static void numbers_stay_as_they_were_written(void **state)
{
    (void)state;
    assert_writes("[9223372036854775807,18446744073709551615,1.50,1e2,-0.0,12345678901234567890123]",
                  "- 9223372036854775807\n- 18446744073709551615\n- 1.50\n- 1e2\n- -0.0\n"
                  "- 12345678901234567890123\n");
    assert_refuses("[1e400]", 7, ERR_BAD_REQUEST, "the number 1e400 is larger than a double holds");
}

static void escapes_are_read(void **state)
{
    (void)state;
    assert_writes(
        "{\"a\":\"\\u00e9\\\"\\/\\u20AC\",\"b\":\"\\ud83d\\ude80\",\"c\":\"\\ud83d!\",\"d\":\"\\u0000\"}",
        "a: é\"/€\nb: \"\\U0001F680\"\nc: \xEF\xBF\xBD!\nd: \"\\0\"\n");
}

static void what_is_no_json_is_refused_where_it_ends(void **state)
{
    static const struct {
        const char *json;
        size_t at;
    } wrong[] = {
        {"", 0},
        {" ", 1},
        {"{", 1},
        {"[1", 2},
        {"[1,]", 3},
        {"{\"a\"}", 4},
        {"{\"a\":}", 5},
        {"{\"a\":1,}", 7},
        {"{a:1}", 1},
        {"[01]", 3},
        {"[-]", 2},
        {"[1.]", 3},
        {"[1e]", 3},
        {"[.5]", 1},
        {"[tru]", 1},
        {"\"a", 2},
        {"\"a\\", 2},
        {"\"\\x\"", 1},
        {"\"\\u12\"", 3},
        {"\"\n\"", 1},
        {"\"\xFF\"", 1},
        {"{} {}", 3},
        {"{\"a\":1 \"b\":2}", 7},
        {"[1 2]", 3},
    };
    char reason[64];
    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        snprintf(reason, sizeof(reason), "this is no JSON at byte %zu", wrong[i].at);
        assert_refuses(wrong[i].json, strlen(wrong[i].json), ERR_BAD_REQUEST, reason);
    }
}

static void nesting_goes_to_a_hundred(void **state)
{
    struct buf json = {0}, yaml = {0};
    (void)state;
    for (int i = 0; i < 101; i++)
        buf_putc(&json, '[');
    for (int i = 0; i < 101; i++)
        buf_putc(&json, ']');
    assert_refuses(json.data, json.len, ERR_BAD_REQUEST, "the JSON is nested deeper than 100");
    json.data[json.len - 1] = '\0';
    for (int i = 0; i < 99; i++)
        buf_puts(&yaml, "- ");
    buf_puts(&yaml, "[]\n");
    assert_writes(json.data + 1, buf_str(&yaml));
    buf_free(&json);
    buf_free(&yaml);
}

/* ---- what is written is read back the same ---- */

static unsigned long long seed = 88172645463325252ull;

static unsigned rnd(unsigned below)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)(seed >> 11) % below;
}

/* What has a meaning in YAML, and what has none; each ends with a NUL, all with an empty one. */
static const char pieces[] =
    "a\0b\0word\0Zz\0001\0000\0009\0 \0 \0  \0\n\0\n\0\n\n\0\t\0\r\0:\0: \0#\0 #\0-\0- \0?\0? "
    "\0,\0[\0]\0{\0}\0&\0*\0!\0|\0"
    ">\0'\0\"\0%\0@\0`\0\\\0<<\0=\0~\0---\0...\0\n---\n\0\n...\n\0yes\0no\0null\0true\0.inf\0"
    "0x1\0001e5\0002001-01-01\0é\0€\0\xF0\x9F\x9A\x80\0\xC2\x85\0\xE2\x80\xA8\0\xE2\x80\xA9\0"
    "\xEF\xBB\xBF\0\xC2\xA0\0\x7F\0\x01\0\xEF\xBF\xBE\0$(x)\0/\0_\0+\0.\0"
    "long words that go on and on beyond eighty columns in all, so that a line could be folded\0";

static void random_text(struct buf *out)
{
    for (unsigned n = rnd(7); n > 0; n--) {
        const char *piece = pieces + rnd(sizeof(pieces) - 2);
        while (piece > pieces && piece[-1])
            piece--;
        buf_puts(out, piece);
    }
}

static json_t *random_string(void)
{
    struct buf text = {0};
    random_text(&text);
    json_t *value = json_string(buf_str(&text));
    assert_non_null(value);
    buf_free(&text);
    return value;
}

static json_t *random_value(unsigned depth);

static json_t *random_map(unsigned depth)
{
    json_t *map = json_object();
    for (unsigned n = rnd(5); n > 0; n--) {
        struct buf key = {0};
        random_text(&key);
        json_object_set_new(map, buf_str(&key), random_value(depth + 1));
        buf_free(&key);
    }
    return map;
}

static json_t *random_value(unsigned depth)
{
    json_t *list;
    switch (rnd(depth < 5 ? 10 : 8)) {
    case 0:
        return json_null();
    case 1:
        return json_boolean(rnd(2));
    case 2:
        return json_integer((json_int_t)((unsigned long long)rnd(1u << 31) << rnd(33)) - rnd(1000));
    case 3:
        return json_real((rnd(2000000) - 1e6) / (1 + rnd(1000)) * (rnd(2) ? 1 : 1e-20));
    case 8:
        list = json_array();
        for (unsigned n = rnd(5); n > 0; n--)
            json_array_append_new(list, random_value(depth + 1));
        return list;
    case 9:
        return random_map(depth);
    default:
        return random_string();
    }
}

/* 1.0 is 1. */
static bool same(json_t *a, json_t *b)
{
    const char *key;
    json_t *inner;
    size_t i;
    if (json_is_number(a) && json_is_number(b) && !(json_is_integer(a) && json_is_integer(b)))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_object(a)) {
        if (json_object_size(a) != json_object_size(b))
            return false;
        json_object_foreach(a, key, inner) if (!json_object_get(b, key) ||
                                               !same(inner, json_object_get(b, key))) return false;
        return true;
    }
    if (!json_is_array(a))
        return json_equal(a, b);
    if (json_array_size(a) != json_array_size(b))
        return false;
    json_array_foreach(a, i, inner) if (!same(inner, json_array_get(b, i))) return false;
    return true;
}

static void assert_reads_back(json_t *value)
{
    struct yaml_documents documents;
    struct buf yaml = {0};
    struct err err = {0};
    char *json = json_dumps(value, rnd(2) ? JSON_ENSURE_ASCII : 0);
    if (yaml_write(json, strlen(json), &yaml, &err))
        fail_msg("%s: %s", json, err.text);
    if (yaml_parse(buf_str(&yaml), yaml.len, &documents, &err))
        fail_msg("%s\n%s\n%s", json, buf_str(&yaml), err.text);
    assert_int_equal(documents.count, 1);
    json_t *back = json_loadb(documents.items[0].json, documents.items[0].json_len, 0, NULL);
    assert_non_null(back);
    if (!same(value, back))
        fail_msg("%s\nwas written as\n%s\nand read as\n%s", json, buf_str(&yaml), documents.items[0].json);
    yaml_documents_free(&documents);
    json_decref(back);
    buf_free(&yaml);
    free(json);
}

static void every_value_is_read_back_the_same(void **state)
{
    const char *rounds = getenv("YAML_WRITE_ROUNDS");
    (void)state;
    for (int i = rounds ? atoi(rounds) : 4000; i > 0; i--) {
        json_t *value = random_map(0);
        json_object_set_new(value, "always", random_value(0));
        assert_reads_back(value);
        json_decref(value);
    }
}

/* Whatever a proxy sends in a cluster's name: refused or written, and nothing read that is not there. */
static void no_bytes_do_harm(void **state)
{
    static const char marks[] = "{}[]\",:\\u0d8-e.tn \n\xC3\xFF\0";
    (void)state;
    for (int i = 0; i < 4000; i++) {
        json_t *value = random_map(0);
        char *json = json_dumps(value, 0);
        size_t len = strlen(json) - rnd(2);
        char *exact = test_malloc(len);
        struct buf out = {0};
        memcpy(exact, json, len);
        for (unsigned n = 1 + rnd(4); n > 0; n--)
            exact[rnd((unsigned)len)] = marks[rnd(sizeof(marks))];
        struct err err = {0};
        if (yaml_write(exact, len, &out, &err))
            assert_string_not_equal(err.text, "");
        buf_free(&out);
        test_free(exact);
        free(json);
        json_decref(value);
    }
}

static void every_failed_allocation_is_reported(void **state)
{
    static const char json[] =
        "{\"kind\":\"x\",\"apiVersion\":\"v1\",\"c\":[1,{},\"two\\nlines\"],\"d\":true,"
        "\"n\":1234567890123456789012345678901234567890123456789012345678901234567890.5}";
    size_t n = 1;
    (void)state;
    for (;; n++) {
        struct buf out = {0};
        struct err err = {0};
        failing_alloc_at(n);
        int rc = yaml_write(json, sizeof(json) - 1, &out, &err);
        int hit = failing_alloc_hit();
        failing_alloc_at(0);
        assert_int_equal(rc, hit ? -1 : 0);
        if (rc)
            assert_int_equal(err.code, ERR_NO_MEMORY);
        buf_free(&out);
        if (!hit)
            break;
    }
    assert_true(n > 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_object_reads_as_kubectl_shows_it),
        cmocka_unit_test(other_maps_keep_their_order),
        cmocka_unit_test(texts_that_look_like_something_else_are_quoted),
        cmocka_unit_test(a_text_of_several_lines_is_shown_as_it_is),
        cmocka_unit_test(a_long_line_stays_one_line),
        cmocka_unit_test(numbers_stay_as_they_were_written),
        cmocka_unit_test(escapes_are_read),
        cmocka_unit_test(what_is_no_json_is_refused_where_it_ends),
        cmocka_unit_test(nesting_goes_to_a_hundred),
        cmocka_unit_test(every_value_is_read_back_the_same),
        cmocka_unit_test(no_bytes_do_harm),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
