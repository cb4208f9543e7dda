/* What is kept on disk: files of lines, and rows. */
#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "io/archive.h"
#include "io/history.h"
#include "loop/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmocka-all.h"

struct fixture {
    char dir[64], *journals;
    struct archive *archive;
};

static int setup(void **state)
{
    struct fixture *f = mem_new(sizeof(*f));
    strcpy(f->dir, "/tmp/moonsail-history-XXXXXX");
    if (!mkdtemp(f->dir))
        return -1;
    f->journals = mem_printf("%s/journals", f->dir);
    f->archive = archive_new(f->journals, 1024 * 1024);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    char *command = mem_printf("rm -rf %s", f->dir);
    int rc = system(command);
    free(command);
    archive_free(f->archive);
    free(f->journals);
    free(f);
    return rc;
}

/* Lines "N" of their own number, padded to `size` with the newline. */
static int append(struct segments *s, uint64_t first, size_t count, size_t size)
{
    struct err err;
    struct iovec lines[ARCHIVE_LINES_AT_ONCE];
    char *text = malloc(count * (size + 1));
    for (size_t i = 0; i < count; i++) {
        char *line = text + i * (size + 1);
        snprintf(line, size + 1, "%-*d", (int)size - 1, (int)(first + i));
        line[size - 1] = '\n';
        lines[i] = (struct iovec){line, size};
    }
    int rc = segments_append(s, first, lines, count, &err);
    free(text);
    return rc;
}

/* The number that stands where line `seq` should be; 0 where it is not there. */
static uint64_t line_at(const struct segments *s, uint64_t seq)
{
    struct buf out = {0};
    uint64_t file = segments_file_of(s, seq), found = 0;
    int64_t offset = file ? segments_offset(s, file, seq) : -1;
    if (offset >= 0)
        segments_read(s, file, (uint64_t)offset, &out);
    if (out.len) {
        assert_int_equal(out.data[out.len - 1], '\n');
        found = strtoull(out.data, NULL, 10);
    }
    buf_free(&out);
    return found;
}

static void every_line_is_found_again_also_by_another_host(void **state)
{
    struct fixture *f = *state;
    struct err err;
    struct segments *s = segments_new(f->archive, 7);
    for (uint64_t first = 1; first <= 5000; first += 500)
        assert_int_equal(append(s, first, 500, 100), 0);
    for (uint64_t seq = 1; seq <= 5000; seq += 77)
        assert_int_equal(line_at(s, seq), seq);
    assert_int_equal(line_at(s, 5001), 0);
    segments_free(s);
    s = segments_load(f->archive, 7, &err);
    assert_non_null(s);
    assert_int_equal(line_at(s, 5000), 5000);
    struct buf last = {0};
    assert_int_equal(segments_mend(s, &last), 5000);
    assert_int_equal(strtoull(buf_str(&last), NULL, 10), 5000);
    assert_int_equal(segments_whole_from(s), 1);
    buf_free(&last);
    segments_free(s);
}

static void a_journal_over_its_bound_keeps_its_head_and_its_tail(void **state)
{
    struct fixture *f = *state;
    struct segments *s = segments_new(f->archive, 1);
    for (uint64_t first = 1; first <= 50000; first += 500)
        assert_int_equal(append(s, first, 500, 100), 0);
    assert_true(segments_bytes(s) <= 1024 * 1024 + 100 * 1000);
    assert_int_equal(line_at(s, 1), 1);
    assert_int_equal(line_at(s, 50000), 50000);
    uint64_t whole = segments_whole_from(s);
    assert_true(whole > 2000 && whole < 50000);
    assert_int_equal(line_at(s, whole), whole);
    assert_int_equal(line_at(s, whole - 1), 0);
    segments_free(s);
}

static void a_torn_line_is_cut_and_what_follows_goes_on_behind_it(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char *path = mem_printf("%s/3/1.jsonl", f->journals);
    struct segments *s = segments_new(f->archive, 3);
    append(s, 1, 10, 50);
    segments_free(s);
    assert_int_equal(truncate(path, 10 * 50 - 7), 0);
    s = segments_load(f->archive, 3, &err);
    assert_int_equal(segments_mend(s, NULL), 9);
    assert_int_equal(append(s, 10, 2, 50), 0);
    for (uint64_t seq = 1; seq <= 11; seq++)
        assert_int_equal(line_at(s, seq), seq);
    segments_free(s);
    free(path);
}

