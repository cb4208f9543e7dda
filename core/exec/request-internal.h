/* request-internal.h: what request.c (read and checked) and request-keep.c (kept) share. */
#pragma once

#include "exec/request.h"

/* The words that the wire has for its string fields, and where each goes. */
struct text_field {
    const char *key;
    size_t offset;
};

extern const struct text_field request_texts[];
extern const size_t request_text_count;
