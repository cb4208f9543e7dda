/* pack-internal.h: what the files of the pack share. */
#pragma once

#include "base/buf.h"
#include "script/pack.h"

struct map;

enum pack_kind { PACK_LIB, PACK_RESOURCE, PACK_FLOW, PACK_GUARDRAIL, PACK_KINDS };

/* One script. `text` is what it was read from; of a file that failed, the last
 * good text, when there is one. */
struct pack_file {
    enum pack_kind kind;
    int folder;       /* which of the folders: a later one overrides */
    char *path;       /* on disk */
    char *chunkname;  /* as Lua wants it: "@resources/hpa.lua" */
    const char *name; /* as people know it, without the @ */
    char *stem;       /* of its file name: "status" for lib/status.lua */
    char *refused;    /* why it was not read */
    struct buf text, code;
    bool ok;         /* compiled and checked */
    bool overridden; /* a later folder's file stands for it */
    int line;        /* of the declaration */
    struct pack_resource resource;
    struct pack_flow flow;
    struct pack_guardrail guardrail;
    void **owned; /* what the declarations' strings and lists are kept in */
    size_t owned_count;
};

struct pack {
    unsigned references, generation;
    struct pack_file **files;
    size_t file_count;
    struct pack_fault *faults;
    size_t fault_count;
    char **remarks; /* what is no fault, and still to be said */
    size_t remark_count;
    struct pack_resource *resources;
    struct pack_file **resource_files; /* beside `resources` */
    size_t resource_count;
    struct pack_flow *flows;
    struct pack_file **flow_files; /* beside `flows` */
    size_t flow_count;
    struct pack_guardrail *guardrails;
    struct pack_file **guardrail_files; /* beside `guardrails` */
    size_t guardrail_count;
    struct pack_pattern *patterns;
    size_t pattern_count;
    struct map *libs;  /* stem to pack_file */
    struct map *names; /* name or alias to pack_resource */
    struct map *kinds; /* "group/kind" to pack_resource */
    char *guardrail_fault;
    bool guarded;               /* every guardrail of the generation before was in force */
    bool lost;                  /* something that worked in the generation before does not any more */
    struct pack_file *loading;  /* the file whose declaration is being evaluated */
    bool declared;              /* it has called resource{}, flow{} or guardrail{} */
    struct script_stats *stats; /* the packs', which outlive whatever runs; NULL: nobody counts */
};

/* A generation beside `before` (may be NULL), which it only reads. Any thread. */
struct pack *pack_build(const char *shipped, const char *const *dirs, const struct pack *before);

/* Adds the files of all folders, in order, with their texts. */
void pack_scan(struct pack *pack, const char *shipped, const char *const *dirs, const struct pack *before);

/* Copies `text`; what was kept of the generation before stays in use. */
void pack_add_fault(struct pack *pack, const char *text, bool kept);
/* Said later, on the thread that may: the log is not the pool's. Takes the text over. */
void pack_add_remark(struct pack *pack, char *text);
void pack_log_remarks(const struct pack *pack);

/* A guardrail is not in force, so no write is safe (the first reason is kept). */
void pack_set_guardrail_fault(struct pack *pack, const char *text);

/* Decides which declarations are in force and indexes them. */
void pack_resolve(struct pack *pack, const struct pack *before);

const struct pack_file *pack_good_file(const struct pack *pack, const char *path);

/* Keeps an allocation as long as the file lives. */
void *pack_own(struct pack_file *file, void *p);

/* Inside a cell: the globals of load time and `require`. */
void pack_open(lua_State *L, struct pack *pack);

/* Reads the declaration at the top of the stack into the file, or raises "file:line: message". */
void pack_read_declaration(lua_State *L, struct pack_file *file);

/* The group of "apps/v1"; its length, 0 for "v1". */
size_t pack_group_len(const char *version);
