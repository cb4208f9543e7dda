/* session.h: one execution as a command follows it: through a running host, or in this process with a
 * host of its own; shown as it goes, cancelled by Ctrl-C.
 *
 * Which one: --server (or MOONSAIL_SERVER), else the host that holds the lock of --data, else this
 * process. --local and --kubeconfig are this process. */
#pragma once

#include "base/buf.h"
#include "cli/flags.h"
#include "cli/show.h"

#include <stdbool.h>

struct err;

/* The flags that every command about executions has. */
#define SESSION_FLAGS                                                                                        \
    {"server", 0, FLAG_VALUE, "URL", "the host; else the one that holds the lock of --data", NULL, NULL},    \
        {"token-file", 0, FLAG_FILE, "FILE", "bearer token for the host; else $MOONSAIL_TOKEN", NULL, NULL}, \
        {"data", 0, FLAG_FILE, "DIR", "data folder of the host to look for", NULL, "data"},                  \
        {"json", 0, FLAG_SWITCH, NULL, "what is on the wire, as JSON on stdout", NULL, NULL},                \
        {"quiet", 'q', FLAG_SWITCH, NULL, "only errors and the last line", NULL, NULL},                      \
    {                                                                                                        \
        "color", 0, FLAG_VALUE, "WHEN", "auto, always or never", "auto", NULL                                \
    }

/* And those that can do without a host. */
#define SESSION_LOCAL_FLAGS                                                                                  \
    {"local", 0, FLAG_SWITCH, NULL, "in this process, whatever hosts there are", NULL, NULL},                \
        {"kubeconfig", 0, FLAG_FILE, "FILE", "kubeconfig; implies --local", NULL, "kubeconfig"},             \
        {"context", 0, FLAG_VALUE, "NAME", "context of the kubeconfig", NULL, "context"},                    \
    {                                                                                                        \
        "scripts", 0, FLAG_FILES, "DIR", "folder with resources/ flows/ guardrails/ lib/, in this process",  \
            NULL, "scripts"                                                                                  \
    }

/* Writes the start request as JSON; `ns` is the namespace that holds where none was named. */
typedef void session_request_fn(const struct flags *flags, const char *ns, void *arg, struct buf *out);

struct session_options {
    const struct flags *flags;
    session_request_fn *request;
    void *arg;
    bool needs_cluster; /* in this process: without one it is exit 4 */
    enum show_kind kind;
};

/* Starts it, shows it to its end, and returns the exit code. */
int session_run(const struct session_options *options);

/* Watches an execution of a host from after `after_seq`; Ctrl-C only leaves. Returns the exit code. */
int session_watch(const struct flags *flags, const char *id, unsigned long long after_seq,
                  enum show_kind kind);

/* The host to speak to: { url, token } or an exit code with a message already given. */
struct session_host {
    char *url, *token; /* url NULL: none */
};
int session_find_host(const struct flags *flags, struct session_host *host);
void session_host_free(struct session_host *host);

/* A host, or the message that there is none and exit code 4. */
int session_need_host(const struct flags *flags, struct session_host *host);
