/* settings.h: the flags of serve, which are also the settings of the configuration file. doctor takes
 * them too, so that it can tell what serve would use and where each value comes from. */
#pragma once

#include "cli/flags.h"

#define SETTINGS_FLAGS                                                                                       \
    {"listen",         0,       FLAG_VALUE, "HOST:PORT", "where to listen; port 0 takes any free one",       \
     "127.0.0.1:7070", "listen"},                                                                            \
        {"data",                                                                                             \
         0,                                                                                                  \
         FLAG_FILE,                                                                                          \
         "DIR",                                                                                              \
         "the host's own folder; else $STATE_DIRECTORY, $XDG_STATE_HOME/moonsail",                           \
         NULL,                                                                                               \
         "data"},                                                                                            \
        {"kubeconfig",                                                                                       \
         0,                                                                                                  \
         FLAG_FILE,                                                                                          \
         "FILE",                                                                                             \
         "kubeconfig; else $KUBECONFIG, ~/.kube/config, the in-cluster account",                             \
         NULL,                                                                                               \
         "kubeconfig"},                                                                                      \
        {"demo", 0,     FLAG_SWITCH, NULL, "start the demo cluster, even where there is a kubeconfig",       \
         NULL,   "demo"},                                                                                    \
        {"context", 0, FLAG_VALUE, "NAME", "context to use where a request names none", NULL, "context"},    \
        {"scripts",                                                                                          \
         0,                                                                                                  \
         FLAG_FILES,                                                                                         \
         "DIR",                                                                                              \
         "folder with resources/ flows/ guardrails/ lib/; later ones win",                                   \
         NULL,                                                                                               \
         "scripts"},                                                                                         \
        {"auth",                                                                                             \
         0,                                                                                                  \
         FLAG_VALUE,                                                                                         \
         "MODE",                                                                                             \
         "who is let in: local is the host's own user on this machine",                                      \
         "local",                                                                                            \
         "auth.mode"},                                                                                       \
        {"shell", 0, FLAG_VALUE, "MODE", "commands: any or off", "any", "shell.mode"},                       \
        {"max-running",   0, FLAG_VALUE, "N", "executions at once; 1,000 more may wait", "64",               \
         "limits.running"},                                                                                  \
        {"allow-host", 0, FLAG_LIST, "NAME", "another Host header to answer to", NULL, "allowHost"},         \
        {"allow-origin", 0, FLAG_LIST, "ORIGIN", "another Origin to answer to: scheme://host:port", NULL,    \
         "allowOrigin"},                                                                                     \
        {"metrics-listen",                                                                                   \
         0,                                                                                                  \
         FLAG_VALUE,                                                                                         \
         "HOST:PORT",                                                                                        \
         "where /metrics, /healthz and /readyz alone are served too, to whoever asks",                       \
         NULL,                                                                                               \
         "metricsListen"},                                                                                   \
        {"log", 0, FLAG_VALUE, "FORMAT", "text or json, on stderr", "text", "log"},                          \
        {"log-level", 0, FLAG_VALUE, "LEVEL", "debug, info, warn or error", "info", "logLevel"},             \
    {                                                                                                        \
        "config", 0, FLAG_FILE, "FILE",                                                                      \
            "configuration; else $XDG_CONFIG_HOME/moonsail/config.yaml, /etc/moonsail/config.yaml", NULL,    \
            NULL                                                                                             \
    }
