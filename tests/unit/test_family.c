/* What a child has started, wherever it has gone: counted, signalled, reaped. */
#include "base/buf.h"
#include "base/clock.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cmocka-all.h"

struct seen {
    struct buf out;
    size_t most, counts, left;
    int status, ended;
};

static void on_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct seen *s = arg;
    if (stream == CHILD_STDOUT)
        buf_append(&s->out, data, len);
}

static void on_count(void *arg, size_t count)
{
    struct seen *s = arg;
    s->counts++;
    s->most = count > s->most ? count : s->most;
}

static void on_left(void *arg, pid_t pid, const char *command)
{
    (void)pid;
    (void)command;
    ((struct seen *)arg)->left++;
}

static void on_end(void *arg, int status, int held_open)
{
    struct seen *s = arg;
    (void)held_open;
    s->status = status;
    s->ended = 1;
}

static struct child *run(struct loop *loop, struct seen *s, const char *script)
{
    const char *argv[] = {"sh", "-c", script, NULL}, *envp[] = {"PATH=/usr/bin:/bin", NULL};
    struct child *child = child_spawn(loop,
                                      &(struct child_options){.path = "/bin/sh",
                                                              .argv = argv,
                                                              .envp = envp,
                                                              .on_output = on_output,
                                                              .on_count = on_count,
                                                              .on_left = on_left,
                                                              .on_end = on_end,
                                                              .arg = s},
                                      NULL);
    assert_non_null(child);
    return child;
}

/* The numbers that the script prints, once all of `count` are there. */
static void read_pids(struct loop *loop, struct seen *s, pid_t *pids, size_t count)
{
    for (size_t lines = 0; lines < count;) {
        loop_turn(loop);
        lines = 0;
        for (size_t i = 0; i < s->out.len; i++)
            lines += s->out.data[i] == '\n';
    }
    char *at = s->out.data;
    for (size_t i = 0; i < count; i++)
        pids[i] = (pid_t)strtol(at, &at, 10);
}

static void end(struct loop *loop, struct seen *s)
{
    while (!s->ended)
        loop_turn(loop);
    assert_int_equal(loop_close(loop), 0);
    buf_free(&s->out);
}

static int is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

/* Two that have left the session, one of them also its parent, and the command itself. */
#define SCATTERED                                                                                            \
    "setsid sh -c 'echo $$; exec sleep 61' & (setsid sh -c 'sleep 62 & echo $!' &); echo $$; wait; sleep 63"

static void a_family_is_counted_and_ends_wherever_its_members_are(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    pid_t pids[3];
    (void)state;
    struct child *child = run(loop, &s, SCATTERED);
    read_pids(loop, &s, pids, 3);
    while (s.counts < 1)
        loop_turn(loop);
    assert_int_equal(s.most, 3);
    child_signal(child, SIGTERM);
    while (!s.ended)
        loop_turn(loop);
    assert_true(WIFSIGNALED(s.status));
    for (int i = 0; i < 3; i++)
        assert_false(is_alive(pids[i]));
    assert_int_equal(s.left, 0);
    /* Nobody is left to be reaped either. */
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    end(loop, &s);
}

static void a_family_ends_though_its_child_has_ended_before(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    pid_t pid;
    (void)state;
    struct child *child = run(loop, &s, "setsid sh -c 'sleep 64 & echo $!; sleep 0.2' & exit 7");
    read_pids(loop, &s, &pid, 1);
    child_signal(child, SIGTERM);
    while (!s.ended)
        loop_turn(loop);
    assert_true(WIFEXITED(s.status) && WEXITSTATUS(s.status) == 7);
    assert_false(is_alive(pid));
    end(loop, &s);
}

static void a_sigterm_reaches_each_once(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    pid_t pid;
    (void)state;
    struct child *child =
        run(loop, &s,
            "setsid sh -c 'trap \"echo told\" TERM; echo $$; i=0; while [ $i -lt 20 ]; do sleep 0.05; "
            "i=$((i+1)); done' & trap '' TERM; wait");
    read_pids(loop, &s, &pid, 1);
    child_signal(child, SIGTERM);
    while (!s.ended)
        loop_turn(loop);
    const char *told = strstr(buf_str(&s.out), "told\n");
    assert_non_null(told);
    assert_null(strstr(told + 1, "told\n"));
    end(loop, &s);
}

static void an_abandoned_family_is_gone_when_the_loop_is(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    pid_t pids[3];
    (void)state;
    struct child *child = run(loop, &s, SCATTERED);
    read_pids(loop, &s, pids, 3);
    child_abandon(child);
    assert_int_equal(loop_close(loop), 0);
    for (int i = 0; i < 3; i++)
        assert_false(is_alive(pids[i]));
    assert_int_equal(s.ended, 0);
    buf_free(&s.out);
}

static void one_that_leaves_a_daemon_in_peace_is_not_held_up(void **state)
{
    struct loop *loop = loop_new();
    struct seen s = {0};
    pid_t pid;
    (void)state;
    run(loop, &s, "setsid sleep 65 >/dev/null 2>&1 & echo $!");
    read_pids(loop, &s, &pid, 1);
    while (!s.ended)
        loop_turn(loop);
    assert_true(is_alive(pid));
    assert_int_equal(kill(pid, SIGKILL), 0);
    /* Its parent is this process by now, which reaps it as soon as the loop turns. */
    struct seen other = {0};
    uint64_t until = clock_mono_ms() + 10000;
    run(loop, &other, "sleep 0.1");
    while ((!other.ended || is_alive(pid)) && clock_mono_ms() < until)
        loop_turn(loop);
    assert_false(is_alive(pid));
    buf_free(&other.out);
    end(loop, &s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_family_is_counted_and_ends_wherever_its_members_are),
        cmocka_unit_test(a_family_ends_though_its_child_has_ended_before),
        cmocka_unit_test(a_sigterm_reaches_each_once),
        cmocka_unit_test(an_abandoned_family_is_gone_when_the_loop_is),
        cmocka_unit_test(one_that_leaves_a_daemon_in_peace_is_not_held_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
