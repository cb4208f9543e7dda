#include "base/mem.h"
#include "base/str.h"
#include "edge/edge-internal.h"
#include "edge/message.h"
#include "exec/execution.h"
#include "exec/journal.h"
#include "exec/request.h"

#include <stdlib.h>
#include <string.h>

enum {
    STREAM_OWN_MS = 8,
    STREAM_TURN_MS = 15, /* longer turns of the loop make everybody else wait */
    STREAM_FRAMES_AT_LEAST = 8,
    STREAM_ID = 64, /* longer ones are nobody's, and are not said back */
};

_Static_assert((int)EVENT_BYTES_MAX <= (int)EDGE_FRAME_BYTES, "a frame holds any event");

struct stream {
    struct connection *connection;
    struct buf in;           /* the message that is coming */
    struct message *reading; /* on the pool */
    struct job *job;
    struct execution *execution; /* kept */
    struct journal_view *view;
    struct buf error; /* an error event that is still to be said */
    enum lws_close_status close;
    bool asked;   /* the first message has come */
    bool closing; /* nothing is taken in any more */
    bool leaving; /* the host ends: what is there is written, nothing is waited for */
    bool close_sent;
};

struct stream *stream_new(struct connection *connection)
{
    struct stream *s = mem_new(sizeof(*s));
    s->connection = connection;
    lws_set_timer_usecs(connection->wsi, EDGE_HANDSHAKE_S * LWS_US_PER_SEC);
    return s;
}

void stream_free(struct stream **stream)
{
    struct stream *s = *stream;
    if (!s)
        return;
    *stream = NULL;
    if (s->view)
        journal_view_close(&s->view);
    if (s->execution) {
        s->connection->server->viewers--;
        execution_drop(s->execution);
    }
    if (s->job)
        job_forget(&s->job, message_free);
    else
        message_free(s->reading);
    buf_free(&s->in);
    buf_free(&s->error);
    free(s);
}

static void stream_wake(struct stream *s)
{
    if (s->connection->wsi)
        lws_callback_on_writable(s->connection->wsi);
}

/* Says why, then closes. The first reason stands. */
static void stream_fail(struct stream *s, const char *id, const struct err *err)
{
    if (s->closing)
        return;
    struct json_writer w = JSON_WRITER(&s->error);
    jsonw_begin_object(&w);
    jsonw_member(&w, "type", "error");
    jsonw_member(&w, "executionId", str_or(id, ""));
    jsonw_member(&w, "code", err_code_name(err->code));
    jsonw_member(&w, "error", err->text);
    jsonw_end_object(&w);
    s->closing = true;
    s->close =
        err->code == ERR_TOO_LARGE ? LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE : LWS_CLOSE_STATUS_POLICY_VIOLATION;
    stream_wake(s);
}

static void stream_fail_text(struct stream *s, const char *id, enum err_code code, const char *text)
{
    struct err err;
    err_code(&err, code, "%s", text);
    stream_fail(s, id, &err);
}

void stream_goodbye(struct stream *s)
{
    s->leaving = true;
    stream_wake(s);
}

int stream_timeout(struct stream *s)
{
    if (!s->asked)
        stream_fail_text(s, NULL, ERR_BAD_REQUEST,
                         "the first message, start or attach, did not come within 10 s");
    return 0;
}

/* ---- what the client says ---- */

static void stream_news(void *arg)
{
    stream_wake(arg);
}

static void stream_watch(struct stream *s, struct execution *execution, uint64_t after_seq)
{
    s->execution = execution_keep(execution);
    s->connection->server->viewers++;
    s->view = journal_view_open(execution_journal(execution), after_seq, stream_news, s);
    stream_wake(s);
}

static void stream_start(struct stream *s, struct message *m)
{
    struct server *server = s->connection->server;
    struct start_request *request = m->start;
    struct err err = {0};
    if (server->draining) {
        stream_fail_text(s, m->id, ERR_BUSY, "the host is ending and starts nothing new");
        return;
    }
    m->start = NULL;
    struct execution *execution =
        executions_start(server->options.executions, request, &s->connection->user, &err);
    if (execution)
        stream_watch(s, execution, 0);
    else
        stream_fail(s, m->id, &err);
}

static void stream_attach(struct stream *s, const struct message *m)
{
    struct execution *execution = executions_find(s->connection->server->options.executions, m->id);
    if (!execution)
        stream_fail_text(s, m->id, ERR_NOT_FOUND, "there is no execution of this executionId");
    else if (!execution_visible(execution, &s->connection->user))
        stream_fail_text(s, m->id, ERR_FORBIDDEN, "this execution belongs to somebody else");
    else
        stream_watch(s, execution, m->after_seq);
}

/* On a socket that carries one execution only that one can be meant. After its end a cancel
 * is ignored: the client could not know. */
static void stream_cancel(struct stream *s, const struct message *m)
{
    struct err err = {0};
    const char *own = execution_id(s->execution);
    if (m->id && strcmp(m->id, own) != 0) {
        stream_fail_text(s, own, ERR_BAD_REQUEST,
                         "this socket carries another execution than the one to cancel");
        return;
    }
    if (execution_cancel(s->execution, &s->connection->user, &err) && err.code != ERR_CONFLICT)
        stream_fail(s, own, &err);
}

static void stream_take(struct stream *s, struct message *m)
{
    const char *own = s->execution ? execution_id(s->execution) : m->id;
    if (m->rc)
        stream_fail(s, own, &m->err);
    else if (m->type == MESSAGE_CANCEL && s->execution)
        stream_cancel(s, m);
    else if (m->type == MESSAGE_CANCEL)
        stream_fail_text(s, own, ERR_BAD_REQUEST, "the first message must be start or attach");
    else if (s->execution)
        stream_fail_text(s, own, ERR_BAD_REQUEST, "one socket carries one execution; only cancel may follow");
    else if (m->type == MESSAGE_START)
        stream_start(s, m);
    else
        stream_attach(s, m);
    message_free(m);
}

