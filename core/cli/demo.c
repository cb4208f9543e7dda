#include "demo/demo.h"
#include "base/err.h"
#include "base/log.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/demo-child.h"
#include "cli/host.h"
#include "loop/loop.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

struct demo_command {
    struct loop *loop;
    struct demo *demo;
    struct signal_watch *term, *interrupt;
    uv_poll_t reader; /* of our stdout: the host, where one started us */
    bool watches_reader;
};

static void demo_command_stop(void *arg)
{
    struct demo_command *d = arg;
    loop_stop(d->loop);
}

static void demo_command_lost_reader(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    uv_poll_stop(poll);
    demo_command_stop(poll->data);
}

/* Two ways to notice the host's end: the kernel's signal, and the pipe that nobody reads any more. -1: it
 * ended before this was set up. */
static int demo_command_follow(struct demo_command *d)
{
    const char *parent = getenv(DEMO_PARENT);
    if (str_empty(parent))
        return 0;
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != (pid_t)strtol(parent, NULL, 10))
        return -1;
    if (uv_poll_init(loop_uv(d->loop), &d->reader, STDOUT_FILENO) == 0) {
        d->watches_reader = true;
        d->reader.data = d;
        uv_poll_start(&d->reader, UV_DISCONNECT, demo_command_lost_reader);
    }
    return 0;
}

/* "pdb,hpa", or one a flag: which of the known words were said, as a list. */
static int demo_command_old(const struct flags *flags, const char *old[3], struct err *err)
{
    static const char *const known[] = {"pdb", "hpa"};
    bool said[2] = {false, false};
    size_t count = 0;
    for (const char *const *list = flag_list(flags, "serve-old"); *list; list++) {
        for (const char *at = *list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
            size_t n = strcspn(at, ",");
            bool found = false;
            for (size_t i = 0; i < 2; i++)
                if (strlen(known[i]) == n && strncmp(known[i], at, n) == 0)
                    said[i] = found = true;
            if (!found)
                return err_set(err, "--serve-old knows pdb and hpa, not \"%.*s\"", (int)n, at);
        }
    }
    for (size_t i = 0; i < 2; i++)
        if (said[i])
            old[count++] = known[i];
    return 0;
}

static int demo_command_check(const struct flags *flags, struct err *err)
{
    enum log_level level;
    if (log_level_of(flag_value(flags, "log-level"), &level))
        return err_set(err, "--log-level must be debug, info, warn or error, not \"%s\"",
                       flag_value(flags, "log-level"));
    log_setup(level, false);
    return 0;
}

static int demo_command_open(struct demo_command *d, const struct flags *flags, struct err *err)
{
    const char *old[3] = {NULL, NULL, NULL};
    char *shipped = demo_command_old(flags, old, err) ? NULL : host_shipped(err);
    if (!shipped)
        return -1;
    d->demo = demo_new(
        &(struct demo_options){
            .loop = d->loop,
            .listen = flag_value(flags, "listen"),
            .data = flag_value(flags, "data"),
            .shipped = shipped,
            .serve_old = old,
        },
        err);
    free(shipped);
    return d->demo ? 0 : -1;
}

static int demo_command_run(const struct flags *flags)
{
    struct demo_command d = {.loop = loop_new()};
    struct err err;
    int code = EXIT_OK;
    if (demo_command_check(flags, &err)) {
        code = command_fail(EXIT_USAGE, "%s", err.text);
    } else if (demo_command_follow(&d)) {
        code = EXIT_FAILED;
    } else if (demo_command_open(&d, flags, &err)) {
        code = command_fail(EXIT_USAGE, "%s", err.text);
    } else {
        d.term = signal_watch_start(d.loop, SIGTERM, demo_command_stop, &d);
        d.interrupt = signal_watch_start(d.loop, SIGINT, demo_command_stop, &d);
        printf("listening on %s\n%s\n", demo_url(d.demo), demo_kubeconfig(d.demo));
        fflush(stdout);
        loop_run(d.loop);
    }
    demo_free(d.demo);
    signal_watch_stop(&d.term);
    signal_watch_stop(&d.interrupt);
    if (d.watches_reader)
        uv_close((uv_handle_t *)&d.reader, NULL);
    loop_close(d.loop);
    return code;
}

static const struct flag demo_flags[] = {
    {"listen", 0, FLAG_VALUE, "HOST:PORT", "where to listen, on loopback; port 0 takes any free one",
     "127.0.0.1:0", NULL},
    {"data", 0, FLAG_FILE, "DIR", "folder for its objects and its kubeconfig; else one that goes at the end",
     NULL, NULL},
    {"serve-old", 0, FLAG_LIST, "KINDS", "pdb and hpa: served as policy/v1beta1 and autoscaling/v1 only",
     NULL, NULL},
    {"log-level", 0, FLAG_VALUE, "LEVEL", "debug, info, warn or error", "info", NULL},
    {0},
};

const struct command command_demo = {
    .name = "demo-cluster",
    .arguments = "[flags]",
    .help = "Runs a small Kubernetes API server to try things on; prints its address and its kubeconfig.",
    .flags = demo_flags,
    .run = demo_command_run,
};
