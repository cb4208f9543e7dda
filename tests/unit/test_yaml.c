#include "failing_alloc.h"

#include "base/buf.h"
#include "base/err.h"
#include "io/yaml.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The text in memory of exactly its size, so that a read past its end is seen. */
static int parse_bytes(const char *text, size_t len, struct yaml_documents *out, struct err *err)
{
    char *exact = test_malloc(len ? len : 1);
    memcpy(exact, text, len);
    int rc = yaml_parse(exact, len, out, err);
    test_free(exact);
    return rc;
}

static void assert_reads(const char *text, const char *json)
{
    struct yaml_documents documents;
    struct err err = {0};
    struct buf all = {0};
    if (parse_bytes(text, strlen(text), &documents, &err))
        fail_msg("%s: %s", text, err.text);
    for (size_t i = 0; i < documents.count; i++) {
        assert_int_equal(strlen(documents.items[i].json), documents.items[i].json_len);
        buf_printf(&all, "%s%s", i ? "\n" : "", documents.items[i].json);
    }
    assert_string_equal(buf_str(&all), json);
    buf_free(&all);
    yaml_documents_free(&documents);
}

static void assert_refuses_bytes(const char *text, size_t len, enum err_code code, const char *reason)
{
    struct yaml_documents documents;
    struct err err = {0};
    assert_int_equal(parse_bytes(text, len, &documents, &err), -1);
    assert_string_equal(err.text, reason);
    assert_int_equal(err.code, code);
    assert_null(documents.items);
    assert_int_equal(documents.count, 0);
    yaml_documents_free(&documents);
}

static void assert_refuses(const char *text, const char *reason)
{
    assert_refuses_bytes(text, strlen(text), ERR_BAD_REQUEST, reason);
}

static void scalars_mean_what_kubernetes_reads(void **state)
{
    (void)state;
    assert_reads("a: [y, on, No, TRUE, yEs]", "{\"a\":[true,true,false,true,\"yEs\"]}");
    assert_reads("a: ['y', \"1\", !!str 1, 1:20]", "{\"a\":[\"y\",\"1\",\"1\",\"1:20\"]}");
    assert_reads("a: [017, 0o17, 0x1F, 0b11, 1_000, 08]", "{\"a\":[15,15,31,3,1000,8]}");
    assert_reads("a: [1.0, 1e3, .5, 1e21, 100m]", "{\"a\":[1,1000,0.5,1e+21,\"100m\"]}");
    assert_reads("a: [9223372036854775807, 18446744073709551615, -9223372036854775808]",
                 "{\"a\":[9223372036854775807,18446744073709551615,-9223372036854775808]}");
    assert_reads("a: [18446744073709551616]", "{\"a\":[18446744073709552000]}");
    assert_reads("a: [~, null, '', 2001-12-14]\nb:", "{\"a\":[null,null,\"\",\"2001-12-14\"],\"b\":null}");
    assert_reads("a: !!binary aGk=", "{\"a\":\"hi\"}");
    assert_reads("a: []\nb: {}", "{\"a\":[],\"b\":{}}");
}

static void keys_come_out_as_sorted_text(void **state)
{
    (void)state;
    assert_reads("b: 1\na: 2\nB: 3\n10: 4\n9: 5\nyes: 6\n1.5: 7",
                 "{\"1.5\":7,\"10\":4,\"9\":5,\"B\":3,\"a\":2,\"b\":1,\"true\":6}");
}

static void a_merge_gives_way_to_the_keys_that_stand_there(void **state)
{
    (void)state;
    assert_reads("b: &b {x: 1, z: 2}\nc: {<<: *b, x: 3}\nd: {x: 3, <<: *b}",
                 "{\"b\":{\"x\":1,\"z\":2},\"c\":{\"x\":3,\"z\":2},\"d\":{\"x\":3,\"z\":2}}");
    assert_reads("b: &b {x: 1}\nc: {<<: [{x: 2, z: 4}, *b, {x: 5, w: 6}]}",
                 "{\"b\":{\"x\":1},\"c\":{\"w\":6,\"x\":2,\"z\":4}}");
    assert_reads("a: &a {k: &l [1]}\nb: &b {<<: *a}\nc: {<<: *b, m: *l}\nd: *b",
                 "{\"a\":{\"k\":[1]},\"b\":{\"k\":[1]},\"c\":{\"k\":[1],\"m\":[1]},\"d\":{\"k\":[1]}}");
}

