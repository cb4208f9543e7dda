#include "cli/remote.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "loop/loop.h"

#include <jansson.h>
#include <libwebsockets.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    REMOTE_AGAIN_MS = 60 * 1000, /* a lost host is tried again for so long */
    REMOTE_CONNECT_S = 10,
    REMOTE_MESSAGE_BYTES = 4 * 1024 * 1024,
    REMOTE_DRAIN_TURNS = 5, /* of the loop, for lws to close its handles */
};

struct remote {
    struct remote_options options; /* strings: owned below */
    char *server, *token, *id, *host, *address, *path;
    int port;
    bool tls;
    char *start, *attach, *cancel; /* messages; attach is made anew for each connection */
    struct lws_context *context;
    struct lws_protocols protocols[2];
    struct lws *wsi;
    struct buf in;
    uint64_t last_seq;
    bool seen;      /* an event came, so the host has the execution */
    bool connected; /* once, so that a loss is a loss */
    bool up;        /* now */
    bool first_sent, again, restart;
    bool cancel_wanted, cancel_sent;
    bool ended;
    int attempt;
    uint64_t lost_at; /* 0: not lost */
    struct timer *retry, *drain;
    int drain_turns;
    struct deferred *ending;
    struct err why;
    bool failed;
};

static const lws_retry_bo_t remote_liveness = {.secs_since_valid_ping = 20, .secs_since_valid_hangup = 60};

static void remote_connect(void *arg);

/* ---- the end: handles are closed through the loop before `end` is told ---- */

static void remote_drained(void *arg)
{
    struct remote *r = arg;
    if (r->context && ++r->drain_turns < REMOTE_DRAIN_TURNS)
        return;
    if (r->context)
        lws_context_destroy(r->context);
    timer_stop(&r->drain);
    r->options.end(r->options.arg, r->failed ? &r->why : NULL);
}

static void remote_wind_up(void *arg)
{
    struct remote *r = arg;
    r->ending = NULL;
    if (r->context)
        lws_context_destroy(r->context);
    r->drain = timer_repeat(r->options.loop, 1, remote_drained, r);
}

static void remote_end(struct remote *r, const struct err *why)
{
    if (r->ended)
        return;
    r->ended = true;
    timer_stop(&r->retry);
    if (why) {
        r->failed = true;
        r->why = *why;
    }
    /* Not from here: this may be inside a callback of lws. */
    r->ending = loop_defer(r->options.loop, remote_wind_up, r);
}

/* ---- losing the host and finding it again ---- */

static void remote_retry(struct remote *r)
{
    static const unsigned waits[] = {50, 100, 250, 500, 1000, 2000};
    const size_t last = sizeof(waits) / sizeof(waits[0]) - 1;
    if (r->retry || r->ended)
        return;
    unsigned wait = waits[(size_t)r->attempt < last ? (size_t)r->attempt : last];
    r->attempt++;
    r->retry = timer_start(r->options.loop, wait, remote_connect, r);
}

static void remote_lost(struct remote *r, const char *why)
{
    struct err err;
    bool was_up = r->up;
    r->up = false;
    r->wsi = NULL;
    buf_clear(&r->in);
    if (r->ended)
        return;
    if (!r->connected) {
        log_debug("%s: %s", r->server, str_or(why, "no connection"));
        if (r->tls)
            err_code(&err, ERR_UNAVAILABLE, "no host answers at %s: %s", r->server,
                     str_or(why, "no connection"));
        else
            err_code(&err, ERR_UNAVAILABLE, "no host answers at %s: is `moonsail serve` running there?",
                     r->server);
        remote_end(r, &err);
        return;
    }
    if (!r->lost_at)
        r->lost_at = clock_mono_ms();
    if (clock_mono_ms() - r->lost_at >= REMOTE_AGAIN_MS) {
        err_code(&err, ERR_UNAVAILABLE,
                 "the host at %s did not come back within %d s; execution %s may go on there", r->server,
                 REMOTE_AGAIN_MS / 1000, r->id);
        remote_end(r, &err);
        return;
    }
    if (was_up && !r->restart)
        r->options.note(r->options.arg, "connection lost, trying again");
    r->again = true;
    remote_retry(r);
}

