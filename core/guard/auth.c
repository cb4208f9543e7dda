#include "guard/auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <linux/inet_diag.h>
#include <linux/netlink.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

/* The kernel answers in microseconds; the limit is for a kernel that does not answer at all. */
enum { AUTH_ANSWER_MS = 500 };

/* A TCP socket as its owner sees it. IPv4 addresses use the first word only. */
struct auth_tuple {
    unsigned char family;
    uint16_t local_port, remote_port; /* network order */
    uint32_t local[4], remote[4];
};

struct auth_answer {
    bool found;
    unsigned state, uid, inode;
};

void auth_own_user(struct user *user)
{
    struct passwd entry, *found = NULL;
    char room[4096];
    memset(user, 0, sizeof(*user));
    if (getpwuid_r(geteuid(), &entry, room, sizeof(room), &found) == 0 && found)
        snprintf(user->name, sizeof(user->name), "%s", found->pw_name);
    else
        snprintf(user->name, sizeof(user->name), "uid %u", (unsigned)geteuid());
    snprintf(user->role, sizeof(user->role), "admin");
    snprintf(user->method, sizeof(user->method), "process");
}

static void auth_address(const struct sockaddr_storage *from, uint16_t *port, uint32_t address[4])
{
    memset(address, 0, 4 * sizeof(address[0]));
    if (from->ss_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)from;
        *port = in->sin_port;
        address[0] = in->sin_addr.s_addr;
        return;
    }
    const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)from;
    *port = in6->sin6_port;
    memcpy(address, &in6->sin6_addr, sizeof(in6->sin6_addr));
}

/* The tuple of the socket at the other end of `fd`: ours, swapped. */
static int auth_far_tuple(int fd, struct auth_tuple *far, struct err *err)
{
    struct sockaddr_storage here, there;
    socklen_t here_len = sizeof(here), there_len = sizeof(there);
    memset(&here, 0, sizeof(here));
    memset(&there, 0, sizeof(there));
    if (getsockname(fd, (struct sockaddr *)&here, &here_len) ||
        getpeername(fd, (struct sockaddr *)&there, &there_len))
        return err_code(err, ERR_FORBIDDEN, "the connection is gone: %s", strerror(errno));
    if (here.ss_family != there.ss_family || (here.ss_family != AF_INET && here.ss_family != AF_INET6))
        return err_code(err, ERR_FORBIDDEN, "this host serves TCP over IPv4 and IPv6 only");
    memset(far, 0, sizeof(*far));
    far->family = (unsigned char)here.ss_family;
    auth_address(&there, &far->local_port, far->local);
    auth_address(&here, &far->remote_port, far->remote);
    return 0;
}

/* An IPv6 tuple of mapped IPv4 addresses, as the IPv4 socket at the other end has it. */
static bool auth_unmap(const struct auth_tuple *from, struct auth_tuple *to)
{
    if (from->family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)from->local) ||
        !IN6_IS_ADDR_V4MAPPED((const struct in6_addr *)from->remote))
        return false;
    memset(to, 0, sizeof(*to));
    to->family = AF_INET;
    to->local_port = from->local_port;
    to->remote_port = from->remote_port;
    to->local[0] = from->local[3];
    to->remote[0] = from->remote[3];
    return true;
}

static int auth_netlink_open(struct err *err)
{
    int fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC, NETLINK_SOCK_DIAG);
    if (fd < 0)
        return err_set(err, "the kernel gives no socket information (NETLINK_SOCK_DIAG: %s)",
                       strerror(errno));
    struct timeval limit = {.tv_usec = AUTH_ANSWER_MS * 1000};
    if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit))) {
        close(fd);
        return err_set(err, "cannot limit the wait for the kernel's answer: %s", strerror(errno));
    }
    return fd;
}

static int auth_ask(int netlink, const struct auth_tuple *tuple, struct err *err)
{
    struct {
        struct nlmsghdr header;
        struct inet_diag_req_v2 request;
    } message = {
        .header = {.nlmsg_len = sizeof(message),
                   .nlmsg_type = SOCK_DIAG_BY_FAMILY,
                   .nlmsg_flags = NLM_F_REQUEST,
                   .nlmsg_seq = 1},
        .request = {.sdiag_family = tuple->family,
                    .sdiag_protocol = IPPROTO_TCP,
                    .idiag_states = UINT32_MAX,
                    .id = {.idiag_sport = tuple->local_port,
                           .idiag_dport = tuple->remote_port,
                           .idiag_cookie = {INET_DIAG_NOCOOKIE, INET_DIAG_NOCOOKIE}}},
    };
    memcpy(message.request.id.idiag_src, tuple->local, sizeof(tuple->local));
    memcpy(message.request.id.idiag_dst, tuple->remote, sizeof(tuple->remote));
    struct sockaddr_nl kernel = {.nl_family = AF_NETLINK};
    if (sendto(netlink, &message, sizeof(message), 0, (struct sockaddr *)&kernel, sizeof(kernel)) < 0)
        return err_set(err, "the kernel gives no socket information (NETLINK_SOCK_DIAG: %s)",
                       strerror(errno));
    return 0;
}

/* The kernel falls back to a listening socket where no connection matches, so the
 * answer must carry the tuple that was asked for, both ends. */
