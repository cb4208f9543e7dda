#include "io/yaml-internal.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

/* Cuts a text where kubectl does: at lines that begin with "---". */
struct cutter {
    const char *at, *end;
    size_t line; /* the number of the line at `at`, from 0 */
};

static size_t line_length(const char *at, const char *end)
{
    const char *newline = memchr(at, '\n', (size_t)(end - at));
    return newline ? (size_t)(newline - at) + 1 : (size_t)(end - at);
}

static const char *skip_blanks(const char *at, const char *end)
{
    while (at < end && strchr(" \t\r\n", *at) && *at)
        at++;
    return at;
}

/* Empty or a comment. A comment with other bytes than printable ASCII is left to libyaml: it may
 * hold a line break that only YAML knows. */
static bool is_blank_line(const char *at, size_t len)
{
    const char *end = at + len;
    const char *p = skip_blanks(at, end);
    if (p < end && *p == '#')
        while (p < end && (unsigned char)*p >= ' ' && (unsigned char)*p < 0x7F)
            p++;
    return skip_blanks(p, end) == end && (p == end || *p != '\r' || end - p == 2);
}

static bool is_separator(const char *at, size_t len)
{
    return len >= 3 && memcmp(at, "---", 3) == 0;
}

static void skip_bom(struct cutter *c)
{
    if (c->end - c->at >= 3 && memcmp(c->at, "\xEF\xBB\xBF", 3) == 0)
        c->at += 3;
}

/* A separator with nothing behind it is passed over; one with a value is the document's first line. */
static int pass_separator(struct cutter *c, struct err *err)
{
    size_t len = line_length(c->at, c->end);
    if (!is_separator(c->at, len))
        return 0;
    if (is_blank_line(c->at + 3, len - 3)) {
        c->at += len;
        c->line++;
        skip_bom(c);
        return 0;
    }
    if (c->at[3] == ' ' || c->at[3] == '\t')
        return 0;
    return err_code(
        err, ERR_BAD_REQUEST,
        "%zu:1: a line that begins with \"---\" separates documents and can go on only with a space "
        "or a comment",
        c->line + 1);
}

/* Directives (%YAML, %TAG) belong to the document behind the next separator. */
static int next_part(struct cutter *c, struct yaml_part *part, struct err *err)
{
    if (pass_separator(c, err))
        return -1;
    bool directives = false, first = true;
    *part = (struct yaml_part){.text = c->at, .line = c->line, .blank = true};
    while (c->at < c->end) {
        size_t len = line_length(c->at, c->end);
        if (is_separator(c->at, len) && !first) {
            if (!directives)
                break;
            directives = false;
        }
        if (!is_blank_line(c->at, len)) {
            directives = *c->at == '%' && (part->blank || directives);
            part->blank = false;
        }
        first = false;
        c->at += len;
        c->line++;
    }
    part->len = (size_t)(c->at - part->text);
    return 0;
}

/* The value of `\uXXXX` if `text` begins with it, else 0. */
static unsigned escaped_unit(const char *text, const char *end)
{
    char digits[5] = {0}, *stop;
    if (end - text < 6 || text[0] != '\\' || text[1] != 'u')
        return 0;
    memcpy(digits, text + 2, 4);
    unsigned long unit = strtoul(digits, &stop, 16);
    return stop == digits + 4 ? (unsigned)unit : 0;
}

/* JSON writes characters beyond U+FFFF as two escapes, which YAML does not know: each pair
 * becomes YAML's own escape. The text is known to be JSON, so a backslash stands only in a string. */
static int rewrite_pairs(const char *text, size_t len, struct buf *out)
{
    const char *end = text + len;
    while (text < end) {
        const char *escape = memchr(text, '\\', (size_t)(end - text));
        buf_append(out, text, (size_t)((escape ? escape : end) - text));
        if (!escape || end - escape < 2)
            break;
        unsigned high = escaped_unit(escape, end);
        unsigned low = high >> 10 == 0xD800 >> 10 ? escaped_unit(escape + 6, end) : 0;
        if (low >> 10 == 0xDC00 >> 10)
            buf_printf(out, "\\U%08X", 0x10000 + ((high & 0x3FF) << 10 | (low & 0x3FF)));
        else
            buf_append(out, escape, 2);
        text = escape + (low >> 10 == 0xDC00 >> 10 ? 12 : 2);
    }
    return out->failed ? -1 : 0;
}

