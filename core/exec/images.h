/* images.h: what the objects of an execution were before its writes and after them, so that it can be undone.
 *
 * An execution owns its images, in memory; as JSON text, in the order of the writes. What does not fit is
 * counted. Loop thread only. */
#pragma once

#include <stddef.h>

enum { IMAGES_BYTES_MAX = 16 * 1024 * 1024 };

struct image {
    char *before, *after; /* NULL: it was not there; it is gone */
    size_t before_len, after_len;
};

/* A plain value, zeroed at first. */
struct images {
    struct image *items;
    size_t count, bytes, omitted;
};

/* Copies. */
void images_add(struct images *images, const char *before, size_t before_len, const char *after,
                size_t after_len);
void images_free(struct images *images);
