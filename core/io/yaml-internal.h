/* yaml-internal.h: what the files of the YAML reader share.
 *
 * yaml.c cuts a text into documents, yaml-read.c turns one document's events into
 * JSON, yaml-map.c orders and merges members, yaml-anchor.c keeps what aliases
 * repeat, yaml-scalar.c says what a scalar means, yaml-problem.c says what is wrong. yaml-locate.c
 * looks for a field in the same events. */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "io/yaml.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <yaml.h>

enum yaml_kind {
    YAML_KIND_NULL,
    YAML_KIND_BOOL,
    YAML_KIND_INT,
    YAML_KIND_UINT,
    YAML_KIND_REAL,
    YAML_KIND_STRING,
    YAML_KIND_BINARY,
};

/* A scalar as it was written. The reader of an event lends it, an anchor owns one. */
struct yaml_scalar {
    const char *text; /* NUL-terminated, and may hold NULs */
    size_t len;
    const char *tag; /* in its long form; NULL for none */
    bool plain;      /* no tag and no quotes: its text says what it is */
};

struct yaml_meaning {
    enum yaml_kind kind;
    union {
        bool truth;
        int64_t integer;
        uint64_t natural;
        double real;
    };
};

/* What go-yaml v2 makes of a scalar; -1 where it refuses. The err has no position yet. */
int yaml_resolve(const struct yaml_scalar *scalar, struct yaml_meaning *out, struct err *err);

/* Appends the JSON of a scalar; -1 where JSON cannot hold it. The err has no position yet. */
int yaml_scalar_json(const struct yaml_scalar *scalar, struct buf *out, struct err *err);

/* Appends the text that a scalar has as a key. The err has no position yet. */
int yaml_scalar_key(const struct yaml_scalar *scalar, struct buf *out, struct err *err);

/* yaml-number.c: plain numbers, as Go's strconv reads them. 1, 0 for no number, -1 out of memory. */
int yaml_number(const char *text, size_t len, struct yaml_meaning *out);
bool yaml_timestamp(const char *text);
void yaml_real_key(double value, char text[32]);

/* Decodes base64 as Go's StdEncoding does; -1 for text that is none. */
int yaml_base64(const char *text, size_t len, struct buf *out);

/* A member of an open map: its raw key in reader.keys, `"key":value,` in reader.out. */
struct yaml_member {
    size_t key_at, key_len;
    size_t at, len;
    size_t line, column; /* of the key, from 1 */
    uint64_t rank;       /* of two equal keys the higher rank wins; two explicit ones are refused */
    size_t order;
};

#define YAML_EXPLICIT UINT64_MAX

/* How large a value is, for those that repeat it. */
struct yaml_shape {
    size_t nodes;
    size_t height; /* nested collections: 0 for a scalar, 1 for [] */
};

enum yaml_anchor_kind { YAML_ANCHOR_OPEN, YAML_ANCHOR_SCALAR, YAML_ANCHOR_LIST, YAML_ANCHOR_MAP };

struct yaml_anchor {
    char *name;
    unsigned serial; /* which of the nodes with this name it holds */
    enum yaml_anchor_kind kind;
    struct yaml_shape shape;
    struct yaml_scalar scalar;
    char *json; /* a list's JSON, a map's pieces as in reader.out */
    size_t json_len;
    char *keys;
    struct yaml_member *members; /* offsets from the start of keys and json */
    size_t count;
};

/* What all documents of a text share. */
struct yaml_budget {
    size_t nodes; /* that aliases repeated */
    size_t bytes; /* that anchors and aliases copied */
};

struct yaml_reader {
    yaml_parser_t parser;
    const char *text; /* this document's part of the text */
    size_t len;
    size_t handed; /* how many of them libyaml has */
    bool ended;
    size_t lines_before;
    struct buf out;
    struct buf keys;
    struct buf scratch;
    struct yaml_member *members; /* a stack: an inner map's members are above the outer's */
    size_t count, cap;
    void *anchors; /* tsearch tree of struct yaml_anchor, by name */
    unsigned serial;
    struct yaml_budget *budget;
    struct err *err;
};

