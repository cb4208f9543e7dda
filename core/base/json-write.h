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

void jsonw_begin_object(struct json_writer *w);
void jsonw_end_object(struct json_writer *w);
void jsonw_begin_array(struct json_writer *w);
void jsonw_end_array(struct json_writer *w);
void jsonw_key(struct json_writer *w, const char *key);
void jsonw_keyn(struct json_writer *w, const char *key, size_t n);
void jsonw_raw_key(struct json_writer *w, const char *quoted, size_t n); /* with its quotes, as it is */
void jsonw_string(struct json_writer *w, const char *s);                 /* NULL is null */
void jsonw_stringn(struct json_writer *w, const char *s, size_t n);
void jsonw_int(struct json_writer *w, int64_t v);
void jsonw_uint(struct json_writer *w, uint64_t v);
void jsonw_real(struct json_writer *w,
                double v); /* shortest text that reads back the same, as Go writes it */
void jsonw_bool(struct json_writer *w, bool v);
void jsonw_null(struct json_writer *w);
void jsonw_raw(struct json_writer *w, const char *json, size_t n); /* a whole value, as it is */

/* A member in one call. */
void jsonw_member(struct json_writer *w, const char *key, const char *value);
void jsonw_member_int(struct json_writer *w, const char *key, int64_t value);
void jsonw_member_bool(struct json_writer *w, const char *key, bool value);
