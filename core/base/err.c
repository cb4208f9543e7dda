#include "base/err.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

static void err_fill(struct err *err, enum err_code code, const char *format, va_list args)
{
    if (!err)
        return;
    err->code = code;
    int n = vsnprintf(err->text, sizeof(err->text), format, args);
    if (n >= (int)sizeof(err->text)) {
        size_t keep = str_utf8_cut(err->text, sizeof(err->text) - sizeof("…"));
        memcpy(err->text + keep, "…", sizeof("…"));
    }
}

int err_set(struct err *err, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_fill(err, ERR_FAILED, format, args);
    va_end(args);
    return -1;
}

int err_code(struct err *err, enum err_code code, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    err_fill(err, code, format, args);
    va_end(args);
    return -1;
}

int err_no_memory(struct err *err)
{
    return err_code(err, ERR_NO_MEMORY, "out of memory");
}

int err_prefix(struct err *err, const char *format, ...)
{
    if (!err)
        return -1;
    struct err whole;
    va_list args;
    va_start(args, format);
    err_fill(&whole, err->code, format, args);
    va_end(args);
    size_t n = strlen(whole.text), room = sizeof(whole.text) - 1 - n;
    size_t more = strlen(err->text) + 2;
    if (room >= 2) {
        memcpy(whole.text + n, ": ", 2);
        memcpy(whole.text + n + 2, err->text, (more < room ? more : room) - 2);
        whole.text[n + (more < room ? more : room)] = '\0';
    }
    whole.text[str_utf8_cut(whole.text, strlen(whole.text))] = '\0';
    *err = whole;
    return -1;
}

static const char *const err_names[] = {
    [ERR_FAILED] = "failed",
    [ERR_BAD_REQUEST] = "bad_request",
    [ERR_UNAUTHORIZED] = "unauthorized",
    [ERR_FORBIDDEN] = "forbidden",
    [ERR_NOT_FOUND] = "not_found",
    [ERR_CONFLICT] = "conflict",
    [ERR_TOO_LARGE] = "too_large",
    [ERR_BUSY] = "busy",
    [ERR_UNAVAILABLE] = "unavailable",
    [ERR_TIMEOUT] = "timeout",
    [ERR_CANCELLED] = "cancelled",
    [ERR_NO_MEMORY] = "no_memory",
};

const char *err_code_name(enum err_code code)
{
    return err_names[code];
}

enum err_code err_code_of(const char *name)
{
    for (size_t i = 0; i < sizeof(err_names) / sizeof(err_names[0]); i++)
        if (str_eq(err_names[i], name))
            return (enum err_code)i;
    return ERR_FAILED;
}
