/* runner.c: a command as an execution: found in a fixed PATH, its own group, its lines as events. */
#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/lines.h"
#include "exec/request.h"
#include "exec/run.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { RUNNER_GRACE_MS = 5000 };

#define RUNNER_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct runner {
    struct execution *execution;
    struct child *child;
    struct lines out, err;
    struct timer *grace;
};

static const char *runner_home(void)
{
    const char *home = getenv("HOME");
    struct passwd *account = str_empty(home) ? getpwuid(geteuid()) : NULL;
    return !str_empty(home) ? home : account ? account->pw_dir : "/";
}

/* The file of a command: a path as it is, a name by the fixed PATH. */
static char *runner_find(const char *command, struct err *err)
{
    if (strchr(command, '/'))
        return mem_str(command);
    for (const char *at = RUNNER_PATH; *at;) {
        size_t n = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)n, at, command);
        struct stat st;
        if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
        free(path);
        at += n + (at[n] == ':');
    }
    err_code(err, ERR_NOT_FOUND, "%s: command not found in %s", command, RUNNER_PATH);
    return NULL;
}

/* The real path of the working folder, which must lie in the home folder. */
static char *runner_folder(const char *wanted, struct err *err)
{
    char home[PATH_MAX], dir[PATH_MAX];
    const char *from = runner_home();
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

static void runner_on_line(struct runner *r, enum event_stream stream, const char *text, size_t len,
                           size_t dropped)
{
    execution_raw_line(r->execution, stream, text, len, dropped);
}

static void runner_out_line(void *arg, const char *text, size_t len, size_t dropped)
{
    runner_on_line(arg, STREAM_STDOUT, text, len, dropped);
}

static void runner_err_line(void *arg, const char *text, size_t len, size_t dropped)
{
    runner_on_line(arg, STREAM_STDERR, text, len, dropped);
}

static void runner_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct runner *r = arg;
    if (stream == CHILD_STDOUT)
        lines_feed(&r->out, data, len, runner_out_line, r);
    else
        lines_feed(&r->err, data, len, runner_err_line, r);
}

static void runner_ended(void *arg, int status, int held_open)
{
    struct runner *r = arg;
    struct execution_end end = {.error = ""};
    char why[64];
    r->child = NULL;
    timer_stop(&r->grace);
    lines_end(&r->out, runner_out_line, r);
    lines_end(&r->err, runner_err_line, r);
    if (held_open)
        execution_line(r->execution, STREAM_STDERR,
                       "a process that the command started still holds its output; what it prints is no "
                       "longer read");
    if (WIFSIGNALED(status)) {
        end.signal = WTERMSIG(status);
        end.exit_code = 128 + end.signal;
        snprintf(why, sizeof(why), "ended by signal %d (%s)", end.signal, strsignal(end.signal));
        end.error = why;
    } else if (WEXITSTATUS(status) != 0) {
        end.exit_code = WEXITSTATUS(status);
        snprintf(why, sizeof(why), "exit code %d", end.exit_code);
        end.error = why;
    }
    execution_finish(r->execution, &end);
}

/* *code is the exit code that a failure stands for. */
static int runner_spawn(struct runner *r, int *code, struct err *err)
{
    const struct start_request *q = execution_request(r->execution);
    const struct executions_options *options = execution_options(r->execution);
    size_t n = 0;
    int rc = -1;
    char *folder = runner_folder(q->working_dir, err), *path = folder ? runner_find(q->command, err) : NULL;
    char *home = mem_printf("HOME=%s", runner_home());
    char *lang = mem_printf("LANG=%s", str_or(getenv("LANG"), "C.UTF-8"));
    char *kube = getenv("KUBECONFIG") ? mem_printf("KUBECONFIG=%s", getenv("KUBECONFIG")) : NULL;
    const char *env[] = {"PATH=" RUNNER_PATH, home, lang, kube, NULL};
    while (q->args[n])
        n++;
    const char **argv = mem_new((n + 2) * sizeof(*argv));
    argv[0] = q->command;
    memcpy(argv + 1, q->args, n * sizeof(*argv));
    if (path && folder) {
        r->child = child_spawn(options->loop,
                               &(struct child_options){
                                   .path = path,
                                   .argv = argv,
                                   .envp = env,
                                   .cwd = folder,
                                   .on_output = runner_output,
                                   .on_end = runner_ended,
                                   .arg = r,
                               },
                               err);
        rc = r->child ? 0 : -1;
    }
    *code = !folder ? 125 : err->code == ERR_NOT_FOUND ? 127 : err->code == ERR_FORBIDDEN ? 126 : 125;
    free(argv);
    free(kube);
    free(lang);
    free(home);
    free(folder);
    free(path);
    return rc;
}

static void runner_start(struct execution *ex)
{
    struct err err = {0};
    int code;
    struct runner *r = mem_new(sizeof(*r));
    r->execution = ex;
    execution_set_run(ex, r);
    execution_set_running(ex);
    if (runner_spawn(r, &code, &err))
        execution_finish(ex, &(struct execution_end){.exit_code = code, .error = err.text, .code = err.code});
}

static void runner_kill(void *arg)
{
    struct runner *r = arg;
    r->grace = NULL;
    if (r->child)
        child_signal(r->child, SIGKILL);
}

static void runner_cancel(void *run, bool now)
{
    struct runner *r = run;
    if (!r->child)
        return;
    if (now) {
        timer_stop(&r->grace);
        child_signal(r->child, SIGKILL);
        return;
    }
    child_signal(r->child, SIGTERM);
    if (!r->grace)
        r->grace = timer_start(execution_options(r->execution)->loop, RUNNER_GRACE_MS, runner_kill, r);
}

static void runner_free(void *run)
{
    struct runner *r = run;
    timer_stop(&r->grace);
    if (r->child)
        child_abandon(r->child);
    buf_free(&r->out.line);
    buf_free(&r->err.line);
    free(r);
}

const struct run_ops runner_run = {.start = runner_start, .cancel = runner_cancel, .free = runner_free};
