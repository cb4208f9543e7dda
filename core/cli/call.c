#include "cli/call.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"
#include "cli/command.h"
#include "cli/session.h"
#include "io/http.h"
#include "loop/loop.h"

#include <curl/curl.h>
#include <jansson.h>
#include <stdlib.h>

struct waiting {
    struct loop *loop;
    struct buf *body;
    int status;
    struct err err;
};

static void call_done(void *arg, const struct http_answer *answer)
{
    struct waiting *w = arg;
    w->status = answer->status;
    if (answer->err)
        w->err = *answer->err;
    else
        buf_append(w->body, answer->body, answer->body_len);
    loop_stop(w->loop);
}

static int call_failed(const struct waiting *w, const char *url)
{
    if (w->status == 0)
        return command_fail(EXIT_NO_HOST, "no host answers at %s: %s", url, w->err.text);
    json_t *root = json_loadb(buf_str(w->body), w->body->len, 0, NULL);
    const char *message = json_string_value(json_object_get(json_object_get(root, "error"), "message"));
    int code = command_fail(w->status == 401 || w->status == 403 ? EXIT_REFUSED : EXIT_FAILED, "%s",
                            str_or(message, "the host refused it"));
    json_decref(root);
    return code;
}

int call_host(const struct session_host *host, const char *method, const char *path, struct buf *body)
{
    struct waiting w = {.loop = loop_new(), .body = body};
    char *url = mem_printf("%s%s", host->url, path);
    char *token = host->token ? mem_printf("Authorization: Bearer %s", host->token) : NULL;
    const char *headers[] = {"Content-Type: application/json", token, NULL};
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct http_client *client = http_client_new(w.loop, &(struct http_options){0}, &w.err);
    struct http_call *call =
        client ? http_send(client,
                           &(struct http_request){.method = method,
                                                  .url = url,
                                                  .headers = headers,
                                                  .body = str_eq(method, "POST") ? "" : NULL,
                                                  .done = call_done,
                                                  .arg = &w},
                           &w.err)
               : NULL;
    if (call)
        loop_run(w.loop);
    int code = w.status >= 200 && w.status < 300 ? 0 : call_failed(&w, host->url);
    if (client)
        http_client_free(client);
    loop_close(w.loop);
    curl_global_cleanup();
    free(url);
    free(token);
    return code;
}

char *call_resolve_id(const struct session_host *host, const char *id, int *code)
{
    struct buf body = {0};
    *code = 0;
    if (!str_eq(id, "last"))
        return mem_str(id);
    *code = call_host(host, "GET", "/api/executions?limit=1", &body);
    json_t *list = *code ? NULL : json_loadb(buf_str(&body), body.len, 0, NULL);
    char *last = mem_str(json_string_value(json_object_get(json_array_get(list, 0), "executionId")));
    if (!last && *code == 0)
        *code = command_fail(EXIT_FAILED, "nothing has run yet");
    json_decref(list);
    buf_free(&body);
    return last;
}
