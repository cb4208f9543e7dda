/* rest-logs.c: the lines of an execution: as rows, as the places where a text is found, or as plain text. */
#include "base/json-span.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/rest-internal.h"
#include "exec/execution.h"
#include "exec/journal.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { LOGS_INLINE = 128 * 1024, LOGS_PIECE = 64 * 1024, LOGS_LOOK = 512 * 1024 };

/* ---- rows ---- */

struct logs_job {
    struct exchange *exchange;
    struct journal_logs *logs;
    char *id;
    struct buf body;
};

static void logs_job_free(void *arg)
{
    struct logs_job *job = arg;
    journal_logs_free(job->logs);
    buf_free(&job->body);
    free(job->id);
    free(job);
}

static void logs_work(void *arg)
{
    struct logs_job *job = arg;
    struct json_writer w = JSON_WRITER(&job->body);
    jsonw_begin_object(&w);
    jsonw_member(&w, "executionId", job->id);
    journal_logs_run(job->logs, &w);
    jsonw_end_object(&w);
}

static void logs_done(void *arg)
{
    struct logs_job *job = arg;
    job->exchange->job = NULL;
    exchange_send_json(job->exchange, 200, &job->body);
    logs_job_free(job);
}

static void logs_rows(struct exchange *x, struct execution *execution, const struct journal_logs_query *query)
{
    struct logs_job *job = mem_new(sizeof(*job));
    job->exchange = x;
    job->id = mem_str(execution_id(execution));
    job->logs = journal_logs_new(execution_journal(execution), query);
    if (journal_logs_work(job->logs) <= LOGS_INLINE) {
        logs_work(job);
        logs_done(job);
        return;
    }
    x->job_dispose = logs_job_free;
    x->job = loop_job(rest_server(x)->options.loop, logs_work, logs_done, job);
}

/* ---- plain text ---- */

struct logs_text {
    struct execution *execution; /* kept */
    struct journal_view *view;
    uint64_t next, last; /* seqs: what is said later is not waited for */
    char *stream;
};

static void logs_no_news(void *arg)
{
    (void)arg;
}

static void logs_text_free(void *arg)
{
    struct logs_text *text = arg;
    journal_view_close(&text->view);
    execution_drop(text->execution);
    free(text->stream);
    free(text);
}

static uint64_t logs_number(struct json_span event, const char *key)
{
    struct json_span value = json_span_member(event, key);
    return value.at ? strtoull(value.at, NULL, 10) : 0;
}

static void logs_text_event(struct logs_text *text, struct json_span event, struct buf *out)
{
    struct json_span type = json_span_member(event, "type");
    if (json_span_is(type, "gap")) {
        uint64_t from = logs_number(event, "fromSeq"), to = logs_number(event, "toSeq");
        buf_printf(out, "[%" PRIu64 " events of this log are no longer kept]\n", to - from + 1);
        text->next = to + 1;
        return;
    }
    text->next = logs_number(event, "seq") + 1;
    if (!json_span_is(type, "line") ||
        (text->stream && !json_span_is(json_span_member(event, "stream"), text->stream)))
        return;
    char *line = json_span_text(json_span_member(event, "text"));
    buf_puts(out, str_or(line, ""));
    buf_putc(out, '\n');
    free(line);
}

static bool logs_text_more(void *arg, struct buf *out)
{
    struct logs_text *text = arg;
    size_t len, looked = 0;
    const char *event;
    while (text->next <= text->last && (event = journal_view_next(text->view, &len)) != NULL) {
        logs_text_event(text, (struct json_span){event, len}, out);
        looked += len;
        if (out->len >= LOGS_PIECE || looked >= LOGS_LOOK)
            return true;
    }
    return false;
}

static void logs_text(struct exchange *x, struct execution *execution, uint64_t after, const char *stream)
{
    struct logs_text *text = mem_new(sizeof(*text));
    struct journal *journal = execution_journal(execution);
    text->execution = execution_keep(execution);
    text->view = journal_view_open(journal, after, logs_no_news, text);
    text->next = after + 1;
    text->last = journal_last(journal);
    text->stream = mem_str(stream);
    exchange_send_pieces(x, "text/plain; charset=utf-8", logs_text_more, text, logs_text_free);
}

void rest_logs(struct exchange *x)
{
    static const char *const streams[] = {"stdout", "stderr", NULL};
    static const char *const formats[] = {"json", "text", NULL};
    struct journal_logs_query query = {0};
    const char *format;
    uint64_t limit;
    struct execution *execution = rest_execution(x);
    if (!execution || exchange_number(x, "afterSeq", 0, INT64_MAX, 0, &query.after_seq) ||
        exchange_number(x, "limit", 1, 10000, 500, &limit) ||
        rest_word(x, "stream", streams, &query.stream) || rest_word(x, "format", formats, &format))
        return;
    query.limit = (size_t)limit;
    query.q = str_or(exchange_param(x, "q"), NULL);
    if (str_eq(format, "text"))
        logs_text(x, execution, query.after_seq, query.stream);
    else
        logs_rows(x, execution, &query);
}
