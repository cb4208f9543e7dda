#include "exec/lines.h"

#include <string.h>

static void lines_keep(struct lines *lines, const char *data, size_t len)
{
    size_t room = LINE_KEPT + LINE_BEYOND - lines->line.len;
    size_t kept = len < room ? len : room;
    buf_append(&lines->line, data, kept);
    lines->dropped += len - kept;
}

static void lines_give(struct lines *lines, line_fn *fn, void *arg)
{
    fn(arg, buf_str(&lines->line), lines->line.len, lines->dropped);
    buf_clear(&lines->line);
    lines->dropped = 0;
}

void lines_feed(struct lines *lines, const char *data, size_t len, line_fn *fn, void *arg)
{
    while (len > 0) {
        if (lines->after_cr && *data == '\n') {
            data++;
            len--;
        }
        lines->after_cr = false;
        size_t n = 0;
        while (n < len && data[n] != '\n' && data[n] != '\r')
            n++;
        lines_keep(lines, data, n);
        if (n == len)
            return;
        lines->after_cr = data[n] == '\r';
        lines_give(lines, fn, arg);
        data += n + 1;
        len -= n + 1;
    }
}

void lines_end(struct lines *lines, line_fn *fn, void *arg)
{
    if (lines->line.len || lines->dropped)
        lines_give(lines, fn, arg);
    buf_free(&lines->line);
}

/* The length of the escape sequence at s; *sgr says that it is a colour. A sequence that the line's
 * end cuts is dropped whole. */
static size_t line_escape(const char *s, size_t n, bool *sgr)
{
    *sgr = false;
    if (n < 2)
        return n;
    if (s[1] == '[') {
        size_t i = 2;
        while (i < n && (unsigned char)s[i] >= 0x20 && (unsigned char)s[i] < 0x40)
            i++;
        *sgr = i < n && s[i] == 'm' && strspn(s + 2, "0123456789;:") == i - 2;
        return i < n ? i + 1 : n;
    }
    if (s[1] == ']' || s[1] == 'P' || s[1] == '_' || s[1] == '^' || s[1] == 'X') {
        for (size_t i = 2; i < n; i++) {
            if (s[i] == '\a')
                return i + 1;
            if (s[i] == 0x1b && i + 1 < n && s[i + 1] == '\\')
                return i + 2;
        }
        return n;
    }
    /* ESC ( B and its like, which `tput sgr0` sends: bytes between the escape and its last one. */
    size_t i = 1;
    while (i < n && s[i] >= 0x20 && s[i] < 0x30)
        i++;
    return i < n ? i + 1 : n;
}

/* How many bytes at s are text. U+0080 to U+009F are control characters too, which terminals obey. */
static size_t line_text(const char *s, size_t n)
{
    size_t i = 0;
    for (; i < n; i++) {
        unsigned char c = (unsigned char)s[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            break;
        if (c == 0xC2 && i + 1 < n && (unsigned char)s[i + 1] < 0xA0)
            break;
    }
    return i;
}

void line_clean(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len;) {
        size_t plain = line_text(text + i, len - i);
        buf_append(out, text + i, plain);
        i += plain;
        if (i == len)
            return;
        if (text[i] != 0x1b) {
            i += (unsigned char)text[i] == 0xC2 ? 2 : 1;
            continue;
        }
        bool sgr;
        size_t n = line_escape(text + i, len - i, &sgr);
        if (sgr)
            buf_append(out, text + i, n);
        i += n;
    }
}

void text_clean(const char *text, size_t len, struct buf *out)
{
    for (size_t i = 0; i < len;) {
        size_t plain = line_text(text + i, len - i);
        bool sgr;
        buf_append(out, text + i, plain);
        i += plain;
        if (i == len)
            return;
        if (text[i] == '\n')
            buf_putc(out, '\n');
        i += text[i] == 0x1b ? line_escape(text + i, len - i, &sgr) : (unsigned char)text[i] == 0xC2 ? 2 : 1;
    }
}
