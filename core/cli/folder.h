/* folder.h: where the host keeps things, and the one host that a data folder has. */
#pragma once

#include <sys/types.h>

struct err;

/* The folders by the XDG rules; the caller frees. */
char *folder_config(void); /* ~/.config/moonsail */
char *
folder_data(const char *named); /* --data, $STATE_DIRECTORY, ~/.local/state/moonsail; NULL without a home */

/* Are all of them (NULL ends) folders? -1 with err, which names the first that is none. */
int folder_check(const char *const *dirs, struct err *err);

/* The configuration file to read: `named`, else the user's, else the system's; NULL where none is. */
char *folder_config_file(const char *named);

struct data_lock;

/* Makes the folder (0700) where it is not there, and takes its lock. NULL with err: not writable, or
 * another serve holds it, with its pid. */
struct data_lock *data_lock_take(const char *dir, struct err *err);
/* Writes host.json (0600): how commands of this user find the host. -1 with err. */
int data_lock_publish(struct data_lock *lock, const char *url, struct err *err);
void data_lock_release(struct data_lock *lock);

/* The URL of the host that holds the folder's lock, from its host.json; NULL where none does. The
 * caller frees. */
char *data_lock_host(const char *dir);
