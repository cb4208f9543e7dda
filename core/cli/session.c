#include "cli/session.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "cli/remote.h"
#include "exec/execution.h"
#include "exec/journal.h"
#include "exec/request.h"
#include "guard/auth.h"
#include "kube/cluster.h"
#include "kube/kubeconfig.h"
#include "loop/child.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct session {
    struct loop *loop;
    struct show *show;
    struct remote *remote;
    struct executions *executions; /* in this process */
    struct execution *execution;
    struct journal_view *view;
    struct signal_watch *interrupt, *term, *hangup;
    bool cancelled, only_watches;
    int code;
};

/* ---- which host ---- */

static int session_read_token(const char *file, struct session_host *host)
{
    char line[4096] = "";
    if (!file) {
        host->token = mem_str(getenv("MOONSAIL_TOKEN"));
        return 0;
    }
    FILE *f = fopen(file, "re");
    if (!f)
        return command_fail(EXIT_USAGE, "--token-file %s: %s", file, strerror(errno));
    char *read = fgets(line, sizeof(line), f);
    fclose(f);
    if (!read)
        return command_fail(EXIT_USAGE, "--token-file %s: it is empty", file);
    host->token = mem_strn(line, strcspn(line, "\r\n"));
    return 0;
}

int session_find_host(const struct flags *flags, struct session_host *host)
{
    *host = (struct session_host){0};
    bool here = flag_known(flags, "local") &&
                (flag_on(flags, "local") || str_eq(flag_source(flags, "kubeconfig"), "flag"));
    if (here)
        return 0;
    if (flag_value(flags, "server")) {
        host->url = mem_str(flag_value(flags, "server"));
    } else {
        char *data = folder_data(flag_value(flags, "data"));
        host->url = data ? data_lock_host(data) : NULL;
        free(data);
    }
    return host->url ? session_read_token(flag_value(flags, "token-file"), host) : 0;
}

void session_host_free(struct session_host *host)
{
    free(host->url);
    free(host->token);
    *host = (struct session_host){0};
}

int session_need_host(const struct flags *flags, struct session_host *host)
{
    int code = session_find_host(flags, host);
    if (code || host->url)
        return code;
    return command_fail(EXIT_NO_HOST,
                        "no host runs here: start one with `moonsail serve`, or name one with --server URL");
}

/* ---- what both ways share ---- */

static void session_cancel(struct session *s)
{
    struct user me;
    s->cancelled = true;
    auth_own_user(&me);
    if (s->remote)
        remote_cancel(s->remote);
    else if (s->execution)
        execution_cancel(s->execution, &me, NULL);
}

static void session_signal(void *arg)
{
    struct session *s = arg;
    if (s->cancelled || s->only_watches) {
        if (s->executions) {
            executions_free(s->executions);
            children_end(s->loop); /* no command outlives this process */
        }
        _exit(s->only_watches ? EXIT_OK : EXIT_CANCELLED);
    }
    show_note(s->show, "cancelling; once more leaves at once");
    session_cancel(s);
}

/* Shows an event; with nobody left to read it, it is as after Ctrl-C. */
static void session_show(struct session *s, const char *json, size_t len)
{
    show_event(s->show, json, len);
    if (!show_reader_gone(s->show) || s->cancelled)
        return;
    if (s->only_watches)
        loop_stop(s->loop);
    else
        session_cancel(s);
}

static void session_loop(struct session *s)
{
    s->interrupt = signal_watch_start(s->loop, SIGINT, session_signal, s);
    s->term = signal_watch_start(s->loop, SIGTERM, session_signal, s);
    s->hangup = signal_watch_start(s->loop, SIGHUP, session_signal, s);
    loop_run(s->loop);
    signal_watch_stop(&s->interrupt);
    signal_watch_stop(&s->term);
    signal_watch_stop(&s->hangup);
}

static struct show *session_new_show(const struct flags *flags, struct loop *loop, enum show_kind kind)
{
    return show_new(&(struct show_options){
        .loop = loop,
        .kind = kind,
        .json = flag_on(flags, "json"),
        .quiet = flag_on(flags, "quiet"),
        .color = flag_value(flags, "color"),
    });
}

/* ---- in this process ---- */

static void session_news(void *arg)
{
    struct session *s = arg;
    const char *json;
    size_t len;
    while ((json = journal_view_next(s->view, &len)) != NULL)
        session_show(s, json, len);
    if (journal_view_at_end(s->view))
        loop_stop(s->loop);
}

static int session_refused(const struct session_options *o, const struct err *err)
{
    int code = o->kind == SHOW_COMMAND      ? EXIT_NOT_STARTED
               : err->code == ERR_FORBIDDEN ? EXIT_REFUSED
                                            : EXIT_FAILED;
    return command_fail(code, "%s", err->text);
}

static int session_start_here(struct session *s, struct host *host, const struct session_options *o,
                              const struct buf *request)
{
    struct err err;
    struct user me;
    auth_own_user(&me);
    struct start_request *start = start_request_parse(request->data, request->len, &err);
    struct execution *ex = start ? executions_start(host->executions, start, &me, &err) : NULL;
    if (!ex)
        return session_refused(o, &err);
    s->executions = host->executions;
    s->execution = execution_keep(ex);
    s->view = journal_view_open(execution_journal(ex), 0, session_news, s);
    session_loop(s);
    journal_view_close(&s->view);
    s->execution = NULL;
    execution_drop(ex);
    return show_exit_code(s->show);
}

