#include "base/clock.h"
#include "base/err.h"
#include "io/redact.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#include "failing_alloc.h"

static struct redactor *redactor;

static int setup(void **state)
{
    struct err err;
    (void)state;
    redactor = redactor_new(&err);
    if (!redactor)
        fprintf(stderr, "%s\n", err.text);
    return redactor ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    redactor_free(redactor);
    return 0;
}

static char *redacted(struct redact_state *state, const char *line)
{
    struct buf out = {0};
    redact_line(redactor, state, line, strlen(line), &out);
    return buf_take(&out);
}

static void expect(const char *line, const char *want)
{
    char *got = redacted(NULL, line);
    assert_string_equal(got, want);
    free(got);
}

/* The next line of a corpus, without comments; NULL at the end. */
static char *next_line(FILE *file, char *line, int size)
{
    do {
        if (!fgets(line, size, file))
            return NULL;
        line[strcspn(line, "\n")] = '\0';
    } while (line[0] == '\0' || strncmp(line, "# ", 2) == 0);
    return line;
}

static void test_every_secret_of_the_corpus_is_masked_and_its_key_stays(void **state)
{
    FILE *file = fopen(TEST_DATA "/redact-masked.txt", "r");
    char line[2048], want[2048];
    int cases = 0, wrong = 0;

    (void)state;
    assert_non_null(file);
    for (; next_line(file, line, sizeof(line)); cases++) {
        assert_non_null(next_line(file, want, sizeof(want)));
        char *got = redacted(NULL, line), *again = redacted(NULL, got);
        if (strcmp(got, want) != 0 || strcmp(again, want) != 0) {
            fprintf(stderr, "%s\n  want %s\n  got  %s\n  then %s\n", line, want, got, again);
            wrong++;
        }
        free(got);
        free(again);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(cases >= 60);
}

static void test_prose_and_references_stay(void **state)
{
    FILE *file = fopen(TEST_DATA "/redact-kept.txt", "r");
    char line[2048];
    int cases = 0, wrong = 0;

    (void)state;
    assert_non_null(file);
    for (; next_line(file, line, sizeof(line)); cases++) {
        char *got = redacted(NULL, line);
        if (strcmp(got, line) != 0) {
            fprintf(stderr, "%s\n  got %s\n", line, got);
            wrong++;
        }
        free(got);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(cases >= 40);
}

static void test_a_private_key_is_masked_over_its_lines(void **state)
{
    static const char *const lines[][2] = {
        {"before", "before"},
        {"  tls.key: -----BEGIN EC PRIVATE KEY-----", "  tls.key: [REDACTED]"},
        {"  Proc-Type: 4,ENCRYPTED", "[REDACTED]"},
        {"", ""},
        {"  MHcCAQEEIIrYSSNQFaA2Hwf1duRSxKtLYX5CB04fSeQ6tF1aY/PuoAoGCCqGSM49", "[REDACTED]"},
        {"  AwEHoUQD", "[REDACTED]"},
        {"  -----END EC PRIVATE KEY-----", "[REDACTED]"},
        {"after=1", "after=1"},
    };
    struct redact_state pem = {false};

    (void)state;
    for (size_t i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
        char *got = redacted(&pem, lines[i][0]);
        assert_string_equal(got, lines[i][1]);
        free(got);
    }
    assert_false(pem.in_pem);
}

static void test_a_text_of_several_lines_keeps_its_lines(void **state)
{
    (void)state;
    expect("a\npassword: x\n-----BEGIN PRIVATE KEY-----\nMIIE\n-----END PRIVATE KEY-----\nb\n",
           "a\npassword: [REDACTED]\n[REDACTED]\n[REDACTED]\n[REDACTED]\nb\n");
    expect("", "");
    expect("\n\n", "\n\n");
    expect("password: x\r\nnext", "password: [REDACTED]\r\nnext");
}

static void test_a_key_that_never_ends_hides_nothing_but_what_looks_like_one(void **state)
{
    struct redact_state pem = {false};
    char *got;

    (void)state;
    free(redacted(&pem, "-----BEGIN PRIVATE KEY-----"));
    assert_true(pem.in_pem);
    got = redacted(&pem, "2025-12-17 deployment.apps/web configured");
    assert_string_equal(got, "2025-12-17 deployment.apps/web configured");
    assert_false(pem.in_pem);
    free(got);
}

static void test_what_follows_the_end_of_a_key_is_not_forgotten(void **state)
{
    struct redact_state pem = {true};
    char *got = redacted(&pem, "AwEHoUQD -----END PRIVATE KEY-----\", \"password\": \"abc\"");

    (void)state;
    assert_null(strstr(got, "abc"));
    assert_false(pem.in_pem);
    free(got);
}

static void test_colours_do_not_hide_a_secret_and_stay(void **state)
{
    (void)state;
    expect("\033[1mpassword\033[0m: \033[31mhun\033[32mter2\033[0m end",
           "\033[1mpassword\033[0m: \033[31m[REDACTED]\033[32m\033[0m");
    expect("DB_PASS\033[0mWORD=ab\033[Kcd x", "DB_PASS\033[0mWORD=[REDACTED] x");
    expect("ghp_0123456789abc\033[mdefghijABCDEFGHIJ012345", "[REDACTED]\033[m");
    expect("\033[32mall good\033[0m", "\033[32mall good\033[0m");
    expect("\033]0;token=abc\007", "\033]0;token=[REDACTED]");
    expect("x\033", "x\033");
    expect("x\033[", "x\033[");
    expect("token=\033[31", "token=\033[31");
}

static void test_bytes_that_are_no_text_pass(void **state)
{
    static const char line[] = "a\0b password=\xff\xfe\0z \x80";
    struct buf out = {0};

    (void)state;
    redact_line(redactor, NULL, line, sizeof(line) - 1, &out);
    assert_int_equal(out.len, sizeof("a\0b password=[REDACTED] \x80") - 1);
    assert_memory_equal(out.data, "a\0b password=[REDACTED] \x80", out.len);
    buf_free(&out);
}

/* 72 KiB of a piece, repeated. The limit is far above what a linear pass takes, and far
 * below what a quadratic one does. */
static void test_no_line_takes_long(void **state)
{
    static const char *const pieces[] = {
        "token: ",
        "token: ${",
        "token: ${ }",
        "secret: a/b ",
        "secret:a/",
        "auth:",
        "auth=auth:a ",
        "\"password\":\"",
        "\\\"token\\\":",
        "\\\\\\\"token",
        "://a:b/",
        "://a:b/@",
        "--token -",
        "--token --",
        "-----BEGIN PRIVATE KEY-----",
        "-----BEGIN PRIVATE KEY----- -----END ",
        "eyJaaaaaaaaa.",
        "authorization: is ",
        "password: Invalid value: ",
        "ghp_0123456789",
        "{[password: {",
        "'token='",
        "\033[1mtoken=",
        "\"\\",
    };
    enum { LINE = 72 * 1024 };
    char *line = malloc(LINE);

    (void)state;
    for (size_t i = 0; i < sizeof(pieces) / sizeof(pieces[0]); i++) {
        struct buf out = {0};
        size_t n = strlen(pieces[i]);
        for (size_t at = 0; at < LINE; at++)
            line[at] = pieces[i][at % n];
        uint64_t start = clock_cpu_us();
        redact_line(redactor, NULL, line, LINE, &out);
        uint64_t took = clock_cpu_us() - start;
        if (took > 300000)
            fail_msg("72 KiB of %s took %llu µs", pieces[i], (unsigned long long)took);
        buf_free(&out);
    }
    free(line);
}

static void test_without_memory_a_line_is_masked_or_lost_and_never_shown(void **state)
{
    static const char line[] = "a \033[1mtoken=hunter2\033[0m password=hunter2";

    (void)state;
    for (size_t n = 1;; n++) {
        struct buf out = {0};
        int hit;
        failing_alloc_at(n);
        redact_line(redactor, NULL, line, strlen(line), &out);
        hit = failing_alloc_hit();
        failing_alloc_at(0);
        assert_true(out.failed || out.len > 0);
        if (out.data)
            assert_null(memmem(out.data, out.len, "hunter2", 7));
        buf_free(&out);
        if (!hit)
            break;
        assert_true(n < 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_secret_of_the_corpus_is_masked_and_its_key_stays),
        cmocka_unit_test(test_prose_and_references_stay),
        cmocka_unit_test(test_a_private_key_is_masked_over_its_lines),
        cmocka_unit_test(test_a_text_of_several_lines_keeps_its_lines),
        cmocka_unit_test(test_a_key_that_never_ends_hides_nothing_but_what_looks_like_one),
        cmocka_unit_test(test_what_follows_the_end_of_a_key_is_not_forgotten),
        cmocka_unit_test(test_colours_do_not_hide_a_secret_and_stay),
        cmocka_unit_test(test_bytes_that_are_no_text_pass),
        cmocka_unit_test(test_no_line_takes_long),
        cmocka_unit_test(test_without_memory_a_line_is_masked_or_lost_and_never_shown),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
