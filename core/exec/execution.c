#include "base/clock.h"
#include "base/json-span.h"
#include "base/json-write.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/event-json.h"
#include "exec/execution-internal.h"
#include "exec/flow.h"
#include "exec/journal.h"
#include "exec/judge.h"
#include "exec/ledger.h"
#include "exec/lines.h"
#include "exec/request.h"
#include "guard/rbac.h"
#include "io/history.h"
#include "io/redact.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

static char *execution_masked(const struct execution *ex, const char *text)
{
    struct buf out = {0};
    event_mask(ex->set->options.redactor, text, &out);
    char *masked = mem_str(buf_str(&out));
    buf_free(&out);
    return masked;
}

static char *execution_label(const struct execution *ex)
{
    const struct start_request *r = ex->request;
    struct buf text = {0};
    if (!str_empty(r->label)) {
        buf_puts(&text, r->label);
    } else if (start_request_is_flow(r)) {
        flow_label(ex->pack, r, &text);
    } else if (start_request_is_apply(r)) {
        buf_puts(&text, r->dry_run ? "Dry-run of a manifest" : "Apply a manifest");
    } else {
        buf_puts(&text, r->command);
        for (char **arg = r->args; *arg; arg++)
            buf_printf(&text, " %s", *arg);
    }
    char *label = execution_masked(ex, buf_str(&text));
    label[str_utf8_cut(label, strlen(label) < 512 ? strlen(label) : 512)] = '\0';
    buf_free(&text);
    return label;
}

struct execution *execution_new(struct executions *set, struct start_request *request,
                                const struct user *user, char *id)
{
    struct execution *ex = mem_new(sizeof(*ex));
    ex->set = set;
    ex->references = 1;
    ex->id = id;
    ex->request = request;
    ex->user = *user;
    ex->ops = start_request_is_apply(request)  ? &apply_run
              : start_request_is_flow(request) ? &flow_run
                                               : &runner_run;
    ex->pack = set->options.packs ? pack_keep(packs_current(set->options.packs)) : NULL;
    ex->label = execution_label(ex);
    ex->outcome = "";
    ex->error = mem_str("");
    ex->started = ex->last_line = clock_wall_ms();
    ex->mode = request->dry_run ? "dry-run" : "apply";
    ex->source = start_request_is_kubernetes(request) ? "kubectl-equivalent" : "shell";
    ex->command = start_request_is_command(request);
    return ex;
}

struct execution *execution_keep(struct execution *ex)
{
    ex->references++;
    return ex;
}

static void execution_free_run(struct execution *ex)
{
    if (ex->run)
        ex->ops->free(ex->run);
    ex->run = NULL;
    judge_free(ex->judge);
    ex->judge = NULL;
}

void execution_abandon(struct execution *ex)
{
    deferred_cancel(&ex->begin);
    deferred_cancel(&ex->reap);
    execution_free_run(ex);
}

void execution_drop(struct execution *ex)
{
    if (!ex || --ex->references > 0)
        return;
    execution_abandon(ex);
    if (ex->pack)
        pack_drop(ex->pack);
    if (ex->record)
        map_remove(ex->set->past, ex->id);
    if (ex->journal)
        journal_free(ex->journal);
    start_request_free(ex->request);
    images_free(&ex->images);
    free(ex->id);
    free(ex->label);
    free(ex->error);
    free(ex->cancelled_by);
    free(ex->record);
    free(ex->search);
    free(ex);
}

const char *execution_id(const struct execution *ex)
{
    return ex->id;
}

bool execution_ended(const struct execution *ex)
{
    return ex->status == EXECUTION_SUCCEEDED || ex->status == EXECUTION_FAILED;
}

struct journal *execution_journal(struct execution *ex)
{
    return ex->journal;
}

void execution_set_run(struct execution *ex, void *run)
{
    ex->run = run;
}

const struct executions_options *execution_options(const struct execution *ex)
{
    return &ex->set->options;
}

const struct start_request *execution_request(const struct execution *ex)
{
    return ex->request;
}

struct images *execution_images(struct execution *ex)
{
    return &ex->images;
}

struct execution *execution_other(const struct execution *ex, const char *id)
{
    return map_get(ex->set->by_id, id);
}

const struct user *execution_user(const struct execution *ex)
{
    return &ex->user;
}

struct pack *execution_pack(const struct execution *ex)
{
    return ex->pack;
}

struct judge *execution_judge(struct execution *ex)
{
    if (!ex->judge)
        ex->judge = judge_new(ex->set->options.loop, ex->pack);
    return ex->judge;
}

struct plan *execution_planner(const struct execution *ex)
{
    return ex->plan;
}

void execution_keep_request(const struct execution *ex)
{
    struct history *history = ex->set->options.history;
    struct buf text = {0};
    if (!history || !ex->number)
        return;
    start_request_save(ex->request, &text);
    if (!text.failed)
        history_keep_request(history, ex->number, &text);
    buf_free(&text);
}

