#include "base/err.h"
#include "base/mem.h"
#include "io/archive-internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    /* A file is at most a 32nd of the journal, so that little is lost when one goes, and never so large
     * that to look for a line in it takes long. */
    SEGMENTS_PARTS = 32,
    SEGMENT_LEAST = 16 * 1024,
    SEGMENT_MOST = 2 * 1024 * 1024,
};

struct segment {
    uint64_t first, bytes;
};

struct segments {
    struct archive *archive; /* NULL in a copy */
    char *dir;
    struct segment *items;
    size_t count, room;
    uint64_t total;
    uint64_t next; /* the number that follows the last line */
    bool torn;     /* the last file ends within a line that could not be cut off: nothing follows there */
    uint64_t whole_from; /* see segments_whole_from() */
    int fd;              /* of the last file, while it is appended to; else -1 */
};

static struct segments *segments_make(struct archive *archive, uint64_t journal)
{
    struct segments *s = mem_new(sizeof(*s));
    s->archive = archive;
    s->dir = mem_printf("%s/%" PRIu64, archive->dir, journal);
    s->next = s->whole_from = 1;
    s->fd = -1;
    return s;
}

struct segments *segments_new(struct archive *archive, uint64_t journal)
{
    return segments_make(archive, journal);
}

static struct segment *segments_add(struct segments *s, uint64_t first, uint64_t bytes)
{
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 4;
        s->items = mem_grow(s->items, s->room * sizeof(*s->items));
    }
    s->items[s->count] = (struct segment){.first = first, .bytes = bytes};
    s->total += bytes;
    return &s->items[s->count++];
}

static int segment_compare(const void *a, const void *b)
{
    const struct segment *x = a, *y = b;
    return x->first < y->first ? -1 : x->first > y->first;
}

