#include "io/yaml-internal.h"

#include <stdlib.h>
#include <string.h>

int yaml_next(struct yaml_reader *r, yaml_event_t *event)
{
    return yaml_parser_parse(&r->parser, event) ? 0 : yaml_fail_parser(r);
}

struct yaml_scalar yaml_event_scalar(const yaml_event_t *event)
{
    return (struct yaml_scalar){
        .text = (const char *)event->data.scalar.value,
        .len = event->data.scalar.length,
        .tag = (const char *)event->data.scalar.tag,
        .plain = event->data.scalar.plain_implicit,
    };
}

int yaml_check_size(struct yaml_reader *r, yaml_mark_t at)
{
    if (r->out.failed || r->keys.failed)
        return err_no_memory(r->err);
    if (r->out.len > YAML_MAX_DOCUMENT)
        return yaml_fail(r, at, ERR_TOO_LARGE, "the document is over %d MiB as JSON",
                         YAML_MAX_DOCUMENT >> 20);
    return 0;
}

static int read_scalar(struct yaml_reader *r, const yaml_event_t *event)
{
    struct yaml_scalar s = yaml_event_scalar(event);
    unsigned serial;
    if (yaml_anchor_open(r, event, &serial) || yaml_anchor_scalar(r, event, serial))
        return -1;
    if (yaml_scalar_json(&s, &r->out, r->err))
        return yaml_fail_at(r, event->start_mark);
    return 0;
}

static int read_alias(struct yaml_reader *r, const yaml_event_t *event, size_t depth,
                      struct yaml_shape *shape)
{
    struct yaml_anchor *a = yaml_anchor_use(r, event, depth);
    if (!a)
        return -1;
    *shape = a->shape;
    if (a->kind == YAML_ANCHOR_SCALAR) {
        if (yaml_scalar_json(&a->scalar, &r->out, r->err))
            return yaml_fail_at(r, event->start_mark);
    } else if (a->kind == YAML_ANCHOR_LIST) {
        buf_append(&r->out, a->json, a->json_len);
    } else {
        buf_putc(&r->out, '{');
        buf_append(&r->out, a->json, a->json_len ? a->json_len - 1 : 0);
        buf_putc(&r->out, '}');
    }
    return yaml_check_size(r, event->start_mark);
}

static int read_list(struct yaml_reader *r, yaml_event_t *start, size_t depth, struct yaml_shape *shape)
{
    size_t at = r->out.len;
    unsigned serial;
    int rc = -1;
    *shape = (struct yaml_shape){.nodes = 1, .height = 1};
    buf_putc(&r->out, '[');
    if (yaml_anchor_open(r, start, &serial))
        goto out;
    for (size_t items = 0;; items++) {
        struct yaml_shape inner = {0};
        yaml_event_t event;
        if (yaml_next(r, &event))
            goto out;
        yaml_mark_t mark = event.start_mark;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            break;
        }
        if (items)
            buf_putc(&r->out, ',');
        if (yaml_read_value(r, &event, depth + 1, &inner) || yaml_check_size(r, mark))
            goto out;
        shape->nodes += inner.nodes;
        if (shape->height < inner.height + 1)
            shape->height = inner.height + 1;
    }
    buf_putc(&r->out, ']');
    rc = yaml_anchor_list(r, start, serial, at, *shape);
out:
    yaml_event_delete(start);
    return rc;
}

int yaml_read_value(struct yaml_reader *r, yaml_event_t *event, size_t depth, struct yaml_shape *shape)
{
    int rc;
    *shape = (struct yaml_shape){.nodes = 1};
    if (event->type == YAML_SCALAR_EVENT)
        rc = read_scalar(r, event);
    else if (event->type == YAML_ALIAS_EVENT)
        rc = read_alias(r, event, depth, shape);
    else if (depth > YAML_MAX_DEPTH)
        rc = yaml_fail(r, event->start_mark, ERR_TOO_LARGE, "maps and lists nest deeper than %d here",
                       YAML_MAX_DEPTH);
    else if (event->type == YAML_SEQUENCE_START_EVENT)
        return read_list(r, event, depth, shape);
    else
        return yaml_read_map(r, event, depth, shape);
    yaml_event_delete(event);
    return rc;
}

