#include "exec/process.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/lines.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PROCESS_GRACE_MS = 5000 };

#define PROCESS_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct process {
    struct process_options options; /* strings are not kept */
    struct child *child;
    struct lines out, err;
    struct timer *grace;
};

static const char *process_home(void)
{
    const char *home = getenv("HOME");
    struct passwd *account = str_empty(home) ? getpwuid(geteuid()) : NULL;
    return !str_empty(home) ? home : account ? account->pw_dir : "/";
}

/* The file of a command: a path as it is, a name by the fixed PATH. */
static char *process_find(const char *command, struct err *err)
{
    if (strchr(command, '/'))
        return mem_str(command);
    for (const char *at = PROCESS_PATH; *at;) {
        size_t n = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)n, at, command);
        struct stat st;
        if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
        free(path);
        at += n + (at[n] == ':');
    }
    err_code(err, ERR_NOT_FOUND, "%s: command not found in %s", command, PROCESS_PATH);
    return NULL;
}

/* The real path of the working folder, which must lie in the home folder. */
static char *process_folder(const char *wanted, struct err *err)
{
    char home[PATH_MAX], dir[PATH_MAX];
    const char *from = process_home();
    if (!realpath(from, home)) {
        err_set(err, "home folder %s: %s", from, strerror(errno));
        return NULL;
    }
    if (str_empty(wanted))
        return mem_str(home);
    if (!realpath(wanted, dir)) {
        err_code(err, ERR_NOT_FOUND, "workingDir %s: %s", wanted, strerror(errno));
        return NULL;
    }
    size_t n = strlen(home);
    if (!str_eq(home, "/") && !(str_starts(dir, home) && (dir[n] == '/' || dir[n] == '\0'))) {
        err_code(err, ERR_FORBIDDEN, "workingDir %s lies outside %s, where commands may run", wanted, home);
        return NULL;
    }
    return mem_str(dir);
}

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

static void process_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct process *p = arg;
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
    lines_end(&p->out, process_out_line, p);
    lines_end(&p->err, process_err_line, p);
    if (held_open)
        o->line(o->arg, STREAM_STDERR, held, sizeof(held) - 1, 0);
    o->end(o->arg, signal ? 128 + signal : WEXITSTATUS(status), signal);
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
    char *home = mem_printf("HOME=%s", process_home());
    char *lang = mem_printf("LANG=%s", str_or(getenv("LANG"), "C.UTF-8"));
    char *kube = getenv("KUBECONFIG") ? mem_printf("KUBECONFIG=%s", getenv("KUBECONFIG")) : NULL;
    const char *env[] = {"PATH=" PROCESS_PATH, home, lang, kube, NULL};
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
                                .envp = env,
                                .cwd = folder,
                                .stdin_fd = input,
                                .on_output = process_output,
                                .on_end = process_ended,
                                .arg = p,
                            },
                            err);
    if (input > 0)
        close(input);
    free(argv);
    free(kube);
    free(lang);
    free(home);
    return child;
}

struct process *process_start(const struct process_options *options, int *code, struct err *err)
{
    struct process *p = mem_new(sizeof(*p));
    struct err why = {0};
    p->options = *options;
    char *folder = process_folder(options->folder, &why);
    char *path = folder ? process_find(options->command, &why) : NULL;
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
    if (p->child)
        child_abandon(p->child);
    buf_free(&p->out.line);
    buf_free(&p->err.line);
    free(p);
}
