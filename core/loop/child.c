#include "loop/child-internal.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHILD_KILLED_MS = 2000,     /* longer a killed family is not waited for: the kernel holds it */
    CHILD_ENDED_DRAIN_MS = 300, /* for a pipe whose family is gone: somebody unknown holds it */
    CHILD_READ_BYTES = 16 * 1024,
};

static void child_handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->handles > 0)
        return;
    close(child->pidfd);
    child_set_members(child, NULL, 0);
    free(child);
}

void child_set_members(struct child *child, struct census_member *members, size_t count)
{
    struct census_family old = {.members = child->members, .count = child->count};
    census_clear(&old);
    child->members = members;
    child->count = count;
}

static bool child_is_closing(const struct child *child)
{
    return uv_is_closing((const uv_handle_t *)&child->exit);
}

static bool child_is_given_up(const struct child *child)
{
    return child->given_up && clock_mono_ms() >= child->given_up;
}

static bool child_waits_for_family(struct child *child)
{
    if (!child->signum)
        return false;
    if (child->asked)
        return true;
    if (child_is_given_up(child))
        return false;
    /* Twice: who forks while /proc is read, or is just becoming another program, can be missed once. */
    if (child->stale || (child->count == 0 && child->empty < 2)) {
        children_look(child->set);
        return true;
    }
    return child->count > 0;
}

static void child_pipe_close(struct child_pipe *pipe)
{
    if (!pipe->open)
        return;
    pipe->open = false;
    uv_poll_stop(&pipe->uv);
    close(pipe->fd);
    uv_close((uv_handle_t *)&pipe->uv, child_handle_closed);
}

static void child_name_left(const struct child *child)
{
    for (size_t i = 0; i < child->count; i++) {
        const struct census_member *m = &child->members[i];
        log_warn("process %d was killed and does not end: %s", (int)m->pid, m->command ? m->command : "?");
        if (!child->abandoned && child->options.on_left)
            child->options.on_left(child->options.arg, m->pid, m->command ? m->command : "?");
    }
}

void child_close(struct child *child)
{
    child_pipe_close(&child->out);
    child_pipe_close(&child->err);
    timer_stop(&child->drain);
    children_remove(child);
    if (!child->exited) /* it was killed, and is reaped when the kernel lets go of it */
        child->status = SIGKILL;
    else
        waitpid(child->pid, &child->status, 0);
    children_reap(child->set);
    uv_close((uv_handle_t *)&child->exit, child_handle_closed);
}

/* The exit, the end of the pipes and, where the family was told to end, nobody left of it: the last
 * call, then it is gone. */
static void child_maybe_end(struct child *child)
{
    bool over = child->exited && !child->out.open && !child->err.open;
    if (child_is_closing(child) || (!over && !child_is_given_up(child)) || child_waits_for_family(child))
        return;
    if (child_is_given_up(child))
        child_name_left(child);
    child_close(child);
    if (!child->abandoned && child->options.on_end)
        child->options.on_end(child->options.arg, child->status, child->held_open);
}

void child_counted(struct child *child)
{
    if (child->signum != SIGKILL && !child->abandoned && child->options.on_count)
        child->options.on_count(child->options.arg, child->count);
    child_maybe_end(child);
}

void child_not_counted(struct child *child)
{
    if (child_is_given_up(child))
        child_maybe_end(child);
}

static void child_drain_over(void *arg)
{
    struct child *child = arg;
    child->drain = NULL;
    /* Who was told to end may still have something to say. */
    if (child_waits_for_family(child)) {
        child->drain = timer_start(child->loop, CHILD_ENDED_DRAIN_MS, child_drain_over, child);
        return;
    }
    child->held_open = child->out.open || child->err.open;
    child_pipe_close(&child->out);
    child_pipe_close(&child->err);
    child_maybe_end(child);
}

static void child_drain(struct child *child)
{
    timer_stop(&child->drain);
    child->drain = timer_start(child->loop, child->signum ? CHILD_ENDED_DRAIN_MS : CHILD_DRAIN_MS,
                               child_drain_over, child);
}

static void child_exited(uv_poll_t *poll, int status, int events)
{
    struct child *child = poll->data;
    siginfo_t info = {0};
    (void)status;
    (void)events;
    if (waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid != child->pid)
        return;
    child->exited = true;
    child->stale = true; /* its orphans have another parent now */
    uv_poll_stop(poll);
    child_drain(child);
    child_maybe_end(child);
}

static void child_readable(uv_poll_t *poll, int status, int events)
{
    struct child_pipe *pipe = (struct child_pipe *)poll;
    struct child *child = pipe->child;
    /* One piece a turn of the loop: who talks fast must not keep the others, nor its own viewers,
     * waiting. What is read is handed on at once, so one buffer serves everybody. */
    static char shared[CHILD_READ_BYTES];
    (void)events;
    ssize_t n = status < 0 ? 0 : read(pipe->fd, shared, sizeof(shared));
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n > 0) {
        if (!child->abandoned && child->options.on_output)
            child->options.on_output(child->options.arg, pipe->stream, shared, (size_t)n);
        return;
    }
    child_pipe_close(pipe);
    child_maybe_end(child);
}

