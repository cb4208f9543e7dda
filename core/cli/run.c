#include "base/json-write.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/session.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Where it runs: --cwd, else this folder where it lies in the home folder, else (empty) the home folder. */
static const char *run_folder(const struct flags *flags, char here[PATH_MAX])
{
    const char *named = flag_value(flags, "cwd"), *from = getenv("HOME");
    char home[PATH_MAX];
    if (named)
        return realpath(named, here) ? here : named;
    if (!getcwd(here, PATH_MAX) || str_empty(from) || !realpath(from, home))
        return "";
    size_t n = str_eq(home, "/") ? 0 : strlen(home);
    return strncmp(here, home, n) == 0 && (here[n] == '/' || here[n] == '\0') ? here : "";
}

static void run_request(const struct flags *flags, const char *ns, void *arg, struct buf *out)
{
    size_t count;
    const char *const *words = flags_words(flags, &count);
    char here[PATH_MAX];
    struct json_writer w = JSON_WRITER(out);
    (void)arg;
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "start");
    jsonw_member(&w, "command", words[0]);
    jsonw_key(&w, "args");
    jsonw_begin_array(&w);
    for (size_t i = 1; i < count; i++)
        jsonw_string(&w, words[i]);
    jsonw_end_array(&w);
    jsonw_member(&w, "label", str_or(flag_value(flags, "label"), ""));
    jsonw_member(&w, "workingDir", run_folder(flags, here));
    jsonw_member(&w, "namespace", flag_value(flags, "namespace") ? ns : "");
    jsonw_member(&w, "userAction", "cli-run");
    jsonw_end_object(&w);
}

static int run_run(const struct flags *flags)
{
    size_t count;
    flags_words(flags, &count);
    if (count == 0)
        return command_fail(EXIT_NOT_STARTED, "run needs a command: moonsail run [flags] -- COMMAND ARG…");
    return session_run(
        &(struct session_options){.flags = flags, .request = run_request, .kind = SHOW_COMMAND});
}

static const struct flag run_flags[] = {
    {"namespace", 'n', FLAG_VALUE, "NS", "namespace, for the record", NULL, NULL},
    {"cwd", 0, FLAG_FILE, "DIR", "folder to run in, below the home folder; else this one or home", NULL,
     NULL},
    {"label", 0, FLAG_VALUE, "LABEL", "what people see in lists; else the command", NULL, NULL},
    SESSION_LOCAL_FLAGS,
    SESSION_FLAGS,
    {0},
};

const struct command command_run = {
    .name = "run",
    .arguments = "[--] COMMAND ARG…",
    .help = "Runs a command, without a shell in between, and shows its lines. Exits with its code; 125: not "
            "started, 126: not executable, 127: not found.",
    .flags = run_flags,
    .words = 4096,
    .bad_flag = EXIT_NOT_STARTED,
    .words_end_flags = true,
    .run = run_run,
};
