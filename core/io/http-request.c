#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"
#include "io/http-internal.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

static const char *find_header(const struct http_request *request, const char *name)
{
    size_t n = strlen(name);

    for (const char *const *h = request->headers; h && *h; h++)
        if (!strncasecmp(*h, name, n) && (*h)[n] == ':')
            return *h;
    return NULL;
}

/* A line end in a name or token that came from outside would smuggle in a header. */
int request_check(const struct http_request *request, struct err *err)
{
    static const char token[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz-";

    if (str_empty(request->method) || request->method[strspn(request->method, token)])
        return err_code(err, ERR_BAD_REQUEST, "\"%s\" is no HTTP method", str_or(request->method, ""));
    for (const char *const *h = request->headers; h && *h; h++)
        if (strpbrk(*h, "\r\n") || !strchr(*h, ':') || **h == ':')
            return err_code(err, ERR_BAD_REQUEST, "a request header is no \"Name: value\" on one line");
    return 0;
}

static bool repeatable(const char *method)
{
    return str_eq(method, "GET") || str_eq(method, "HEAD") || str_eq(method, "OPTIONS");
}

/* Close-on-exec from the start: a command that the host runs must not hold a cluster's socket. */
static curl_socket_t on_open(void *arg, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct http_call *call = arg;

    (void)purpose;
    call->pool->opened_ms = clock_mono_ms();
    return call->fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
}

/* Without these a path that went dead is noticed after a quarter of an hour. */
static int on_opened(void *arg, curl_socket_t fd, curlsocktype purpose)
{
    int on = 1, idle = 15, interval = 5, count = 3, limit = HTTP_DEAD_PATH_MS;

    (void)arg;
    if (purpose != CURLSOCKTYPE_IPCXN)
        return CURL_SOCKOPT_OK;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &limit, sizeof limit);
    return CURL_SOCKOPT_OK;
}

/* Runs when a connection is ready to carry the request, so before it nothing was sent.
 * curl repeats any request whose connection died without an answer; for a write that
 * the server may have seen, that is stopped here. */
static int on_carried(void *arg, char *ip, char *local_ip, int port, int local_port)
{
    struct http_call *call = arg;

    (void)ip;
    (void)local_ip;
    (void)port;
    if (call->attempts && !call->repeatable && call->on_wire && !call->refused)
        return CURL_PREREQFUNC_ABORT;
    head_clear(&call->head); /* a proxy's answer to CONNECT */
    call->attempts++;
    call->on_wire = call->refused = false;
    call->stream_id = 0;
    call->local_port = local_port;
    call->heard_ms = clock_mono_ms();
    return CURL_PREREQFUNC_OK;
}

/* Whoever reads the connection hears of it, for all whose streams are on it. */
static void learn_of_goaway(const struct http_call *call, unsigned last)
{
    struct http_call *other;

    TAILQ_FOREACH(other, &call->pool->calls, link)
    {
        if (other->attempts && other->local_port == call->local_port && other->stream_id > last)
            other->refused = true;
    }
}

/* Curl tells these things only in its log. Should its words change one day, such a write
 * is reported as perhaps sent, which is safe. */
static void learn_from_log(struct http_call *call, const char *data, size_t len)
{
    char text[256];
    const char *goaway;
    unsigned last;

    snprintf(text, sizeof text, "%.*s", (int)len, data);
    sscanf(text, "Using Stream ID: %u", &call->stream_id);
    if (strstr(text, "REFUSED_STREAM"))
        call->refused = true;
    goaway = strstr(text, "GOAWAY, error=");
    if (goaway && sscanf(goaway, "GOAWAY, error=%*d, last_stream=%u", &last) == 1)
        learn_of_goaway(call, last);
}

/* For every short call: a write must know what the connection said to a neighbour. */
static int on_debug(CURL *easy, curl_infotype type, char *data, size_t len, void *arg)
{
    struct http_call *call = arg;

    (void)easy;
    if (type == CURLINFO_HEADER_OUT && call->attempts)
        call->on_wire = true;
    if (type == CURLINFO_TEXT && len < 256)
        learn_from_log(call, data, len);
    return 0;
}

