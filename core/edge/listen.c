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
    bool metrics;
    struct listener *both[2]; /* 127.0.0.1 and ::1; the second NULL without IPv6, or for another address */
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
            server_adopt(l->server, fd, l->metrics);
            continue;
        }
        if (errno == EINTR || errno == ECONNABORTED)
            continue;
        if (errno != EAGAIN && errno != EWOULDBLOCK)
            listeners_pause(l);
        return;
    }
}

union listen_address {
    struct sockaddr any;
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
};

/* What a flag says. */
struct listen_to {
    const char *flag;
    bool loopback; /* by 127.0.0.1 and ::1, both */
    union listen_address address;
    unsigned port;
};

static bool listen_is_loopback(const char *host)
{
    static const char *const names[] = {"127.0.0.1", "localhost", "[::1]", "::1"};
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
        if (strcasecmp(names[i], host) == 0)
            return true;
    return false;
}

/* "10.0.0.1" or "[fd00::1]". */
static bool listen_is_address(const char *host, union listen_address *address)
{
    char v6[64];
    size_t len = strlen(host);
    if (inet_pton(AF_INET, host, &address->in.sin_addr) == 1) {
        address->in.sin_family = AF_INET;
        return true;
    }
    if (len < 2 || len >= sizeof(v6) || host[0] != '[' || host[len - 1] != ']')
        return false;
    memcpy(v6, host + 1, len - 2);
    v6[len - 2] = '\0';
    address->in6.sin6_family = AF_INET6;
    return inet_pton(AF_INET6, v6, &address->in6.sin6_addr) == 1;
}

/* "HOST:PORT", "[V6]:PORT". Only loopback is for local authentication; metrics have none. */
static int listen_parse(bool metrics, const char *text, struct listen_to *to, struct err *err)
{
    const char *colon = strrchr(text, ':');
    const char *digits = colon ? colon + 1 : "";
    size_t n = strlen(digits);
    *to = (struct listen_to){.flag = metrics ? "--metrics-listen" : "--listen"};
    if (!colon || n == 0 || n > 5 || strspn(digits, "0123456789") != n || strtoul(digits, NULL, 10) > 65535)
        return err_code(err, ERR_BAD_REQUEST,
                        "%s %s: expected HOST:PORT, for example 127.0.0.1:%s (port 0: any free one)",
                        to->flag, text, metrics ? "9090" : "7070");
    to->port = (unsigned)strtoul(digits, NULL, 10);
    char *host = mem_strn(text, (size_t)(colon - text));
    to->loopback = listen_is_loopback(host);
    bool good = to->loopback ? listen_is_address("127.0.0.1", &to->address)
                             : metrics && listen_is_address(host, &to->address);
    free(host);
    if (good)
        return 0;
    if (metrics)
        return err_code(err, ERR_BAD_REQUEST,
                        "%s %s: HOST must be an address (127.0.0.1, 0.0.0.0, [::]) or localhost", to->flag,
                        text);
    return err_code(
        err, ERR_BAD_REQUEST,
        "--listen %s: with local authentication the host listens on loopback only (127.0.0.1, [::1] "
        "or localhost); on another address name users with --auth tokens",
        text);
}

/* The descriptor, -1 with errno. */
static int listen_bind(const union listen_address *at, unsigned port)
{
    union listen_address address = *at;
    int family = at->any.sa_family;
    socklen_t len = family == AF_INET ? sizeof(address.in) : sizeof(address.in6);
    if (family == AF_INET)
        address.in.sin_port = htons((uint16_t)port);
    else
        address.in6.sin6_port = htons((uint16_t)port);
    int on = 1, fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
        (family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof(on))) ||
        bind(fd, &address.any, len) || listen(fd, LISTEN_BACKLOG)) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

static unsigned listen_port(int fd)
{
    struct sockaddr_in6 in6 = {0}; /* the port lies in the same place in both families */
    socklen_t len = sizeof(in6);
    return getsockname(fd, (struct sockaddr *)&in6, &len) ? 0 : ntohs(in6.sin6_port);
}

/* "127.0.0.1:7070"; the caller frees. */
static char *listen_text(const union listen_address *address, unsigned port)
{
    char host[INET6_ADDRSTRLEN] = "";
    bool v6 = address->any.sa_family == AF_INET6;
    inet_ntop(address->any.sa_family,
              v6 ? (const void *)&address->in6.sin6_addr : (const void *)&address->in.sin_addr, host,
              sizeof(host));
    return mem_printf(v6 ? "[%s]:%u" : "%s:%u", host, port);
}

static int listen_failed(struct err *err, const struct listen_to *to, const union listen_address *address,
                         unsigned port)
{
    int why = errno;
    char *text = listen_text(address, port);
    if (why == EADDRINUSE)
        err_code(err, ERR_CONFLICT,
                 "cannot listen on %s: address already in use (another host runs there? choose a port "
                 "with %s)",
                 text, to->flag);
    else
        err_set(err, "cannot listen on %s: %s", text, strerror(why));
    free(text);
    return -1;
}

/* Both families on one port, or neither; fds[1] is -1 on a machine without IPv6, and for an address that
 * is no loopback. */
static int listen_open(const struct listen_to *to, int fds[2], unsigned *port, struct err *err)
{
    union listen_address v6 = {0};
    listen_is_address("[::1]", &v6);
    for (int tries = 0; tries < LISTEN_PORT_TRIES; tries++) {
        fds[1] = -1;
        fds[0] = listen_bind(&to->address, to->port);
        if (fds[0] < 0)
            return listen_failed(err, to, &to->address, to->port);
        *port = listen_port(fds[0]);
        if (!to->loopback)
            return 0;
        fds[1] = listen_bind(&v6, *port);
        if (fds[1] >= 0 || errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)
            return 0;
        int why = errno;
        close(fds[0]);
        errno = why;
        if (to->port || errno != EADDRINUSE)
            break;
    }
    return listen_failed(err, to, &v6, *port);
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

int server_check_listen(const char *listen_on, const char *metrics_listen, struct err *err)
{
    struct listen_to to;
    if (listen_parse(false, listen_on, &to, err))
        return -1;
    return metrics_listen ? listen_parse(true, metrics_listen, &to, err) : 0;
}

struct listeners *listeners_open(struct server *server, bool metrics, struct err *err)
{
    struct listen_to to;
    unsigned port = 0;
    int fds[2];
    if (listen_parse(metrics, metrics ? server->options.metrics_listen : server->options.listen, &to, err) ||
        listen_open(&to, fds, &port, err))
        return NULL;
    char *text = listen_text(&to.address, port);
    if (metrics) {
        server->metrics_url = mem_printf("http://%s/metrics", text);
    } else {
        server->port = port;
        server->url = mem_printf("http://%s", text);
    }
    free(text);
    struct listeners *l = mem_new(sizeof(*l));
    l->server = server;
    l->metrics = metrics;
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
