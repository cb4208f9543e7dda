/* shell.h: what the operator lets commands do: which, where, with what environment, how much.
 *
 * A plain value; its lists are the operator's settings and stay as long as the host. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;

enum shell_mode { SHELL_OFF, SHELL_LISTED, SHELL_ANY };

struct shell {
    enum shell_mode mode;
    /* Of SHELL_LISTED: names, which the fixed PATH finds, or absolute paths. These lists end with NULL, or
     * are NULL. */
    const char *const *commands;
    const char *const *roots; /* working folders lie below one of these; none: below home */
    const char *const *env;   /* NAME, with the host's own value, or NAME=value */
    uint64_t timeout_ms, max_output;
    size_t max_processes;
};

enum {
    SHELL_TIMEOUT_S = 3600,
    SHELL_OUTPUT_MIB = 64,
    SHELL_PROCESSES = 256,
};

/* The defaults in place of limits that are 0. */
void shell_complete(struct shell *shell);

/* Are the settings usable: roots that are there, an environment of names? -1 with err. */
int shell_check(const struct shell *shell, struct err *err);

/* May this command run? -1 with err (ERR_FORBIDDEN). */
int shell_admit(const struct shell *shell, const char *command, struct err *err);

/* The file of a command: a path as it is, a name by the fixed PATH. The caller frees; NULL with err
 * (ERR_NOT_FOUND). */
char *shell_find(const char *command, struct err *err);

/* The real path of the working folder, which must lie below a root; "": home, or the first root where home
 * lies below none. The caller frees; NULL with err. */
char *shell_folder(const struct shell *shell, const char *wanted, struct err *err);

/* PATH, HOME, LANG, KUBECONFIG and what the operator adds. Ends with NULL; shell_environment_free(). */
char **shell_environment(const struct shell *shell);
void shell_environment_free(char **env);
