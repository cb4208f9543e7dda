/* JSON is read here and not by jansson, which would make doubles of large integers and forget how a
 * number was written. It is read twice: the first time it is only checked, and the places of the
 * outermost members are found. */
#include "io/yaml-write.h"

#include "base/str.h"
#include "io/yaml-internal.h"

#include <stdlib.h>
#include <string.h>

struct yaml_place {
    size_t at;
    int rank;
};

struct yaml_writer {
    const char *json, *p, *end;
    bool silent; /* the first time */
    struct buf text;
    struct yaml_place *members; /* of the outermost object */
    size_t count, cap;
    yaml_emitter_t emitter;
    struct buf *out;
    struct err *err;
};

/* ---- events ---- */

static int write_bytes(void *arg, unsigned char *bytes, size_t len)
{
    struct yaml_writer *w = arg;
    buf_append(w->out, bytes, len);
    return !w->out->failed;
}

/* `made`: what making the event returned. The emitter takes the event over. */
static int write_event(struct yaml_writer *w, yaml_event_t *event, int made)
{
    if (!made)
        return err_no_memory(w->err);
    if (yaml_emitter_emit(&w->emitter, event))
        return 0;
    if (w->out->failed || w->emitter.error == YAML_MEMORY_ERROR)
        return err_no_memory(w->err);
    return err_set(w->err, "the YAML cannot be written: %s", str_or(w->emitter.problem, "no reason given"));
}

static int write_scalar(struct yaml_writer *w, yaml_scalar_style_t style)
{
    yaml_event_t event;
    yaml_char_t *text = (yaml_char_t *)buf_str(&w->text);
    if (w->silent)
        return 0;
    return write_event(w, &event,
                       yaml_scalar_event_initialize(&event, NULL, NULL, text, (int)w->text.len, 1, 1, style));
}

static int write_begin(struct yaml_writer *w, bool map, bool empty)
{
    yaml_event_t event;
    if (w->silent)
        return 0;
    if (map)
        return write_event(
            w, &event,
            yaml_mapping_start_event_initialize(&event, NULL, NULL, 1,
                                                empty ? YAML_FLOW_MAPPING_STYLE : YAML_BLOCK_MAPPING_STYLE));
    return write_event(
        w, &event,
        yaml_sequence_start_event_initialize(&event, NULL, NULL, 1,
                                             empty ? YAML_FLOW_SEQUENCE_STYLE : YAML_BLOCK_SEQUENCE_STYLE));
}

static int write_end(struct yaml_writer *w, bool map)
{
    yaml_event_t event;
    if (w->silent)
        return 0;
    return write_event(w, &event,
                       map ? yaml_mapping_end_event_initialize(&event)
                           : yaml_sequence_end_event_initialize(&event));
}

/* ---- texts ---- */

/* A reader takes these for the end of a line, or for nothing at all: they are written as escapes. */
static bool text_is_odd(const char *s, size_t len)
{
    static const char *const marks[] = {"\r", "\xC2\x85", "\xE2\x80\xA8", "\xE2\x80\xA9", "\xEF\xBB\xBF"};
    for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++)
        if (memmem(s, len, marks[i], strlen(marks[i])))
            return true;
    return false;
}

/* Would somebody's YAML 1.1 make anything else of it, were it plain? Times, numbers to the base of 60,
 * and the signs of merges and defaults are texts to our own reader, or only as values. */
static int text_needs_quotes(const struct buf *text, bool *needs, struct err *err)
{
    struct yaml_scalar scalar = {.text = buf_str(text), .len = text->len, .plain = true};
    const char *s = scalar.text;
    struct yaml_meaning meaning;
    if (yaml_resolve(&scalar, &meaning, err))
        return -1;
    *needs = meaning.kind != YAML_KIND_STRING || yaml_timestamp(s) || str_eq(s, "<<") || str_eq(s, "=") ||
             (strchr(s, ':') && s[strspn(s, "0123456789+-_.:")] == '\0');
    return 0;
}

