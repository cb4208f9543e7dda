/* panel.h: the panel's files, read once and served from memory.
 *
 * Only what was found at the start is served, by its exact name: no request reaches the file
 * system, so there is no path to climb out by. Immutable once made; the server owns it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct err;
struct panel;

struct panel_file {
    const char *type;
    char *data;
    size_t len;
    bool immutable; /* its name changes with its content */
};

/* Reads a folder that holds index.html. NULL with err. */
struct panel *panel_new(const char *folder, struct err *err);
void panel_free(struct panel *panel);

/* The file at an address; for any other one, which is a page's, index.html; NULL for a file that
 * is not there. */
const struct panel_file *panel_find(const struct panel *panel, const char *path);
