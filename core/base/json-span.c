#include "base/json-span.h"

#include "base/mem.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *span_space(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t' || *p == '\n' || *p == '\r'))
        p++;
    return p;
}

static const char *span_string(const char *p, const char *end)
{
    for (p++; p < end && *p != '"'; p++)
        if (*p == '\\')
            p++;
    return p < end ? p + 1 : end;
}

/* Past the value that begins at p. */
static const char *span_skip(const char *p, const char *end)
{
    size_t depth = 0;
    while (p < end) {
        if (*p == '"') {
            p = span_string(p, end);
        } else if (*p == '{' || *p == '[') {
            depth++;
            p++;
        } else if (*p == '}' || *p == ']') {
            if (depth == 0)
                return p;
            depth--;
            p++;
        } else if (depth == 0 && (*p == ',' || *p == ':')) {
            return p;
        } else {
            p++;
            while (depth == 0 && p < end && !strchr(",:]} \t\r\n", *p))
                p++;
        }
        if (depth == 0)
            return p;
    }
    return end;
}

bool json_span_next(struct json_span whole, const char **at, struct json_span *key, struct json_span *value)
{
    const char *end = whole.at ? whole.at + whole.len : NULL;
    if (!whole.at || whole.len < 2 || (*whole.at != '{' && *whole.at != '['))
        return false;
    const char *p = span_space(*at ? *at : whole.at + 1, end);
    if (*at && p < end && *p == ',')
        p = span_space(p + 1, end);
    if (p >= end || *p == '}' || *p == ']')
        return false;
    if (key)
        *key = (struct json_span){0};
    if (*whole.at == '{') {
        const char *name = p;
        p = span_string(p, end);
        if (key)
            *key = (struct json_span){name, (size_t)(p - name)};
        p = span_space(p, end);
        if (p < end && *p == ':')
            p = span_space(p + 1, end);
    }
    const char *start = p;
    p = span_skip(p, end);
    if (p == start)
        return false;
    *value = (struct json_span){start, (size_t)(p - start)};
    *at = p;
    return true;
}

static struct json_span span_member(struct json_span object, const char *key, size_t n)
{
    const char *at = NULL;
    struct json_span name, value;
    if (object.at && object.len && *object.at == '{')
        while (json_span_next(object, &at, &name, &value))
            if (name.len == n + 2 && memcmp(name.at + 1, key, n) == 0)
                return value;
    return (struct json_span){0};
}

struct json_span json_span_member(struct json_span object, const char *key)
{
    return span_member(object, key, strlen(key));
}

struct json_span json_span_path(struct json_span object, const char *path)
{
    while (*path) {
        size_t n = strcspn(path, ".");
        object = span_member(object, path, n);
        path += n + (path[n] == '.');
    }
    return object;
}

bool json_span_is_string(struct json_span span)
{
    return span.at && span.len >= 2 && *span.at == '"';
}

bool json_span_is(struct json_span span, const char *text)
{
    size_t n = strlen(text);
    return json_span_is_string(span) && span.len == n + 2 && memcmp(span.at + 1, text, n) == 0;
}

static size_t span_utf8(char *out, unsigned code)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t n = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = n - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)((n == 2 ? 0xC0 : n == 3 ? 0xE0 : 0xF0) | code);
    return n;
}

static unsigned span_hex(const char *p)
{
    unsigned code = 0;
    sscanf(p, "%4x", &code);
    return code;
}

char *json_span_text(struct json_span span)
{
    static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
    if (!json_span_is_string(span))
        return NULL;
    char *text = mem_strn(span.at + 1, span.len - 2), *out = text;
    for (const char *p = text; *p;) {
        if (*p != '\\') {
            *out++ = *p++;
            continue;
        }
        const char *letter = p[1] ? strchr(from, p[1]) : NULL;
        if (p[1] == 'u' && strlen(p) >= 6) {
            unsigned code = span_hex(p + 2);
            p += 6;
            if (code >= 0xD800 && code < 0xDC00 && p[0] == '\\' && p[1] == 'u' && strlen(p) >= 6) {
                code = 0x10000 + ((code - 0xD800) << 10) + (span_hex(p + 2) - 0xDC00);
                p += 6;
            }
            out += span_utf8(out, code);
        } else {
            *out++ = letter ? to[letter - from] : p[1];
            p += p[1] ? 2 : 1;
        }
    }
    *out = '\0';
    return text;
}