static void a_json_manifest_is_read_like_json(void **state)
{
    (void)state;
    assert_reads("{\n\t\"a\": \"http:\\/\\/x\",\n\t\"b\": [1,\n\t2]\n}", "{\"a\":\"http://x\",\"b\":[1,2]}");
    assert_reads("{\"a\": \"\\\\ud83d \\ud83d\\ude80!\"}", "{\"a\":\"\\\\ud83d \xF0\x9F\x9A\x80!\"}");
    assert_refuses("a: \"\\ud83d\\ude80\"",
                   "1:7: this escape is no character (one beyond U+FFFF is written \\U0001F600)");
}

static void each_document_knows_its_first_line(void **state)
{
    (void)state;
    const char *text =
        "# comment\n\n---\n# another\n\na: 1\n---\n---\n--- # empty\n~\n--- {a: 2}\n---\r\n\n  a: 3\n...\n"
        "%YAML 1.1\n---\na: 4\n";
    const size_t lines[] = {6, 11, 14};
    struct yaml_documents documents;
    struct err err;
    const char *end = strstr(text, "%YAML");
    assert_int_equal(parse_bytes(text, (size_t)(end - text), &documents, &err), 0);
    assert_int_equal(documents.count, 3);
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(documents.items[i].line, lines[i]);
    yaml_documents_free(&documents);
    assert_int_equal(parse_bytes("\xEF\xBB\xBF%YAML 1.1\n# c\n---\n\na: 1", 26, &documents, &err), 0);
    assert_int_equal(documents.count, 1);
    assert_int_equal(documents.items[0].line, 5);
    yaml_documents_free(&documents);
}

static void a_text_without_documents_is_no_error(void **state)
{
    (void)state;
    assert_reads("", "");
    assert_reads("---", "");
    assert_reads("\xEF\xBB\xBF", "");
    assert_reads("# nothing\n\n---\nnull\n---\n# n\xC3\xB6thing\r\n", "");
}

static void a_text_cut_within_a_block_still_ends_with_a_newline(void **state)
{
    (void)state;
    assert_reads("a: |\n  x", "{\"a\":\"x\\n\"}");
    assert_reads("a: |\n  x\n---\nb: >\n  y", "{\"a\":\"x\\n\"}\n{\"b\":\"y\\n\"}");
}

static void duplicate_keys_are_refused_with_both_lines(void **state)
{
    (void)state;
    assert_refuses("a: 1\nb: 2\n\na: 3\nb: 4", "4:1: duplicate key \"a\" (first on line 1)");
    assert_refuses("---\nx:\n- {k: 1, \"k\": 2}", "3:10: duplicate key \"k\" (first on line 3)");
    assert_refuses("a: 1\n---\nm:\n  1: a\n  \"1\": b", "5:3: duplicate key \"1\" (first on line 4)");
    assert_refuses("a: {<<: {x: 1, x: 2}}", "1:16: duplicate key \"x\" (first on line 1)");
}

static void what_is_wrong_is_said_in_a_sentence(void **state)
{
    (void)state;
    assert_refuses("a:\n\tb: 1", "2:1: a tab cannot indent YAML: use spaces");
    assert_refuses("a: @x", "1:4: a value cannot begin with \"@\": put it in quotes");
    assert_refuses("a: 1\nm: \xC3\xA9rror: failed",
                   "2:9: a \":\" cannot stand here: put a value that contains \": \" in quotes, or check the "
                   "indentation");
    assert_refuses("a: 1\n---\nb: \"x\n", "3:4: the quote that opens here is never closed");
    assert_refuses("a: 1\nb: [1,\n  2\nc: 3",
                   "4:2: expected \",\" or \"]\" in the list that \"[\" opened on line 2");
    assert_refuses("a: *b", "1:4: *b: no anchor &b stands before it in this document");
    assert_refuses("a: &a [*a]", "1:8: *a stands inside its own anchor &a");
    assert_refuses("a: {<<: 1}", "1:9: << takes a map or a list of maps");
    assert_refuses(
        "a: {{ .Values.x }}",
        "1:5: a map or a list cannot be a key (a template's {{ \xE2\x80\xA6 }} needs quotes, or is not "
        "rendered yet)");
    assert_refuses("a:\n  b: .inf", "2:6: .inf is no number that JSON can hold; a text needs quotes here");
    assert_refuses("a: !!int x", "1:4: \"x\" is no !!int");
    assert_refuses("~: 1",
                   "1:1: a key cannot be null: something is missing before \":\", or the word needs quotes");
    assert_refuses("a: 1\n-----\nb: 1",
                   "2:1: a line that begins with \"---\" separates documents and can go on only "
                   "with a space or a comment");
}

