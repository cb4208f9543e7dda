/* rest-internal.h: routes that live in files of their own. */
#pragma once

#include "edge/edge-internal.h"

static inline struct server *rest_server(const struct exchange *x)
{
    return x->connection->server;
}

void rest_cluster_status(struct exchange *x);
void rest_resources(struct exchange *x);
