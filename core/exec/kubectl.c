#include "exec/kubectl.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/request.h"

#include <ctype.h>
#include <stddef.h>
#include <string.h>

enum { KUBECTL_LINE_MOST = 1024 }; /* of a line that names one object; a longer one is none */

static const char *kubectl_base(const char *command)
{
    const char *slash = strrchr(command, '/');
    return slash ? slash + 1 : command;
}

/* ---- dry-run ---- */

/* Subcommands that take --dry-run=server, and what may not follow them. */
static const struct dry_run {
    const char *program, *first, *second; /* second NULL: any */
    const char *but[3];
} dry_runs[] = {
    {"kubectl", "annotate", NULL, {0}},
    {"kubectl", "apply", NULL, {"view-last-applied", "edit-last-applied"}},
    {"kubectl", "autoscale", NULL, {0}},
    {"kubectl", "cordon", NULL, {0}},
    {"kubectl", "create", NULL, {"token"}},
    {"kubectl", "delete", NULL, {0}},
    {"kubectl", "drain", NULL, {0}},
    {"kubectl", "expose", NULL, {0}},
    {"kubectl", "label", NULL, {0}},
    {"kubectl", "patch", NULL, {0}},
    {"kubectl", "replace", NULL, {0}},
    {"kubectl", "rollout", "undo", {0}},
    {"kubectl", "run", NULL, {0}},
    {"kubectl", "scale", NULL, {0}},
    {"kubectl", "set", "env", {0}},
    {"kubectl", "set", "image", {0}},
    {"kubectl", "set", "resources", {0}},
    {"kubectl", "set", "selector", {0}},
    {"kubectl", "set", "serviceaccount", {0}},
    {"kubectl", "set", "subject", {0}},
    {"kubectl", "taint", NULL, {0}},
    {"kubectl", "uncordon", NULL, {0}},
    {"helm", "install", NULL, {0}},
    {"helm", "upgrade", NULL, {0}},
};

static bool dry_run_matches(const struct dry_run *d, const char *program, char *const *args)
{
    const char *second = args[1] ? args[1] : "";
    if (!str_eq(d->program, program) || !str_eq(d->first, args[0]) ||
        (d->second && !str_eq(d->second, second)))
        return false;
    for (size_t i = 0; d->but[i]; i++)
        if (str_eq(d->but[i], second))
            return false;
    return true;
}

/* How many words before the subcommand are flags for all of them; what is not known here counts as the
 * subcommand, which it is not. */
static size_t dry_run_flags(char *const *args)
{
    static const char *const with_value[] = {"-n",           "--namespace", "--context", "--kube-context",
                                             "--kubeconfig", NULL};
    size_t n = 0;
    while (args[n] && args[n][0] == '-' && args[n][1]) {
        bool value = false;
        for (const char *const *flag = with_value; *flag; flag++)
            value = value || str_eq(*flag, args[n]);
        if (value && args[n + 1])
            n += 2;
        else if (str_starts(args[n], "--") && strchr(args[n], '='))
            n++;
        else
            break;
    }
    return n;
}

/* The last one counts, so one behind ours must not take it back. */
static int dry_run_check_said(char *const *args, struct err *err)
{
    for (; *args && !str_eq(*args, "--"); args++)
        if (str_starts(*args, "--dry-run") && !str_eq(*args, "--dry-run=server") &&
            !str_eq(*args, "--dry-run=client"))
            return err_code(err, ERR_BAD_REQUEST,
                            "a dry-run of a command that says %s: leave it out, or say --dry-run=server",
                            *args);
    return 0;
}

char **kubectl_dry_run_args(const struct start_request *r, struct err *err)
{
    static char flag[] = "--dry-run=server";
    const char *program = kubectl_base(r->command);
    size_t n = 0, before = dry_run_flags(r->args);
    const struct dry_run *found = NULL;
    for (size_t i = 0; r->args[before] && i < sizeof(dry_runs) / sizeof(dry_runs[0]); i++)
        if (dry_run_matches(&dry_runs[i], program, r->args + before))
            found = &dry_runs[i];
    if (!found) {
        err_code(err, ERR_BAD_REQUEST,
                 "this command has no dry-run that is known: nobody but the command itself could promise "
                 "that nothing changes (kubectl apply, create, delete and the like, helm install and "
                 "upgrade have one)");
        return NULL;
    }
    if (dry_run_check_said(r->args, err))
        return NULL;
    size_t at = before + (found->second ? 2 : 1);
    while (r->args[n])
        n++;
    char **args = mem_new((n + 2) * sizeof(*args));
    memcpy(args, r->args, at * sizeof(*args));
    args[at] = flag;
    memcpy(args + at + 1, r->args + at, (n - at) * sizeof(*args));
    return args;
}