struct segments *segments_load(struct archive *archive, uint64_t journal, struct err *err)
{
    struct segments *s = segments_make(archive, journal);
    DIR *files = opendir(s->dir);
    struct dirent *file;
    struct stat st;
    if (!files) {
        err_set(err, "%s: %s", s->dir, strerror(errno));
        segments_free(s);
        return NULL;
    }
    while ((file = readdir(files)) != NULL) {
        uint64_t first = archive_number(file->d_name, ARCHIVE_SUFFIX);
        if (first && fstatat(dirfd(files), file->d_name, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISREG(st.st_mode))
            segments_add(s, first, (uint64_t)st.st_size);
    }
    closedir(files);
    if (s->count)
        qsort(s->items, s->count, sizeof(*s->items), segment_compare);
    return s;
}

struct segments *segments_copy(const struct segments *from)
{
    struct segments *s = mem_new(sizeof(*s));
    *s = *from;
    s->archive = NULL;
    s->dir = mem_str(from->dir);
    s->room = from->count;
    s->items = mem_new((from->count + 1) * sizeof(*s->items));
    if (from->count)
        memcpy(s->items, from->items, from->count * sizeof(*s->items));
    s->fd = -1;
    return s;
}

void segments_close(struct segments *s)
{
    if (s->fd >= 0)
        close(s->fd);
    s->fd = -1;
}

void segments_free(struct segments *s)
{
    if (!s)
        return;
    if (s->archive && s->archive->piece.owner == s)
        s->archive->piece.owner = NULL;
    segments_close(s);
    free(s->items);
    free(s->dir);
    free(s);
}

uint64_t segments_bytes(const struct segments *s)
{
    return s->total;
}

uint64_t segments_whole_from(const struct segments *s)
{
    return s->whole_from;
}

void segments_set_whole_from(struct segments *s, uint64_t seq)
{
    s->whole_from = seq;
}

/* ---- appending ---- */

static char *segment_path(const struct segments *s, uint64_t first)
{
    return mem_printf("%s/%" PRIu64 ARCHIVE_SUFFIX, s->dir, first);
}

static int segment_open(struct segments *s, uint64_t first, int flags, struct err *err)
{
    char *path = segment_path(s, first);
    s->fd = open(path, O_WRONLY | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
    int rc = s->fd < 0 ? err_set(err, "%s: %s", path, strerror(errno)) : 0;
    free(path);
    return rc;
}

/* The oldest that are not of the first quarter go until the journal is within its bound. */
static void segments_trim(struct segments *s)
{
    uint64_t head = 0;
    size_t at = 0, to;
    if (s->total <= s->archive->most)
        return;
    while (at + 1 < s->count && head + s->items[at].bytes <= s->archive->most / 4)
        head += s->items[at++].bytes;
    for (to = at; to + 1 < s->count && s->total > s->archive->most; to++) {
        char *path = segment_path(s, s->items[to].first);
        unlink(path);
        free(path);
        s->total -= s->items[to].bytes;
    }
    if (to == at)
        return;
    memmove(&s->items[at], &s->items[to], (s->count - to) * sizeof(*s->items));
    s->count -= to - at;
    s->whole_from = s->items[at].first;
}

static uint64_t segment_size(const struct segments *s)
{
    uint64_t size = s->archive->most / SEGMENTS_PARTS;
    return size < SEGMENT_LEAST ? SEGMENT_LEAST : size > SEGMENT_MOST ? SEGMENT_MOST : size;
}

/* A file that the line `first` can go to. */
static int segments_ready(struct segments *s, uint64_t first, struct err *err)
{
    const struct segment *last = s->count ? &s->items[s->count - 1] : NULL;
    bool goes_on = last && !s->torn && s->next == first && last->bytes < segment_size(s);
    if (goes_on && s->fd >= 0)
        return 0;
    segments_close(s);
    if (goes_on)
        return segment_open(s, last->first, 0, err);
    if (!s->count && archive_make(s->archive, s->dir))
        return err_set(err, "%s: %s", s->dir, strerror(errno));
    if (segment_open(s, first, O_CREAT | O_TRUNC, err))
        return -1;
    segments_add(s, first, 0);
    s->torn = false;
    if (s->next != first)
        s->whole_from = first;
    segments_trim(s);
    return 0;
}

/* All of it at `offset`, or -1 with errno. */
static int segment_write(int fd, struct iovec *rest, size_t count, uint64_t offset)
{
    while (count) {
        ssize_t n = pwritev(fd, rest, (int)count, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return -1;
        offset += (uint64_t)n;
        for (; count && (size_t)n >= rest->iov_len; rest++, count--)
            n -= (ssize_t)rest->iov_len;
        if (count) {
            rest->iov_base = (char *)rest->iov_base + n;
            rest->iov_len -= (size_t)n;
        }
    }
    return 0;
}

int segments_append(struct segments *s, uint64_t first, const struct iovec *lines, size_t count,
                    struct err *err)
{
    struct iovec rest[ARCHIVE_LINES_AT_ONCE];
    uint64_t bytes = 0;
    if (segments_ready(s, first, err))
        return -1;
    struct segment *last = &s->items[s->count - 1];
    for (size_t i = 0; i < count; i++) {
        rest[i] = lines[i];
        bytes += lines[i].iov_len;
    }
    if (segment_write(s->fd, rest, count, last->bytes)) {
        err_set(err, "%s/%" PRIu64 ARCHIVE_SUFFIX ": %s", s->dir, last->first, strerror(errno));
        /* What was written of it would stand there as lines that nobody was told of. Where it cannot be
         * cut off, the file ends here: readers keep to `bytes`, a later host finds a torn end. */
        s->torn = ftruncate(s->fd, (off_t)last->bytes) != 0;
        segments_close(s);
        if (last->bytes == 0) {
            char *path = segment_path(s, last->first);
            unlink(path);
            free(path);
            s->count--;
        }
        return -1;
    }
    last->bytes += bytes;
    s->total += bytes;
    s->next = first + count;
    return 0;
}

/* ---- reading ---- */

static const struct segment *segments_find(const struct segments *s, uint64_t seq)
{
    size_t low = 0, high = s->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (s->items[middle].first <= seq)
            low = middle + 1;
        else
            high = middle;
    }
    return low ? &s->items[low - 1] : NULL;
}

uint64_t segments_file_of(const struct segments *s, uint64_t seq)
{
    const struct segment *segment = segments_find(s, seq);
    return segment ? segment->first : 0;
}

uint64_t segments_file_after(const struct segments *s, uint64_t file)
{
    const struct segment *segment = segments_find(s, file);
    segment = segment ? segment + 1 : s->items;
    return s->count && segment < s->items + s->count ? segment->first : 0;
}

static int segment_open_to_read(const struct segments *s, uint64_t first)
{
    char *path = segment_path(s, first);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    free(path);
    return fd;
}

/* Whole lines from `offset` on into `out`, which is empty at the end, or where there is no line. */
static void segment_read(int fd, uint64_t offset, uint64_t bytes, struct buf *out)
{
    size_t want = ARCHIVE_PIECE;
    buf_clear(out);
    while (offset + out->len < bytes && out->len < ARCHIVE_LINE_MAX) {
        uint64_t left = bytes - offset - out->len;
        size_t ask = left < want ? (size_t)left : want;
        char *room = buf_reserve(out, ask);
        ssize_t n = room ? pread(fd, room, ask, (off_t)(offset + out->len)) : -1;
        if (n <= 0)
            break;
        out->len += (size_t)n;
        char *end = memrchr(room, '\n', (size_t)n);
        if (end) {
            out->len = (size_t)(end + 1 - out->data);
            return;
        }
    }
    out->len = 0;
}

void segments_read(const struct segments *s, uint64_t file, uint64_t offset, struct buf *out)
{
    const struct segment *segment = segments_find(s, file);
    buf_clear(out);
    if (!segment || segment->first != file || offset >= segment->bytes)
        return;
    int fd = segment_open_to_read(s, file);
    if (fd < 0)
        return;
    segment_read(fd, offset, segment->bytes, out);
    close(fd);
}

int64_t segments_offset(const struct segments *s, uint64_t file, uint64_t seq)
{
    const struct segment *segment = segments_find(s, file);
    struct buf piece = {0};
    uint64_t at = file, offset = 0;
    int fd = segment && segment->first == file ? segment_open_to_read(s, file) : -1;
    while (fd >= 0 && at < seq) {
        segment_read(fd, offset, segment->bytes, &piece);
        const char *line = piece.data, *end = line + piece.len;
        if (!piece.len)
            break;
        for (; at < seq && line < end; at++)
            line = (const char *)memchr(line, '\n', (size_t)(end - line)) + 1;
        offset += (uint64_t)(line - piece.data);
    }
    bool found = fd >= 0 && at == seq && offset < segment->bytes;
    if (fd >= 0)
        close(fd);
    buf_free(&piece);
    return found ? (int64_t)offset : -1;
}

/* ---- after a host that died ---- */

/* Counts the lines of a file and cuts what follows the last. */
static uint64_t segment_mend(struct segments *s, struct segment *segment, struct buf *line)
{
    struct buf piece = {0};
    uint64_t lines = 0, offset = 0;
    int fd = segment_open_to_read(s, segment->first);
    while (fd >= 0) {
        segment_read(fd, offset, segment->bytes, &piece);
        if (!piece.len)
            break;
        const char *at = piece.data, *end = at + piece.len, *last = at;
        for (; at < end; lines++) {
            last = at;
            at = (const char *)memchr(at, '\n', (size_t)(end - at)) + 1;
        }
        offset += piece.len;
        if (line) {
            buf_clear(line);
            buf_append(line, last, (size_t)(end - 1 - last));
        }
    }
    if (fd >= 0)
        close(fd);
    buf_free(&piece);
    if (offset < segment->bytes) {
        char *path = segment_path(s, segment->first);
        s->torn = truncate(path, (off_t)offset) != 0;
        free(path);
    }
    s->total -= segment->bytes - offset;
    segment->bytes = offset;
    return lines;
}

uint64_t segments_mend(struct segments *s, struct buf *line)
{
    uint64_t expected = 1;
    s->whole_from = 1;
    for (size_t i = 0; i < s->count;) {
        struct segment *segment = &s->items[i];
        if (segment->first != expected)
            s->whole_from = segment->first;
        uint64_t lines = segment_mend(s, segment, line);
        if (lines) {
            expected = segment->first + lines;
            i++;
            continue;
        }
        memmove(segment, segment + 1, (s->count - i - 1) * sizeof(*segment));
        s->count--;
    }
    s->next = expected;
    return expected - 1;
}
