#include "exec/scope.h"

#include "base/mem.h"
#include "exec/run.h"

#include <stdlib.h>
#include <string.h>

enum { SCOPE_CONFLICTS_MAX = 100 };

/* A line, or a phase where `detail` is there. Its strings lie behind it. */
struct said {
    STAILQ_ENTRY(said) next;
    enum event_stream stream;
    const char *text, *detail;
    size_t progress, total;
};

void scope_open(struct scope *s, struct execution *execution, bool held)
{
    *s = (struct scope){.execution = execution, .held = held};
    STAILQ_INIT(&s->said);
}

static void scope_forget_said(struct scope *s)
{
    struct said *said;
    while ((said = STAILQ_FIRST(&s->said)) != NULL) {
        STAILQ_REMOVE_HEAD(&s->said, next);
        free(said);
    }
    s->said_bytes = 0;
}

void scope_close(struct scope *s)
{
    scope_forget_said(s);
    event_conflicts_free(s->conflicts, s->conflict_count);
    s->conflicts = NULL;
    s->conflict_count = 0;
}

void scope_speak(struct scope *s)
{
    const struct said *said;
    s->held = false;
    STAILQ_FOREACH(said, &s->said, next)
    if (said->detail)
        execution_phase(s->execution, said->text, said->detail, said->progress, said->total);
    else
        execution_line(s->execution, said->stream, said->text);
    scope_forget_said(s);
}

static struct said *scope_hold(struct scope *s, const char *text, const char *detail)
{
    size_t n = strlen(text) + 1, m = detail ? strlen(detail) + 1 : 0, bytes = sizeof(struct said) + n + m;
    struct said *said = mem_new(bytes);
    char *strings = (char *)(said + 1);
    said->text = memcpy(strings, text, n);
    said->detail = detail ? memcpy(strings + n, detail, m) : NULL;
    STAILQ_INSERT_TAIL(&s->said, said, next);
    s->said_bytes += bytes;
    return said;
}

void scope_line(struct scope *s, enum event_stream stream, const char *text)
{
    if (s->held)
        scope_hold(s, text, NULL)->stream = stream;
    else
        execution_line(s->execution, stream, text);
}

void scope_phase(struct scope *s, const char *name, const char *detail, size_t progress, size_t total)
{
    if (!s->held) {
        execution_phase(s->execution, name, detail, progress, total);
        return;
    }
    struct said *said = scope_hold(s, name, detail);
    said->progress = progress;
    said->total = total;
}

bool scope_full(const struct scope *s)
{
    return s->said_bytes > SCOPE_HELD_BYTES;
}

enum scope_writes scope_writes(const struct scope *s)
{
    return s->writing || s->doubted ? SCOPE_IN_DOUBT : s->written ? SCOPE_WRITTEN : SCOPE_NOTHING_WRITTEN;
}

void scope_conflict(struct scope *s, const struct event_conflict *conflict)
{
    if (s->conflict_count == SCOPE_CONFLICTS_MAX)
        return;
    s->conflicts = mem_grow(s->conflicts, (s->conflict_count + 1) * sizeof(*s->conflicts));
    s->conflicts[s->conflict_count++] = (struct event_conflict){
        .field = mem_str(conflict->field),
        .manager = mem_str(conflict->manager),
        .live = mem_str(conflict->live),
        .since = mem_str(conflict->since),
    };
}

struct event_conflict *scope_take_conflicts(struct scope *s, size_t *count)
{
    struct event_conflict *conflicts = s->conflicts;
    *count = s->conflict_count;
    s->conflicts = NULL;
    s->conflict_count = 0;
    return conflicts;
}
