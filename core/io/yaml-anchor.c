#include "io/yaml-internal.h"

#include <search.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b)
{
    return strcmp(((const struct yaml_anchor *)a)->name, ((const struct yaml_anchor *)b)->name);
}

static void *copy(const void *data, size_t n)
{
    char *p = malloc(n + 1);
    if (p) {
        if (n)
            memcpy(p, data, n);
        p[n] = '\0';
    }
    return p;
}

static void anchor_clear(struct yaml_anchor *a)
{
    free((char *)a->scalar.text);
    free((char *)a->scalar.tag);
    free(a->json);
    free(a->keys);
    free(a->members);
    *a = (struct yaml_anchor){.name = a->name};
}

static void anchor_free(void *p)
{
    struct yaml_anchor *a = p;
    anchor_clear(a);
    free(a->name);
    free(a);
}

void yaml_anchors_free(struct yaml_reader *r)
{
    tdestroy(r->anchors, anchor_free);
    r->anchors = NULL;
}

static struct yaml_anchor *anchor_find(struct yaml_reader *r, const yaml_char_t *name)
{
    struct yaml_anchor key = {.name = (char *)name};
    struct yaml_anchor **at = tfind(&key, &r->anchors, compare_names);
    return at ? *at : NULL;
}

const yaml_char_t *yaml_anchor_name(const yaml_event_t *event)
{
    return event->type == YAML_SCALAR_EVENT           ? event->data.scalar.anchor
           : event->type == YAML_SEQUENCE_START_EVENT ? event->data.sequence_start.anchor
                                                      : event->data.mapping_start.anchor;
}

static struct yaml_anchor *anchor_add(struct yaml_reader *r, const yaml_char_t *name)
{
    struct yaml_anchor *a = calloc(1, sizeof(*a));
    if (a && (a->name = copy(name, strlen((const char *)name))) != NULL &&
        tsearch(a, &r->anchors, compare_names))
        return a;
    if (a)
        free(a->name);
    free(a);
    err_no_memory(r->err);
    return NULL;
}

int yaml_anchor_open(struct yaml_reader *r, const yaml_event_t *event, unsigned *serial)
{
    const yaml_char_t *name = yaml_anchor_name(event);
    *serial = 0;
    if (!name)
        return 0;
    struct yaml_anchor *a = anchor_find(r, name);
    if (!a && !(a = anchor_add(r, name)))
        return -1;
    anchor_clear(a); /* a name may be given again; aliases mean the latest */
    a->kind = YAML_ANCHOR_OPEN;
    *serial = a->serial = ++r->serial;
    return 0;
}

static int charge(struct yaml_reader *r, const yaml_event_t *event, size_t bytes)
{
    if (bytes > YAML_MAX_COPIED - r->budget->bytes)
        return yaml_fail(r, event->start_mark, ERR_TOO_LARGE,
                         "anchors and aliases would copy more than %d MiB in this text",
                         YAML_MAX_COPIED >> 20);
    r->budget->bytes += bytes;
    return 0;
}

/* The anchor to fill, NULL where there is none or a later node took its name. */
static struct yaml_anchor *anchor_of(struct yaml_reader *r, const yaml_event_t *event, unsigned serial)
{
    struct yaml_anchor *a = serial ? anchor_find(r, yaml_anchor_name(event)) : NULL;
    return a && a->serial == serial ? a : NULL;
}

int yaml_anchor_scalar(struct yaml_reader *r, const yaml_event_t *event, unsigned serial)
{
    struct yaml_anchor *a = anchor_of(r, event, serial);
    if (!a)
        return 0;
    struct yaml_scalar s = yaml_event_scalar(event);
    if (charge(r, event, s.len))
        return -1;
    a->scalar = (struct yaml_scalar){.text = copy(s.text, s.len), .len = s.len, .plain = s.plain};
    if (s.tag)
        a->scalar.tag = copy(s.tag, strlen(s.tag));
    if (!a->scalar.text || (s.tag && !a->scalar.tag))
        return err_no_memory(r->err);
    a->kind = YAML_ANCHOR_SCALAR;
    a->shape = (struct yaml_shape){.nodes = 1};
    return 0;
}

