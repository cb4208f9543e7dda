#include "base/buf.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/folder.h"
#include "cli/host.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { NEW_TEMPLATE_MOST = 65536 };

/* What stands for NAME, KIND and LABEL in the templates. */
struct new_words {
    const char *name;
    char *kind, *label;
};

static bool new_is_name(const char *name)
{
    return islower((unsigned char)name[0]) &&
           name[strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789-")] == '\0' && strlen(name) < 64;
}

/* cron-tabs → CronTab: a guess that its author sees and mends. */
static char *new_kind(const char *name)
{
    char *kind = mem_str(name), *to = kind;
    bool begins = true;
    for (const char *from = name; *from; from++) {
        if (*from != '-')
            *to++ = begins ? (char)toupper((unsigned char)*from) : *from;
        begins = *from == '-';
    }
    if (to - kind > 2 && to[-1] == 's' && to[-2] != 's')
        to--;
    *to = '\0';
    return kind;
}

/* drain-node → Drain node */
static char *new_label(const char *name)
{
    char *label = mem_str(name);
    for (char *p = label; *p; p++)
        if (*p == '-')
            *p = ' ';
    label[0] = (char)toupper((unsigned char)label[0]);
    return label;
}

static int new_read(const char *path, struct buf *text, struct err *err)
{
    FILE *file = fopen(path, "re");
    char *room = file ? buf_reserve(text, NEW_TEMPLATE_MOST) : NULL;
    if (room)
        text->len = fread(room, 1, NEW_TEMPLATE_MOST - 1, file);
    if (file)
        fclose(file);
    if (!room || text->len == 0)
        return err_set(err, "%s cannot be read", path);
    room[text->len] = '\0';
    return 0;
}

static void new_fill(const char *text, const struct new_words *words, struct buf *out)
{
    while (*text) {
        const char *word = str_starts(text, "NAME")    ? words->name
                           : str_starts(text, "KIND")  ? words->kind
                           : str_starts(text, "LABEL") ? words->label
                                                       : NULL;
        if (word)
            buf_puts(out, word);
        else
            buf_putc(out, *text);
        text += !word ? 1 : word == words->label ? 5 : 4;
    }
}

/* Never over a file that is there. */
static int new_write(const char *path, const struct buf *text, struct err *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0 && errno == EEXIST)
        return err_set(err, "%s is there already", path);
    if (fd < 0)
        return err_set(err, "%s cannot be written: %s", path, strerror(errno));
    ssize_t n = write(fd, buf_str(text), text->len);
    int rc = close(fd);
    if (n == (ssize_t)text->len && rc == 0)
        return 0;
    unlink(path);
    return err_set(err, "%s cannot be written: %s", path, strerror(n < 0 || rc ? errno : ENOSPC));
}

static int new_file(const char *template, const struct new_words *words, const char *path, struct err *err)
{
    struct buf text = {0}, filled = {0};
    int rc = new_read(template, &text, err);
    if (rc == 0) {
        new_fill(text.data, words, &filled);
        rc = new_write(path, &filled, err);
    }
    buf_free(&text);
    buf_free(&filled);
    return rc;
}

/* DIR and the folder in it, where they are not there. */
static int new_folder(const char *dir, const char *sub, struct err *err)
{
    char *folder = mem_printf("%s/%s", dir, sub);
    int rc = 0;
    if ((mkdir(dir, 0755) && errno != EEXIST) || (mkdir(folder, 0755) && errno != EEXIST))
        rc = err_set(err, "%s: cannot make the folder: %s", folder, strerror(errno));
    free(folder);
    return rc;
}

/* Both files or neither. */
static int new_script(const char *what, const char *dir, const struct new_words *words, struct err *err)
{
    char *shipped = host_shipped(err), *script = NULL, *spec = NULL, *template = NULL, *spec_template = NULL;
    struct stat st;
    int rc = -1;
    if (!shipped)
        return -1;
    script = mem_printf("%s/%ss/%s.lua", dir, what, words->name);
    spec = mem_printf("%s/%ss/%s_spec.lua", dir, what, words->name);
    template = mem_printf("%s/scripts/templates/%s.lua", shipped, what);
    spec_template = mem_printf("%s/scripts/templates/%s-spec.lua", shipped, what);
    char *sub = mem_printf("%ss", what);
    rc = new_folder(dir, sub, err);
    free(sub);
    if (rc == 0 && stat(spec, &st) == 0)
        rc = err_set(err, "%s is there already", spec);
    if (rc == 0)
        rc = new_file(template, words, script, err);
    if (rc == 0 && (rc = new_file(spec_template, words, spec, err)))
        unlink(script);
    if (rc == 0)
        printf("wrote %s and its spec, %s\n"
               "next, once it says what it is to do:\n"
               "  moonsail check %s\n  moonsail test %s\n  moonsail serve --scripts %s\n",
               script, spec, dir, dir, dir);
    free(shipped);
    free(script);
    free(spec);
    free(template);
    free(spec_template);
    return rc;
}

static int new_run(const struct flags *flags)
{
    static const char *const kinds[] = {"resource", "flow", "guardrail", NULL};
    struct err err;
    size_t count, kind = 0;
    const char *const *words = flags_words(flags, &count);
    if (count < 2)
        return command_fail(EXIT_USAGE, "new needs a kind and a name: moonsail new resource leases");
    while (kinds[kind] && !str_eq(kinds[kind], words[0]))
        kind++;
    if (!kinds[kind])
        return command_fail(EXIT_USAGE, "\"%s\" is no kind of script: resource, flow or guardrail", words[0]);
    if (!new_is_name(words[1]))
        return command_fail(EXIT_USAGE,
                            "\"%s\" is no name: small letters, digits and -, beginning with a letter, at "
                            "most 63",
                            words[1]);
    const char *configured = flag_list(flags, "scripts")[0];
    struct new_words names = {.name = words[1], .kind = new_kind(words[1]), .label = new_label(words[1])};
    int rc = new_script(words[0], count > 2 ? words[2] : str_or(configured, "."), &names, &err);
    free(names.kind);
    free(names.label);
    return rc ? command_fail(EXIT_USAGE, "%s", err.text) : EXIT_OK;
}

static const struct flag new_flags[] = {
    {"scripts", 0, FLAG_FILES, "DIR", "where no DIR is named: the first of these, else this folder", NULL,
     "scripts"},
    {"config", 0, FLAG_FILE, "FILE", "configuration that names the folders of scripts", NULL, NULL},
    {0},
};

const struct command command_new = {
    .name = "new",
    .arguments = "resource|flow|guardrail NAME [DIR]",
    .help = "Writes a starting file for a script, and its spec.",
    .flags = new_flags,
    .words = 3,
    .run = new_run,
};
