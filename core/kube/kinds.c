/* What a server serves, and looking things up in it. */
#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { KIND_BLOCK = 16384 };

struct kind_block {
    struct kind_block *next;
    size_t used, size;
    _Alignas(16) char data[];
};

struct kind_set *kind_set_new(void)
{
    return mem_new(sizeof(struct kind_set));
}

void kind_set_free(struct kind_set *set)
{
    struct kind_block *block, *next;
    if (!set)
        return;
    for (block = set->blocks; block; block = next) {
        next = block->next;
        free(block);
    }
    free(set->items);
    free(set);
}

void *kind_set_room(struct kind_set *set, size_t size)
{
    struct kind_block *block = set->blocks;
    size = (size + 15) & ~(size_t)15;
    if (!block || block->size - block->used < size) {
        size_t whole = size > KIND_BLOCK ? size : KIND_BLOCK;
        block = malloc(sizeof(*block) + whole);
        if (!block) {
            set->failed = true;
            return NULL;
        }
        *block = (struct kind_block){.next = set->blocks, .size = whole};
        set->blocks = block;
    }
    void *room = block->data + block->used;
    block->used += size;
    return room;
}

char *kind_set_text(struct kind_set *set, const char *text)
{
    size_t size = strlen(text) + 1;
    char *copy = kind_set_room(set, size);
    return copy ? memcpy(copy, text, size) : NULL;
}

struct kube_kind *kind_set_add(struct kind_set *set)
{
    if (set->count == KUBE_KINDS_MAX)
        return NULL;
    if (set->count == set->cap) {
        size_t cap = set->cap ? set->cap * 2 : 32;
        struct kube_kind *items = realloc(set->items, cap * sizeof(*items));
        if (!items) {
            set->failed = true;
            return NULL;
        }
        set->items = items;
        set->cap = cap;
    }
    struct kube_kind *kind = &set->items[set->count++];
    memset(kind, 0, sizeof(*kind));
    return kind;
}

struct kinds *kinds_new(void)
{
    struct kinds *kinds = mem_new(sizeof(*kinds));
    kinds->failures = mem_new(sizeof(char *));
    return kinds;
}

void kinds_free(struct kinds *kinds)
{
    if (!kinds)
        return;
    for (size_t i = 0; i < kinds->set_count; i++)
        kind_set_free(kinds->sets[i]);
    for (size_t i = 0; i < kinds->failure_count; i++)
        free(kinds->failures[i]);
    free(kinds->sets);
    free(kinds->failures);
    free(kinds);
}

void kinds_add(struct kinds *kinds, struct kind_set *set)
{
    kinds->sets = mem_grow(kinds->sets, (kinds->set_count + 1) * sizeof(*kinds->sets));
    kinds->sets[kinds->set_count++] = set;
    kinds->count += set->count;
}

void kinds_add_failure(struct kinds *kinds, char *sentence)
{
    kinds->failures = mem_grow(kinds->failures, (kinds->failure_count + 2) * sizeof(char *));
    kinds->failures[kinds->failure_count++] = sentence;
    kinds->failures[kinds->failure_count] = NULL;
}

/* One after the other: a miss among 1,000 kinds takes 20 us, and an index of them 4 ms to make. */
const struct kube_kind *kinds_find(const struct kinds *kinds, const char *api_version, const char *kind)
{
    for (size_t s = 0; s < kinds->set_count; s++)
        for (size_t i = 0; i < kinds->sets[s]->count; i++) {
            const struct kube_kind *k = &kinds->sets[s]->items[i];
            if (strcmp(k->kind, kind) == 0 && strcmp(k->api_version, api_version) == 0)
                return k;
        }
    return NULL;
}

enum match { BY_PLURAL, BY_SINGULAR, BY_SHORT, BY_NONE };

static bool kind_matches(const struct kube_kind *kind, enum match by, const char *name, size_t len,
                         const char *group)
{
    bool same = false;
    if (by == BY_SHORT) {
        for (const char *const *s = kind->short_names; *s && !same; s++)
            same = strncasecmp(*s, name, len) == 0 && (*s)[len] == '\0';
    } else {
        const char *own = by == BY_PLURAL ? kind->plural : kind->singular;
        same = strncasecmp(own, name, len) == 0 && own[len] == '\0';
    }
    if (!same || !group || strcmp(group, kind->group) == 0)
        return same;
    /* "deployments.v1.apps", as kubectl takes it. */
    size_t version = strlen(kind->version);
    return strncmp(group, kind->version, version) == 0 && group[version] == '.' &&
           strcmp(group + version + 1, kind->group) == 0;
}

/* In the server's order of groups, and of versions in a group: the first is the preferred one. The
 * true plural wins over another group's singular or short name. */
const struct kube_kind *kinds_resource(const struct kinds *kinds, const char *name)
{
    const char *dot = strchr(name, '.');
    size_t len = dot ? (size_t)(dot - name) : strlen(name);
    for (enum match by = BY_PLURAL; len && by < BY_NONE; by++)
        for (size_t s = 0; s < kinds->set_count; s++)
            for (size_t i = 0; i < kinds->sets[s]->count; i++)
                if (kind_matches(&kinds->sets[s]->items[i], by, name, len, dot ? dot + 1 : NULL))
                    return &kinds->sets[s]->items[i];
    return NULL;
}

void kube_encode(struct buf *out, const char *part)
{
    for (; *part; part++) {
        unsigned char c = (unsigned char)*part;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
                     c == '.' || c == '_' || c == '~';
        if (plain)
            buf_putc(out, (char)c);
        else
            buf_printf(out, "%%%02X", c);
    }
}

/* "." and ".." as a whole part would be taken out of the path on the way. */
static void path_add(struct buf *out, const char *part)
{
    buf_putc(out, '/');
    if (strcmp(part, ".") == 0 || strcmp(part, "..") == 0)
        buf_puts(out, part[1] ? "%2E%2E" : "%2E");
    else
        kube_encode(out, part);
}

char *kube_path(const struct kube_kind *kind, const char *ns, const char *name)
{
    struct buf out = {0};
    buf_puts(&out, *kind->group ? "/apis" : "/api");
    if (*kind->group)
        path_add(&out, kind->group);
    path_add(&out, kind->version);
    if (kind->namespaced && !str_empty(ns)) {
        buf_puts(&out, "/namespaces");
        path_add(&out, ns);
    }
    path_add(&out, kind->plural);
    if (!str_empty(name))
        path_add(&out, name);
    return buf_take(&out);
}
