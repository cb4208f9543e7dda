#include "base/err.h"
#include "base/json-write.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/manifest.h"
#include "cli/session.h"

#include <string.h>

/* "Apply a.yaml b.yaml" */
static void apply_label(const struct flags *flags, struct buf *out)
{
    buf_puts(out, flag_on(flags, "dry-run") ? "Dry-run" : "Apply");
    for (const char *const *file = flag_list(flags, "filename"); *file && out->len < 200; file++) {
        const char *slash = strrchr(*file, '/');
        buf_printf(out, " %s", slash && slash[1] ? slash + 1 : *file);
    }
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
    jsonw_member(&w, "action", "update");
    jsonw_member_bool(&w, "force", flag_on(flags, "force"));
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
    int code;
    if (!*flag_list(flags, "filename"))
        return command_fail(EXIT_USAGE, "apply needs a manifest: moonsail apply -f FILE");
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
