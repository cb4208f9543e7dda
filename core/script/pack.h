/* pack.h: one generation of scripts: every file compiled, every declaration checked.
 *
 * A pack never changes and is counted: executions keep the one they started with. `packs`
 * holds the running one, watches the folders and swaps in a new generation whole; a file that
 * fails keeps its last good form and is reported. Loop thread only. */
#pragma once

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>

struct err;
struct loop;
struct map;
struct pack;
struct packs;

struct pack_resource {
    const char *name, *kind, *help;
    const char *file;            /* as people know it: "resources/hpa.lua" or the operator's path */
    const char *const *aliases;  /* each ends with NULL */
    const char *const *versions; /* "apps/v1"; the first served one is used. Default { "v1" } */
    const char *const *actions;
    const char *const *flows;
    int stage; /* 0: by kind */
    bool has_apply, has_validate, has_defaults, has_ready;
};

struct pack_flow {
    const char *name, *label, *help, *action, *file;
    const char *const *resources; /* by name or alias */
    const char *input; /* JSON: { name: { type, help, required, default?, enum? } }, sorted; "{}" for none */
};

struct pack_guardrail {
    const char *name, *help, *file;
    const char *level;            /* "deny", "warn", "observe" */
    const char *const *resources; /* by name or alias; empty: all */
    bool needs_dry_run;
    int line; /* of the declaration */
};

struct pack_pattern {
    const char *pattern, *file;
    int line;
};

struct pack_fault {
    const char *text; /* "file:line: message" */
    bool kept;        /* an earlier generation's form stays in use */
};

/* Compiles and checks the folders in order (each holds resources/ flows/ guardrails/ lib/; the
 * shipped root holds resources/ and scripts/{lib,flows,guardrails}/); a later folder overrides by
 * name. Never fails as a whole: what is wrong is in pack_faults(). Returned with one reference. */
struct pack *pack_load(const char *shipped, const char *const *dirs);
struct pack *pack_keep(struct pack *pack);
void pack_drop(struct pack *pack);

unsigned pack_generation(const struct pack *pack);
const struct pack_fault *pack_faults(const struct pack *pack, size_t *count);
const struct pack_resource *pack_resources(const struct pack *pack, size_t *count);

const struct pack_flow *pack_flows(const struct pack *pack, size_t *count);
const struct pack_flow *pack_flow(const struct pack *pack, const char *name); /* NULL where none is */
const struct pack_guardrail *pack_guardrails(const struct pack *pack, size_t *count);
const struct pack_pattern *pack_patterns(const struct pack *pack, size_t *count); /* of redact_pattern */

/* Why every write must be refused: a guardrail that could not be loaded at the start. NULL: none. (One
 * that breaks later has its earlier form; a new one that does not load is a fault and no more.) */
const char *pack_guardrail_fault(const struct pack *pack);

/* By registered name or alias; by group ("" is core) and kind. NULL where none is. */
const struct pack_resource *pack_resource(const struct pack *pack, const char *name);
const struct pack_resource *pack_resource_of(const struct pack *pack, const char *group, const char *kind);

/* Inside a cell of this pack: pushes the resource's, flow's or guardrail's declaration (a table), or the
 * module lib.<name> for pack_push_module(). Compiled bytecode is run at the first use in the cell. May raise.
 */
void pack_push_resource(lua_State *L, const struct pack_resource *resource);
void pack_push_flow(lua_State *L, const struct pack_flow *flow);
void pack_push_guardrail(lua_State *L, const struct pack_guardrail *guardrail);
void pack_push_module(lua_State *L, const char *module);

/* Who is told of a new generation, or of new faults of the running one; taken out before `packs` is freed. */
struct packs_observer {
    LIST_ENTRY(packs_observer) link;
    void (*news)(void *arg);
    void *arg;
};
void packs_observe(struct packs *packs, struct packs_observer *observer);
void packs_unobserve(struct packs_observer *observer);

/* The running generation, reloaded when a file changes. A change that loses something which
 * worked, and that no file's earlier form can stand in for, leaves the whole old generation
 * running: only its faults are then new. Reading and compiling happen on the pool. */
struct packs *packs_new(struct loop *loop, const char *shipped, const char *const *dirs);
void packs_free(struct packs *packs);
struct pack *packs_current(struct packs *packs); /* not kept for the caller */
void packs_reload(struct packs *packs);          /* now: SIGHUP; it is there some turns later */

/* What the scripts of all generations have used and said, since packs_new(). A pack counts there from its
 * first turn as the running one on; one that was loaded alone counts nothing. */
struct verdict_counts {
    uint64_t deny, warn, observe;
};
struct script_stats {
    uint64_t cpu_us;
    uint64_t ended_cpu, ended_stuck, ended_memory; /* tasks, by the limit that ended them */
    struct map *verdicts;                          /* guardrail's name to verdict_counts */
};
const struct script_stats *packs_stats(const struct packs *packs);

/* A guardrail has said something. */
void pack_count_verdict(struct pack *pack, const char *rule, const char *level);
