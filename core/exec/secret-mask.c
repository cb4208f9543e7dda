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

static int mask_compare(struct json_span a, struct json_span b)
{
    int order = memcmp(a.at, b.at, a.len < b.len ? a.len : b.len);
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

/* The members of an object, walked beside those of another one that are sorted alike. */
struct mask_walk {
    struct json_span object, key, value;
    const char *at;
    bool there;
};

static void mask_walk_on(struct mask_walk *walk)
{
    walk->there = walk->object.at && json_span_next(walk->object, &walk->at, &walk->key, &walk->value);
}

/* The member of that key; not there where it has none. Keys are compared without their quotes. */
static struct json_span mask_walk_to(struct mask_walk *walk, struct json_span key)
{
    struct json_span wanted = {key.at + 1, key.len - 2};
    while (walk->there) {
        int order = mask_compare((struct json_span){walk->key.at + 1, walk->key.len - 2}, wanted);
        if (order == 0)
            return walk->value;
        if (order > 0)
            break;
        mask_walk_on(walk);
    }
    return (struct json_span){0};
}

static void mask_write(struct json_writer *w, enum mask_place place, struct json_span value,
                       struct json_span before)
{
    const char *at = NULL;
    struct json_span key, inner;
    struct mask_walk walk = {.object = before};
    bool object = *value.at == '{';
    bool null = value.len == 4 && memcmp(value.at, "null", 4) == 0;
    /* Data that are no map hold a value all the same. */
    if (place == MASK_VALUE || (place == MASK_VALUES && !object && !null)) {
        jsonw_string(w, before.at && mask_compare(value, before) ? SECRET_MASK_CHANGED : SECRET_MASK);
        return;
    }
    if (place == MASK_NOTHING || !object) {
        jsonw_raw(w, value.at, value.len);
        return;
    }
    mask_walk_on(&walk);
    jsonw_begin_object(w);
    while (json_span_next(value, &at, &key, &inner)) {
        jsonw_raw_key(w, key.at, key.len);
        mask_write(w, mask_below(place, key), inner, mask_walk_to(&walk, key));
    }
    jsonw_end_object(w);
}

int secret_mask_after(struct json_span secret, struct json_span before, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    mask_write(&w, MASK_SECRET, secret, before);
    return out->failed ? -1 : 0;
}

int secret_mask(const char *json, size_t len, struct buf *out)
{
    return secret_mask_after((struct json_span){json, len}, (struct json_span){0}, out);
}