static int write_text(struct yaml_writer *w)
{
    const char *s = buf_str(&w->text);
    bool quotes = true;
    if (w->silent)
        return 0;
    if (text_is_odd(s, w->text.len))
        return write_scalar(w, YAML_DOUBLE_QUOTED_SCALAR_STYLE);
    if (memchr(s, '\n', w->text.len))
        return write_scalar(w, YAML_LITERAL_SCALAR_STYLE);
    if (text_needs_quotes(&w->text, &quotes, w->err))
        return -1;
    return write_scalar(w, quotes ? YAML_DOUBLE_QUOTED_SCALAR_STYLE : YAML_PLAIN_SCALAR_STYLE);
}

/* ---- JSON ---- */

static int json_fail(const struct yaml_writer *w)
{
    return err_code(w->err, ERR_BAD_REQUEST, "this is no JSON at byte %zu", (size_t)(w->p - w->json));
}

static void json_space(struct yaml_writer *w)
{
    while (w->p < w->end && (*w->p == ' ' || *w->p == '\t' || *w->p == '\n' || *w->p == '\r'))
        w->p++;
}

/* Passes over space, and over `c` where it stands there. */
static bool json_at(struct yaml_writer *w, char c)
{
    json_space(w);
    if (w->p == w->end || *w->p != c)
        return false;
    w->p++;
    return true;
}

/* The four digits behind "\u"; -1 where they are none. */
static int json_hex(struct yaml_writer *w)
{
    static const char digits[] = "0123456789abcdef";
    int code = 0;
    if (w->end - w->p < 4)
        return -1;
    for (int i = 0; i < 4; i++, w->p++) {
        const char *digit = memchr(digits, *w->p | 0x20, 16);
        if (!digit || (*w->p < '0'))
            return -1;
        code = code << 4 | (int)(digit - digits);
    }
    return code;
}

static void json_utf8(struct buf *out, unsigned code)
{
    if (code < 0x80) {
        buf_putc(out, (char)code);
        return;
    }
    int more = code < 0x800 ? 1 : code < 0x10000 ? 2 : 3;
    buf_putc(out, (char)((0xFF00 >> (more + 1) & 0xFF) | code >> 6 * more));
    while (more-- > 0)
        buf_putc(out, (char)(0x80 | (code >> 6 * more & 0x3F)));
}

/* Behind "\u". Half a pair becomes U+FFFD, as in Go. */
static int json_unicode(struct yaml_writer *w)
{
    int code = json_hex(w);
    if (code < 0)
        return json_fail(w);
    if (code >= 0xD800 && code < 0xDC00 && w->end - w->p >= 6 && w->p[0] == '\\' && w->p[1] == 'u') {
        const char *back = w->p;
        w->p += 2;
        int low = json_hex(w);
        if (low >= 0xDC00 && low < 0xE000) {
            json_utf8(&w->text, 0x10000u + (((unsigned)code - 0xD800) << 10) + ((unsigned)low - 0xDC00));
            return 0;
        }
        w->p = back;
    }
    json_utf8(&w->text, code >= 0xD800 && code < 0xE000 ? 0xFFFD : (unsigned)code);
    return 0;
}

static int json_escape(struct yaml_writer *w)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    if (w->end - w->p < 2)
        return json_fail(w);
    char c = w->p[1];
    const char *known = memchr(from, c, sizeof(from) - 1);
    if (known) {
        buf_putc(&w->text, to[known - from]);
        w->p += 2;
        return 0;
    }
    if (c != 'u')
        return json_fail(w);
    w->p += 2;
    return json_unicode(w);
}

