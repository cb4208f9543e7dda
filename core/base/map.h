/* map.h: strings to pointers.
 *
 * The map copies its keys and owns nothing else. Order of iteration is the order
 * of insertion while nothing was removed. */
#pragma once

#include <stddef.h>

struct map;

struct map *map_new(void);
void map_free(struct map *m, void (*free_value)(void *));  /* free_value may be NULL */
void *map_get(const struct map *m, const char *key);       /* NULL where it is not */
void map_put(struct map *m, const char *key, void *value); /* replaces */
void *map_remove(struct map *m, const char *key);          /* the value that was there */
size_t map_count(const struct map *m);

/* Walks: start with *at = 0; 0 at the end. Removing the current key is allowed. */
int map_next(const struct map *m, size_t *at, const char **key, void **value);
