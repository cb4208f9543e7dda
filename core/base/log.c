#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/json-write.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static struct {
    enum log_level least;
    bool json;
    log_filter_fn *filter;
    void *filter_arg;
} log_state = {.least = LOG_INFO};

static const char *const log_words[] = {"debug", "info", "warn", "error"};

void log_setup(enum log_level least, bool json)
{
    log_state.least = least;
    log_state.json = json;
}

void log_set_filter(log_filter_fn *filter, void *arg)
{
    log_state.filter = filter;
    log_state.filter_arg = arg;
}

int log_level_of(const char *word, enum log_level *level)
{
    for (size_t i = 0; i < sizeof(log_words) / sizeof(log_words[0]); i++)
        if (strcmp(word, log_words[i]) == 0) {
            *level = (enum log_level)i;
            return 0;
        }
    return -1;
}

/* What may be said of the text, as one line: what others chose (a name, an answer) must not make another
 * one. */
static void log_mask(const struct buf *text, struct buf *out)
{
    if (log_state.filter)
        log_state.filter(log_state.filter_arg, buf_str(text), text->len, out);
    else
        buf_append(out, buf_str(text), text->len);
    for (size_t i = 0; i < out->len; i++)
        if ((unsigned char)out->data[i] < 0x20)
            out->data[i] = ' ';
}

static void log_write_json(struct buf *line, const char *now, enum log_level level, const char *id,
                           const struct buf *text)
{
    struct json_writer w = JSON_WRITER(line);
    struct buf masked = {0}, about = {0}, about_masked = {0};
    log_mask(text, &masked);
    jsonw_begin_object(&w);
    jsonw_member(&w, "time", now);
    jsonw_member(&w, "level", log_words[level]);
    if (id) {
        buf_puts(&about, id);
        log_mask(&about, &about_masked);
        jsonw_member(&w, "execution", buf_str(&about_masked));
    }
    jsonw_member(&w, "message", buf_str(&masked));
    jsonw_end_object(&w);
    buf_putc(line, '\n');
    buf_free(&masked);
    buf_free(&about);
    buf_free(&about_masked);
}

static void log_write_text(struct buf *line, const char *now, enum log_level level, const struct buf *text)
{
    struct buf masked = {0};
    log_mask(text, &masked);
    buf_printf(line, "%s %-5s %s\n", now, log_words[level], buf_str(&masked));
    buf_free(&masked);
}

static void log_line(enum log_level level, const char *id, const char *format, va_list args)
{
    if (level < log_state.least)
        return;
    struct buf text = {0}, line = {0};
    char now[CLOCK_TEXT];
    clock_text(clock_wall_ms(), now);
    if (id && !log_state.json)
        buf_printf(&text, "%s: ", id);
    buf_vprintf(&text, format, args);
    if (log_state.json)
        log_write_json(&line, now, level, id, &text);
    else
        log_write_text(&line, now, level, &text);
    /* One write a line, so that lines of several processes do not mix. */
    if (!line.failed) {
        ssize_t written = write(STDERR_FILENO, line.data, line.len);
        (void)written; /* nobody reads the log: nothing more can be done */
    }
    buf_free(&text);
    buf_free(&line);
}

void log_execution(enum log_level level, const char *id, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    log_line(level, id, format, args);
    va_end(args);
}

#define LOG_FUNCTION(name, level)                                                                            \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        log_line(level, NULL, format, args);                                                                 \
        va_end(args);                                                                                        \
    }

LOG_FUNCTION(log_debug, LOG_DEBUG)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_error, LOG_ERROR)