/* ---- what it prints ---- */

bool kubectl_speaks(const struct start_request *r)
{
    const char *program = kubectl_base(r->command);
    return r->kubernetes_equivalent || str_eq(program, "kubectl") || str_eq(program, "oc");
}

/* The length of "deployment.apps" at s, 0: none. */
static size_t kubectl_type(const char *s)
{
    size_t n = 0;
    while (islower((unsigned char)s[n]) || isdigit((unsigned char)s[n]) || s[n] == '-' || s[n] == '.')
        n++;
    return n > 0 && islower((unsigned char)s[0]) ? n : 0;
}

/* What stands behind the object, "deployment.apps/web configured" or `pod "web" deleted`; NULL: no object. */
static const char *kubectl_verb(const char *line)
{
    size_t n = kubectl_type(line);
    const char *name = line + n;
    if (n == 0)
        return NULL;
    if (str_starts(name, " \"")) {
        const char *end = strchr(name + 2, '"');
        return end && end > name + 2 && end[1] == ' ' ? end + 2 : NULL;
    }
    size_t len = *name == '/' ? strcspn(name + 1, " ") : 0;
    return len > 0 && name[1 + len] == ' ' ? name + 1 + len + 1 : NULL;
}

/* `verb` and nothing else, or " (…)" or " from … namespace" behind it. */
static bool kubectl_says(const char *text, const char *verb)
{
    size_t n = strlen(verb);
    return str_starts(text, verb) &&
           (!text[n] || str_starts(text + n, " (") || str_starts(text + n, " from "));
}

void kubectl_count(const char *line, size_t len, struct event_counts *counts)
{
    static const struct {
        const char *verb;
        size_t count; /* offset in struct event_counts */
    } verbs[] = {
#define CREATED    offsetof(struct event_counts, created)
#define CONFIGURED offsetof(struct event_counts, configured)
#define UNCHANGED  offsetof(struct event_counts, unchanged)
#define DELETED    offsetof(struct event_counts, deleted)
        {"created", CREATED},
        {"exposed", CREATED},
        {"autoscaled", CREATED},
        {"configured", CONFIGURED},
        {"scaled", CONFIGURED},
        {"patched", CONFIGURED},
        {"replaced", CONFIGURED},
        {"edited", CONFIGURED},
        {"labeled", CONFIGURED},
        {"unlabeled", CONFIGURED},
        {"annotated", CONFIGURED},
        {"restarted", CONFIGURED},
        {"rolled back", CONFIGURED},
        {"image updated", CONFIGURED},
        {"env updated", CONFIGURED},
        {"resource requirements updated", CONFIGURED},
        {"tainted", CONFIGURED},
        {"untainted", CONFIGURED},
        {"cordoned", CONFIGURED},
        {"uncordoned", CONFIGURED},
        {"paused", CONFIGURED},
        {"resumed", CONFIGURED},
        {"unchanged", UNCHANGED},
        {"not labeled", UNCHANGED},
        {"deleted", DELETED},
        {"force deleted", DELETED},
        {"evicted", DELETED},
        {"serverside-applied", CONFIGURED},
        {"already cordoned", UNCHANGED},
        {"already uncordoned", UNCHANGED},
    };
    char text[KUBECTL_LINE_MOST];
    if (len >= sizeof(text) || memchr(line, '\0', len))
        return;
    memcpy(text, line, len);
    text[len] = '\0';
    const char *verb = kubectl_verb(text);
    for (size_t i = 0; verb && i < sizeof(verbs) / sizeof(verbs[0]); i++) {
        if (!kubectl_says(verb, verbs[i].verb))
            continue;
        size_t offset = str_ends(verb, " (no change)") ? UNCHANGED : verbs[i].count;
        ++*(unsigned *)((char *)counts + offset);
        return;
    }
}
