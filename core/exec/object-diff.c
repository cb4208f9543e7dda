#include "exec/object-diff.h"

#include "base/diff.h"
#include "base/err.h"
#include "base/json-write.h"
#include "exec/secret-mask.h"
#include "io/yaml-write.h"

static const char *const diff_moving[] = {"status", NULL};
static const char *const diff_moving_metadata[] = {
    "managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink", NULL};

static bool diff_moves(struct json_span key, const char *const *names)
{
    for (; *names; names++)
        if (json_span_is(key, *names))
            return true;
    return false;
}

/* The object without what changes by itself. */
static void diff_settle(struct json_writer *w, struct json_span object, bool metadata)
{
    const char *at = NULL;
    struct json_span key, value;
    jsonw_begin_object(w);
    while (json_span_next(object, &at, &key, &value)) {
        if (diff_moves(key, metadata ? diff_moving_metadata : diff_moving))
            continue;
        jsonw_raw_key(w, key.at, key.len);
        if (!metadata && json_span_is(key, "metadata") && *value.at == '{')
            diff_settle(w, value, true);
        else
            jsonw_raw(w, value.at, value.len);
    }
    jsonw_end_object(w);
}

static bool diff_is_secret(struct json_span object)
{
    return object.at && json_span_is(json_span_member(object, "kind"), "Secret") &&
           json_span_is(json_span_member(object, "apiVersion"), "v1");
}

/* As YAML; nothing of an object that is not there. `before`: what a Secret's values are held against. */
static int diff_text(struct json_span object, bool secret, struct json_span before, struct buf *text,
                     struct err *err)
{
    struct buf settled = {0}, masked = {0};
    struct json_writer w = JSON_WRITER(&settled);
    if (!object.at)
        return 0;
    diff_settle(&w, object, false);
    if (secret && !settled.failed)
        secret_mask_after((struct json_span){settled.data, settled.len}, before, &masked);
    const struct buf *shown = secret ? &masked : &settled;
    int rc = settled.failed || masked.failed ? err_no_memory(err)
                                             : yaml_write(buf_str(shown), shown->len, text, err);
    buf_free(&settled);
    buf_free(&masked);
    return rc;
}

int object_diff(struct json_span before, struct json_span after, struct buf *out, struct err *err)
{
    static const struct diff_options options = {
        .old_name = "live", .new_name = "applied", .max_bytes = OBJECT_DIFF_MAX};
    bool secret = diff_is_secret(before) || diff_is_secret(after);
    struct buf old = {0}, new = {0};
    int rc = diff_text(before, secret, (struct json_span){0}, &old, err);
    if (rc == 0)
        rc = diff_text(after, secret, before, &new, err);
    if (rc == 0)
        rc = diff_unified(buf_str(&old), old.len, buf_str(&new), new.len, &options, out, err);
    buf_free(&old);
    buf_free(&new);
    return rc;
}
