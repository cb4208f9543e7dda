#include "io/redact-internal.h"

#include <stdlib.h>
#include <string.h>

/* The length of the escape at `at`, which begins with ESC. Only what can hold no text is taken
 * out: of a title (ESC ]) or an unknown one just its first two bytes. */
static size_t escape_length(const char *line, size_t len, size_t at, bool *colour)
{
    size_t end = at + 2;

    *colour = false;
    if (end > len)
        return 1;
    if (line[at + 1] == '(' || line[at + 1] == ')')
        return end < len ? 3 : 2;
    if (line[at + 1] != '[')
        return 2;
    while (end < len && line[end] >= 0x20 && line[end] <= 0x3f)
        end++;
    if (end == len)
        return end - at;
    *colour = line[end] == 'm';
    return end + 1 - at;
}

int redact_shadow_make(struct redact_shadow *shadow, const char *line, size_t len)
{
    const char *next = memchr(line, '\033', len);
    size_t room = 0, at = 0;

    *shadow = (struct redact_shadow){.line = line, .line_len = len, .text = line, .len = len};
    if (!next)
        return 0;
    shadow->len = 0;
    shadow->text = shadow->copy = malloc(len);
    if (!shadow->copy)
        return -1;
    while (next) {
        size_t plain = (size_t)(next - line) - at;
        struct redact_cut *cut;
        memcpy(shadow->copy + shadow->len, line + at, plain);
        shadow->len += plain;
        at += plain;
        if (shadow->cut_count == room) {
            room = room ? room * 2 : 16;
            cut = realloc(shadow->cuts, room * sizeof(*cut));
            if (!cut)
                return -1;
            shadow->cuts = cut;
        }
        cut = &shadow->cuts[shadow->cut_count++];
        *cut = (struct redact_cut){.at = shadow->len, .from = at};
        at += escape_length(line, len, at, &cut->colour);
        cut->to = at;
        next = memchr(line + at, '\033', len - at);
    }
    memcpy(shadow->copy + shadow->len, line + at, len - at);
    shadow->len += len - at;
    return 0;
}

void redact_shadow_free(struct redact_shadow *shadow)
{
    free(shadow->copy);
    free(shadow->cuts);
}

void redact_shadow_write(const struct redact_shadow *shadow, const struct redact_span *spans, size_t count,
                         struct buf *out)
{
    size_t at = 0, cut = 0;

    for (size_t i = 0; i <= count; i++) {
        size_t from = i < count ? spans[i].from : shadow->len, to = i < count ? spans[i].to : shadow->len;
        for (; cut < shadow->cut_count && shadow->cuts[cut].at <= from; cut++) {
            const struct redact_cut *c = &shadow->cuts[cut];
            buf_append(out, shadow->text + at, c->at - at);
            buf_append(out, shadow->line + c->from, c->to - c->from);
            at = c->at;
        }
        buf_append(out, shadow->text + at, from - at);
        at = to;
        if (i == count)
            break;
        buf_puts(out, REDACT_MASK);
        for (; cut < shadow->cut_count && shadow->cuts[cut].at < to; cut++) {
            const struct redact_cut *c = &shadow->cuts[cut];
            if (c->colour)
                buf_append(out, shadow->line + c->from, c->to - c->from);
        }
    }
}
