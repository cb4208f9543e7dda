/* GET /metrics. What /proc says is read on the pool (a host of ten thousand connections has as many
 * descriptors to list); everything else is counters that the modules keep anyway. */
#include "base/map.h"
#include "base/mem.h"
#include "base/metric.h"
#include "edge/rest-internal.h"
#include "exec/executions-stats.h"
#include "guard/rbac.h"
#include "io/redact.h"
#include "kube/cluster.h"
#include "script/pack.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* What the process says of itself. */
struct facts {
    struct exchange *exchange;
    double memory, descriptors, descriptors_most, cpu_seconds, started;
};

/* ---- on the pool ---- */

static double facts_memory(void)
{
    unsigned long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    if (f && fscanf(f, "%*s %lu", &pages) != 1)
        pages = 0;
    if (f)
        fclose(f);
    return (double)pages * (double)sysconf(_SC_PAGESIZE);
}

static double facts_descriptors(void)
{
    double count = 0;
    DIR *dir = opendir("/proc/self/fd");
    if (!dir)
        return 0;
    while (readdir(dir))
        count++;
    closedir(dir);
    return count > 3 ? count - 3 : 0; /* ".", ".." and the folder's own */
}

/* Seconds since 1970, from the 22nd field: ticks from the machine's start to the process's. */
static double facts_started(void)
{
    char text[1024];
    struct timespec now, up;
    FILE *f = fopen("/proc/self/stat", "re");
    size_t n = f ? fread(text, 1, sizeof(text) - 1, f) : 0;
    if (f)
        fclose(f);
    text[n] = '\0';
    char *at = strrchr(text, ')'); /* the name before it may hold anything */
    for (int field = 2; at && field < 22; field++)
        at = strchr(at + 1, ' ');
    if (!at || clock_gettime(CLOCK_REALTIME, &now) || clock_gettime(CLOCK_BOOTTIME, &up))
        return 0;
    double after_start = strtod(at, NULL) / (double)sysconf(_SC_CLK_TCK);
    return (double)(now.tv_sec - up.tv_sec) + (double)(now.tv_nsec - up.tv_nsec) / 1e9 + after_start;
}

static double facts_seconds(const struct timeval *t)
{
    return (double)t->tv_sec + (double)t->tv_usec / 1e6;
}

static void facts_read(void *arg)
{
    struct facts *facts = arg;
    struct rlimit files = {0};
    struct rusage usage = {0};
    getrlimit(RLIMIT_NOFILE, &files);
    getrusage(RUSAGE_SELF, &usage);
    facts->memory = facts_memory();
    facts->descriptors = facts_descriptors();
    facts->descriptors_most = (double)files.rlim_cur;
    facts->cpu_seconds = facts_seconds(&usage.ru_utime) + facts_seconds(&usage.ru_stime);
    facts->started = facts_started();
}

/* ---- on the loop ---- */

static void write_label(struct buf *out, const char *name, const char *label, const char *value, double n)
{
    metric_sample(out, name, (const char *const[]){label, value, NULL}, n);
}

static void write_executions(struct buf *out, const struct executions_stats *s)
{
    metric_family(out, "moonsail_executions", "gauge", "Executions that this host keeps, by status.");
    for (size_t i = 0; i < EXECUTION_STATES; i++)
        write_label(out, "moonsail_executions", "status", execution_states[i], (double)s->now[i]);
    metric_family(out, "moonsail_executions_total", "counter", "Executions that have ended.");
    for (size_t k = 0; k < EXECUTION_KINDS; k++)
        for (size_t o = 0; o < EXECUTION_OUTCOMES; o++)
            metric_sample(
                out, "moonsail_executions_total",
                (const char *const[]){"kind", execution_kinds[k], "outcome", execution_outcomes[o], NULL},
                (double)s->ended[k][o]);
    metric_family(out, "moonsail_execution_duration_seconds", "histogram",
                  "From an execution's start, the wait for its turn included, to its end.");
    for (size_t k = 0; k < EXECUTION_KINDS; k++)
        metric_histogram(out, "moonsail_execution_duration_seconds",
                         (const char *const[]){"kind", execution_kinds[k], NULL}, &s->took[k]);
    metric_family(out, "moonsail_events_total", "counter", "Events of executions, by type.");
    for (size_t i = 0; i < EXECUTION_EVENTS; i++)
        write_label(out, "moonsail_events_total", "type", execution_events[i], (double)s->events[i]);
    metric_single(out, "moonsail_journal_bytes", "gauge", "Memory of the events that are kept.",
                  (double)s->journal_bytes);
    metric_single(out, "moonsail_journal_limit_bytes", "gauge",
                  "What ended executions may hold in memory before the oldest are dropped.",
                  (double)s->journal_limit);
}

static void write_loop(struct buf *out, const struct loop_stats *s)
{
    metric_family(out, "moonsail_loop_delay_seconds", "histogram",
                  "How long a turn of the event loop made everybody else wait.");
    metric_histogram(out, "moonsail_loop_delay_seconds", NULL, &s->turns);
    metric_single(out, "moonsail_loop_delay_max_seconds", "gauge", "The longest turn since the last scrape.",
                  (double)s->longest_us / 1e6);
}