/* What the host answers instead of opening the WebSocket. */
static void remote_refused(struct remote *r, unsigned status, const char *why)
{
    struct err err;
    if (status == 401)
        err_code(&err, ERR_UNAUTHORIZED, "%s asks for a token: set MOONSAIL_TOKEN or --token-file",
                 r->server);
    else if (status == 403)
        err_code(&err, ERR_FORBIDDEN, "%s refuses this user or this address (403)", r->server);
    else if (status && status != 101 && status < 500)
        err_code(&err, ERR_UNAVAILABLE, "%s answers %u: is it a Moonsail host?", r->server, status);
    else {
        remote_lost(r, why);
        return;
    }
    remote_end(r, &err);
}

/* ---- messages ---- */

static char *remote_message(const char *type, const char *id, uint64_t after_seq)
{
    json_t *root = json_pack("{s:s, s:s}", "type", type, "executionId", id);
    if (root && after_seq)
        json_object_set_new(root, "afterSeq", json_integer((json_int_t)after_seq));
    char *text = root ? json_dumps(root, JSON_COMPACT) : NULL;
    json_decref(root);
    return text;
}

static int remote_send(struct remote *r, const char *text)
{
    size_t n = text ? strlen(text) : 0;
    /* lws masks in place: it gets a copy. */
    unsigned char *room = n ? malloc(LWS_PRE + n) : NULL;
    if (!room)
        return -1;
    memcpy(room + LWS_PRE, text, n);
    int sent = lws_write(r->wsi, room + LWS_PRE, n, LWS_WRITE_TEXT);
    free(room);
    return sent < (int)n ? -1 : 0;
}

/* After a loss the host is asked for the execution; only where it says that it never had it is
 * the start sent again. The id is ours, so nothing can run twice. */
static int remote_send_first(struct remote *r)
{
    r->first_sent = true;
    if (!r->again || r->restart) {
        r->restart = false;
        return remote_send(r, r->start);
    }
    free(r->attach);
    r->attach = remote_message("attach", r->id, r->last_seq);
    return remote_send(r, r->attach);
}

static int remote_writable(struct remote *r)
{
    if (!r->first_sent) {
        if (remote_send_first(r))
            return -1;
        lws_callback_on_writable(r->wsi);
        return 0;
    }
    if (r->cancel_wanted && !r->cancel_sent) {
        r->cancel_sent = true;
        return remote_send(r, r->cancel);
    }
    return 0;
}

