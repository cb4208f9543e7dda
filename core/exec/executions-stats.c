#include "exec/executions-stats.h"

#include "base/clock.h"
#include "base/str.h"
#include "exec/execution-internal.h"
#include "exec/journal.h"
#include "exec/request.h"

const char *const execution_kinds[EXECUTION_KINDS] = {"apply", "command", "flow"};
const char *const execution_outcomes[EXECUTION_OUTCOMES] = {"succeeded", "cancelled", "failed"};
const char *const execution_states[EXECUTION_STATES] = {"planned", "running", "succeeded", "failed"};
const char *const execution_events[EXECUTION_EVENTS] = {"state", "phase", "line", "complete"};

static const uint64_t took_bounds[HISTOGRAM_BUCKETS] = {10000,   50000,    100000,   500000,    1000000,
                                                        5000000, 15000000, 60000000, 300000000, 1800000000};

void executions_stats_init(struct executions_stats *stats)
{
    for (size_t i = 0; i < EXECUTION_KINDS; i++)
        stats->took[i].bounds = took_bounds;
}

void executions_count_end(struct execution *ex)
{
    struct executions_stats *stats = &ex->set->stats;
    size_t kind = start_request_is_apply(ex->request) ? 0 : start_request_is_command(ex->request) ? 1 : 2;
    int64_t ms = clock_wall_ms() - ex->started;
    size_t outcome = 0;
    while (outcome < EXECUTION_OUTCOMES - 1 && !str_eq(execution_outcomes[outcome], ex->outcome))
        outcome++;
    stats->ended[kind][outcome]++;
    histogram_add(&stats->took[kind], ms > 0 ? (uint64_t)ms * 1000 : 0);
}

struct executions_stats executions_stats(const struct executions *set)
{
    struct executions_stats stats = set->stats;
    const struct execution *ex;
    stats.journal_limit = set->options.max_bytes;
    TAILQ_FOREACH(ex, &set->all, link)
    {
        stats.now[ex->status]++;
        stats.journal_bytes += journal_bytes(ex->journal);
    }
    return stats;
}
