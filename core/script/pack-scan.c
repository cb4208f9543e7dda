#include "script/pack-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PACK_FILE_MOST = 1 << 20, PACK_FILES_MOST = 1000 };

struct scan {
    struct pack *pack;
    const struct pack *before;
    int folder;
    bool operators; /* one of the operator's folders: its path is part of what people know */
};

/* Whoever can write a script can do what the host may do. Says why one is not trusted, else NULL. */
static char *scan_distrust(struct pack *pack, const struct stat *st, const char *name, const char *what)
{
    if (st->st_uid != 0 && st->st_uid != geteuid())
        return mem_printf("%s: refused: the %s belongs to user %u, neither to root nor to the host's user",
                          name, what, (unsigned)st->st_uid);
    if (st->st_mode & S_IWOTH)
        return mem_printf("%s: refused: every user can write to this %s (chmod o-w)", name, what);
    if (st->st_mode & S_IWGRP)
        pack_add_remark(pack, mem_printf("%s: its group can write to this %s", name, what));
    return NULL;
}

/* A folder that is not read leaves out whatever lies in it, maybe guardrails. */
static void scan_refuse_folder(struct scan *scan, const char *path, char *why, bool guards)
{
    size_t len = strlen(path);
    bool had = false;
    for (size_t i = 0; scan->before && i < scan->before->file_count; i++)
        if (strncmp(scan->before->files[i]->path, path, len) == 0 && scan->before->files[i]->path[len] == '/')
            had = true;
    pack_add_fault(scan->pack, why, had);
    scan->pack->lost |= had;
    if (guards && !had)
        pack_set_guardrail_fault(scan->pack, why);
    free(why);
}

static char *scan_read_text(int fd, const char *name, off_t size, struct buf *text)
{
    if (size > PACK_FILE_MOST)
        return mem_printf("%s: refused: larger than 1 MiB", name);
    for (;;) {
        size_t most = (size_t)size > text->len ? (size_t)size - text->len + 1 : 512;
        char *room = buf_reserve(text, most);
        ssize_t n = room ? read(fd, room, most) : -1;
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mem_printf("%s: cannot be read: %s", name, strerror(room ? errno : ENOMEM));
        if (n == 0)
            return NULL;
        text->len += (size_t)n;
        if (text->len > PACK_FILE_MOST)
            return mem_printf("%s: refused: larger than 1 MiB", name);
    }
}

static char *scan_read(struct pack *pack, int dir, const char *entry, const char *name, struct buf *text)
{
    struct stat st;
    /* Without O_NONBLOCK opening a named pipe would wait for its writer. */
    int fd = openat(dir, entry, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return mem_printf("%s: cannot be read: %s", name, strerror(errno));
    char *why = NULL;
    if (fstat(fd, &st))
        why = mem_printf("%s: cannot be read: %s", name, strerror(errno));
    else if (!S_ISREG(st.st_mode))
        why = mem_printf("%s: refused: it is no regular file", name);
    else if (!(why = scan_distrust(pack, &st, name, "file")))
        why = scan_read_text(fd, name, st.st_size, text);
    close(fd);
    if (why)
        buf_free(text);
    return why;
}

static int scan_wanted(const struct dirent *entry)
{
    return entry->d_name[0] != '.' && entry->d_name[0] != '_' && str_ends(entry->d_name, ".lua") &&
           !str_ends(entry->d_name, "_spec.lua");
}

static void scan_file(struct scan *scan, enum pack_kind kind, int dir, const char *path, const char *name,
                      const char *entry)
{
    struct pack *pack = scan->pack;
    struct pack_file *file = mem_new(sizeof(*file));
    file->kind = kind;
    file->folder = scan->folder;
    file->path = mem_printf("%s/%s", path, entry);
    file->chunkname = mem_printf("@%s/%s", name, entry);
    file->name = file->chunkname + 1;
    file->stem = mem_strn(entry, strlen(entry) - strlen(".lua"));
    file->refused = scan_read(pack, dir, entry, file->name, &file->text);
    pack->files = mem_grow(pack->files, (pack->file_count + 1) * sizeof(struct pack_file *));
    pack->files[pack->file_count++] = file;
}

static void scan_sub_folder(struct scan *scan, const char *root, const char *sub, enum pack_kind kind)
{
    char *path = mem_printf("%s/%s", root, sub);
    char *name = scan->operators ? mem_str(path) : mem_str(sub);
    struct dirent **entries = NULL;
    struct stat st;
    char *why = NULL;
    int count = -1, dir = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0 && errno == ENOENT)
        goto out; /* none of the four must be there */
    if (dir < 0 || fstat(dir, &st))
        why = mem_printf("%s: cannot be read: %s", name, strerror(errno));
    else if (!(why = scan_distrust(scan->pack, &st, name, "folder"))) {
        count = scandirat(dir, ".", &entries, scan_wanted, alphasort);
        if (count < 0)
            why = mem_printf("%s: cannot be read: %s", name, strerror(errno));
        else if (count > PACK_FILES_MOST)
            why = mem_printf("%s: refused: more than %d scripts", name, PACK_FILES_MOST);
    }
    if (why)
        scan_refuse_folder(scan, path, why, kind == PACK_GUARDRAIL);
    for (int i = 0; !why && i < count; i++)
        scan_file(scan, kind, dir, path, name, entries[i]->d_name);
out:
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    if (dir >= 0)
        close(dir);
    free(name);
    free(path);
}

static bool scan_root(struct scan *scan, const char *root)
{
    struct stat st;
    char *why;
    bool there = stat(root, &st) == 0;
    bool missing = !there && errno == ENOENT;
    if (!there)
        why = mem_printf("%s: cannot be read: %s", root, strerror(errno));
    else if (!S_ISDIR(st.st_mode))
        why = mem_printf("%s: no folder", root);
    else
        why = scan_distrust(scan->pack, &st, root, "folder");
    if (why)
        scan_refuse_folder(scan, root, why, !missing);
    return why == NULL;
}

void pack_scan(struct pack *pack, const char *shipped, const char *const *dirs, const struct pack *before)
{
    struct scan scan = {.pack = pack, .before = before};
    if (shipped && scan_root(&scan, shipped)) {
        scan_sub_folder(&scan, shipped, "scripts/lib", PACK_LIB);
        scan_sub_folder(&scan, shipped, "resources", PACK_RESOURCE);
        scan_sub_folder(&scan, shipped, "scripts/flows", PACK_FLOW);
        scan_sub_folder(&scan, shipped, "scripts/guardrails", PACK_GUARDRAIL);
    }
    scan.operators = true;
    for (; dirs && *dirs; dirs++) {
        scan.folder++;
        if (!scan_root(&scan, *dirs))
            continue;
        scan_sub_folder(&scan, *dirs, "lib", PACK_LIB);
        scan_sub_folder(&scan, *dirs, "resources", PACK_RESOURCE);
        scan_sub_folder(&scan, *dirs, "flows", PACK_FLOW);
        scan_sub_folder(&scan, *dirs, "guardrails", PACK_GUARDRAIL);
    }
}
