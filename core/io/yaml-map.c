#include "io/yaml-internal.h"

#include <stdlib.h>
#include <string.h>

struct yaml_member *yaml_member_push(struct yaml_reader *r)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : 64;
        struct yaml_member *grown = realloc(r->members, cap * sizeof(*grown));
        if (!grown) {
            err_no_memory(r->err);
            return NULL;
        }
        r->members = grown;
        r->cap = cap;
    }
    struct yaml_member *m = &r->members[r->count];
    *m = (struct yaml_member){
        .key_at = r->keys.len, .at = r->out.len, .rank = YAML_EXPLICIT, .order = r->count};
    r->count++;
    return m;
}

static int compare_keys(const struct yaml_member *a, const struct yaml_member *b, const char *keys)
{
    size_t n = a->key_len < b->key_len ? a->key_len : b->key_len;
    int order = n ? memcmp(keys + a->key_at, keys + b->key_at, n) : 0;
    return order ? order : (a->key_len > b->key_len) - (a->key_len < b->key_len);
}

static int compare_members(const void *pa, const void *pb, void *keys)
{
    const struct yaml_member *a = pa, *b = pb;
    int order = compare_keys(a, b, keys);
    if (!order)
        order = (a->rank < b->rank) - (a->rank > b->rank);
    return order ? order : (a->order > b->order) - (a->order < b->order);
}

static int fail_duplicate(struct yaml_reader *r, const struct yaml_member *again,
                          const struct yaml_member *first)
{
    return err_code(r->err, ERR_BAD_REQUEST, "%zu:%zu: duplicate key \"%.*s\" (first on line %zu)",
                    again->line, again->column, (int)(again->key_len < 200 ? again->key_len : 200),
                    buf_str(&r->keys) + again->key_at, first->line);
}

/* Of the sorted members, drops those that a stronger one with the same key hides. */
static int drop_hidden(struct yaml_reader *r, size_t first)
{
    const struct yaml_member *again = NULL, *before = NULL;
    size_t kept = first, same = first; /* `same` is the first of a run of equal keys */
    for (size_t i = first + 1; i < r->count; i++) {
        struct yaml_member *m = &r->members[i];
        if (compare_keys(&r->members[same], m, r->keys.data) != 0) {
            same = i;
            continue;
        }
        if (m->rank == YAML_EXPLICIT && (!again || m->order < again->order)) {
            again = m;
            before = &r->members[same];
        }
        m->len = 0; /* hidden; no piece is empty otherwise */
    }
    if (again)
        return fail_duplicate(r, again, before);
    for (size_t i = first; i < r->count; i++)
        if (r->members[i].len)
            r->members[kept++] = r->members[i];
    r->count = kept;
    return 0;
}

/* Lays the pieces of the members out in the members' order. */
static int lay_out(struct yaml_reader *r, size_t first, size_t start)
{
    buf_clear(&r->scratch);
    for (size_t i = first; i < r->count; i++) {
        struct yaml_member *m = &r->members[i];
        buf_append(&r->scratch, r->out.data + m->at, m->len);
        m->at = start + r->scratch.len - m->len;
    }
    if (r->scratch.failed)
        return err_no_memory(r->err);
    if (r->scratch.len)
        memcpy(r->out.data + start, r->scratch.data, r->scratch.len);
    r->out.len = start + r->scratch.len;
    return 0;
}

int yaml_members_order(struct yaml_reader *r, size_t first, size_t start)
{
    bool ordered = true;
    for (size_t i = first + 1; i < r->count && ordered; i++)
        ordered = compare_keys(&r->members[i - 1], &r->members[i], r->keys.data) < 0;
    if (ordered)
        return 0;
    qsort_r(r->members + first, r->count - first, sizeof(*r->members), compare_members, r->keys.data);
    if (drop_hidden(r, first))
        return -1;
    return lay_out(r, first, start);
}

/* Where merges of one map stand in rank: a later << goes before an earlier one, and within
 * its list an earlier map before a later one. */
struct merge_place {
    uint64_t nth;
    uint64_t in_list;
};

static uint64_t merge_rank(struct merge_place place)
{
    return place.nth << 32 | (UINT32_MAX - place.in_list);
}

