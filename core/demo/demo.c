#include "demo/demo.h"

#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "demo/demo-internal.h"
#include "loop/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const demo_files[] = {"demo.db", "demo.db-wal", "demo.db-shm", "kubeconfig", "lock"};

static int demo_make_token(struct demo *demo, struct err *err)
{
    unsigned char bytes[24];
    struct buf text = {0};
    if (RAND_bytes(bytes, sizeof(bytes)) != 1)
        return err_set(err, "no random bytes for the token");
    for (size_t i = 0; i < sizeof(bytes); i++)
        buf_printf(&text, "%02x", bytes[i]);
    demo->token = buf_take(&text);
    return demo->token ? 0 : err_no_memory(err);
}

static int demo_make_folder(struct demo *demo, const char *data, struct err *err)
{
    if (!str_empty(data)) {
        demo->folder = mem_str(data);
        if (mkdir(data, 0700) && errno != EEXIST)
            return err_code(err, ERR_BAD_REQUEST, "--data %s: cannot be made: %s", data, strerror(errno));
        return 0;
    }
    const char *tmp = getenv("TMPDIR");
    char *folder = mem_printf("%s/moonsail-demo.XXXXXX", str_empty(tmp) ? "/tmp" : tmp);
    if (!mkdtemp(folder)) {
        err_set(err, "%s: cannot be made: %s", folder, strerror(errno));
        free(folder);
        return -1;
    }
    demo->folder = folder;
    demo->own_folder = true;
    return 0;
}

/* Two would count revisions and run controllers beside each other. */
static int demo_lock(struct demo *demo, struct err *err)
{
    char *path = mem_printf("%s/lock", demo->folder);
    int rc = 0;
    demo->lock = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (demo->lock < 0)
        rc = err_set(err, "%s: cannot be opened: %s", path, strerror(errno));
    else if (flock(demo->lock, LOCK_EX | LOCK_NB))
        rc = err_code(err, ERR_CONFLICT, "%s: another demo cluster runs with this folder", demo->folder);
    free(path);
    return rc;
}

/* Written beside and renamed, so that nobody reads half of it. */
static int demo_write_kubeconfig(struct demo *demo, struct err *err)
{
    char *beside = mem_printf("%s/.kubeconfig", demo->folder);
    int rc = -1, fd = -1;
    FILE *file = NULL;
    demo->kubeconfig = mem_printf("%s/kubeconfig", demo->folder);
    unlink(beside);
    fd = open(beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd >= 0)
        file = fdopen(fd, "w");
    if (!file) {
        if (fd >= 0)
            close(fd);
        err_set(err, "%s: cannot be written: %s", beside, strerror(errno));
        goto out;
    }
    fprintf(file,
            "apiVersion: v1\nkind: Config\ncurrent-context: demo\n"
            "contexts:\n- { name: demo, context: { cluster: demo, user: demo, namespace: default } }\n"
            "clusters:\n- { name: demo, cluster: { server: \"%s\" } }\n"
            "users:\n- { name: demo, user: { token: \"%s\" } }\n",
            demo_server_url(demo->server), demo->token);
    if (fclose(file) || rename(beside, demo->kubeconfig)) {
        err_set(err, "%s: cannot be written: %s", demo->kubeconfig, strerror(errno));
        goto out;
    }
    rc = 0;
out:
    free(beside);
    return rc;
}

static int demo_open(struct demo *demo, const struct demo_options *options, struct err *err)
{
    if (demo_make_token(demo, err) || demo_make_folder(demo, options->data, err) || demo_lock(demo, err))
        return -1;
    char *path = mem_printf("%s/demo.db", demo->folder);
    mode_t old = umask(077);
    demo->store = store_open(path, err);
    umask(old);
    free(path);
    if (!demo->store || demo_script_open(demo, err))
        return -1;
    if (store_revision(demo->store) == 0 && demo_seed(demo, err))
        return -1;
    demo->server = demo_server_new(demo, options->listen, err);
    if (!demo->server || demo_write_kubeconfig(demo, err))
        return -1;
    demo_await_due(demo);
    return 0;
}

struct demo *demo_new(const struct demo_options *options, struct err *err)
{
    struct demo *demo = mem_new(sizeof(*demo));
    demo->loop = options->loop;
    demo->lock = -1;
    demo->scripts = mem_printf("%s/scripts", options->shipped);
    struct buf old = {0};
    for (const char *const *word = options->serve_old; word && *word; word++)
        buf_printf(&old, "%s ", *word);
    demo->old = mem_str(buf_str(&old));
    buf_free(&old);
    if (demo_open(demo, options, err)) {
        demo_free(demo);
        return NULL;
    }
    return demo;
}

static void demo_remove_folder(struct demo *demo)
{
    for (size_t i = 0; i < sizeof(demo_files) / sizeof(demo_files[0]); i++) {
        char *path = mem_printf("%s/%s", demo->folder, demo_files[i]);
        if (unlink(path) && errno != ENOENT)
            log_warn("%s: cannot be removed: %s", path, strerror(errno));
        free(path);
    }
    if (rmdir(demo->folder))
        log_warn("%s: cannot be removed: %s", demo->folder, strerror(errno));
}

void demo_free(struct demo *demo)
{
    if (!demo)
        return;
    timer_stop(&demo->due);
    demo_server_free(demo->server);
    if (demo->cell)
        demo_script_close(demo);
    store_close(demo->store);
    if (demo->lock >= 0)
        close(demo->lock);
    if (demo->own_folder)
        demo_remove_folder(demo);
    buf_free(&demo->scratch);
    free(demo->scripts);
    free(demo->token);
    free(demo->old);
    free(demo->kubeconfig);
    free(demo->folder);
    free(demo);
}

const char *demo_url(const struct demo *demo)
{
    return demo_server_url(demo->server);
}

const char *demo_kubeconfig(const struct demo *demo)
{
    return demo->kubeconfig;
}
