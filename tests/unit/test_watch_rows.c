/* A place in the order of changes: what somebody who falls behind costs, and is told. */
#include "edge/watch-internal.h"

#include "base/mem.h"

#include <stdio.h>
#include <string.h>

#include "cmocka-all.h"

static void put(struct watch_rows *rows, const char *key, const char *json)
{
    watch_row_set(rows, watch_rows_touch(rows, key), mem_str(json), strlen(json));
}

static void removed(struct watch_rows *rows, const char *key)
{
    watch_rows_remove(rows, watch_rows_find(rows, key), mem_str("-"), 1);
    watch_rows_bound(rows);
}

static size_t rows_after(const struct watch_rows *rows, uint64_t rev)
{
    size_t n = 0;
    for (struct watch_row *row = watch_rows_after(rows, rev); row; row = TAILQ_NEXT(row, link))
        n++;
    return n;
}

static void a_row_that_changes_often_is_told_once(void **state)
{
    struct watch_rows rows = {0};
    (void)state;
    watch_rows_init(&rows);
    put(&rows, "a", "1");
    put(&rows, "b", "1");
    uint64_t seen = rows.rev;
    for (int i = 0; i < 100000; i++)
        put(&rows, "a", "22");
    assert_int_equal(rows_after(&rows, seen), 1);
    assert_string_equal(watch_rows_after(&rows, seen)->key, "a");
    assert_int_equal(rows_after(&rows, 0), 2);
    assert_int_equal(rows.bytes, 3);
    assert_null(watch_rows_after(&rows, rows.rev));
    watch_rows_free(&rows);
}

static void removals_are_bounded_and_who_missed_one_is_known(void **state)
{
    struct watch_rows rows = {0};
    char key[16];
    (void)state;
    watch_rows_init(&rows);
    put(&rows, "stays", "1");
    uint64_t seen = rows.rev;
    for (int i = 0; i < WATCH_GONE; i++) {
        snprintf(key, sizeof(key), "%d", i);
        put(&rows, key, "1");
        removed(&rows, key);
    }
    assert_true(seen >= rows.floor);
    assert_int_equal(rows_after(&rows, seen), WATCH_GONE);
    for (int i = 0; i < 50000; i++) {
        put(&rows, "one more", "1");
        removed(&rows, "one more");
        put(&rows, "0", "1");
        removed(&rows, "0");
    }
    assert_true(rows.gone <= WATCH_GONE);
    assert_int_equal(rows.count, 1);
    assert_true(seen < rows.floor);
    assert_int_equal(rows.bytes, 1 + rows.gone);
    watch_rows_free(&rows);
}

static void a_row_that_comes_back_is_no_removal(void **state)
{
    struct watch_rows rows = {0};
    (void)state;
    watch_rows_init(&rows);
    put(&rows, "a", "1");
    removed(&rows, "a");
    put(&rows, "a", "2");
    assert_false(watch_rows_find(&rows, "a")->gone);
    assert_int_equal(rows.count, 1);
    assert_int_equal(rows.gone, 0);
    assert_string_equal(watch_rows_after(&rows, 0)->json, "2");
    watch_rows_free(&rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_row_that_changes_often_is_told_once),
        cmocka_unit_test(removals_are_bounded_and_who_missed_one_is_known),
        cmocka_unit_test(a_row_that_comes_back_is_no_removal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
