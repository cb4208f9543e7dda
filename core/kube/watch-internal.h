/* watch-internal.h: what a watch reads, as pure functions of bytes. */
#pragma once

#include "base/err.h"
#include "base/json-span.h"

#include <stdbool.h>
#include <stddef.h>

enum { WATCH_VERSION_MAX = 128 }; /* bytes of a resourceVersion; a server's are digits */

/* A page of a list; may be read on the pool. */
struct watch_page {
    char *text;
    size_t len;
    struct json_span *items;  /* objects, in the text */
    size_t count, cap, next;  /* next: the first that was not handed out yet */
    struct json_span columns; /* of a Table, in the text */
    char version[WATCH_VERSION_MAX];
    char *more; /* the token of the next page; NULL: this is the last */
    int rc;
    struct err err;
    void *owner; /* for whoever waits for it */
};

/* Copies the body; NULL: no memory. */
struct watch_page *watch_page_new(const char *body, size_t len, void *owner);
void watch_page_free(void *page);
void watch_page_read(void *page); /* sets rc and err */

/* A line of a watch. */
struct watch_line {
    struct json_span type, object;
    char version[WATCH_VERSION_MAX]; /* the object's; "" if it has none */
};
bool watch_line_read(struct watch_line *out, const char *line, size_t len);
bool watch_line_is(const struct watch_line *line, const char *type);

/* The Status of an ERROR line: its HTTP status (0: not said), err with its message. */
int watch_line_status(const struct watch_line *line, struct err *err);
