#include "base/map.h"

#include "base/mem.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

/* Entries lie in the order they came; `slots` is an open-addressed index into them
 * (entry number + 1, 0 is free). A removed entry keeps its place with a NULL key
 * until the next rebuild. */
struct map_entry {
    char *key;
    void *value;
    uint64_t hash;
};

struct map {
    struct map_entry *entries;
    size_t used, room, live;
    uint32_t *slots;
    size_t slot_count; /* a power of two */
    uint64_t seed;
};

/* FNV-1a from a random start: keys come from outside, so their hashes must not be known there. */
static uint64_t map_hash(const struct map *m, const char *key)
{
    uint64_t h = m->seed;
    for (const unsigned char *p = (const unsigned char *)key; *p; p++)
        h = (h ^ *p) * 1099511628211ULL;
    return h ^ (h >> 29);
}

struct map *map_new(void)
{
    struct map *m = mem_new(sizeof(*m));
    if (getrandom(&m->seed, sizeof(m->seed), GRND_NONBLOCK) != sizeof(m->seed))
        m->seed = (uintptr_t)m;
    return m;
}

void map_free(struct map *m, void (*free_value)(void *))
{
    if (!m)
        return;
    for (size_t i = 0; i < m->used; i++) {
        if (m->entries[i].key && free_value)
            free_value(m->entries[i].value);
        free(m->entries[i].key);
    }
    free(m->entries);
    free(m->slots);
    free(m);
}

static void map_index(struct map *m, size_t entry)
{
    size_t at = m->entries[entry].hash & (m->slot_count - 1);
    while (m->slots[at])
        at = (at + 1) & (m->slot_count - 1);
    m->slots[at] = (uint32_t)entry + 1;
}

/* Drops the places of removed entries, makes room for one more and indexes anew. */
static void map_rebuild(struct map *m)
{
    size_t used = 0;
    for (size_t i = 0; i < m->used; i++)
        if (m->entries[i].key)
            m->entries[used++] = m->entries[i];
    m->used = used;
    if (m->used * 2 >= m->room) {
        m->room = m->room ? m->room * 2 : 8;
        m->entries = mem_grow(m->entries, m->room * sizeof(*m->entries));
    }
    free(m->slots);
    m->slot_count = m->room * 2;
    m->slots = mem_new(m->slot_count * sizeof(*m->slots));
    for (size_t i = 0; i < m->used; i++)
        map_index(m, i);
}

static struct map_entry *map_find(const struct map *m, const char *key)
{
    if (m->slot_count == 0)
        return NULL;
    uint64_t hash = map_hash(m, key);
    for (size_t at = hash & (m->slot_count - 1); m->slots[at]; at = (at + 1) & (m->slot_count - 1)) {
        struct map_entry *e = &m->entries[m->slots[at] - 1];
        if (e->key && e->hash == hash && strcmp(e->key, key) == 0)
            return e;
    }
    return NULL;
}

void *map_get(const struct map *m, const char *key)
{
    struct map_entry *e = key ? map_find(m, key) : NULL;
    return e ? e->value : NULL;
}

void map_put(struct map *m, const char *key, void *value)
{
    struct map_entry *e = map_find(m, key);
    if (e) {
        e->value = value;
        return;
    }
    if (m->used == m->room)
        map_rebuild(m);
    m->entries[m->used] = (struct map_entry){.key = mem_str(key), .value = value, .hash = map_hash(m, key)};
    map_index(m, m->used++);
    m->live++;
}

void *map_remove(struct map *m, const char *key)
{
    struct map_entry *e = map_find(m, key);
    if (!e)
        return NULL;
    free(e->key);
    e->key = NULL;
    m->live--;
    return e->value;
}

size_t map_count(const struct map *m)
{
    return m->live;
}

int map_next(const struct map *m, size_t *at, const char **key, void **value)
{
    while (*at < m->used) {
        const struct map_entry *e = &m->entries[(*at)++];
        if (!e->key)
            continue;
        if (key)
            *key = e->key;
        if (value)
            *value = e->value;
        return 1;
    }
    return 0;
}
