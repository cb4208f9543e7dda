/* apply-documents.c: the documents of an apply on their way, stage by stage, several of a stage at once in
 * the execution's own cell. What each has to say is said when those before it have spoken. */
#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/apply-internal.h"
#include "exec/ctx.h"
#include "exec/ledger.h"
#include "exec/request.h"
#include "exec/run.h"
#include "script/bridge.h"
#include "script/cell.h"
#include "script/pack.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

enum {
    APPLY_AT_ONCE = 16,
    /* How many, and how much of what they say, is kept for its turn while an earlier one takes its time. */
    APPLY_AHEAD = 128,
    APPLY_AHEAD_BYTES = 4 * 1024 * 1024,
    /* Of the documents at once, as JSON: in Lua, with the live object and the answer, they are some forty
     * times as large, and the cell has 64 MiB. A larger one goes alone. */
    APPLY_AT_ONCE_BYTES = 768 * 1024,
};

static bool apply_dry_run(const struct apply *a)
{
    return execution_request(a->execution)->dry_run;
}

static bool apply_deletes(const struct apply *a)
{
    return str_eq(execution_request(a->execution)->action, "delete");
}

/* ---- what is said of a document ---- */

static struct scope *sending_scope(struct sending *s)
{
    struct apply *a = s->apply;
    if (!s->scope)
        s->scope = ctx_scope_new(a->ctx, s != &a->sendings[a->telling]);
    return s->scope;
}

static void sending_say(struct sending *s, enum event_stream stream, char *line)
{
    scope_line(sending_scope(s), stream, line);
    free(line);
}

static void document_decide(struct document *d, const char *outcome, const char *message)
{
    d->outcome = outcome;
    free(d->message);
    d->message = mem_str(message);
}

/* Its Namespace or CRD failed, so it is not tried. */
static void sending_skip(struct sending *s, const struct document *needed)
{
    struct document *d = s->document;
    char *reason = mem_printf("%s, which it needs, was not applied", needed->ref);
    document_decide(d, "not-started", reason);
    sending_say(s, STREAM_STDERR, mem_printf("%s not started: %s", d->ref, reason));
    free(reason);
}

void apply_document_refused(struct apply *a, struct document *d)
{
    char *line = mem_printf("%s failed: %s", d->ref, d->message);
    d->outcome = "failed";
    execution_line(a->execution, STREAM_STDERR, line);
    free(line);
}

static void sending_fail(struct sending *s, const char *reason)
{
    struct document *d = s->document;
    bool doubt = scope_writes(sending_scope(s)) == SCOPE_IN_DOUBT;
    char *line = mem_printf("%s %s: %s", d->ref, doubt ? "in doubt" : "failed", reason);
    document_decide(d, doubt ? "in-doubt" : "failed", reason);
    sending_say(s, STREAM_STDERR, line);
}

/* `verb` is what people read for the outcome: "scaled" of a configured one, why of a deferred one; NULL where
 * it is the same. */
static void sending_succeed(struct sending *s, const char *outcome, const char *verb)
{
    struct document *d = s->document;
    if (apply_dry_run(s->apply) && str_eq(outcome, "deferred") && verb) {
        document_decide(d, "deferred", verb);
        sending_say(s, STREAM_STDOUT, mem_printf("%s deferred: %s", d->ref, verb));
        return;
    }
    const char *word = ctx_count(s->apply->ctx, outcome);
    if (!word) {
        char *reason = mem_printf("its apply gave the outcome \"%s\", which is none of created, configured, "
                                  "unchanged, deleted",
                                  str_or(outcome, ""));
        sending_fail(s, reason);
        free(reason);
        return;
    }
    verb = str_or(verb, word);
    document_decide(d, word, "");
    sending_say(s, STREAM_STDOUT,
                !apply_dry_run(s->apply) ? mem_printf("%s %s", d->ref, verb)
                : str_eq(word, "unchanged")
                    ? mem_printf("%s validated (dry-run, no changes persisted): unchanged", d->ref)
                    : mem_printf("%s validated (dry-run, no changes persisted): would be %s", d->ref, verb));
}

/* Those whose turn it is speak, up to the first that is not decided. */
static void apply_tell(struct apply *a)
{
    for (; a->telling < a->bundle.count; a->telling++) {
        struct sending *s = &a->sendings[a->telling];
        if (s->scope && s->scope->held)
            scope_speak(s->scope);
        if (!s->decided)
            return;
    }
}

/* ---- one document's task ---- */

static void apply_more(void *arg);

static void sending_note(const struct sending *s, const char *outcome)
{
    ledger_note(s->apply->ledger, (size_t)(s->document - s->apply->bundle.documents), outcome);
}

static void sending_decided(struct sending *s)
{
    struct apply *a = s->apply;
    s->decided = true;
    sending_note(s, s->document->outcome);
    a->flying--;
    a->flying_bytes -= s->weight;
    apply_tell(a);
    if (!a->turn)
        a->turn = loop_defer(execution_options(a->execution)->loop, apply_more, a);
}

