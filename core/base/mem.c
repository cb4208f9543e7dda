#include "base/mem.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void *mem_must(void *p)
{
    if (!p) {
        fputs("moonsail: out of memory\n", stderr);
        abort();
    }
    return p;
}

void *mem_new(size_t size)
{
    return mem_must(calloc(1, size));
}

void *mem_grow(void *old, size_t size)
{
    return mem_must(realloc(old, size));
}

char *mem_str(const char *s)
{
    return s ? mem_strn(s, strlen(s)) : NULL;
}

char *mem_strn(const char *s, size_t n)
{
    char *copy = mem_must(malloc(n + 1));
    if (n)
        memcpy(copy, s, n);
    copy[n] = '\0';
    return copy;
}

char *mem_printf(const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = mem_must(malloc((size_t)n + 1));
    vsnprintf(text, (size_t)n + 1, format, again);
    va_end(again);
    return text;
}
