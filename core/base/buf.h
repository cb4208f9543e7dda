/* buf.h: bytes that grow.
 *
 * A zeroed `struct buf` is an empty one. `data` is NUL-terminated once anything
 * was appended. When memory runs out `failed` is set and stays, later appends do
 * nothing: a writer checks once, at the end. The holder frees with buf_free(). */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data;
    size_t len, cap;
    bool failed;
};

void buf_append(struct buf *b, const void *data, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
void buf_vprintf(struct buf *b, const char *format, va_list args);

/* Room for n more bytes at data + len; the caller adds to len. NULL when out of memory. */
char *buf_reserve(struct buf *b, size_t n);

/* Drops the first n bytes. */
void buf_consume(struct buf *b, size_t n);

/* Empties it and keeps the room. */
void buf_clear(struct buf *b);
void buf_free(struct buf *b);

/* Hands the bytes over (the caller frees); the buf is empty again. "" for an empty
 * one, NULL when it had failed. */
char *buf_take(struct buf *b);

/* The bytes as a string; "" for an empty one. */
const char *buf_str(const struct buf *b);
