/* http_server.h: a small server for tests of the HTTP client, on threads of its own: plain
 * or TLS, HTTP/1.1 by path and HTTP/2 by the request's body (which is not packed, so this
 * needs no HPACK). It misbehaves on request. Included by one program only. */
#pragma once

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

struct identity {
    EVP_PKEY *key;
    X509 *cert;
    char *cert_pem, *key_pem;
};

static char *pem_of(X509 *cert, EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *data, *text;
    long n;

    if (cert)
        PEM_write_bio_X509(bio, cert);
    else
        PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    n = BIO_get_mem_data(bio, &data);
    text = strndup(data, (size_t)n);
    BIO_free(bio);
    return text;
}

/* `issuer` NULL: an authority that signs itself. `names` as "IP:127.0.0.1,DNS:x", or NULL. */
static struct identity identity_new(const char *name, const char *names, const struct identity *issuer,
                                    long valid_s)
{
    struct identity id = {.key = EVP_EC_gen("P-256"), .cert = X509_new()};
    X509_NAME *subject = X509_get_subject_name(id.cert);
    static atomic_long serial = 1;
    X509V3_CTX ctx;
    X509_EXTENSION *ext;

    X509_set_version(id.cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(id.cert), serial++);
    X509_gmtime_adj(X509_getm_notBefore(id.cert), -86400);
    X509_gmtime_adj(X509_getm_notAfter(id.cert), valid_s);
    X509_set_pubkey(id.cert, id.key);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1, 0);
    X509_set_issuer_name(id.cert, issuer ? X509_get_subject_name(issuer->cert) : subject);
    X509V3_set_ctx(&ctx, issuer ? issuer->cert : id.cert, id.cert, NULL, NULL, 0);
    ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_basic_constraints, issuer ? "CA:FALSE" : "critical,CA:TRUE");
    X509_add_ext(id.cert, ext, -1);
    X509_EXTENSION_free(ext);
    if (names) {
        ext = X509V3_EXT_conf_nid(NULL, &ctx, NID_subject_alt_name, names);
        X509_add_ext(id.cert, ext, -1);
        X509_EXTENSION_free(ext);
    }
    X509_sign(id.cert, issuer ? issuer->key : id.key, EVP_sha256());
    id.cert_pem = pem_of(id.cert, NULL);
    id.key_pem = pem_of(NULL, id.key);
    return id;
}

static void identity_free(struct identity *id)
{
    X509_free(id->cert);
    EVP_PKEY_free(id->key);
    free(id->cert_pem);
    free(id->key_pem);
}

enum { SERVER_PEERS = 128 };

struct server;

struct peer {
    struct server *server;
    pthread_t thread;
    int fd;
    SSL *ssl;
    bool over, tunnel;
    /* HTTP/2 */
    uint32_t stream, held[32];
    int held_count;
};

struct server {
    int fd, port;
    SSL_CTX *tls;
    bool h2, silent, proxy;
    pthread_t thread;
    atomic_bool stopping;
    atomic_int connections, requests, resets, hung_up, die_left, refuse_left;
    char sni[128], tunnel_to[128];
    struct peer peers[SERVER_PEERS];
};

static int peer_read(struct peer *p, void *data, int n)
{
    int got = p->ssl ? SSL_read(p->ssl, data, n) : (int)read(p->fd, data, (size_t)n);
    return got > 0 ? got : 0;
}

static bool peer_read_all(struct peer *p, void *data, size_t n)
{
    for (size_t at = 0; at < n;) {
        int got = peer_read(p, (char *)data + at, (int)(n - at));
        if (!got)
            return false;
        at += (size_t)got;
    }
    return true;
}

static void peer_write(struct peer *p, const void *data, size_t n)
{
    for (size_t at = 0; at < n && !p->over;) {
        int put = p->ssl ? SSL_write(p->ssl, (const char *)data + at, (int)(n - at))
                         : (int)send(p->fd, (const char *)data + at, n - at, MSG_NOSIGNAL);
        if (put <= 0)
            p->over = true;
        else
            at += (size_t)put;
    }
}

static void peer_puts(struct peer *p, const char *text)
{
    peer_write(p, text, strlen(text));
}

/* Until the client goes away. */
static void peer_hang(struct peer *p)
{
    char c;

    while (peer_read(p, &c, 1))
        ;
    p->server->hung_up++;
    p->over = true;
}

