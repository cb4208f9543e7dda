#include "cli/manifest.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/bundle.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { MANIFEST_BYTES_MAX = 8 * 1024 * 1024 };

static int manifest_slurp(FILE *file, const char *name, struct buf *text, struct err *err)
{
    for (;;) {
        char *at = buf_reserve(text, 64 * 1024);
        if (!at)
            return err_no_memory(err);
        size_t n = fread(at, 1, 64 * 1024, file);
        text->len += n;
        text->data[text->len] = '\0';
        if (text->len > MANIFEST_BYTES_MAX)
            return err_code(err, ERR_TOO_LARGE, "%s: larger than %d MiB", name,
                            MANIFEST_BYTES_MAX / 1024 / 1024);
        if (n == 0)
            break;
    }
    if (ferror(file))
        return err_code(err, ERR_NOT_FOUND, "%s: %s", name, strerror(errno));
    return 0;
}

void manifest_parts_free(struct manifest_parts *parts)
{
    for (size_t i = 0; i < parts->count; i++)
        free(parts->items[i].name);
    free(parts->items);
    *parts = (struct manifest_parts){0};
}

const char *manifest_part_of(const struct manifest_parts *parts, size_t *line)
{
    size_t i = parts->count;
    while (i > 1 && parts->items[i - 1].line > *line)
        i--;
    *line -= parts->items[i - 1].line - 1;
    return parts->items[i - 1].name;
}

static void manifest_add_part(struct manifest_parts *parts, const char *name, const struct buf *before)
{
    size_t line = 1;
    for (size_t i = 0; i < before->len; i++)
        line += before->data[i] == '\n';
    parts->items = mem_grow(parts->items, (parts->count + 1) * sizeof(*parts->items));
    parts->items[parts->count++] = (struct manifest_part){.name = mem_str(name), .line = line};
}

static int manifest_file(const char *name, struct buf *out, struct manifest_parts *parts, struct err *err)
{
    bool standard = str_eq(name, "-");
    FILE *file = standard ? stdin : fopen(name, "re");
    struct buf text = {0};
    struct bundle bundle = {0};
    int rc = -1;
    if (!file)
        return err_code(err, ERR_NOT_FOUND, "%s: %s", name, strerror(errno));
    if (manifest_slurp(file, standard ? "standard input" : name, &text, err))
        goto out;
    rc = bundle_parse(&bundle, buf_str(&text), text.len, err);
    if (rc) {
        /* The text begins with LINE:COLUMN where there is one. */
        struct err what = *err;
        bool at_line = what.text[0] >= '0' && what.text[0] <= '9';
        err_code(err, what.code, "%s:%s%s", standard ? "standard input" : name, at_line ? "" : " ",
                 what.text);
        goto out;
    }
    if (out->len)
        buf_puts(out, "\n---\n");
    manifest_add_part(parts, standard ? "standard input" : name, out);
    buf_append(out, text.data, text.len);
out:
    bundle_free(&bundle);
    buf_free(&text);
    if (!standard)
        fclose(file);
    return rc;
}

static int manifest_wanted(const struct dirent *entry)
{
    const char *name = entry->d_name;
    return name[0] != '.' && (str_ends(name, ".yaml") || str_ends(name, ".yml") || str_ends(name, ".json"));
}

static int manifest_folder(const char *dir, struct buf *out, struct manifest_parts *parts, struct err *err)
{
    struct dirent **entries;
    int rc = 0, n = scandir(dir, &entries, manifest_wanted, alphasort);
    if (n < 0)
        return err_code(err, ERR_NOT_FOUND, "%s: %s", dir, strerror(errno));
    if (n == 0)
        rc = err_code(err, ERR_NOT_FOUND, "%s: no *.yaml, *.yml or *.json in it", dir);
    for (int i = 0; i < n; i++) {
        char *path = mem_printf("%s/%s", dir, entries[i]->d_name);
        if (rc == 0)
            rc = manifest_file(path, out, parts, err);
        free(path);
        free(entries[i]);
    }
    free(entries);
    return rc;
}

int manifest_read_parts(const char *const *names, struct buf *out, struct manifest_parts *parts,
                        struct err *err)
{
    for (; *names; names++) {
        struct stat st;
        bool folder = !str_eq(*names, "-") && stat(*names, &st) == 0 && S_ISDIR(st.st_mode);
        if (folder ? manifest_folder(*names, out, parts, err) : manifest_file(*names, out, parts, err))
            return -1;
    }
    return 0;
}

int manifest_read(const char *const *names, struct buf *out, struct err *err)
{
    struct manifest_parts parts = {0};
    int rc = manifest_read_parts(names, out, &parts, err);
    manifest_parts_free(&parts);
    return rc;
}
