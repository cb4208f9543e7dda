#include "base/mem.h"
#include "io/http-internal.h"

#include <netinet/in.h>
#include <unistd.h>

static void socket_closed(uv_handle_t *handle)
{
    free(handle->data);
}

/* uv_close() takes the descriptor out of epoll at once, so it may be closed and its
 * number used again right after; only the memory waits. */
static void socket_forget(struct http_socket *s)
{
    LIST_REMOVE(s, link);
    uv_close((uv_handle_t *)&s->poll, socket_closed);
}

static struct http_socket *socket_find(struct http_pool *pool, curl_socket_t fd)
{
    struct http_socket *s;

    LIST_FOREACH(s, &pool->sockets, link)
    if (s->fd == fd)
        return s;
    return NULL;
}

/* curl may close a socket without saying that it stops watching it. */
int pool_close_socket(void *arg, curl_socket_t fd)
{
    struct http_socket *s = socket_find(arg, fd);

    if (s)
        socket_forget(s);
    return close(fd);
}

bool pool_is_connected(struct http_pool *pool, curl_socket_t fd)
{
    struct sockaddr_storage peer;
    socklen_t len = sizeof peer;

    return socket_find(pool, fd) && !getpeername(fd, (struct sockaddr *)&peer, &len);
}

static void act(struct http_pool *pool, curl_socket_t fd, int what)
{
    int running;

    curl_multi_socket_action(pool->multi, fd, what, &running);
    pool_settle(pool);
}

static void socket_ready(uv_poll_t *poll, int status, int events)
{
    struct http_socket *s = poll->data;
    int what = 0;

    /* libuv stops watching a socket in error; curl finds the reason itself. */
    if (status < 0)
        what = CURL_CSELECT_ERR | CURL_CSELECT_IN | CURL_CSELECT_OUT;
    if (events & UV_READABLE)
        what |= CURL_CSELECT_IN;
    if (events & UV_WRITABLE)
        what |= CURL_CSELECT_OUT;
    act(s->pool, s->fd, what);
}

static struct http_socket *socket_watch(struct http_pool *pool, curl_socket_t fd)
{
    struct http_socket *s = mem_new(sizeof *s);

    s->pool = pool;
    s->fd = fd;
    s->poll.data = s;
    if (uv_poll_init(loop_uv(pool->client->loop), &s->poll, fd)) {
        free(s);
        return NULL;
    }
    LIST_INSERT_HEAD(&pool->sockets, s, link);
    return s;
}

static int on_socket(CURL *easy, curl_socket_t fd, int what, void *arg, void *unused)
{
    struct http_pool *pool = arg;
    struct http_socket *s = socket_find(pool, fd);
    int events = 0;

    (void)easy;
    (void)unused;
    if (what == CURL_POLL_REMOVE) {
        if (s)
            socket_forget(s);
        return 0;
    }
    if (!s)
        s = socket_watch(pool, fd);
    if (what & CURL_POLL_IN)
        events |= UV_READABLE;
    if (what & CURL_POLL_OUT)
        events |= UV_WRITABLE;
    /* Returning -1 would make the whole multi handle unusable; like this, the calls on the
     * socket end at their limit, and those to come start afresh. */
    if (!s || uv_poll_start(&s->poll, events, socket_ready))
        pool->retired = true;
    return 0;
}

static void timer_fired(uv_timer_t *timer)
{
    act(timer->data, CURL_SOCKET_TIMEOUT, 0);
}

/* Also for 0: curl must not be called from its own callback. */
static int on_timer(CURLM *multi, long ms, void *arg)
{
    struct http_pool *pool = arg;

    (void)multi;
    if (ms < 0)
        uv_timer_stop(&pool->timer);
    else
        uv_timer_start(&pool->timer, timer_fired, (uint64_t)ms, 0);
    return 0;
}

struct http_pool *pool_new(struct http_client *client, bool streams)
{
    struct http_pool *pool = mem_new(sizeof *pool);

    pool->client = client;
    pool->streams = streams;
    pool->multi = curl_multi_init();
    if (!pool->multi) {
        free(pool);
        return NULL;
    }
    LIST_INIT(&pool->sockets);
    TAILQ_INIT(&pool->calls);
    TAILQ_INIT(&pool->ready);
    uv_timer_init(loop_uv(client->loop), &pool->timer);
    pool->timer.data = pool;
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETFUNCTION, on_socket);
    curl_multi_setopt(pool->multi, CURLMOPT_SOCKETDATA, pool);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERFUNCTION, on_timer);
    curl_multi_setopt(pool->multi, CURLMOPT_TIMERDATA, pool);
    if (!streams) {
        curl_multi_setopt(pool->multi, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_TOTAL_CONNECTIONS, (long)HTTP_MAX_CONNECTIONS);
        curl_multi_setopt(pool->multi, CURLMOPT_MAX_CONCURRENT_STREAMS, (long)HTTP_MAX_STREAMS);
        curl_multi_setopt(pool->multi, CURLMOPT_MAXCONNECTS, (long)HTTP_MAX_CONNECTIONS);
    }
    TAILQ_INSERT_TAIL(&client->pools, pool, link);
    return pool;
}

static void pool_gone(uv_handle_t *handle)
{
    free(handle->data);
}

void pool_close(struct http_pool *pool)
{
    struct http_socket *s;

    TAILQ_REMOVE(&pool->client->pools, pool, link);
    curl_multi_cleanup(pool->multi);
    while ((s = LIST_FIRST(&pool->sockets)))
        socket_forget(s);
    pool->closed = true;
    pool->client = NULL;
    uv_close((uv_handle_t *)&pool->timer, pool_gone);
}

void pool_close_if_done(struct http_pool *pool)
{
    if (pool->retired && !pool->closed && !pool->settling && TAILQ_EMPTY(&pool->calls))
        pool_close(pool);
}

/* Takes what curl has finished, then runs the callers' callbacks, which may send,
 * cancel, and free the client; the pool's memory outlives that until the next turn. */
void pool_settle(struct http_pool *pool)
{
    struct http_call *call;
    CURLMsg *msg;
    int left;

    if (pool->settling)
        return;
    pool->settling = true;
    while ((msg = curl_multi_info_read(pool->multi, &left))) {
        CURLcode result = msg->data.result;
        char *arg = NULL;

        if (msg->msg != CURLMSG_DONE)
            continue;
        curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &arg);
        call_finish((struct http_call *)(void *)arg, result);
    }
    while (!pool->closed && (call = TAILQ_FIRST(&pool->ready)))
        call_deliver(call);
    pool->settling = false;
    pool_close_if_done(pool);
}