static void what_a_full_disk_took_in_part_is_not_there(void **state)
{
    struct fixture *f = *state;
    struct rlimit before, tight;
    struct err err;
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before);
    struct segments *s = segments_new(f->archive, 4);
    assert_int_equal(append(s, 1, 10, 100), 0);
    tight = before;
    tight.rlim_cur = 1550;
    setrlimit(RLIMIT_FSIZE, &tight);
    assert_int_equal(append(s, 11, 10, 100), -1);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(line_at(s, 10), 10);
    assert_int_equal(line_at(s, 11), 0);
    /* Some that could not be kept meanwhile are a hole. */
    assert_int_equal(append(s, 15, 5, 100), 0);
    assert_int_equal(line_at(s, 15), 15);
    assert_int_equal(segments_whole_from(s), 15);
    segments_free(s);
    s = segments_load(f->archive, 4, &err);
    assert_int_equal(segments_mend(s, NULL), 19);
    assert_int_equal(segments_whole_from(s), 15);
    segments_free(s);
}

static void what_is_no_line_is_none(void **state)
{
    struct fixture *f = *state;
    struct err err;
    char *path = mem_printf("%s/5/1.jsonl", f->journals);
    struct segments *s = segments_new(f->archive, 5);
    append(s, 1, 1, 50);
    segments_free(s);
    assert_int_equal(truncate(path, 3 * 1024 * 1024), 0); /* zeros, as after a power cut */
    s = segments_load(f->archive, 5, &err);
    assert_int_equal(line_at(s, 1), 1);
    assert_int_equal(line_at(s, 2), 0);
    assert_int_equal(segments_mend(s, NULL), 1);
    segments_free(s);
    assert_null(segments_load(f->archive, 6, &err));
    free(path);
}

/* ---- rows ---- */

static struct history *open_history(struct fixture *f, struct loop *loop, unsigned executions,
                                    struct err *err)
{
    return history_open(
        &(struct history_options){
            .loop = loop, .dir = f->dir, .executions = executions, .days = 30, .journal_bytes = 1 << 20},
        err);
}

static uint64_t put(struct history *h, const char *id, bool ended, int64_t started)
{
    uint64_t number = history_number(h);
    assert_int_equal(history_put(h, &(struct history_row){.number = number,
                                                          .id = id,
                                                          .user = "me",
                                                          .status = "failed",
                                                          .mode = "apply",
                                                          .search = id,
                                                          .record = "{}",
                                                          .started = started,
                                                          .ended = ended}),
                     0);
    return number;
}

static void add_number(void *arg, uint64_t number)
{
    *(uint64_t *)arg += number;
}

static void the_oldest_ended_rows_go_and_numbers_go_on(void **state)
{
    struct fixture *f = *state;
    struct loop *loop = loop_new();
    struct err err;
    int64_t now = clock_wall_ms();
    uint64_t gone = 0;
    struct history *h = open_history(f, loop, 2, &err);
    assert_non_null(h);
    put(h, "running", false, now);
    put(h, "old", true, now - 31LL * 24 * 3600 * 1000);
    put(h, "three", true, now);
    assert_false(history_trim(h, add_number, &gone));
    assert_int_equal(gone, 2);
    put(h, "four", true, now);
    uint64_t last = put(h, "five", true, now);
    assert_false(history_trim(h, add_number, &gone));
    assert_int_equal(gone, 2 + 3);
    history_close(h);
    h = open_history(f, loop, 2, &err);
    assert_int_equal(history_number(h), last + 1);
    history_close(h);
    assert_int_equal(loop_close(loop), 0);
}

static void a_database_that_is_none_is_refused_and_left_alone(void **state)
{
    struct fixture *f = *state;
    struct loop *loop = loop_new();
    struct err err;
    char *path = mem_printf("%s/history.db", f->dir);
    FILE *file = fopen(path, "w");
    for (int i = 0; i < 1000; i++)
        fputs("this is no database\n", file);
    fclose(file);
    assert_null(open_history(f, loop, 2, &err));
    assert_non_null(strstr(err.text, "history.db"));
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_size, 20000);
    free(path);
    assert_int_equal(loop_close(loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_line_is_found_again_also_by_another_host, setup, teardown),
        cmocka_unit_test_setup_teardown(a_journal_over_its_bound_keeps_its_head_and_its_tail, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_torn_line_is_cut_and_what_follows_goes_on_behind_it, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_a_full_disk_took_in_part_is_not_there, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_no_line_is_none, setup, teardown),
        cmocka_unit_test_setup_teardown(the_oldest_ended_rows_go_and_numbers_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(a_database_that_is_none_is_refused_and_left_alone, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
