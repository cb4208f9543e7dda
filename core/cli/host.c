#include "cli/host.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "cli/demo-child.h"
#include "exec/execution.h"
#include "io/history.h"
#include "io/redact.h"
#include "kube/cluster.h"
#include "kube/kubeconfig.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <curl/curl.h>
#include <errno.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

char *host_shipped(struct err *err)
{
    static const char *const places[] = {"../share/moonsail", "../.."};
    char binary[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
    if (n < 0) {
        err_set(err, "cannot find out where this binary lies: %s", strerror(errno));
        return NULL;
    }
    binary[n] = '\0';
    const char *folder = dirname(binary);
    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        char *root = mem_printf("%s/%s", folder, places[i]);
        char *lib = mem_printf("%s/scripts/lib", root);
        char *real = access(lib, R_OK) == 0 ? realpath(root, NULL) : NULL;
        free(lib);
        free(root);
        if (real)
            return real;
    }
    err_set(err, "the shipped scripts are not there: looked in %s/%s and %s/%s", folder, places[0], folder,
            places[1]);
    return NULL;
}

char *host_panel(void)
{
    static const char *const places[] = {"../share/moonsail/ui", "../ui"};
    char binary[PATH_MAX];
    char *found = NULL;
    ssize_t n = readlink("/proc/self/exe", binary, sizeof(binary) - 1);
    if (n < 0)
        return NULL;
    binary[n] = '\0';
    const char *folder = dirname(binary);
    for (size_t i = 0; !found && i < sizeof(places) / sizeof(places[0]); i++) {
        char *page = mem_printf("%s/%s/index.html", folder, places[i]);
        if (access(page, R_OK) == 0)
            found = mem_printf("%s/%s", folder, places[i]);
        free(page);
    }
    return found;
}

static void host_log_filter(void *arg, const char *text, size_t len, struct buf *out)
{
    redact_line(arg, NULL, text, len, out);
}

/* Never in the place of a cluster that somebody has named, be it dead. */
static bool host_wants_demo(const struct host_options *options)
{
    struct err why = {0};
    if (!options->demo_data)
        return false;
    if (options->demo_always)
        return true;
    struct kubeconfig *config = kubeconfig_load(options->kubeconfig, &why);
    bool found = config != NULL;
    kubeconfig_free(config);
    return !found && why.code == ERR_NOT_FOUND;
}

/* A host that cannot keep anything is still one that can run things. */
static void host_open_history(struct host *host, const struct history_settings *settings)
{
    struct err err;
    if (!settings->dir)
        return;
    host->history = history_open(
        &(struct history_options){
            .loop = host->loop,
            .dir = settings->dir,
            .executions = settings->executions,
            .days = settings->days,
            .journal_bytes = settings->journal,
        },
        &err);
    if (!host->history)
        log_error("no history: %s; executions are kept in memory only, until that is mended and the host is "
                  "started again",
                  err.text);
}

int host_open(struct host *host, const struct host_options *options, struct err *err)
{
    *host = (struct host){0};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    host->loop = loop_new();
    host->redactor = redactor_new(err);
    if (!host->redactor)
        return -1;
    log_set_filter(host_log_filter, host->redactor);
    char *shipped = host_shipped(err);
    if (!shipped)
        return -1;
    host->packs = packs_new(host->loop, shipped, options->scripts);
    free(shipped);
    if (host_wants_demo(options)) {
        host->demo = demo_child_start(host->loop, options->demo_data, err);
        if (!host->demo)
            return -1;
        log_info("the cluster is the demo cluster that ships with the host: nothing in it is real");
    }
    host->clusters =
        clusters_new(host->loop,
                     &(struct clusters_options){
                         .kubeconfig = host->demo ? demo_child_kubeconfig(host->demo) : options->kubeconfig,
                         .context = options->context,
                         .demo = host->demo != NULL,
                     },
                     err);
    if (!host->clusters)
        return -1;
    host_open_history(host, &options->history);
    host->executions = executions_new(&(struct executions_options){
        .loop = host->loop,
        .clusters = host->clusters,
        .packs = host->packs,
        .redactor = host->redactor,
        .max_running = options->max_running,
        .shell = options->shell,
        .history = host->history,
        .max_kept = options->history.executions,
        .tail_lines = options->history.tail_lines,
        .tail_bytes = options->history.tail_bytes,
    });
    return 0;
}

int host_close(struct host *host)
{
    if (host->executions)
        executions_free(host->executions);
    history_close(host->history);
    if (host->clusters)
        clusters_free(host->clusters);
    if (host->packs)
        packs_free(host->packs);
    demo_child_stop(host->demo);
    int open = loop_close(host->loop);
    log_set_filter(NULL, NULL);
    redactor_free(host->redactor);
    curl_global_cleanup();
    return open;
}
