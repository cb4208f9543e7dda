/* history-settings.h: what the flags say of how much is kept on disk, and for how long. */
#pragma once

#include <stddef.h>
#include <stdint.h>

struct err;
struct flags;

struct history_settings {
    const char *dir; /* NULL: nothing is kept beyond the end of the host */
    unsigned executions, days;
    uint64_t journal;              /* bytes of one on disk */
    size_t tail_lines, tail_bytes; /* of a running one in memory */
};

/* All but `dir`, which becomes "" where history is on. -1 with err. */
int history_settings_read(const struct flags *flags, struct history_settings *settings, struct err *err);
