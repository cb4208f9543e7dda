/* flags.h: a command's flags as a table: parsed from the command line and the environment, shown by --help.
 *
 * Long flags take --x V and --x=V; -- ends flags. What is not given on the line comes from MOONSAIL_X
 * (lists split at ':'), else from the table's default. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;

enum flag_kind { FLAG_SWITCH, FLAG_VALUE, FLAG_LIST };

struct flag {
    const char *name; /* "listen"; the table ends with NULL */
    char letter;      /* 'n' or 0 */
    enum flag_kind kind;
    const char *value; /* the word in --help: "HOST:PORT" */
    const char *help;
    const char *otherwise; /* the default, or NULL */
};

struct flags;

/* NULL with err, a sentence that names the nearest flag. `words` may be given (no more than `most`). */
struct flags *flags_parse(const struct flag *table, int argc, char **argv, size_t most, struct err *err);
void flags_free(struct flags *flags);

bool flags_help(const struct flags *flags); /* --help was given: nothing else was checked */
bool flag_on(const struct flags *flags, const char *name);
const char *flag_value(const struct flags *flags, const char *name);       /* NULL where there is none */
const char *const *flag_list(const struct flags *flags, const char *name); /* ends with NULL */
const char *const *flags_words(const struct flags *flags, size_t *count);

/* Writes the table to stdout, as --help shows it. */
void flags_print(const struct flag *table);