static int read_members(struct yaml_reader *r, size_t depth, struct yaml_shape *shape);

/* The members of `<<: {…}` simply join those of the open map, with a lower rank. */
static int merge_inline(struct yaml_reader *r, yaml_event_t *event, struct merge_place place, size_t depth,
                        struct yaml_shape *shape)
{
    size_t first = r->count, start = r->out.len;
    struct yaml_shape inner = {.nodes = 1, .height = 1};
    unsigned serial;
    int rc = -1;
    if (depth > YAML_MAX_DEPTH) {
        yaml_fail(r, event->start_mark, ERR_TOO_LARGE, "maps and lists nest deeper than %d here",
                  YAML_MAX_DEPTH);
        goto out;
    }
    if (yaml_anchor_open(r, event, &serial) || read_members(r, depth, &inner) ||
        yaml_anchor_map(r, event, serial, first, start, inner))
        goto out;
    for (size_t i = first; i < r->count; i++)
        r->members[i].rank = merge_rank(place);
    shape->nodes += inner.nodes;
    if (shape->height < inner.height + 1)
        shape->height = inner.height + 1;
    rc = 0;
out:
    yaml_event_delete(event);
    return rc;
}

static int merge_alias(struct yaml_reader *r, const yaml_event_t *event, struct merge_place place,
                       size_t depth, struct yaml_shape *shape)
{
    struct yaml_anchor *a = yaml_anchor_use(r, event, depth);
    if (!a)
        return -1;
    if (a->kind != YAML_ANCHOR_MAP)
        return yaml_fail(r, event->start_mark, ERR_BAD_REQUEST,
                         "<< takes a map or a list of maps, and \"%s\" is none", a->name);
    size_t out_at = r->out.len, keys_at = r->keys.len;
    buf_append(&r->out, a->json, a->json_len);
    for (size_t i = 0; i < a->count; i++) {
        struct yaml_member *m = yaml_member_push(r);
        if (!m)
            return -1;
        m->key_len = a->members[i].key_len;
        buf_append(&r->keys, a->keys + a->members[i].key_at, m->key_len);
        m->key_at = keys_at + a->members[i].key_at;
        m->at = out_at + a->members[i].at;
        m->len = a->members[i].len;
        m->line = event->start_mark.line + 1 + r->lines_before;
        m->column = event->start_mark.column + 1;
        m->rank = merge_rank(place);
    }
    shape->nodes += a->shape.nodes;
    if (shape->height < a->shape.height)
        shape->height = a->shape.height;
    return yaml_check_size(r, event->start_mark);
}

/* One map of a merge. Takes the event over. */
static int merge_one(struct yaml_reader *r, yaml_event_t *event, struct merge_place place, size_t depth,
                     struct yaml_shape *shape)
{
    int rc;
    if (event->type == YAML_MAPPING_START_EVENT)
        return merge_inline(r, event, place, depth + 1, shape);
    if (event->type == YAML_ALIAS_EVENT)
        rc = merge_alias(r, event, place, depth, shape);
    else
        rc = yaml_fail(r, event->start_mark, ERR_BAD_REQUEST, "<< takes a map or a list of maps");
    yaml_event_delete(event);
    return rc;
}

/* What follows `<<:`. */
static int read_merge(struct yaml_reader *r, uint64_t nth, size_t depth, struct yaml_shape *shape)
{
    struct merge_place place = {.nth = nth};
    yaml_event_t event;
    if (yaml_next(r, &event))
        return -1;
    if (event.type != YAML_SEQUENCE_START_EVENT)
        return merge_one(r, &event, place, depth, shape);
    int rc = 0;
    if (event.data.sequence_start.anchor)
        rc = yaml_fail(r, event.start_mark, ERR_BAD_REQUEST, "the list that << merges cannot have an anchor");
    yaml_event_delete(&event);
    for (; !rc; place.in_list++) {
        if (yaml_next(r, &event))
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        rc = merge_one(r, &event, place, depth, shape);
    }
    return rc;
}

