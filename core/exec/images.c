#include "exec/images.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

static char *image_copy(const char *text, size_t len)
{
    char *copy = text ? malloc(len + 1) : NULL;
    if (!copy)
        return NULL;
    memcpy(copy, text, len);
    copy[len] = '\0';
    return copy;
}

void images_add(struct images *images, const char *before, size_t before_len, const char *after,
                size_t after_len)
{
    struct image image = {.before_len = before_len, .after_len = after_len};
    size_t bytes = sizeof(image) + before_len + after_len;
    bool room = images->bytes + bytes <= IMAGES_BYTES_MAX;
    if (room) {
        image.before = image_copy(before, before_len);
        image.after = image_copy(after, after_len);
    }
    if (!room || (before && !image.before) || (after && !image.after)) {
        free(image.before);
        free(image.after);
        images->omitted++;
        return;
    }
    if ((images->count & (images->count - 1)) == 0)
        images->items = mem_grow(images->items, (images->count ? images->count * 2 : 1) * sizeof(image));
    images->items[images->count++] = image;
    images->bytes += bytes;
}

void images_free(struct images *images)
{
    for (size_t i = 0; i < images->count; i++) {
        free(images->items[i].before);
        free(images->items[i].after);
    }
    free(images->items);
    *images = (struct images){0};
}
