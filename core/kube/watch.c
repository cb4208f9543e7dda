/* Everything that a watch says is said in watch_turn(): what comes from the wire is only kept, so one
 * place decides how much happens in a turn, and one place knows that the owner has stopped it. */
#include "kube/watch.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "kube/kube-internal.h"
#include "kube/watch-internal.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum {
    WATCH_PAGE_ITEMS = 500,
    WATCH_PAGE_SMALL = 64 * 1024,      /* a larger page is read on the pool: 2.5 ns a byte */
    WATCH_LINE_MAX = 16 * 1024 * 1024, /* one event */
    WATCH_SILENCE_MS = 120000,
    WATCH_SECONDS = 300, /* how long the server keeps a connection; up to twice it */
    WATCH_WAIT_MS = 400,
    WATCH_WAIT_MOST_MS = 10000, /* before the next try: half of it or more */
    WATCH_TURN_US = 3000,
};

struct kube_watch {
    LIST_ENTRY(kube_watch) link;
    struct cluster *cluster;
    char *path, *query, *accept;
    unsigned silence_ms;
    void (*on_event)(void *arg, const struct kube_watch_event *event);
    void (*on_fail)(void *arg, const struct err *err);
    void *arg;
    /* What it waits for: at most one of these, and perhaps a turn. */
    struct kube_call *call;
    struct job *reading;
    struct timer *again;
    struct deferred *turn;
    /* What has come and was not said yet. */
    struct watch_page *page;
    struct buf in;       /* of the stream */
    size_t at, searched; /* the first line not said; no line ends before */
    bool opened, ended;
    int end_status; /* of what ended; else than 2xx with err */
    struct err end;
    /* Where it stands. */
    bool following; /* the call is, or is going to be, a stream from `version` on */
    char version[WATCH_VERSION_MAX];
    char *more;      /* the next page's token */
    bool known;      /* the owner has heard of objects */
    bool lost, over; /* the owner was told so */
    bool busy, stopped;
    unsigned tries; /* since a stream was of use */
    uint64_t opened_ms;
};

static void watch_turn(void *arg);

static void watch_soon(struct kube_watch *w)
{
    if (!w->turn && !w->stopped)
        w->turn = loop_defer(w->cluster->clusters->loop, watch_turn, w);
}

static unsigned watch_random(unsigned below)
{
    unsigned n;
    if (getrandom(&n, sizeof(n), GRND_NONBLOCK) != sizeof(n))
        n = (unsigned)clock_mono_us();
    return n % below;
}

/* ---- what comes from the wire ---- */

static void watch_end_with(struct kube_watch *w, int status, enum err_code code, const char *message)
{
    w->ended = true;
    w->end_status = status;
    err_code(&w->end, code, "%s", message);
    watch_soon(w);
}

static void watch_opened(void *arg)
{
    struct kube_watch *w = arg;
    w->opened = true;
    w->opened_ms = clock_mono_ms();
    watch_soon(w);
}

static void watch_data(void *arg, const char *data, size_t len)
{
    struct kube_watch *w = arg;
    buf_append(&w->in, data, len);
    if (w->in.failed) {
        kube_cancel(&w->call);
        watch_end_with(w, 0, ERR_NO_MEMORY, "out of memory");
        return;
    }
    kube_stream_pause(w->call, true);
    watch_soon(w);
}

static void watch_stream_done(void *arg, const struct kube_answer *answer)
{
    struct kube_watch *w = arg;
    w->call = NULL;
    watch_end_with(w, answer->status, answer->code, answer->message);
}

static void watch_page_ready(void *arg)
{
    struct kube_watch *w = ((struct watch_page *)arg)->owner;
    w->reading = NULL;
    if (w->page->rc) {
        watch_end_with(w, 0, w->page->err.code, w->page->err.text);
        watch_page_free(w->page);
        w->page = NULL;
    }
    watch_soon(w);
}

