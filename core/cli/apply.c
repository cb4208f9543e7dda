#include "base/err.h"
#include "base/json-write.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/manifest.h"
#include "cli/session.h"

#include <stdlib.h>
#include <string.h>

enum { APPLY_TIMEOUT_MAX = 7 * 24 * 3600 };

/* "Apply a.yaml b.yaml" */
static void apply_label(const struct flags *flags, struct buf *out)
{
    const char *verb = flag_on(flags, "delete") ? "Delete" : "Apply";
    buf_puts(out, flag_on(flags, "dry-run") ? "Dry-run" : verb);
    for (const char *const *file = flag_list(flags, "filename"); *file && out->len < 200; file++) {
        const char *slash = strrchr(*file, '/');
        buf_printf(out, " %s", slash && slash[1] ? slash + 1 : *file);
    }
}

/* "300", "300s", "5m", "2h" in seconds; 0 for anything else. */
static long apply_seconds(const char *text)
{
    static const struct {
        const char *unit;
        long seconds;
    } units[] = {{"", 1}, {"s", 1}, {"m", 60}, {"h", 3600}};
    char *end;
    if (*text < '0' || *text > '9')
        return 0;
    long n = strtol(text, &end, 10);
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (str_eq(end, units[i].unit) && n <= APPLY_TIMEOUT_MAX / units[i].seconds)
            return n * units[i].seconds;
    return 0;
}

/* EXIT_OK, or what to end with where flags contradict each other. */
static int apply_check(const struct flags *flags)
{
    const char *timeout = flag_value(flags, "timeout");
    if (!*flag_list(flags, "filename"))
        return command_fail(EXIT_USAGE, "apply needs a manifest: moonsail apply -f FILE");
    if (timeout && !flag_on(flags, "wait"))
        return command_fail(EXIT_USAGE, "--timeout goes with --wait");
    if (timeout && apply_seconds(timeout) == 0)
        return command_fail(EXIT_USAGE, "--timeout %s: a number of seconds, or 300s, 5m, 2h; at most a week",
                            timeout);
    if (flag_on(flags, "delete") && (flag_on(flags, "recreate") || flag_on(flags, "force")))
        return command_fail(EXIT_USAGE, "--delete goes neither with --recreate nor with --force");
    return EXIT_OK;
}

static void apply_request(const struct flags *flags, const char *ns, void *arg, struct buf *out)
{
    const struct buf *manifest = arg;
    struct json_writer w = JSON_WRITER(out);
    struct buf label = {0};
    apply_label(flags, &label);
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "start");
    jsonw_member(&w, "command", "__k8s-apply-yaml");
    jsonw_member(&w, "intent", "apply-yaml");
    jsonw_member(&w, "label", buf_str(&label));
    jsonw_member(&w, "userAction", "cli-apply");
    jsonw_member_bool(&w, "kubernetesEquivalent", true);
    jsonw_member(&w, "mode", flag_on(flags, "dry-run") ? "dry-run" : "apply");
    jsonw_member(&w, "namespace", ns);
    jsonw_member(&w, "context", str_or(flag_value(flags, "context"), ""));
    jsonw_member(&w, "action", flag_on(flags, "delete") ? "delete" : "update");
    jsonw_member_bool(&w, "force", flag_on(flags, "force"));
    jsonw_member_bool(&w, "recreate", flag_on(flags, "recreate"));
    jsonw_member_bool(&w, "wait", flag_on(flags, "wait"));
    if (flag_value(flags, "timeout"))
        jsonw_member_int(&w, "timeout", apply_seconds(flag_value(flags, "timeout")));
    jsonw_member_bool(&w, "allowClusterWide", flag_on(flags, "cluster-wide"));
    jsonw_key(&w, "yaml");
    jsonw_stringn(&w, buf_str(manifest), manifest->len);
    jsonw_end_object(&w);
    buf_free(&label);
}

static int apply_run_command(const struct flags *flags)
{
    struct buf manifest = {0};
    struct err err;
    int code = apply_check(flags);
    if (code)
        return code;
    if (manifest_read(flag_list(flags, "filename"), &manifest, &err))
        code = command_fail(err.code == ERR_NOT_FOUND ? EXIT_USAGE : EXIT_FAILED, "%s", err.text);
    else
        code = session_run(&(struct session_options){
            .flags = flags,
            .request = apply_request,
            .arg = &manifest,
            .needs_cluster = true,
            .kind = SHOW_APPLY,
        });
    buf_free(&manifest);
    return code;
}

static const struct flag apply_flags[] = {
    {"filename", 'f', FLAG_LIST, "FILE|DIR|-", "manifest, folder of manifests, or - for standard input", NULL,
     NULL},
    {"namespace", 'n', FLAG_VALUE, "NS", "namespace; else the context's, else default", NULL, NULL},
    {"dry-run", 0, FLAG_SWITCH, NULL, "ask the server what would happen and change nothing", NULL, NULL},
    {"force", 0, FLAG_SWITCH, NULL, "take fields that another manager owns", NULL, NULL},
    {"recreate", 0, FLAG_SWITCH, NULL, "delete what cannot be changed and make it anew", NULL, NULL},
    {"delete", 0, FLAG_SWITCH, NULL, "delete what the manifests name", NULL, NULL},
    {"wait", 0, FLAG_SWITCH, NULL, "wait until everything is ready", NULL, NULL},
    {"timeout", 0, FLAG_VALUE, "TIME", "with --wait, at the longest: 300, 5m, 2h; 300 s unless said", NULL,
     NULL},
    {"cluster-wide", 0, FLAG_SWITCH, NULL, "allow cluster-scoped objects and other namespaces", NULL, NULL},
    SESSION_LOCAL_FLAGS,
    SESSION_FLAGS,
    {0},
};

const struct command command_apply = {
    .name = "apply",
    .arguments = "-f FILE…",
    .help = "Applies manifests to a cluster by server-side apply and shows what happens to each document.",
    .flags = apply_flags,
    .run = apply_run_command,
};
