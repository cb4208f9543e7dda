#include "base/err.h"
#include "base/json-write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/host.h"
#include "cli/manifest.h"
#include "cli/remote.h"
#include "cli/show.h"
#include "exec/execution.h"
#include "exec/journal.h"
#include "exec/request.h"
#include "guard/auth.h"
#include "kube/cluster.h"
#include "kube/kubeconfig.h"
#include "loop/loop.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* One apply on its way: through a host, or in this process with a host of its own. */
struct applying {
    struct loop *loop;
    struct show *show;
    struct remote *remote;
    struct execution *execution;
    struct journal_view *view;
    struct signal_watch *interrupt, *term;
    bool cancelled;
    int code;
};

static void apply_interrupt(void *arg)
{
    struct applying *a = arg;
    struct user me;
    if (a->cancelled)
        _exit(EXIT_CANCELLED);
    a->cancelled = true;
    show_note(a->show, "cancelling; once more leaves at once");
    auth_own_user(&me);
    if (a->remote)
        remote_cancel(a->remote);
    else
        execution_cancel(a->execution, &me, NULL);
}

static void apply_watch_signals(struct applying *a)
{
    a->interrupt = signal_watch_start(a->loop, SIGINT, apply_interrupt, a);
    a->term = signal_watch_start(a->loop, SIGTERM, apply_interrupt, a);
}

static void apply_stop_watching(struct applying *a)
{
    signal_watch_stop(&a->interrupt);
    signal_watch_stop(&a->term);
}

static struct show *apply_show(const struct flags *flags, struct loop *loop)
{
    return show_new(&(struct show_options){
        .loop = loop,
        .json = flag_on(flags, "json"),
        .quiet = flag_on(flags, "quiet"),
        .color = flag_value(flags, "color"),
    });
}

/* "Apply a.yaml b.yaml" */
static void apply_label(const struct flags *flags, struct buf *out)
{
    buf_puts(out, flag_on(flags, "dry-run") ? "Dry-run" : "Apply");
    for (const char *const *file = flag_list(flags, "filename"); *file && out->len < 200; file++) {
        const char *slash = strrchr(*file, '/');
        buf_printf(out, " %s", slash && slash[1] ? slash + 1 : *file);
    }
}

static void apply_write_request(const struct flags *flags, const char *ns, const struct buf *manifest,
                                struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    struct buf label = {0};
    apply_label(flags, &label);
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "start");
    jsonw_member(&w, "command", "__k8s-apply-yaml");
    jsonw_member(&w, "intent", "apply-yaml");
    jsonw_member(&w, "label", buf_str(&label));
    jsonw_member(&w, "userAction", "cli-apply");
    jsonw_member_bool(&w, "kubernetesEquivalent", true);
    jsonw_member(&w, "mode", flag_on(flags, "dry-run") ? "dry-run" : "apply");
    jsonw_member(&w, "namespace", ns);
    jsonw_member(&w, "context", str_or(flag_value(flags, "context"), ""));
    jsonw_member(&w, "action", "update");
    jsonw_member_bool(&w, "force", flag_on(flags, "force"));
    jsonw_member_bool(&w, "allowClusterWide", flag_on(flags, "cluster-wide"));
    jsonw_key(&w, "yaml");
    jsonw_stringn(&w, manifest->data, manifest->len);
    jsonw_end_object(&w);
    buf_free(&label);
}

/* ---- in this process ---- */

static void apply_news(void *arg)
{
    struct applying *a = arg;
    const char *json;
    size_t len;
    while ((json = journal_view_next(a->view, &len)) != NULL)
        show_event(a->show, json, len);
    if (journal_view_at_end(a->view))
        loop_stop(a->loop);
}

