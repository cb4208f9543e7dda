#include "io/archive.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "io/archive-internal.h"

#include <dirent.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct archive *archive_new(const char *dir, uint64_t most)
{
    struct archive *a = mem_new(sizeof(*a));
    a->dir = mem_str(dir);
    a->most = most;
    return a;
}

void archive_free(struct archive *a)
{
    if (!a)
        return;
    buf_free(&a->piece.bytes);
    free(a->dir);
    free(a);
}

void archive_refused(struct archive *a, const struct err *why)
{
    if (!a->refuses)
        log_error("%s; what executions say is kept in memory only, and not all of it, until that is mended",
                  why->text);
    a->refuses = true;
}

void archive_took(struct archive *a)
{
    if (a->refuses)
        log_info("%s: journals are written again", a->dir);
    a->refuses = false;
}

struct archive_piece *archive_piece(struct archive *a)
{
    return &a->piece;
}

/* The number that a name begins with, and nothing but `end` behind it; 0 for another name. */
uint64_t archive_number(const char *name, const char *end)
{
    char *rest;
    if (*name < '1' || *name > '9')
        return 0;
    errno = 0;
    uint64_t number = strtoull(name, &rest, 10);
    return errno == 0 && strcmp(rest, end) == 0 ? number : 0;
}

int archive_make(const struct archive *a, const char *folder)
{
    int rc = mkdir(folder, 0700);
    if (rc && errno == ENOENT && (mkdir(a->dir, 0700) == 0 || errno == EEXIST))
        rc = mkdir(folder, 0700);
    return rc && errno == EEXIST ? 0 : rc;
}

char *archive_ledger(struct archive *a, uint64_t journal, bool make)
{
    char *folder = mem_printf("%s/%" PRIu64, a->dir, journal);
    char *path = mem_printf("%s/" ARCHIVE_LEDGER, folder);
    /* Where it cannot be made, to write there fails as well, and says so. */
    if (make)
        archive_make(a, folder);
    free(folder);
    return path;
}

int archive_remove(const char *dir, uint64_t journal)
{
    char *path = mem_printf("%s/%" PRIu64, dir, journal);
    DIR *files = opendir(path);
    struct dirent *file;
    while (files && (file = readdir(files)) != NULL)
        if (archive_number(file->d_name, ARCHIVE_SUFFIX) || strcmp(file->d_name, ARCHIVE_LEDGER) == 0)
            unlinkat(dirfd(files), file->d_name, 0);
    if (files)
        closedir(files);
    int rc = rmdir(path) && errno != ENOENT ? -1 : 0;
    free(path);
    return rc;
}

uint64_t archive_newest(const char *dir)
{
    DIR *journals = opendir(dir);
    struct dirent *entry;
    uint64_t newest = 0;
    while (journals && (entry = readdir(journals)) != NULL) {
        uint64_t journal = archive_number(entry->d_name, "");
        newest = journal > newest ? journal : newest;
    }
    if (journals)
        closedir(journals);
    return newest;
}

void archive_sweep(const char *dir, uint64_t before, bool (*kept)(void *arg, uint64_t journal), void *arg)
{
    DIR *journals = opendir(dir);
    struct dirent *entry;
    while (journals && (entry = readdir(journals)) != NULL) {
        uint64_t journal = archive_number(entry->d_name, "");
        if (journal && journal < before && !kept(arg, journal))
            archive_remove(dir, journal);
    }
    if (journals)
        closedir(journals);
}
