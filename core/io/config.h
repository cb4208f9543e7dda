/* config.h: a configuration file as a flat list of settings with their places.
 *
 * YAML (JSON too). "shell: { mode: listed }" is the setting "shell.mode"; a list is one setting with
 * several values. What a setting means is the reader's business. A config owns its strings. */
#pragma once

#include <stddef.h>

struct err;

struct config_setting {
    char *key;     /* "shell.mode" */
    char **values; /* ends with NULL; one for a scalar */
    int is_list;
    size_t line, column; /* of the key, from 1 */
};

struct config {
    char *file, *folder; /* folder: what relative paths are relative to */
    struct config_setting *settings;
    size_t count;
};

/* NULL with err: ERR_NOT_FOUND where the file cannot be read, else "FILE:LINE:COLUMN: sentence" (bad
 * syntax, a duplicate key, a value that is neither a word nor a list of words). */
struct config *config_load(const char *file, struct err *err);
void config_free(struct config *config);

/* By key; NULL where it is not set. */
const struct config_setting *config_find(const struct config *config, const char *key);

/* A path of the file as it is meant: absolute, or below the file's folder. The caller frees. */
char *config_path(const struct config *config, const char *path);