static void child_pipe_open(struct child *child, struct child_pipe *pipe, enum child_stream stream, int fd)
{
    pipe->child = child;
    pipe->stream = stream;
    pipe->fd = fd;
    pipe->open = true;
    fcntl(fd, F_SETFL, O_NONBLOCK);
    uv_poll_init(loop_uv(child->loop), &pipe->uv, fd);
    pipe->uv.data = child;
    child->handles++;
    uv_poll_start(&pipe->uv, UV_READABLE | UV_DISCONNECT, child_readable);
}

static int child_spawn_error(const struct child_options *options, int code, struct err *err)
{
    if (code == ENOENT && options->cwd && access(options->cwd, F_OK))
        return err_code(err, ERR_NOT_FOUND, "working folder %s: %s", options->cwd, strerror(errno));
    if (code == ENOENT || code == ENOTDIR)
        return err_code(err, ERR_NOT_FOUND, "%s: command not found", options->argv[0]);
    if (code == EACCES || code == ENOEXEC)
        return err_code(err, ERR_FORBIDDEN, "%s: cannot be executed: %s", options->argv[0], strerror(code));
    return err_set(err, "%s: cannot be started: %s", options->argv[0], strerror(code));
}

/* The given environment and the child's mark. */
static char **child_environment(struct child *child)
{
    const char *const *given = child->options.envp;
    uint64_t random[2];
    size_t n = 0;
    while (given[n])
        n++;
    char **envp = mem_new((n + 2) * sizeof(*envp));
    memcpy(envp + 1, given, n * sizeof(*envp));
    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
        log_error("the kernel gives no random bytes: %s", strerror(errno));
        abort();
    }
    snprintf(child->mark, sizeof(child->mark), CHILD_MARK "=%016" PRIx64 "%016" PRIx64, random[0], random[1]);
    envp[0] = child->mark;
    return envp;
}

static int child_exec(struct child *child, int out, int err_fd, struct err *err)
{
    const struct child_options *o = &child->options;
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t none, all;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attr);
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    if (o->stdin_fd > 0)
        posix_spawn_file_actions_adddup2(&actions, o->stdin_fd, STDIN_FILENO);
    else
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    if (o->cwd)
        posix_spawn_file_actions_addchdir_np(&actions, o->cwd);
    char **envp = child_environment(child);
    int code = posix_spawn(&child->pid, o->path, &actions, &attr, (char *const *)o->argv, envp);
    free(envp);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attr);
    if (code)
        return child_spawn_error(o, code, err);
    child->pidfd = (int)syscall(SYS_pidfd_open, child->pid, 0);
    if (child->pidfd < 0) {
        kill(-child->pid, SIGKILL);
        waitpid(child->pid, NULL, 0);
        return err_set(err, "%s: cannot be watched: %s", o->argv[0], strerror(errno));
    }
    return 0;
}

struct child *child_spawn(struct loop *loop, const struct child_options *options, struct err *err)
{
    int out[2] = {-1, -1}, error[2] = {-1, -1};
    struct children *children = children_of(loop); /* its orphans come to us from the start */
    struct child *child = mem_new(sizeof(*child));
    child->loop = loop;
    child->options = *options;
    if (pipe2(out, O_CLOEXEC) || pipe2(error, O_CLOEXEC)) {
        err_set(err, "%s: cannot be started: %s", options->argv[0], strerror(errno));
        goto failed;
    }
    if (child_exec(child, out[1], error[1], err))
        goto failed;
    close(out[1]);
    close(error[1]);
    uv_poll_init(loop_uv(loop), &child->exit, child->pidfd);
    child->exit.data = child;
    child->handles = 1;
    uv_poll_start(&child->exit, UV_READABLE, child_exited);
    child_pipe_open(child, &child->out, CHILD_STDOUT, out[0]);
    child_pipe_open(child, &child->err, CHILD_STDERR, error[0]);
    children_add(children, child);
    return child;
failed:
    for (int i = 0; i < 2; i++) {
        if (out[i] >= 0)
            close(out[i]);
        if (error[i] >= 0)
            close(error[i]);
    }
    free(child);
    return NULL;
}

pid_t child_pid(const struct child *child)
{
    return child->pid;
}

void child_signal(struct child *child, int signum)
{
    if (child->signum != SIGKILL)
        child->signum = signum;
    child->stale = true;
    if (signum == SIGKILL && !child->given_up)
        child->given_up = clock_mono_ms() + CHILD_KILLED_MS;
    if (child->exited)
        child_drain(child);
    kill(-child->pid, signum);
    children_look(child->set);
}

void child_abandon(struct child *child)
{
    child_signal(child, SIGKILL);
    child->abandoned = true;
}
