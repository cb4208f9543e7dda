/* json-write.h: JSON text, written straight into a buf; commas are its business.
 *
 * Strings are escaped, and bytes that are no UTF-8 become U+FFFD. Out of memory
 * shows as out->failed. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stdint.h>

struct json_writer {
    struct buf *out;
    bool comma; /* a value stands before this place */
};

#define JSON_WRITER(buf) ((struct json_writer){.out = (buf)})

void json_begin_object(struct json_writer *w);
void json_end_object(struct json_writer *w);
void json_begin_array(struct json_writer *w);
void json_end_array(struct json_writer *w);
void json_key(struct json_writer *w, const char *key);
void json_keyn(struct json_writer *w, const char *key, size_t n);
void json_string(struct json_writer *w, const char *s); /* NULL is null */
void json_stringn(struct json_writer *w, const char *s, size_t n);
void json_int(struct json_writer *w, int64_t v);
void json_uint(struct json_writer *w, uint64_t v);
void json_real(struct json_writer *w, double v); /* shortest text that reads back the same, as Go writes it */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_raw(struct json_writer *w, const char *json, size_t n); /* a whole value, as it is */

/* A member in one call. */
void json_member(struct json_writer *w, const char *key, const char *value);
void json_member_int(struct json_writer *w, const char *key, int64_t value);
void json_member_bool(struct json_writer *w, const char *key, bool value);
