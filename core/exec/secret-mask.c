#include "exec/secret-mask.h"

#include "base/json-span.h"
#include "base/json-write.h"

#include <stdbool.h>
#include <string.h>

/* Which members of an object are masked, or hold some that are. */
enum mask_place { MASK_SECRET, MASK_METADATA, MASK_ANNOTATIONS, MASK_VALUES, MASK_VALUE, MASK_NOTHING };

static enum mask_place mask_below(enum mask_place place, struct json_span key)
{
    if (place == MASK_VALUES)
        return MASK_VALUE;
    if (place == MASK_SECRET && (json_span_is(key, "data") || json_span_is(key, "stringData")))
        return MASK_VALUES;
    if (place == MASK_SECRET && json_span_is(key, "metadata"))
        return MASK_METADATA;
    if (place == MASK_METADATA && json_span_is(key, "annotations"))
        return MASK_ANNOTATIONS;
    if (place == MASK_ANNOTATIONS && json_span_is(key, "kubectl.kubernetes.io/last-applied-configuration"))
        return MASK_VALUE;
    return MASK_NOTHING;
}

static void mask_write(struct json_writer *w, enum mask_place place, struct json_span value)
{
    const char *at = NULL;
    struct json_span key, inner;
    bool object = *value.at == '{';
    bool null = value.len == 4 && memcmp(value.at, "null", 4) == 0;
    /* Data that are no map hold a value all the same. */
    if (place == MASK_VALUE || (place == MASK_VALUES && !object && !null)) {
        jsonw_string(w, SECRET_MASK);
        return;
    }
    if (place == MASK_NOTHING || !object) {
        jsonw_raw(w, value.at, value.len);
        return;
    }
    jsonw_begin_object(w);
    while (json_span_next(value, &at, &key, &inner)) {
        jsonw_raw_key(w, key.at, key.len);
        mask_write(w, mask_below(place, key), inner);
    }
    jsonw_end_object(w);
}

int secret_mask(const char *json, size_t len, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    mask_write(&w, MASK_SECRET, (struct json_span){json, len});
    return out->failed ? -1 : 0;
}
