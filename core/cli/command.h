/* command.h: the commands of the one binary, a file each. */
#pragma once

#include "cli/flags.h"

#include <stdbool.h>
#include <stddef.h>

/* Exit codes, the same for every command. */
enum {
    EXIT_OK = 0,
    EXIT_FAILED = 1,
    EXIT_USAGE = 2, /* bad flag, file or configuration, port taken */
    EXIT_REFUSED = 3,
    EXIT_NO_HOST = 4,       /* no host, no cluster, or lost for good */
    EXIT_NOT_STARTED = 125, /* run: refused, no host, bad flag */
    EXIT_CANCELLED = 130,
};

struct command {
    const char *name, *arguments, *help;
    const struct flag *flags;
    size_t words; /* how many words it takes at most */
    bool hidden;
    bool words_end_flags;                  /* from the first word on nothing is a flag: COMMAND ARG… */
    int bad_flag;                          /* exit code for one; 0: EXIT_USAGE */
    int (*run)(const struct flags *flags); /* returns the exit code */
};

extern const struct command command_serve, command_apply, command_run, command_flow, command_list,
    command_logs, command_attach, command_cancel, command_check, command_doctor, command_version,
    command_completion, command_man, command_demo, command_test, command_new;

/* All of them, ends with NULL; those with hidden set are for the build, not for people. */
const struct command *const *command_all(void);

/* "moonsail: sentence" on stderr; returns `code`, so that a command ends with it. */
int command_fail(int code, const char *format, ...) __attribute__((format(printf, 2, 3)));