struct ledger *execution_ledger(const struct execution *ex, const struct event_document *rows, size_t count)
{
    struct history *history = ex->set->options.history;
    if (!history || !ex->number)
        return NULL;
    return ledger_new(history_archive(history), ex->number, ex->set->options.redactor, rows, count);
}

bool execution_cancelled(const struct execution *ex)
{
    return ex->cancelled_by != NULL;
}

const char *execution_mode(const struct execution *ex)
{
    return ex->mode;
}

const char *execution_status_name(enum execution_status status)
{
    return execution_states[status];
}

static struct event execution_event(const struct execution *ex, enum event_type type)
{
    return (struct event){
        .type = type,
        .time = clock_wall_ms(),
        .mode = execution_mode(ex),
        .source_label = ex->source,
    };
}

/* A plan says nothing before its end. */
static void execution_say(struct execution *ex, const struct event *e)
{
    if (!ex->journal)
        return;
    ex->set->stats.events[e->type]++;
    journal_append(ex->journal, e);
}

static void execution_set_status(struct execution *ex, enum execution_status status)
{
    struct event e = execution_event(ex, EVENT_STATE);
    ex->status = status;
    e.state.status = execution_status_name(status);
    e.state.label = ex->label;
    execution_say(ex, &e);
    if (!ex->plan)
        executions_tell(ex, EXECUTION_CHANGED);
}

void execution_set_running(struct execution *ex)
{
    if (ex->status == EXECUTION_PLANNED)
        execution_set_status(ex, EXECUTION_RUNNING);
}

void execution_phase(struct execution *ex, const char *name, const char *detail, size_t progress,
                     size_t total)
{
    struct event e = execution_event(ex, EVENT_PHASE);
    e.phase.name = name;
    e.phase.detail = detail;
    e.phase.progress = progress;
    e.phase.total = total;
    execution_say(ex, &e);
}

void execution_raw_line(struct execution *ex, enum event_stream stream, const char *text, size_t len,
                        size_t dropped)
{
    struct event e = execution_event(ex, EVENT_LINE);
    e.line.stream = stream;
    e.line.text = text;
    e.line.len = len;
    e.line.dropped = dropped;
    ex->last_line = e.time;
    execution_say(ex, &e);
    if (!ex->plan)
        executions_tell(ex, EXECUTION_SPOKE);
}

void execution_line(struct execution *ex, enum event_stream stream, const char *text)
{
    for (;;) {
        size_t n = strcspn(text, "\n"), most = LINE_KEPT + LINE_BEYOND;
        execution_raw_line(ex, stream, text, n < most ? n : most, n < most ? 0 : n - most);
        if (!text[n] || !text[n + 1])
            return;
        text += n + 1;
    }
}

static void execution_reap(void *arg)
{
    struct execution *ex = arg;
    ex->reap = NULL;
    execution_free_run(ex);
    executions_one_ended(ex);
}

void execution_conclude(struct execution *ex, const struct execution_end *end, enum err_code code,
                        int64_t completed)
{
    bool ok = str_eq(ex->outcome, "succeeded");
    execution_set_status(ex, ok ? EXECUTION_SUCCEEDED : EXECUTION_FAILED);
    struct event e = execution_event(ex, EVENT_COMPLETE);
    e.complete.status = execution_status_name(ex->status);
    e.complete.outcome = ex->outcome;
    e.complete.error = ex->error;
    e.complete.code = ok ? "" : err_code_name(code);
    e.complete.started = ex->started;
    e.complete.completed = completed;
    e.complete.exit_code = end->exit_code;
    e.complete.signal = end->signal;
    e.complete.changed = end->changed;
    e.complete.documents = end->documents;
    e.complete.document_count = end->document_count;
    e.complete.has_documents = end->has_documents;
    execution_say(ex, &e);
    journal_end(ex->journal);
    ex->end = e;
    ex->end.complete.documents = NULL;
    execution_save(ex);
}

void execution_finish(struct execution *ex, const struct execution_end *end)
{
    if (execution_ended(ex))
        return;
    bool ok = end->exit_code == 0 && str_empty(end->error) && !ex->cancelled_by;
    struct execution_end ended = *end;
    struct buf why = {0};
    if (ex->cancelled_by)
        buf_printf(&why, "cancelled by %s", ex->cancelled_by);
    else if (!ok)
        buf_puts(&why, str_or(end->error, "failed"));
    free(ex->error);
    ex->error = execution_masked(ex, buf_str(&why));
    buf_free(&why);
    ex->outcome = ex->cancelled_by ? "cancelled" : ok ? "succeeded" : "failed";
    ended.exit_code = ex->cancelled_by ? 130 : end->exit_code;
    execution_conclude(ex, &ended, ex->cancelled_by ? ERR_CANCELLED : end->code, clock_wall_ms());
    executions_count_end(ex);
    ex->reap = loop_defer(ex->set->options.loop, execution_reap, ex);
}

