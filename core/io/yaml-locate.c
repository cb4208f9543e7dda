#include "io/yaml-locate.h"

#include "base/str.h"
#include "io/yaml-internal.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    LOCATE_ALIASES = 16, /* that are followed for one field */
};

struct place {
    const char *rest; /* what is left of the path behind the part that stands here */
    size_t line, column;
};

/* An alias on the way: the search goes on at its anchor, which an own reading of the document finds. */
struct turn {
    char *name;
    size_t at; /* the number of its event */
    const char *rest;
};

struct search {
    struct yaml_reader reader;
    struct buf rewritten;
    struct place best;
    size_t events; /* read of the document so far */
    struct turn turns[LOCATE_ALIASES];
    size_t turn_count;
};

/* What an item must have: `name="web"`, or several with commas between them. */
struct selector {
    const char *text;
    size_t len;
    size_t fits;
    bool differs;
};

static int walk(struct search *s, yaml_event_t *event, const char *rest, size_t depth, struct selector *own);

static int next(struct search *s, yaml_event_t *event)
{
    if (yaml_next(&s->reader, event))
        return -1;
    s->events++;
    return 0;
}

static void record(struct search *s, const char *rest, yaml_mark_t at)
{
    if (s->best.line && rest <= s->best.rest)
        return;
    s->best = (struct place){rest, at.line + 1 + s->reader.lines_before, at.column + 1};
}

/* Reads past the value that begins with the event. Takes the event over. */
static int skip(struct search *s, yaml_event_t *event)
{
    size_t open = 0;
    for (;;) {
        yaml_event_type_t type = event->type;
        yaml_event_delete(event);
        open += type == YAML_MAPPING_START_EVENT || type == YAML_SEQUENCE_START_EVENT;
        open -= type == YAML_MAPPING_END_EVENT || type == YAML_SEQUENCE_END_EVENT;
        if (!open)
            return 0;
        if (next(s, event))
            return -1;
    }
}

/* The text that the scalar has in JSON as a key or in a selector; NULL for one without. Until the next. */
static const char *scalar_text(struct search *s, const yaml_event_t *event, size_t *len)
{
    struct buf *out = &s->reader.keys;
    struct yaml_scalar scalar = yaml_event_scalar(event);
    buf_clear(out);
    if (yaml_scalar_key(&scalar, out, NULL))
        return NULL;
    *len = out->len;
    return buf_str(out);
}

static bool is_border(char c)
{
    return c == '\0' || c == '.' || c == '[';
}

/* What follows a key in the path, NULL where the path does not go on with it. Names are held against the
 * text instead of cutting it at dots: nobody escapes the dots of app.kubernetes.io/name. */
static const char *path_after_key(const char *rest, const char *key, size_t len)
{
    bool bracket = *rest == '[';
    if (*rest == '.' || bracket)
        rest++;
    if (strncmp(rest, key, len) != 0 || strlen(key) != len)
        return NULL;
    rest += len;
    if (bracket)
        return *rest == ']' && is_border(rest[1]) ? rest + 1 : NULL;
    return len && is_border(*rest) ? rest : NULL;
}

/* The bracket that closes the one at `open`, past quoted text. */
static const char *closing(const char *open)
{
    bool quoted = false;
    for (const char *p = open + 1; *p; p++) {
        if (quoted && *p == '\\' && p[1])
            p++;
        else if (*p == '"')
            quoted = !quoted;
        else if (*p == ']' && !quoted)
            return p;
    }
    return NULL;
}

/* Is `text`, perhaps quoted, this value? */
static bool selects_value(const char *text, const char *end, const char *value, size_t len)
{
    bool quoted = end - text >= 2 && *text == '"' && end[-1] == '"';
    text += quoted;
    end -= quoted;
    for (; text < end && len; text++, value++, len--) {
        if (quoted && *text == '\\' && end - text > 1)
            text++;
        if (*text != *value)
            return false;
    }
    return text == end && !len;
}

