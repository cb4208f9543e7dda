/* log.h: what the host says about itself, on stderr: "2026-11-24T02:35:24.976Z info message".
 *
 * or as JSON lines. Every line passes the filter that main sets (the redactor), so a secret in an error
 * text never reaches the log. Where there is a filter, only on its thread: the loop's. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct buf;

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A line about an execution: "ID: message"; in JSON the id stands apart, as `execution`. */
void log_execution(enum log_level level, const char *id, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Appends the masked form of `text` to `out`. */
typedef void log_filter_fn(void *arg, const char *text, size_t len, struct buf *out);

void log_setup(enum log_level least, bool json);
void log_set_filter(log_filter_fn *filter, void *arg);

/* 0 and the level of "debug", "info", "warn", "error"; -1 for another word. */
int log_level_of(const char *word, enum log_level *level);
