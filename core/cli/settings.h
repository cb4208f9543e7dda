/* settings.h: the flags of serve, which are also the settings of the configuration file. doctor takes
 * them too, so that it can tell what serve would use and where each value comes from. */
#pragma once

#include "cli/flags.h"

#define SETTINGS_FLAGS                                                                                         \
    {"listen",         0,       FLAG_VALUE, "HOST:PORT", "where to listen; port 0 takes any free one",         \
     "127.0.0.1:7070", "listen"},                                                                              \
        {"data",                                                                                               \
         0,                                                                                                    \
         FLAG_FILE,                                                                                            \
         "DIR",                                                                                                \
         "the host's own folder; else $STATE_DIRECTORY, $XDG_STATE_HOME/moonsail",                             \
         NULL,                                                                                                 \
         "data"},                                                                                              \
        {"kubeconfig",                                                                                         \
         0,                                                                                                    \
         FLAG_FILE,                                                                                            \
         "FILE",                                                                                               \
         "kubeconfig; else $KUBECONFIG, ~/.kube/config, the in-cluster account",                               \
         NULL,                                                                                                 \
         "kubeconfig"},                                                                                        \
        {"demo", 0,     FLAG_SWITCH, NULL, "start the demo cluster, even where there is a kubeconfig",         \
         NULL,   "demo"},                                                                                      \
        {"context", 0, FLAG_VALUE, "NAME", "context to use where a request names none", NULL, "context"},      \
        {"scripts",                                                                                            \
         0,                                                                                                    \
         FLAG_FILES,                                                                                           \
         "DIR",                                                                                                \
         "folder with resources/ flows/ guardrails/ lib/; later ones win",                                     \
         NULL,                                                                                                 \
         "scripts"},                                                                                           \
        {"auth",                                                                                               \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "MODE",                                                                                               \
         "who is let in: local is the host's own user on this machine",                                        \
         "local",                                                                                              \
         "auth.mode"},                                                                                         \
        {"shell",                                                                                              \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "MODE",                                                                                               \
         "commands: off, listed (shell.commands of the configuration) or any",                                 \
         "any",                                                                                                \
         "shell.mode"},                                                                                        \
        {"max-running",   0, FLAG_VALUE, "N", "executions at once; 1,000 more may wait", "64",                 \
         "limits.running"},                                                                                    \
        {"allow-host", 0, FLAG_LIST, "NAME", "another Host header to answer to", NULL, "allowHost"},           \
        {"allow-origin", 0, FLAG_LIST, "ORIGIN", "another Origin to answer to: scheme://host:port", NULL,      \
         "allowOrigin"},                                                                                       \
        {"metrics-listen",                                                                                     \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "HOST:PORT",                                                                                          \
         "where /metrics, /healthz and /readyz alone are served too, to whoever asks",                         \
         NULL,                                                                                                 \
         "metricsListen"},                                                                                     \
        {"history",                                                                                            \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "on|off",                                                                                             \
         "keep executions in the data folder, beyond the end of the host",                                     \
         "on",                                                                                                 \
         "history.enabled"},                                                                                   \
        {"history-executions",                                                                                 \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "N",                                                                                                  \
         "ended executions that are kept; the oldest go first",                                                \
         "1000",                                                                                               \
         "history.executions"},                                                                                \
        {"history-days", 0, FLAG_VALUE, "N", "days that they are kept", "30", "history.days"},                 \
        {"history-journal", 0, FLAG_VALUE, "SIZE", "of one execution on disk; its middle goes first", "64MiB", \
         "history.journal"},                                                                                   \
        {"history-tail-lines",                                                                                 \
         0,                                                                                                    \
         FLAG_VALUE,                                                                                           \
         "N",                                                                                                  \
         "newest lines of an execution in memory, where all are on disk",                                      \
         "500",                                                                                                \
         "history.tailLines"},                                                                                 \
        {"history-tail-bytes", 0, FLAG_VALUE, "SIZE", "their size at most", "1MiB", "history.tailBytes"},      \
        {"log", 0, FLAG_VALUE, "FORMAT", "text or json, on stderr", "text", "log"},                            \
        {"log-level", 0, FLAG_VALUE, "LEVEL", "debug, info, warn or error", "info", "logLevel"},               \
    {                                                                                                          \
        "config", 0, FLAG_FILE, "FILE",                                                                        \
            "configuration; else $XDG_CONFIG_HOME/moonsail/config.yaml, /etc/moonsail/config.yaml", NULL,      \
            NULL                                                                                               \
    }

/* Of the configuration file alone. */
#define SETTINGS_SHELL                                                                                       \
    {"shell.commands", 0, FLAG_LIST, NULL, NULL, NULL, "shell.commands"},                                    \
        {"shell.roots", 0, FLAG_FILES, NULL, NULL, NULL, "shell.roots"},                                     \
        {"shell.env", 0, FLAG_LIST, NULL, NULL, NULL, "shell.env"},                                          \
        {"shell.timeout", 0, FLAG_VALUE, NULL, NULL, "1h", "shell.timeout"},                                 \
        {"shell.maxOutput", 0, FLAG_VALUE, NULL, NULL, "64MiB", "shell.maxOutput"},                          \
    {                                                                                                        \
        "shell.maxProcesses", 0, FLAG_VALUE, NULL, NULL, "256", "shell.maxProcesses"                         \
    }

struct err;
struct shell;

/* --shell and what the configuration file says of it. -1 with err. */
int settings_shell(const struct flags *flags, struct shell *shell, struct err *err);