static int remote_event(struct remote *r)
{
    json_t *root = json_loadb(buf_str(&r->in), r->in.len, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    const char *code = json_string_value(json_object_get(root, "code"));
    uint64_t seq = (uint64_t)json_integer_value(json_object_get(root, "seq"));
    bool error = str_eq(type, "error"), last = error || str_eq(type, "complete");
    int rc = 0;
    if (!type) {
        struct err err;
        err_code(&err, ERR_UNAVAILABLE, "%s says what no Moonsail host says", r->server);
        remote_end(r, &err);
        rc = -1;
    } else if (error && r->again && !r->seen && r->start && str_eq(code, "not_found")) {
        r->restart = true; /* the start never arrived */
        rc = -1;
    } else if (!seq || seq > r->last_seq) {
        r->seen = r->seen || seq;
        r->last_seq = seq ? seq : r->last_seq;
        r->lost_at = 0;
        r->attempt = 0;
        r->options.event(r->options.arg, buf_str(&r->in), r->in.len);
        if (last)
            remote_end(r, NULL);
    }
    json_decref(root);
    return rc;
}

static int remote_receive(struct remote *r, const void *data, size_t len)
{
    if (r->ended)
        return -1;
    buf_append(&r->in, data, len);
    if (r->in.failed || r->in.len > REMOTE_MESSAGE_BYTES) {
        struct err err;
        err_code(&err, ERR_TOO_LARGE, "%s sends a message larger than %d bytes", r->server,
                 REMOTE_MESSAGE_BYTES);
        remote_end(r, &err);
        return -1;
    }
    if (!lws_is_final_fragment(r->wsi) || lws_remaining_packet_payload(r->wsi))
        return 0;
    int rc = remote_event(r);
    buf_clear(&r->in);
    return rc;
}

static int remote_add_token(struct remote *r, struct lws *wsi, void *in, size_t len)
{
    unsigned char **at = in, *end = *at + len;
    if (!r->token)
        return 0;
    char *value = mem_printf("Bearer %s", r->token);
    int rc = lws_add_http_header_by_token(wsi, WSI_TOKEN_HTTP_AUTHORIZATION, (const unsigned char *)value,
                                          (int)strlen(value), at, end);
    free(value);
    return rc ? -1 : 0;
}

static int remote_callback(struct lws *wsi, enum lws_callback_reasons reason, void *session, void *in,
                           size_t len)
{
    struct remote *r = lws_get_opaque_user_data(wsi);
    (void)session;
    if (!r)
        return 0;
    switch (reason) {
    case LWS_CALLBACK_CLIENT_APPEND_HANDSHAKE_HEADER:
        return remote_add_token(r, wsi, in, len);
    case LWS_CALLBACK_CLIENT_CONNECTION_ERROR:
        lws_set_opaque_user_data(wsi, NULL);
        remote_refused(r, lws_http_client_http_response(wsi), in);
        return 0;
    case LWS_CALLBACK_CLIENT_ESTABLISHED:
        r->wsi = wsi;
        r->connected = r->up = true;
        r->first_sent = r->cancel_sent = false;
        lws_callback_on_writable(wsi);
        return 0;
    case LWS_CALLBACK_CLIENT_WRITEABLE:
        return r->ended ? -1 : remote_writable(r);
    case LWS_CALLBACK_CLIENT_RECEIVE:
        return remote_receive(r, in, len);
    case LWS_CALLBACK_CLIENT_CLOSED:
    case LWS_CALLBACK_WSI_DESTROY: /* all that is told of a peer that hangs up in the handshake */
        lws_set_opaque_user_data(wsi, NULL);
        remote_lost(r, "it closed the connection");
        return 0;
    default:
        return 0;
    }
}

/* ---- connecting ---- */

static void remote_connect(void *arg)
{
    struct remote *r = arg;
    r->retry = NULL;
    struct lws_client_connect_info info = {
        .context = r->context,
        .address = r->address,
        .port = r->port,
        .path = r->path,
        .host = r->host,
        .ssl_connection = r->tls ? LCCSCF_USE_SSL : 0,
        .alpn = "http/1.1",
        .local_protocol_name = r->protocols[0].name,
        .opaque_user_data = r,
        .ietf_version_or_minus_one = -1,
    };
    /* A failure at once is told through CONNECTION_ERROR as well, from inside the call. */
    if (!lws_client_connect_via_info(&info) && !r->ended && !r->retry)
        remote_lost(r, "cannot connect");
}

/* http[s]://HOST[:PORT][/prefix], HOST may be [IPv6]. */
static int remote_read_url(struct remote *r, struct err *err)
{
    const char *at = r->server, *end;
    r->tls = str_starts(at, "https://");
    if (!r->tls && !str_starts(at, "http://"))
        goto bad;
    at += r->tls ? 8 : 7;
    const char *path = at + strcspn(at, "/");
    r->host = mem_strn(at, (size_t)(path - at));
    end = *at == '[' ? strchr(r->host, ']') : NULL;
    if (*at == '[' && !end)
        goto bad;
    const char *colon = end ? (end[1] == ':' ? end + 1 : NULL) : strrchr(r->host, ':');
    if (end && end[1] && !colon)
        goto bad;
    r->port = r->tls ? 443 : 80;
    if (colon) {
        size_t digits = strlen(colon + 1);
        if (digits < 1 || digits > 5 || strspn(colon + 1, "0123456789") != digits)
            goto bad;
        r->port = atoi(colon + 1);
    }
    if (end)
        r->address = mem_strn(r->host + 1, (size_t)(end - r->host - 1));
    else
        r->address = mem_strn(r->host, colon ? (size_t)(colon - r->host) : strlen(r->host));
    if (!*r->address || r->port < 1 || r->port > 65535)
        goto bad;
    size_t prefix = strlen(path);
    while (prefix && path[prefix - 1] == '/')
        prefix--;
    r->path = mem_printf("%.*s/api/execution/stream", (int)prefix, path);
    return 0;
bad:
    return err_code(err, ERR_BAD_REQUEST, "--server %s: expected http://HOST:PORT or https://HOST",
                    r->server);
}

/* The start request with its type and an id, so that it can be asked for after a loss. */
static int remote_read_start(struct remote *r, const char *start, size_t len, struct err *err)
{
    json_error_t fault;
    json_t *root = json_loadb(start, len, 0, &fault);
    int rc = -1;
    if (!json_is_object(root)) {
        err_code(err, ERR_BAD_REQUEST, "the start request is no JSON object: %s", fault.text);
        goto out;
    }
    const char *id = json_string_value(json_object_get(root, "executionId"));
    unsigned char random[8];
    if (str_empty(id)) {
        if (lws_get_random(r->context, random, sizeof(random)) != sizeof(random)) {
            err_set(err, "this machine gives no random bytes");
            goto out;
        }
        uint64_t n;
        memcpy(&n, random, sizeof(n));
        r->id = mem_printf("cli-%016llx", (unsigned long long)n);
        json_object_set_new(root, "executionId", json_string(r->id));
    } else {
        r->id = mem_str(id);
    }
    json_object_set_new(root, "type", json_string("start"));
    r->start = json_dumps(root, JSON_COMPACT);
    r->cancel = remote_message("cancel", r->id, 0);
    if (!r->start || !r->cancel)
        err_no_memory(err);
    else
        rc = 0;
out:
    json_decref(root);
    return rc;
}

/* An execution that is there already: as after a loss, but it is never started. */
static int remote_read_attach(struct remote *r, struct err *err)
{
    r->id = mem_str(r->options.attach);
    r->last_seq = r->options.after_seq;
    r->again = true;
    r->cancel = remote_message("cancel", r->id, 0);
    return r->cancel ? 0 : err_no_memory(err);
}

static void remote_lws_log(int level, const char *line)
{
    (void)level;
    log_debug("libwebsockets: %.*s", (int)strcspn(line, "\n"), line);
}

static int remote_start_lws(struct remote *r, struct err *err)
{
    void *loops[] = {loop_uv(r->options.loop)};
    /* Without tx_packet_size a manifest would leave in pieces of 4 KiB, one a turn of the loop. */
    r->protocols[0] = (struct lws_protocols){
        .name = "moonsail", .callback = remote_callback, .tx_packet_size = REMOTE_MESSAGE_BYTES};
    struct lws_context_creation_info info = {
        .port = CONTEXT_PORT_NO_LISTEN,
        .options = LWS_SERVER_OPTION_LIBUV | LWS_SERVER_OPTION_EXPLICIT_VHOSTS |
                   (r->tls ? LWS_SERVER_OPTION_DO_SSL_GLOBAL_INIT : 0),
        .foreign_loops = loops,
        .protocols = r->protocols,
        .vhost_name = "moonsail",
        .connect_timeout_secs = REMOTE_CONNECT_S,
        .timeout_secs = REMOTE_CONNECT_S,
        .retry_and_idle_policy = &remote_liveness,
        .pcontext = &r->context,
        .gid = (gid_t)-1,
        .uid = (uid_t)-1,
    };
    lws_set_log_level(LLL_ERR | LLL_WARN, remote_lws_log);
    r->context = lws_create_context(&info);
    if (!r->context)
        return err_set(
            err, "libwebsockets does not start: is its libuv plug-in installed (libwebsockets-evlib-uv)?");
    if (!lws_create_vhost(r->context, &info))
        return err_set(err, "libwebsockets does not make its virtual host");
    return 0;
}

struct remote *remote_start(const struct remote_options *options, struct err *err)
{
    struct remote *r = mem_new(sizeof(*r));
    r->options = *options;
    r->server = mem_str(options->server);
    r->token = mem_str(options->token);
    if (remote_read_url(r, err) || remote_start_lws(r, err) ||
        (options->attach ? remote_read_attach(r, err)
                         : remote_read_start(r, options->start, options->start_len, err))) {
        remote_free(&r);
        return NULL;
    }
    r->retry = timer_start(options->loop, 0, remote_connect, r);
    return r;
}

void remote_cancel(struct remote *r)
{
    r->cancel_wanted = true;
    if (r->wsi && r->up)
        lws_callback_on_writable(r->wsi);
}

void remote_free(struct remote **remote)
{
    struct remote *r = *remote;
    if (!r)
        return;
    *remote = NULL;
    bool winding_up = r->drain != NULL;
    r->ended = true;
    timer_stop(&r->retry);
    timer_stop(&r->drain);
    deferred_cancel(&r->ending);
    if (r->context && !winding_up)
        lws_context_destroy(r->context);
    for (int i = 0; i < REMOTE_DRAIN_TURNS && r->context; i++)
        uv_run(loop_uv(r->options.loop), UV_RUN_NOWAIT);
    if (r->context)
        lws_context_destroy(r->context);
    buf_free(&r->in);
    free(r->server);
    free(r->token);
    free(r->id);
    free(r->host);
    free(r->address);
    free(r->path);
    free(r->start);
    free(r->attach);
    free(r->cancel);
    free(r);
}
