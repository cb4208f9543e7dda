#include "exec/judge.h"

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/judge-internal.h"
#include "script/cell.h"
#include "script/pack.h"

#include <stdlib.h>
#include <string.h>

enum {
    JUDGE_SLICE_US = 5000,
    JUDGE_CHECK_US = 50000,
    JUDGE_ENDED_MAX = 3,
    JUDGE_VERDICTS_MAX = 100,
    JUDGE_TEXT_MAX = 1024,
    JUDGE_SAID_MAX = 50000,
};

struct judge *judge_new(struct loop *loop, struct pack *pack)
{
    struct judge *j = mem_new(sizeof(*j));
    j->loop = loop;
    j->pack = pack ? pack_keep(pack) : NULL;
    j->guardrails = pack ? pack_guardrails(pack, &j->count) : NULL;
    j->rules = mem_new((j->count + 1) * sizeof(*j->rules));
    j->said = map_new();
    return j;
}

void judge_free(struct judge *j)
{
    if (!j)
        return;
    cell_free(j->cell);
    for (size_t i = 0; i < j->count; i++)
        free(j->rules[i].why);
    free(j->rules);
    map_free(j->said, NULL);
    pack_drop(j->pack);
    free(j);
}

void judge_set_bundle(struct judge *j, const struct bundle *bundle)
{
    j->bundle = bundle;
}

static bool judge_concerns(const struct pack *pack, const struct pack_guardrail *g, const char *resource)
{
    for (const char *const *word = g->resources; *word; word++) {
        const struct pack_resource *named = pack_resource(pack, *word);
        if (str_eq(*word, resource) || (named && str_eq(named->name, resource)))
            return true;
    }
    return !g->resources[0];
}

bool judge_needed(const struct pack *pack, const char *resource)
{
    size_t count = 0;
    const struct pack_guardrail *guardrails = pack ? pack_guardrails(pack, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        if (judge_concerns(pack, &guardrails[i], resource))
            return true;
    return false;
}

/* ---- verdicts ---- */

void verdicts_free(struct verdicts *v)
{
    event_verdicts_free(v->items, v->count);
    *v = (struct verdicts){0};
}

const struct event_verdict *verdicts_denial(const struct verdicts *v)
{
    for (size_t i = 0; i < v->count; i++)
        if (str_eq(v->items[i].level, "deny"))
            return &v->items[i];
    return NULL;
}

char *verdict_sentence(const struct event_verdict *v)
{
    bool field = !str_empty(v->field);
    return mem_printf("%s: %s%s%s (%s)", v->rule, v->field, field ? ": " : "", v->message, v->file);
}

bool judge_first(struct judge *j, const char *ns, const char *ref, const struct event_verdict *v)
{
    char *key = mem_printf("%s\n%s\n%s\n%s", v->rule, str_or(ns, ""), ref, v->field);
    bool first = map_count(j->said) < JUDGE_SAID_MAX && !map_get(j->said, key);
    if (first)
        map_put(j->said, key, j);
    free(key);
    return first;
}

static char *judge_cut(const char *text)
{
    size_t len = strlen(text);
    if (len <= JUDGE_TEXT_MAX)
        return mem_str(text);
    return mem_printf("%.*s…", (int)str_utf8_cut(text, JUDGE_TEXT_MAX), text);
}

void judge_add(struct judge *j, const struct judge_case *c, struct verdicts *v,
               const struct event_verdict *said)
{
    bool denies = str_eq(said->level, "deny"), first = denies && !v->denied;
    pack_count_verdict(j->pack, said->rule, said->level);
    v->denied |= denies;
    /* Too many are not kept, but whoever is denied learns why. */
    if (v->count == JUDGE_VERDICTS_MAX && !first)
        return;
    if (v->count < JUDGE_VERDICTS_MAX)
        v->items = mem_grow(v->items, (v->count + 1) * sizeof(*v->items));
    else
        event_verdict_clear(&v->items[--v->count]);
    struct event_verdict *kept = &v->items[v->count++];
    *kept = (struct event_verdict){
        .rule = mem_str(said->rule),
        .level = said->level,
        .field = judge_cut(str_or(said->field, "")),
        .message = judge_cut(said->message),
        .file = mem_str(said->file),
    };
    if (!str_eq(kept->level, "observe") || !judge_first(j, c->namespace_, c->ref, kept))
        return;
    char *text = verdict_sentence(kept);
    log_info("%s: observed by guardrail %s", c->ref, text);
    free(text);
}

/* ---- a check ---- */

static void judge_print(void *user, const char *text, size_t len)
{
    (void)user;
    log_debug("guardrail: %.*s", (int)len, text);
}

static int judge_open(struct judge *j, struct err *err)
{
    if (j->cell)
        return 0;
    j->cell = cell_new(j->loop, j->pack, &(struct cell_limits){.stuck_us = JUDGE_CHECK_US}, err);
    if (!j->cell)
        return -1;
    cell_set_print(j->cell, judge_print);
    return 0;
}

/* One that had to be ended several times is not tried for every object of a bundle. */
static int judge_check(struct judge *j, const struct judge_case *c, struct verdicts *v, struct err *err)
{
    struct judge_rule *rule = &j->rules[v->next];
    struct judge_call call = {j, c, v, &j->guardrails[v->next]};
    if (call.guardrail->needs_dry_run)
        return err_set(err, "%s:%d: it needs the result of a dry-run, which this version does not give",
                       call.guardrail->file, call.guardrail->line);
    if (rule->ended == JUDGE_ENDED_MAX)
        return err_set(err, "%s", rule->why);
    if (judge_open(j, err))
        return -1;
    /* The limit is each check's own: the cell's whole budget must not run out on the last of many. */
    cell_allow(j->cell, 2 * JUDGE_CHECK_US);
    int rc = cell_call(j->cell, judge_run, &call, err);
    if (!cell_killed(j->cell) && (rc == 0 || err->code != ERR_NO_MEMORY))
        return rc;
    cell_free(j->cell);
    j->cell = NULL;
    free(rule->why);
    rule->why = mem_str(rc ? err->text : "");
    rule->ended += rc != 0;
    return rc;
}

static void judge_one(struct judge *j, const struct judge_case *c, struct verdicts *v)
{
    const struct pack_guardrail *g = &j->guardrails[v->next];
    struct err err;
    if (judge_check(j, c, v, &err) == 0)
        return;
    char *message = mem_printf("%s; a guardrail that fails denies", err.text);
    judge_add(j, c, v,
              &(struct event_verdict){
                  .rule = (char *)g->name, .level = "deny", .message = message, .file = (char *)g->file});
    free(message);
}

bool judge_some(struct judge *j, const struct judge_case *c, struct verdicts *v)
{
    uint64_t began = clock_mono_us();
    for (; v->next < j->count; v->next++) {
        if (!judge_concerns(j->pack, &j->guardrails[v->next], c->resource))
            continue;
        if (clock_mono_us() - began > JUDGE_SLICE_US)
            return false;
        judge_one(j, c, v);
    }
    return true;
}
