#include "base/buf.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *buf_reserve(struct buf *b, size_t n)
{
    if (b->failed)
        return NULL;
    size_t need = b->len + n + 1;
    if (need > b->cap) {
        size_t cap = b->cap ? b->cap : 64;
        while (cap < need)
            cap *= 2;
        char *data = realloc(b->data, cap);
        if (!data) {
            b->failed = true;
            return NULL;
        }
        b->data = data;
        b->cap = cap;
        b->data[b->len] = '\0';
    }
    return b->data + b->len;
}

void buf_append(struct buf *b, const void *data, size_t n)
{
    char *at = buf_reserve(b, n);
    if (!at)
        return;
    if (n)
        memcpy(at, data, n);
    b->len += n;
    b->data[b->len] = '\0';
}

void buf_puts(struct buf *b, const char *s)
{
    buf_append(b, s, strlen(s));
}

void buf_putc(struct buf *b, char c)
{
    buf_append(b, &c, 1);
}

void buf_vprintf(struct buf *b, const char *format, va_list args)
{
    va_list again;
    va_copy(again, args);
    char *at = buf_reserve(b, 64);
    if (at) {
        size_t room = b->cap - b->len;
        int n = vsnprintf(at, room, format, args);
        if ((size_t)n >= room && (at = buf_reserve(b, (size_t)n)) != NULL)
            vsnprintf(at, (size_t)n + 1, format, again);
        if (at)
            b->len += (size_t)n;
    }
    va_end(again);
}

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    buf_vprintf(b, format, args);
    va_end(args);
}

void buf_consume(struct buf *b, size_t n)
{
    if (n == 0)
        return;
    memmove(b->data, b->data + n, b->len - n);
    b->len -= n;
    b->data[b->len] = '\0';
}

void buf_clear(struct buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data)
        b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
    free(b->data);
    *b = (struct buf){0};
}

char *buf_take(struct buf *b)
{
    char *data = NULL;
    if (!b->failed && buf_reserve(b, 0)) {
        data = b->data;
        b->data = NULL;
    }
    buf_free(b);
    return data;
}

const char *buf_str(const struct buf *b)
{
    return b->data ? b->data : "";
}
