/* mem.h: allocations whose size no outsider chooses.
 *
 * These never return NULL: a host that cannot get a few bytes for itself ends with
 * one line on stderr. What others can make large (documents, messages, scripts)
 * allocates with malloc or `struct buf` and reports a failure instead. */
#pragma once

#include <stddef.h>

void *mem_new(size_t size);              /* zeroed */
void *mem_grow(void *old, size_t size);  /* realloc */
char *mem_str(const char *s);            /* copy; NULL stays NULL */
char *mem_strn(const char *s, size_t n); /* copy of n bytes, NUL-terminated */
char *mem_printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
