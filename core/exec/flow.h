/* flow.h: what is asked of a flow before it becomes an execution. How it runs is flow_run (run.h). */
#pragma once

struct buf;
struct err;
struct json_writer;
struct pack;
struct pack_flow;
struct start_request;

/* Is there such a flow, for such a resource, with such an input? Then the request's resource is the
 * registered name and its action the flow's own, so that it is judged by these. -1 with ERR_BAD_REQUEST and a
 * sentence. */
int flow_admit(const struct pack *pack, struct start_request *request, struct err *err);

/* What people are told of a flow, as a JSON object. */
void flow_write(struct json_writer *w, const struct pack_flow *flow);

/* "Restart deployments/api" */
void flow_label(const struct pack *pack, const struct start_request *request, struct buf *out);
