/* watch.h: a socket of GET /api/watch, for server.c; and what watch.c and watch-topic.c share. */
#pragma once

#include <stdbool.h>
#include <stddef.h>

struct connection;
struct json_writer;
struct server;
struct watch_hub;
struct watch_socket;
struct watch_sub;

struct watch_hub *watch_hub_new(struct server *server);
void watch_hub_free(struct watch_hub *hub); /* when no socket is left */

struct watch_socket *watch_new(struct connection *connection);
void watch_free(struct watch_socket **socket);
/* Each returns what the lws callback returns: -1 closes. */
int watch_receive(struct watch_socket *socket, const char *data, size_t len);
int watch_writable(struct watch_socket *socket);
int watch_timeout(struct watch_socket *socket);
void watch_goodbye(struct watch_socket *socket); /* the host ends: 1001 */

void watch_sub_wake(struct watch_sub *sub);
void watch_sub_free(struct watch_sub *sub); /* not on its socket any more */
bool watch_sub_pending(const struct watch_sub *sub);
/* One message; false: nothing to say after all. */
bool watch_sub_write(struct watch_sub *sub, struct json_writer *w);
