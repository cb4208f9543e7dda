#include "script/pack-internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"
#include "loop/watch.h"

#include <stdlib.h>

enum { VERDICTS_MOST = 1000 }; /* guardrails that are counted apart */

struct folders {
    char *shipped;
    char **dirs; /* ends with NULL */
};

struct packs {
    struct loop *loop;
    struct folders folders;
    struct pack *current;
    struct script_stats stats;
    struct dir_watch **watches;
    size_t watch_count;
    LIST_HEAD(, packs_observer) observers;
    struct job *job;
    bool again; /* something changed while the job worked */
};

/* What a job on the pool has to itself; it reads `before`, which never changes but in its faults. */
struct packs_build {
    struct packs *packs;
    struct folders folders;
    struct pack *before, *built;
};

static struct folders folders_copy(const char *shipped, const char *const *dirs)
{
    size_t count = 0;
    while (dirs && dirs[count])
        count++;
    struct folders copy = {mem_str(shipped), mem_new((count + 1) * sizeof(char *))};
    for (size_t i = 0; i < count; i++)
        copy.dirs[i] = mem_str(dirs[i]);
    return copy;
}

static void folders_free(struct folders *folders)
{
    for (char **dir = folders->dirs; *dir; dir++)
        free(*dir);
    free(folders->dirs);
    free(folders->shipped);
}

static struct pack *folders_build(const struct folders *folders, const struct pack *before)
{
    return pack_build(folders->shipped, (const char *const *)folders->dirs, before);
}

static void packs_log(const struct pack *pack, bool stays)
{
    size_t faults = pack->fault_count;
    log_info("scripts: generation %u%s: %zu resource%s, %zu fault%s", pack->generation, stays ? " stays" : "",
             pack->resource_count, pack->resource_count == 1 ? "" : "s", faults, faults == 1 ? "" : "s");
    for (size_t i = 0; i < faults; i++)
        log_warn("scripts: %s%s", pack->faults[i].text,
                 pack->faults[i].kept ? "; the last good one stays in use" : "");
    if (pack->guardrail_fault)
        log_error("scripts: every write is refused until this guardrail loads: %s", pack->guardrail_fault);
}

/* The generation that goes on running tells what is wrong with the one that could not replace it. */
static void packs_take_faults(struct pack *current, struct pack *failed)
{
    struct pack_fault *faults = current->faults;
    size_t count = current->fault_count;
    current->faults = failed->faults;
    current->fault_count = failed->fault_count;
    failed->faults = faults;
    failed->fault_count = count;
    for (size_t i = 0; i < current->fault_count; i++)
        current->faults[i].kept = true;
}

static void packs_build_free(void *arg)
{
    struct packs_build *build = arg;
    pack_drop(build->built);
    pack_drop(build->before);
    folders_free(&build->folders);
    free(build);
}

static void packs_work(void *arg)
{
    struct packs_build *build = arg;
    build->built = folders_build(&build->folders, build->before);
}

void packs_observe(struct packs *packs, struct packs_observer *observer)
{
    LIST_INSERT_HEAD(&packs->observers, observer, link);
}

void packs_unobserve(struct packs_observer *observer)
{
    LIST_REMOVE(observer, link);
}

static void packs_done(void *arg)
{
    struct packs_build *build = arg;
    struct packs *packs = build->packs;
    packs->job = NULL;
    pack_log_remarks(build->built);
    if (build->built->lost) {
        packs_take_faults(packs->current, build->built);
        packs_log(packs->current, true);
    } else {
        pack_drop(packs->current);
        packs->current = build->built;
        packs->current->stats = &packs->stats;
        build->built = NULL;
        packs_log(packs->current, false);
    }
    packs_build_free(build);
    struct packs_observer *observer;
    LIST_FOREACH(observer, &packs->observers, link)
    observer->news(observer->arg);
    if (packs->again)
        packs_reload(packs);
}

void packs_reload(struct packs *packs)
{
    packs->again = packs->job != NULL;
    if (packs->job)
        return;
    struct packs_build *build = mem_new(sizeof(*build));
    build->packs = packs;
    build->folders = folders_copy(packs->folders.shipped, (const char *const *)packs->folders.dirs);
    build->before = pack_keep(packs->current);
    packs->job = loop_job(packs->loop, packs_work, packs_done, build);
}

static void packs_changed(void *arg)
{
    packs_reload(arg);
}

static void packs_watch(struct packs *packs, const char *dir)
{
    packs->watches = mem_grow(packs->watches, (packs->watch_count + 1) * sizeof(struct dir_watch *));
    packs->watches[packs->watch_count++] = dir_watch_start(packs->loop, dir, packs_changed, packs);
}

struct packs *packs_new(struct loop *loop, const char *shipped, const char *const *dirs)
{
    static const char *const shipped_folders[] = {"resources", "scripts"};
    struct packs *packs = mem_new(sizeof(*packs));
    packs->loop = loop;
    packs->folders = folders_copy(shipped, dirs);
    /* Watched before they are read: a change in between is a reload too many, not one too few. */
    for (size_t i = 0; shipped && i < 2; i++) {
        char *dir = mem_printf("%s/%s", shipped, shipped_folders[i]);
        packs_watch(packs, dir);
        free(dir);
    }
    for (char **dir = packs->folders.dirs; *dir; dir++)
        packs_watch(packs, *dir);
    packs->stats.verdicts = map_new();
    packs->current = folders_build(&packs->folders, NULL);
    packs->current->stats = &packs->stats;
    pack_log_remarks(packs->current);
    packs_log(packs->current, false);
    return packs;
}

void packs_free(struct packs *packs)
{
    if (!packs)
        return;
    for (size_t i = 0; i < packs->watch_count; i++)
        dir_watch_stop(&packs->watches[i]);
    job_forget(&packs->job, packs_build_free);
    pack_drop(packs->current);
    folders_free(&packs->folders);
    map_free(packs->stats.verdicts, free);
    free(packs->watches);
    free(packs);
}

struct pack *packs_current(struct packs *packs)
{
    return packs->current;
}

const struct script_stats *packs_stats(const struct packs *packs)
{
    return &packs->stats;
}

void pack_count_verdict(struct pack *pack, const char *rule, const char *level)
{
    struct map *verdicts = pack && pack->stats ? pack->stats->verdicts : NULL;
    if (!verdicts)
        return;
    if (map_count(verdicts) >= VERDICTS_MOST && !map_get(verdicts, rule))
        rule = "others";
    struct verdict_counts *counts = map_get(verdicts, rule);
    if (!counts) {
        counts = mem_new(sizeof(*counts));
        map_put(verdicts, rule, counts);
    }
    if (str_eq(level, "deny"))
        counts->deny++;
    else if (str_eq(level, "warn"))
        counts->warn++;
    else
        counts->observe++;
}
