/* executions.c: list, logs, attach, cancel: what a host knows of its executions. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/call.h"
#include "cli/command.h"
#include "cli/session.h"
#include "cli/text.h"

#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LOGS_PAGE = 10000, LIST_LABEL_COLUMN = 44 };

static const char *field(json_t *object, const char *key)
{
    return str_or(json_string_value(json_object_get(object, key)), "");
}

/* ---- list ---- */

/* "12 s", "5 m", "3 h", "9 d" */
static const char *age_of(const char *started, char text[32])
{
    static const struct {
        int64_t seconds;
        const char *unit;
    } units[] = {{86400, "d"}, {3600, "h"}, {60, "m"}, {1, "s"}};
    int64_t age = (clock_wall_ms() - clock_parse(started)) / 1000;
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (age >= units[i].seconds || i == 3) {
            snprintf(text, 32, "%" PRId64 " %s", age / units[i].seconds, units[i].unit);
            break;
        }
    return text;
}

static void list_print(json_t *list)
{
    size_t i, width = text_width(STDOUT_FILENO);
    json_t *record;
    char age[32];
    if (json_array_size(list) == 0) {
        fputs("Nothing has run yet.\n", stderr);
        return;
    }
    printf("%-24s %-10s %6s  %s\n", "EXECUTION", "STATUS", "AGE", "LABEL");
    json_array_foreach(list, i, record)
    {
        char *what = mem_printf("%s%s%s", field(record, "label"), *field(record, "error") ? ": " : "",
                                field(record, "error"));
        /* On a terminal a row is one line; a pipe gets it whole. */
        size_t fits = width > LIST_LABEL_COLUMN ? text_fits(what, width - LIST_LABEL_COLUMN) : strlen(what);
        printf("%-24s %-10s %6s  %.*s\n", field(record, "executionId"),
               str_or(field(record, "outcome"), field(record, "status")),
               age_of(field(record, "startedAt"), age), (int)fits, what);
        free(what);
    }
}

static int list_run(const struct flags *flags)
{
    struct session_host host;
    struct buf body = {0};
    int code = session_need_host(flags, &host);
    char *path = mem_printf("/api/executions?limit=%s", flag_value(flags, "limit"));
    if (code == 0)
        code = call_host(&host, "GET", path, &body);
    if (code == 0 && flag_on(flags, "json")) {
        puts(buf_str(&body));
    } else if (code == 0) {
        json_t *list = json_loadb(buf_str(&body), body.len, 0, NULL);
        list_print(list);
        json_decref(list);
    }
    free(path);
    buf_free(&body);
    session_host_free(&host);
    return code;
}

/* ---- logs ---- */

/* One page; *after moves to its last seq. Returns how many lines it had, -1 with *code. */
static long logs_page(const struct session_host *host, const char *id, json_int_t *after, bool json,
                      int *code)
{
    struct buf body = {0};
    size_t i;
    json_t *row;
    char *path = mem_printf("/api/executions/logs?executionId=%s&limit=%d&afterSeq=%" JSON_INTEGER_FORMAT, id,
                            LOGS_PAGE, *after);
    *code = call_host(host, "GET", path, &body);
    json_t *root = *code ? NULL : json_loadb(buf_str(&body), body.len, 0, NULL);
    json_t *rows = json_object_get(root, "logs");
    json_array_foreach(rows, i, row)
    {
        bool err = str_eq(field(row, "stream"), "stderr");
        *after = json_integer_value(json_object_get(row, "seq"));
        if (json) {
            char *text = json_dumps(row, JSON_COMPACT);
            puts(text ? text : "");
            free(text);
        } else {
            fprintf(err ? stderr : stdout, "%s\n", field(row, "text"));
        }
    }
    long count = *code ? -1 : (long)json_array_size(rows);
    json_decref(root);
    buf_free(&body);
    free(path);
    return count;
}

static int logs_run(const struct flags *flags)
{
    struct session_host host;
    size_t count;
    const char *const *words = flags_words(flags, &count);
    char *end;
    json_int_t after = strtoll(flag_value(flags, "after"), &end, 10);
    if (count == 0)
        return command_fail(EXIT_USAGE, "logs needs an execution: moonsail logs ID (or last)");
    if (*end || after < 0)
        return command_fail(EXIT_USAGE, "--after must be a number, not \"%s\"", flag_value(flags, "after"));
    int code = session_need_host(flags, &host);
    char *id = code ? NULL : call_resolve_id(&host, words[0], &code);
    if (id && flag_on(flags, "follow"))
        code = session_watch(flags, id, (unsigned long long)after, SHOW_LOG);
    else if (id)
        while (logs_page(&host, id, &after, flag_on(flags, "json"), &code) == LOGS_PAGE)
            ;
    free(id);
    session_host_free(&host);
    return code;
}

/* ---- attach, cancel ---- */

static int attach_run(const struct flags *flags)
{
    struct session_host host;
    size_t count;
    const char *const *words = flags_words(flags, &count);
    if (count == 0)
        return command_fail(EXIT_USAGE, "attach needs an execution: moonsail attach ID (or last)");
    int code = session_need_host(flags, &host);
    char *id = code ? NULL : call_resolve_id(&host, words[0], &code);
    if (id)
        code = session_watch(flags, id, 0, SHOW_APPLY);
    free(id);
    session_host_free(&host);
    return code;
}

static int cancel_run(const struct flags *flags)
{
    struct session_host host;
    struct buf body = {0};
    size_t count;
    const char *const *words = flags_words(flags, &count);
    if (count == 0)
        return command_fail(EXIT_USAGE, "cancel needs an execution: moonsail cancel ID (or last)");
    int code = session_need_host(flags, &host);
    char *id = code ? NULL : call_resolve_id(&host, words[0], &code);
    if (id) {
        char *path = mem_printf("/api/executions/cancel?executionId=%s", id);
        code = call_host(&host, "POST", path, &body);
        if (code == 0)
            printf("%s is being cancelled\n", id);
        free(path);
    }
    free(id);
    buf_free(&body);
    session_host_free(&host);
    return code;
}

static const struct flag list_flags[] = {
    {"limit", 0, FLAG_VALUE, "N", "how many, newest first; at most 200", "50", NULL},
    SESSION_FLAGS,
    {0},
};

static const struct flag logs_flags[] = {
    {"follow", 'f', FLAG_SWITCH, NULL, "go on until it ends, and exit as it did", NULL, NULL},
    {"after", 0, FLAG_VALUE, "SEQ", "only lines after this number", "0", NULL},
    SESSION_FLAGS,
    {0},
};

static const struct flag plain_flags[] = {SESSION_FLAGS, {0}};

const struct command command_list = {
    .name = "list",
    .arguments = "",
    .help = "Lists the executions of a host, newest first.",
    .flags = list_flags,
    .run = list_run,
};

const struct command command_logs = {
    .name = "logs",
    .arguments = "ID",
    .help = "Prints the lines of an execution; ID may be last.",
    .flags = logs_flags,
    .words = 1,
    .run = logs_run,
};

const struct command command_attach = {
    .name = "attach",
    .arguments = "ID",
    .help = "Watches an execution to its end and exits as it did; Ctrl-C only leaves. ID may be last.",
    .flags = plain_flags,
    .words = 1,
    .run = attach_run,
};

const struct command command_cancel = {
    .name = "cancel",
    .arguments = "ID",
    .help = "Asks a host to end an execution; ID may be last.",
    .flags = plain_flags,
    .words = 1,
    .run = cancel_run,
};
