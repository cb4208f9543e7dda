#include "base/err.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"
#include "cli/manifest.h"
#include "exec/bundle.h"
#include "exec/judge.h"
#include "guard/auth.h"
#include "script/pack.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct check {
    struct pack *pack;
    struct buf text;
    struct manifest_parts parts;
    struct bundle bundle; /* empty without -f */
    bool denied;
};

/* ---- what the guardrails say to a manifest ---- */

static void check_judge_one(struct check *c, struct judge *judge, const struct user *user, struct document *d)
{
    struct verdicts verdicts = {0};
    const char *slash = strchr(d->api_version, '/');
    char *group = mem_strn(d->api_version, slash ? (size_t)(slash - d->api_version) : 0);
    const struct pack_resource *resource = pack_resource_of(c->pack, group, d->kind);
    /* Without a cluster nobody knows what a kind without a file is called: only guardrails that concern
     * everything judge it. */
    struct judge_case judged = {
        .user = user->name,
        .role = user->role,
        .namespace_ = d->ns,
        .action = "update",
        .resource = resource ? resource->name : "",
        .ref = d->ref,
        .json = d->json,
        .json_len = d->json_len,
    };
    while (!judge_some(judge, &judged, &verdicts))
        ;
    c->denied |= verdicts.denied;
    d->verdicts = verdicts.items;
    d->verdict_count = verdicts.count;
    free(group);
}

static int check_manifest(struct check *c, const char *const *files, struct err *err)
{
    struct user user;
    if (!*files)
        return 0;
    if (manifest_read_parts(files, &c->text, &c->parts, err) ||
        bundle_parse(&c->bundle, buf_str(&c->text), c->text.len, err))
        return -1;
    struct judge *judge = judge_new(NULL, c->pack);
    auth_own_user(&user);
    judge_set_bundle(judge, &c->bundle);
    for (size_t i = 0; i < c->bundle.count; i++)
        check_judge_one(c, judge, &user, &c->bundle.documents[i]);
    judge_free(judge);
    return 0;
}

static void check_print(const struct check *c)
{
    for (size_t i = 0; i < c->bundle.count; i++) {
        const struct document *d = &c->bundle.documents[i];
        size_t line = d->line;
        const char *file = manifest_part_of(&c->parts, &line);
        for (size_t n = 0; n < d->verdict_count; n++) {
            char *sentence = verdict_sentence(&d->verdicts[n]);
            printf("%s:%zu: %s: %s %s\n", file, line, d->ref, d->verdicts[n].level, sentence);
            free(sentence);
        }
    }
}

static void check_json_verdict(const struct event_verdict *v, struct json_writer *w)
{
    jsonw_begin_object(w);
    jsonw_member(w, "rule", v->rule);
    jsonw_member(w, "level", v->level);
    jsonw_member(w, "field", v->field);
    jsonw_member(w, "message", v->message);
    jsonw_member(w, "file", v->file);
    jsonw_end_object(w);
}

static void check_json_document(const struct check *c, const struct document *d, struct json_writer *w)
{
    size_t line = d->line;
    const char *file = manifest_part_of(&c->parts, &line);
    jsonw_begin_object(w);
    jsonw_member_int(w, "index", (int64_t)d->index);
    jsonw_member(w, "file", file);
    jsonw_member_int(w, "line", (int64_t)line);
    jsonw_member(w, "ref", d->ref);
    jsonw_key(w, "verdicts");
    jsonw_begin_array(w);
    for (size_t n = 0; n < d->verdict_count; n++)
        check_json_verdict(&d->verdicts[n], w);
    jsonw_end_array(w);
    jsonw_end_object(w);
}

/* ---- the command ---- */

static void check_json(const struct check *c, const struct pack_fault *faults, size_t count, size_t resources)
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
    if (c->bundle.count) {
        jsonw_key(&w, "documents");
        jsonw_begin_array(&w);
        for (size_t i = 0; i < c->bundle.count; i++)
            check_json_document(c, &c->bundle.documents[i], &w);
        jsonw_end_array(&w);
    }
    jsonw_end_object(&w);
    puts(buf_str(&out));
    buf_free(&out);
}

static int check_tell(const struct check *c, bool json)
{
    size_t count, resources;
    const struct pack_fault *faults = pack_faults(c->pack, &count);
    pack_resources(c->pack, &resources);
    if (json)
        check_json(c, faults, count, resources);
    else
        check_print(c);
    for (size_t i = 0; i < count; i++)
        fprintf(stderr, "%s\n", faults[i].text);
    if (!json && count == 0 && c->denied)
        printf("no fault in the scripts; their guardrails deny the manifest\n");
    else if (!json && count == 0)
        printf("no fault; %zu resources with the shipped ones\n", resources);
    return count || c->denied ? EXIT_FAILED : EXIT_OK;
}

static int check_run(const struct flags *flags)
{
    struct err err;
    struct check c = {0};
    size_t words;
    const char *const *dirs = flags_words(flags, &words);
    if (words == 0)
        return command_fail(EXIT_USAGE, "check needs a folder: moonsail check DIR");
    if (folder_check(dirs, &err))
        return command_fail(EXIT_USAGE, "%s", err.text);
    char *shipped = host_shipped(&err);
    if (!shipped)
        return command_fail(EXIT_FAILED, "%s", err.text);
    c.pack = pack_load(shipped, dirs);
    int code = check_manifest(&c, flag_list(flags, "filename"), &err)
                   ? command_fail(EXIT_USAGE, "%s", err.text)
                   : check_tell(&c, flag_on(flags, "json"));
    bundle_free(&c.bundle);
    manifest_parts_free(&c.parts);
    buf_free(&c.text);
    pack_drop(c.pack);
    free(shipped);
    return code;
}

static const struct flag check_flags[] = {
    {"filename", 'f', FLAG_LIST, "FILE|DIR|-", "what the guardrails say to this manifest", NULL, NULL},
    {"json", 0, FLAG_SWITCH, NULL, "one JSON document", NULL, NULL},
    {0},
};

const struct command command_check = {
    .name = "check",
    .arguments = "DIR…",
    .help = "Compiles and validates a folder of scripts, without a host or a cluster; with -f, its "
            "guardrails judge a manifest.",
    .flags = check_flags,
    .words = 64,
    .run = check_run,
};
