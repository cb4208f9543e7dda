#include "failing_alloc.h"

#include <stdlib.h>

void *__real_malloc(size_t size);
void *__real_calloc(size_t n, size_t size);
void *__real_realloc(void *old, size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_calloc(size_t n, size_t size);
void *__wrap_realloc(void *old, size_t size);

static size_t countdown;
static int hit;

void failing_alloc_at(size_t n)
{
    countdown = n;
    hit = 0;
}

int failing_alloc_hit(void)
{
    return hit;
}

static int fails(void)
{
    if (countdown == 0 || --countdown > 0)
        return 0;
    hit = 1;
    return 1;
}

void *__wrap_malloc(size_t size)
{
    return fails() ? NULL : __real_malloc(size);
}

void *__wrap_calloc(size_t n, size_t size)
{
    return fails() ? NULL : __real_calloc(n, size);
}

void *__wrap_realloc(void *old, size_t size)
{
    return fails() ? NULL : __real_realloc(old, size);
}
