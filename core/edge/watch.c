/* A socket of GET /api/watch: its subscriptions, and what they have to say when there is room. */
#include "edge/watch.h"

#include "base/mem.h"
#include "base/str.h"
#include "edge/watch-internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    WATCH_TURN_MS = 8,
    WATCH_TEXT_BYTES = 64 * 1024, /* a message of a client */
};

TAILQ_HEAD(watch_subs, watch_sub);

struct watch_socket {
    struct connection *connection;
    struct buf in; /* the message that is coming */
    struct watch_subs subs;
    size_t count;      /* of subs, those included whose refusal is still to be said */
    struct err *error; /* to be said before it closes */
    enum lws_close_status close;
    bool asked, closing, close_sent;
};

struct watch_socket *watch_new(struct connection *connection)
{
    struct watch_socket *ws = mem_new(sizeof(*ws));
    ws->connection = connection;
    TAILQ_INIT(&ws->subs);
    lws_set_timer_usecs(connection->wsi, EDGE_HANDSHAKE_S * LWS_US_PER_SEC);
    return ws;
}

static void watch_drop(struct watch_sub *sub)
{
    struct watch_socket *ws = sub->socket;
    TAILQ_REMOVE(&ws->subs, sub, link);
    ws->count--;
    watch_sub_free(sub);
}

static void watch_drop_all(struct watch_socket *ws)
{
    struct watch_sub *sub;
    while ((sub = TAILQ_FIRST(&ws->subs)) != NULL)
        watch_drop(sub);
}

void watch_free(struct watch_socket **socket)
{
    struct watch_socket *ws = *socket;
    if (!ws)
        return;
    *socket = NULL;
    watch_drop_all(ws);
    buf_free(&ws->in);
    free(ws->error);
    free(ws);
}

static void watch_wake(struct watch_socket *ws)
{
    if (ws->connection->wsi)
        lws_callback_on_writable(ws->connection->wsi);
}

void watch_sub_wake(struct watch_sub *sub)
{
    watch_wake(sub->socket);
}

struct server *watch_sub_server(const struct watch_sub *sub)
{
    return sub->socket->connection->server;
}

const struct user *watch_sub_user(const struct watch_sub *sub)
{
    return &sub->socket->connection->user;
}

static void watch_end(struct watch_socket *ws, enum lws_close_status close)
{
    ws->close = close;
    ws->closing = true;
    watch_drop_all(ws);
    watch_wake(ws);
}

/* Says why, then closes. */
static void watch_fail(struct watch_socket *ws, const struct err *err)
{
    if (ws->closing)
        return;
    ws->error = mem_new(sizeof(*ws->error));
    *ws->error = *err;
    watch_end(ws, err->code == ERR_TOO_LARGE ? LWS_CLOSE_STATUS_MESSAGE_TOO_LARGE
                                             : LWS_CLOSE_STATUS_POLICY_VIOLATION);
}

void watch_goodbye(struct watch_socket *ws)
{
    if (!ws->closing)
        watch_end(ws, LWS_CLOSE_STATUS_GOINGAWAY);
}

int watch_timeout(struct watch_socket *ws)
{
    struct err err;
    err_code(&err, ERR_BAD_REQUEST, "the first message, a subscription, did not come within %d s",
             EDGE_HANDSHAKE_S);
    if (!ws->asked)
        watch_fail(ws, &err);
    return 0;
}

/* ---- what the client says ---- */

static void watch_unsubscribe(struct watch_socket *ws, const char *id)
{
    struct watch_sub *sub;
    TAILQ_FOREACH(sub, &ws->subs, link)
    if (str_eq(sub->request.id, id)) {
        watch_drop(sub);
        return;
    }
}

/* Takes the request over. An id that is in use changes what it stands for. */
static void watch_subscribe(struct watch_socket *ws, struct watch_request *request, const struct err *refusal)
{
    static void (*const begin[])(struct watch_hub *, struct watch_sub *) = {watch_executions, watch_objects,
                                                                            watch_scripts, watch_cluster};
    struct err err;
    watch_unsubscribe(ws, request->id);
    struct watch_sub *sub = mem_new(sizeof(*sub));
    sub->socket = ws;
    sub->request = *request;
    TAILQ_INSERT_TAIL(&ws->subs, sub, link);
    ws->count++;
    if (refusal) {
        watch_sub_fail(sub, refusal);
    } else if (ws->count > WATCH_SUBS) {
        err_code(&err, ERR_BUSY, "a socket carries at most %d subscriptions", WATCH_SUBS);
        watch_sub_fail(sub, &err);
    } else {
        begin[request->what](ws->connection->server->watches, sub);
    }
}

