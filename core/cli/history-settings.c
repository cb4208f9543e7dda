#include "cli/history-settings.h"

#include "base/err.h"
#include "base/str.h"
#include "cli/flags.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* A number, with a unit where it is a size: 64MiB. -1 for another text. */
static int number_read(const char *text, bool size, uint64_t *out)
{
    static const struct {
        const char *unit;
        int shift;
    } units[] = {{"", 0}, {"KiB", 10}, {"MiB", 20}, {"GiB", 30}};
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 12)
        return -1;
    for (size_t i = 0; i < (size ? sizeof(units) / sizeof(units[0]) : 1); i++)
        if (str_eq(text + digits, units[i].unit)) {
            *out = strtoull(text, NULL, 10) << units[i].shift;
            return 0;
        }
    return -1;
}

static int setting_read(const struct flags *flags, const char *name, bool size, uint64_t least, uint64_t most,
                        uint64_t *out, struct err *err)
{
    const char *text = flag_value(flags, name);
    if (number_read(text, size, out) == 0 && *out >= least && *out <= most)
        return 0;
    if (size)
        return err_set(err, "--%s must be a size from %" PRIu64 "KiB to %" PRIu64 "MiB, as 64MiB, not \"%s\"",
                       name, least >> 10, most >> 20, text);
    return err_set(err, "--%s must be a number from %" PRIu64 " to %" PRIu64 ", not \"%s\"", name, least,
                   most, text);
}

int history_settings_read(const struct flags *flags, struct history_settings *settings, struct err *err)
{
    const char *word = flag_value(flags, "history");
    uint64_t executions, days, journal, lines, bytes;
    bool on = str_eq(word, "on") || str_eq(word, "true");
    if (!on && !str_eq(word, "off") && !str_eq(word, "false"))
        return err_set(err, "--history must be on or off, not \"%s\"", word);
    if (setting_read(flags, "history-executions", false, 1, 10000000, &executions, err) ||
        setting_read(flags, "history-days", false, 1, 36500, &days, err) ||
        setting_read(flags, "history-journal", true, 1 << 20, 1ULL << 40, &journal, err) ||
        setting_read(flags, "history-tail-lines", false, 1, 1000000, &lines, err) ||
        setting_read(flags, "history-tail-bytes", true, 1 << 12, 1 << 28, &bytes, err))
        return -1;
    *settings = (struct history_settings){
        .dir = on ? "" : NULL,
        .executions = (unsigned)executions,
        .days = (unsigned)days,
        .journal = journal,
        .tail_lines = (size_t)lines,
        .tail_bytes = (size_t)bytes,
    };
    return 0;
}
