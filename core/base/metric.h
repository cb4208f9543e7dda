/* metric.h: numbers as Prometheus reads them (its text format, 0.0.4).
 *
 * There is no registry: a module counts in a struct of its own, and whoever is asked for all of them
 * (edge/metrics.c) writes a family after the other. */
#pragma once

#include <stdint.h>

struct buf;

enum { HISTOGRAM_BUCKETS = 10 };

/* How long something took, how often. A plain value: its owner sets `bounds`. */
struct histogram {
    const uint64_t *bounds; /* HISTOGRAM_BUCKETS of them, microseconds, rising */
    uint64_t counts[HISTOGRAM_BUCKETS + 1];
    uint64_t sum_us;
};

void histogram_add(struct histogram *histogram, uint64_t us);

/* What the samples of `name` are; `type` is "counter", "gauge" or "histogram". */
void metric_family(struct buf *out, const char *name, const char *type, const char *help);

/* One sample. `labels`: name, value, name, value …, NULL; or NULL for none. */
void metric_sample(struct buf *out, const char *name, const char *const *labels, double value);
void metric_histogram(struct buf *out, const char *name, const char *const *labels,
                      const struct histogram *histogram);

/* A family of one sample without labels. */
void metric_single(struct buf *out, const char *name, const char *type, const char *help, double value);
