/* demo.h: a small Kubernetes API server that ships with the host, so that it has something to work on.
 *
 * HTTP on loopback with a bearer token; objects in SQLite; what kinds are and how they live in
 * scripts/demo. A process of its own: nothing but cli/ knows it. Loop thread only. */
#pragma once

struct demo;
struct err;
struct loop;

struct demo_options {
    struct loop *loop;
    const char *listen;           /* HOST:PORT on loopback */
    const char *data;             /* folder; NULL: a temporary one, removed at the end */
    const char *shipped;          /* the folder that holds scripts/demo */
    const char *const *serve_old; /* "pdb", "hpa"; ends with NULL; or NULL */
};

/* Listens and serves as soon as the loop runs; a new store is seeded first. NULL with err. */
struct demo *demo_new(const struct demo_options *options, struct err *err);
void demo_free(struct demo *demo); /* not from one of the loop's callbacks */

const char *demo_url(const struct demo *demo);        /* http://127.0.0.1:PORT */
const char *demo_kubeconfig(const struct demo *demo); /* the path */