static void h1_echo(struct peer *p, const char *head, const char *body)
{
    char answer[8192];
    const char *host = strcasestr(head, "\r\nhost: ");
    const char *type = strcasestr(head, "\r\ncontent-type: ");
    char text[6000];

    snprintf(text, sizeof text, "%.*s|%.*s|%.*s|%s", (int)strcspn(head, "\r"), head,
             host ? (int)strcspn(host + 8, "\r") : 0, host ? host + 8 : "",
             type ? (int)strcspn(type + 16, "\r") : 0, type ? type + 16 : "", body);
    snprintf(answer, sizeof answer,
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n\r\n%s", strlen(text),
             text);
    peer_puts(p, answer);
}

static void h1_endless(struct peer *p)
{
    char chunk[4096 + 8];

    memcpy(chunk, "1000\r\n", 6);
    memset(chunk + 6, 'x', 4096);
    peer_puts(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    while (!p->over) {
        peer_write(p, chunk, 6 + 4096);
        peer_puts(p, "\r\n");
    }
}

static void h1_answer(struct peer *p, const char *head, const char *body)
{
    char path[128] = "", size[32];

    sscanf(head, "%*s %127s", path);
    snprintf(size, sizeof size, "%zu bytes", strlen(body));
    if (p->server->proxy && !strncmp(head, "CONNECT ", 8)) {
        p->tunnel = strncmp(path, "forbidden", 9) && strncmp(path, "closing", 7);
        snprintf(p->server->tunnel_to, sizeof p->server->tunnel_to, "%s", path);
        if (p->tunnel)
            peer_puts(p, "HTTP/1.1 200 OK\r\n\r\n");
        else if (*path == 'f')
            peer_puts(p, "HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n");
        p->over = p->over || !p->tunnel;
    } else if (!strcmp(path, "/size"))
        h1_echo(p, head, size);
    else if (!strcmp(path, "/hang"))
        peer_hang(p);
    else if (!strcmp(path, "/endless"))
        h1_endless(p);
    else if (!strcmp(path, "/big"))
        peer_puts(p, "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\nx");
    else if (!strcmp(path, "/busy"))
        peer_puts(
            p,
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\n"
            "Warning: 299 - \"policy/v1beta1 is \\\"old\\\"\"\r\nContent-Length: 4\r\n"
            "Warning: 299 agent \"a, b\" \"Wed, 21 Oct 2015 07:28:00 GMT\", 110 x \"stale\", 299 - \"c\"\r\n"
            "Warning: 299 - unquoted\r\n\r\nbusy");
    else if (!strcmp(path, "/headers"))
        while (!p->over)
            peer_puts(p, p->over ? "" : "HTTP/1.1 100 Continue\r\nX-Filler: 0123456789\r\n\r\n");
    else if (!strcmp(path, "/stream"))
        peer_puts(p,
                  "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n2\r\nb\n\r\n0\r\n\r\n");
    else if (!strcmp(path, "/stream-hang")) {
        peer_puts(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n");
        peer_hang(p);
    } else if (!strcmp(path, "/stream-break")) {
        peer_puts(p, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\na\n\r\n");
        p->over = true;
    } else if (!strcmp(path, "/gone"))
        peer_puts(p, "HTTP/1.1 410 Gone\r\nContent-Length: 7\r\n\r\ntoo old");
    else if (!strcmp(path, "/unauthorized")) {
        peer_puts(p, "HTTP/1.1 401 Unauthorized\r\nContent-Length: 100\r\n\r\nwho");
        p->over = true;
    } else if (!strcmp(path, "/die") && p->server->die_left-- > 0)
        p->over = true;
    else
        h1_echo(p, head, body);
    if (!strcmp(path, "/last"))
        p->over = true;
}

static void h1_serve(struct peer *p)
{
    char head[8192];

    while (!p->over && !p->tunnel) {
        char *body;
        const char *length;
        size_t n = 0, len;

        do {
            if (n + 1 >= sizeof head || !peer_read_all(p, head + n, 1))
                return;
            head[++n] = '\0';
            if (*head == 0x16) { /* a TLS handshake: as Go's server answers it */
                peer_puts(
                    p, "HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTPS request to an HTTP server.\n");
                return;
            }
        } while (n < 4 || strcmp(head + n - 4, "\r\n\r\n"));
        length = strcasestr(head, "content-length: ");
        len = length ? strtoul(length + 16, NULL, 10) : 0;
        body = calloc(1, len + 1);
        if (peer_read_all(p, body, len)) {
            p->server->requests++;
            h1_answer(p, head, body);
        } else {
            p->over = true;
        }
        free(body);
    }
}

static void h2_frame(struct peer *p, int type, int flags, uint32_t stream, const void *data, size_t n)
{
    unsigned char head[9] = {
        (unsigned char)(n >> 16),      (unsigned char)(n >> 8),      (unsigned char)n,
        (unsigned char)type,           (unsigned char)flags,         (unsigned char)(stream >> 24),
        (unsigned char)(stream >> 16), (unsigned char)(stream >> 8), (unsigned char)stream,
    };

    peer_write(p, head, 9);
    peer_write(p, data, n);
}

enum {
    H2_DATA = 0,
    H2_HEADERS = 1,
    H2_RST = 3,
    H2_SETTINGS = 4,
    H2_PING = 6,
    H2_GOAWAY = 7,
    H2_WINDOW = 8,
    H2_END = 1
};

static void h2_reply(struct peer *p, uint32_t stream, const char *text)
{
    h2_frame(p, H2_HEADERS, 4, stream, "\x88", 1); /* :status 200 */
    h2_frame(p, H2_DATA, H2_END, stream, text, strlen(text));
}

static void h2_answer(struct peer *p, uint32_t stream, const char *body)
{
    static const unsigned char refused[4] = {0, 0, 0, 7}, none[8] = {0};

    p->server->requests++;
    if (!strcmp(body, "hold")) {
        p->held[p->held_count++] = stream;
    } else if (!strcmp(body, "release")) {
        while (p->held_count)
            h2_reply(p, p->held[--p->held_count], "held");
        h2_reply(p, stream, "released");
    } else if (!strcmp(body, "refuse") && p->server->refuse_left-- > 0) {
        h2_frame(p, H2_RST, 0, stream, refused, 4);
    } else if (!strcmp(body, "goaway") && p->server->refuse_left-- > 0) {
        h2_frame(p, H2_GOAWAY, 0, 0, none, 8);
    } else if (!strcmp(body, "mute") && p->server->refuse_left > 0) {
        return;
    } else if (!strcmp(body, "die") && p->server->die_left-- > 0) {
        p->over = true;
    } else {
        h2_reply(p, stream, *body ? body : "get");
    }
}

/* Only of calls under way: curl resets streams that have ended, too. */
static void h2_reset(struct peer *p, uint32_t stream)
{
    for (int i = 0; i < p->held_count; i++)
        if (p->held[i] == stream) {
            p->held[i] = p->held[--p->held_count];
            p->server->resets++;
            return;
        }
}

static void h2_got_data(struct peer *p, uint32_t stream, size_t n)
{
    unsigned char more[4] = {0, 0, (unsigned char)(n >> 8), (unsigned char)n};

    h2_frame(p, H2_WINDOW, 0, 0, more, 4);
    h2_frame(p, H2_WINDOW, 0, stream, more, 4);
}

static void h2_serve(struct peer *p)
{
    char preface[24], body[64] = "";
    unsigned char head[9], data[16384];
    size_t got = 0;

    if (!peer_read_all(p, preface, 24))
        return;
    h2_frame(p, H2_SETTINGS, 0, 0, "", 0);
    while (!p->over && peer_read_all(p, head, 9)) {
        size_t n = (size_t)(head[0] << 16 | head[1] << 8 | head[2]);
        uint32_t stream = (uint32_t)(head[6] << 16 | head[7] << 8 | head[8]);

        if (n > sizeof data || !peer_read_all(p, data, n))
            return;
        if (head[3] == H2_SETTINGS && !(head[4] & 1))
            h2_frame(p, H2_SETTINGS, 1, 0, "", 0);
        else if (head[3] == H2_PING && !(head[4] & 1))
            h2_frame(p, H2_PING, 1, 0, data, n);
        else if (head[3] == H2_RST)
            h2_reset(p, stream);
        else if (head[3] == H2_HEADERS && (head[4] & H2_END))
            h2_answer(p, stream, "");
        else if (head[3] == H2_DATA && n)
            h2_got_data(p, stream, n);
        if (head[3] == H2_DATA && (got += n) > 60)
            snprintf(body, sizeof body, "%zu bytes", got);
        else if (head[3] == H2_DATA && n)
            snprintf(body, sizeof body, "%.*s", (int)n, (char *)data);
        if (head[3] == H2_DATA && (head[4] & H2_END)) {
            h2_answer(p, stream, body);
            got = 0;
        }
    }
}

static void peer_run_tls(struct peer *p)
{
    struct server *s = p->server;
    const unsigned char *protocol = NULL;
    const char *name;
    unsigned n = 0;

    p->ssl = SSL_new(s->tls);
    SSL_set_fd(p->ssl, p->fd);
    if (SSL_accept(p->ssl) != 1)
        return;
    name = SSL_get_servername(p->ssl, TLSEXT_NAMETYPE_host_name);
    snprintf(s->sni, sizeof s->sni, "%s", name ? name : "");
    SSL_get0_alpn_selected(p->ssl, &protocol, &n);
    if (n == 2)
        h2_serve(p);
    else
        h1_serve(p);
    if (!SSL_get_shutdown(p->ssl))
        SSL_shutdown(p->ssl);
}

static void *peer_run(void *arg)
{
    struct peer *p = arg;
    struct server *s = p->server;

    if (s->proxy)
        h1_serve(p);
    if (s->silent) {
        peer_hang(p);
    } else if (s->tls && (!s->proxy || p->tunnel)) {
        p->tunnel = false;
        peer_run_tls(p);
    } else if (!s->proxy) {
        h1_serve(p);
    }
    shutdown(p->fd, SHUT_RDWR);
    return NULL;
}

static void *server_run(void *arg)
{
    struct server *s = arg;

    while (!s->stopping) {
        int fd = accept(s->fd, NULL, NULL);
        struct peer *p = &s->peers[s->connections];

        if (fd < 0 || s->stopping || s->connections == SERVER_PEERS) {
            if (fd >= 0)
                close(fd);
            break;
        }
        p->server = s;
        p->fd = fd;
        s->connections++; /* before it can answer: who has an answer may look at the count */
        pthread_create(&p->thread, NULL, peer_run, p);
    }
    return NULL;
}

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *n, const unsigned char *in,
                           unsigned in_n, void *arg)
{
    struct server *s = arg;
    static const unsigned char both[] = "\x02h2\x08http/1.1", one[] = "\x08http/1.1";
    const unsigned char *ours = s->h2 ? both : one;
    unsigned ours_n = s->h2 ? sizeof both - 1 : sizeof one - 1;

    (void)ssl;
    if (SSL_select_next_proto((unsigned char **)(uintptr_t)out, n, ours, ours_n, in, in_n) !=
        OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    return SSL_TLSEXT_ERR_OK;
}

/* `id` NULL: plain. `clients` signs the certificates that clients must show. */
static struct server *server_new(const struct identity *id, bool h2, const struct identity *clients)
{
    struct server *s = calloc(1, sizeof *s);
    struct sockaddr_in addr = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof addr;

    s->h2 = h2;
    if (id) {
        s->tls = SSL_CTX_new(TLS_server_method());
        SSL_CTX_use_certificate(s->tls, id->cert);
        SSL_CTX_use_PrivateKey(s->tls, id->key);
        SSL_CTX_set_alpn_select_cb(s->tls, choose_protocol, s);
        SSL_CTX_set_options(s->tls, SSL_OP_IGNORE_UNEXPECTED_EOF);
    }
    if (clients) {
        X509_STORE_add_cert(SSL_CTX_get_cert_store(s->tls), clients->cert);
        SSL_CTX_set_verify(s->tls, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    }
    s->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (bind(s->fd, (struct sockaddr *)&addr, len) || listen(s->fd, 64))
        abort();
    getsockname(s->fd, (struct sockaddr *)&addr, &len);
    s->port = ntohs(addr.sin_port);
    return s;
}

static void server_start(struct server *s)
{
    pthread_create(&s->thread, NULL, server_run, s);
}

static void server_free(struct server *s)
{
    s->stopping = true;
    shutdown(s->fd, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->fd);
    for (int i = 0; i < s->connections; i++) {
        shutdown(s->peers[i].fd, SHUT_RDWR);
        pthread_join(s->peers[i].thread, NULL);
        SSL_free(s->peers[i].ssl);
        close(s->peers[i].fd);
    }
    SSL_CTX_free(s->tls);
    free(s);
}
