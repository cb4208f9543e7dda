#include "loop/child.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct child_pipe {
    uv_pipe_t uv;
    struct child *child;
    enum child_stream stream;
    bool open;
};

struct child {
    struct loop *loop;
    struct child_options options; /* only the callbacks are looked at after the spawn */
    pid_t pid;
    int pidfd, status;
    uv_poll_t exit;
    struct child_pipe out, err;
    struct timer *drain;
    bool reaped, abandoned;
    int handles; /* libuv handles that are not closed yet */
};

static void child_handle_closed(uv_handle_t *handle)
{
    struct child *child = handle->data;
    if (--child->handles > 0)
        return;
    close(child->pidfd);
    free(child);
}

/* Both the exit and the end of the pipes are there: the last call, then it is gone. */
static void child_maybe_end(struct child *child, int held_open)
{
    if (!child->reaped || child->out.open || child->err.open)
        return;
    timer_stop(&child->drain);
    if (!child->abandoned && child->options.on_end)
        child->options.on_end(child->options.arg, child->status, held_open);
    uv_close((uv_handle_t *)&child->exit, child_handle_closed);
}

static void child_pipe_close(struct child_pipe *pipe)
{
    if (!pipe->open)
        return;
    pipe->open = false;
    uv_close((uv_handle_t *)&pipe->uv, child_handle_closed);
}

static void child_drain_over(void *arg)
{
    struct child *child = arg;
    child->drain = NULL;
    child_pipe_close(&child->out);
    child_pipe_close(&child->err);
    child_maybe_end(child, 1);
}

static void child_exited(uv_poll_t *poll, int status, int events)
{
    struct child *child = poll->data;
    (void)status;
    (void)events;
    if (waitpid(child->pid, &child->status, WNOHANG) != child->pid)
        return;
    child->reaped = true;
    uv_poll_stop(poll);
    child->drain = timer_start(child->loop, CHILD_DRAIN_MS, child_drain_over, child);
    child_maybe_end(child, 0);
}

static void child_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    /* Reads are handed on inside the read callback, so one buffer serves everybody. */
    static char shared[64 * 1024];
    (void)handle;
    (void)suggested;
    *buf = uv_buf_init(shared, sizeof(shared));
}

static void child_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct child_pipe *pipe = (struct child_pipe *)stream;
    struct child *child = pipe->child;
    if (n > 0 && !child->abandoned && child->options.on_output)
        child->options.on_output(child->options.arg, pipe->stream, buf->base, (size_t)n);
    if (n < 0) {
        child_pipe_close(pipe);
        child_maybe_end(child, 0);
    }
}

static void child_pipe_open(struct child *child, struct child_pipe *pipe, enum child_stream stream, int fd)
{
    pipe->child = child;
    pipe->stream = stream;
    pipe->open = true;
    uv_pipe_init(loop_uv(child->loop), &pipe->uv, 0);
    pipe->uv.data = child;
    child->handles++;
    uv_pipe_open(&pipe->uv, fd);
    uv_read_start((uv_stream_t *)&pipe->uv, child_alloc, child_read);
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
    posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(&actions, err_fd, STDERR_FILENO);
    if (o->cwd)
        posix_spawn_file_actions_addchdir_np(&actions, o->cwd);
    int code =
        posix_spawn(&child->pid, o->path, &actions, &attr, (char *const *)o->argv, (char *const *)o->envp);
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
    if (!child->reaped)
        kill(-child->pid, signum);
}

void child_abandon(struct child *child)
{
    child->abandoned = true;
    child_signal(child, SIGKILL);
}
