/* analyzer.h: what clang-tidy cannot see from one file: read before each (./dev lint).
 *
 * A function that says why it failed returns -1; memory of our own is never NULL. */
#include "base/err.h"
#include "base/mem.h"

#define err_set(...) (err_set(__VA_ARGS__), -1)
#define err_code(...) (err_code(__VA_ARGS__), -1)
#define err_no_memory(...) (err_no_memory(__VA_ARGS__), -1)
#define err_prefix(...) (err_prefix(__VA_ARGS__), -1)

__attribute__((returns_nonnull)) void *mem_new(size_t size);
__attribute__((returns_nonnull)) void *mem_grow(void *old, size_t size);
__attribute__((returns_nonnull)) char *mem_strn(const char *s, size_t n);
__attribute__((returns_nonnull)) char *mem_printf(const char *format, ...);