/* Reads a string into w->text. */
static int json_string(struct yaml_writer *w)
{
    buf_clear(&w->text);
    if (!json_at(w, '"'))
        return json_fail(w);
    while (w->p < w->end && *w->p != '"') {
        unsigned char c = (unsigned char)*w->p;
        if (c == '\\') {
            if (json_escape(w))
                return -1;
            continue;
        }
        size_t n = c < 0x20 ? 0 : str_utf8_len(w->p, (size_t)(w->end - w->p));
        if (n == 0)
            return json_fail(w);
        buf_append(&w->text, w->p, n);
        w->p += n;
    }
    if (w->p == w->end)
        return json_fail(w);
    w->p++;
    return w->text.failed ? err_no_memory(w->err) : 0;
}

static size_t json_digits(struct yaml_writer *w)
{
    const char *from = w->p;
    while (w->p < w->end && *w->p >= '0' && *w->p <= '9')
        w->p++;
    return (size_t)(w->p - from);
}

static int json_number(struct yaml_writer *w)
{
    const char *from = w->p, *whole;
    w->p += *w->p == '-';
    whole = w->p;
    size_t digits = json_digits(w);
    bool good = digits == 1 || (digits > 1 && *whole != '0');
    if (good && w->p < w->end && *w->p == '.') {
        w->p++;
        good = json_digits(w) > 0;
    }
    if (good && w->p < w->end && (*w->p | 0x20) == 'e') {
        w->p++;
        w->p += w->p < w->end && (*w->p == '+' || *w->p == '-');
        good = json_digits(w) > 0;
    }
    if (!good)
        return json_fail(w);
    buf_clear(&w->text);
    buf_append(&w->text, from, (size_t)(w->p - from));
    if (w->text.failed)
        return err_no_memory(w->err);
    struct yaml_scalar scalar = {.text = buf_str(&w->text), .len = w->text.len, .plain = true};
    struct yaml_meaning meaning;
    if (yaml_resolve(&scalar, &meaning, w->err))
        return -1;
    if (meaning.kind == YAML_KIND_STRING)
        return err_code(w->err, ERR_BAD_REQUEST, "the number %.60s is larger than a double holds",
                        scalar.text);
    return write_scalar(w, YAML_PLAIN_SCALAR_STYLE);
}

static int json_word(struct yaml_writer *w)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < 3; i++) {
        size_t n = strlen(words[i]);
        if ((size_t)(w->end - w->p) < n || memcmp(w->p, words[i], n) != 0)
            continue;
        w->p += n;
        buf_clear(&w->text);
        buf_puts(&w->text, words[i]);
        return w->text.failed ? err_no_memory(w->err) : write_scalar(w, YAML_PLAIN_SCALAR_STYLE);
    }
    return json_fail(w);
}

/* ---- values ---- */

static int write_value(struct yaml_writer *w, size_t depth);

static int write_member(struct yaml_writer *w, size_t depth)
{
    if (json_string(w) || write_text(w))
        return -1;
    if (!json_at(w, ':'))
        return json_fail(w);
    return write_value(w, depth);
}

/* The rank in a Kubernetes object of the member that w->text names. */
static int member_rank(const char *name)
{
    static const char *const first[] = {"apiVersion", "kind", "metadata"};
    for (int i = 0; i < 3; i++)
        if (str_eq(name, first[i]))
            return i;
    return str_eq(name, "status") ? 4 : 3;
}

/* Remembers an outermost member, whose name begins at w->p. */
static int member_found(struct yaml_writer *w)
{
    if (w->count == w->cap) {
        size_t cap = w->cap ? 2 * w->cap : 16;
        struct yaml_place *grown = realloc(w->members, cap * sizeof(*grown));
        if (!grown)
            return err_no_memory(w->err);
        w->members = grown;
        w->cap = cap;
    }
    struct yaml_place *place = &w->members[w->count++];
    place->at = (size_t)(w->p - w->json);
    if (json_string(w))
        return -1;
    place->rank = member_rank(buf_str(&w->text));
    w->p = w->json + place->at;
    return 0;
}