/* A document that says nothing is left out; any other that is no map is an error. */
static int check_root(struct yaml_reader *r, const yaml_event_t *event, bool *empty)
{
    struct yaml_meaning m;
    *empty = false;
    if (event->type == YAML_MAPPING_START_EVENT)
        return 0;
    if (event->type == YAML_SCALAR_EVENT) {
        struct yaml_scalar s = yaml_event_scalar(event);
        if (yaml_resolve(&s, &m, r->err))
            return yaml_fail_at(r, event->start_mark);
        *empty = m.kind == YAML_KIND_NULL;
        if (*empty)
            return 0;
        return yaml_fail(r, event->start_mark, ERR_BAD_REQUEST,
                         "the document is \"%.40s%s\" and no map: it needs apiVersion, kind and metadata",
                         s.text, s.len > 40 ? "…" : "");
    }
    return yaml_fail(
        r, event->start_mark, ERR_BAD_REQUEST,
        "the document is a list and no map: write its items as documents, or under \"kind: List\"");
}

static int read_document(struct yaml_reader *r, struct yaml_document *item)
{
    struct yaml_shape shape;
    yaml_event_t event;
    bool empty;
    if (yaml_next(r, &event))
        return -1;
    if (check_root(r, &event, &empty) || empty) {
        int rc = empty ? 0 : -1;
        yaml_event_delete(&event);
        return rc;
    }
    yaml_mark_t at = event.start_mark;
    item->line = at.line + 1 + r->lines_before;
    if (yaml_read_map(r, &event, 1, &shape) || yaml_check_size(r, at))
        return -1;
    item->json_len = r->out.len;
    item->json = buf_take(&r->out);
    return item->json ? 0 : err_no_memory(r->err);
}

/* Start and end of the stream and of documents: events that carry nothing. */
static int next_type(struct yaml_reader *r, yaml_event_type_t *type, yaml_mark_t *at)
{
    yaml_event_t event;
    if (yaml_next(r, &event))
        return -1;
    *type = event.type;
    *at = event.start_mark;
    yaml_event_delete(&event);
    return 0;
}

/* Hands libyaml the text with its last line ended, as kubectl does: a block scalar that the end
 * of the file cuts off still ends with a newline. */
static int hand_out(void *arg, unsigned char *buffer, size_t size, size_t *read)
{
    struct yaml_reader *r = arg;
    size_t n = r->len - r->handed < size ? r->len - r->handed : size;
    memcpy(buffer, r->text + r->handed, n);
    r->handed += n;
    if (n == 0 && size && r->text[r->len - 1] != '\n' && !r->ended) {
        buffer[n++] = '\n';
        r->ended = true;
    }
    *read = n;
    return 1;
}

int yaml_begin(struct yaml_reader *r)
{
    if (!yaml_parser_initialize(&r->parser))
        return err_no_memory(r->err);
    yaml_parser_set_encoding(&r->parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input(&r->parser, hand_out, r);
    r->handed = 0;
    r->ended = false;
    return 0;
}

int yaml_read_part(struct yaml_reader *r, struct yaml_document *item)
{
    yaml_event_type_t type;
    yaml_mark_t at;
    int rc = -1;
    if (yaml_check_marks(r) || yaml_begin(r))
        return -1;
    if (next_type(r, &type, &at) || next_type(r, &type, &at))
        goto out;
    if (type == YAML_DOCUMENT_START_EVENT) {
        if (read_document(r, item) || next_type(r, &type, &at) || next_type(r, &type, &at))
            goto out;
    }
    /* kubectl reads only the first; to leave the others out in silence helps nobody. */
    if (type != YAML_STREAM_END_EVENT) {
        yaml_fail(r, at, ERR_BAD_REQUEST, "a further document begins here, without a line \"---\" before it");
        goto out;
    }
    rc = 0;
out:
    yaml_parser_delete(&r->parser);
    yaml_anchors_free(r);
    r->count = 0;
    buf_clear(&r->out);
    buf_clear(&r->keys);
    if (rc) {
        free(item->json);
        item->json = NULL;
    }
    return rc;
}