static int push_crd(lua_State *L)
{
    const struct document *crd = lua_touserdata(L, lua_upvalueindex(1));
    bridge_push(L, crd->json, crd->json_len);
    return 1;
}

static bool sending_is_served(const struct sending *s)
{
    return cluster_kind(s->apply->cluster, s->document->api_version, s->document->kind) != NULL;
}

/* The CRD that a dry-run must check it by: the bundle's own, which is not there yet, or not as it will be. */
static struct document *sending_needs_crd(const struct sending *s)
{
    struct document *crd = s->document->crd;
    bool needed =
        crd && apply_dry_run(s->apply) && (!sending_is_served(s) || str_eq(crd->outcome, "configured"));
    return needed ? crd : NULL;
}

/* What lib.deferred wants to know. */
static void push_needed(lua_State *L, const struct sending *s)
{
    const struct document *d = s->document;
    struct document *crd = sending_needs_crd(s);
    if (apply_dry_run(s->apply) && d->space && str_eq(d->space->outcome, "created")) {
        lua_pushstring(L, d->space->ref);
        lua_setfield(L, -2, "space");
    }
    if (!crd)
        return;
    lua_createtable(L, 0, 3);
    lua_pushstring(L, crd->ref);
    lua_setfield(L, -2, "ref");
    lua_pushboolean(L, sending_is_served(s));
    lua_setfield(L, -2, "served");
    lua_pushlightuserdata(L, crd);
    lua_pushcclosure(L, push_crd, 1);
    lua_setfield(L, -2, "read");
    lua_setfield(L, -2, "crd");
}

/* Inside the task: lib.apply's document(ctx, { object, base, namespace, version, resource, index, … }). */
static int sending_setup(lua_State *L, void *arg)
{
    struct sending *s = arg;
    const struct document *d = s->document;
    luaL_checkstack(L, 8, "document");
    pack_push_module(L, "apply");
    lua_getfield(L, -1, "document");
    lua_remove(L, -2);
    ctx_push(L, s->scope);
    lua_createtable(L, 0, 6);
    bridge_push(L, d->json, d->json_len);
    lua_setfield(L, -2, "object");
    if (d->base) {
        bridge_push(L, d->base->json, d->base->json_len);
        lua_setfield(L, -2, "base");
    }
    lua_pushstring(L, d->ns);
    lua_setfield(L, -2, "namespace");
    lua_pushstring(L, d->served.api_version);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, (lua_Integer)d->index);
    lua_setfield(L, -2, "index");
    if (d->resource) {
        pack_push_resource(L, d->resource);
        lua_setfield(L, -2, "resource");
    }
    push_needed(L, s);
    return 2;
}

/* The name that the server chose for a generateName. */
static void document_rename(struct document *d, const char *ref)
{
    if (str_empty(ref))
        return;
    const char *slash = strrchr(ref, '/');
    free(d->ref);
    free(d->name);
    d->ref = mem_str(ref);
    d->name = mem_str(slash ? slash + 1 : ref);
}

static void sending_failed(struct sending *s, const struct err *err, const char *traceback)
{
    struct document *d = s->document;
    d->code = err->code;
    sending_fail(s, err->text);
    if (!str_empty(traceback))
        scope_line(sending_scope(s), STREAM_STDERR, traceback);
}

static void sending_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct sending *s = arg;
    struct apply *a = s->apply;
    struct document *d = s->document;
    /* First of all: these may raise, and then this is called once more. */
    const char *outcome = err ? NULL : lua_tostring(L, 1), *ref = err ? NULL : lua_tostring(L, 2);
    const char *verb = err ? NULL : lua_tostring(L, 3);
    s->task = NULL;
    event_conflicts_free(d->conflicts, d->conflict_count);
    d->conflicts = scope_take_conflicts(s->scope, &d->conflict_count);
    if (err) {
        sending_failed(s, err, traceback);
    } else {
        document_rename(d, ref);
        sending_succeed(s, outcome, verb);
    }
    sending_decided(s);
    if (cell_killed(a->cell)) {
        /* A script that had to be stopped ends its execution: its state is not to be trusted. */
        apply_interrupt(a, "stopped: a script of this execution had to be ended");
        apply_finish(a, err);
    }
}

static void sending_begin(struct sending *s)
{
    struct apply *a = s->apply;
    sending_note(s, "sent");
    scope_phase(sending_scope(s), "Applying resources…", s->document->ref, (size_t)(s - a->sendings) + 1,
                a->bundle.count);
    s->task = cell_start(a->cell, sending_setup, sending_done, s);
}

/* ---- which is next ---- */

/* What it takes in the cell, as bytes of JSON. */
static size_t sending_weight(const struct sending *s)
{
    const struct document *crd = sending_needs_crd(s);
    return s->document->json_len + (crd ? crd->json_len : 0);
}