static void watch_page_done(void *arg, const struct kube_answer *answer)
{
    struct kube_watch *w = arg;
    w->call = NULL;
    if (answer->status < 200 || answer->status > 299) {
        watch_end_with(w, answer->status, answer->code, answer->message);
        return;
    }
    w->page = watch_page_new(answer->body, answer->body_len, w);
    if (!w->page) {
        watch_end_with(w, 0, ERR_NO_MEMORY, "out of memory");
    } else if (w->page->len > WATCH_PAGE_SMALL) {
        w->reading = loop_job(w->cluster->clusters->loop, watch_page_read, watch_page_ready, w->page);
    } else {
        watch_page_read(w->page);
        watch_page_ready(w->page);
    }
}

/* ---- what goes there ---- */

static struct kube_call *watch_send_to(struct kube_watch *w, const char *query, struct err *err)
{
    struct kube_request list = {.method = "GET", .path = w->path, .query = query, .accept = w->accept};
    struct kube_stream_request stream = {
        .path = w->path,
        .query = query,
        .accept = w->accept,
        .silence_ms = w->silence_ms,
        .on_open = watch_opened,
        .on_data = watch_data,
    };
    return w->following ? kube_stream(w->cluster, &stream, watch_stream_done, w, err)
                        : kube_send(w->cluster, &list, watch_page_done, w, err);
}

static void watch_send(struct kube_watch *w)
{
    struct buf query = {0};
    struct err err;
    if (w->query)
        buf_printf(&query, "%s&", w->query);
    if (w->following) {
        buf_printf(&query, "watch=1&allowWatchBookmarks=true&timeoutSeconds=%u&resourceVersion=",
                   WATCH_SECONDS + watch_random(WATCH_SECONDS + 1));
        kube_encode(&query, w->version);
    } else {
        buf_printf(&query, "limit=%d", WATCH_PAGE_ITEMS);
        if (w->more)
            buf_puts(&query, "&continue=");
        if (w->more)
            kube_encode(&query, w->more);
    }
    if (query.failed)
        err_no_memory(&err);
    else
        w->call = watch_send_to(w, buf_str(&query), &err);
    if (!w->call)
        watch_end_with(w, 0, err.code, err.text);
    buf_free(&query);
}

static void watch_try(void *arg)
{
    struct kube_watch *w = arg;
    w->again = NULL;
    watch_send(w);
}

/* Also after an ordinary end: a server that ends each connection at once is not to be flooded. */
static void watch_again(struct kube_watch *w)
{
    unsigned most = WATCH_WAIT_MOST_MS;
    if (w->tries < 5)
        most = WATCH_WAIT_MS << w->tries++;
    unsigned ms = most / 2 + watch_random(most / 2 + 1);
    w->again = timer_start(w->cluster->clusters->loop, ms, watch_try, w);
}

/* ---- what is said ---- */

static void watch_say(struct kube_watch *w, enum kube_watch_type type, struct json_span object,
                      const char *message)
{
    struct kube_watch_event event = {.type = type, .object = object, .message = message};
    if (type == KUBE_WATCH_SYNCED && w->page)
        event.columns = w->page->columns;
    w->on_event(w->arg, &event);
}

static void watch_say_word(struct kube_watch *w, enum kube_watch_type type)
{
    watch_say(w, type, (struct json_span){0}, "");
}

static void watch_hang_up(struct kube_watch *w)
{
    kube_cancel(&w->call);
    buf_clear(&w->in);
    w->at = w->searched = 0;
    w->opened = w->ended = false;
}

static void watch_fail(struct kube_watch *w, const struct err *err)
{
    watch_hang_up(w);
    w->over = true;
    w->on_fail(w->arg, err);
}

/* What the server no longer knows, or does not know yet after it was set back. */
static bool watch_is_gone(int status, const struct err *err)
{
    return status == 410 || strstr(err->text, "Too large resource version");
}

static bool watch_is_final(int status, const struct err *err)
{
    return err->code == ERR_TOO_LARGE || (status >= 400 && status < 500 && status != 408 && status != 429);
}

