/* Which declarations are in force: a later folder's stand for earlier ones of the same name or
 * kind; two in one folder are an error that names both. */
#include "script/pack-internal.h"

#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

static bool in_list(const char *const *list, const char *word)
{
    for (; list && *list; list++)
        if (str_eq(*list, word))
            return true;
    return false;
}

static const char *pack_name_of(const struct pack_file *file)
{
    return file->kind == PACK_RESOURCE ? file->resource.name
           : file->kind == PACK_FLOW   ? file->flow.name
                                       : file->guardrail.name;
}

/* A group in which both know the kind; -1 if there is none, else the version's place in a's list. */
static int shared_group(const struct pack_resource *a, const struct pack_resource *b)
{
    if (!str_eq(a->kind, b->kind))
        return -1;
    for (int i = 0; a->versions[i]; i++)
        for (int j = 0; b->versions[j]; j++) {
            size_t n = pack_group_len(a->versions[i]);
            if (n == pack_group_len(b->versions[j]) && memcmp(a->versions[i], b->versions[j], n) == 0)
                return i;
        }
    return -1;
}

static bool answers_to(const struct pack_resource *r, const char *word)
{
    return str_eq(r->name, word) || in_list(r->aliases, word);
}

/* What both claim, as a sentence's part; NULL if nothing. The caller frees. */
static char *pack_clash(const struct pack_file *a, const struct pack_file *b)
{
    if (str_eq(pack_name_of(a), pack_name_of(b)))
        return mem_printf("the name \"%s\"", pack_name_of(a));
    if (a->kind != PACK_RESOURCE)
        return NULL;
    int i = shared_group(&a->resource, &b->resource);
    if (i >= 0)
        return mem_printf("%s of %s", a->resource.kind, a->resource.versions[i]);
    if (answers_to(&b->resource, a->resource.name))
        return mem_printf("the name or alias \"%s\"", a->resource.name);
    for (const char *const *alias = a->resource.aliases; alias && *alias; alias++)
        if (answers_to(&b->resource, *alias))
            return mem_printf("the name or alias \"%s\"", *alias);
    return NULL;
}

/* Does the later folder's file stand for that of the earlier? An alias alone only takes the alias. */
static bool pack_overrides(const struct pack_file *later, const struct pack_file *earlier)
{
    return str_eq(pack_name_of(later), pack_name_of(earlier)) ||
           (later->kind == PACK_RESOURCE && shared_group(&later->resource, &earlier->resource) >= 0);
}

static bool pack_in_force(const struct pack_file *file)
{
    return file->ok && !file->overridden;
}

/* Of two that claim the same, the one that held it in the generation before keeps it, else the first. */
static void pack_settle(struct pack *pack, struct pack_file *a, struct pack_file *b,
                        const struct pack *before, const char *what)
{
    const struct pack_file *held_a = pack_good_file(before, a->path),
                           *held_b = pack_good_file(before, b->path);
    struct pack_file *out = held_b && !held_a ? a : b, *stays = out == a ? b : a;
    char *text = mem_printf("%s:%d: %s is also declared by %s:%d: one of them has to go", out->name,
                            out->line, what, stays->name, stays->line);
    bool lost = pack_good_file(before, out->path) != NULL;
    pack_add_fault(pack, text, lost);
    pack->lost |= lost;
    out->ok = false;
    if (out->kind == PACK_GUARDRAIL && !lost)
        pack_set_guardrail_fault(pack, text);
    free(text);
}

static void pack_compare(struct pack *pack, struct pack_file *a, struct pack_file *b,
                         const struct pack *before)
{
    if (a->kind != b->kind || !pack_in_force(a) || !pack_in_force(b))
        return;
    if (a->folder != b->folder) {
        a->overridden = pack_overrides(b, a);
        return;
    }
    char *what = pack_clash(a, b);
    if (what)
        pack_settle(pack, a, b, before, what);
    free(what);
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct pack_resource *)a)->name, ((const struct pack_resource *)b)->name);
}

static void pack_collect(struct pack *pack)
{
    size_t n = pack->file_count;
    pack->resources = mem_new((n + 1) * sizeof(*pack->resources));
    pack->resource_files = mem_new((n + 1) * sizeof(struct pack_file *));
    pack->flows = mem_new((n + 1) * sizeof(*pack->flows));
    pack->flow_files = mem_new((n + 1) * sizeof(struct pack_file *));
    pack->guardrails = mem_new((n + 1) * sizeof(*pack->guardrails));
    pack->guardrail_files = mem_new((n + 1) * sizeof(struct pack_file *));
    for (size_t i = 0; i < n; i++) {
        struct pack_file *file = pack->files[i];
        if (!pack_in_force(file))
            continue;
        if (file->kind == PACK_RESOURCE)
            pack->resources[pack->resource_count++] = file->resource;
        else if (file->kind == PACK_FLOW) {
            pack->flow_files[pack->flow_count] = file;
            pack->flows[pack->flow_count++] = file->flow;
        } else if (file->kind == PACK_GUARDRAIL) {
            pack->guardrail_files[pack->guardrail_count] = file;
            pack->guardrails[pack->guardrail_count++] = file->guardrail;
        }
    }
    qsort(pack->resources, pack->resource_count, sizeof(*pack->resources), by_name);
}

static struct pack_file *pack_file_of(const struct pack *pack, const struct pack_resource *r)
{
    for (size_t i = 0; i < pack->file_count; i++)
        if (pack_in_force(pack->files[i]) && pack->files[i]->kind == PACK_RESOURCE &&
            str_eq(pack->files[i]->resource.name, r->name))
            return pack->files[i];
    return NULL;
}

static void pack_index_aliases(struct pack *pack, int folder)
{
    for (size_t i = 0; i < pack->resource_count; i++)
        for (const char *const *a = pack->resources[i].aliases; a && *a; a++)
            if (pack->resource_files[i]->folder == folder)
                map_put(pack->names, *a, &pack->resources[i]);
}

static void pack_index(struct pack *pack)
{
    int folders = 0;
    for (size_t i = 0; i < pack->resource_count; i++) {
        struct pack_resource *r = &pack->resources[i];
        struct pack_file *file = pack_file_of(pack, r);
        pack->resource_files[i] = file;
        folders = file->folder > folders ? file->folder : folders;
        for (const char *const *v = r->versions; *v; v++) {
            char *key = mem_printf("%.*s/%s", (int)pack_group_len(*v), *v, r->kind);
            map_put(pack->kinds, key, r);
            free(key);
        }
    }
    /* A later folder's alias beats an earlier one's; a name beats every alias. */
    for (int folder = 0; folder <= folders; folder++)
        pack_index_aliases(pack, folder);
    for (size_t i = 0; i < pack->resource_count; i++)
        map_put(pack->names, pack->resources[i].name, &pack->resources[i]);
}

void pack_resolve(struct pack *pack, const struct pack *before)
{
    for (size_t j = 1; j < pack->file_count; j++)
        for (size_t i = 0; i < j; i++)
            if (pack->files[j]->kind != PACK_LIB)
                pack_compare(pack, pack->files[i], pack->files[j], before);
    pack_collect(pack);
    pack_index(pack);
}
