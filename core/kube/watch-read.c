#include "kube/watch-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WATCH_MESSAGE_MAX = 3000 };

static bool span_is_object(struct json_span span)
{
    return span.at && span.len >= 2 && span.at[0] == '{' && span.at[span.len - 1] == '}';
}

/* 0 also for none: out is "" then. What is too long for a version is none. */
static int version_of(struct json_span span, char out[WATCH_VERSION_MAX])
{
    out[0] = '\0';
    if (!span.at)
        return 0;
    if (!json_span_is_string(span) || span.len - 2 >= WATCH_VERSION_MAX)
        return -1;
    char *text = json_span_text(span);
    snprintf(out, WATCH_VERSION_MAX, "%s", text); /* escapes only shrink */
    free(text);
    return 0;
}

struct watch_page *watch_page_new(const char *body, size_t len, void *owner)
{
    struct watch_page *page = calloc(1, sizeof(*page));
    if (!page)
        return NULL;
    page->text = malloc(len + 1);
    if (!page->text) {
        free(page);
        return NULL;
    }
    memcpy(page->text, body, len);
    page->len = len;
    page->owner = owner;
    return page;
}

void watch_page_free(void *arg)
{
    struct watch_page *page = arg;
    if (!page)
        return;
    free(page->text);
    free(page->items);
    free(page->more);
    free(page);
}

static int page_add(struct watch_page *page, struct json_span item)
{
    if (!span_is_object(item))
        return err_set(&page->err, "item %zu of the list is no object", page->count + 1);
    if (page->count == page->cap) {
        size_t cap = page->cap ? page->cap * 2 : 64;
        struct json_span *items = realloc(page->items, cap * sizeof(*items));
        if (!items)
            return err_no_memory(&page->err);
        page->items = items;
        page->cap = cap;
    }
    page->items[page->count++] = item;
    return 0;
}

static int page_read(struct watch_page *page)
{
    const char *start = page->text, *at = NULL;
    size_t len = page->len;
    for (; len && isspace((unsigned char)*start); start++)
        len--;
    struct json_span root = {start, len}, item, more = json_span_path(root, "metadata.continue");
    if (version_of(json_span_path(root, "metadata.resourceVersion"), page->version) || !*page->version)
        return err_set(&page->err, "the answer is no list of Kubernetes: it has no metadata.resourceVersion");
    if (json_span_is_string(more) && more.len > 2)
        page->more = json_span_text(more);
    bool table = json_span_is(json_span_member(root, "kind"), "Table");
    struct json_span items = json_span_member(root, table ? "rows" : "items");
    if (table)
        page->columns = json_span_member(root, "columnDefinitions");
    while (json_span_next(items, &at, NULL, &item))
        if (page_add(page, item))
            return -1;
    return 0;
}

void watch_page_read(void *arg)
{
    struct watch_page *page = arg;
    page->rc = page_read(page);
}

bool watch_line_read(struct watch_line *out, const char *line, size_t len)
{
    while (len && isspace((unsigned char)line[len - 1]))
        len--;
    for (; len && isspace((unsigned char)*line); line++)
        len--;
    struct json_span whole = {line, len};
    if (!span_is_object(whole))
        return false;
    out->type = json_span_member(whole, "type");
    out->object = json_span_member(whole, "object");
    return json_span_is_string(out->type) && span_is_object(out->object) &&
           version_of(json_span_path(out->object, "metadata.resourceVersion"), out->version) == 0;
}

bool watch_line_is(const struct watch_line *line, const char *type)
{
    size_t n = strlen(type);
    return line->type.len == n + 2 && memcmp(line->type.at + 1, type, n) == 0;
}

int watch_line_status(const struct watch_line *line, struct err *err)
{
    struct json_span code = json_span_member(line->object, "code");
    struct json_span message = json_span_member(line->object, "message");
    char *text = NULL, digits[8] = "";
    if (code.at && code.len < sizeof(digits))
        memcpy(digits, code.at, code.len);
    if (message.len < WATCH_MESSAGE_MAX)
        text = json_span_text(message);
    err_set(err, "%s", str_or(text, "the server ended the watch and did not say why"));
    free(text);
    return (int)strtol(digits, NULL, 10);
}