static void a_document_that_is_no_map_is_refused(void **state)
{
    (void)state;
    assert_refuses("# c\n- a\n- b",
                   "2:1: the document is a list and no map: write its items as documents, or under "
                   "\"kind: List\"");
    assert_refuses("a: 1\n---\n\nhello",
                   "4:1: the document is \"hello\" and no map: it needs apiVersion, kind and "
                   "metadata");
}

static void bytes_that_are_no_text_are_refused_where_they_stand(void **state)
{
    (void)state;
    assert_refuses("a: 1\nb: \xC3\xA9\xE9x", "2:5: the text is not UTF-8: byte 0xE9 is none of it here");
    assert_refuses("a: \xE2\x82", "1:4: the text is not UTF-8: byte 0xE2 is none of it here");
    assert_refuses_bytes(
        "a: 1\n---\nb: x\0y", 15, ERR_BAD_REQUEST,
        "3:5: the control character U+0000 cannot stand in YAML: write it as an escape in double "
        "quotes");
    assert_refuses_bytes("\xFF\xFE"
                         "a\0:\0",
                         6, ERR_BAD_REQUEST, "1:1: the text is not UTF-8: byte 0xFF is none of it here");
}

static void fill(struct buf *b, const char *piece, size_t times)
{
    for (size_t i = 0; i < times; i++)
        buf_puts(b, piece);
}

static void aliases_expand_to_a_limit(void **state)
{
    (void)state;
    struct buf text = {0};
    buf_puts(&text, "a0: &a0 [x]\n");
    for (int i = 1; i < 9; i++) {
        buf_printf(&text, "a%d: &a%d [", i, i);
        for (int n = 0; n < 9; n++)
            buf_printf(&text, "*a%d, ", i - 1);
        buf_puts(&text, "]\n");
    }
    assert_refuses_bytes(text.data, text.len, ERR_TOO_LARGE,
                         "7:40: aliases would expand past 1000000 nodes in this text");
    buf_clear(&text);
    buf_puts(&text, "a: &a ");
    fill(&text, "xxxxxxxxxx", 1000);
    buf_puts(&text, "\nb: [");
    fill(&text, "*a, ", 400);
    buf_puts(&text, "]\n");
    struct err err = {0};
    struct yaml_documents documents;
    assert_int_equal(yaml_parse(text.data, text.len, &documents, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, ": the document is over 3 MiB as JSON"));
    buf_free(&text);
}

