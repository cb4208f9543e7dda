/* diff-internal.h: what the files of diff share. diff.c cuts texts into lines and writes hunks,
 * diff-compare.c finds which lines are common. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A part of a text, by lines. */
struct diff_side {
    const char *text;
    uint32_t *starts; /* count + 1 of them */
    uint32_t *ids;    /* equal lines have equal ids, on both sides */
    bool *changed;    /* not common with the other side */
    size_t count;
};

/* Lines from `a` and `b` on that stand in each other's place. */
struct diff_edit {
    size_t a, a_count;
    size_t b, b_count;
};

struct diff_edits {
    struct diff_edit *items;
    size_t count;
};

/* The edits that turn `a` into `b`, in order, none touching another; the caller frees items.
 * -1 when out of memory. */
int diff_compare(struct diff_side *a, struct diff_side *b, struct diff_edits *out);
