/* history-request.c: kept requests, a file each: DIR/requests/<number>. They are as they came, so they are
 * their owner's alone and do not stay. */
#include "base/log.h"
#include "base/mem.h"
#include "io/history-internal.h"
#include "loop/loop.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_KEPT_S = 24 * 3600 };

/* All that the pool's thread touches. */
struct keeping {
    char *dir;
    uint64_t number;
    struct buf text;
};

static char *request_path(const char *dir, uint64_t number)
{
    return mem_printf("%s/%" PRIu64, dir, number);
}

static bool request_old(const struct stat *st)
{
    return st->st_mtime + REQUEST_KEPT_S < time(NULL);
}

static void keeping_work(void *arg)
{
    struct keeping *k = arg;
    char *path = request_path(k->dir, k->number);
    const int flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW;
    int fd = open(path, flags, 0600);
    if (fd < 0 && errno == ENOENT && mkdir(k->dir, 0700) == 0)
        fd = open(path, flags, 0600);
    /* Without it there is no retry after a restart, which says so. */
    if (fd >= 0 && write(fd, k->text.data, k->text.len) != (ssize_t)k->text.len)
        unlink(path);
    if (fd >= 0)
        close(fd);
    free(path);
}

static void keeping_done(void *arg)
{
    struct keeping *k = arg;
    buf_free(&k->text);
    free(k->dir);
    free(k);
}

void history_keep_request(struct history *h, uint64_t number, struct buf *request)
{
    struct keeping *k = mem_new(sizeof(*k));
    k->dir = mem_str(h->requests);
    k->number = number;
    k->text = *request;
    *request = (struct buf){0};
    loop_job(h->options.loop, keeping_work, keeping_done, k);
}

int history_request(struct history *h, uint64_t number, struct buf *out)
{
    char *path = request_path(h->requests, number);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW), rc = -1;
    struct stat st;
    free(path);
    if (fd < 0)
        return -1;
    char *room = fstat(fd, &st) == 0 && !request_old(&st) ? buf_reserve(out, (size_t)st.st_size) : NULL;
    if (room && read(fd, room, (size_t)st.st_size) == st.st_size) {
        out->len += (size_t)st.st_size;
        rc = 0;
    }
    close(fd);
    return rc;
}

void request_remove(const char *dir, uint64_t number)
{
    char *path = request_path(dir, number);
    unlink(path);
    free(path);
}

void request_sweep(const char *dir)
{
    DIR *files = opendir(dir);
    struct dirent *file;
    struct stat st;
    while (files && (file = readdir(files)) != NULL)
        if (fstatat(dirfd(files), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(st.st_mode) &&
            request_old(&st))
            unlinkat(dirfd(files), file->d_name, 0);
    if (files)
        closedir(files);
}