/* The scalar that a key is, straight or by an alias; NULL with err where it is none. */
static const struct yaml_scalar *key_scalar(struct yaml_reader *r, const yaml_event_t *event, size_t depth,
                                            struct yaml_scalar *own)
{
    if (event->type == YAML_SCALAR_EVENT) {
        *own = yaml_event_scalar(event);
        return own;
    }
    if (event->type == YAML_ALIAS_EVENT) {
        struct yaml_anchor *a = yaml_anchor_use(r, event, depth);
        if (!a)
            return NULL;
        if (a->kind == YAML_ANCHOR_SCALAR)
            return &a->scalar;
    }
    yaml_fail(r, event->start_mark, ERR_BAD_REQUEST,
              "a map or a list cannot be a key (a template's {{ … }} needs quotes, or is not rendered yet)");
    return NULL;
}

/* Writes `"key":` and the member's raw key. Takes the event over. */
static int read_key(struct yaml_reader *r, yaml_event_t *event, size_t depth)
{
    struct yaml_scalar own;
    unsigned serial = 0;
    int rc = -1;
    struct yaml_member *m = yaml_member_push(r);
    const struct yaml_scalar *scalar = m ? key_scalar(r, event, depth, &own) : NULL;
    if (!scalar)
        goto out;
    if (event->type == YAML_SCALAR_EVENT && yaml_anchor_open(r, event, &serial))
        goto out;
    m->line = event->start_mark.line + 1 + r->lines_before;
    m->column = event->start_mark.column + 1;
    if (yaml_scalar_key(scalar, &r->keys, r->err)) {
        yaml_fail_at(r, event->start_mark);
        goto out;
    }
    m->key_len = r->keys.len - m->key_at;
    struct yaml_scalar text = {.text = buf_str(&r->keys) + m->key_at, .len = m->key_len};
    if (yaml_scalar_json(&text, &r->out, r->err) || yaml_anchor_scalar(r, event, serial))
        goto out;
    buf_putc(&r->out, ':');
    rc = 0;
out:
    yaml_event_delete(event);
    return rc;
}

bool yaml_is_merge(const yaml_event_t *event)
{
    if (event->type != YAML_SCALAR_EVENT)
        return false;
    struct yaml_scalar s = yaml_event_scalar(event);
    return s.len == 2 && memcmp(s.text, "<<", 2) == 0 &&
           (s.plain || (s.tag && strcmp(s.tag, "tag:yaml.org,2002:merge") == 0));
}

/* Reads up to the end of the map: its pieces, ordered, each with a comma behind it. */
static int read_members(struct yaml_reader *r, size_t depth, struct yaml_shape *shape)
{
    size_t first = r->count, start = r->out.len;
    uint64_t merges = 0;
    for (;;) {
        yaml_event_t event;
        struct yaml_shape inner = {0};
        if (yaml_next(r, &event))
            return -1;
        yaml_mark_t at = event.start_mark;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        shape->nodes++;
        if (yaml_is_merge(&event)) {
            yaml_event_delete(&event);
            if (read_merge(r, merges++, depth, shape))
                return -1;
            continue;
        }
        size_t member = r->count;
        if (read_key(r, &event, depth) || yaml_next(r, &event) ||
            yaml_read_value(r, &event, depth + 1, &inner))
            return -1;
        buf_putc(&r->out, ',');
        r->members[member].len = r->out.len - r->members[member].at;
        shape->nodes += inner.nodes;
        if (shape->height < inner.height + 1)
            shape->height = inner.height + 1;
        if (yaml_check_size(r, at))
            return -1;
    }
    return yaml_members_order(r, first, start);
}

int yaml_read_map(struct yaml_reader *r, yaml_event_t *event, size_t depth, struct yaml_shape *shape)
{
    size_t first = r->count, keys_at = r->keys.len;
    unsigned serial;
    int rc = -1;
    *shape = (struct yaml_shape){.nodes = 1, .height = 1};
    buf_putc(&r->out, '{');
    size_t start = r->out.len;
    if (yaml_anchor_open(r, event, &serial) || read_members(r, depth, shape) ||
        yaml_anchor_map(r, event, serial, first, start, *shape))
        goto out;
    if (r->out.len > start)
        r->out.len--; /* the last comma */
    buf_putc(&r->out, '}');
    r->count = first;
    r->keys.len = keys_at;
    rc = 0;
out:
    yaml_event_delete(event);
    return rc;
}
