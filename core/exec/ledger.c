#include "exec/ledger.h"

#include "base/buf.h"
#include "base/mem.h"
#include "base/str.h"
#include "exec/event-json.h"
#include "io/archive.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LEDGER_BYTES_MAX = 64 * 1024 * 1024 };

struct ledger {
    char *path;
    int fd;
};

/* A row is "index line ref namespace" and a newline; a note "=row outcome". Neither a ref nor a namespace
 * has a blank. */
static void ledger_row(struct redactor *redactor, const struct event_document *d, struct buf *out)
{
    struct buf ref = {0}, space = {0};
    event_mask(redactor, d->ref, &ref);
    event_mask(redactor, d->namespace_, &space);
    buf_printf(out, "%zu %zu %s %s\n", d->index, d->line, buf_str(&ref), buf_str(&space));
    buf_free(&ref);
    buf_free(&space);
}

struct ledger *ledger_new(struct archive *archive, uint64_t number, struct redactor *redactor,
                          const struct event_document *rows, size_t count)
{
    struct buf text = {0};
    struct ledger *l = mem_new(sizeof(*l));
    l->path = archive_ledger(archive, number, true);
    l->fd = open(l->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOFOLLOW, 0600);
    for (size_t i = 0; i < count; i++)
        ledger_row(redactor, &rows[i], &text);
    bool ok = l->fd >= 0 && !text.failed && write(l->fd, text.data, text.len) == (ssize_t)text.len;
    buf_free(&text);
    if (ok)
        return l;
    ledger_done(l);
    return NULL;
}

void ledger_note(struct ledger *l, size_t row, const char *outcome)
{
    char note[64];
    int n = snprintf(note, sizeof(note), "=%zu %s\n", row, outcome);
    /* What it then does not say is in doubt. */
    if (l && l->fd >= 0 && write(l->fd, note, (size_t)n) != n) {
        close(l->fd);
        l->fd = -1;
    }
}

void ledger_done(struct ledger *l)
{
    if (l)
        unlink(l->path);
    ledger_free(l);
}

void ledger_free(struct ledger *l)
{
    if (!l)
        return;
    if (l->fd >= 0)
        close(l->fd);
    free(l->path);
    free(l);
}

/* ---- what was left ---- */

static const char *ledger_outcome(const char *word, bool dry_run)
{
    static const char *const words[] = {"created", "configured", "unchanged",  "deleted",
                                        "failed",  "deferred",   "not-started"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (str_eq(words[i], word))
            return words[i];
    return dry_run ? "not-started" : "in-doubt";
}

static void ledger_line(char *line, bool dry_run, struct event_document *rows, size_t *count)
{
    char *rest = line, *part[4];
    if (*line == '=') {
        size_t row = strtoull(line + 1, &rest, 10);
        if (row >= *count || *rest != ' ')
            return;
        rows[row].outcome = ledger_outcome(rest + 1, dry_run);
        rows[row].message =
            str_eq(rows[row].outcome, "in-doubt") ? "the host ended before its answer was known" : "";
        return;
    }
    for (size_t i = 0; i < 4; i++)
        if (!(part[i] = strsep(&rest, " ")))
            return;
    rows[(*count)++] = (struct event_document){
        .index = strtoull(part[0], NULL, 10),
        .line = strtoull(part[1], NULL, 10),
        .ref = part[2],
        .namespace_ = part[3],
        .outcome = "not-started",
        .message = "",
    };
}

static char *ledger_load(const char *path, size_t *len)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    char *text = NULL;
    if (fd >= 0 && fstat(fd, &st) == 0 && st.st_size < LEDGER_BYTES_MAX)
        text = malloc((size_t)st.st_size + 1);
    ssize_t n = text ? read(fd, text, (size_t)st.st_size) : -1;
    if (fd >= 0)
        close(fd);
    *len = n > 0 ? (size_t)n : 0;
    if (text)
        text[*len] = '\0';
    return text;
}

void ledger_read(struct archive *archive, uint64_t number, bool dry_run, struct event_document **rows,
                 size_t *count, char **room)
{
    char *path = archive_ledger(archive, number, false);
    size_t len, lines = 0;
    char *text = ledger_load(path, &len), *end;
    *rows = NULL;
    *count = 0;
    *room = text;
    for (size_t i = 0; i < len; i++)
        lines += text[i] == '\n';
    if (lines)
        *rows = calloc(lines, sizeof(**rows));
    /* A line without its newline was not written to its end. */
    for (char *line = text; *rows && (end = strchr(line, '\n')) != NULL; line = end + 1) {
        *end = '\0';
        ledger_line(line, dry_run, *rows, count);
    }
    unlink(path);
    free(path);
}