/* Of a call that ended without 2xx, or an ERROR that the server sent instead of events. */
static void watch_trouble(struct kube_watch *w, int status, const struct err *err)
{
    watch_hang_up(w);
    if (watch_is_gone(status, err)) {
        free(w->more);
        w->more = NULL;
        w->following = false;
        watch_again(w);
        if (w->known)
            watch_say_word(w, KUBE_WATCH_RESTART);
        w->known = false;
    } else if (watch_is_final(status, err)) {
        watch_fail(w, err);
    } else {
        w->lost = true;
        watch_again(w);
        watch_say(w, KUBE_WATCH_LOST, (struct json_span){0}, err->text);
    }
}

static void watch_in_touch(struct kube_watch *w)
{
    if (w->lost)
        watch_say_word(w, KUBE_WATCH_BACK);
    w->lost = false;
}

/* ---- what there is to say: each step says one thing, and tells whether there was one ---- */

static void watch_page_over(struct kube_watch *w)
{
    bool last = !w->page->more;
    free(w->more);
    w->more = w->page->more;
    w->page->more = NULL;
    memcpy(w->version, w->page->version, sizeof(w->version));
    if (last) {
        w->following = w->known = true;
        watch_say_word(w, KUBE_WATCH_SYNCED);
    }
    watch_page_free(w->page);
    w->page = NULL;
    if (!w->stopped)
        watch_send(w);
}

static bool watch_step_page(struct kube_watch *w)
{
    struct watch_page *page = w->page;
    if (!page || w->reading)
        return false;
    if (w->lost) {
        watch_in_touch(w);
    } else if (page->next < page->count) {
        w->known = true;
        watch_say(w, KUBE_WATCH_ITEM, page->items[page->next++], "");
    } else {
        watch_page_over(w);
    }
    return true;
}

static bool watch_step_opened(struct kube_watch *w)
{
    if (!w->opened)
        return false;
    w->opened = false;
    watch_in_touch(w);
    return true;
}

static void watch_event(struct kube_watch *w, const struct watch_line *line)
{
    static const struct {
        const char *word;
        enum kube_watch_type type;
    } types[] = {
        {"ADDED", KUBE_WATCH_ADDED}, {"MODIFIED", KUBE_WATCH_MODIFIED}, {"DELETED", KUBE_WATCH_DELETED}};
    struct err err;
    if (watch_line_is(line, "ERROR")) {
        int status = watch_line_status(line, &err);
        watch_trouble(w, status, &err);
        return;
    }
    for (size_t i = 0; *line->version && i < sizeof(types) / sizeof(*types); i++)
        if (watch_line_is(line, types[i].word)) {
            memcpy(w->version, line->version, sizeof(w->version));
            w->tries = 0;
            watch_say(w, types[i].type, line->object, "");
            return;
        }
    if (*line->version && watch_line_is(line, "BOOKMARK")) {
        memcpy(w->version, line->version, sizeof(w->version));
        w->tries = 0;
        return;
    }
    err_set(&err, "%s%s: the server sent an event that cannot be understood", w->cluster->server, w->path);
    watch_trouble(w, 0, &err);
}

static void watch_line(struct kube_watch *w, const char *text, size_t len)
{
    struct watch_line line;
    struct err err;
    if (len == 0)
        return;
    if (watch_line_read(&line, text, len)) {
        watch_event(w, &line);
        return;
    }
    err_set(&err, "%s%s: the server sent something that is no event", w->cluster->server, w->path);
    watch_trouble(w, 0, &err);
}

static bool watch_step_line(struct kube_watch *w)
{
    struct err err;
    const char *text = w->in.data + w->at, *end = NULL;
    if (w->in.len > w->searched)
        end = memchr(w->in.data + w->searched, '\n', w->in.len - w->searched);
    w->searched = end ? (size_t)(end - w->in.data) : w->in.len;
    size_t len = w->searched - w->at;
    if (len > WATCH_LINE_MAX) {
        err_code(&err, ERR_TOO_LARGE, "%s%s: the server sent an event that is larger than %d MiB",
                 w->cluster->server, w->path, WATCH_LINE_MAX >> 20);
        watch_fail(w, &err);
    } else if (end) {
        w->at = ++w->searched;
        watch_line(w, text, len);
    }
    return end != NULL;
}

