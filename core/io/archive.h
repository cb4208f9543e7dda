/* archive.h: numbered lines of text on disk, the files of journals: DIR/<journal>/<first line>.jsonl.
 *
 * Files are only appended to; a line is never over ARCHIVE_LINE_MAX. A journal that grows over its bound
 * loses lines in its middle: the first quarter and the newest stay. An archive owns the folder and belongs
 * to the loop's thread; a copy of segments, which only reads, may go to the pool. What a full or broken
 * disk refuses is an error of segments_append(), and the files are then as they were before. */
#pragma once

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct archive;
struct err;
struct loop;
struct segments;

enum {
    ARCHIVE_LINE_MAX = 256 * 1024 + 1,
    ARCHIVE_PIECE = 128 * 1024,   /* of a file, read at once */
    ARCHIVE_LINES_AT_ONCE = 1000, /* of segments_append() */
};

/* `dir` is made (0700) with the first journal; `most`: bytes of one. */
struct archive *archive_new(const char *dir, uint64_t most);
void archive_free(struct archive *archive);

/* Says once in the log that the disk refuses, and once that it takes lines again. */
void archive_refused(struct archive *archive, const struct err *why);
void archive_took(struct archive *archive);

/* Room for a piece that is read, shared by all readers on the loop: `owner` tells whether it is still
 * theirs. */
struct archive_piece {
    const void *owner;
    uint64_t file, offset; /* where in the journal its bytes begin */
    struct buf bytes;      /* whole lines */
};
struct archive_piece *archive_piece(struct archive *archive);

/* The path of what is noted beside a journal while it is written; `make`: its folder too. The caller frees.
 */
char *archive_ledger(struct archive *archive, uint64_t journal, bool make);

/* Any thread: removes a journal's files; -1 where something stays. */
int archive_remove(const char *dir, uint64_t journal);
/* The greatest number that is a name there; 0 where none is. */
uint64_t archive_newest(const char *dir);
/* Any thread: removes the journals below `before` that `kept` does not name. */
void archive_sweep(const char *dir, uint64_t before, bool (*kept)(void *arg, uint64_t journal), void *arg);

/* ---- one journal ---- */

/* Of a new journal: nothing lies there yet. */
struct segments *segments_new(struct archive *archive, uint64_t journal);
/* Of one that is there. NULL with err where its folder cannot be read. */
struct segments *segments_load(struct archive *archive, uint64_t journal, struct err *err);
/* To read on another thread; it must not be appended to. */
struct segments *segments_copy(const struct segments *segments);
void segments_free(struct segments *segments);

/* Appends lines, each ending with its newline; the first one has the number `first`, greater than all
 * before. All or none: -1 with err. */
int segments_append(struct segments *segments, uint64_t first, const struct iovec *lines, size_t count,
                    struct err *err);
void segments_close(struct segments *segments); /* its file; the next append opens it again */

/* After a host that died: cuts off a line that was not written to its end. The number of the last line, 0
 * if there is none; `line` (may be NULL) gets its text. */
uint64_t segments_mend(struct segments *segments, struct buf *line);

uint64_t segments_bytes(const struct segments *segments);
/* From here on nothing is missing up to the last line. */
uint64_t segments_whole_from(const struct segments *segments);
void segments_set_whole_from(struct segments *segments, uint64_t seq);

/* The file that would hold the line `seq`: its own name is the number of its first line. 0: none. */
uint64_t segments_file_of(const struct segments *segments, uint64_t seq);
/* The next file; 0: none. */
uint64_t segments_file_after(const struct segments *segments, uint64_t file);

/* Replaces `out` by the whole lines of `file` from `offset` on, about ARCHIVE_PIECE bytes or one line.
 * Empty at the end of the file, and where it cannot be read or is damaged. Any thread. */
void segments_read(const struct segments *segments, uint64_t file, uint64_t offset, struct buf *out);
/* Where in `file` the line `seq` begins; -1 if it is not there. Any thread. */
int64_t segments_offset(const struct segments *segments, uint64_t file, uint64_t seq);
