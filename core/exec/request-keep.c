/* request-keep.c: a start request as bytes that can be kept, and read again: a line of JSON, then the
 * manifest and the text that an edit began with as they are, so that large ones cost a copy and no more. */
#include "base/err.h"
#include "base/json-span.h"
#include "base/json-write.h"
#include "base/str.h"
#include "exec/request-internal.h"

#include <stdlib.h>
#include <string.h>

static void keep_strings(struct json_writer *w, const char *key, char *const *list)
{
    if (!list)
        return;
    jsonw_key(w, key);
    jsonw_begin_array(w);
    for (; *list; list++)
        jsonw_string(w, *list);
    jsonw_end_array(w);
}

static void keep_leave(struct json_writer *w, const struct start_request *r)
{
    jsonw_key(w, "leave");
    jsonw_begin_array(w);
    for (size_t i = 0; i < r->leave_count; i++) {
        jsonw_begin_object(w);
        jsonw_member_int(w, "index", (int64_t)r->leave[i].index);
        jsonw_member(w, "field", r->leave[i].field);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void start_request_save(const struct start_request *r, struct buf *out)
{
    struct json_writer w = JSON_WRITER(out);
    jsonw_begin_object(&w);
    for (size_t i = 0; i < request_text_count; i++)
        jsonw_member(&w, request_texts[i].key, *(char *const *)((const char *)r + request_texts[i].offset));
    keep_strings(&w, "args", r->args);
    keep_strings(&w, "takeOver", r->take_over);
    keep_leave(&w, r);
    jsonw_key(&w, "input");
    jsonw_raw(&w, r->input, strlen(r->input));
    if (r->mode_is_said || r->dry_run)
        jsonw_member(&w, "mode", r->dry_run ? "dry-run" : "apply");
    jsonw_member_bool(&w, "kubernetesEquivalent", r->kubernetes_equivalent);
    jsonw_member_bool(&w, "allowClusterWide", r->allow_cluster_wide);
    jsonw_member_bool(&w, "force", r->force);
    jsonw_member_bool(&w, "recreate", r->recreate);
    jsonw_member_bool(&w, "wait", r->wait);
    if (r->timeout)
        jsonw_member_int(&w, "timeout", r->timeout);
    if (r->replicas >= 0)
        jsonw_member_int(&w, "replicas", r->replicas);
    /* Stands for the text behind this line. */
    jsonw_member(&w, "yaml", r->yaml_len ? "-" : "");
    jsonw_member_int(&w, "yamlBytes", (int64_t)r->yaml_len);
    jsonw_member_int(&w, "baseBytes", (int64_t)r->base_len);
    jsonw_end_object(&w);
    buf_putc(out, '\n');
    buf_append(out, r->yaml, r->yaml_len);
    buf_append(out, r->base, r->base_len);
}

static int keep_text(const char *at, size_t len, char **text, size_t *text_len, struct err *err)
{
    char *copy = malloc(len + 1);
    if (!copy)
        return err_no_memory(err);
    memcpy(copy, at, len);
    copy[len] = '\0';
    free(*text);
    *text = copy;
    *text_len = len;
    return 0;
}

struct start_request *start_request_load(const char *text, size_t len, struct err *err)
{
    const char *end = memchr(text, '\n', len);
    struct start_request *r = end ? start_request_parse(text, (size_t)(end - text), err) : NULL;
    if (!r) {
        err_code(err, ERR_NOT_FOUND, "the kept request is damaged");
        return NULL;
    }
    struct json_span head = {text, (size_t)(end - text)};
    struct json_span yaml = json_span_member(head, "yamlBytes"), base = json_span_member(head, "baseBytes");
    size_t rest = len - (size_t)(end + 1 - text);
    size_t yaml_len = yaml.at ? strtoull(yaml.at, NULL, 10) : 0;
    size_t base_len = base.at ? strtoull(base.at, NULL, 10) : 0;
    int rc = yaml_len > rest || base_len != rest - yaml_len
                 ? err_code(err, ERR_NOT_FOUND, "the kept request is damaged")
                 : keep_text(end + 1, yaml_len, &r->yaml, &r->yaml_len, err);
    if (rc || keep_text(end + 1 + yaml_len, base_len, &r->base, &r->base_len, err)) {
        start_request_free(r);
        return NULL;
    }
    return r;
}
