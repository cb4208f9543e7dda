/* executions-stats.h: what ran here and what runs, in numbers. Loop thread only. */
#pragma once

#include "base/metric.h"

#include <stddef.h>
#include <stdint.h>

struct executions;

enum { EXECUTION_KINDS = 3, EXECUTION_OUTCOMES = 3, EXECUTION_STATES = 4, EXECUTION_EVENTS = 4 };

/* Their words, in the order of the numbers below. */
extern const char *const execution_kinds[EXECUTION_KINDS];
extern const char *const execution_outcomes[EXECUTION_OUTCOMES];
extern const char *const execution_states[EXECUTION_STATES];
extern const char *const execution_events[EXECUTION_EVENTS];

struct executions_stats {
    /* Counted since the host began. */
    uint64_t ended[EXECUTION_KINDS][EXECUTION_OUTCOMES];
    uint64_t events[EXECUTION_EVENTS];
    struct histogram took[EXECUTION_KINDS];
    /* Of those that are kept now, as executions_stats() finds them. */
    size_t now[EXECUTION_STATES];
    size_t journal_bytes, journal_limit;
};
struct executions_stats executions_stats(const struct executions *executions);
