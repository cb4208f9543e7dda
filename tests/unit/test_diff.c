#include "failing_alloc.h"

#include "base/buf.h"
#include "base/diff.h"
#include "base/err.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

static const struct diff_options plain = {.old_name = "a", .new_name = "b"};

static char *diff_of(const char *before, size_t n, const char *after, size_t m,
                     const struct diff_options *options)
{
    /* In memory of exactly their size, so that a read past an end is seen. */
    char *a = test_malloc(n ? n : 1), *b = test_malloc(m ? m : 1);
    struct buf out = {0};
    struct err err = {0};
    memcpy(a, before, n);
    memcpy(b, after, m);
    if (diff_unified(a, n, b, m, options, &out, &err))
        fail_msg("%s", err.text);
    test_free(a);
    test_free(b);
    return buf_take(&out);
}

static void assert_diff(const char *before, const char *after, const char *expected)
{
    char *diff = diff_of(before, strlen(before), after, strlen(after), &plain);
    assert_string_equal(diff, expected);
    free(diff);
}

static void equal_texts_have_no_diff(void **state)
{
    (void)state;
    assert_diff("", "", "");
    assert_diff("a\n", "a\n", "");
    assert_diff("a", "a", "");
}

static void hunks_are_those_of_diff_u(void **state)
{
    (void)state;
    assert_diff("a\nb\nc\n", "a\nB\nc\n", "--- a\n+++ b\n@@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n");
    assert_diff("", "a\nb\n", "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+a\n+b\n");
    assert_diff("a\n", "", "--- a\n+++ b\n@@ -1 +0,0 @@\n-a\n");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\nx\n2\n3\n4\n5\n6\n7\n8\n",
                "--- a\n+++ b\n@@ -1,4 +1,5 @@\n 1\n+x\n 2\n 3\n 4\n@@ -6,4 +7,3 @@\n 6\n 7\n 8\n-9\n");
    assert_diff("1\n2\n3\n4\n5\n6\n7\n8\n", "x\n2\n3\n4\n5\n6\n7\ny\n",
                "--- a\n+++ b\n@@ -1,8 +1,8 @@\n-1\n+x\n 2\n 3\n 4\n 5\n 6\n 7\n-8\n+y\n");
}

static void a_missing_last_newline_is_said(void **state)
{
    (void)state;
    assert_diff("a\nb", "a\nb\n",
                "--- a\n+++ b\n@@ -1,2 +1,2 @@\n a\n-b\n\\ No newline at end of file\n+b\n");
    assert_diff("a\nb", "x\nb", "--- a\n+++ b\n@@ -1,2 +1,2 @@\n-a\n+x\n b\n\\ No newline at end of file\n");
    assert_diff(
        "ba", "a",
        "--- a\n+++ b\n@@ -1 +1 @@\n-ba\n\\ No newline at end of file\n+a\n\\ No newline at end of file\n");
}

static void a_new_item_is_shown_whole(void **state)
{
    (void)state;
    assert_diff(
        "name: y\nports:\n- port: 1\n  protocol: TCP\n- port: 3\n  protocol: TCP\nz: 1\n",
        "name: x\nports:\n- port: 1\n  protocol: TCP\n- port: 2\n  protocol: TCP\n- port: 3\n  protocol: "
        "TCP\nz: 1\n",
        "--- a\n+++ b\n@@ -1,7 +1,9 @@\n-name: y\n+name: x\n ports:\n - port: 1\n   protocol: TCP\n+- port: "
        "2\n+  protocol: TCP\n - port: 3\n   protocol: TCP\n z: 1\n");
}

static void a_diff_stays_below_its_bound(void **state)
{
    (void)state;
    struct diff_options options = {.old_name = "a", .new_name = "b", .max_bytes = 40};
    char *diff = diff_of("", 0, "one\ntwo\nthree\nfour\n", 19, &options);
    assert_string_equal(diff, "--- a\n+++ b\n@@ -0,0 +1,4 @@\n+one\n+two\n"
                              "\\ The rest is left out: the diff is over 40 bytes\n");
    free(diff);
    struct buf out = {0};
    struct err err = {0};
    char *large = test_calloc(1, DIFF_MAX_TEXT + 1);
    assert_int_equal(diff_unified(large, DIFF_MAX_TEXT + 1, "", 0, &plain, &out, &err), -1);
    assert_int_equal(err.code, ERR_TOO_LARGE);
    test_free(large);
}

