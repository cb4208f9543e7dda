#include "loop/census.h"

#include "base/mem.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    CENSUS_ENVIRONMENT_MOST = 256 * 1024, /* of an orphan's environment is looked at */
    CENSUS_COMMAND_MOST = 200,
};

struct census_row {
    pid_t pid, parent, group, session;
    uint64_t start;
    bool dead;                    /* a zombie: it links others to the family, and is not of it */
    struct census_family *family; /* NULL: of none */
    bool told;
};

struct census_table {
    struct census_row *rows;
    size_t count, room;
};

static ssize_t census_read(pid_t pid, const char *what, char *text, size_t size)
{
    char path[64];
    size_t len = 0;
    snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, what);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    for (ssize_t n; len < size - 1 && (n = read(fd, text + len, size - 1 - len)) > 0;)
        len += (size_t)n;
    close(fd);
    text[len] = '\0';
    return (ssize_t)len;
}

static int census_read_row(pid_t pid, struct census_row *row)
{
    char text[1024], state;
    *row = (struct census_row){.pid = pid};
    const char *rest = census_read(pid, "stat", text, sizeof(text)) > 0 ? strrchr(text, ')') : NULL;
    if (!rest ||
        sscanf(rest + 1, " %c %d %d %d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %" SCNu64,
               &state, &row->parent, &row->group, &row->session, &row->start) != 5)
        return -1;
    row->dead = state == 'Z' || state == 'X';
    return 0;
}

static int census_compare(const void *a, const void *b)
{
    pid_t x = ((const struct census_row *)a)->pid, y = ((const struct census_row *)b)->pid;
    return (x > y) - (x < y);
}

static struct census_row *census_find(const struct census_table *t, pid_t pid)
{
    struct census_row key = {.pid = pid};
    return bsearch(&key, t->rows, t->count, sizeof(key), census_compare);
}

/* -1 where a process may be missing that is there. */
static int census_read_table(struct census_table *t)
{
    int failed = 0;
    DIR *proc = opendir("/proc");
    struct dirent *entry;
    struct census_row row;
    if (!proc)
        return -1;
    while ((entry = readdir(proc)) != NULL) {
        long pid = strtol(entry->d_name, NULL, 10); /* 0 for a name that is no number */
        if (pid <= 0)
            continue;
        errno = 0;
        if (census_read_row((pid_t)pid, &row)) {
            failed |= errno == EMFILE || errno == ENFILE || errno == ENOMEM;
            continue;
        }
        if (t->count == t->room) {
            t->room = t->room ? 2 * t->room : 512;
            t->rows = mem_grow(t->rows, t->room * sizeof(row));
        }
        t->rows[t->count++] = row;
    }
    closedir(proc);
    if (t->count)
        qsort(t->rows, t->count, sizeof(row), census_compare);
    return failed || !t->count ? -1 : 0;
}

/* Does the process have the mark in its environment? The text is of CENSUS_ENVIRONMENT_MOST bytes. */
static struct census_family *census_by_mark(pid_t pid, struct census_family *families, size_t count,
                                            char *text)
{
    ssize_t len = census_read(pid, "environ", text, CENSUS_ENVIRONMENT_MOST);
    for (const char *at = text; len > 0 && at < text + len; at += strlen(at) + 1)
        for (size_t i = 0; i < count; i++)
            if (strcmp(at, families[i].mark) == 0)
                return &families[i];
    return NULL;
}

/* What needs no parent to be known. */
static void census_assign(const struct census_table *t, struct census_family *families, size_t count)
{
    pid_t host = getpid();
    char *text = NULL;
    for (size_t i = 0; i < count; i++) {
        for (size_t m = 0; m < families[i].count; m++) {
            const struct census_member *known = &families[i].members[m];
            struct census_row *row = census_find(t, known->pid);
            if (!row || row->start != known->start)
                continue;
            row->family = &families[i];
            row->told = known->told;
        }
    }
    for (struct census_row *row = t->rows; row < t->rows + t->count; row++) {
        for (size_t i = 0; i < count && !row->family; i++)
            if (row->pid == families[i].root || row->group == families[i].root ||
                row->session == families[i].root)
                row->family = &families[i];
        if (row->family || row->dead || row->parent != host)
            continue;
        if (!text)
            text = mem_new(CENSUS_ENVIRONMENT_MOST);
        row->family = census_by_mark(row->pid, families, count, text);
    }
    free(text);
}

static struct census_family *census_family_of(const struct census_table *t, pid_t pid)
{
    const struct census_row *row = census_find(t, pid);
    return row ? row->family : NULL;
}

/* What a member has started, or leads the session of, is of the family. Mostly those numbers are lower, so
 * one pass and one that finds nothing new do. */
static void census_inherit(const struct census_table *t)
{
    for (bool more = true; more;) {
        more = false;
        for (struct census_row *row = t->rows; row < t->rows + t->count; row++) {
            if (row->family)
                continue;
            row->family = census_family_of(t, row->parent);
            if (!row->family)
                row->family = census_family_of(t, row->session);
            more = more || row->family;
        }
    }
}

/* By a pidfd, whose process is looked at once more: its number may be another's by now. */
static void census_signal(const struct census_row *row, int signum)
{
    struct census_row now;
    int fd = (int)syscall(SYS_pidfd_open, row->pid, 0);
    if (fd < 0)
        return;
    if (census_read_row(row->pid, &now) == 0 && now.start == row->start)
        syscall(SYS_pidfd_send_signal, fd, signum, NULL, 0);
    close(fd);
}

static char *census_command(pid_t pid)
{
    char text[CENSUS_COMMAND_MOST];
    ssize_t len = census_read(pid, "cmdline", text, sizeof(text));
    if (len <= 0)
        len = census_read(pid, "comm", text, sizeof(text)); /* it has given up its memory */
    for (ssize_t i = 0; i + 1 < len; i++)
        if (text[i] == '\0')
            text[i] = ' ';
    while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' '))
        text[--len] = '\0';
    return mem_str(len > 0 ? text : "?");
}

static void census_enter(struct census_row *row)
{
    struct census_family *f = row->family;
    int signum = f->signum;
    if (signum == SIGKILL || (signum && !row->told && row->group != f->root))
        census_signal(row, signum);
    f->members = mem_grow(f->members, (f->count + 1) * sizeof(*f->members));
    f->members[f->count++] = (struct census_member){
        .pid = row->pid,
        .start = row->start,
        .told = row->told || signum,
        .command = f->named ? census_command(row->pid) : NULL,
    };
}

int census_take(struct census_family *families, size_t count)
{
    struct census_table t = {0};
    if (census_read_table(&t)) {
        free(t.rows);
        return -1;
    }
    census_assign(&t, families, count);
    census_inherit(&t);
    for (size_t i = 0; i < count; i++)
        census_clear(&families[i]);
    for (struct census_row *row = t.rows; row < t.rows + t.count; row++)
        if (row->family && !row->dead)
            census_enter(row);
    free(t.rows);
    return 0;
}

void census_clear(struct census_family *family)
{
    for (size_t i = 0; i < family->count; i++)
        free(family->members[i].command);
    free(family->members);
    family->members = NULL;
    family->count = 0;
}
