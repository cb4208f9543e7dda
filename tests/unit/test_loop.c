#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "loop/watch.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"

static void count(void *arg)
{
    ++*(int *)arg;
}

static void be_busy(void *arg)
{
    uint64_t until = clock_mono_us() + *(const uint64_t *)arg;
    while (clock_mono_us() < until)
        ;
}

static void a_turn_that_works_is_a_delay_and_one_that_sleeps_is_none(void **state)
{
    struct loop *loop = loop_new();
    uint64_t us = 30000;
    int woken = 0;
    (void)state;
    timer_start(loop, 300, count, &woken);
    loop_run(loop);
    assert_int_equal(woken, 1);
    assert_in_range(loop_stats(loop).longest_us, 0, 250000);
    timer_start(loop, 1, be_busy, &us);
    timer_start(loop, 50, count, &woken); /* the turn's end is seen when the next one begins */
    loop_run(loop);
    struct loop_stats stats = loop_stats(loop);
    assert_true(stats.longest_us >= us);
    uint64_t turns = 0;
    for (size_t i = 0; i <= HISTOGRAM_BUCKETS; i++)
        turns += stats.turns.counts[i];
    assert_true(turns >= 2);
    assert_true(stats.turns.sum_us >= us);
    assert_int_equal(loop_stats(loop).longest_us, 0);
    assert_int_equal(loop_close(loop), 0);
}

static void timers_and_deferred_calls_run_and_can_be_stopped(void **state)
{
    struct loop *loop = loop_new();
    int once = 0, never = 0, often = 0, deferred = 0;
    (void)state;
    timer_start(loop, 5, count, &once);
    struct timer *stopped = timer_start(loop, 1, count, &never);
    struct timer *repeated = timer_repeat(loop, 1, count, &often);
    struct deferred *cancelled = loop_defer(loop, count, &never);
    loop_defer(loop, count, &deferred);
    timer_stop(&stopped);
    deferred_cancel(&cancelled);
    assert_null(stopped);
    while (!once || often < 3)
        loop_turn(loop);
    timer_stop(&repeated);
    assert_int_equal(deferred, 1);
    assert_int_equal(never, 0);
    assert_int_equal(loop_close(loop), 0);
}

static void a_handle_left_open_is_counted(void **state)
{
    struct loop *loop = loop_new();
    int fired = 0;
    (void)state;
    struct timer *forgotten = timer_repeat(loop, 1000, count, &fired);
    /* loop_close() names it and gives the loop back, so that the test can mend it. */
    assert_int_equal(loop_close(loop), 1);
    timer_stop(&forgotten);
    assert_int_equal(loop_close(loop), 0);
}

static void work(void *arg)
{
    *(int *)arg += 10;
}

static void a_job_runs_on_the_pool_and_ends_on_the_loop(void **state)
{
    struct loop *loop = loop_new();
    int value = 0, forgotten = 0;
    (void)state;
    loop_job(loop, work, count, &value);
    struct job *job = loop_job(loop, work, count, &forgotten);
    job_forget(&job, NULL);
    while (value != 11)
        loop_turn(loop);
    assert_int_equal(loop_close(loop), 0);
    assert_int_equal(forgotten, 10);
}

struct seen {
    struct buf out, err;
    int status, held_open, ended;
};

static void on_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct seen *s = arg;
    buf_append(stream == CHILD_STDOUT ? &s->out : &s->err, data, len);
}

static void on_end(void *arg, int status, int held_open)
{
    struct seen *s = arg;
    s->status = status;
    s->held_open = held_open;
    s->ended = 1;
}

static struct child *run(struct loop *loop, struct seen *s, const char *script, struct err *err)
{
    const char *argv[] = {"sh", "-c", script, NULL}, *envp[] = {"ONLY=this", NULL};
    return child_spawn(loop,
                       &(struct child_options){.path = "/bin/sh",
                                               .argv = argv,
                                               .envp = envp,
                                               .cwd = "/",
                                               .on_output = on_output,
                                               .on_end = on_end,
                                               .arg = s},
                       err);
}

static void finish(struct loop *loop, struct seen *s)
{
    while (!s->ended)
        loop_turn(loop);
    assert_int_equal(loop_close(loop), 0);
    buf_free(&s->out);
    buf_free(&s->err);
}

