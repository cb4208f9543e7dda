/* json-span.h: looks into JSON text without making values of it: where a member lies.
 *
 * For text that is known to be valid JSON (our own, or checked before): a span points into it
 * and stays as long as the text does. Nothing is allocated, nothing is lost. In text that is no JSON the
 * answers mean nothing, but they come, and lie in it. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct json_span {
    const char *at; /* NULL: not there */
    size_t len;
};

/* The value of the member `key` of the object in `object`; not there if it is none. */
struct json_span json_span_member(struct json_span object, const char *key);

/* Down several members: json_span_path(doc, "metadata.name"); for keys without dots. */
struct json_span json_span_path(struct json_span object, const char *path);

/* Walks an array or an object's values: *at starts as NULL; false at the end. `key` (may be NULL)
 * gets the member's quoted name, or no span in an array. */
bool json_span_next(struct json_span whole, const char **at, struct json_span *key, struct json_span *value);

bool json_span_is_string(struct json_span span);
/* Is it the string `text`, which has nothing to escape? For members' names. */
bool json_span_is(struct json_span span, const char *text);
/* The string's text, unescaped, in malloc'ed memory; NULL for no string. Ends with mem's abort when
 * memory is short: for names and the like. */
char *json_span_text(struct json_span span);