/* Do those that are ahead of the one whose turn it is keep enough to say? */
static bool apply_is_far_ahead(const struct apply *a)
{
    size_t bytes = 0;
    for (size_t i = a->telling; i < a->next; i++)
        bytes += a->sendings[i].scope ? a->sendings[i].scope->said_bytes : 0;
    return a->next - a->telling >= APPLY_AHEAD || bytes > APPLY_AHEAD_BYTES;
}

/* Must what is under way be decided first: an earlier stage, the same object twice, too many? */
static bool sending_waits(const struct apply *a, const struct sending *s)
{
    const struct document *d = s->document;
    if (!a->flying)
        return false;
    return apply_is_far_ahead(a) || d->stage != s[-1].document->stage ||
           (d->earlier && !d->earlier->outcome) || a->flying >= APPLY_AT_ONCE ||
           a->flying_bytes + sending_weight(s) > APPLY_AT_ONCE_BYTES;
}

/* Is it to be tried? Says why it is not. A delete goes backwards, before what it needs. */
static bool sending_wanted(struct sending *s)
{
    const struct document *missing = apply_deletes(s->apply) ? NULL : document_missing(s->document);
    if (missing)
        sending_skip(s, missing);
    return !missing;
}

static void sending_refuse(struct sending *s, const char *reason)
{
    sending_fail(s, reason);
    sending_decided(s);
}

/* Where its kind is not served, there is nothing to delete. */
static void sending_absent(struct sending *s)
{
    sending_say(s, STREAM_STDOUT, mem_printf("%s: it is not there", s->document->ref));
    sending_succeed(s, "unchanged", NULL);
    sending_decided(s);
}

static void sending_go(struct sending *s)
{
    const struct document *d = s->document;
    bool deletes = apply_deletes(s->apply);
    if (!d->crd || sending_is_served(s) || (apply_dry_run(s->apply) && !deletes)) {
        sending_begin(s);
    } else if (deletes) {
        sending_absent(s);
    } else {
        char *reason = mem_printf("no matches for kind \"%s\" in version \"%s\"", d->kind, d->api_version);
        sending_refuse(s, reason);
        free(reason);
    }
}

/* Must discovery be asked whether the kind of the bundle's own CRD is served by now? Where the bundle makes
 * none, once will do. */
static bool sending_asks(const struct sending *s)
{
    const struct apply *a = s->apply;
    bool makes = !apply_dry_run(a) && !apply_deletes(a);
    return s->document->crd && !sending_is_served(s) && (makes || !a->asked_anew);
}

static void sending_kind_known(void *arg, const struct err *err)
{
    struct sending *s = arg;
    struct apply *a = s->apply;
    a->discovering = NULL;
    a->asked_anew = true;
    if (err)
        sending_refuse(s, err->text);
    else
        sending_go(s);
    apply_send(a);
}

static void apply_more(void *arg)
{
    struct apply *a = arg;
    a->turn = NULL;
    apply_send(a);
}

static void sending_start(struct sending *s)
{
    struct apply *a = s->apply;
    if (!sending_wanted(s)) {
        s->decided = true;
        apply_tell(a);
        return;
    }
    a->flying++;
    s->weight = sending_weight(s);
    a->flying_bytes += s->weight;
    if (sending_asks(s))
        a->discovering = cluster_discover(a->cluster, true, sending_kind_known, s);
    else
        sending_go(s);
}

static void apply_line_up(struct apply *a)
{
    a->sendings = mem_new((a->bundle.count + 1) * sizeof(*a->sendings));
    for (size_t i = 0; i < a->bundle.count; i++)
        a->sendings[i] = (struct sending){.apply = a, .document = a->bundle.order[i]};
}

void apply_send(struct apply *a)
{
    uint64_t began = clock_mono_us();
    if (!a->sendings)
        apply_line_up(a);
    while (!a->ended && !a->turn && !a->discovering && a->next < a->bundle.count &&
           !sending_waits(a, &a->sendings[a->next])) {
        sending_start(&a->sendings[a->next++]);
        if (apply_slice_over(a, began, apply_more))
            return;
    }
    if (!a->ended && !a->turn && !a->discovering && !a->flying && a->next == a->bundle.count)
        apply_sent(a);
}

static void sending_interrupt(struct sending *s, const char *why)
{
    switch (scope_writes(s->scope)) {
    case SCOPE_NOTHING_WRITTEN:
        document_decide(s->document, "not-started", "");
        break;
    case SCOPE_WRITTEN: {
        char *reason = mem_printf("%s after a part of it was written", why);
        sending_fail(s, reason);
        free(reason);
        break;
    }
    case SCOPE_IN_DOUBT:
        sending_fail(s, "the request was sent and its answer was not waited for");
        break;
    }
    s->decided = true;
}

void apply_interrupt(struct apply *a, const char *why)
{
    for (size_t i = a->telling; a->sendings && i < a->next; i++) {
        struct sending *s = &a->sendings[i];
        if (s->task)
            sending_interrupt(s, why);
        s->task = NULL;
        s->decided = true;
    }
    if (a->sendings)
        apply_tell(a);
}
