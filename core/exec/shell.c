#include "exec/shell.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SHELL_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static const char *const none[] = {NULL};

static const char *const *shell_list(const char *const *list)
{
    return list ? list : none;
}

void shell_complete(struct shell *shell)
{
    if (!shell->timeout_ms)
        shell->timeout_ms = SHELL_TIMEOUT_S * UINT64_C(1000);
    if (!shell->max_output)
        shell->max_output = (uint64_t)SHELL_OUTPUT_MIB << 20;
    if (!shell->max_processes)
        shell->max_processes = SHELL_PROCESSES;
}

static const char *shell_home(void)
{
    const char *home = getenv("HOME");
    struct passwd *account = str_empty(home) ? getpwuid(geteuid()) : NULL;
    return !str_empty(home) ? home : account ? account->pw_dir : "/";
}

/* The length of the name of an entry of shell.env; 0: it has none. */
static size_t shell_env_name(const char *entry)
{
    return strcspn(entry, "=");
}

int shell_check(const struct shell *shell, struct err *err)
{
    struct stat st;
    for (const char *const *root = shell_list(shell->roots); *root; root++)
        if (stat(*root, &st) || !S_ISDIR(st.st_mode))
            return err_code(err, ERR_BAD_REQUEST, "shell.roots: %s is no folder: make it, or take it out",
                            *root);
    for (const char *const *entry = shell_list(shell->env); *entry; entry++) {
        size_t n = shell_env_name(*entry);
        if (n == 0 || (n == 4 && str_starts(*entry, "PATH")))
            return err_code(err, ERR_BAD_REQUEST,
                            "shell.env: \"%s\" must be NAME or NAME=value, and PATH is fixed", *entry);
    }
    for (const char *const *command = shell_list(shell->commands); *command; command++)
        if (str_empty(*command) || (strchr(*command, '/') && **command != '/'))
            return err_code(err, ERR_BAD_REQUEST, "shell.commands: \"%s\" must be a name or an absolute path",
                            *command);
    return 0;
}

int shell_admit(const struct shell *shell, const char *command, struct err *err)
{
    if (shell->mode == SHELL_OFF)
        return err_code(err, ERR_FORBIDDEN, "commands are off on this host (--shell off)");
    if (shell->mode == SHELL_ANY)
        return 0;
    for (const char *const *listed = shell_list(shell->commands); *listed; listed++)
        if (str_eq(*listed, command))
            return 0;
    return err_code(err, ERR_FORBIDDEN,
                    "the command %s is not one of those that this host runs (--shell listed: see "
                    "shell.commands in its configuration)",
                    command);
}

char *shell_find(const char *command, struct err *err)
{
    if (strchr(command, '/'))
        return mem_str(command);
    for (const char *at = SHELL_PATH; *at;) {
        size_t n = strcspn(at, ":");
        char *path = mem_printf("%.*s/%s", (int)n, at, command);
        struct stat st;
        if (access(path, X_OK) == 0 && stat(path, &st) == 0 && S_ISREG(st.st_mode))
            return path;
        free(path);
        at += n + (at[n] == ':');
    }
    err_code(err, ERR_NOT_FOUND, "%s: command not found in %s", command, SHELL_PATH);
    return NULL;
}

static int shell_below(const char *dir, const char *root)
{
    size_t n = strlen(root);
    return str_eq(root, "/") || (str_starts(dir, root) && (dir[n] == '/' || dir[n] == '\0'));
}

/* The folders below which commands may run, as a sentence says them. */
static char *shell_roots_text(const char *const *roots)
{
    char *text = mem_str(roots[0]);
    for (size_t i = 1; roots[i]; i++) {
        char *more = mem_printf("%s and %s", text, roots[i]);
        free(text);
        text = more;
    }
    return text;
}

char *shell_folder(const struct shell *shell, const char *wanted, struct err *err)
{
    char real[PATH_MAX], root[PATH_MAX];
    const char *home = shell_home(), *home_only[] = {home, NULL};
    const char *const *roots = *shell_list(shell->roots) ? shell->roots : home_only;
    const char *dir = str_or(wanted, home);
    if (!realpath(dir, real)) {
        err_code(err, ERR_NOT_FOUND, "%s %s: %s", str_empty(wanted) ? "home folder" : "workingDir", dir,
                 strerror(errno));
        return NULL;
    }
    for (size_t i = 0; roots[i]; i++)
        if (realpath(roots[i], root) && shell_below(real, root))
            return mem_str(real);
    if (str_empty(wanted) && realpath(roots[0], root))
        return mem_str(root);
    char *text = shell_roots_text(roots);
    err_code(err, ERR_FORBIDDEN, "workingDir %s lies outside %s, where commands may run", dir, text);
    free(text);
    return NULL;
}

/* In place of what is there by this name. */
static void shell_env_put(char **env, size_t *count, char *entry)
{
    size_t n = shell_env_name(entry) + 1, i = 0;
    while (i < *count && strncmp(env[i], entry, n) != 0)
        i++;
    if (i == *count)
        ++*count;
    else
        free(env[i]);
    env[i] = entry;
}

char **shell_environment(const struct shell *shell)
{
    const char *const *more = shell_list(shell->env);
    size_t n = 0, count = 0;
    while (more[n])
        n++;
    char **env = mem_new((n + 5) * sizeof(*env));
    shell_env_put(env, &count, mem_str("PATH=" SHELL_PATH));
    shell_env_put(env, &count, mem_printf("HOME=%s", shell_home()));
    shell_env_put(env, &count, mem_printf("LANG=%s", str_or(getenv("LANG"), "C.UTF-8")));
    if (getenv("KUBECONFIG"))
        shell_env_put(env, &count, mem_printf("KUBECONFIG=%s", getenv("KUBECONFIG")));
    for (; *more; more++) {
        if (strchr(*more, '='))
            shell_env_put(env, &count, mem_str(*more));
        else if (getenv(*more))
            shell_env_put(env, &count, mem_printf("%s=%s", *more, getenv(*more)));
    }
    return env;
}

void shell_environment_free(char **env)
{
    for (char **entry = env; *entry; entry++)
        free(*entry);
    free(env);
}
