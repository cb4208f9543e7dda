#include "cli/show.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/text.h"
#include "loop/loop.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SGR_RED    "\033[31m"
#define SGR_GREEN  "\033[32m"
#define SGR_YELLOW "\033[33m"
#define SGR_END    "\033[0m"
#define CLEAR_LINE "\r\033[K"

struct show {
    struct show_options options;
    bool out_color, err_color, status_line;
    struct timer *tick;
    uint64_t began;
    size_t frame;
    char *phase; /* "Applying resources… 1/3 deployment.apps/api"; NULL before the first */
    bool drawn, reader_gone;
    int exit_code;
};

static bool show_wants_color(const char *word, int fd)
{
    if (str_eq(word, "always"))
        return true;
    return !str_eq(word, "never") && isatty(fd) && str_empty(getenv("NO_COLOR"));
}

static void show_clear(struct show *s)
{
    if (s->drawn)
        fputs(CLEAR_LINE, stderr);
    s->drawn = false;
}

static void show_draw(struct show *s)
{
    static const char *const frames[] = {"⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"};
    if (!s->status_line || !s->phase)
        return;
    double seconds = (double)(clock_mono_ms() - s->began) / 1000;
    char *text = mem_printf("%s %.1f s  %s", frames[s->frame], seconds, s->phase);
    text[text_fits(text, text_width(STDERR_FILENO))] = '\0';
    fprintf(stderr, CLEAR_LINE "%s", text);
    fflush(stderr);
    free(text);
    s->drawn = true;
}

static void show_tick(void *arg)
{
    struct show *s = arg;
    s->frame = (s->frame + 1) % 10;
    show_draw(s);
}

struct show *show_new(const struct show_options *options)
{
    struct show *s = mem_new(sizeof(*s));
    s->options = *options;
    s->out_color = show_wants_color(options->color, STDOUT_FILENO);
    s->err_color = show_wants_color(options->color, STDERR_FILENO);
    s->status_line =
        isatty(STDERR_FILENO) && !options->json && !options->quiet && !str_eq(getenv("TERM"), "dumb");
    s->began = clock_mono_ms();
    s->exit_code = -1;
    if (s->status_line)
        s->tick = timer_repeat(options->loop, 100, show_tick, s);
    return s;
}

void show_free(struct show *s)
{
    if (!s)
        return;
    show_clear(s);
    timer_stop(&s->tick);
    free(s->phase);
    free(s);
}

/* A line to a stream; without colour its SGR sequences are taken out (the host lets no others through). */
static void show_text(FILE *to, const char *text, bool color)
{
    while (*text) {
        size_t n = color ? strlen(text) : strcspn(text, "\033");
        fwrite(text, 1, n, to);
        text += n;
        if (*text)
            text += strcspn(text, "m") + (strchr(text, 'm') != NULL);
    }
    fputs(color ? SGR_END "\n" : "\n", to);
}

static void show_flush(struct show *s, FILE *to)
{
    if (fflush(to) && to == stdout && errno == EPIPE)
        s->reader_gone = true;
}

static void show_line(struct show *s, json_t *event)
{
    const char *text = json_string_value(json_object_get(event, "text"));
    bool err = str_eq(json_string_value(json_object_get(event, "stream")), "stderr");
    if (s->options.quiet && !err)
        return;
    show_clear(s);
    FILE *to = err ? stderr : stdout;
    bool color = err ? s->err_color : s->out_color;
    if (err && color)
        fputs(SGR_YELLOW, to);
    show_text(to, str_or(text, ""), color);
    show_flush(s, to);
    show_draw(s);
}

static void show_phase(struct show *s, json_t *event)
{
    const char *name = json_string_value(json_object_get(event, "name"));
    const char *detail = json_string_value(json_object_get(event, "detail"));
    json_int_t progress = json_integer_value(json_object_get(event, "progress"));
    json_int_t total = json_integer_value(json_object_get(event, "total"));
    struct buf text = {0};
    buf_puts(&text, str_or(name, ""));
    if (total > 0)
        buf_printf(&text, " %lld/%lld", (long long)progress, (long long)total);
    if (!str_empty(detail))
        buf_printf(&text, " %s", detail);
    free(s->phase);
    s->phase = buf_take(&text);
    if (s->status_line)
        show_draw(s);
    else if (!s->options.quiet && s->options.kind != SHOW_LOG)
        fprintf(stderr, "%s\n", s->phase);
}