/* The members of an object, or the values of a list, from behind the bracket on. */
static int write_items(struct yaml_writer *w, bool map, size_t depth)
{
    char close = map ? '}' : ']';
    if (depth > YAML_MAX_DEPTH)
        return err_code(w->err, ERR_BAD_REQUEST, "the JSON is nested deeper than %d", YAML_MAX_DEPTH);
    bool empty = json_at(w, close);
    if (write_begin(w, map, empty))
        return -1;
    while (!empty) {
        json_space(w);
        if (map && depth == 1 && w->silent && member_found(w))
            return -1;
        if (map ? write_member(w, depth) : write_value(w, depth))
            return -1;
        if (json_at(w, close))
            break;
        if (!json_at(w, ','))
            return json_fail(w);
    }
    return write_end(w, map);
}

static int write_value(struct yaml_writer *w, size_t depth)
{
    if (json_at(w, '{'))
        return write_items(w, true, depth + 1);
    if (json_at(w, '['))
        return write_items(w, false, depth + 1);
    if (w->p == w->end)
        return json_fail(w);
    if (*w->p == '"')
        return json_string(w) ? -1 : write_text(w);
    if (*w->p == '-' || (*w->p >= '0' && *w->p <= '9'))
        return json_number(w);
    return json_word(w);
}

/* The outermost object of Kubernetes: its members in the order that people know. */
static int write_object(struct yaml_writer *w)
{
    if (write_begin(w, true, false))
        return -1;
    for (int rank = 0; rank <= 4; rank++)
        for (size_t i = 0; i < w->count; i++) {
            w->p = w->json + w->members[i].at;
            if (w->members[i].rank == rank && write_member(w, 1))
                return -1;
        }
    return write_end(w, true);
}

static bool is_kubernetes(const struct yaml_writer *w)
{
    bool version = false, kind = false;
    for (size_t i = 0; i < w->count; i++) {
        version |= w->members[i].rank == 0;
        kind |= w->members[i].rank == 1;
    }
    return version && kind;
}

static int write_document(struct yaml_writer *w)
{
    yaml_event_t event;
    if (write_event(w, &event, yaml_stream_start_event_initialize(&event, YAML_UTF8_ENCODING)) ||
        write_event(w, &event, yaml_document_start_event_initialize(&event, NULL, NULL, NULL, 1)))
        return -1;
    w->p = w->json;
    if (is_kubernetes(w) ? write_object(w) : write_value(w, 0))
        return -1;
    if (write_event(w, &event, yaml_document_end_event_initialize(&event, 1)))
        return -1;
    if (write_event(w, &event, yaml_stream_end_event_initialize(&event)))
        return -1;
    /* libyaml ends a document with three dots when any text in it ended with empty lines. Other dots at
     * the beginning of a line are none of its own, unless the whole document is a text. */
    if ((*w->json == '{' || *w->json == '[') && str_ends(buf_str(w->out), "\n...\n"))
        w->out->data[w->out->len -= 4] = '\0';
    return 0;
}

int yaml_write(const char *json, size_t len, struct buf *out, struct err *err)
{
    struct yaml_writer w = {
        .json = json, .p = json, .end = json + len, .silent = true, .out = out, .err = err};
    int rc = -1;
    if (len > YAML_WRITE_MAX)
        return err_code(err, ERR_TOO_LARGE, "the object is larger than %d MiB", YAML_WRITE_MAX >> 20);
    if (!yaml_emitter_initialize(&w.emitter))
        return err_no_memory(err);
    yaml_emitter_set_output(&w.emitter, write_bytes, &w);
    yaml_emitter_set_unicode(&w.emitter, 1);
    yaml_emitter_set_width(&w.emitter, -1);
    if (write_value(&w, 0))
        goto out;
    json_space(&w);
    if (w.p != w.end) {
        json_fail(&w);
        goto out;
    }
    w.silent = false;
    rc = write_document(&w);
out:
    yaml_emitter_delete(&w.emitter);
    free(w.members);
    buf_free(&w.text);
    return rc;
}
