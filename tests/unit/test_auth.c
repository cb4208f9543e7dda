/* Whose connection it is: the kernel's word, for both families and for those who hide. */
#include "guard/auth.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { OTHER_UID = 65534 };

static int listen_on(int family, bool both_families, struct sockaddr_storage *address, socklen_t *len)
{
    int fd = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    memset(address, 0, sizeof(*address));
    address->ss_family = (sa_family_t)family;
    if (family == AF_INET) {
        ((struct sockaddr_in *)address)->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        *len = sizeof(struct sockaddr_in);
    } else {
        int only = both_families ? 0 : 1;
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only));
        if (!both_families)
            ((struct sockaddr_in6 *)address)->sin6_addr = in6addr_loopback;
        *len = sizeof(struct sockaddr_in6);
    }
    if (bind(fd, (struct sockaddr *)address, *len) || listen(fd, 4) ||
        getsockname(fd, (struct sockaddr *)address, len)) {
        close(fd);
        return -1;
    }
    return fd;
}

static int dial(const struct sockaddr_storage *address, socklen_t len)
{
    int fd = socket(address->ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)address, len), 0);
    return fd;
}

static void admits_own(int family)
{
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(family, false, &address, &len);
    if (listener < 0 && family == AF_INET6)
        skip(); /* a machine without IPv6 */
    assert_true(listener >= 0);
    int client = dial(&address, len);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct user user, own;
    struct err err = {0};
    assert_int_equal(auth_local_peer(accepted, &user, &err), 0);
    auth_own_user(&own);
    assert_string_equal(user.name, own.name);
    assert_string_equal(user.role, "admin");
    assert_string_equal(user.method, "local");
    close(client);
    close(accepted);
    close(listener);
}

static void own_user_is_admitted_over_ipv4(void **state)
{
    (void)state;
    admits_own(AF_INET);
}

static void own_user_is_admitted_over_ipv6(void **state)
{
    (void)state;
    admits_own(AF_INET6);
}

static void own_user_is_admitted_over_a_mapped_address(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(AF_INET6, true, &address, &len);
    if (listener < 0)
        skip();
    struct sockaddr_storage plain = {0};
    struct sockaddr_in *in = (struct sockaddr_in *)&plain;
    in->sin_family = AF_INET;
    in->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    in->sin_port = ((struct sockaddr_in6 *)&address)->sin6_port;
    int client = dial(&plain, sizeof(*in));
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct user user;
    struct err err = {0};
    assert_int_equal(auth_local_peer(accepted, &user, &err), 0);
    close(client);
    close(accepted);

    /* The same from an IPv6 socket that dials the mapped address. */
    struct sockaddr_in6 mapped = {.sin6_family = AF_INET6, .sin6_port = in->sin_port};
    inet_pton(AF_INET6, "::ffff:127.0.0.1", &mapped.sin6_addr);
    memset(&plain, 0, sizeof(plain));
    memcpy(&plain, &mapped, sizeof(mapped));
    client = dial(&plain, sizeof(mapped));
    accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    assert_int_equal(auth_local_peer(accepted, &user, &err), 0);
    close(client);
    close(accepted);
    close(listener);
}

/* A closed socket reads as uid 0, inode 0: as root this is what a careless check admits. */
static void a_client_that_closes_at_once_is_refused(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(AF_INET, false, &address, &len);
    int client = dial(&address, len);
    assert_int_equal(write(client, "GET / HTTP/1.1\r\n\r\n", 18), 18);
    close(client);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct user user;
    struct err err = {0};
    assert_int_equal(auth_local_peer(accepted, &user, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_non_null(strstr(err.text, "only its own user"));
    close(accepted);
    close(listener);
}

/* A client that has sent its end of stream is no longer ESTABLISHED. */
static void a_half_closed_client_is_refused(void **state)
{
    (void)state;
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(AF_INET, false, &address, &len);
    int client = dial(&address, len);
    shutdown(client, SHUT_WR);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct user user;
    struct err err = {0};
    assert_int_equal(auth_local_peer(accepted, &user, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    close(client);
    close(accepted);
    close(listener);
}

/* Another account, root among them, is told apart; needs root to become somebody else. */
static void another_account_is_refused_by_uid(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(AF_INET, false, &address, &len);
    int done[2];
    assert_int_equal(pipe(done), 0);
    pid_t child = fork();
    if (child == 0) {
        char c;
        close(done[1]);
        if (setuid(OTHER_UID))
            _exit(1);
        int fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(fd, (struct sockaddr *)&address, len))
            _exit(2);
        _exit(read(done[0], &c, 1) == 0 ? 0 : 3);
    }
    close(done[0]);
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    struct user user;
    struct err err = {0};
    assert_int_equal(auth_local_peer(accepted, &user, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    assert_string_equal(err.text,
                        "this host serves only its own user (uid 0); the connection belongs to uid 65534");
    close(done[1]);
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(accepted);
    close(listener);
}

/* And root is not admitted by a host that runs as somebody else. */
static void root_is_refused_by_a_users_host(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct sockaddr_storage address;
    socklen_t len;
    int listener = listen_on(AF_INET, false, &address, &len);
    int client = dial(&address, len); /* root's */
    int accepted = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    pid_t child = fork();
    if (child == 0) {
        struct user user;
        struct err err = {0};
        if (setuid(OTHER_UID))
            _exit(1);
        if (auth_local_peer(accepted, &user, &err) == 0 || err.code != ERR_FORBIDDEN)
            _exit(2);
        _exit(strstr(err.text, "belongs to uid 0") ? 0 : 3);
    }
    int status = -1;
    waitpid(child, &status, 0);
    assert_int_equal(status, 0);
    close(client);
    close(accepted);
    close(listener);
}

static void the_kernel_answers_here(void **state)
{
    (void)state;
    struct err err = {0};
    assert_int_equal(auth_local_check(&err), 0);
}

static void what_is_no_connection_is_refused(void **state)
{
    (void)state;
    struct user user;
    struct err err = {0};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(auth_local_peer(fd, &user, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    close(fd);
    int pair[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    assert_int_equal(auth_local_peer(pair[0], &user, &err), -1);
    assert_int_equal(err.code, ERR_FORBIDDEN);
    close(pair[0]);
    close(pair[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(own_user_is_admitted_over_ipv4),
        cmocka_unit_test(own_user_is_admitted_over_ipv6),
        cmocka_unit_test(own_user_is_admitted_over_a_mapped_address),
        cmocka_unit_test(a_client_that_closes_at_once_is_refused),
        cmocka_unit_test(a_half_closed_client_is_refused),
        cmocka_unit_test(another_account_is_refused_by_uid),
        cmocka_unit_test(root_is_refused_by_a_users_host),
        cmocka_unit_test(the_kernel_answers_here),
        cmocka_unit_test(what_is_no_connection_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