/* Sets "LINE:COLUMN: sentence" for a place in the document. Returns -1. */
int yaml_fail(struct yaml_reader *r, yaml_mark_t at, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Puts the position before a sentence that is there. Returns -1. */
int yaml_fail_at(struct yaml_reader *r, yaml_mark_t at);
/* Says what libyaml found wrong. Returns -1. */
int yaml_fail_parser(struct yaml_reader *r);

/* A piece of a text that holds at most one document. */
struct yaml_part {
    const char *text;
    size_t len;
    size_t line; /* the number of its first line, from 0 */
    bool blank;  /* only comments and empty lines */
};

/* Finds the part that the line (from 1) lies in; false where it lies in none, or a blank one. */
bool yaml_part_at(const char *text, size_t len, size_t line, struct yaml_part *out);
/* Makes the part what the reader reads. `rewritten` keeps its bytes where they are other ones than the
 * text's; the caller frees it after the reading. */
int yaml_part_open(struct yaml_reader *r, const struct yaml_part *part, struct buf *rewritten);

/* Refuses a byte order mark at the start of a line: libyaml passes over it and go-yaml makes it
 * part of a key. */
int yaml_check_marks(struct yaml_reader *r);

/* Begins to read the reader's text; the caller ends it with yaml_parser_delete() if this returned 0. */
int yaml_begin(struct yaml_reader *r);
/* Reads one part of a text, that is at most one document. `item->json` stays NULL for an empty one. */
int yaml_read_part(struct yaml_reader *r, struct yaml_document *item);

/* The next event, which the caller deletes. */
int yaml_next(struct yaml_reader *r, yaml_event_t *event);
/* Appends the value that begins with `event` to r->out. Takes the event over. */
int yaml_read_value(struct yaml_reader *r, yaml_event_t *event, size_t depth, struct yaml_shape *shape);
struct yaml_scalar yaml_event_scalar(const yaml_event_t *event);
/* -1 once the document or the text is larger than allowed, or memory ran out. */
int yaml_check_size(struct yaml_reader *r, yaml_mark_t at);

/* Appends a map to r->out. Takes the event over. */
int yaml_read_map(struct yaml_reader *r, yaml_event_t *event, size_t depth, struct yaml_shape *shape);
/* Is this key the `<<` of a merge? */
bool yaml_is_merge(const yaml_event_t *event);
/* A new member whose key and value will follow; NULL when out of memory. */
struct yaml_member *yaml_member_push(struct yaml_reader *r);
/* Orders the members from `first` on and their pieces, which begin at `start` in r->out. */
int yaml_members_order(struct yaml_reader *r, size_t first, size_t start);

/* Remembers that the node of this event has an anchor; 0 in *serial where it has none. */
int yaml_anchor_open(struct yaml_reader *r, const yaml_event_t *event, unsigned *serial);
/* Each keeps a finished node under the anchor of `serial`, unless a later one took its name. */
int yaml_anchor_scalar(struct yaml_reader *r, const yaml_event_t *event, unsigned serial);
int yaml_anchor_list(struct yaml_reader *r, const yaml_event_t *event, unsigned serial, size_t start,
                     struct yaml_shape shape);
int yaml_anchor_map(struct yaml_reader *r, const yaml_event_t *event, unsigned serial, size_t first,
                    size_t start, struct yaml_shape shape);
/* The anchor that an alias event names, with its size charged; NULL where it cannot stand here. */
struct yaml_anchor *yaml_anchor_use(struct yaml_reader *r, const yaml_event_t *event, size_t depth);
/* The name that a value's event has as an anchor; NULL for none. */
const yaml_char_t *yaml_anchor_name(const yaml_event_t *event);
void yaml_anchors_free(struct yaml_reader *r);
