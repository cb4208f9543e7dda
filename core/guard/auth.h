/* auth.h: who is at the other end of a connection.
 *
 * Mode `local`: the kernel says whose socket it is (NETLINK_SOCK_DIAG, the exact
 * four-tuple) and only the host's own uid is let in. Other modes come later. */
#pragma once

#include "base/err.h"

#include <stdbool.h>

enum { USER_TEXT = 64 };

/* A person as the host knows them. A plain value. */
struct user {
    char name[USER_TEXT];
    char role[USER_TEXT];   /* admin, developer, viewer … */
    char method[USER_TEXT]; /* how authenticated: "local", "process" */
};

enum auth_mode { AUTH_LOCAL };

/* The user of this process: the account's name, role admin. For the CLI in its own process. */
void auth_own_user(struct user *user);

/* Can the kernel answer here? 0, or -1 with err that names --auth tokens. For the start of serve. */
int auth_local_check(struct err *err);

/* Judges the peer of the accepted TCP socket `fd` (IPv4, IPv6, v4-mapped). 0 and the user,
 * or -1 with err (ERR_FORBIDDEN and a sentence): the socket at the other end must exist, be
 * ESTABLISHED, have an inode and belong to the host's own uid. */
int auth_local_peer(int fd, struct user *user, struct err *err);
