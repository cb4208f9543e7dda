/* demo-child.h: the demo cluster as a child of serve: the same binary, which ends when its host does. */
#pragma once

struct demo_child;
struct err;
struct loop;

#define DEMO_PARENT "MOONSAIL_DEMO_PARENT" /* in the child's environment: the host's pid */

/* Starts it with its objects in `data`, and waits until it serves (the loop turns meanwhile). NULL with err.
 */
struct demo_child *demo_child_start(struct loop *loop, const char *data, struct err *err);
void demo_child_stop(struct demo_child *child); /* waits for its end, the loop turns; NULL is fine */

const char *demo_child_kubeconfig(const struct demo_child *child);