static void execution_begin_now(void *arg)
{
    struct execution *ex = arg;
    ex->begin = NULL;
    if (ex->cancelled_by)
        execution_finish(ex, &(struct execution_end){.exit_code = 130});
    else
        ex->ops->start(ex);
}

void execution_plan(struct execution *ex)
{
    execution_save(ex);
    /* A manifest may hold a Secret: that is known when it was read. */
    if (!start_request_is_apply(ex->request) && !ex->request->yaml_len)
        execution_keep_request(ex);
    execution_set_status(ex, EXECUTION_PLANNED);
}

void execution_begin(struct execution *ex)
{
    ex->begin = loop_defer(ex->set->options.loop, execution_begin_now, ex);
}

bool execution_shown(const char *starter, bool command, const struct user *user)
{
    if (rbac_is_admin(user->role) || str_eq(starter, user->name))
        return true;
    /* What a command prints is nobody else's business. */
    return !command && rbac_allows(user->role, "watch", "executions", "");
}

const char *execution_starter(const struct execution *ex)
{
    return ex->user.name;
}

bool execution_is_command(const struct execution *ex)
{
    return ex->command;
}

bool execution_visible(const struct execution *ex, const struct user *user)
{
    return execution_shown(ex->user.name, ex->command, user);
}

/* What was asked for is shown like anything else: masked. An earlier host's stands in its record. */
static void execution_write_asked(const struct execution *ex, struct json_writer *w, const char *key,
                                  const char *text)
{
    char *masked = execution_masked(ex, text);
    jsonw_member(w, key, masked);
    free(masked);
}

static void execution_write_target(const struct execution *ex, struct json_writer *w)
{
    static const char *const keys[] = {"context", "namespace", "resource", "action"};
    const struct start_request *r = ex->request;
    const char *const texts[] = {r ? r->context : "", r ? r->namespace_ : "", r ? r->resource : "",
                                 r ? r->action : ""};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
        struct json_span old = {0};
        if (ex->record)
            old = json_span_member((struct json_span){ex->record, strlen(ex->record)}, keys[i]);
        if (old.at) {
            jsonw_key(w, keys[i]);
            jsonw_raw(w, old.at, old.len);
        } else {
            execution_write_asked(ex, w, keys[i], texts[i]);
        }
    }
}

void execution_write_record(const struct execution *ex, struct json_writer *w)
{
    char time[CLOCK_TEXT];
    jsonw_begin_object(w);
    jsonw_member(w, "executionId", ex->id);
    jsonw_member(w, "status", execution_status_name(ex->status));
    jsonw_member(w, "startedAt", clock_text(ex->started, time));
    jsonw_member(w, "lastLineAt", clock_text(ex->last_line, time));
    if (execution_ended(ex)) {
        jsonw_key(w, "summary");
        jsonw_begin_object(w);
        event_write_summary(w, &ex->end);
        jsonw_end_object(w);
    }
    jsonw_member(w, "label", ex->label);
    jsonw_member(w, "mode", execution_mode(ex));
    jsonw_member(w, "sourceLabel", ex->source);
    jsonw_member(w, "user", ex->user.name);
    execution_write_target(ex, w);
    jsonw_member(w, "outcome", ex->outcome);
    jsonw_member(w, "error", ex->error);
    jsonw_end_object(w);
}

/* What a free text is looked for in, a line each. */
static void execution_search_text(const struct execution *ex, struct buf *out)
{
    const struct start_request *r = ex->request;
    buf_printf(out, "%s\n%s\n%s\n", ex->id, ex->label, ex->error);
    if (!r) {
        buf_puts(out, ex->search);
        return;
    }
    const char *const asked[] = {r->namespace_, r->resource, r->name};
    for (size_t i = 0; i < sizeof(asked) / sizeof(asked[0]); i++) {
        event_mask(ex->set->options.redactor, asked[i], out);
        buf_putc(out, '\n');
    }
}

void execution_save(struct execution *ex)
{
    struct buf record = {0}, search = {0};
    struct json_writer w = JSON_WRITER(&record);
    if (!ex->set->options.history)
        return;
    execution_write_record(ex, &w);
    execution_search_text(ex, &search);
    struct history_row row = {
        .number = ex->number,
        .id = ex->id,
        .user = ex->user.name,
        .status = execution_status_name(ex->status),
        .mode = ex->mode,
        .search = buf_str(&search),
        .record = buf_str(&record),
        .started = ex->started,
        .ended = execution_ended(ex),
        .command = ex->command,
        .last_seq = journal_last(ex->journal),
        .whole_from = journal_whole_from(ex->journal),
    };
    if (!record.failed && !search.failed)
        history_put(ex->set->options.history, &row);
    buf_free(&record);
    buf_free(&search);
}
