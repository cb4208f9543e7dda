#include "base/err.h"
#include "base/json-write.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "script/pack.h"

#include <stdio.h>
#include <stdlib.h>

static void check_json(const struct pack_fault *faults, size_t count, size_t resources)
{
    struct buf out = {0};
    struct json_writer w = JSON_WRITER(&out);
    jsonw_begin_object(&w);
    jsonw_member_int(&w, "resources", (int64_t)resources);
    jsonw_key(&w, "faults");
    jsonw_begin_array(&w);
    for (size_t i = 0; i < count; i++)
        jsonw_string(&w, faults[i].text);
    jsonw_end_array(&w);
    jsonw_end_object(&w);
    puts(buf_str(&out));
    buf_free(&out);
}

static int check_run(const struct flags *flags)
{
    struct err err;
    size_t words, count, resources;
    const char *const *dirs = flags_words(flags, &words);
    if (words == 0)
        return command_fail(EXIT_USAGE, "check needs a folder: moonsail check DIR");
    if (folder_check(dirs, &err))
        return command_fail(EXIT_USAGE, "%s", err.text);
    char *shipped = host_shipped(&err);
    if (!shipped)
        return command_fail(EXIT_FAILED, "%s", err.text);
    struct pack *pack = pack_load(shipped, dirs);
    const struct pack_fault *faults = pack_faults(pack, &count);
    pack_resources(pack, &resources);
    if (flag_on(flags, "json"))
        check_json(faults, count, resources);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s\n", faults[i].text);
    if (!flag_on(flags, "json") && count == 0)
        printf("no fault; %zu resources with the shipped ones\n", resources);
    pack_drop(pack);
    free(shipped);
    return count ? EXIT_FAILED : EXIT_OK;
}

static const struct flag check_flags[] = {
    {"json", 0, FLAG_SWITCH, NULL, "one JSON document", NULL, NULL},
    {0},
};

const struct command command_check = {
    .name = "check",
    .arguments = "DIR…",
    .help = "Compiles and validates a folder of scripts, without a host or a cluster.",
    .flags = check_flags,
    .words = 64,
    .run = check_run,
};
