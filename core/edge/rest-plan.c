/* What an apply would do, for whoever still writes the manifest. The plan ends with its exchange. */
#include "edge/rest-internal.h"
#include "exec/plan.h"

static void plan_done(void *arg, struct buf *result)
{
    struct exchange *x = arg;
    x->plan = NULL;
    exchange_send_json(x, 200, result);
}

static void plan_begin(struct exchange *x, struct start_request *request)
{
    struct err err = {0};
    x->plan =
        plan_start(rest_server(x)->options.executions, request, &x->connection->user, plan_done, x, &err);
    if (!x->plan)
        exchange_fail(x, &err);
}

void rest_plan(struct exchange *x)
{
    rest_read_start(x, plan_begin);
}
