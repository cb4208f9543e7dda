/* text.h: prose on a terminal of 80 columns. */
#pragma once

#include <stddef.h>
#include <stdio.h>

enum { TEXT_COLUMNS = 80 };

/* Prints `text` from column `at` on, broken between words at 80 columns, further lines indented by
 * `indent`; ends the line. */
void text_wrap(FILE *to, const char *text, size_t at, size_t indent);

/* How many columns the terminal behind fd has; 0 where it is none. */
size_t text_width(int fd);

/* How many bytes of `text` fit into `columns` (a byte counts as one, so never too many). */
size_t text_fits(const char *text, size_t columns);
