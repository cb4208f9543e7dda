/* A watch is a position in the log: one that does not read costs nothing, and is told 410 when what comes
 * next for it is no longer there. */
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "demo/server-internal.h"
#include "loop/loop.h"

#include <string.h>

static void demo_watch_timer(void *arg);

static void demo_watch_arm(struct demo_connection *c)
{
    uint64_t now = clock_mono_ms(), left = c->until > now ? c->until - now : 1;
    uint64_t step = c->watch->poll_ms ? c->watch->poll_ms : c->watch->bookmarks ? DEMO_BOOKMARK_MS : left;
    if (left > step)
        left = step;
    c->timer = timer_start(c->server->demo->loop, left, demo_watch_timer, c);
}

static void demo_watch_timer(void *arg)
{
    struct demo_connection *c = arg;
    c->timer = NULL;
    if (clock_mono_ms() >= c->until) {
        c->end = true;
    } else {
        c->due = c->watch->bookmarks || c->watch->poll_ms;
        demo_watch_arm(c);
    }
    lws_callback_on_writable(c->wsi);
}

void demo_watch_begin(struct demo_connection *c)
{
    c->until = clock_mono_ms() + c->watch->timeout_ms;
    demo_watch_arm(c);
}

struct filling {
    struct demo_connection *c;
    struct buf text;
    struct err err;
    bool failed;
};

static int demo_watch_row(void *arg, const struct store_row *row)
{
    struct filling *f = arg;
    struct demo_watch *watch = f->c->watch;
    if (demo_watch_event(f->c->server->demo, watch, row, &f->text, &f->err)) {
        f->failed = true;
        return 1;
    }
    watch->revision = row->revision;
    return f->text.len > DEMO_WATCH_BATCH;
}

static void demo_watch_error(struct buf *text, int code, const char *reason, const char *message)
{
    buf_puts(text, "{\"type\":\"ERROR\",\"object\":");
    demo_write_status(text, code, reason, message);
    buf_puts(text, "}\n");
}

static void demo_watch_gather(struct filling *f)
{
    struct demo_connection *c = f->c;
    struct demo *demo = c->server->demo;
    uint64_t newest = store_revision(demo->store);
    if (c->watch->poll_ms) {
        c->due = false;
        c->end = !demo_watch_more(demo, c->watch, &f->text);
        return;
    }
    if (c->watch->revision < store_forgotten(demo->store)) {
        demo_watch_error(&f->text, 410, "Expired", "too old resource version");
        c->end = true;
    } else if (store_log(demo->store, c->watch->resource, c->watch->ns, c->watch->revision, demo_watch_row, f,
                         &f->err) ||
               f->failed) {
        log_error("demo cluster: a watch: %s", f->err.text);
        demo_watch_error(&f->text, 500, "InternalError", f->err.text);
        c->end = true;
    } else if (f->text.len <= DEMO_WATCH_BATCH) {
        c->watch->revision = newest; /* nothing between concerns it */
    }
    if (c->due && !c->end && f->text.len == 0) {
        demo_watch_bookmark(demo, c->watch, &f->text);
        c->due = false;
    }
}

bool demo_watch_fill(struct demo_connection *c)
{
    struct filling f = {.c = c};
    bool behind = !c->watch->poll_ms && c->watch->revision < store_revision(c->server->demo->store);
    if (!behind && !c->due && !c->end)
        return false;
    if (!c->end)
        demo_watch_gather(&f);
    buf_clear(&c->out);
    if (buf_reserve(&c->out, LWS_PRE + f.text.len + 64))
        c->out.len = LWS_PRE;
    c->sent = LWS_PRE;
    if (f.text.len) {
        buf_printf(&c->out, "%zx\r\n", f.text.len);
        buf_append(&c->out, f.text.data, f.text.len);
        buf_puts(&c->out, "\r\n");
    }
    c->out.failed |= f.text.failed;
    buf_free(&f.text);
    if (c->end) {
        buf_puts(&c->out, "0\r\n\r\n");
        timer_stop(&c->timer);
        demo_watch_free(&c->watch);
    }
    return true;
}