static bool auth_same_tuple(const struct auth_tuple *tuple, const struct inet_diag_msg *message)
{
    size_t size = tuple->family == AF_INET ? sizeof(tuple->local[0]) : sizeof(tuple->local);
    return message->idiag_family == tuple->family && message->id.idiag_sport == tuple->local_port &&
           message->id.idiag_dport == tuple->remote_port &&
           memcmp(message->id.idiag_src, tuple->local, size) == 0 &&
           memcmp(message->id.idiag_dst, tuple->remote, size) == 0;
}

static int auth_read(int netlink, const struct auth_tuple *tuple, struct auth_answer *answer, struct err *err)
{
    _Alignas(struct nlmsghdr) char room[8192];
    struct sockaddr_nl from = {0};
    socklen_t from_len = sizeof(from);
    ssize_t n;
    do
        n = recvfrom(netlink, room, sizeof(room), 0, (struct sockaddr *)&from, &from_len);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return err_set(err, "the kernel did not say whose connection it is: %s", strerror(errno));
    struct nlmsghdr *header = (struct nlmsghdr *)room;
    if (from.nl_pid != 0 || !NLMSG_OK(header, n))
        return err_set(err, "the kernel's answer about a connection cannot be read");
    if (header->nlmsg_type == NLMSG_ERROR) {
        const struct nlmsgerr *fault = NLMSG_DATA(header);
        if (header->nlmsg_len >= NLMSG_LENGTH(sizeof(*fault)) && fault->error == -ENOENT)
            return 0;
        return err_set(err, "the kernel gives no socket information (NETLINK_SOCK_DIAG: %s)",
                       strerror(-fault->error));
    }
    const struct inet_diag_msg *message = NLMSG_DATA(header);
    if (header->nlmsg_type != SOCK_DIAG_BY_FAMILY || header->nlmsg_len < NLMSG_LENGTH(sizeof(*message)))
        return err_set(err, "the kernel's answer about a connection cannot be read");
    if (!auth_same_tuple(tuple, message))
        return 0;
    *answer = (struct auth_answer){.found = true,
                                   .state = message->idiag_state,
                                   .uid = message->idiag_uid,
                                   .inode = message->idiag_inode};
    return 0;
}

/* 0 with the answer (found or not), -1 where the kernel cannot answer. */
static int auth_lookup(const struct auth_tuple *tuple, struct auth_answer *answer, struct err *err)
{
    memset(answer, 0, sizeof(*answer));
    int netlink = auth_netlink_open(err);
    if (netlink < 0)
        return -1;
    int rc = auth_ask(netlink, tuple, err);
    if (!rc)
        rc = auth_read(netlink, tuple, answer, err);
    close(netlink);
    return rc;
}

static int auth_judge(const struct auth_answer *answer, struct err *err)
{
    unsigned own = (unsigned)geteuid();
    /* A socket that its process closed reads as uid 0, inode 0: whose it was can't be known. */
    if (!answer->found || answer->state != TCP_ESTABLISHED || answer->inode == 0)
        return err_code(
            err, ERR_FORBIDDEN,
            "this host serves only its own user (uid %u); the other end of the connection is closed "
            "or not on this machine",
            own);
    if (answer->uid != own)
        return err_code(err, ERR_FORBIDDEN,
                        "this host serves only its own user (uid %u); the connection belongs to uid %u", own,
                        answer->uid);
    return 0;
}

int auth_local_peer(int fd, struct user *user, struct err *err)
{
    struct auth_tuple far = {0}, plain;
    struct auth_answer answer;
    if (auth_far_tuple(fd, &far, err))
        return -1;
    /* What dialled an IPv4 address of a two-family listener may be a socket of either family. */
    if (auth_unmap(&far, &plain)) {
        if (auth_lookup(&plain, &answer, err))
            goto no_answer;
        if (answer.found)
            goto judge;
    }
    if (auth_lookup(&far, &answer, err))
        goto no_answer;
judge:
    if (auth_judge(&answer, err))
        return -1;
    auth_own_user(user);
    snprintf(user->method, sizeof(user->method), "local");
    return 0;
no_answer:
    if (err)
        err->code = ERR_FORBIDDEN;
    return -1;
}

/* A connected pair on 127.0.0.1, so that the question is asked the way it will be. */
static int auth_probe(int *listener, int *client, int *accepted)
{
    struct sockaddr_in here = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(here);
    *listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    *client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (*listener < 0 || *client < 0 || bind(*listener, (struct sockaddr *)&here, len) ||
        listen(*listener, 1) || getsockname(*listener, (struct sockaddr *)&here, &len) ||
        connect(*client, (struct sockaddr *)&here, len))
        return -1;
    *accepted = accept4(*listener, NULL, NULL, SOCK_CLOEXEC);
    return *accepted < 0 ? -1 : 0;
}

int auth_local_check(struct err *err)
{
    struct user user;
    struct err why = {0};
    int listener = -1, client = -1, accepted = -1, rc = -1;
    if (auth_probe(&listener, &client, &accepted)) {
        err_set(err, "cannot open a connection on 127.0.0.1 to try local authentication: %s",
                strerror(errno));
        goto out;
    }
    if (auth_local_peer(accepted, &user, &why)) {
        err_set(err, "local authentication does not work here: %s; name users with --auth tokens", why.text);
        goto out;
    }
    rc = 0;
out:
    if (accepted >= 0)
        close(accepted);
    if (client >= 0)
        close(client);
    if (listener >= 0)
        close(listener);
    return rc;
}
