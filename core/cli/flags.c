#include "cli/flags.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/text.h"
#include "io/config.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct flag_values {
    const char **items; /* ends with NULL */
    size_t count;
    bool given;
    const char *source;
};

struct flags {
    const struct flag *table;
    struct flag_values *values; /* one a row of the table */
    struct flag_values words;
    char **owned; /* strings that were made here, ends with NULL */
    size_t owned_count;
    bool help;
};

static void values_add(struct flag_values *v, const char *value)
{
    v->items = mem_grow(v->items, (v->count + 2) * sizeof(*v->items));
    v->items[v->count++] = value;
    v->items[v->count] = NULL;
}

static char *flags_own(struct flags *f, char *text)
{
    f->owned = mem_grow(f->owned, (f->owned_count + 1) * sizeof(*f->owned));
    f->owned[f->owned_count++] = text;
    return text;
}

static size_t flags_rows(const struct flag *table)
{
    size_t n = 0;
    while (table[n].name)
        n++;
    return n;
}

void flags_free(struct flags *f)
{
    if (!f)
        return;
    for (size_t i = 0; i < flags_rows(f->table); i++)
        free(f->values[i].items);
    for (size_t i = 0; i < f->owned_count; i++)
        free(f->owned[i]);
    free(f->owned);
    free(f->values);
    free(f->words.items);
    free(f);
}

static int flags_unknown(const struct flags *f, const char *name, struct err *err)
{
    size_t n = flags_rows(f->table);
    const char **names = mem_new((n + 1) * sizeof(*names));
    for (size_t i = 0, k = 0; i < n; i++)
        if (f->table[i].help)
            names[k++] = f->table[i].name;
    const char *nearest = str_nearest(name, names);
    free(names);
    if (nearest)
        return err_code(err, ERR_BAD_REQUEST, "unknown flag --%s; did you mean --%s?", name, nearest);
    return err_code(err, ERR_BAD_REQUEST, "unknown flag --%s", name);
}

/* The row that a word of the command line names; *value is what stands behind '='. */
static long flags_row(struct flags *f, const char *word, const char **value, struct err *err)
{
    size_t n = flags_rows(f->table);
    *value = NULL;
    if (word[1] != '-') {
        for (size_t i = 0; i < n; i++)
            if (f->table[i].letter == word[1]) {
                if (word[2])
                    *value = word + 2 + (word[2] == '=');
                return (long)i;
            }
        return err_code(err, ERR_BAD_REQUEST, "unknown flag %s", word);
    }
    char *name = flags_own(f, mem_str(word + 2));
    char *equals = strchr(name, '=');
    if (equals) {
        *equals = '\0';
        *value = equals + 1;
    }
    for (size_t i = 0; i < n; i++)
        if (f->table[i].help && str_eq(f->table[i].name, name))
            return (long)i;
    return flags_unknown(f, name, err);
}

static bool flag_is_list(const struct flag *flag)
{
    return flag->kind == FLAG_LIST || flag->kind == FLAG_FILES;
}

static int flags_take(struct flags *f, const char *word, char ***rest, struct err *err)
{
    const char *value;
    long row = flags_row(f, word, &value, err);
    if (row < 0)
        return -1;
    const struct flag *flag = &f->table[row];
    struct flag_values *v = &f->values[row];
    if (flag->kind == FLAG_SWITCH && value)
        return err_code(err, ERR_BAD_REQUEST, "--%s takes no value", flag->name);
    if (flag->kind != FLAG_SWITCH && !value && !(value = *++*rest))
        return err_code(err, ERR_BAD_REQUEST, "--%s needs a value: %s", flag->name, flag->value);
    if (!flag_is_list(flag))
        v->count = 0;
    v->given = true;
    v->source = "flag";
    values_add(v, value ? value : "");
    return 0;
}

char *flag_environment(const struct flag *flag)
{
    char *name = mem_printf("MOONSAIL_%s", flag->name);
    for (char *p = name; *p; p++)
        *p = *p == '-' ? '_' : (char)toupper((unsigned char)*p);
    return name;
}

static void flags_from_environment(struct flags *f, const struct flag *flag, struct flag_values *v)
{
    char *name = flags_own(f, flag_environment(flag));
    const char *value = getenv(name);
    if (str_empty(value))
        return;
    v->given = true;
    v->source = name;
    if (flag->kind == FLAG_SWITCH) {
        v->given = !str_eq(value, "0") && !str_eq(value, "false") && !str_eq(value, "no");
    } else if (!flag_is_list(flag)) {
        values_add(v, value);
    } else {
        /* Paths are split as PATH is; other lists hold colons of their own (http://host:port). */
        const char *separator = flag->kind == FLAG_FILES ? ":" : ",";
        char *copy = flags_own(f, mem_str(value)), *at;
        for (char *part = strtok_r(copy, separator, &at); part; part = strtok_r(NULL, separator, &at))
            values_add(v, part);
    }
}