/* Takes a number of a hunk's head and moves on. */
static size_t number(const char **at)
{
    char *end;
    size_t n = strtoul(*at, &end, 10);
    *at = end;
    return n;
}

struct range {
    size_t line, count;
};

static struct range range_of(const char **at)
{
    struct range r = {.count = 1};
    r.line = number(at);
    if (**at == ',') {
        (*at)++;
        r.count = number(at);
    }
    return r;
}

static const char *next_line(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? newline + 1 : end;
}

/* Applies a diff strictly, as `patch` would without fuzz: a line that is not as it is said fails. Returns
 * how many lines the diff adds and removes. */
static size_t apply(const char *before, size_t len, const char *diff, struct buf *out)
{
    const char *at = before, *end = before + len, *diff_end = diff + strlen(diff);
    size_t line = 1, made = 1, changes = 0;
    const char *p = next_line(next_line(diff, diff_end), diff_end);
    while (p < diff_end) {
        assert_memory_equal(p, "@@ -", 4);
        p += 4;
        struct range from = range_of(&p);
        assert_memory_equal(p, " +", 2);
        p += 2;
        struct range to = range_of(&p);
        assert_memory_equal(p, " @@\n", 4);
        p += 4;
        for (; line < from.line + !from.count; line++, made++) {
            const char *next = next_line(at, end);
            buf_append(out, at, (size_t)(next - at));
            at = next;
        }
        assert_int_equal(made, to.line + !to.count);
        while (from.count || to.count) {
            char sign = *p++;
            const char *next = next_line(p, diff_end);
            size_t n = (size_t)(next - p);
            if (next < diff_end && *next == '\\') {
                n--;
                next = next_line(next, diff_end);
            }
            if (sign != '+') {
                assert_true((size_t)(end - at) >= n);
                assert_memory_equal(at, p, n);
                at += n;
                line++;
                from.count--;
            }
            if (sign != '-') {
                buf_append(out, p, n);
                made++;
                to.count--;
            }
            changes += sign != ' ';
            p = next;
        }
    }
    buf_append(out, at, (size_t)(end - at));
    return changes;
}

static size_t assert_applies(const char *before, size_t n, const char *after, size_t m,
                             const struct diff_options *options)
{
    struct buf got = {0};
    char *diff = diff_of(before, n, after, m, options);
    size_t changes = apply(before, n, diff, &got);
    assert_int_equal(got.len, m);
    assert_memory_equal(buf_str(&got), after, m);
    buf_free(&got);
    free(diff);
    return changes;
}

static uint32_t random_state = 7;

static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

/* Up to `most` lines of an alphabet; the last may lack its newline. */
static size_t random_text(char *text, unsigned most, unsigned letters)
{
    size_t n = 0;
    for (unsigned lines = random_below(most + 1); lines; lines--) {
        for (unsigned words = random_below(3); words; words--)
            text[n++] = (char)('a' + random_below(letters));
        text[n++] = '\n';
    }
    return n && random_below(4) == 0 && text[n - 1] == '\n' ? n - 1 : n;
}

/* The fewest lines that can be added and removed, by the table that everybody can check. */
static size_t fewest(const char *a, size_t n, const char *b, size_t m)
{
    static size_t table[64][64];
    const char *as[64], *bs[64];
    size_t x = 0, y = 0;
    for (const char *p = a; p < a + n; p = next_line(p, a + n))
        as[x++] = p;
    for (const char *p = b; p < b + m; p = next_line(p, b + m))
        bs[y++] = p;
    for (size_t i = 0; i <= x; i++)
        for (size_t j = 0; j <= y; j++) {
            if (!i || !j) {
                table[i][j] = i + j;
                continue;
            }
            size_t la = (size_t)(next_line(as[i - 1], a + n) - as[i - 1]);
            size_t lb = (size_t)(next_line(bs[j - 1], b + m) - bs[j - 1]);
            size_t up = table[i - 1][j], left = table[i][j - 1];
            table[i][j] = (up < left ? up : left) + 1;
            if (la == lb && memcmp(as[i - 1], bs[j - 1], la) == 0)
                table[i][j] = table[i - 1][j - 1];
        }
    return table[x][y];
}