static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;

    call->heard_ms = clock_mono_ms();
    if (head_line(&call->head, data, size * n)) {
        call->too_large = true;
        return 0;
    }
    /* The empty line; that of a proxy's answer to CONNECT comes before any attempt. */
    if (call->on_open && call->attempts && call->head.status / 100 == 2 && *data == '\r') {
        call->open = true;
        call_queue(call);
    }
    return size * n;
}

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
    struct http_call *call = arg;
    size_t len = size * n;

    call->heard_ms = clock_mono_ms();
    if (call->on_data && call->head.status / 100 == 2) {
        if (call->paused || call->received.len >= HTTP_MAX_PIECE) {
            call->held = true;
            return CURL_WRITEFUNC_PAUSE;
        }
        call_queue(call);
    } else if (len > call->max_body - call->received.len) {
        call->too_large = true;
        return 0;
    }
    buf_append(&call->received, data, len);
    return call->received.failed ? 0 : len;
}

static int set_callbacks(struct http_call *call)
{
    CURL *e = call->easy;
    int bad = 0;

    bad |= curl_easy_setopt(e, CURLOPT_PRIVATE, call);
    bad |= curl_easy_setopt(e, CURLOPT_ERRORBUFFER, call->curl_error);
    bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open);
    bad |= curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, call);
    bad |= curl_easy_setopt(e, CURLOPT_SOCKOPTFUNCTION, on_opened);
    bad |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETFUNCTION, pool_close_socket);
    bad |= curl_easy_setopt(e, CURLOPT_CLOSESOCKETDATA, call->pool);
    bad |= curl_easy_setopt(e, CURLOPT_PREREQFUNCTION, on_carried);
    bad |= curl_easy_setopt(e, CURLOPT_PREREQDATA, call);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    bad |= curl_easy_setopt(e, CURLOPT_HEADERDATA, call);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    bad |= curl_easy_setopt(e, CURLOPT_WRITEDATA, call);
    if (!call->on_data) {
        bad |= curl_easy_setopt(e, CURLOPT_VERBOSE, 1L);
        bad |= curl_easy_setopt(e, CURLOPT_DEBUGFUNCTION, on_debug);
        bad |= curl_easy_setopt(e, CURLOPT_DEBUGDATA, call);
    }
    return bad;
}

static int set_pem(CURL *easy, CURLoption option, const char *pem)
{
    struct curl_blob blob = {.data = (void *)(uintptr_t)pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};

    return (int)curl_easy_setopt(easy, option, &blob);
}

static int set_tls(CURL *e, const struct http_client *client)
{
    int bad = 0;

    bad |= curl_easy_setopt(e, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    if (client->insecure) {
        bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, 0L);
        bad |= curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, 0L);
    } else if (client->ca_pem) {
        /* Or every authority of the system would be trusted beside the cluster's own. */
        bad |= curl_easy_setopt(e, CURLOPT_CAPATH, NULL);
        bad |= set_pem(e, CURLOPT_CAINFO_BLOB, client->ca_pem);
    }
    if (client->cert_pem) {
        bad |= set_pem(e, CURLOPT_SSLCERT_BLOB, client->cert_pem);
        bad |= set_pem(e, CURLOPT_SSLKEY_BLOB, client->key_pem);
    }
    return bad;
}

static int set_connection(struct http_call *call, const struct http_client *client, bool tls)
{
    CURL *e = call->easy;
    int bad = 0;

    bad |= curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
    bad |= curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    /* Or giving up a call joins the resolver's thread: 5 s and more with a dead name server. */
    bad |= curl_easy_setopt(e, CURLOPT_QUICK_EXIT, 1L);
    /* Ours comes first; this one divides the time between the addresses of a name. */
    bad |= curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, (long)client->connect_ms + 250);
    bad |= curl_easy_setopt(e, CURLOPT_BUFFERSIZE, 65536L);
    bad |= curl_easy_setopt(e, CURLOPT_PROXY, str_or(client->proxy, ""));
    bad |= curl_easy_setopt(e, CURLOPT_NOPROXY, "");
    if (call->on_data) {
        bad |= curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        bad |= curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    if (tls && !call->on_data) {
        bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2TLS);
        bad |= curl_easy_setopt(e, CURLOPT_PIPEWAIT, 1L);
    } else {
        bad |= curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
    }
    return bad;
}

static int add(struct curl_slist **list, const char *line)
{
    struct curl_slist *more = curl_slist_append(*list, line);

    if (!more)
        return -1;
    *list = more;
    return 0;
}

