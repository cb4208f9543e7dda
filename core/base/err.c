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

const char *err_code_name(enum err_code code)
{
    switch (code) {
    case ERR_FAILED:
        return "failed";
    case ERR_BAD_REQUEST:
        return "bad_request";
    case ERR_UNAUTHORIZED:
        return "unauthorized";
    case ERR_FORBIDDEN:
        return "forbidden";
    case ERR_NOT_FOUND:
        return "not_found";
    case ERR_CONFLICT:
        return "conflict";
    case ERR_TOO_LARGE:
        return "too_large";
    case ERR_BUSY:
        return "busy";
    case ERR_UNAVAILABLE:
        return "unavailable";
    case ERR_TIMEOUT:
        return "timeout";
    case ERR_CANCELLED:
        return "cancelled";
    case ERR_NO_MEMORY:
        return "no_memory";
    }
    return "failed";
}
