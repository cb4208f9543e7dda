/* err.h: a failure as a sentence for the person who will read it.
 *
 * Functions that can fail return 0 or -1 (or NULL) and fill `struct err`: what,
 * where, what to do. The code says which kind of failure it is, for callers that
 * must answer differently; it is also the wire's `code` word. A plain value: the
 * caller owns it, nothing to free. `err` may be NULL where the reason is not wanted. */
#pragma once

#include <stdarg.h>

enum err_code {
    ERR_FAILED = 0, /* nothing more special */
    ERR_BAD_REQUEST,
    ERR_UNAUTHORIZED,
    ERR_FORBIDDEN,
    ERR_NOT_FOUND,
    ERR_CONFLICT,
    ERR_TOO_LARGE,
    ERR_BUSY,
    ERR_UNAVAILABLE, /* nobody answers: no cluster, no host */
    ERR_TIMEOUT,
    ERR_CANCELLED,
    ERR_NO_MEMORY,
};

struct err {
    enum err_code code;
    char text[4096];
};

/* Each sets the text (cut at the size, on a character), and returns -1, so that
 * a failing function ends with `return err_set(err, …)`. */
int err_set(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));
int err_code(struct err *err, enum err_code code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int err_no_memory(struct err *err);

/* Puts "prefix: " before the text that is there; keeps the code. Returns -1. */
int err_prefix(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* The wire's word for a code: "bad_request", "not_found" …; never NULL. */
const char *err_code_name(enum err_code code);
/* The code of a word; ERR_FAILED for one that is none. */
enum err_code err_code_of(const char *name);
