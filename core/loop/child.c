#include "loop/child.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    CHILD_LOOK_MS = 50,     /* between two looks at who is left of a group */
    CHILD_KILLED_MS = 2000, /* longer a killed group is not waited for: the kernel holds it */
};

enum { CHILD_READ_BYTES = 16 * 1024 };

struct child_pipe {
    uv_poll_t uv;
    int fd;
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
    struct timer *drain, *look;
    bool exited;       /* and not reaped: its number stays taken, so the group can be signalled */
    bool ending;       /* the group was told to end: then all of it must */
    uint64_t given_up; /* clock_mono_ms from which on nobody is waited for; 0: not killed */
    bool held_open, abandoned;
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

/* Is the process of this folder of /proc alive, and of the group? */
static bool child_is_of_group(const char *name, pid_t group)
{
    char path[64], text[512], state;
    int pgrp;
    snprintf(path, sizeof(path), "/proc/%.16s/stat", name);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    text[n > 0 ? n : 0] = '\0';
    const char *rest = strrchr(text, ')');
    return rest && sscanf(rest + 1, " %c %*d %d", &state, &pgrp) == 2 && pgrp == group && state != 'Z' &&
           state != 'X';
}

/* kill(-group, 0) would also find the leader, which has exited and is not reaped. */
static bool child_group_lives(pid_t group)
{
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    bool lives = false;
    if (!proc)
        return false;
    while (!lives && (entry = readdir(proc)) != NULL)
        lives = entry->d_name[0] >= '1' && entry->d_name[0] <= '9' && child_is_of_group(entry->d_name, group);
    closedir(proc);
    return lives;
}

static bool child_waits_for_group(const struct child *child)
{
    if (!child->ending || child->abandoned || !child_group_lives(child->pid))
        return false;
    if (!child->given_up || clock_mono_ms() < child->given_up)
        return true;
    log_warn("processes of group %d were killed and do not end", (int)child->pid);
    return false;
}

static void child_look_again(void *arg);

/* The exit, the end of the pipes and, where the group was told to end, nobody left of it: the last
 * call, then it is gone. */
static void child_maybe_end(struct child *child)
{
    if (!child->exited || child->out.open || child->err.open || uv_is_closing((uv_handle_t *)&child->exit))
        return;
    if (child_waits_for_group(child)) {
        if (!child->look)
            child->look = timer_repeat(child->loop, CHILD_LOOK_MS, child_look_again, child);
        return;
    }
    timer_stop(&child->look);
    timer_stop(&child->drain);
    waitpid(child->pid, &child->status, 0);
    if (!child->abandoned && child->options.on_end)
        child->options.on_end(child->options.arg, child->status, child->held_open);
    uv_close((uv_handle_t *)&child->exit, child_handle_closed);
}

static void child_look_again(void *arg)
{
    child_maybe_end(arg);
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

static void child_drain_over(void *arg)
{
    struct child *child = arg;
    child->drain = NULL;
    child->held_open = child->out.open || child->err.open;
    child_pipe_close(&child->out);
    child_pipe_close(&child->err);
    child_maybe_end(child);
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
    uv_poll_stop(poll);
    child->drain = timer_start(child->loop, CHILD_DRAIN_MS, child_drain_over, child);
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
    child->ending = true;
    if (signum == SIGKILL && !child->given_up)
        child->given_up = clock_mono_ms() + CHILD_KILLED_MS;
    kill(-child->pid, signum);
}

void child_abandon(struct child *child)
{
    child_signal(child, SIGKILL);
    child->abandoned = true;
    child_maybe_end(child);
}