/* What is left of a line is dropped with its connection: the server sends that event again. */
static bool watch_step_end(struct kube_watch *w)
{
    if (!w->ended)
        return false;
    if (w->opened_ms && clock_mono_ms() - w->opened_ms >= WATCH_WAIT_MOST_MS)
        w->tries = 0;
    w->opened_ms = 0;
    if (w->end_status < 200 || w->end_status > 299) {
        watch_trouble(w, w->end_status, &w->end);
    } else {
        watch_hang_up(w);
        watch_again(w);
    }
    return true;
}

static bool watch_step(struct kube_watch *w)
{
    if (w->over || w->stopped)
        return false;
    return watch_step_opened(w) || watch_step_page(w) || watch_step_line(w) || watch_step_end(w);
}

static void watch_free(struct kube_watch *w)
{
    buf_free(&w->in);
    watch_page_free(w->page);
    free(w->more);
    free(w->path);
    free(w->query);
    free(w->accept);
    free(w);
}

static void watch_turn(void *arg)
{
    struct kube_watch *w = arg;
    uint64_t until = clock_mono_us() + WATCH_TURN_US;
    bool more = true;
    w->turn = NULL;
    w->busy = true;
    while (more && clock_mono_us() < until)
        more = watch_step(w);
    w->busy = false;
    if (w->stopped) {
        watch_free(w);
        return;
    }
    buf_consume(&w->in, w->at);
    w->searched -= w->at;
    w->at = 0;
    if (more)
        watch_soon(w);
    else if (w->call && w->following)
        kube_stream_pause(w->call, false);
}

/* ---- its life ---- */

static void watch_begin(void *arg)
{
    struct kube_watch *w = arg;
    w->turn = NULL;
    watch_send(w);
}

struct kube_watch *kube_watch_start(struct cluster *cluster, const struct kube_watch_options *options,
                                    struct err *err)
{
    const char *version = str_or(options->resource_version, "");
    if (str_empty(options->path) || *options->path != '/' || strlen(version) >= WATCH_VERSION_MAX) {
        err_code(err, ERR_BAD_REQUEST, "nothing can be watched at \"%s\" from resourceVersion \"%.200s\"",
                 str_or(options->path, ""), version);
        return NULL;
    }
    struct kube_watch *w = calloc(1, sizeof(*w));
    if (w) {
        w->path = strdup(options->path);
        w->query = str_empty(options->query) ? NULL : strdup(options->query);
        w->accept = str_empty(options->accept) ? NULL : strdup(options->accept);
    }
    if (!w || !w->path || (!str_empty(options->query) && !w->query) ||
        (!str_empty(options->accept) && !w->accept)) {
        err_no_memory(err);
        if (w)
            watch_free(w);
        return NULL;
    }
    w->cluster = cluster;
    w->silence_ms = options->silence_ms ? options->silence_ms : WATCH_SILENCE_MS;
    w->on_event = options->on_event;
    w->on_fail = options->on_fail;
    w->arg = options->arg;
    snprintf(w->version, sizeof(w->version), "%s", version);
    w->following = w->known = *version;
    w->turn = loop_defer(cluster->clusters->loop, watch_begin, w);
    LIST_INSERT_HEAD(&cluster->watches, w, link);
    return w;
}

void kube_watch_stop(struct kube_watch **at)
{
    struct kube_watch *w = *at;
    *at = NULL;
    if (!w || w->stopped)
        return;
    LIST_REMOVE(w, link);
    kube_cancel(&w->call);
    timer_stop(&w->again);
    deferred_cancel(&w->turn);
    if (w->reading) {
        job_forget(&w->reading, watch_page_free);
        w->page = NULL;
    }
    w->stopped = true;
    if (!w->busy)
        watch_free(w);
}

size_t kube_watch_count(const struct cluster *cluster)
{
    size_t count = 0;
    const struct kube_watch *w;
    LIST_FOREACH(w, &cluster->watches, link)
    count++;
    return count;
}

void kube_watch_stop_all(struct cluster *cluster)
{
    struct kube_watch *w;
    while ((w = LIST_FIRST(&cluster->watches)) != NULL)
        kube_watch_stop(&w);
}
