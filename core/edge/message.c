#include "edge/message.h"

#include "base/mem.h"
#include "exec/request.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

struct message *message_new(char *text, size_t len)
{
    struct message *m = mem_new(sizeof(*m));
    m->text = text;
    m->len = len;
    return m;
}

void message_free(void *message)
{
    struct message *m = message;
    if (!m)
        return;
    if (m->start)
        start_request_free(m->start);
    free(m->id);
    free(m->text);
    free(m);
}

static int message_read_type(struct message *m, json_t *root)
{
    static const char *const words[] = {"start", "attach", "cancel"};
    const char *word = json_string_value(json_object_get(root, "type"));
    for (size_t i = 0; word && i < sizeof(words) / sizeof(words[0]); i++)
        if (strcmp(words[i], word) == 0) {
            m->type = (enum message_type)i;
            return 0;
        }
    return err_code(&m->err, ERR_BAD_REQUEST, "a message has the type start, attach or cancel");
}

static int message_read_attach(struct message *m, json_t *root)
{
    json_t *after = json_object_get(root, "afterSeq");
    if (!m->id)
        return err_code(&m->err, ERR_BAD_REQUEST, "attach needs an executionId");
    if (!after || json_is_null(after))
        return 0;
    if (!json_is_integer(after) || json_integer_value(after) < 0)
        return err_code(&m->err, ERR_BAD_REQUEST, "afterSeq must be a number from 0 on");
    m->after_seq = (uint64_t)json_integer_value(after);
    return 0;
}

static int message_read_all(struct message *m)
{
    json_error_t fault;
    json_t *root = json_loadb(m->text, m->len, JSON_REJECT_DUPLICATES, &fault);
    int rc = -1;
    if (!json_is_object(root)) {
        err_code(&m->err, ERR_BAD_REQUEST, "a message must be one JSON object%s%s", root ? "" : ": ",
                 root ? "" : fault.text);
        goto out;
    }
    json_t *id = json_object_get(root, "executionId");
    if (id && !json_is_null(id) && !json_is_string(id)) {
        err_code(&m->err, ERR_BAD_REQUEST, "executionId must be a string");
        goto out;
    }
    if (json_string_length(id))
        m->id = mem_strn(json_string_value(id), json_string_length(id));
    if (message_read_type(m, root))
        goto out;
    if (m->type == MESSAGE_ATTACH && message_read_attach(m, root))
        goto out;
    rc = 0;
out:
    json_decref(root);
    if (rc || m->type != MESSAGE_START)
        return rc;
    m->start = start_request_parse(m->text, m->len, &m->err);
    return m->start ? 0 : -1;
}

void message_read(void *message)
{
    struct message *m = message;
    m->rc = message_read_all(m);
}
