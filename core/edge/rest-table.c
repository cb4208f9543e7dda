/* The API server's Table, told as columns and rows. */
#include "base/json-span.h"
#include "edge/rest-internal.h"

#include <string.h>

/* The members of an object that are handed on, under names of ours. */
struct table_member {
    const char *from, *to;
    const char *otherwise; /* JSON; NULL: left out */
};

enum { TABLE_MEMBERS = 8 };

/* In the members' order, whatever the object's is. One walk: metadata can be long. */
static void table_pick(struct json_writer *w, struct json_span object, const struct table_member *members)
{
    struct json_span found[TABLE_MEMBERS] = {0}, key, value;
    const char *at = NULL;
    while (json_span_next(object, &at, &key, &value))
        for (size_t i = 0; members[i].from; i++)
            if (json_span_is(key, members[i].from))
                found[i] = value;
    for (size_t i = 0; members[i].from; i++) {
        if (!found[i].at && !members[i].otherwise)
            continue;
        jsonw_key(w, members[i].to);
        if (found[i].at)
            jsonw_raw(w, found[i].at, found[i].len);
        else
            jsonw_raw(w, members[i].otherwise, strlen(members[i].otherwise));
    }
}

void rest_table_columns(struct json_writer *w, struct json_span columns)
{
    static const struct table_member members[] = {{"name", "name", "\"\""},
                                                  {"type", "type", "\"string\""},
                                                  {"priority", "priority", "0"},
                                                  {"description", "description", "\"\""},
                                                  {NULL, NULL, NULL}};
    const char *at = NULL;
    struct json_span column;
    jsonw_key(w, "columns");
    jsonw_begin_array(w);
    while (json_span_next(columns, &at, NULL, &column)) {
        jsonw_begin_object(w);
        table_pick(w, column, members);
        jsonw_end_object(w);
    }
    jsonw_end_array(w);
}

void rest_table_row(struct json_writer *w, struct json_span row)
{
    static const struct table_member members[] = {{"name", "name", "\"\""},
                                                  {"namespace", "namespace", "\"\""},
                                                  {"uid", "uid", "\"\""},
                                                  {"resourceVersion", "resourceVersion", "\"\""},
                                                  {"creationTimestamp", "created", "\"\""},
                                                  {"labels", "labels", NULL},
                                                  {NULL, NULL, NULL}};
    static const struct table_member cells[] = {{"cells", "cells", "[]"}, {NULL, NULL, NULL}};
    jsonw_begin_object(w);
    table_pick(w, json_span_path(row, "object.metadata"), members);
    table_pick(w, row, cells);
    jsonw_end_object(w);
}

static void table_rows(struct json_writer *w, struct json_span rows)
{
    const char *at = NULL;
    struct json_span row;
    jsonw_key(w, "rows");
    jsonw_begin_array(w);
    while (json_span_next(rows, &at, NULL, &row))
        rest_table_row(w, row);
    jsonw_end_array(w);
}

int rest_table_make(struct rest_job *job, struct err *err)
{
    static const struct table_member members[] = {{"continue", "continue", "\"\""},
                                                  {"remainingItemCount", "remaining", "null"},
                                                  {"resourceVersion", "resourceVersion", "\"\""},
                                                  {NULL, NULL, NULL}};
    struct json_span table = {buf_str(&job->in), job->in.len};
    struct json_writer w = JSON_WRITER(&job->out);
    if (!json_span_is(json_span_member(table, "kind"), "Table"))
        return err_set(err, "the cluster's answer is no table: whatever serves this kind does not make one");
    jsonw_begin_object(&w);
    jsonw_raw(&w, job->kept, strlen(job->kept));
    rest_table_columns(&w, json_span_member(table, "columnDefinitions"));
    table_rows(&w, json_span_member(table, "rows"));
    table_pick(&w, json_span_member(table, "metadata"), members);
    jsonw_end_object(&w);
    return job->out.failed ? err_no_memory(err) : 0;
}