static int flags_from_config(struct flags *f, const struct flag *flag, struct flag_values *v,
                             const struct config *config, struct err *err)
{
    const struct config_setting *s = flag->key ? config_find(config, flag->key) : NULL;
    if (!s)
        return 0;
    v->source = flags_own(f, mem_printf("%s:%zu", config->file, s->line));
    if (s->is_list && !flag_is_list(flag))
        return err_code(err, ERR_BAD_REQUEST, "%s:%zu:%zu: %s must be one value, not a list", config->file,
                        s->line, s->column, s->key);
    if (flag->kind == FLAG_SWITCH) {
        if (!str_eq(s->values[0], "true") && !str_eq(s->values[0], "false"))
            return err_code(err, ERR_BAD_REQUEST, "%s:%zu:%zu: %s must be true or false", config->file,
                            s->line, s->column, s->key);
        v->given = str_eq(s->values[0], "true");
        return 0;
    }
    bool path = flag->kind == FLAG_FILE || flag->kind == FLAG_FILES;
    for (char **value = s->values; *value; value++)
        values_add(v, path ? flags_own(f, config_path(config, *value)) : *value);
    v->given = true;
    return 0;
}

int flags_complete(struct flags *f, const struct config *config, struct err *err)
{
    for (size_t i = 0; f->table[i].name; i++) {
        struct flag_values *v = &f->values[i];
        if (!v->given && !v->source && f->table[i].help)
            flags_from_environment(f, &f->table[i], v);
        if (!v->given && !v->source && flags_from_config(f, &f->table[i], v, config, err))
            return -1;
        if (v->source)
            continue;
        v->source = "default";
        if (f->table[i].otherwise)
            values_add(v, f->table[i].otherwise);
    }
    return 0;
}

int flags_check_config(const struct flag *table, const struct config *config, struct err *err)
{
    size_t n = flags_rows(table);
    const char **keys = mem_new((n + 1) * sizeof(char *));
    int rc = 0;
    for (size_t i = 0, k = 0; i < n; i++)
        if (table[i].key)
            keys[k++] = table[i].key;
    for (size_t i = 0; rc == 0 && i < config->count; i++) {
        const struct config_setting *s = &config->settings[i];
        bool known = false;
        for (const char **key = keys; *key; key++)
            known = known || str_eq(*key, s->key);
        const char *nearest = known ? NULL : str_nearest(s->key, keys);
        if (!known)
            rc = err_code(err, ERR_BAD_REQUEST, "%s:%zu:%zu: unknown setting \"%s\"%s%s%s", config->file,
                          s->line, s->column, s->key, nearest ? "; did you mean \"" : "",
                          nearest ? nearest : "", nearest ? "\"?" : "");
    }
    free(keys);
    return rc;
}

static int flags_read(struct flags *f, char **argv, size_t most, bool words_end, struct err *err)
{
    bool only_words = false;
    for (char **at = argv; *at; at++) {
        if (!only_words && str_eq(*at, "--")) {
            only_words = true;
        } else if (!only_words && (str_eq(*at, "--help") || str_eq(*at, "-h"))) {
            f->help = true;
            return 0;
        } else if (!only_words && (*at)[0] == '-' && (*at)[1]) {
            if (flags_take(f, *at, &at, err))
                return -1;
        } else if (f->words.count == most) {
            return err_code(err, ERR_BAD_REQUEST, "unexpected argument \"%s\"", *at);
        } else {
            values_add(&f->words, *at);
            only_words = only_words || words_end;
        }
    }
    return 0;
}

struct flags *flags_parse(const struct flag *table, char **argv, size_t most, bool words_end, struct err *err)
{
    struct flags *f = mem_new(sizeof(*f));
    f->table = table;
    f->values = mem_new((flags_rows(table) + 1) * sizeof(*f->values));
    if (flags_read(f, argv, most, words_end, err)) {
        flags_free(f);
        return NULL;
    }
    return f;
}

static const struct flag_values *flags_find(const struct flags *f, const char *name)
{
    for (size_t i = 0; f->table[i].name; i++)
        if (str_eq(f->table[i].name, name))
            return &f->values[i];
    abort(); /* a name that the table does not have is a fault of ours */
}

bool flags_help(const struct flags *f)
{
    return f->help;
}

bool flag_known(const struct flags *f, const char *name)
{
    for (size_t i = 0; f->table[i].name; i++)
        if (str_eq(f->table[i].name, name))
            return true;
    return false;
}

const char *flag_source(const struct flags *f, const char *name)
{
    return flags_find(f, name)->source;
}

bool flag_on(const struct flags *f, const char *name)
{
    return flags_find(f, name)->given;
}

const char *flag_value(const struct flags *f, const char *name)
{
    const struct flag_values *v = flags_find(f, name);
    return v->count ? v->items[v->count - 1] : NULL;
}

const char *const *flag_list(const struct flags *f, const char *name)
{
    static const char *const none[] = {NULL};
    const struct flag_values *v = flags_find(f, name);
    return v->count ? v->items : none;
}

const char *const *flags_words(const struct flags *f, size_t *count)
{
    static const char *const none[] = {NULL};
    *count = f->words.count;
    return f->words.count ? f->words.items : none;
}

void flags_print(const struct flag *table)
{
    if (!table->name)
        return;
    puts("\nFlags:");
    for (; table->name; table++) {
        if (!table->help)
            continue;
        struct buf help = {0};
        char *env = flag_environment(table);
        if (table->letter)
            printf("  -%c, --%s", table->letter, table->name);
        else
            printf("  --%s", table->name);
        printf("%s%s\n      ", table->value ? " " : "", table->value ? table->value : "");
        buf_puts(&help, table->help);
        if (table->otherwise)
            buf_printf(&help, " (default %s)", table->otherwise);
        if (flag_is_list(table))
            buf_puts(&help, " (repeats)");
        buf_printf(&help, " [%s]", env);
        text_wrap(stdout, buf_str(&help), 6, 6);
        buf_free(&help);
        free(env);
    }
}
