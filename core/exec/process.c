#include "exec/process.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "exec/lines.h"
#include "exec/shell.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_GRACE_MS = 5000 };

struct process {
    struct process_options options; /* strings are not kept */
    struct child *child;
    struct lines out, err;
    struct timer *grace, *time_limit;
    uint64_t printed;
    struct err *limit; /* the one that it has gone beyond, or NULL */
};

static void process_out_line(void *arg, const char *text, size_t len, size_t dropped)
{
    const struct process_options *o = &((struct process *)arg)->options;
    o->line(o->arg, STREAM_STDOUT, text, len, dropped);
}

static void process_err_line(void *arg, const char *text, size_t len, size_t dropped)
{
    const struct process_options *o = &((struct process *)arg)->options;
    o->line(o->arg, STREAM_STDERR, text, len, dropped);
}

/* The first limit is what is said. */
static __attribute__((format(printf, 3, 4))) void process_beyond(struct process *p, enum err_code code,
                                                                 const char *format, ...)
{
    char what[512];
    va_list args;
    if (p->limit)
        return;
    va_start(args, format);
    vsnprintf(what, sizeof(what), format, args);
    va_end(args);
    p->limit = mem_new(sizeof(*p->limit));
    err_code(p->limit, code, "%s and was stopped", what);
    process_stop(p);
}

static void process_late(void *arg)
{
    struct process *p = arg;
    p->time_limit = NULL;
    process_beyond(p, ERR_TIMEOUT, "the command did not end within %g s (shell.timeout)",
                   (double)p->options.shell->timeout_ms / 1000);
}

static void process_counted(void *arg, size_t count)
{
    struct process *p = arg;
    if (count <= p->options.shell->max_processes)
        return;
    process_beyond(p, ERR_TOO_LARGE, "the command has %zu processes, more than %zu (shell.maxProcesses)",
                   count, p->options.shell->max_processes);
    process_kill(p); /* what multiplies is given no time for it */
}

static void process_left(void *arg, pid_t pid, const char *command)
{
    const struct process_options *o = &((struct process *)arg)->options;
    char text[512];
    int n = snprintf(text, sizeof(text), "process %d was killed and does not end: %s", (int)pid, command);
    o->line(o->arg, STREAM_STDERR, text, (size_t)n, 0);
}

static void process_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct process *p = arg;
    uint64_t room = p->options.shell->max_output - p->printed;
    if (len > room) {
        len = (size_t)room;
        process_beyond(p, ERR_TOO_LARGE, "the command printed more than %g MiB (shell.maxOutput)",
                       (double)p->options.shell->max_output / (1024 * 1024));
    }
    p->printed += len;
    if (stream == CHILD_STDERR) {
        lines_feed(&p->err, data, len, process_err_line, p);
        return;
    }
    if (p->options.output)
        p->options.output(p->options.arg, data, len);
    lines_feed(&p->out, data, len, process_out_line, p);
}

static void process_ended(void *arg, int status, int held_open)
{
    static const char held[] =
        "a process that the command started still holds its output; what it prints is no longer read";
    struct process *p = arg;
    const struct process_options *o = &p->options;
    int signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    p->child = NULL;
    timer_stop(&p->grace);
    timer_stop(&p->time_limit);
    lines_end(&p->out, process_out_line, p);
    lines_end(&p->err, process_err_line, p);
    if (held_open)
        o->line(o->arg, STREAM_STDERR, held, sizeof(held) - 1, 0);
    o->end(o->arg, signal ? 128 + signal : WEXITSTATUS(status), signal, p->limit);
}

/* A file in memory, so that a command that never reads holds nobody up. -1 with err. */
static int process_input(const struct process_options *o, struct err *err)
{
    int fd = memfd_create("stdin", MFD_CLOEXEC);
    for (size_t done = 0; fd >= 0 && done < o->input_len;) {
        ssize_t n = write(fd, o->input + done, o->input_len - done);
        if (n < 0 && errno != EINTR) {
            close(fd);
            fd = -1;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    if (fd < 0)
        err_set(err, "standard input for %s: %s", o->command, strerror(errno));
    else
        lseek(fd, 0, SEEK_SET);
    return fd;
}

static struct child *process_spawn(struct process *p, const char *path, const char *folder, struct err *err)
{
    const struct process_options *o = &p->options;
    size_t n = 0;
    struct child *child = NULL;
    int input = o->input ? process_input(o, err) : 0;
    char **env = shell_environment(o->shell);
    while (o->args[n])
        n++;
    const char **argv = mem_new((n + 2) * sizeof(*argv));
    argv[0] = o->command;
    memcpy(argv + 1, o->args, n * sizeof(*argv));
    if (input >= 0)
        child = child_spawn(o->loop,
                            &(struct child_options){
                                .path = path,
                                .argv = argv,
                                .envp = (const char *const *)env,
                                .cwd = folder,
                                .stdin_fd = input,
                                .on_output = process_output,
                                .on_count = process_counted,
                                .on_left = process_left,
                                .on_end = process_ended,
                                .arg = p,
                            },
                            err);
    if (input > 0)
        close(input);
    free(argv);
    shell_environment_free(env);
    return child;
}

struct process *process_start(const struct process_options *options, int *code, struct err *err)
{
    struct process *p = mem_new(sizeof(*p));
    struct err why = {0};
    p->options = *options;
    char *folder = shell_folder(options->shell, options->folder, &why);
    char *path = folder ? shell_find(options->command, &why) : NULL;
    if (path)
        p->child = process_spawn(p, path, folder, &why);
    *code = !folder ? 125 : why.code == ERR_NOT_FOUND ? 127 : why.code == ERR_FORBIDDEN ? 126 : 125;
    if (!p->child) {
        if (err)
            *err = why;
        free(p);
        p = NULL;
    } else {
        p->options.command = p->options.folder = p->options.input = NULL;
        p->options.args = NULL;
        p->time_limit = timer_start(options->loop, options->shell->timeout_ms, process_late, p);
    }
    free(folder);
    free(path);
    return p;
}

void process_kill(struct process *p)
{
    timer_stop(&p->grace);
    if (p->child)
        child_signal(p->child, SIGKILL);
}

static void process_grace_over(void *arg)
{
    struct process *p = arg;
    p->grace = NULL;
    process_kill(p);
}

void process_stop(struct process *p)
{
    if (!p->child || p->grace)
        return;
    child_signal(p->child, SIGTERM);
    p->grace = timer_start(p->options.loop, PROCESS_GRACE_MS, process_grace_over, p);
}

void process_free(struct process *p)
{
    if (!p)
        return;
    timer_stop(&p->grace);
    timer_stop(&p->time_limit);
    if (p->child)
        child_abandon(p->child);
    buf_free(&p->out.line);
    buf_free(&p->err.line);
    free(p->limit);
    free(p);
}
