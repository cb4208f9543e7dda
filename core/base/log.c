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

static void log_line(enum log_level level, const char *format, va_list args)
{
    if (level < log_state.least)
        return;
    struct buf text = {0}, masked = {0}, line = {0};
    char now[CLOCK_TEXT];
    clock_text(clock_wall_ms(), now);
    buf_vprintf(&text, format, args);
    if (log_state.filter)
        log_state.filter(log_state.filter_arg, buf_str(&text), text.len, &masked);
    struct buf *say_buf = log_state.filter ? &masked : &text;
    /* A line is a line: what others chose (a name, an answer) must not make another one. */
    for (size_t i = 0; i < say_buf->len; i++)
        if ((unsigned char)say_buf->data[i] < 0x20)
            say_buf->data[i] = ' ';
    const char *say = buf_str(say_buf);
    if (log_state.json) {
        struct json_writer w = JSON_WRITER(&line);
        jsonw_begin_object(&w);
        jsonw_member(&w, "time", now);
        jsonw_member(&w, "level", log_words[level]);
        jsonw_member(&w, "message", say);
        jsonw_end_object(&w);
        buf_putc(&line, '\n');
    } else {
        buf_printf(&line, "%s %-5s %s\n", now, log_words[level], say);
    }
    /* One write a line, so that lines of several threads do not mix. */
    if (!line.failed) {
        ssize_t written = write(STDERR_FILENO, line.data, line.len);
        (void)written; /* nobody reads the log: nothing more can be done */
    }
    buf_free(&text);
    buf_free(&masked);
    buf_free(&line);
}

#define LOG_FUNCTION(name, level)                                                                            \
    void name(const char *format, ...)                                                                       \
    {                                                                                                        \
        va_list args;                                                                                        \
        va_start(args, format);                                                                              \
        log_line(level, format, args);                                                                       \
        va_end(args);                                                                                        \
    }

LOG_FUNCTION(log_debug, LOG_DEBUG)
LOG_FUNCTION(log_info, LOG_INFO)
LOG_FUNCTION(log_warn, LOG_WARN)
LOG_FUNCTION(log_error, LOG_ERROR)
