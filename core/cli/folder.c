#include "cli/folder.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/json-write.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <pwd.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

struct data_lock {
    char *dir;
    int fd;
    bool published;
};

/* $VARIABLE/moonsail where it is absolute, else ~/otherwise/moonsail; NULL without a home. */
static char *folder_xdg(const char *variable, const char *otherwise)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    if (!str_empty(base) && *base == '/')
        return mem_printf("%s/moonsail", base);
    struct passwd *account = str_empty(home) ? getpwuid(geteuid()) : NULL;
    if (str_empty(home) && (!account || str_empty(account->pw_dir)))
        return NULL;
    return mem_printf("%s/%s/moonsail", account ? account->pw_dir : home, otherwise);
}

char *folder_config(void)
{
    return folder_xdg("XDG_CONFIG_HOME", ".config");
}

char *folder_data(const char *named)
{
    const char *state = getenv("STATE_DIRECTORY");
    if (named)
        return mem_str(named);
    return str_empty(state) ? folder_xdg("XDG_STATE_HOME", ".local/state") : mem_str(state);
}

char *folder_config_file(const char *named)
{
    if (named)
        return mem_str(named);
    char *folder = folder_config();
    char *file = folder ? mem_printf("%s/config.yaml", folder) : NULL;
    free(folder);
    if (file && access(file, F_OK) == 0)
        return file;
    free(file);
    return access("/etc/moonsail/config.yaml", F_OK) == 0 ? mem_str("/etc/moonsail/config.yaml") : NULL;
}

int folder_check(const char *const *dirs, struct err *err)
{
    for (; *dirs; dirs++) {
        struct stat st;
        if (stat(*dirs, &st))
            return err_set(err, "%s: %s", *dirs, strerror(errno));
        if (!S_ISDIR(st.st_mode))
            return err_set(err, "%s is no folder", *dirs);
    }
    return 0;
}

static int folder_make(const char *dir, struct err *err)
{
    char *path = mem_str(dir);
    int rc = 0;
    for (char *p = path + 1; rc == 0 && *p; p++) {
        if (*p != '/')
            continue;
        *p = '\0';
        if (mkdir(path, 0700) && errno != EEXIST)
            rc = err_set(err, "data folder %s: cannot make %s: %s; name another with --data", dir, path,
                         strerror(errno));
        *p = '/';
    }
    free(path);
    if (rc == 0 && mkdir(dir, 0700) && errno != EEXIST)
        rc = err_set(err, "data folder %s: %s; name another with --data", dir, strerror(errno));
    return rc;
}

static char *lock_path(const char *dir)
{
    return mem_printf("%s/lock", dir);
}

static int lock_refused(const char *dir, int fd, struct err *err)
{
    char pid[32] = "";
    ssize_t n = pread(fd, pid, sizeof(pid) - 1, 0);
    pid[n > 0 ? n : 0] = '\0';
    pid[strcspn(pid, "\n")] = '\0';
    return err_code(err, ERR_CONFLICT, "data folder %s is in use by another moonsail serve (pid %s)", dir,
                    str_or(pid, "unknown"));
}

struct data_lock *data_lock_take(const char *dir, struct err *err)
{
    if (folder_make(dir, err))
        return NULL;
    char *path = lock_path(dir);
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    free(path);
    if (fd < 0) {
        err_set(err, "data folder %s: %s; name another with --data", dir, strerror(errno));
        return NULL;
    }
    if (flock(fd, LOCK_EX | LOCK_NB)) {
        lock_refused(dir, fd, err);
        close(fd);
        return NULL;
    }
    if (ftruncate(fd, 0) || dprintf(fd, "%d\n", (int)getpid()) < 0) {
        err_set(err, "data folder %s: %s; name another with --data", dir, strerror(errno));
        close(fd);
        return NULL;
    }
    struct data_lock *lock = mem_new(sizeof(*lock));
    lock->dir = mem_str(dir);
    lock->fd = fd;
    return lock;
}

int data_lock_publish(struct data_lock *lock, const char *url, struct err *err)
{
    struct buf text = {0};
    struct json_writer w = JSON_WRITER(&text);
    char now[CLOCK_TEXT];
    char *path = mem_printf("%s/host.json", lock->dir), *part = mem_printf("%s/host.json.part", lock->dir);
    int rc = 0;
    jsonw_begin_object(&w);
    jsonw_member(&w, "url", url);
    jsonw_member_int(&w, "pid", getpid());
    jsonw_member(&w, "startedAt", clock_text(clock_wall_ms(), now));
    jsonw_end_object(&w);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, text.data, text.len) != (ssize_t)text.len || rename(part, path))
        rc = err_set(err, "%s: %s", path, strerror(errno));
    if (fd >= 0)
        close(fd);
    lock->published = rc == 0;
    free(path);
    free(part);
    buf_free(&text);
    return rc;
}

void data_lock_release(struct data_lock *lock)
{
    if (!lock)
        return;
    char *path = mem_printf("%s/host.json", lock->dir);
    if (lock->published)
        unlink(path);
    free(path);
    close(lock->fd);
    free(lock->dir);
    free(lock);
}

char *data_lock_host(const char *dir)
{
    char *lock = lock_path(dir), *path = mem_printf("%s/host.json", dir), *url = NULL;
    int fd = open(lock, O_RDWR | O_CLOEXEC);
    /* Nobody holds it: what host.json says is of a host that died. */
    bool held = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) && errno == EWOULDBLOCK;
    if (held) {
        json_t *root = json_load_file(path, 0, NULL);
        url = mem_str(json_string_value(json_object_get(root, "url")));
        json_decref(root);
    }
    if (fd >= 0)
        close(fd);
    free(lock);
    free(path);
    return url;
}