static void a_child_has_its_own_session_environment_and_streams(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    struct err err;
    char expected[64];
    (void)state;
    struct child *child =
        run(loop, &s, "echo $ONLY $HOME; pwd; echo oops >&2; ps -o sid= -p $$ 2>/dev/null || echo $$; exit 3",
            &err);
    assert_non_null(child);
    snprintf(expected, sizeof(expected), "%d", (int)child_pid(child));
    while (!s.ended)
        loop_turn(loop);
    assert_true(WIFEXITED(s.status) && WEXITSTATUS(s.status) == 3);
    assert_ptr_equal(strstr(buf_str(&s.out), "this\n/\n"), s.out.data);
    assert_non_null(strstr(buf_str(&s.out), expected));
    assert_string_equal(buf_str(&s.err), "oops\n");
    assert_int_equal(s.held_open, 0);
    finish(loop, &s);
}

static void a_signal_reaches_the_whole_group(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    (void)state;
    struct child *child = run(loop, &s, "sh -c 'echo ready; sleep 60' & wait", NULL);
    assert_non_null(child);
    while (!s.out.len)
        loop_turn(loop);
    child_signal(child, SIGTERM);
    while (!s.ended)
        loop_turn(loop);
    assert_true(WIFSIGNALED(s.status) && WTERMSIG(s.status) == SIGTERM);
    assert_int_equal(s.held_open, 0);
    finish(loop, &s);
}

static void a_pipe_that_a_grandchild_holds_is_given_up(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    (void)state;
    uint64_t began = clock_mono_ms();
    assert_non_null(run(loop, &s, "setsid sleep 5 & echo gone; exit 0", NULL));
    while (!s.ended)
        loop_turn(loop);
    assert_int_equal(s.held_open, 1);
    assert_true(clock_mono_ms() - began < 4500);
    finish(loop, &s);
}

static void what_cannot_be_started_says_why(void **state)
{
    struct loop *loop = loop_new();
    struct err err;
    const char *argv[] = {"nothing-there", NULL}, *envp[] = {NULL};
    struct child_options options = {.path = "/no/such/file", .argv = argv, .envp = envp};
    (void)state;
    assert_null(child_spawn(loop, &options, &err));
    assert_int_equal(err.code, ERR_NOT_FOUND);
    assert_string_equal(err.text, "nothing-there: command not found");
    options.path = "/etc/passwd";
    assert_null(child_spawn(loop, &options, &err));
    assert_int_equal(err.code, ERR_FORBIDDEN);
    options.path = "/bin/true";
    options.cwd = "/no/such/folder";
    assert_null(child_spawn(loop, &options, &err));
    assert_non_null(strstr(err.text, "/no/such/folder"));
    assert_int_equal(loop_close(loop), 0);
}

static void write_file(const char *dir, const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    int fd = open(path, O_CREAT | O_WRONLY | O_TRUNC, 0644);
    assert_true(fd >= 0 && write(fd, "x", 1) == 1);
    close(fd);
}

static void a_change_below_a_watched_folder_is_told(void **state)
{
    struct loop *loop = loop_new();
    char dir[] = "/tmp/moonsail-watch-XXXXXX", sub[64], command[96];
    int changes = 0;
    (void)state;
    assert_non_null(mkdtemp(dir));
    struct dir_watch *watch = dir_watch_start(loop, dir, count, &changes);
    snprintf(sub, sizeof(sub), "%s/resources", dir);
    assert_int_equal(mkdir(sub, 0755), 0);
    while (changes < 1)
        loop_turn(loop);
    write_file(sub, "a.lua");
    while (changes < 2)
        loop_turn(loop);
    dir_watch_stop(&watch);
    assert_int_equal(loop_close(loop), 0);
    snprintf(command, sizeof(command), "rm -r %s", dir);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(timers_and_deferred_calls_run_and_can_be_stopped),
        cmocka_unit_test(a_turn_that_works_is_a_delay_and_one_that_sleeps_is_none),
        cmocka_unit_test(a_handle_left_open_is_counted),
        cmocka_unit_test(a_job_runs_on_the_pool_and_ends_on_the_loop),
        cmocka_unit_test(a_child_has_its_own_session_environment_and_streams),
        cmocka_unit_test(a_signal_reaches_the_whole_group),
        cmocka_unit_test(a_pipe_that_a_grandchild_holds_is_given_up),
        cmocka_unit_test(what_cannot_be_started_says_why),
        cmocka_unit_test(a_change_below_a_watched_folder_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
