#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"
#include "base/str.h"
#include "edge/edge-internal.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
    LISTEN_BACKLOG = 1024,
    LISTEN_A_TURN = 64, /* accepts, before others have their turn */
    LISTEN_WARN_MS = 60 * 1000,
    LISTEN_PAUSE_MS = 100,  /* when descriptors have run out */
    LISTEN_PORT_TRIES = 32, /* for a port that is free in both families */
};

struct listener {
    uv_poll_t poll;
    struct listeners *owner;
    int fd;
};

struct listeners {
    struct server *server;
    struct listener *both[2]; /* 127.0.0.1 and ::1; the second NULL without IPv6 */
    struct timer *pause;
    uint64_t warned_at;
};

static void listener_readable(uv_poll_t *poll, int status, int events);

static void listeners_watch(struct listeners *l)
{
    for (int i = 0; i < 2; i++)
        if (l->both[i])
            uv_poll_start(&l->both[i]->poll, UV_READABLE, listener_readable);
}

static void listeners_resume(void *arg)
{
    struct listeners *l = arg;
    l->pause = NULL;
    listeners_watch(l);
}

/* Out of descriptors the socket stays readable: without a pause the loop would spin. */
static void listeners_pause(struct listeners *l)
{
    if (l->pause)
        return;
    if (!l->warned_at || clock_mono_ms() - l->warned_at > LISTEN_WARN_MS) {
        log_warn("cannot accept connections: %s; trying again until it works", strerror(errno));
        l->warned_at = clock_mono_ms();
    }
    for (int i = 0; i < 2; i++)
        if (l->both[i])
            uv_poll_stop(&l->both[i]->poll);
    l->pause = timer_start(l->server->options.loop, LISTEN_PAUSE_MS, listeners_resume, l);
}

static void listener_readable(uv_poll_t *poll, int status, int events)
{
    struct listener *listener = poll->data;
    struct listeners *l = listener->owner;
    (void)events;
    if (status < 0)
        return;
    for (int i = 0; i < LISTEN_A_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            int on = 1;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
            server_adopt(l->server, fd);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            listeners_pause(l);
        return;
    }
}

/* "HOST:PORT", "[V6]:PORT", ":PORT". Only loopback is for local authentication. */
static int listen_parse(const char *listen_text, unsigned *port, struct err *err)
{
    const char *colon = strrchr(listen_text, ':');
    const char *digits = colon ? colon + 1 : "";
    size_t n = strlen(digits);
    if (!colon || n == 0 || n > 5 || strspn(digits, "0123456789") != n || strtoul(digits, NULL, 10) > 65535)
        return err_code(err, ERR_BAD_REQUEST,
                        "--listen %s: expected HOST:PORT, for example 127.0.0.1:7070 (port 0: any free one)",
                        listen_text);
    *port = (unsigned)strtoul(digits, NULL, 10);
    static const char *const loopback[] = {"127.0.0.1", "localhost", "[::1]", "::1"};
    size_t host = (size_t)(colon - listen_text);
    for (size_t i = 0; i < sizeof(loopback) / sizeof(loopback[0]); i++)
        if (strlen(loopback[i]) == host && strncasecmp(loopback[i], listen_text, host) == 0)
            return 0;
    return err_code(
        err, ERR_BAD_REQUEST,
        "--listen %s: with local authentication the host listens on loopback only (127.0.0.1, [::1] "
        "or localhost); on another address name users with --auth tokens",
        listen_text);
}

/* The descriptor, -1 with errno. */
static int listen_bind(int family, unsigned port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    const struct sockaddr *address = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
        bind(fd, address, family == AF_INET ? sizeof(in) : sizeof(in6)) || listen(fd, LISTEN_BACKLOG)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static unsigned listen_port(int fd)
{
    struct sockaddr_in in = {0};
    socklen_t len = sizeof(in);
    return getsockname(fd, (struct sockaddr *)&in, &len) ? 0 : ntohs(in.sin_port);
}

static int listen_failed(struct err *err, const char *host, unsigned port)
{
    if (errno == EADDRINUSE)
        return err_code(
            err, ERR_CONFLICT,
            "cannot listen on %s:%u: address already in use (another host runs there? choose a port "
            "with --listen)",
            host, port);
    return err_set(err, "cannot listen on %s:%u: %s", host, port, strerror(errno));
}

/* Both families on one port, or neither; fds[1] is -1 on a machine without IPv6. */
static int listen_both(unsigned wanted, int fds[2], unsigned *port, struct err *err)
{
    for (int tries = 0; tries < LISTEN_PORT_TRIES; tries++) {
        fds[0] = listen_bind(AF_INET, wanted);
        if (fds[0] < 0)
            return listen_failed(err, "127.0.0.1", wanted);
        *port = listen_port(fds[0]);
        fds[1] = listen_bind(AF_INET6, *port);
        if (fds[1] >= 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
            return 0;
        int why = errno;
        close(fds[0]);
        errno = why;
        if (wanted || errno != EADDRINUSE)
            break;
    }
    return listen_failed(err, "[::1]", *port);
}

static struct listener *listener_new(struct listeners *owner, int fd)
{
    if (fd < 0)
        return NULL;
    struct listener *listener = mem_new(sizeof(*listener));
    listener->owner = owner;
    listener->fd = fd;
    uv_poll_init(loop_uv(owner->server->options.loop), &listener->poll, fd);
    listener->poll.data = listener;
    return listener;
}

int server_check_listen(const char *listen_text, struct err *err)
{
    unsigned port;
    return listen_parse(listen_text, &port, err);
}

struct listeners *listeners_open(struct server *server, const char *listen_text, struct err *err)
{
    unsigned wanted = 0;
    int fds[2];
    if (listen_parse(listen_text, &wanted, err) || listen_both(wanted, fds, &server->port, err))
        return NULL;
    struct listeners *l = mem_new(sizeof(*l));
    l->server = server;
    for (int i = 0; i < 2; i++)
        l->both[i] = listener_new(l, fds[i]);
    listeners_watch(l);
    return l;
}

static void listener_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void listeners_close(struct listeners **listeners)
{
    struct listeners *l = *listeners;
    if (!l)
        return;
    *listeners = NULL;
    timer_stop(&l->pause);
    for (int i = 0; i < 2; i++) {
        if (!l->both[i])
            continue;
        uv_poll_stop(&l->both[i]->poll);
        close(l->both[i]->fd);
        uv_close((uv_handle_t *)&l->both[i]->poll, listener_closed);
    }
    free(l);
}
