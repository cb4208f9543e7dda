/* What an HTTP answer means to somebody who asked Kubernetes something. */
#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <string.h>

bool kube_method_writes(const char *method)
{
    return strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0;
}

static enum err_code code_of_status(int status)
{
    switch (status) {
    case 400:
    case 422:
        return ERR_BAD_REQUEST;
    case 401:
        return ERR_UNAUTHORIZED;
    case 403:
        return ERR_FORBIDDEN;
    case 404:
        return ERR_NOT_FOUND;
    case 409:
        return ERR_CONFLICT;
    case 413:
        return ERR_TOO_LARGE;
    case 429:
        return ERR_BUSY;
    case 503:
        return ERR_UNAVAILABLE;
    default:
        return ERR_FAILED;
    }
}

/* At most `most` bytes of the text, the last a whole character. */
static void message_cut(struct buf *out, const char *text, size_t most)
{
    size_t len = strlen(text), keep = len > most ? str_utf8_cut(text, most) : len;
    buf_append(out, text, keep);
    if (keep < len)
        buf_puts(out, "…");
}

/* The beginning of a body that is no Status, on one line: a proxy's page, Go's "404 page not found". */
static void message_of_text(struct buf *out, const struct http_answer *http)
{
    char line[260];
    size_t n = 0;
    for (size_t i = 0; i < http->body_len && n < sizeof(line) - 4; i++) {
        unsigned char c = (unsigned char)http->body[i];
        if (!isspace(c) && !iscntrl(c))
            line[n++] = (char)c;
        else if (n && line[n - 1] != ' ')
            line[n++] = ' ';
    }
    while (n && line[n - 1] == ' ')
        n--;
    line[n] = '\0';
    line[str_utf8_cut(line, n)] = '\0';
    if (*line)
        buf_printf(out, ": %s", line);
}

static void answer_of_status(struct kube_answer *out, struct answer_text *text,
                             const struct http_answer *http, const struct cluster *cluster)
{
    if (http->body_len <= KUBE_STATUS_MAX)
        text->status = json_loadb(http->body, http->body_len, 0, NULL);
    const char *kind = json_string_value(json_object_get(text->status, "kind"));
    const char *message = json_string_value(json_object_get(text->status, "message"));
    if (str_eq(kind, "Status") && !str_empty(message)) {
        out->reason = str_or(json_string_value(json_object_get(text->status, "reason")), "");
        message_cut(&text->message, message, KUBE_MESSAGE_MAX);
    } else if (http->status == 401) {
        buf_printf(&text->message, "%s does not accept the credentials of user \"%s\"", cluster->server,
                   cluster->user.name);
    } else {
        buf_printf(&text->message, "%s answered %d", cluster->server, http->status);
        message_of_text(&text->message, http);
    }
    out->code = code_of_status(http->status);
}

static void answer_of_failure(struct kube_answer *out, struct answer_text *text,
                              const struct http_answer *http, const char *method)
{
    out->in_doubt = http->sent && kube_method_writes(method);
    out->code = http->err->code;
    if (!http->sent && (out->code == ERR_UNAVAILABLE || out->code == ERR_TIMEOUT))
        buf_puts(&text->message, "No cluster answers at ");
    message_cut(&text->message, http->err->text, KUBE_MESSAGE_MAX);
}

void answer_of_http(struct kube_answer *out, struct answer_text *text, const struct http_answer *http,
                    const char *method, const struct cluster *cluster)
{
    *out = (struct kube_answer){
        .status = http->status,
        .body = http->body ? http->body : "",
        .body_len = http->body ? http->body_len : 0,
        .warnings = http->warnings,
        .reason = "",
        .message = "",
    };
    if (http->status >= 200 && http->status < 300)
        return;
    if (http->status)
        answer_of_status(out, text, http, cluster);
    else
        answer_of_failure(out, text, http, method);
    out->message = text->message.failed ? "out of memory" : buf_str(&text->message);
}

void answer_text_clear(struct answer_text *text)
{
    json_decref(text->status);
    buf_free(&text->message);
    text->status = NULL;
}
