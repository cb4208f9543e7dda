/* What goes to the clusters and how it is answered, in numbers. */
#include "kube/kube-internal.h"

#include "base/str.h"

const char *const kube_methods[KUBE_METHODS + 1] = {"GET", "POST", "PUT", "PATCH", "DELETE", NULL};

static const uint64_t answer_bounds[HISTOGRAM_BUCKETS] = {1000,  2500,   5000,   10000,   25000,
                                                          50000, 100000, 500000, 2000000, 10000000};

void clusters_stats_init(struct clusters_stats *stats)
{
    for (size_t i = 0; i < KUBE_METHODS; i++)
        stats->took[i].bounds = answer_bounds;
}

void clusters_count(struct clusters *clusters, const char *method, int status, bool stream, uint64_t us)
{
    size_t m = 0;
    while (m < KUBE_METHODS - 1 && !str_eq(kube_methods[m], method))
        m++;
    clusters->stats.answers[m][status > 0 && status < KUBE_STATUS_END ? status : 0]++;
    if (status > 0 && !stream)
        histogram_add(&clusters->stats.took[m], us);
}

const struct clusters_stats *clusters_stats(const struct clusters *clusters)
{
    return &clusters->stats;
}

size_t clusters_watches(const struct clusters *clusters)
{
    size_t count = 0;
    for (const struct cluster *cluster = clusters->first; cluster; cluster = cluster->next)
        count += kube_watch_count(cluster);
    return count;
}