static void watch_message(struct watch_socket *ws)
{
    struct watch_request request;
    struct err err = {0};
    int rc = watch_request_read(&request, buf_str(&ws->in), ws->in.len, &err);
    buf_free(&ws->in);
    ws->asked = true;
    lws_set_timer_usecs(ws->connection->wsi, LWS_SET_TIMER_USEC_CANCEL);
    if (!request.id) {
        watch_request_free(&request);
        watch_fail(ws, &err);
    } else if (request.unsubscribe) {
        watch_unsubscribe(ws, request.id);
        watch_request_free(&request);
    } else if (ws->count >= 2 * WATCH_SUBS) {
        watch_request_free(&request);
        err_code(&err, ERR_BUSY, "too many subscriptions, and their refusals are not read");
        watch_fail(ws, &err);
    } else {
        watch_subscribe(ws, &request, rc ? &err : NULL);
    }
}

int watch_receive(struct watch_socket *ws, const char *data, size_t len)
{
    struct err err;
    if (ws->closing)
        return 0;
    int rc = socket_gather(ws->connection, &ws->in, data, len, WATCH_TEXT_BYTES, &err);
    if (rc < 0)
        watch_fail(ws, &err);
    else if (rc)
        watch_message(ws);
    return 0;
}

/* ---- what the host says ---- */

static struct watch_sub *watch_next(struct watch_socket *ws)
{
    struct watch_sub *sub;
    TAILQ_FOREACH(sub, &ws->subs, link)
    if (watch_sub_pending(sub))
        return sub;
    return NULL;
}

static void watch_write_error(const struct watch_socket *ws, struct json_writer *w)
{
    jsonw_begin_object(w);
    jsonw_member(w, "type", "error");
    jsonw_member(w, "id", "");
    jsonw_member(w, "code", err_code_name(ws->error->code));
    jsonw_member(w, "error", ws->error->text);
    jsonw_end_object(w);
}

/* Makes a message of what comes next, and sends it. */
static int watch_write(struct watch_socket *ws, struct watch_sub *sub)
{
    struct buf *out = &ws->connection->server->watches->out;
    struct json_writer w = JSON_WRITER(out);
    bool said = true;
    buf_clear(out);
    if (!buf_reserve(out, LWS_PRE))
        return -1;
    out->len = LWS_PRE;
    if (ws->connection->batch)
        jsonw_begin_array(&w);
    if (sub)
        said = watch_sub_write(sub, &w);
    else
        watch_write_error(ws, &w);
    if (ws->connection->batch)
        jsonw_end_array(&w);
    if (out->failed) {
        buf_free(out);
        return -1;
    }
    int len = (int)(out->len - LWS_PRE);
    if (!said)
        return 0;
    return lws_write(ws->connection->wsi, (unsigned char *)out->data + LWS_PRE, (size_t)len, LWS_WRITE_TEXT) <
                   len
               ? -1
               : 0;
}

static int watch_write_sub(struct watch_socket *ws, struct watch_sub *sub)
{
    int rc = watch_write(ws, sub);
    TAILQ_REMOVE(&ws->subs, sub, link);
    TAILQ_INSERT_TAIL(&ws->subs, sub, link);
    if (sub->failed)
        watch_drop(sub);
    return rc;
}

int watch_writable(struct watch_socket *ws)
{
    const uint64_t until = uv_hrtime() + WATCH_TURN_MS * 1000000ULL;
    struct watch_sub *sub;
    while (ws->error || (sub = watch_next(ws)) != NULL) {
        if (lws_send_pipe_choked(ws->connection->wsi) || uv_hrtime() > until) {
            watch_wake(ws);
            return 0;
        }
        if (ws->error ? watch_write(ws, NULL) : watch_write_sub(ws, sub))
            return -1;
        free(ws->error);
        ws->error = NULL;
    }
    if (ws->closing && !ws->close_sent)
        ws->close_sent = socket_close(ws->connection, ws->close);
    return 0;
}