static void write_verdicts(struct buf *out, const struct map *verdicts)
{
    const char *rule;
    void *value;
    metric_family(out, "moonsail_guardrail_verdicts_total", "counter",
                  "What guardrails have said, each time they were asked.");
    for (size_t at = 0; map_next(verdicts, &at, &rule, &value);) {
        const struct verdict_counts *counts = value;
        const char *const levels[] = {"deny", "warn", "observe"};
        const uint64_t numbers[] = {counts->deny, counts->warn, counts->observe};
        for (size_t i = 0; i < 3; i++)
            if (numbers[i])
                metric_sample(out, "moonsail_guardrail_verdicts_total",
                              (const char *const[]){"level", levels[i], "rule", rule, NULL},
                              (double)numbers[i]);
    }
}

static void write_scripts(struct buf *out, struct packs *packs)
{
    const struct script_stats *s = packs_stats(packs);
    const struct pack *pack = packs_current(packs);
    size_t faults;
    pack_faults(pack, &faults);
    metric_single(out, "moonsail_lua_cpu_seconds_total", "counter", "CPU time that scripts have used.",
                  (double)s->cpu_us / 1e6);
    metric_family(out, "moonsail_lua_killed_total", "counter", "Scripts that were ended, by the limit.");
    write_label(out, "moonsail_lua_killed_total", "limit", "cpu", (double)s->ended_cpu);
    write_label(out, "moonsail_lua_killed_total", "limit", "stuck", (double)s->ended_stuck);
    write_label(out, "moonsail_lua_killed_total", "limit", "memory", (double)s->ended_memory);
    metric_single(out, "moonsail_scripts_generation", "gauge", "Generation of scripts in use.",
                  (double)pack_generation(pack));
    metric_single(out, "moonsail_scripts_faults", "gauge", "Script files that do not load.", (double)faults);
    write_verdicts(out, s->verdicts);
}

static void write_clusters(struct buf *out, const struct clusters *clusters)
{
    const struct clusters_stats *s = clusters_stats(clusters);
    char code[16];
    metric_family(out, "moonsail_api_requests_total", "counter",
                  "Requests to clusters by HTTP status; code 0 had no answer.");
    for (size_t m = 0; m < KUBE_METHODS; m++)
        for (size_t status = 0; status < KUBE_STATUS_END; status++) {
            if (!s->answers[m][status])
                continue;
            snprintf(code, sizeof(code), "%zu", status);
            metric_sample(out, "moonsail_api_requests_total",
                          (const char *const[]){"code", code, "method", kube_methods[m], NULL},
                          (double)s->answers[m][status]);
        }
    metric_family(out, "moonsail_api_request_duration_seconds", "histogram",
                  "From a request to a cluster to its answer; watches and logs are not in it.");
    for (size_t m = 0; m < KUBE_METHODS; m++)
        metric_histogram(out, "moonsail_api_request_duration_seconds",
                         (const char *const[]){"method", kube_methods[m], NULL}, &s->took[m]);
    metric_single(out, "moonsail_api_watches", "gauge", "Watches on clusters that are kept up.",
                  (double)clusters_watches(clusters));
}

static void write_process(struct buf *out, const struct facts *f)
{
    metric_single(out, "process_resident_memory_bytes", "gauge", "Resident memory.", f->memory);
    metric_single(out, "process_open_fds", "gauge", "Open file descriptors.", f->descriptors);
    metric_single(out, "process_max_fds", "gauge", "How many may be open.", f->descriptors_most);
    metric_single(out, "process_cpu_seconds_total", "counter", "CPU time of all threads.", f->cpu_seconds);
    metric_single(out, "process_start_time_seconds", "gauge", "Start of the process, seconds since 1970.",
                  f->started);
}

static void metrics_send(void *arg)
{
    struct facts *facts = arg;
    struct exchange *x = facts->exchange;
    const struct server *server = rest_server(x);
    const struct server_options *o = &server->options;
    struct executions_stats executions = executions_stats(o->executions);
    struct loop_stats loop = loop_stats(o->loop);
    struct buf body = {0};
    x->job = NULL;
    metric_family(&body, "moonsail_build_info", "gauge", "Which host this is; always 1.");
    metric_sample(&body, "moonsail_build_info",
                  (const char *const[]){"commit", o->commit, "version", o->version, NULL}, 1);
    write_executions(&body, &executions);
    metric_single(&body, "moonsail_viewers", "gauge", "WebSockets that watch an execution.",
                  (double)server->viewers);
    metric_single(&body, "moonsail_connections", "gauge", "Open connections.",
                  (double)server->connection_count);
    write_loop(&body, &loop);
    write_scripts(&body, o->packs);
    write_clusters(&body, o->clusters);
    metric_single(&body, "moonsail_redactions_total", "counter", "Secrets masked in events and the log.",
                  (double)redactor_masked(o->redactor));
    write_process(&body, facts);
    free(facts);
    exchange_send(x, 200, "text/plain; version=0.0.4; charset=utf-8", &body);
}

void rest_metrics(struct exchange *x)
{
    struct err err;
    if (!rbac_allows(x->connection->user.role, "scrape", "metrics", "")) {
        err_code(&err, ERR_FORBIDDEN, "metrics are for the role metrics and for admins");
        exchange_fail(x, &err);
        return;
    }
    struct facts *facts = mem_new(sizeof(*facts));
    facts->exchange = x;
    x->job_dispose = free;
    x->job = loop_job(rest_server(x)->options.loop, facts_read, metrics_send, facts);
}
