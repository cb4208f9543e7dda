#include "loop/watch.h"

#include "base/log.h"
#include "base/mem.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { WATCH_GATHER_MS = 50, WATCH_RETRY_MS = 1000, WATCH_MOST = 64 };

struct watched {
    uv_fs_event_t uv;
    struct dir_watch *owner;
};

struct dir_watch {
    struct loop *loop;
    char *dir;
    loop_fn *changed;
    void *arg;
    struct watched *watched[WATCH_MOST]; /* the folder first, then its sub-folders */
    int count;
    struct timer *gather, *retry;
};

static void dir_watch_arm(struct dir_watch *w);

static void watched_free(uv_handle_t *handle)
{
    free(handle->data);
}

static void dir_watch_disarm(struct dir_watch *w)
{
    for (int i = 0; i < w->count; i++)
        uv_close((uv_handle_t *)&w->watched[i]->uv, watched_free);
    w->count = 0;
}

static void dir_watch_tell(void *arg)
{
    struct dir_watch *w = arg;
    w->gather = NULL;
    /* Sub-folders may have come or gone: look at them anew each time. */
    dir_watch_disarm(w);
    dir_watch_arm(w);
    w->changed(w->arg);
}

static void dir_watch_event(uv_fs_event_t *uv, const char *name, int events, int status)
{
    struct dir_watch *w = ((struct watched *)uv->data)->owner;
    (void)name;
    (void)events;
    (void)status;
    if (!w->gather)
        w->gather = timer_start(w->loop, WATCH_GATHER_MS, dir_watch_tell, w);
}

static int dir_watch_add(struct dir_watch *w, const char *path)
{
    if (w->count == WATCH_MOST)
        return -1;
    struct watched *one = mem_new(sizeof(*one));
    one->owner = w;
    uv_fs_event_init(loop_uv(w->loop), &one->uv);
    one->uv.data = one;
    if (uv_fs_event_start(&one->uv, dir_watch_event, path, 0)) {
        uv_close((uv_handle_t *)&one->uv, watched_free);
        return -1;
    }
    w->watched[w->count++] = one;
    return 0;
}

static void dir_watch_retry(void *arg)
{
    struct dir_watch *w = arg;
    w->retry = NULL;
    dir_watch_arm(w);
    if (w->count > 0)
        w->changed(w->arg);
}

static void dir_watch_arm(struct dir_watch *w)
{
    if (dir_watch_add(w, w->dir)) {
        if (!w->retry)
            w->retry = timer_start(w->loop, WATCH_RETRY_MS, dir_watch_retry, w);
        return;
    }
    DIR *dir = opendir(w->dir);
    struct dirent *entry;
    while (dir && (entry = readdir(dir)) != NULL) {
        if (entry->d_name[0] == '.')
            continue;
        char *path = mem_printf("%s/%s", w->dir, entry->d_name);
        struct stat st;
        if (stat(path, &st) == 0 && S_ISDIR(st.st_mode))
            dir_watch_add(w, path);
        free(path);
    }
    if (dir)
        closedir(dir);
}

struct dir_watch *dir_watch_start(struct loop *loop, const char *dir, loop_fn *changed, void *arg)
{
    struct dir_watch *w = mem_new(sizeof(*w));
    w->loop = loop;
    w->dir = mem_str(dir);
    w->changed = changed;
    w->arg = arg;
    dir_watch_arm(w);
    return w;
}

void dir_watch_stop(struct dir_watch **watch)
{
    struct dir_watch *w = *watch;
    *watch = NULL;
    if (!w)
        return;
    timer_stop(&w->gather);
    timer_stop(&w->retry);
    dir_watch_disarm(w);
    free(w->dir);
    free(w);
}
