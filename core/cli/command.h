/* command.h: the commands of the one binary, a file each. */
#pragma once

#include "cli/flags.h"

#include <stddef.h>

/* Exit codes, the same for every command. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2, /* bad flag, file or configuration, port taken */
    EXIT_REFUSED = 3,
    EXIT_NO_HOST = 4, /* no host, no cluster, or lost for good */
    EXIT_CANCELLED = 130,
};

struct command {
    const char *name, *arguments, *help;
    const struct flag *flags;
    size_t words;                          /* how many words it takes at most */
    int (*run)(const struct flags *flags); /* returns the exit code */
};

extern const struct command command_serve, command_apply, command_check, command_doctor, command_version;

/* "moonsail: sentence" on stderr; returns `code`, so that a command ends with it. */
int command_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
