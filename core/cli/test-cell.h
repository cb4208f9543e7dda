/* test-cell.h: specs of scripts inside real cells, where busted cannot be. */
#pragma once

#include <stddef.h>

struct pack;

struct test_cell_counts {
    size_t passed, failed;
};

/* Runs one spec in a cell of its own with the modules of `pack`. Prints what fails, and adds to the counts; a
 * spec that does not load or meets a limit is one failure. `folders` ends with NULL. */
void test_cell_run(struct pack *pack, const char *shipped, const char *const *folders, const char *spec,
                   struct test_cell_counts *counts);
