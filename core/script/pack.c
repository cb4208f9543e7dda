#include "script/pack-internal.h"

#include "base/log.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

struct pack *pack_load(const char *shipped, const char *const *dirs)
{
    struct pack *pack = pack_build(shipped, dirs, NULL);
    pack_log_remarks(pack);
    return pack;
}

struct pack *pack_keep(struct pack *pack)
{
    pack->references++;
    return pack;
}

void *pack_own(struct pack_file *file, void *p)
{
    file->owned = mem_grow(file->owned, (file->owned_count + 1) * sizeof(void *));
    file->owned[file->owned_count++] = p;
    return p;
}

static void pack_file_free(struct pack_file *file)
{
    for (size_t i = 0; i < file->owned_count; i++)
        free(file->owned[i]);
    free(file->owned);
    free(file->path);
    free(file->chunkname);
    free(file->stem);
    free(file->refused);
    buf_free(&file->text);
    buf_free(&file->code);
    free(file);
}

void pack_drop(struct pack *pack)
{
    if (!pack || --pack->references > 0)
        return;
    for (size_t i = 0; i < pack->file_count; i++)
        pack_file_free(pack->files[i]);
    for (size_t i = 0; i < pack->fault_count; i++)
        free((char *)pack->faults[i].text);
    free(pack->files);
    for (size_t i = 0; i < pack->remark_count; i++)
        free(pack->remarks[i]);
    free(pack->remarks);
    free(pack->faults);
    free(pack->resources);
    free(pack->resource_files);
    free(pack->flows);
    free(pack->flow_files);
    free(pack->guardrails);
    free(pack->guardrail_files);
    free(pack->patterns);
    free(pack->guardrail_fault);
    map_free(pack->libs, NULL);
    map_free(pack->names, NULL);
    map_free(pack->kinds, NULL);
    free(pack);
}

void pack_add_fault(struct pack *pack, const char *text, bool kept)
{
    pack->faults = mem_grow(pack->faults, (pack->fault_count + 1) * sizeof(*pack->faults));
    pack->faults[pack->fault_count++] = (struct pack_fault){.text = mem_str(text), .kept = kept};
}

void pack_add_remark(struct pack *pack, char *text)
{
    pack->remarks = mem_grow(pack->remarks, (pack->remark_count + 1) * sizeof(*pack->remarks));
    pack->remarks[pack->remark_count++] = text;
}

void pack_log_remarks(const struct pack *pack)
{
    for (size_t i = 0; i < pack->remark_count; i++)
        log_warn("scripts: %s", pack->remarks[i]);
}

void pack_set_guardrail_fault(struct pack *pack, const char *text)
{
    /* A new guardrail that does not load yet is no reason to stop a host which has run without it. */
    if (!pack->guardrail_fault && !pack->guarded)
        pack->guardrail_fault = mem_str(text);
}

const struct pack_file *pack_good_file(const struct pack *pack, const char *path)
{
    for (size_t i = 0; pack && i < pack->file_count; i++)
        if (pack->files[i]->ok && str_eq(pack->files[i]->path, path))
            return pack->files[i];
    return NULL;
}

unsigned pack_generation(const struct pack *pack)
{
    return pack->generation;
}

const struct pack_fault *pack_faults(const struct pack *pack, size_t *count)
{
    *count = pack->fault_count;
    return pack->faults;
}

const struct pack_resource *pack_resources(const struct pack *pack, size_t *count)
{
    *count = pack->resource_count;
    return pack->resources;
}

const struct pack_flow *pack_flows(const struct pack *pack, size_t *count)
{
    *count = pack->flow_count;
    return pack->flows;
}

const struct pack_flow *pack_flow(const struct pack *pack, const char *name)
{
    for (size_t i = 0; i < pack->flow_count; i++)
        if (str_eq(pack->flows[i].name, name))
            return &pack->flows[i];
    return NULL;
}

const struct pack_guardrail *pack_guardrails(const struct pack *pack, size_t *count)
{
    *count = pack->guardrail_count;
    return pack->guardrails;
}

const struct pack_pattern *pack_patterns(const struct pack *pack, size_t *count)
{
    *count = pack->pattern_count;
    return pack->patterns;
}

const char *pack_guardrail_fault(const struct pack *pack)
{
    return pack->guardrail_fault;
}

const struct pack_resource *pack_resource(const struct pack *pack, const char *name)
{
    return map_get(pack->names, name);
}

const struct pack_resource *pack_resource_of(const struct pack *pack, const char *group, const char *kind)
{
    char *key = mem_printf("%s/%s", group, kind);
    const struct pack_resource *resource = map_get(pack->kinds, key);
    free(key);
    return resource;
}

size_t pack_group_len(const char *version)
{
    const char *slash = strchr(version, '/');
    return slash ? (size_t)(slash - version) : 0;
}
