#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "cli/settings.h"
#include "edge/server.h"
#include "exec/execution.h"
#include "guard/auth.h"
#include "kube/cluster.h"
#include "loop/child.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { SERVE_DRAIN_MS = 30000 };

struct serve {
    struct data_lock *lock;
    char *own_scripts; /* the configuration folder's, where --scripts is not said */
    char *demo_data;   /* the demo cluster's folder, in the data folder */
    char *data;
    struct host host;
    struct server *server;
    struct signal_watch *term, *interrupt, *hangup;
    bool draining;
};

static void serve_drained(void *arg)
{
    struct serve *s = arg;
    loop_stop(s->host.loop);
}

static void serve_stop(void *arg)
{
    struct serve *s = arg;
    if (s->draining) {
        log_warn("a second signal: ends at once");
        executions_free(s->host.executions);
        children_end(s->host.loop); /* no command outlives its host */
        _exit(EXIT_FAILED);
    }
    s->draining = true;
    size_t running = executions_running(s->host.executions);
    log_info("stopping: %zu executions run; applies may finish within %d s, commands are cancelled", running,
             SERVE_DRAIN_MS / 1000);
    server_drain(s->server);
    executions_drain(s->host.executions, SERVE_DRAIN_MS, serve_drained, s);
}

static void serve_reload(void *arg)
{
    struct serve *s = arg;
    log_info("SIGHUP: scripts are read again");
    packs_reload(s->host.packs);
}

static int serve_settings(const struct flags *flags, struct host_options *options, struct err *err)
{
    enum log_level level;
    const char *log = flag_value(flags, "log");
    const char *running = flag_value(flags, "max-running");
    char *end;
    if (!str_eq(log, "text") && !str_eq(log, "json"))
        return err_set(err, "--log must be text or json, not \"%s\"", log);
    if (log_level_of(flag_value(flags, "log-level"), &level))
        return err_set(err, "--log-level must be debug, info, warn or error, not \"%s\"",
                       flag_value(flags, "log-level"));
    log_setup(level, str_eq(log, "json"));
    if (!str_eq(flag_value(flags, "auth"), "local"))
        return err_set(err, "--auth must be local: other ways to authenticate are not built yet");
    long most = strtol(running, &end, 10);
    if (*end || most < 1 || most > 10000)
        return err_set(err, "--max-running must be a number from 1 to 10000, not \"%s\"", running);
    *options = (struct host_options){
        .kubeconfig = flag_value(flags, "kubeconfig"),
        .context = flag_value(flags, "context"),
        .scripts = flag_list(flags, "scripts"),
        .max_running = (unsigned)most,
    };
    if (history_settings_read(flags, &options->history, err))
        return -1;
    /* Before anything is started: a typo should not cost a demo cluster. */
    if (settings_shell(flags, &options->shell, err) ||
        server_check_listen(flag_value(flags, "listen"), flag_value(flags, "metrics-listen"), err))
        return -1;
    return auth_local_check(err);
}

/* The configuration folder's scripts/, where there is one and --scripts names none. */
static void serve_own_scripts(struct serve *s, struct host_options *options, const char *list[2])
{
    char *folder = folder_config();
    if (!*options->scripts && folder) {
        s->own_scripts = mem_printf("%s/scripts", folder);
        list[0] = access(s->own_scripts, F_OK) == 0 ? s->own_scripts : NULL;
        options->scripts = list;
    }
    free(folder);
}

static int serve_lock(struct serve *s, const struct flags *flags, struct err *err)
{
    char *dir = folder_data(flag_value(flags, "data"));
    if (!dir)
        return err_set(err, "this account has no home folder: name a data folder with --data");
    s->lock = data_lock_take(dir, err);
    if (!s->lock) {
        free(dir);
        return -1;
    }
    s->demo_data = mem_printf("%s/demo", dir);
    s->data = dir;
    return 0;
}

/* Says where the host is to be found: to whoever started it, and to this user's commands. */
static void serve_announce(struct serve *s)
{
    struct err err;
    const char *why = clusters_why(s->host.clusters);
    if (*why)
        log_warn("no cluster: %s", why);
    if (geteuid() == 0)
        log_warn("this host runs as root, and so does every command that is started through it");
    if (data_lock_publish(s->lock, server_url(s->server), &err))
        log_warn("commands will not find this host by themselves (they need --server): %s", err.text);
    if (server_metrics_url(s->server))
        log_info("metrics on %s, for whoever can reach it", server_metrics_url(s->server));
    printf("listening on %s\n", server_url(s->server));
    fflush(stdout);
}

static int serve_listen(struct serve *s, const struct flags *flags, struct err *err)
{
    char *panel = host_panel();
    s->server = server_new(
        &(struct server_options){
            .loop = s->host.loop,
            .listen = flag_value(flags, "listen"),
            .executions = s->host.executions,
            .clusters = s->host.clusters,
            .packs = s->host.packs,
            .redactor = s->host.redactor,
            .metrics_listen = flag_value(flags, "metrics-listen"),
            .version = MOONSAIL_VERSION,
            .commit = MOONSAIL_COMMIT,
            .panel = panel,
            .allow_hosts = flag_list(flags, "allow-host"),
            .allow_origins = flag_list(flags, "allow-origin"),
        },
        err);
    free(panel);
    if (!s->server)
        return -1;
    s->term = signal_watch_start(s->host.loop, SIGTERM, serve_stop, s);
    s->interrupt = signal_watch_start(s->host.loop, SIGINT, serve_stop, s);
    s->hangup = signal_watch_start(s->host.loop, SIGHUP, serve_reload, s);
    return 0;
}

static int serve_run(const struct flags *flags)
{
    struct serve s = {0};
    struct host_options options;
    struct err err;
    const char *own_scripts[2] = {NULL, NULL};
    int code = EXIT_OK;
    if (serve_settings(flags, &options, &err) || serve_lock(&s, flags, &err))
        return command_fail(EXIT_USAGE, "%s", err.text);
    serve_own_scripts(&s, &options, own_scripts);
    options.demo_data = s.demo_data;
    if (options.history.dir)
        options.history.dir = s.data;
    options.demo_always = flag_on(flags, "demo");
    if (host_open(&s.host, &options, &err) || serve_listen(&s, flags, &err)) {
        code = command_fail(EXIT_USAGE, "%s", err.text);
    } else {
        serve_announce(&s);
        loop_run(s.host.loop);
        /* Not from a callback: it lets the loop run for its viewers' last words. */
        server_free(s.server);
        log_info("stopped");
    }
    signal_watch_stop(&s.term);
    signal_watch_stop(&s.interrupt);
    signal_watch_stop(&s.hangup);
    host_close(&s.host);
    data_lock_release(s.lock);
    free(s.own_scripts);
    free(s.demo_data);
    free(s.data);
    return code;
}

static const struct flag serve_flags[] = {SETTINGS_FLAGS, SETTINGS_SHELL, {0}};

const struct command command_serve = {
    .name = "serve",
    .arguments = "[flags]",
    .help = "Runs the host: the API and the WebSocket that executions are started and watched through.",
    .flags = serve_flags,
    .run = serve_run,
};
