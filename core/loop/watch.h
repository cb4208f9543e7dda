/* watch.h: tells that something changed below a folder. Loop thread only.
 *
 * Watches the folder and its direct sub-folders, and gathers changes for 50 ms, so
 * that an editor's write-and-rename is one call. A folder that is not there yet, or
 * goes and comes back, is looked for every second. */
#pragma once

#include "loop/loop.h"

struct dir_watch;

struct dir_watch *dir_watch_start(struct loop *loop, const char *dir, loop_fn *changed, void *arg);
void dir_watch_stop(struct dir_watch **watch);
