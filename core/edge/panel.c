#include "edge/panel.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/map.h"
#include "base/mem.h"
#include "base/str.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PANEL_BYTES = 16 * 1024 * 1024, PANEL_FILES = 1000, PANEL_DEPTH = 4 };

struct panel {
    struct map *files; /* "/assets/index-….js" → struct panel_file */
    size_t bytes;
};

static const char *panel_type(const char *name)
{
    static const char *const types[][2] = {
        {".html", "text/html; charset=utf-8"},
        {".js", "text/javascript; charset=utf-8"},
        {".css", "text/css; charset=utf-8"},
        {".svg", "image/svg+xml"},
        {".png", "image/png"},
        {".woff2", "font/woff2"},
        {".json", "application/json"},
        {".webmanifest", "application/manifest+json"},
        {".txt", "text/plain; charset=utf-8"},
    };
    const char *end = strrchr(name, '.');
    for (size_t i = 0; end && i < sizeof(types) / sizeof(types[0]); i++)
        if (str_eq(end, types[i][0]))
            return types[i][1];
    return "application/octet-stream";
}

static void panel_file_free(void *value)
{
    struct panel_file *file = value;
    free(file->data);
    free(file);
}

static int panel_read(struct panel *panel, int fd, const char *place, const char *path, struct err *err)
{
    struct stat st;
    struct buf text = {0};
    ssize_t n = 0;
    if (fstat(fd, &st))
        return err_set(err, "%s cannot be read: %s", place, strerror(errno));
    if (st.st_size > (off_t)(PANEL_BYTES - panel->bytes) || map_count(panel->files) >= PANEL_FILES)
        return err_set(err, "%s: the panel's folder holds more than %d MiB or %d files", place,
                       PANEL_BYTES / 1024 / 1024, PANEL_FILES);
    char *room = buf_reserve(&text, (size_t)st.st_size + 1);
    while (room && text.len < (size_t)st.st_size &&
           (n = read(fd, room + text.len, (size_t)st.st_size - text.len)) > 0)
        text.len += (size_t)n;
    if (!room || n < 0) {
        buf_free(&text);
        return err_set(err, "%s cannot be read: %s", place, strerror(room ? errno : ENOMEM));
    }
    struct panel_file *file = mem_new(sizeof(*file));
    file->type = panel_type(path);
    file->immutable = strncmp(path, "/assets/", 8) == 0;
    file->len = text.len;
    file->data = buf_take(&text);
    panel->bytes += file->len;
    map_put(panel->files, path, file);
    return 0;
}

static int panel_scan(struct panel *panel, const char *folder, const char *path, int depth, struct err *err);

/* Links are not followed: what is served lies in the folder. */
static int panel_take(struct panel *panel, const char *place, const char *path, int depth, struct err *err)
{
    struct stat st;
    int rc = -1, fd = open(place, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ELOOP)
        return 0;
    if (fd < 0 || fstat(fd, &st))
        err_set(err, "%s cannot be opened: %s", place, strerror(errno));
    else if (S_ISDIR(st.st_mode))
        rc = depth > 0 ? panel_scan(panel, place, path, depth - 1, err) : 0;
    else
        rc = S_ISREG(st.st_mode) ? panel_read(panel, fd, place, path, err) : 0;
    if (fd >= 0)
        close(fd);
    return rc;
}

static int panel_scan(struct panel *panel, const char *folder, const char *path, int depth, struct err *err)
{
    int rc = 0;
    DIR *dir = opendir(folder);
    if (!dir)
        return err_set(err, "%s cannot be listed: %s", folder, strerror(errno));
    for (struct dirent *entry; !rc && (entry = readdir(dir)) != NULL;) {
        if (entry->d_name[0] == '.')
            continue;
        char *place = mem_printf("%s/%s", folder, entry->d_name);
        char *at = mem_printf("%s/%s", path, entry->d_name);
        rc = panel_take(panel, place, at, depth, err);
        free(place);
        free(at);
    }
    closedir(dir);
    return rc;
}

struct panel *panel_new(const char *folder, struct err *err)
{
    struct panel *panel = mem_new(sizeof(*panel));
    panel->files = map_new();
    int rc = panel_scan(panel, folder, "", PANEL_DEPTH, err);
    if (!rc && !map_get(panel->files, "/index.html"))
        rc = err_set(err, "%s holds no index.html: build the panel with ./dev build", folder);
    if (rc) {
        panel_free(panel);
        return NULL;
    }
    return panel;
}

void panel_free(struct panel *panel)
{
    if (!panel)
        return;
    map_free(panel->files, panel_file_free);
    free(panel);
}

const struct panel_file *panel_find(const struct panel *panel, const char *path)
{
    const struct panel_file *file = map_get(panel->files, path);
    /* A page of an older build asks for files that are gone; index.html would be no script. */
    if (file || strncmp(path, "/assets/", 8) == 0)
        return file;
    return map_get(panel->files, "/index.html");
}