/* What a shell says of a command that it could not run is kept for that: 125 and up. */
static int show_command_code(json_t *event)
{
    json_t *code = json_object_get(json_object_get(event, "summary"), "exitCode");
    return json_is_integer(code) ? (int)json_integer_value(code) : EXIT_NOT_STARTED;
}

static int show_code_of(const char *outcome, const char *code)
{
    if (str_eq(outcome, "succeeded"))
        return EXIT_OK;
    if (str_eq(outcome, "cancelled") || str_eq(code, "cancelled"))
        return EXIT_CANCELLED;
    if (str_eq(code, "forbidden") || str_eq(code, "unauthorized"))
        return EXIT_REFUSED;
    if (str_eq(code, "unavailable"))
        return EXIT_NO_HOST;
    return EXIT_FAILED;
}

static void show_counts(json_t *summary, struct buf *out)
{
    static const char *const words[] = {"created", "configured", "unchanged", "deleted"};
    json_t *changed = json_object_get(summary, "resourcesChanged");
    const char *separator = ": ";
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        json_int_t n = json_integer_value(json_object_get(changed, words[i]));
        if (n == 0)
            continue;
        buf_printf(out, "%s%lld %s", separator, (long long)n, words[i]);
        separator = ", ";
    }
}

static void show_complete(struct show *s, json_t *event)
{
    const char *outcome = json_string_value(json_object_get(event, "outcome"));
    const char *error = json_string_value(json_object_get(event, "error"));
    json_t *summary = json_object_get(event, "summary");
    double seconds = (double)json_integer_value(json_object_get(summary, "durationMs")) / 1000;
    bool ok = str_eq(outcome, "succeeded");
    struct buf rest = {0};
    show_clear(s);
    timer_stop(&s->tick);
    if (s->options.kind == SHOW_LOG)
        return;
    show_counts(summary, &rest);
    if (!ok)
        buf_printf(&rest, "%s%s", rest.len ? "; " : ": ", str_or(error, "no reason given"));
    if (ok && str_eq(json_string_value(json_object_get(event, "mode")), "dry-run"))
        buf_puts(&rest, " (dry-run, no changes persisted)");
    fprintf(stderr, "%s%s%s in %.1f s%s\n",
            !s->err_color ? ""
            : ok          ? SGR_GREEN
                          : SGR_RED,
            outcome, s->err_color ? SGR_END : "", seconds, buf_str(&rest));
    buf_free(&rest);
}

static void show_error(struct show *s, json_t *event)
{
    show_note(s, str_or(json_string_value(json_object_get(event, "error")), "the host refused it"));
}

static void show_gap(struct show *s, json_t *event)
{
    json_int_t from = json_integer_value(json_object_get(event, "fromSeq"));
    json_int_t to = json_integer_value(json_object_get(event, "toSeq"));
    char *text = mem_printf("%lld lines are no longer kept (%lld to %lld)", (long long)(to - from + 1),
                            (long long)from, (long long)to);
    show_note(s, text);
    free(text);
}

void show_event(struct show *s, const char *json, size_t len)
{
    json_t *event = json_loadb(json, len, JSON_ALLOW_NUL, NULL);
    const char *type = json_string_value(json_object_get(event, "type"));
    if (str_eq(type, "complete") || str_eq(type, "error"))
        s->exit_code = s->options.kind == SHOW_COMMAND
                           ? show_command_code(event)
                           : show_code_of(json_string_value(json_object_get(event, "outcome")),
                                          json_string_value(json_object_get(event, "code")));
    if (s->options.json) {
        fwrite(json, 1, len, stdout);
        fputc('\n', stdout);
        show_flush(s, stdout);
    } else if (str_eq(type, "line")) {
        show_line(s, event);
    } else if (str_eq(type, "phase")) {
        show_phase(s, event);
    } else if (str_eq(type, "complete")) {
        show_complete(s, event);
    } else if (str_eq(type, "error")) {
        show_error(s, event);
    } else if (str_eq(type, "gap")) {
        show_gap(s, event);
    }
    json_decref(event);
}

void show_note(struct show *s, const char *text)
{
    show_clear(s);
    fprintf(stderr, "moonsail: %s\n", text);
    show_draw(s);
}

bool show_reader_gone(const struct show *s)
{
    return s->reader_gone;
}

int show_exit_code(const struct show *s)
{
    return s->exit_code;
}