static int set_headers(struct http_call *call, const struct http_request *request)
{
    int bad = 0;

    for (const char *const *h = request->headers; h && *h; h++)
        bad |= add(&call->headers, *h);
    bad |= add(&call->headers, "Expect:"); /* it would wait a second for 100 Continue */
    if (call->body && !find_header(request, "Content-Type"))
        bad |= add(&call->headers, "Content-Type:"); /* not curl's, which is a form's */
    if (!find_header(request, "User-Agent"))
        bad |= add(&call->headers, "User-Agent: moonsail");
    return bad | (int)curl_easy_setopt(call->easy, CURLOPT_HTTPHEADER, call->headers);
}

static int set_body(struct http_call *call, const struct http_request *request)
{
    bool expects =
        str_eq(request->method, "POST") || str_eq(request->method, "PUT") || str_eq(request->method, "PATCH");
    CURL *e = call->easy;
    int bad = 0;

    if (str_eq(request->method, "HEAD"))
        return (int)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
    if (request->body || expects) {
        call->body = malloc(request->body_len + 1);
        if (!call->body)
            return -1;
        if (request->body_len)
            memcpy(call->body, request->body, request->body_len);
        bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_len);
        bad |= curl_easy_setopt(e, CURLOPT_POSTFIELDS, call->body);
    }
    return bad | (int)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, request->method);
}

/* tls-server-name changes what TLS asks for and checks, not where the request goes nor
 * its Host (as kubectl): a URL with that name, sent to the old place with the old Host. */
static int set_server_name(struct http_call *call, CURLU *url, const char *name, const char *port)
{
    char *plain_port = NULL, *renamed = NULL;
    char *host = NULL, *to = NULL;
    int bad = 0;

    curl_url_get(url, CURLUPART_PORT, &plain_port, 0);
    host = mem_printf("Host: %s%s%s", call->host, plain_port ? ":" : "", plain_port ? plain_port : "");
    to = mem_printf("::%s:%s", call->host, port);
    bad |= curl_url_set(url, CURLUPART_HOST, name, 0) != CURLUE_OK;
    bad |= bad || curl_url_get(url, CURLUPART_URL, &renamed, 0) != CURLUE_OK;
    bad |= bad || curl_easy_setopt(call->easy, CURLOPT_URL, renamed);
    bad |= add(&call->headers, host) | add(&call->connect_to, to);
    bad |= (int)curl_easy_setopt(call->easy, CURLOPT_CONNECT_TO, call->connect_to);
    curl_free(plain_port);
    curl_free(renamed);
    free(host);
    free(to);
    return bad;
}

static int set_url(struct http_call *call, const struct http_client *client,
                   const struct http_request *request, bool *tls, struct err *err)
{
    CURLU *url = curl_url();
    char *scheme = NULL, *host = NULL, *port = NULL;
    int rc = -1, bad = 0;

    if (!url)
        return err_no_memory(err);
    if (curl_url_set(url, CURLUPART_URL, request->url, CURLU_PATH_AS_IS) ||
        curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) || curl_url_get(url, CURLUPART_HOST, &host, 0) ||
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) ||
        (strcasecmp(scheme, "http") && strcasecmp(scheme, "https"))) {
        err_code(err, ERR_BAD_REQUEST, "\"%.200s\" is no http:// or https:// URL", request->url);
        goto out;
    }
    *tls = !strcasecmp(scheme, "https");
    call->host = mem_str(host);
    call->origin = mem_printf("%s://%s:%s", scheme, host, port);
    bad |= curl_easy_setopt(call->easy, CURLOPT_PATH_AS_IS, 1L);
    bad |= curl_easy_setopt(call->easy, CURLOPT_URL, request->url);
    if (*tls && client->server_name)
        bad |= set_server_name(call, url, client->server_name, port);
    rc = bad ? err_no_memory(err) : 0;
out:
    curl_free(scheme);
    curl_free(host);
    curl_free(port);
    curl_url_cleanup(url);
    return rc;
}

int request_build(struct http_call *call, const struct http_client *client,
                  const struct http_request *request, struct err *err)
{
    bool tls = false;
    int bad = 0;

    call->repeatable = repeatable(request->method);
    if (set_url(call, client, request, &tls, err))
        return -1;
    bad |= set_callbacks(call);
    bad |= set_connection(call, client, tls);
    bad |= set_tls(call->easy, client);
    bad |= set_body(call, request);
    bad |= set_headers(call, request);
    if (!call->on_data)
        bad |= curl_easy_setopt(call->easy, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)call->max_body);
    return bad ? err_no_memory(err) : 0;
}
