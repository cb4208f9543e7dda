/* fake_api.h: an API server for tests, plain HTTP on loopback, on the loop of the test itself. It
 * keeps what it was asked and answers as the test's function says. Included by one program only. */
#pragma once

#include "base/buf.h"
#include "base/mem.h"
#include "loop/loop.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

enum { FAKE_ASKED_MAX = 4096 };
enum fake_deed { FAKE_ANSWER, FAKE_HANG, FAKE_CLOSE, FAKE_STREAM };

struct fake_asked {
    char *method, *target, *head, *body;
};

struct fake_answer {
    enum fake_deed deed;
    int status;
    const char *headers; /* whole lines, or NULL */
    const char *body;
};

struct fake_api;
typedef void fake_fn(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer);

struct fake_connection {
    uv_tcp_t tcp;
    LIST_ENTRY(fake_connection) link;
    struct fake_api *api;
    struct buf in;
};

struct fake_api {
    struct loop *loop;
    uv_tcp_t tcp;
    bool listens;
    int port;
    fake_fn *fn;
    void *arg;
    LIST_HEAD(, fake_connection) connections;
    struct fake_connection *stream; /* the last that FAKE_STREAM began, while it is open */
    struct fake_asked asked[FAKE_ASKED_MAX];
    size_t count;
};

struct fake_write {
    uv_write_t uv;
    struct buf out;
};

static inline void fake_closed(uv_handle_t *handle)
{
    struct fake_connection *c = handle->data;
    buf_free(&c->in);
    free(c);
}

static inline void fake_close(struct fake_connection *c)
{
    LIST_REMOVE(c, link);
    if (c->api->stream == c)
        c->api->stream = NULL;
    uv_close((uv_handle_t *)&c->tcp, fake_closed);
}

static inline void fake_written(uv_write_t *uv, int status)
{
    struct fake_write *w = (struct fake_write *)uv;
    (void)status;
    buf_free(&w->out);
    free(w);
}

static inline void fake_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)handle;
    *buf = uv_buf_init(mem_new(suggested), (unsigned)suggested);
}

static inline void fake_write(struct fake_connection *c, struct buf *out)
{
    struct fake_write *w = mem_new(sizeof(*w));
    w->out = *out;
    uv_buf_t data = uv_buf_init(w->out.data, (unsigned)w->out.len);
    uv_write(&w->uv, (uv_stream_t *)&c->tcp, &data, 1, fake_written);
}

static inline void fake_reply(struct fake_connection *c, const struct fake_answer *a)
{
    struct buf out = {0};
    buf_printf(&out, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nContent-Type: application/json\r\n%s\r\n%s",
               a->status, strlen(a->body), a->headers ? a->headers : "", a->body);
    fake_write(c, &out);
}

static inline void fake_stream_begin(struct fake_connection *c)
{
    struct buf out = {0};
    buf_puts(&out, "HTTP/1.1 200 X\r\nTransfer-Encoding: chunked\r\nContent-Type: application/json\r\n\r\n");
    c->api->stream = c;
    uv_tcp_nodelay(&c->tcp, 1);
    fake_write(c, &out);
}

/* More of the body; NULL: its end. To break it off: fake_close(api->stream). */
static inline void fake_stream(struct fake_api *api, const char *data, size_t len)
{
    struct buf out = {0};
    buf_printf(&out, "%zx\r\n", data ? len : 0);
    buf_append(&out, data, data ? len : 0);
    buf_puts(&out, "\r\n");
    fake_write(api->stream, &out);
    if (!data)
        api->stream = NULL;
}

/* True when a whole request was there and was dealt with. */
static inline bool fake_next(struct fake_connection *c)
{
    struct fake_api *api = c->api;
    char *end = c->in.len ? strstr(c->in.data, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    size_t head = (size_t)(end - c->in.data) + 4, body = 0;
    struct fake_asked asked = {.head = mem_strn(c->in.data, head)};
    char *length = strcasestr(asked.head, "\r\ncontent-length:");
    if (length)
        body = strtoul(length + 17, NULL, 10);
    if (c->in.len < head + body) {
        free(asked.head);
        return false;
    }
    size_t method = strcspn(asked.head, " ");
    asked.method = mem_strn(asked.head, method);
    asked.target = mem_strn(asked.head + method + 1, strcspn(asked.head + method + 1, " "));
    asked.body = mem_strn(c->in.data + head, body);
    buf_consume(&c->in, head + body);
    if (api->count == FAKE_ASKED_MAX)
        abort();
    api->asked[api->count++] = asked;
    struct fake_answer answer = {.deed = FAKE_ANSWER, .status = 200, .body = "{}"};
    api->fn(api, &asked, &answer);
    if (answer.deed == FAKE_CLOSE) {
        fake_close(c);
        return false;
    }
    if (answer.deed == FAKE_ANSWER)
        fake_reply(c, &answer);
    if (answer.deed == FAKE_STREAM)
        fake_stream_begin(c);
    return true;
}

static inline void fake_read(uv_stream_t *stream, ssize_t n, const uv_buf_t *buf)
{
    struct fake_connection *c = stream->data;
    if (n > 0)
        buf_append(&c->in, buf->base, (size_t)n);
    free(buf->base);
    if (n < 0)
        fake_close(c);
    else
        while (fake_next(c))
            ;
}

static inline void fake_connect(uv_stream_t *server, int status)
{
    struct fake_api *api = server->data;
    struct fake_connection *c = mem_new(sizeof(*c));
    (void)status;
    c->api = api;
    uv_tcp_init(loop_uv(api->loop), &c->tcp);
    c->tcp.data = c;
    LIST_INSERT_HEAD(&api->connections, c, link);
    uv_accept(server, (uv_stream_t *)&c->tcp);
    uv_read_start((uv_stream_t *)&c->tcp, fake_alloc, fake_read);
}

static inline void fake_api_start(struct fake_api *api, struct loop *loop, fake_fn *fn)
{
    struct sockaddr_in address;
    int size = sizeof(address);
    *api = (struct fake_api){.loop = loop, .fn = fn, .listens = true};
    LIST_INIT(&api->connections);
    uv_ip4_addr("127.0.0.1", 0, &address);
    uv_tcp_init(loop_uv(loop), &api->tcp);
    api->tcp.data = api;
    if (uv_tcp_bind(&api->tcp, (struct sockaddr *)&address, 0) ||
        uv_listen((uv_stream_t *)&api->tcp, 64, fake_connect) ||
        uv_tcp_getsockname(&api->tcp, (struct sockaddr *)&address, &size))
        abort();
    api->port = ntohs(address.sin_port);
}

/* Closes the port and every connection; what was asked stays known. */
static inline void fake_api_stop(struct fake_api *api)
{
    while (!LIST_EMPTY(&api->connections))
        fake_close(LIST_FIRST(&api->connections));
    if (api->listens)
        uv_close((uv_handle_t *)&api->tcp, NULL);
    api->listens = false;
}

static inline void fake_api_forget(struct fake_api *api)
{
    for (size_t i = 0; i < api->count; i++) {
        free(api->asked[i].method);
        free(api->asked[i].target);
        free(api->asked[i].head);
        free(api->asked[i].body);
    }
    api->count = 0;
}

/* How often a target was asked that begins so. */
static inline size_t fake_api_asked(const struct fake_api *api, const char *target)
{
    size_t n = 0;
    for (size_t i = 0; i < api->count; i++)
        n += strncmp(api->asked[i].target, target, strlen(target)) == 0;
    return n;
}
