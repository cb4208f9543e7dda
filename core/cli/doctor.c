#include "base/err.h"
#include "base/json-write.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "cli/settings.h"
#include "guard/auth.h"
#include "kube/cluster.h"
#include "loop/loop.h"
#include "script/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* One line of the report: what, how it stands, and beside a fault what to do. */
struct doctor {
    struct json_writer w;
    struct buf json;
    bool as_json;
    int faults;
    struct host host;
};

static void doctor_say(struct doctor *d, bool ok, const char *what, const char *detail, const char *advice)
{
    d->faults += !ok;
    if (d->as_json) {
        jsonw_begin_object(&d->w);
        jsonw_member(&d->w, "check", what);
        jsonw_member_bool(&d->w, "ok", ok);
        jsonw_member(&d->w, "detail", detail);
        jsonw_member(&d->w, "advice", ok ? "" : advice);
        jsonw_end_object(&d->w);
        return;
    }
    bool color = isatty(STDOUT_FILENO) && str_empty(getenv("NO_COLOR"));
    printf("%s%-5s%s %-12s %s%s%s\n",
           !color ? ""
           : ok   ? "\033[32m"
                  : "\033[31m",
           ok ? "ok" : "fault", color ? "\033[0m" : "", what, detail, ok || !*advice ? "" : "; ",
           ok ? "" : advice);
}

static void doctor_status(void *arg, const struct cluster_status *status)
{
    struct doctor *d = arg;
    if (status->connected)
        doctor_say(d, true, "cluster", status->version, "");
    else
        doctor_say(d, false, "cluster", status->error, "check the server's address, and that it runs");
    loop_stop(d->host.loop);
}

static void doctor_cluster(struct doctor *d)
{
    struct err err;
    struct cluster *cluster = clusters_get(d->host.clusters, NULL, &err);
    if (!cluster) {
        doctor_say(d, false, "kubeconfig", err.text, "name one with --kubeconfig or KUBECONFIG");
        return;
    }
    char *text = mem_printf("context %s, %s, namespace %s", cluster_context(cluster), cluster_server(cluster),
                            cluster_namespace(cluster));
    doctor_say(d, true, "kubeconfig", text, "");
    free(text);
    cluster_check(cluster, doctor_status, d);
    loop_run(d->host.loop);
}

static void doctor_scripts(struct doctor *d)
{
    size_t count, resources;
    struct pack *pack = packs_current(d->host.packs);
    const struct pack_fault *faults = pack_faults(pack, &count);
    pack_resources(pack, &resources);
    char *text = mem_printf("%zu resources, generation %u", resources, pack_generation(pack));
    doctor_say(d, true, "scripts", text, "");
    free(text);
    for (size_t i = 0; i < count; i++)
        doctor_say(d, false, "scripts", faults[i].text, "mend the file; the others are in use");
}

static void doctor_limits(struct doctor *d)
{
    struct rlimit files;
    getrlimit(RLIMIT_NOFILE, &files);
    char *text = mem_printf("%llu open files", (unsigned long long)files.rlim_cur);
    doctor_say(d, files.rlim_cur >= 1024, "limits", text, "raise it: ulimit -n 65536");
    free(text);
}

/* Each setting of serve, its value and who says so. */
static void doctor_settings(struct doctor *d, const struct flags *flags)
{
    for (const struct flag *f = command_serve.flags; f->name; f++) {
        struct buf text = {0};
        buf_printf(&text, "%s =", f->name);
        for (const char *const *value = flag_list(flags, f->name); *value; value++)
            buf_printf(&text, " %s", *value);
        buf_printf(&text, " (%s)", flag_source(flags, f->name));
        doctor_say(d, true, "setting", buf_str(&text), "");
        buf_free(&text);
    }
}

static void doctor_folders(struct doctor *d, const struct flags *flags)
{
    char *data = folder_data(flag_value(flags, "data")),
         *config = folder_config_file(flag_value(flags, "config"));
    char *url = data ? data_lock_host(data) : NULL;
    struct stat st;
    doctor_say(d, true, "config file", config ? config : "none", "");
    if (!data)
        doctor_say(d, false, "data folder", "this account has no home folder", "name one with --data");
    else if (stat(data, &st))
        doctor_say(d, true, "data folder", data, "");
    else if (access(data, W_OK) || (st.st_mode & 077))
        doctor_say(d, false, "data folder", data, "it must be writable, and for its owner alone: chmod 700");
    else
        doctor_say(d, true, "data folder", data, "");
    doctor_say(d, true, "host", url ? url : "none runs here", "");
    free(data);
    free(config);
    free(url);
}

static int doctor_run(const struct flags *flags)
{
    struct doctor d = {.as_json = flag_on(flags, "json")};
    struct err err;
    d.w = JSON_WRITER(&d.json);
    log_setup(LOG_ERROR, false);
    if (d.as_json)
        jsonw_begin_array(&d.w);
    doctor_settings(&d, flags);
    doctor_folders(&d, flags);
    char *shipped = host_shipped(&err);
    doctor_say(&d, shipped != NULL, "installed", shipped ? shipped : err.text, "install Moonsail as a whole");
    free(shipped);
    bool own = auth_local_check(&err) == 0;
    doctor_say(&d, own, "local auth", own ? "the kernel tells whose connection it is" : err.text, "");
    if (host_open(&d.host,
                  &(struct host_options){
                      .kubeconfig = flag_value(flags, "kubeconfig"),
                      .context = flag_value(flags, "context"),
                      .scripts = flag_list(flags, "scripts"),
                  },
                  &err)) {
        doctor_say(&d, false, "host", err.text, "");
    } else {
        doctor_scripts(&d);
        doctor_cluster(&d);
    }
    doctor_limits(&d);
    host_close(&d.host);
    if (d.as_json) {
        jsonw_end_array(&d.w);
        puts(buf_str(&d.json));
    }
    buf_free(&d.json);
    return d.faults ? EXIT_FAILED : EXIT_OK;
}

static const struct flag doctor_flags[] = {
    {"json", 0, FLAG_SWITCH, NULL, "one JSON document", NULL, NULL},
    SETTINGS_FLAGS,
    SETTINGS_SHELL,
    {0},
};

const struct command command_doctor = {
    .name = "doctor",
    .arguments = "",
    .help = "Looks at everything a host needs and says what to do about each fault.",
    .flags = doctor_flags,
    .run = doctor_run,
};