static void stream_read_done(void *arg)
{
    struct message *m = arg;
    struct stream *s = m->owner;
    s->job = NULL;
    s->reading = NULL;
    stream_take(s, m);
    if (s->connection->wsi)
        lws_rx_flow_control(s->connection->wsi, 1);
}

static void stream_message(struct stream *s)
{
    size_t len = s->in.len;
    struct message *m = message_new(buf_take(&s->in), len);
    if (!m->text) {
        message_free(m);
        stream_fail_text(s, NULL, ERR_NO_MEMORY, "the host is out of memory");
        return;
    }
    s->asked = true;
    lws_set_timer_usecs(s->connection->wsi, LWS_SET_TIMER_USEC_CANCEL);
    if (len <= EDGE_POOL_BYTES) {
        message_read(m);
        stream_take(s, m);
        return;
    }
    /* A long text would hold the loop up; nothing else is read from this client meanwhile. */
    m->owner = s;
    s->reading = m;
    lws_rx_flow_control(s->connection->wsi, 0);
    s->job = loop_job(s->connection->server->options.loop, message_read, stream_read_done, m);
}

int stream_receive(struct stream *s, const char *data, size_t len)
{
    struct err err;
    if (s->closing)
        return 0;
    int rc = socket_gather(s->connection, &s->in, data, len, EDGE_MESSAGE_BYTES, &err);
    if (rc < 0)
        stream_fail(s, NULL, &err);
    else if (rc)
        stream_message(s);
    return 0;
}

/* ---- what the host says ---- */

/* A frame of what is pending: one event, or a JSON array of as many as fit. `carry` is an
 * event that did not fit the frame before; `alone`: nothing is to be added to it. */
static size_t stream_fill(struct stream *s, bool alone, const char **carry, size_t *carry_len)
{
    char *room = (char *)s->connection->server->frame + LWS_PRE;
    size_t used = 0, len = *carry_len;
    const char *event = *carry ? *carry : journal_view_next(s->view, &len);
    *carry = NULL;
    if (!event)
        return 0;
    if (!s->connection->batch) {
        memcpy(room, event, len);
        return len;
    }
    while (event) {
        if (used && used + 1 + len + 1 > EDGE_FRAME_BYTES) {
            *carry = event;
            *carry_len = len;
            break;
        }
        room[used] = used ? ',' : '[';
        memcpy(room + used + 1, event, len);
        used += len + 1;
        event = alone ? NULL : journal_view_next(s->view, &len);
    }
    room[used++] = ']';
    return used;
}

static int stream_write(struct stream *s, size_t len)
{
    unsigned char *room = s->connection->server->frame + LWS_PRE;
    return lws_write(s->connection->wsi, room, len, LWS_WRITE_TEXT) < (int)len ? -1 : 0;
}

/* A viewer has some time of its own, and less of it where the turn of the loop is long already. */
static bool stream_turn_over(struct stream *s, unsigned frames, size_t bytes, uint64_t began)
{
    if (frames < STREAM_FRAMES_AT_LEAST && bytes < EDGE_FRAME_BYTES / 2)
        return false;
    uint64_t now = uv_hrtime();
    return now - began > STREAM_OWN_MS * 1000000ULL ||
           now / 1000000 > uv_now(loop_uv(s->connection->server->options.loop)) + STREAM_TURN_MS;
}

/* Writes events until there is none (0), or the pipe is full or others must have their turn (1).
 * Nothing is held back here: the place in the journal is all that a viewer has. */
static int stream_write_events(struct stream *s)
{
    const char *carry = NULL;
    size_t carry_len = 0, bytes = 0;
    const uint64_t began = uv_hrtime();
    for (unsigned frames = 0;; frames++) {
        bool stop = lws_send_pipe_choked(s->connection->wsi) || stream_turn_over(s, frames, bytes, began);
        if (stop && !carry) {
            stream_wake(s);
            return 1;
        }
        size_t len = stream_fill(s, stop, &carry, &carry_len);
        if (!len)
            return 0;
        if (stream_write(s, len))
            return -1;
        bytes += len;
    }
}

static int stream_close(struct stream *s)
{
    if (!s->close_sent && socket_close(s->connection, s->close))
        s->closing = s->close_sent = true;
    return 0;
}

/* 0 when it is said, 1 when that must wait, -1 when it cannot be. */
static int stream_write_error(struct stream *s)
{
    char *room = (char *)s->connection->server->frame + LWS_PRE;
    size_t used = 0, len = s->error.len;
    if (lws_send_pipe_choked(s->connection->wsi)) {
        stream_wake(s);
        return 1;
    }
    if (s->error.failed || len > EDGE_FRAME_BYTES)
        return -1;
    if (s->connection->batch)
        room[used++] = '[';
    memcpy(room + used, s->error.data, len);
    used += len;
    if (s->connection->batch)
        room[used++] = ']';
    buf_free(&s->error);
    return stream_write(s, used);
}

int stream_writable(struct stream *s)
{
    int rc = s->error.len || s->error.failed ? stream_write_error(s) : 0;
    if (rc)
        return rc < 0 ? -1 : 0;
    if (s->closing)
        return stream_close(s);
    rc = s->view ? stream_write_events(s) : 0;
    if (rc)
        return rc < 0 ? -1 : 0;
    if (s->view && journal_view_at_end(s->view))
        s->close = LWS_CLOSE_STATUS_NORMAL;
    else if (s->leaving)
        s->close = LWS_CLOSE_STATUS_GOINGAWAY;
    else
        return 0;
    return stream_close(s);
}
