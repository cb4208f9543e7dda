/* show.h: the wire's events for a person or a pipe.
 *
 * stdout gets the stdout lines of the execution and nothing else (or, with json, the events); stderr
 * the phases, warnings and the last word. On a terminal the phases are one status line that is drawn
 * over. Owned by the command. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct loop;
struct show;

enum show_kind {
    SHOW_APPLY,   /* the exit code tells how it ended */
    SHOW_COMMAND, /* the exit code is the command's own */
    SHOW_LOG,     /* lines alone, without phases and last word */
};

struct show_options {
    struct loop *loop;
    enum show_kind kind;
    bool json, quiet;
    const char *color; /* auto, always or never */
};

struct show *show_new(const struct show_options *options);
void show_free(struct show *show);

void show_event(struct show *show, const char *json, size_t len);
void show_note(struct show *show, const char *text); /* a line on stderr, not an event */

/* The exit code that the last event stands for; -1 while it has not come. */
/* Has whoever read stdout gone away? */
bool show_reader_gone(const struct show *show);

int show_exit_code(const struct show *show);