int yaml_anchor_list(struct yaml_reader *r, const yaml_event_t *event, unsigned serial, size_t start,
                     struct yaml_shape shape)
{
    struct yaml_anchor *a = anchor_of(r, event, serial);
    if (!a)
        return 0;
    if (r->out.failed)
        return err_no_memory(r->err);
    a->json_len = r->out.len - start;
    if (charge(r, event, a->json_len))
        return -1;
    a->json = copy(r->out.data + start, a->json_len);
    if (!a->json)
        return err_no_memory(r->err);
    a->kind = YAML_ANCHOR_LIST;
    a->shape = shape;
    return 0;
}

/* Keys of a map are scattered in reader.keys, between those of maps that were merged away. */
static int copy_members(struct yaml_reader *r, struct yaml_anchor *a, size_t first, size_t start)
{
    size_t at = 0;
    for (size_t i = first; i < r->count; i++)
        at += r->members[i].key_len;
    a->keys = malloc(at + 1);
    if (!a->keys)
        return err_no_memory(r->err);
    at = 0;
    for (size_t i = 0; i < a->count; i++) {
        struct yaml_member *m = &a->members[i];
        *m = r->members[first + i];
        if (m->key_len)
            memcpy(a->keys + at, r->keys.data + m->key_at, m->key_len);
        m->key_at = at;
        at += m->key_len;
        m->at -= start;
    }
    return 0;
}

int yaml_anchor_map(struct yaml_reader *r, const yaml_event_t *event, unsigned serial, size_t first,
                    size_t start, struct yaml_shape shape)
{
    struct yaml_anchor *a = anchor_of(r, event, serial);
    if (!a)
        return 0;
    if (r->out.failed || r->keys.failed)
        return err_no_memory(r->err);
    a->json_len = r->out.len - start;
    a->count = r->count - first;
    if (charge(r, event, a->json_len + a->count * sizeof(*a->members)))
        return -1;
    a->json = copy(r->out.data + start, a->json_len);
    a->members = malloc((a->count + 1) * sizeof(*a->members));
    if (!a->json || !a->members)
        return err_no_memory(r->err);
    a->kind = YAML_ANCHOR_MAP;
    a->shape = shape;
    return copy_members(r, a, first, start);
}

struct yaml_anchor *yaml_anchor_use(struct yaml_reader *r, const yaml_event_t *event, size_t depth)
{
    const char *name = (const char *)event->data.alias.anchor;
    struct yaml_anchor *a = anchor_find(r, event->data.alias.anchor);
    if (!a) {
        yaml_fail(r, event->start_mark, ERR_BAD_REQUEST,
                  "*%s: no anchor &%s stands before it in this document", name, name);
        return NULL;
    }
    if (a->kind == YAML_ANCHOR_OPEN) {
        yaml_fail(r, event->start_mark, ERR_BAD_REQUEST, "*%s stands inside its own anchor &%s", name, name);
        return NULL;
    }
    if (depth - 1 + a->shape.height > YAML_MAX_DEPTH) {
        yaml_fail(r, event->start_mark, ERR_TOO_LARGE, "with *%s, maps and lists nest deeper than %d here",
                  name, YAML_MAX_DEPTH);
        return NULL;
    }
    r->budget->nodes += a->shape.nodes;
    if (r->budget->nodes > YAML_MAX_NODES) {
        yaml_fail(r, event->start_mark, ERR_TOO_LARGE, "aliases would expand past %d nodes in this text",
                  YAML_MAX_NODES);
        return NULL;
    }
    size_t bytes = a->json_len + a->scalar.len + a->count * sizeof(*a->members);
    return charge(r, event, bytes) ? NULL : a;
}
