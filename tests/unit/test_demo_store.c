#include "base/buf.h"
#include "base/err.h"
#include "demo/store.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cmocka-all.h"

struct world {
    char dir[64], path[96];
    struct store *store;
    struct err err;
};

static void open_store(struct world *w)
{
    w->store = store_open(w->path, &w->err);
    if (!w->store)
        fail_msg("%s", w->err.text);
}

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof(*w));
    strcpy(w->dir, "/tmp/moonsail-unit-XXXXXX");
    if (!mkdtemp(w->dir)) {
        free(w);
        return -1;
    }
    snprintf(w->path, sizeof(w->path), "%s/demo.db", w->dir);
    open_store(w);
    *state = w;
    return 0;
}

static int tear_down(void **state)
{
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct world *w = *state;
    store_close(w->store);
    for (size_t i = 0; i < 3; i++) {
        char path[128];
        snprintf(path, sizeof(path), "%s%s", w->path, ends[i]);
        unlink(path);
    }
    int rc = rmdir(w->dir);
    free(w);
    return rc;
}

static void put(struct world *w, const char *type, const char *ns, const char *name, const char *body)
{
    struct store_row row = {
        .ns = ns, .name = name, .type = type, .body = body, .revision = store_next(w->store)};
    assert_int_equal(store_put(w->store, "things", &row, &w->err), 0);
}

static void put_alone(struct world *w, const char *type, const char *name, const char *body)
{
    assert_int_equal(store_begin(w->store, &w->err), 0);
    put(w, type, "ns", name, body);
    assert_int_equal(store_commit(w->store, &w->err), 0);
}

static char *get(struct world *w, const char *name)
{
    struct buf out = {0};
    int found = store_get(w->store, &(struct store_key){"things", "ns", name}, &out, &w->err);
    assert_in_range(found, 0, 1);
    if (found)
        return buf_take(&out);
    buf_free(&out);
    return NULL;
}

static void assert_object(struct world *w, const char *name, const char *body)
{
    char *text = get(w, name);
    if (body)
        assert_string_equal(text, body);
    else
        assert_null(text);
    free(text);
}

static int note(void *arg, const struct store_row *row)
{
    buf_printf(arg, "%s %s/%s %s;", row->type ? row->type : "-", row->ns, row->name, row->body);
    return 0;
}

static void an_object_is_as_it_was_kept_last_also_after_a_restart(void **state)
{
    struct world *w = *state;
    put_alone(w, "ADDED", "a", "{\"n\":1}");
    put_alone(w, "MODIFIED", "a", "{\"n\":2}");
    put_alone(w, "ADDED", "b", "{}");
    put_alone(w, "DELETED", "b", "{}");
    store_close(w->store);
    open_store(w);
    assert_object(w, "a", "{\"n\":2}");
    assert_object(w, "b", NULL);
    assert_int_equal(store_revision(w->store), 4);
}

static void what_is_rolled_back_has_not_happened_and_takes_no_revision(void **state)
{
    struct world *w = *state;
    struct buf log = {0};
    put_alone(w, "ADDED", "a", "1");
    assert_int_equal(store_begin(w->store, &w->err), 0);
    put(w, "MODIFIED", "ns", "a", "2");
    store_rollback(w->store);
    assert_object(w, "a", "1");
    assert_int_equal(store_revision(w->store), 1);
    assert_int_equal(store_log(w->store, "things", NULL, 0, note, &log, &w->err), 0);
    assert_string_equal(buf_str(&log), "ADDED ns/a 1;");
    buf_free(&log);
}

static void a_list_goes_by_namespace_and_name_and_on_from_any_place(void **state)
{
    struct world *w = *state;
    struct buf all = {0}, one = {0}, rest = {0};
    assert_int_equal(store_begin(w->store, &w->err), 0);
    put(w, "ADDED", "b", "x", "1");
    put(w, "ADDED", "a", "z", "2");
    put(w, "ADDED", "a", "y", "3");
    assert_int_equal(store_commit(w->store, &w->err), 0);
    store_each(w->store, "things", NULL, NULL, 0, note, &all, &w->err);
    assert_string_equal(buf_str(&all), "- a/y 3;- a/z 2;- b/x 1;");
    store_each(w->store, "things", "a", NULL, 1, note, &one, &w->err);
    assert_string_equal(buf_str(&one), "- a/y 3;");
    store_each(w->store, "things", NULL, &(struct store_key){"things", "a", "y"}, 0, note, &rest, &w->err);
    assert_string_equal(buf_str(&rest), "- a/z 2;- b/x 1;");
    buf_free(&all);
    buf_free(&one);
    buf_free(&rest);
}