static int apply_start_here(struct applying *a, struct host *host, const struct buf *request)
{
    struct err err;
    struct user me;
    auth_own_user(&me);
    struct start_request *start = start_request_parse(request->data, request->len, &err);
    a->execution = start ? executions_start(host->executions, start, &me, &err) : NULL;
    if (!a->execution)
        return command_fail(err.code == ERR_FORBIDDEN ? EXIT_REFUSED : EXIT_FAILED, "%s", err.text);
    execution_keep(a->execution);
    a->view = journal_view_open(execution_journal(a->execution), 0, apply_news, a);
    apply_watch_signals(a);
    loop_run(a->loop);
    apply_stop_watching(a);
    journal_view_close(&a->view);
    execution_drop(a->execution);
    return show_exit_code(a->show);
}

static int apply_here(const struct flags *flags, const struct buf *manifest)
{
    struct applying a = {0};
    struct host host;
    struct err err;
    struct buf request = {0};
    int code;
    log_setup(LOG_WARN, false);
    if (host_open(&host,
                  &(struct host_options){
                      .kubeconfig = flag_value(flags, "kubeconfig"),
                      .context = flag_value(flags, "context"),
                      .scripts = flag_list(flags, "scripts"),
                  },
                  &err)) {
        host_close(&host);
        return command_fail(EXIT_USAGE, "%s", err.text);
    }
    a.loop = host.loop;
    a.show = apply_show(flags, a.loop);
    struct cluster *cluster = clusters_get(host.clusters, NULL, &err);
    if (!cluster) {
        code = command_fail(err.code == ERR_UNAVAILABLE ? EXIT_NO_HOST : EXIT_USAGE, "%s", err.text);
    } else {
        fprintf(stderr, "in this process, context %s (%s)\n", cluster_context(cluster),
                cluster_server(cluster));
        apply_write_request(flags, str_or(flag_value(flags, "namespace"), cluster_namespace(cluster)),
                            manifest, &request);
        code = apply_start_here(&a, &host, &request);
    }
    buf_free(&request);
    show_free(a.show);
    host_close(&host);
    return code;
}

/* ---- through a host ---- */

static void apply_remote_event(void *arg, const char *json, size_t len)
{
    struct applying *a = arg;
    show_event(a->show, json, len);
}

static void apply_remote_note(void *arg, const char *text)
{
    struct applying *a = arg;
    show_note(a->show, text);
}

static void apply_remote_end(void *arg, const struct err *err)
{
    struct applying *a = arg;
    a->code = show_exit_code(a->show);
    if (err) {
        show_note(a->show, err->text);
        a->code = err->code == ERR_FORBIDDEN || err->code == ERR_UNAUTHORIZED ? EXIT_REFUSED : EXIT_NO_HOST;
    }
    loop_stop(a->loop);
}

/* The namespace that the local kubeconfig gives the context, as kubectl would take it. */
static char *apply_local_namespace(const struct flags *flags)
{
    struct kubeconfig *config = kubeconfig_load(flag_value(flags, "kubeconfig"), NULL);
    const char *name = config ? str_or(flag_value(flags, "context"), config->current_context) : NULL;
    const struct kube_context_entry *context = name ? kubeconfig_context(config, name) : NULL;
    char *ns = mem_str(context && !str_empty(context->namespace_) ? context->namespace_ : "default");
    if (config)
        kubeconfig_free(config);
    return ns;
}

static int apply_token(const struct flags *flags, struct buf *token, struct err *err)
{
    const char *file = flag_value(flags, "token-file");
    if (!file) {
        buf_puts(token, str_or(getenv("MOONSAIL_TOKEN"), ""));
        return 0;
    }
    FILE *f = fopen(file, "re");
    char line[4096];
    if (!f)
        return err_set(err, "--token-file %s: %s", file, strerror(errno));
    if (fgets(line, sizeof(line), f))
        buf_append(token, line, strcspn(line, "\r\n"));
    fclose(f);
    return 0;
}