/* Holds a member of the item against the selector. "" is the name of an item that is no map. */
static void select_member(struct selector *own, const char *name, const char *value, size_t len)
{
    const char *at = own->text, *end = own->text + own->len;
    while (at < end) {
        const char *stop = at;
        for (bool quoted = false; stop < end && (quoted || *stop != ','); stop++) {
            if (quoted && *stop == '\\' && stop + 1 < end)
                stop++;
            else if (*stop == '"')
                quoted = !quoted;
        }
        const char *sign = memchr(at, '=', (size_t)(stop - at));
        if (sign && strlen(name) == (size_t)(sign - at) && memcmp(name, at, (size_t)(sign - at)) == 0) {
            if (value && selects_value(sign + 1, stop, value, len))
                own->fits++;
            else
                own->differs = true;
        }
        at = stop < end ? stop + 1 : end;
    }
}

/* What follows `<<:` goes on with the same path. */
static int walk_merge(struct search *s, const char *rest, size_t depth)
{
    yaml_event_t event;
    if (next(s, &event))
        return -1;
    if (event.type != YAML_SEQUENCE_START_EVENT)
        return walk(s, &event, rest, depth + 1, NULL);
    yaml_event_delete(&event);
    for (;;) {
        if (next(s, &event))
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        if (walk(s, &event, rest, depth + 1, NULL))
            return -1;
    }
}

static int walk_member(struct search *s, yaml_event_t *key, const char *rest, size_t depth,
                       struct selector *own)
{
    size_t len = 0;
    const char *name = key->type == YAML_SCALAR_EVENT ? scalar_text(s, key, &len) : NULL;
    const char *after = name ? path_after_key(rest, name, len) : NULL;
    yaml_mark_t at = key->start_mark;
    char *selected = own && name ? strndup(name, len) : NULL;
    yaml_event_t value;
    int rc = -1;
    if (skip(s, key) || (own && name && !selected) || next(s, &value))
        goto out;
    if (selected && value.type == YAML_SCALAR_EVENT) {
        const char *text = scalar_text(s, &value, &len);
        select_member(own, selected, text, len);
    }
    if (after)
        record(s, after, at);
    rc = after ? walk(s, &value, after, depth + 1, NULL) : skip(s, &value);
out:
    free(selected);
    return rc;
}