static void many_documents_cannot_expand_without_end(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int i = 0; i < 20; i++) {
        buf_puts(&text, "a: &a ");
        fill(&text, "xxxxxxxxxx", 2000);
        buf_puts(&text, "\nb: [");
        fill(&text, "*a, ", 120);
        buf_puts(&text, "]\n---\n");
    }
    struct err err = {0};
    struct yaml_documents documents;
    assert_int_equal(yaml_parse(text.data, text.len, &documents, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    assert_non_null(strstr(err.text, "anchors and aliases would copy more than 32 MiB in this text"));
    buf_free(&text);
}

static void nesting_goes_to_a_hundred(void **state)
{
    (void)state;
    struct buf text = {0}, json = {0};
    buf_puts(&text, "a: ");
    fill(&text, "[", 99);
    fill(&text, "]", 99);
    buf_puts(&json, "{\"a\":");
    fill(&json, "[", 99);
    fill(&json, "]", 99);
    buf_puts(&json, "}");
    assert_reads(text.data, json.data);
    buf_clear(&text);
    for (int i = 0; i < 101; i++)
        buf_printf(&text, "%*sa:\n", i, "");
    assert_refuses_bytes(text.data, text.len, ERR_TOO_LARGE,
                         "101:101: maps and lists nest deeper than 100 here");
    buf_clear(&text);
    buf_puts(&text, "a: &a ");
    fill(&text, "[", 50);
    fill(&text, "]", 50);
    buf_puts(&text, "\nb: ");
    fill(&text, "[", 50);
    buf_puts(&text, "*a");
    fill(&text, "]", 50);
    assert_refuses_bytes(text.data, text.len, ERR_TOO_LARGE,
                         "2:54: with *a, maps and lists nest deeper than 100 here");
    buf_free(&text);
    buf_free(&json);
}

static void a_document_goes_to_three_mebibytes(void **state)
{
    (void)state;
    struct yaml_documents documents;
    struct buf text = {0};
    buf_puts(&text, "a: 1\n---\n\nb: ");
    size_t start = strlen("a: 1\n---\n");
    char *room = buf_reserve(&text, YAML_MAX_DOCUMENT + 1);
    size_t rest = YAML_MAX_DOCUMENT - (text.len - start);
    memset(room, 'x', rest + 1);
    text.len += rest;
    assert_int_equal(yaml_parse(text.data, text.len - 10, &documents, NULL), 0);
    assert_int_equal(documents.count, 2);
    yaml_documents_free(&documents);
    text.len++;
    assert_refuses_bytes(text.data, text.len, ERR_TOO_LARGE, "3:1: the document is over 3 MiB");
    buf_free(&text);
}

static void every_failed_allocation_is_reported(void **state)
{
    (void)state;
    static const char text[] = "base: &b {z: 1, a: &l [1, x], \"q\": &s text}\n"
                               "c: {<<: [*b, {m: *l}], z: *s, a: 2}\n"
                               "n: 1234567890123456789012345678901234567890123456789012345678901234567890.5\n"
                               "!!binary aGk=: !!binary aGk=\n"
                               "&k key: *b\n"
                               "---\n{\"a\": \"\\ud83d\\ude80\"}\n---\nd: [1]\n";
    size_t n = 1;
    for (;; n++) {
        struct yaml_documents documents;
        struct err err = {0};
        failing_alloc_at(n);
        int rc = yaml_parse(text, sizeof(text) - 1, &documents, &err);
        int hit = failing_alloc_hit();
        failing_alloc_at(0);
        assert_int_equal(rc, hit ? -1 : 0);
        if (rc) {
            assert_int_equal(err.code, ERR_NO_MEMORY);
            assert_int_equal(documents.count, 0);
        } else {
            assert_int_equal(documents.count, 3);
        }
        yaml_documents_free(&documents);
        if (!hit)
            break;
    }
    assert_true(n > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scalars_mean_what_kubernetes_reads),
        cmocka_unit_test(keys_come_out_as_sorted_text),
        cmocka_unit_test(a_merge_gives_way_to_the_keys_that_stand_there),
        cmocka_unit_test(a_json_manifest_is_read_like_json),
        cmocka_unit_test(each_document_knows_its_first_line),
        cmocka_unit_test(a_text_without_documents_is_no_error),
        cmocka_unit_test(a_text_cut_within_a_block_still_ends_with_a_newline),
        cmocka_unit_test(duplicate_keys_are_refused_with_both_lines),
        cmocka_unit_test(what_is_wrong_is_said_in_a_sentence),
        cmocka_unit_test(a_document_that_is_no_map_is_refused),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_where_they_stand),
        cmocka_unit_test(aliases_expand_to_a_limit),
        cmocka_unit_test(many_documents_cannot_expand_without_end),
        cmocka_unit_test(nesting_goes_to_a_hundred),
        cmocka_unit_test(a_document_goes_to_three_mebibytes),
        cmocka_unit_test(every_failed_allocation_is_reported),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