static bool has_pairs(const struct yaml_part *part)
{
    const char *start = skip_blanks(part->text, part->text + part->len);
    if (start == part->text + part->len || *start != '{')
        return false;
    const char *at = part->text, *end = part->text + part->len;
    while ((at = memmem(at, (size_t)(end - at), "\\u", 2)) != NULL) {
        if (end - at >= 4 && strchr("dD", at[2]) && strchr("89abAB", at[3]))
            return true;
        at += 2;
    }
    return false;
}

int yaml_part_open(struct yaml_reader *r, const struct yaml_part *part, struct buf *rewritten)
{
    if (part->len > YAML_MAX_DOCUMENT)
        return err_code(r->err, ERR_TOO_LARGE, "%zu:1: the document is over %d MiB", part->line + 1,
                        YAML_MAX_DOCUMENT >> 20);
    r->text = part->text;
    r->len = part->len;
    r->lines_before = part->line;
    if (has_pairs(part)) {
        json_t *json = json_loadb(part->text, part->len, 0, NULL);
        bool is_json = json != NULL;
        json_decref(json);
        if (is_json && rewrite_pairs(part->text, part->len, rewritten))
            return err_no_memory(r->err);
        if (is_json) {
            r->text = rewritten->data;
            r->len = rewritten->len;
        }
    }
    return 0;
}

static int read_part(struct yaml_reader *r, const struct yaml_part *part, struct yaml_document *item)
{
    struct buf rewritten = {0};
    int rc = -1;
    if (yaml_part_open(r, part, &rewritten) == 0)
        rc = yaml_read_part(r, item);
    buf_free(&rewritten);
    return rc;
}

bool yaml_part_at(const char *text, size_t len, size_t line, struct yaml_part *out)
{
    struct cutter c = {.at = text, .end = text + len};
    skip_bom(&c);
    while (c.at < c.end && c.line < line)
        if (next_part(&c, out, NULL))
            return false;
    return line && c.line >= line && out->line < line && !out->blank;
}

static int add_document(struct yaml_documents *out, const struct yaml_document *item, size_t *cap,
                        struct err *err)
{
    if (out->count == *cap) {
        size_t more = *cap ? *cap * 2 : 8;
        struct yaml_document *grown = realloc(out->items, more * sizeof(*grown));
        if (!grown)
            return err_no_memory(err);
        out->items = grown;
        *cap = more;
    }
    out->items[out->count++] = *item;
    return 0;
}

int yaml_parse(const char *text, size_t len, struct yaml_documents *out, struct err *err)
{
    struct err ignored = {0};
    struct yaml_budget budget = {0};
    struct yaml_reader r = {.budget = &budget, .err = err ? err : &ignored};
    struct cutter c = {.at = text, .end = text + len};
    size_t cap = 0;
    int rc = -1;
    *out = (struct yaml_documents){0};
    skip_bom(&c);
    while (c.at < c.end) {
        struct yaml_part part;
        struct yaml_document item = {0};
        if (next_part(&c, &part, r.err))
            goto out;
        if (part.blank)
            continue;
        if (read_part(&r, &part, &item))
            goto out;
        if (item.json && add_document(out, &item, &cap, r.err)) {
            free(item.json);
            goto out;
        }
    }
    rc = 0;
out:
    buf_free(&r.out);
    buf_free(&r.keys);
    buf_free(&r.scratch);
    free(r.members);
    if (rc)
        yaml_documents_free(out);
    return rc;
}

void yaml_documents_free(struct yaml_documents *documents)
{
    for (size_t i = 0; i < documents->count; i++)
        free(documents->items[i].json);
    free(documents->items);
    *documents = (struct yaml_documents){0};
}
