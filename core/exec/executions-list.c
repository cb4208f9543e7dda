/* executions-list.c: the list of executions: those in memory, and between and behind them those that only the
 * history has. */
#include "base/json-write.h"
#include "base/map.h"
#include "base/str.h"
#include "exec/execution-internal.h"
#include "exec/request.h"
#include "guard/rbac.h"
#include "io/history.h"

#include <string.h>

static bool query_word(const char *wanted, const char *is)
{
    return str_empty(wanted) || str_eq(wanted, is);
}

static bool query_text(const struct execution *ex, const char *q)
{
    const struct start_request *r = ex->request;
    const char *const texts[] = {ex->id, ex->label, ex->error, r->namespace_, r->resource, r->name};
    if (str_empty(q))
        return true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (texts[i] && strcasestr(texts[i], q))
            return true;
    return false;
}

bool execution_matches(const struct execution *ex, const struct executions_query *query,
                       const struct user *user)
{
    return execution_visible(ex, user) && query_word(query->status, execution_status_name(ex->status)) &&
           query_word(query->mode, execution_mode(ex)) && query_word(query->user, ex->user.name) &&
           ex->started >= query->since && query_text(ex, query->q);
}

struct list_walk {
    struct executions *set;
    const struct executions_query *query;
    const struct user *user;
    struct json_writer *w;
    size_t left;
    const struct execution *next; /* in memory */
};

/* Those in memory that are newer than `number`. */
static void list_memory(struct list_walk *walk, uint64_t number)
{
    for (; walk->left && walk->next && walk->next->number > number; walk->next = TAILQ_NEXT(walk->next, link))
        if (execution_matches(walk->next, walk->query, walk->user)) {
            execution_write_record(walk->next, walk->w);
            walk->left--;
        }
}

static int list_row(void *arg, const struct history_row *row)
{
    struct list_walk *walk = arg;
    list_memory(walk, row->number);
    if (walk->left && !map_get(walk->set->by_id, row->id)) {
        jsonw_raw(walk->w, row->record, strlen(row->record));
        walk->left--;
    }
    return walk->left == 0;
}

static int list_number(void *arg, const struct history_row *row)
{
    *(uint64_t *)arg = row->number;
    return 1;
}

/* The number of the execution that the page begins behind; 0: from the newest on. */
static int list_before(struct list_walk *walk, const char *id, uint64_t *before, struct err *err)
{
    const struct execution *ex = str_empty(id) ? NULL : map_get(walk->set->by_id, id);
    struct history *history = walk->set->options.history;
    if (str_empty(id))
        return 0;
    if (ex)
        *before = ex->number;
    else if (!history || !history_find(history, id, list_number, before))
        return err_code(err, ERR_BAD_REQUEST, "before: no execution %s is kept here", id);
    while (walk->next && walk->next->number >= *before)
        walk->next = TAILQ_NEXT(walk->next, link);
    return 0;
}

int executions_write_list(struct executions *set, const struct executions_query *query,
                          const struct user *user, struct json_writer *w, struct err *err)
{
    struct list_walk walk = {.set = set, .query = query, .user = user, .w = w};
    uint64_t before = 0;
    walk.left = query->limit ? query->limit : 50;
    walk.next = TAILQ_FIRST(&set->all);
    if (list_before(&walk, query->before, &before, err))
        return -1;
    jsonw_begin_array(w);
    if (set->options.history)
        history_list(set->options.history,
                     &(struct history_query){
                         .before = before,
                         .status = query->status,
                         .mode = query->mode,
                         .user = query->user,
                         .q = query->q,
                         .since = query->since,
                         .viewer = rbac_is_admin(user->role) ? NULL : user->name,
                         .others = rbac_allows(user->role, "watch", "executions", ""),
                     },
                     list_row, &walk);
    list_memory(&walk, 0);
    jsonw_end_array(w);
    return 0;
}
