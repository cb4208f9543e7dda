/* str.h: the few string questions that the C library leaves open. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

bool str_eq(const char *a, const char *b); /* NULL equals only NULL */
bool str_empty(const char *s);             /* NULL or "" */
bool str_starts(const char *s, const char *prefix);
bool str_ends(const char *s, const char *suffix);
const char *str_or(const char *s, const char *otherwise); /* s unless NULL or "" */

/* How many of the first n bytes can be kept without cutting a UTF-8 character. */
size_t str_utf8_cut(const char *s, size_t n);

/* The length (1..4) of the valid UTF-8 character at s, 0 if the bytes there are none. */
size_t str_utf8_len(const char *s, size_t n);

/* Edit distance, for "did you mean"; small strings only. */
size_t str_distance(const char *a, const char *b);

/* The nearest of `names` (ends with NULL) within a third of its length, else NULL. */
const char *str_nearest(const char *word, const char *const *names);
