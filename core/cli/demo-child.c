#include "cli/demo-child.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

enum { DEMO_START_MS = 20000, DEMO_STOP_MS = 5000, DEMO_SAID_MOST = 8192 };

struct demo_child {
    struct loop *loop;
    struct child *child;
    struct timer *timer;
    struct buf said, complaint; /* its stdout; its stderr until it serves */
    char *kubeconfig;
    bool ended, late, serves;
};

static void demo_child_output(void *arg, enum child_stream stream, const char *data, size_t len)
{
    struct demo_child *d = arg;
    if (d->serves) {
        fwrite(data, 1, len, stderr);
        return;
    }
    struct buf *to = stream == CHILD_STDOUT ? &d->said : &d->complaint;
    if (to->len + len < DEMO_SAID_MOST)
        buf_append(to, data, len);
    /* "listening on URL\nPATH\n" */
    const char *first = strchr(buf_str(&d->said), '\n'), *second = first ? strchr(first + 1, '\n') : NULL;
    if (second && !d->kubeconfig)
        d->kubeconfig = mem_strn(first + 1, (size_t)(second - first) - 1);
}

static void demo_child_end(void *arg, int status, int held_open)
{
    struct demo_child *d = arg;
    (void)held_open;
    d->child = NULL;
    d->ended = true;
    if (d->serves && !d->late)
        log_error("the demo cluster has ended (%s %d); start the host again to have it back",
                  WIFSIGNALED(status) ? "signal" : "exit code",
                  WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
}

static void demo_child_late(void *arg)
{
    struct demo_child *d = arg;
    d->timer = NULL;
    d->late = true;
}

static const char **demo_child_environment(char *parent)
{
    size_t n = 0, kept = 0;
    while (environ[n])
        n++;
    const char **envp = mem_new((n + 2) * sizeof(*envp));
    /* The host's settings are not the demo cluster's. */
    for (size_t i = 0; i < n; i++)
        if (!str_starts(environ[i], "MOONSAIL_"))
            envp[kept++] = environ[i];
    envp[kept] = parent;
    return envp;
}

static int demo_child_spawn(struct demo_child *d, const char *data, struct err *err)
{
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    if (n < 0)
        return err_set(err, "cannot find out where this binary lies");
    self[n] = '\0';
    const char *argv[] = {self, "demo-cluster", "--listen", "127.0.0.1:0", "--data",
                          data, "--log-level",  "warn",     NULL};
    char *parent = mem_printf(DEMO_PARENT "=%ld", (long)getpid());
    const char **envp = demo_child_environment(parent);
    d->child = child_spawn(d->loop,
                           &(struct child_options){.path = self,
                                                   .argv = argv,
                                                   .envp = envp,
                                                   .on_output = demo_child_output,
                                                   .on_end = demo_child_end,
                                                   .arg = d},
                           err);
    free(envp);
    free(parent);
    return d->child ? 0 : -1;
}

struct demo_child *demo_child_start(struct loop *loop, const char *data, struct err *err)
{
    struct demo_child *d = mem_new(sizeof(*d));
    d->loop = loop;
    if (demo_child_spawn(d, data, err))
        goto failed;
    d->timer = timer_start(loop, DEMO_START_MS, demo_child_late, d);
    while (!d->kubeconfig && !d->ended && !d->late)
        loop_turn(loop);
    timer_stop(&d->timer);
    if (!d->kubeconfig) {
        err_set(err, "the demo cluster does not start%s%s",
                d->late                             ? ": it says nothing within 20 s"
                : str_empty(buf_str(&d->complaint)) ? ""
                                                    : ": ",
                buf_str(&d->complaint));
        goto failed;
    }
    d->serves = true;
    fputs(buf_str(&d->complaint), stderr);
    return d;
failed:
    demo_child_stop(d);
    return NULL;
}

void demo_child_stop(struct demo_child *d)
{
    if (!d)
        return;
    d->late = false;
    d->serves = false;
    if (d->child) {
        child_signal(d->child, SIGTERM);
        d->timer = timer_start(d->loop, DEMO_STOP_MS, demo_child_late, d);
        while (!d->ended && !d->late)
            loop_turn(d->loop);
        timer_stop(&d->timer);
    }
    if (d->child)
        child_abandon(d->child);
    buf_free(&d->said);
    buf_free(&d->complaint);
    free(d->kubeconfig);
    free(d);
}

const char *demo_child_kubeconfig(const struct demo_child *d)
{
    return d->kubeconfig;
}
