/* knock FAMILY PORT COUNT UID rest|ws [stay]
 * knock FAMILY PORT COUNT UID raw|crowd
 *
 * Another user of the machine. It changes its uid by itself and runs nothing afterwards, so that it
 * works also where other users may read no folder.
 *
 * raw: sends what stands on stdin and prints the whole answer. crowd: opens COUNT connections, says
 * "open", and holds them until its stdin ends. rest, ws:
 *
 * A client that writes all of a start request and closes at once, COUNT times, as user UID: by
 * the time anybody asks whose connection it was, there is no process behind it. Each request
 * would run `touch` on a file named in MARK. With `stay` it waits for an answer and prints its
 * first line, so that a test can see that the request itself is right. */
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static int die(const char *what)
{
    fprintf(stderr, "knock: %s: %s\n", what, strerror(errno));
    exit(1);
}

static size_t write_rest(char *out, size_t size, unsigned port, const char *body)
{
    return (size_t)snprintf(out, size,
                            "POST /api/executions HTTP/1.1\r\nHost: localhost:%u\r\nContent-Type: "
                            "application/json\r\nContent-Length: %zu\r\n\r\n%s",
                            port, strlen(body), body);
}

/* The handshake, and in the same write the first message, masked with zeros. */
static size_t write_websocket(char *out, size_t size, unsigned port, const char *body)
{
    size_t n = (size_t)snprintf(out, size,
                                "GET /api/execution/stream HTTP/1.1\r\nHost: localhost:%u\r\nUpgrade: "
                                "websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: "
                                "dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
                                port);
    size_t len = strlen(body);
    const unsigned char head[] = {0x81, 0x80 | 126, (unsigned char)(len >> 8), (unsigned char)len, 0, 0,
                                  0,    0};
    memcpy(out + n, head, sizeof(head));
    memcpy(out + n + sizeof(head), body, len);
    return n + sizeof(head) + len;
}

static int dial(int family, unsigned port)
{
    struct sockaddr_in in = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct sockaddr_in6 in6 = {
        .sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port), .sin6_addr = in6addr_loopback};
    int fd = socket(family, SOCK_STREAM, 0);
    const struct sockaddr *to = family == AF_INET ? (struct sockaddr *)&in : (struct sockaddr *)&in6;
    if (fd < 0 || connect(fd, to, family == AF_INET ? sizeof(in) : sizeof(in6)))
        die("connect");
    return fd;
}

static void print_answer(int fd)
{
    char answer[1024];
    ssize_t n = read(fd, answer, sizeof(answer) - 1);
    answer[n > 0 ? n : 0] = '\0';
    printf("%.*s\n", (int)strcspn(answer, "\r\n"), answer);
}

static int talk_raw(int family, unsigned port)
{
    char text[65536];
    ssize_t n;
    int fd = dial(family, port);
    while ((n = read(STDIN_FILENO, text, sizeof(text))) > 0)
        if (write(fd, text, (size_t)n) != n)
            die("write");
    while ((n = read(fd, text, sizeof(text))) > 0)
        fwrite(text, 1, (size_t)n, stdout);
    close(fd);
    return 0;
}

static int hold_crowd(int family, unsigned port, long count)
{
    char c;
    for (long i = 0; i < count; i++)
        dial(family, port);
    puts("open");
    fflush(stdout);
    /* stdin may be a file that is at its end: the test ends this process. */
    while (read(STDIN_FILENO, &c, 1) > 0)
        continue;
    pause();
    return 0;
}

int main(int argc, char **argv)
{
    char body[1024], text[4096];
    if (argc < 6) {
        fputs("usage: knock 4|6 PORT COUNT UID rest|ws|raw|crowd [stay]\n", stderr);
        return 2;
    }
    int family = strcmp(argv[1], "6") == 0 ? AF_INET6 : AF_INET;
    unsigned port = (unsigned)strtoul(argv[2], NULL, 10);
    long count = strtol(argv[3], NULL, 10);
    uid_t uid = (uid_t)strtoul(argv[4], NULL, 10);
    bool websocket = strcmp(argv[5], "ws") == 0, stay = argc > 6;
    const char *mark = getenv("MARK");
    if (uid != geteuid() && setresuid(uid, uid, uid))
        die("setresuid");
    if (strcmp(argv[5], "raw") == 0)
        return talk_raw(family, port);
    if (strcmp(argv[5], "crowd") == 0)
        return hold_crowd(family, port, count);
    snprintf(body, sizeof(body),
             "{\"type\":\"start\",\"label\":\"knock\",\"command\":\"touch\",\"args\":[\"%s\"]}",
             mark ? mark : "knocked");
    size_t len = (websocket ? write_websocket : write_rest)(text, sizeof(text), port, body);
    for (long i = 0; i < count; i++) {
        int fd = dial(family, port);
        if (write(fd, text, len) != (ssize_t)len && errno != EPIPE && errno != ECONNRESET)
            die("write");
        if (stay)
            print_answer(fd);
        close(fd);
    }
    return 0;
}
