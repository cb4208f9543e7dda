#include "base/metric.h"

#include "base/buf.h"

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

void histogram_add(struct histogram *h, uint64_t us)
{
    size_t i = 0;
    while (i < HISTOGRAM_BUCKETS && us > h->bounds[i])
        i++;
    h->counts[i]++;
    h->sum_us += us;
}

/* A quote needs no escape in a help text, and must have one in a label. */
static void metric_text(struct buf *out, const char *text, bool quoted)
{
    for (; *text; text++) {
        if (*text == '\\')
            buf_puts(out, "\\\\");
        else if (*text == '\n')
            buf_puts(out, "\\n");
        else if (*text == '"' && quoted)
            buf_puts(out, "\\\"");
        else
            buf_putc(out, *text);
    }
}

void metric_family(struct buf *out, const char *name, const char *type, const char *help)
{
    buf_printf(out, "# HELP %s ", name);
    metric_text(out, help, false);
    buf_printf(out, "\n# TYPE %s %s\n", name, type);
}

static void metric_number(struct buf *out, double value)
{
    /* Counters are whole, and stay exact as far as a double is. */
    bool whole = fabs(value) < 9007199254740992.0 && floor(value) == value;
    buf_printf(out, whole ? "%.0f" : "%.15g", value);
}

static void metric_row(struct buf *out, const char *name, const char *suffix, const char *const *labels,
                       const char *le, double value)
{
    const char *before = "{";
    buf_puts(out, name);
    buf_puts(out, suffix);
    for (size_t i = 0; labels && labels[i]; i += 2, before = ",") {
        buf_printf(out, "%s%s=\"", before, labels[i]);
        metric_text(out, labels[i + 1], true);
        buf_putc(out, '"');
    }
    if (le)
        buf_printf(out, "%sle=\"%s\"", before, le);
    buf_puts(out, le || (labels && labels[0]) ? "} " : " ");
    metric_number(out, value);
    buf_putc(out, '\n');
}

void metric_sample(struct buf *out, const char *name, const char *const *labels, double value)
{
    metric_row(out, name, "", labels, NULL, value);
}

void metric_histogram(struct buf *out, const char *name, const char *const *labels, const struct histogram *h)
{
    uint64_t so_far = 0;
    char le[32];
    for (size_t i = 0; i < HISTOGRAM_BUCKETS; i++) {
        so_far += h->counts[i];
        snprintf(le, sizeof(le), "%.9g", (double)h->bounds[i] / 1e6);
        metric_row(out, name, "_bucket", labels, le, (double)so_far);
    }
    so_far += h->counts[HISTOGRAM_BUCKETS];
    metric_row(out, name, "_bucket", labels, "+Inf", (double)so_far);
    metric_row(out, name, "_sum", labels, NULL, (double)h->sum_us / 1e6);
    metric_row(out, name, "_count", labels, NULL, (double)so_far);
}

void metric_single(struct buf *out, const char *name, const char *type, const char *help, double value)
{
    metric_family(out, name, type, help);
    metric_sample(out, name, NULL, value);
}