static void any_diff_applies_and_is_the_shortest(void **state)
{
    (void)state;
    for (int round = 0; round < 5000; round++) {
        char a[256], b[256];
        unsigned letters = 1 + random_below(3), most = 1 + random_below(40);
        size_t n = random_text(a, most, letters), m = random_text(b, most, letters);
        struct diff_options options = {.old_name = "a", .new_name = "b", .context = random_below(5)};
        if (n == m && memcmp(a, b, n) == 0)
            continue;
        assert_int_equal(assert_applies(a, n, b, m, &options), fewest(a, n, b, m));
    }
}

static double seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void assert_ends_soon(const char *what, struct buf *a, struct buf *b)
{
    struct buf out = {0};
    struct err err = {0};
    double start = seconds();
    assert_int_equal(diff_unified(a->data, a->len, b->data, b->len, &plain, &out, &err), 0);
    double took = seconds() - start;
    print_message("%s: %.0f ms, %zu KiB\n", what, took * 1000, out.len / 1024);
    assert_true(took < 2); /* under sanitizers on a loaded machine; without them it is some 50 ms */
    struct buf got = {0};
    apply(a->data, a->len, out.data, &got);
    assert_int_equal(got.len, b->len);
    assert_memory_equal(got.data, b->data, b->len);
    buf_free(&got);
    buf_free(&out);
    buf_free(a);
    buf_free(b);
}

static void hostile_texts_end_soon(void **state)
{
    (void)state;
    enum { MOST = 3 * 1024 * 1024 };
    struct buf a = {0}, b = {0};
    while (a.len < MOST) {
        buf_printf(&a, "%c\n", 'a' + (int)random_below(3));
        buf_printf(&b, "%c\n", 'a' + (int)random_below(3));
    }
    assert_ends_soon("many short lines", &a, &b);
    while (a.len < 300000) {
        buf_printf(&a, "%c\n", 'a' + (int)random_below(3));
        buf_printf(&b, "%c\n", 'a' + (int)random_below(3));
    }
    assert_ends_soon("few texts in many lines", &a, &b);
    for (int i = 0; a.len < MOST; i++) {
        buf_printf(&a, "a line of the one %d\n", i);
        buf_printf(&b, "a line of the other %d\n", i);
    }
    assert_ends_soon("nothing in common", &a, &b);
    for (int i = 0; i < 60000; i++) {
        buf_printf(&a, "a line that stands in both texts, %d\n", i);
        buf_printf(&b, "a line that stands in both texts, %d\n", 59999 - i);
    }
    assert_ends_soon("the other way round", &a, &b);
    for (int i = 0; a.len < MOST; i++) {
        buf_printf(&a, "a line that stands in both texts, %d\n", i);
        buf_printf(&b, i % 100 ? "a line that stands in both texts, %d\n" : "or changed %d\n", i);
    }
    assert_ends_soon("a change now and then", &a, &b);
}

static void no_memory_is_an_error(void **state)
{
    (void)state;
    int hit = 1;
    for (size_t n = 1; hit; n++) {
        struct buf out = {0};
        struct err err = {0};
        failing_alloc_at(n);
        int rc = diff_unified("a\nb\nc\n", 6, "a\nc\nd\n", 6, &plain, &out, &err);
        hit = failing_alloc_hit();
        failing_alloc_at(0);
        assert_int_equal(rc, hit ? -1 : 0);
        if (hit)
            assert_int_equal(err.code, ERR_NO_MEMORY);
        buf_free(&out);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_texts_have_no_diff),
        cmocka_unit_test(hunks_are_those_of_diff_u),
        cmocka_unit_test(a_missing_last_newline_is_said),
        cmocka_unit_test(a_new_item_is_shown_whole),
        cmocka_unit_test(a_diff_stays_below_its_bound),
        cmocka_unit_test(any_diff_applies_and_is_the_shortest),
        cmocka_unit_test(hostile_texts_end_soon),
        cmocka_unit_test(no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
