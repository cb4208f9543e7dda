#include "base/json-write.h"

#include "base/str.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void json_value(struct json_writer *w)
{
    if (w->comma)
        buf_putc(w->out, ',');
    w->comma = true;
}

static void json_open(struct json_writer *w, char c)
{
    json_value(w);
    buf_putc(w->out, c);
    w->comma = false;
}

static void json_close(struct json_writer *w, char c)
{
    buf_putc(w->out, c);
    w->comma = true;
}

void jsonw_begin_object(struct json_writer *w)
{
    json_open(w, '{');
}

void jsonw_end_object(struct json_writer *w)
{
    json_close(w, '}');
}

void jsonw_begin_array(struct json_writer *w)
{
    json_open(w, '[');
}

void jsonw_end_array(struct json_writer *w)
{
    json_close(w, ']');
}

static void json_key_ends(struct json_writer *w)
{
    buf_putc(w->out, ':');
    w->comma = false;
}

void jsonw_keyn(struct json_writer *w, const char *key, size_t n)
{
    jsonw_stringn(w, key, n);
    json_key_ends(w);
}

void jsonw_raw_key(struct json_writer *w, const char *quoted, size_t n)
{
    jsonw_raw(w, quoted, n);
    json_key_ends(w);
}

void jsonw_key(struct json_writer *w, const char *key)
{
    jsonw_keyn(w, key, strlen(key));
}

void jsonw_string(struct json_writer *w, const char *s)
{
    if (s)
        jsonw_stringn(w, s, strlen(s));
    else
        jsonw_null(w);
}

/* Appends one character that cannot stand as it is; returns how many bytes it was. */
static size_t json_escape(struct buf *out, const char *s, size_t n)
{
    unsigned char c = (unsigned char)*s;
    if (c == '"' || c == '\\') {
        char pair[2] = {'\\', (char)c};
        buf_append(out, pair, 2);
    } else if (c == '\n') {
        buf_append(out, "\\n", 2);
    } else if (c == '\t') {
        buf_append(out, "\\t", 2);
    } else if (c == '\r') {
        buf_append(out, "\\r", 2);
    } else if (c < 0x20) {
        buf_printf(out, "\\u%04x", c);
    } else {
        size_t len = str_utf8_len(s, n);
        buf_append(out, len ? s : "\xEF\xBF\xBD", len ? len : 3);
        return len ? len : 1;
    }
    return 1;
}

void jsonw_stringn(struct json_writer *w, const char *s, size_t n)
{
    json_value(w);
    buf_putc(w->out, '"');
    size_t i = 0;
    while (i < n) {
        size_t plain = i;
        while (plain < n && (unsigned char)s[plain] >= 0x20 && (unsigned char)s[plain] < 0x80 &&
               s[plain] != '"' && s[plain] != '\\')
            plain++;
        buf_append(w->out, s + i, plain - i);
        i = plain;
        if (i < n)
            i += json_escape(w->out, s + i, n - i);
    }
    buf_putc(w->out, '"');
}

void jsonw_int(struct json_writer *w, int64_t v)
{
    json_value(w);
    buf_printf(w->out, "%" PRId64, v);
}

void jsonw_uint(struct json_writer *w, uint64_t v)
{
    json_value(w);
    buf_printf(w->out, "%" PRIu64, v);
}

/* Go's encoding/json: the shortest digits that read back the same; plain notation for
 * 1e-6 <= |v| < 1e21, else an exponent without a leading zero. */
void jsonw_real(struct json_writer *w, double v)
{
    char text[64];
    json_value(w);
    if (v == 0) {
        buf_puts(w->out, signbit(v) ? "-0" : "0");
        return;
    }
    int digits = 1;
    do
        snprintf(text, sizeof(text), "%.*e", digits - 1, v);
    while (strtod(text, NULL) != v && ++digits <= 17);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (fabs(v) >= 1e-6 && fabs(v) < 1e21) {
        int places = digits - 1 - exponent;
        if (places >= 0) {
            buf_printf(w->out, "%.*f", places, v);
            return;
        }
        /* An integer with fewer significant digits than places: %f would show the binary
         * value's own digits, so zeros are written behind the shortest ones. */
        const char *p = text;
        if (*p == '-')
            buf_putc(w->out, *p++);
        for (; *p != 'e'; p++)
            if (*p != '.')
                buf_putc(w->out, *p);
        for (int i = digits - 1; i < exponent; i++)
            buf_putc(w->out, '0');
        return;
    }
    *strchr(text, 'e') = '\0';
    buf_printf(w->out, "%se%c%d", text, exponent < 0 ? '-' : '+', abs(exponent));
}

void jsonw_bool(struct json_writer *w, bool v)
{
    json_value(w);
    buf_puts(w->out, v ? "true" : "false");
}

void jsonw_null(struct json_writer *w)
{
    json_value(w);
    buf_puts(w->out, "null");
}

void jsonw_raw(struct json_writer *w, const char *json, size_t n)
{
    json_value(w);
    buf_append(w->out, json, n);
}

void jsonw_member(struct json_writer *w, const char *key, const char *value)
{
    jsonw_key(w, key);
    jsonw_string(w, value);
}

void jsonw_member_int(struct json_writer *w, const char *key, int64_t value)
{
    jsonw_key(w, key);
    jsonw_int(w, value);
}

void jsonw_member_bool(struct json_writer *w, const char *key, bool value)
{
    jsonw_key(w, key);
    jsonw_bool(w, value);
}