/* The start of the map or list is read already; reads its end too. */
static int walk_map(struct search *s, const char *rest, size_t depth, struct selector *own)
{
    for (;;) {
        yaml_event_t event;
        if (next(s, &event))
            return -1;
        if (event.type == YAML_MAPPING_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        int rc;
        if (yaml_is_merge(&event)) {
            yaml_event_delete(&event);
            rc = walk_merge(s, rest, depth);
        } else {
            rc = walk_member(s, &event, rest, depth, own);
        }
        if (rc)
            return -1;
    }
}

static void drop_turns(struct search *s, size_t count)
{
    while (s->turn_count > count)
        free(s->turns[--s->turn_count].name);
}

/* An item shows only when it was read whether it is the selected one; what was found in another is
 * forgotten. Fields of the selector that the manifest leaves to a default (protocol="TCP") do not count. */
static int walk_selected(struct search *s, yaml_event_t *event, const char *rest, const char *close,
                         size_t depth)
{
    struct place before = s->best;
    size_t turns = s->turn_count;
    struct selector own = {.text = rest + 1, .len = (size_t)(close - rest - 1)};
    record(s, close + 1, event->start_mark);
    if (walk(s, event, close + 1, depth + 1, &own))
        return -1;
    if (own.fits && !own.differs)
        return 0;
    s->best = before;
    drop_turns(s, turns);
    return 0;
}

static int walk_list(struct search *s, const char *rest, size_t depth)
{
    const char *close = *rest == '[' ? closing(rest) : NULL;
    char *end = NULL;
    size_t wanted = close && isdigit((unsigned char)rest[1]) ? strtoul(rest + 1, &end, 10) : 0;
    bool by_index = end && end == close;
    for (size_t i = 0;; i++) {
        yaml_event_t event;
        int rc;
        if (next(s, &event))
            return -1;
        if (event.type == YAML_SEQUENCE_END_EVENT) {
            yaml_event_delete(&event);
            return 0;
        }
        if (by_index && i == wanted) {
            record(s, close + 1, event.start_mark);
            rc = walk(s, &event, close + 1, depth + 1, NULL);
        } else if (close && !by_index) {
            rc = walk_selected(s, &event, rest, close, depth);
        } else {
            rc = skip(s, &event);
        }
        if (rc)
            return -1;
    }
}

static int turn_at(struct search *s, const yaml_event_t *event, const char *rest)
{
    if (s->turn_count == LOCATE_ALIASES || !*rest)
        return 0;
    struct turn *turn = &s->turns[s->turn_count];
    turn->name = strdup((const char *)event->data.alias.anchor);
    if (!turn->name)
        return -1;
    turn->at = s->events;
    turn->rest = rest;
    s->turn_count++;
    return 0;
}

/* Follows the path into the value that begins with the event, which it takes over. */
static int walk(struct search *s, yaml_event_t *event, const char *rest, size_t depth, struct selector *own)
{
    if (event->type == YAML_ALIAS_EVENT && turn_at(s, event, rest)) {
        yaml_event_delete(event);
        return -1;
    }
    if (event->type == YAML_SCALAR_EVENT && own) {
        size_t len = 0;
        const char *text = scalar_text(s, event, &len);
        select_member(own, "", text, len);
    }
    bool map = event->type == YAML_MAPPING_START_EVENT;
    if ((!map && event->type != YAML_SEQUENCE_START_EVENT) || depth > YAML_MAX_DEPTH || (!*rest && !own))
        return skip(s, event);
    yaml_event_delete(event);
    return map ? walk_map(s, rest, depth, own) : walk_list(s, rest, depth);
}

/* From the document's root, or for a turn from the last anchor of its name before it. */
static int read_events(struct search *s, const char *path, const struct turn *turn)
{
    struct place before = s->best;
    size_t turns = s->turn_count;
    yaml_event_t event;
    for (s->events = 0;;) {
        if (next(s, &event))
            return -1;
        yaml_event_type_t type = event.type;
        bool starts = type == YAML_SCALAR_EVENT || type == YAML_MAPPING_START_EVENT ||
                      type == YAML_SEQUENCE_START_EVENT;
        if (type == YAML_STREAM_END_EVENT || (turn && s->events >= turn->at)) {
            yaml_event_delete(&event);
            return 0;
        }
        if (starts && !turn) {
            record(s, path, event.start_mark);
            return walk(s, &event, path, 1, NULL);
        }
        if (starts && str_eq((const char *)yaml_anchor_name(&event), turn->name)) {
            s->best = before;
            drop_turns(s, turns);
            if (walk(s, &event, turn->rest, 1, NULL))
                return -1;
            continue;
        }
        yaml_event_delete(&event);
    }
}

static int search_once(struct search *s, const char *path, const struct turn *turn)
{
    if (yaml_begin(&s->reader))
        return -1;
    int rc = read_events(s, path, turn);
    yaml_parser_delete(&s->reader.parser);
    return rc;
}

/* The field's path from the document on, and where the item's own part of it begins. */
static char *full_path(size_t item, const char *field, size_t *own_part)
{
    char *path = NULL;
    *own_part = 0;
    field += *field == '.';
    if (item == YAML_NO_ITEM)
        return strdup(field);
    int n = snprintf(NULL, 0, "items[%zu]", item);
    if (asprintf(&path, "items[%zu].%s", item, field) < 0)
        return NULL;
    *own_part = (size_t)n;
    if (!*field)
        path[n] = '\0';
    return path;
}

bool yaml_locate(const char *text, size_t len, size_t document_line, size_t item, const char *field,
                 size_t *line, size_t *column)
{
    struct err ignored;
    struct search s = {.reader.err = &ignored};
    struct yaml_part part;
    size_t own_part;
    char *path = full_path(item, field, &own_part);
    bool found = false;
    if (!path || !yaml_part_at(text, len, document_line, &part) ||
        yaml_part_open(&s.reader, &part, &s.rewritten) || search_once(&s, path, NULL))
        goto out;
    for (size_t i = 0; i < s.turn_count; i++) {
        /* A copy: the list may grow, and shrink again, under the search. */
        struct turn turn = s.turns[i];
        if (turn.rest >= s.best.rest && search_once(&s, path, &turn))
            goto out;
    }
    found = s.best.line && s.best.rest >= path + own_part;
    if (found) {
        *line = s.best.line;
        *column = s.best.column;
    }
out:
    drop_turns(&s, 0);
    buf_free(&s.reader.keys);
    buf_free(&s.rewritten);
    free(path);
    return found;
}