static int apply_through(const struct flags *flags, const char *server, const struct buf *manifest)
{
    struct applying a = {.loop = loop_new(), .code = EXIT_NO_HOST};
    struct buf request = {0}, token = {0};
    struct err err;
    char *ns = flag_value(flags, "namespace") ? mem_str(flag_value(flags, "namespace"))
                                              : apply_local_namespace(flags);
    a.show = apply_show(flags, a.loop);
    apply_write_request(flags, ns, manifest, &request);
    fprintf(stderr, "through %s, context %s\n", server, str_or(flag_value(flags, "context"), "of the host"));
    if (apply_token(flags, &token, &err) == 0) {
        a.remote = remote_start(&(struct remote_options){.loop = a.loop,
                                                         .server = server,
                                                         .token = token.len ? token.data : NULL,
                                                         .start = request.data,
                                                         .start_len = request.len,
                                                         .event = apply_remote_event,
                                                         .note = apply_remote_note,
                                                         .end = apply_remote_end,
                                                         .arg = &a},
                                &err);
    }
    if (a.remote) {
        apply_watch_signals(&a);
        loop_run(a.loop);
        apply_stop_watching(&a);
        remote_free(&a.remote);
    } else {
        a.code = command_fail(EXIT_USAGE, "%s", err.text);
    }
    show_free(a.show);
    buf_free(&request);
    buf_free(&token);
    free(ns);
    loop_close(a.loop);
    return a.code;
}

static int apply_run_command(const struct flags *flags)
{
    struct buf manifest = {0};
    struct err err;
    const char *color = flag_value(flags, "color"), *server = flag_value(flags, "server");
    int code;
    if (!*flag_list(flags, "filename"))
        return command_fail(EXIT_USAGE, "apply needs a manifest: moonsail apply -f FILE");
    if (!str_eq(color, "auto") && !str_eq(color, "always") && !str_eq(color, "never"))
        return command_fail(EXIT_USAGE, "--color must be auto, always or never, not \"%s\"", color);
    if (manifest_read(flag_list(flags, "filename"), &manifest, &err))
        code = command_fail(err.code == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED, "%s", err.text);
    else if (server && !flag_on(flags, "local") && !flag_value(flags, "kubeconfig"))
        code = apply_through(flags, server, &manifest);
    else
        code = apply_here(flags, &manifest);
    buf_free(&manifest);
    return code;
}

static const struct flag apply_flags[] = {
    {"filename", 'f', FLAG_LIST, "FILE|DIR|-", "manifest, folder of manifests, or - for standard input",
     NULL},
    {"namespace", 'n', FLAG_VALUE, "NS", "namespace; else the context's, else default", NULL},
    {"context", 0, FLAG_VALUE, "NAME", "context of the kubeconfig", NULL},
    {"dry-run", 0, FLAG_SWITCH, NULL, "ask the server what would happen and change nothing", NULL},
    {"force", 0, FLAG_SWITCH, NULL, "take fields that another manager owns", NULL},
    {"cluster-wide", 0, FLAG_SWITCH, NULL, "allow cluster-scoped objects and other namespaces", NULL},
    {"server", 0, FLAG_VALUE, "URL", "go through this host", NULL},
    {"token-file", 0, FLAG_VALUE, "FILE", "bearer token for the host; else $MOONSAIL_TOKEN", NULL},
    {"local", 0, FLAG_SWITCH, NULL, "in this process, whatever hosts there are", NULL},
    {"kubeconfig", 0, FLAG_VALUE, "FILE", "kubeconfig; implies --local", NULL},
    {"scripts", 0, FLAG_LIST, "DIR", "folder with resources/ flows/ guardrails/ lib/, in this process", NULL},
    {"json", 0, FLAG_SWITCH, NULL, "the events as they are on the wire, one a line", NULL},
    {"quiet", 'q', FLAG_SWITCH, NULL, "only errors and the last line", NULL},
    {"color", 0, FLAG_VALUE, "WHEN", "auto, always or never", "auto"},
    {0},
};

const struct command command_apply = {
    .name = "apply",
    .arguments = "-f FILE…",
    .help = "Applies manifests to a cluster by server-side apply and shows what happens to each document.",
    .flags = apply_flags,
    .run = apply_run_command,
};
