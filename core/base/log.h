/* log.h: what the host says about itself, on stderr: "2026-11-24T02:35:24.976Z info message".
 *
 * Every line passes the filter that main sets (the redactor), so a secret in an
 * error text never reaches the log. Any thread. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Appends the masked form of `text` to `out`. */
typedef void log_filter_fn(void *arg, const char *text, size_t len, struct buf *out);

void log_setup(enum log_level least, bool json);
void log_set_filter(log_filter_fn *filter, void *arg);

/* 0 and the level of "debug", "info", "warn", "error"; -1 for another word. */
int log_level_of(const char *word, enum log_level *level);
