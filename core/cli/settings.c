#include "cli/settings.h"

#include "base/err.h"
#include "base/str.h"
#include "exec/shell.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

struct settings_unit {
    const char *name; /* the table ends with NULL */
    uint64_t factor;
};

/* "64MiB", "1h": a whole number from 1 on and one of the units. -1 with err, which names an example. */
static int settings_number(const struct flags *flags, const char *name, const struct settings_unit *units,
                           uint64_t most, const char *example, uint64_t *value, struct err *err)
{
    const char *text = flag_value(flags, name);
    char *end = NULL;
    errno = 0;
    unsigned long long n = isdigit((unsigned char)*text) ? strtoull(text, &end, 10) : 0;
    for (; n > 0 && errno == 0 && units->name; units++) {
        if (!str_eq(end, units->name) || n > most / units->factor)
            continue;
        *value = n * units->factor;
        return 0;
    }
    return err_code(err, ERR_BAD_REQUEST, "%s must be like %s, not \"%s\" (%s)", name, example, text,
                    flag_source(flags, name));
}

int settings_shell(const struct flags *flags, struct shell *shell, struct err *err)
{
    static const struct settings_unit
        time[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {NULL, 0}},
        size[] = {{"KiB", 1 << 10}, {"MiB", 1 << 20}, {"GiB", 1 << 30}, {NULL, 0}},
        plain[] = {{"", 1}, {NULL, 0}};
    const char *mode = flag_value(flags, "shell");
    uint64_t processes = 0;
    *shell = (struct shell){
        .mode = str_eq(mode, "off")      ? SHELL_OFF
                : str_eq(mode, "listed") ? SHELL_LISTED
                                         : SHELL_ANY,
        .commands = flag_list(flags, "shell.commands"),
        .roots = flag_list(flags, "shell.roots"),
        .env = flag_list(flags, "shell.env"),
    };
    if (shell->mode == SHELL_ANY && !str_eq(mode, "any"))
        return err_code(err, ERR_BAD_REQUEST, "--shell must be off, listed or any, not \"%s\"", mode);
    if (settings_number(flags, "shell.timeout", time, UINT64_C(366) * 24 * 3600000, "90s, 30m or 1h",
                        &shell->timeout_ms, err) ||
        settings_number(flags, "shell.maxOutput", size, UINT64_C(1) << 50, "512KiB, 64MiB or 1GiB",
                        &shell->max_output, err) ||
        settings_number(flags, "shell.maxProcesses", plain, 1000000, "256", &processes, err))
        return -1;
    shell->max_processes = (size_t)processes;
    return shell_check(shell, err);
}
