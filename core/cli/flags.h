/* flags.h: a command's flags as a table: what the command line, the environment and the configuration
 * file say, in this order, else the default. --help, the man page and the completions come from it too.
 *
 * Long flags take --x V and --x=V; -- ends flags. In the environment a flag is MOONSAIL_ and its name in
 * capitals; lists of paths are split at ':', other lists at ','. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct config;
struct err;

enum flag_kind {
    FLAG_SWITCH,
    FLAG_VALUE,
    FLAG_LIST,
    FLAG_FILE,  /* a path: in a configuration file relative to that file */
    FLAG_FILES, /* a list of paths */
};

/* One without help stands in the configuration file only: it is no flag, and its name is its key. */
struct flag {
    const char *name; /* "listen"; the table ends with NULL */
    char letter;      /* 'n' or 0 */
    enum flag_kind kind;
    const char *value;     /* the word in --help: "HOST:PORT" */
    const char *help;      /* NULL: see above */
    const char *otherwise; /* the default, or NULL */
    const char *key;       /* in the configuration file: "shell.mode"; NULL: not there */
};

struct flags;

/* The command line alone, with at most `most` words beside the flags; with `words_end` nothing is a flag
 * behind the first word. NULL with err, a sentence that names the nearest flag. */
struct flags *flags_parse(const struct flag *table, char **argv, size_t most, bool words_end,
                          struct err *err);
void flags_free(struct flags *flags);

/* The rest of what says a value: the environment, `config` (NULL: none), the defaults. -1 with err for a
 * value that does not fit its flag. */
int flags_complete(struct flags *flags, const struct config *config, struct err *err);

/* Does every setting of the file stand in the table? -1 with "FILE:LINE:COLUMN: …". */
int flags_check_config(const struct flag *table, const struct config *config, struct err *err);

bool flags_help(const struct flags *flags); /* --help was given: nothing else was checked */
bool flag_known(const struct flags *flags, const char *name);
bool flag_on(const struct flags *flags, const char *name);
const char *flag_value(const struct flags *flags, const char *name);       /* NULL where there is none */
const char *const *flag_list(const struct flags *flags, const char *name); /* ends with NULL */
const char *const *flags_words(const struct flags *flags, size_t *count);

/* Where the value comes from: "flag", "MOONSAIL_LISTEN", "/etc/moonsail/config.yaml:3", "default". */
const char *flag_source(const struct flags *flags, const char *name);

/* Prints the table, as --help shows it. */
void flags_print(const struct flag *table);
/* MOONSAIL_X of a flag; the caller frees. */
char *flag_environment(const struct flag *flag);