static int session_cluster_here(struct session *s, struct host *host, const struct session_options *o)
{
    struct buf request = {0};
    struct err err;
    struct cluster *cluster = clusters_get(host->clusters, NULL, &err);
    const char *ns = flag_value(o->flags, "namespace");
    if (!cluster && o->needs_cluster)
        return command_fail(err.code == ERR_UNAVAILABLE ? EXIT_NO_HOST : EXIT_USAGE, "%s", err.text);
    if (cluster)
        fprintf(stderr, "in this process, context %s (%s)\n", cluster_context(cluster),
                cluster_server(cluster));
    else
        fprintf(stderr, "in this process, no cluster\n");
    o->request(o->flags, str_or(ns, cluster ? cluster_namespace(cluster) : "default"), o->arg, &request);
    int code = session_start_here(s, host, o, &request);
    buf_free(&request);
    return code;
}

static int session_run_here(const struct session_options *o)
{
    struct session s = {0};
    struct host host;
    struct err err;
    int code;
    log_setup(LOG_WARN, false);
    if (host_open(&host,
                  &(struct host_options){
                      .kubeconfig = flag_value(o->flags, "kubeconfig"),
                      .context = flag_value(o->flags, "context"),
                      .scripts = flag_list(o->flags, "scripts"),
                      .shell = {.mode = SHELL_ANY},
                  },
                  &err)) {
        code = command_fail(o->kind == SHOW_COMMAND ? EXIT_NOT_STARTED : EXIT_USAGE, "%s", err.text);
    } else {
        s.loop = host.loop;
        s.show = session_new_show(o->flags, s.loop, o->kind);
        code = session_cluster_here(&s, &host, o);
        show_free(s.show);
    }
    host_close(&host);
    return code;
}

/* ---- through a host ---- */

static void session_remote_event(void *arg, const char *json, size_t len)
{
    session_show(arg, json, len);
}

static void session_remote_note(void *arg, const char *text)
{
    struct session *s = arg;
    show_note(s->show, text);
}

static void session_remote_end(void *arg, const struct err *err)
{
    struct session *s = arg;
    s->code = show_exit_code(s->show);
    if (err) {
        show_note(s->show, err->text);
        s->code = err->code == ERR_FORBIDDEN || err->code == ERR_UNAUTHORIZED ? EXIT_REFUSED : EXIT_NO_HOST;
    }
    loop_stop(s->loop);
}

/* The namespace that the local kubeconfig gives the context, as kubectl would take it. */
static char *session_local_namespace(const struct flags *flags)
{
    if (flag_value(flags, "namespace"))
        return mem_str(flag_value(flags, "namespace"));
    struct kubeconfig *config = kubeconfig_load(flag_value(flags, "kubeconfig"), NULL);
    const char *name = config ? str_or(flag_value(flags, "context"), config->current_context) : NULL;
    const struct kube_context_entry *context = name ? kubeconfig_context(config, name) : NULL;
    char *ns = mem_str(context && !str_empty(context->namespace_) ? context->namespace_ : "default");
    if (config)
        kubeconfig_free(config);
    return ns;
}

/* `message` has the request or the execution to watch; the rest is filled in here. */
static int session_through(const struct flags *flags, const struct session_host *host, enum show_kind kind,
                           const struct remote_options *message)
{
    struct err err;
    struct session s = {.loop = loop_new(), .only_watches = message->attach != NULL};
    struct remote_options remote = *message;
    log_setup(LOG_WARN, false);
    s.show = session_new_show(flags, s.loop, kind);
    remote.loop = s.loop;
    remote.server = host->url;
    remote.token = host->token;
    remote.event = session_remote_event;
    remote.note = session_remote_note;
    remote.end = session_remote_end;
    remote.arg = &s;
    s.remote = remote_start(&remote, &err);
    if (s.remote) {
        session_loop(&s);
        remote_free(&s.remote);
    } else {
        s.code = command_fail(EXIT_USAGE, "%s", err.text);
    }
    show_free(s.show);
    loop_close(s.loop);
    /* A command that the host never took was not started. */
    return kind == SHOW_COMMAND && (s.code == EXIT_NO_HOST || s.code == EXIT_REFUSED || s.code == EXIT_USAGE)
               ? EXIT_NOT_STARTED
               : s.code;
}

static int session_run_through(const struct session_options *o, const struct session_host *host)
{
    struct buf request = {0};
    char *ns = session_local_namespace(o->flags);
    o->request(o->flags, ns, o->arg, &request);
    fprintf(stderr, "through %s, context %s\n", host->url,
            str_or(flag_value(o->flags, "context"), "of the host"));
    int code = session_through(o->flags, host, o->kind,
                               &(struct remote_options){.start = request.data, .start_len = request.len});
    buf_free(&request);
    free(ns);
    return code;
}

int session_run(const struct session_options *options)
{
    struct session_host host;
    const char *color = flag_value(options->flags, "color");
    if (!str_eq(color, "auto") && !str_eq(color, "always") && !str_eq(color, "never"))
        return command_fail(options->kind == SHOW_COMMAND ? EXIT_NOT_STARTED : EXIT_USAGE,
                            "--color must be auto, always or never, not \"%s\"", color);
    int code = session_find_host(options->flags, &host);
    if (code == 0)
        code = host.url ? session_run_through(options, &host) : session_run_here(options);
    session_host_free(&host);
    return code;
}

int session_watch(const struct flags *flags, const char *id, unsigned long long after_seq,
                  enum show_kind kind)
{
    struct session_host host;
    int code = session_need_host(flags, &host);
    if (code == 0) {
        if (kind != SHOW_LOG)
            fprintf(stderr, "through %s\n", host.url);
        code = session_through(flags, &host, kind,
                               &(struct remote_options){.attach = id, .after_seq = after_seq});
    }
    session_host_free(&host);
    return code;
}