static void the_log_tells_what_happened_after_a_revision_to_one_namespace_or_all(void **state)
{
    struct world *w = *state;
    struct buf all = {0}, one = {0};
    assert_int_equal(store_begin(w->store, &w->err), 0);
    put(w, "ADDED", "a", "x", "1");
    put(w, "MODIFIED", "a", "x", "2");
    put(w, "ADDED", "b", "y", "3");
    put(w, "DELETED", "a", "x", "4");
    assert_int_equal(store_commit(w->store, &w->err), 0);
    store_log(w->store, "things", NULL, 1, note, &all, &w->err);
    assert_string_equal(buf_str(&all), "MODIFIED a/x 2;ADDED b/y 3;DELETED a/x 4;");
    store_log(w->store, "things", "b", 0, note, &one, &w->err);
    assert_string_equal(buf_str(&one), "ADDED b/y 3;");
    buf_free(&all);
    buf_free(&one);
}

static int count(void *arg, const struct store_row *row)
{
    (void)row;
    ++*(int *)arg;
    return 0;
}

static void the_log_forgets_the_oldest_and_says_from_where_on_it_knows(void **state)
{
    struct world *w = *state;
    int rows = 0;
    assert_int_equal(store_begin(w->store, &w->err), 0);
    for (int i = 0; i < STORE_LOG_KEPT + 1000; i++)
        put(w, "MODIFIED", "ns", "a", "{}");
    assert_int_equal(store_commit(w->store, &w->err), 0);
    uint64_t from = store_forgotten(w->store);
    store_log(w->store, "things", NULL, from, count, &rows, &w->err);
    assert_int_equal(rows, STORE_LOG_KEPT + 1000 - (int)from);
    assert_in_range(rows, STORE_LOG_KEPT, STORE_LOG_KEPT + 256);
    assert_object(w, "a", "{}");
}

static void take_due(struct world *w, int64_t now, const char *expected)
{
    struct buf key = {0};
    int rc = store_due_take(w->store, now, &key, &w->err);
    assert_int_equal(rc, expected != NULL);
    if (expected)
        assert_string_equal(key.data + strlen(key.data) + 1 + strlen("ns") + 1, expected);
    buf_free(&key);
}

static void what_is_due_comes_when_it_is_time_once_and_the_earlier_of_two_counts(void **state)
{
    struct world *w = *state;
    assert_int_equal(store_due_next(w->store), -1);
    store_due(w->store, &(struct store_key){"things", "ns", "later"}, 200, &w->err);
    store_due(w->store, &(struct store_key){"things", "ns", "soon"}, 900, &w->err);
    store_due(w->store, &(struct store_key){"things", "ns", "soon"}, 100, &w->err);
    store_due(w->store, &(struct store_key){"things", "ns", "soon"}, 500, &w->err);
    assert_int_equal(store_due_next(w->store), 100);
    take_due(w, 99, NULL);
    take_due(w, 1000, "soon");
    take_due(w, 1000, "later");
    take_due(w, 1000, NULL);
}

static void a_file_that_is_no_database_is_refused_by_name(void **state)
{
    struct world *w = *state;
    struct err err;
    char path[128];
    snprintf(path, sizeof(path), "%s/other", w->dir);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("this is no database, and long enough that nobody takes it for an empty one", file);
    for (int i = 0; i < 100; i++)
        fputs("................................................................", file);
    fclose(file);
    assert_null(store_open(path, &err));
    assert_non_null(strstr(err.text, path));
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_object_is_as_it_was_kept_last_also_after_a_restart, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_rolled_back_has_not_happened_and_takes_no_revision, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_list_goes_by_namespace_and_name_and_on_from_any_place, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(the_log_tells_what_happened_after_a_revision_to_one_namespace_or_all,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(the_log_forgets_the_oldest_and_says_from_where_on_it_knows, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(what_is_due_comes_when_it_is_time_once_and_the_earlier_of_two_counts,
                                        set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_file_that_is_no_database_is_refused_by_name, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
