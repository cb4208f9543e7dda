/* Streams: a body that comes in pieces, for as long as it takes. */
#include "kube/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kube_world.h"

struct piece {
    struct world *w;
    struct kube_call *call;
    struct got got;
    struct buf data;
    int opened, pieces;
    bool pause, cancel;
};

static void piece_opened(void *arg)
{
    ((struct piece *)arg)->opened++;
}

static void piece_data(void *arg, const char *data, size_t len)
{
    struct piece *p = arg;
    assert_int_equal(p->opened, 1);
    buf_append(&p->data, data, len);
    p->pieces++;
    if (p->pause)
        kube_stream_pause(p->call, true);
    if (p->cancel)
        kube_cancel(&p->call);
}

static void piece_done(void *arg, const struct kube_answer *answer)
{
    struct piece *p = arg;
    p->call = NULL;
    got_answer(&p->got, answer);
}

static void stream_start(struct piece *p, unsigned silence_ms)
{
    struct err err;
    struct kube_stream_request request = {.path = "/api/v1/pods/x/log",
                                          .query = "follow=true",
                                          .silence_ms = silence_ms,
                                          .on_open = piece_opened,
                                          .on_data = piece_data};
    p->call = kube_stream(p->w->cluster, &request, piece_done, p, &err);
    assert_non_null(p->call);
}

static void stream_answer(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    world_answer(api, asked, answer);
    if (answer->status == 200)
        *answer = (struct fake_answer){.deed = FAKE_STREAM};
}

static struct piece *stream_setup(struct world *w, const char *user)
{
    struct piece *p = mem_new(sizeof(*p));
    p->w = w;
    w->api.fn = stream_answer;
    world_must_open(w, user);
    return p;
}

static void stream_free(struct piece *p)
{
    kube_cancel(&p->call);
    buf_free(&p->data);
    free(p);
}

static void a_log_comes_as_it_is_written(void **state)
{
    struct world *w = *state;
    struct piece *p = stream_setup(w, "{token: t}");
    stream_start(p, 0);
    until(w, &p->opened, 1);
    assert_int_equal(p->pieces, 0);
    fake_stream(&w->api, "one\n", 4);
    until(w, &p->pieces, 1);
    assert_string_equal(buf_str(&p->data), "one\n");
    fake_stream(&w->api, "two\n", 4);
    fake_stream(&w->api, NULL, 0);
    until(w, &p->got.count, 1);
    assert_int_equal(p->got.status, 200);
    assert_string_equal(buf_str(&p->data), "one\ntwo\n");
    assert_string_equal(w->api.asked[0].target, "/api/v1/pods/x/log?follow=true");
    stream_free(p);
}

static void a_log_that_breaks_off_or_falls_silent_says_so(void **state)
{
    struct world *w = *state;
    struct piece *p = stream_setup(w, "{}");
    stream_start(p, 0);
    until(w, &p->opened, 1);
    fake_stream(&w->api, "one\n", 4);
    until(w, &p->pieces, 1);
    fake_close(w->api.stream);
    until(w, &p->got.count, 1);
    assert_int_equal(p->got.status, 0);
    assert_int_equal(p->got.code, ERR_UNAVAILABLE);
    assert_int_equal(w->api.count, 1);
    p->opened = 0;
    stream_start(p, 100);
    until(w, &p->got.count, 2);
    assert_int_equal(p->got.code, ERR_TIMEOUT);
    stream_free(p);
}

static void a_stream_refreshes_refused_credentials_once(void **state)
{
    struct world *w = *state;
    struct piece *p =
        stream_setup(w, "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, "
                        "interactiveMode: Never}}");
    world_put(w, "plugin", 0755,
              "#!/bin/sh\ncd \"${0%/*}\"\necho x >> runs\n"
              "printf '{\"kind\":\"ExecCredential\",\"apiVersion\":\"client.authentication.k8s.io/v1\","
              "\"status\":{\"token\":\"tok-%s\"}}' \"$(wc -l < runs)\"\n");
    w->wanted_token = "Bearer tok-2\r\n";
    stream_start(p, 0);
    until(w, &p->opened, 1);
    assert_int_equal(w->api.count, 2);
    stream_free(p);
    clusters_free(w->clusters);
    /* And what is refused for good has the server's words. */
    p = stream_setup(w, "{token: old}");
    w->wanted_token = "new";
    stream_start(p, 0);
    until(w, &p->got.count, 1);
    assert_int_equal(p->got.status, 401);
    assert_string_equal(p->got.message, "Unauthorized");
    assert_int_equal(p->opened + p->pieces, 0);
    stream_free(p);
}

/* 32 MiB are more than any socket's buffers. */
static void a_reader_that_pauses_makes_the_server_wait(void **state)
{
    enum { PIECE = 1024 * 1024, PIECES = 32 };
    struct world *w = *state;
    struct piece *p = stream_setup(w, "{}");
    char *piece = mem_new(PIECE);
    memset(piece, 'x', PIECE);
    p->pause = true;
    stream_start(p, 100);
    until(w, &p->opened, 1);
    struct fake_connection *server = w->api.stream;
    for (int i = 0; i < PIECES; i++)
        fake_stream(&w->api, piece, PIECE);
    fake_stream(&w->api, NULL, 0);
    until(w, &p->pieces, 1);
    turn_for(w, 400); /* longer than it might be silent */
    assert_in_range(p->data.len, 1, 1024 * 1024);
    assert_true(uv_stream_get_write_queue_size((uv_stream_t *)&server->tcp) > PIECES / 2 * PIECE);
    assert_int_equal(p->got.count, 0);
    p->pause = false;
    kube_stream_pause(p->call, false);
    until(w, &p->got.count, 1);
    assert_int_equal(p->got.status, 200);
    assert_int_equal(p->data.len, PIECES * PIECE);
    assert_true(p->pieces > PIECES); /* it never came in one lump */
    free(piece);
    stream_free(p);
}

static void a_stream_may_be_given_up_from_inside_and_paused_before_it_began(void **state)
{
    struct world *w = *state;
    struct piece *p = stream_setup(w, "{}");
    p->cancel = true;
    stream_start(p, 0);
    until(w, &p->opened, 1);
    fake_stream(&w->api, "one\n", 4);
    until(w, &p->pieces, 1);
    turn_for(w, 20);
    assert_null(p->call);
    assert_int_equal(p->got.count, 0);
    p->cancel = false;
    p->opened = 0;
    stream_start(p, 0);
    kube_stream_pause(p->call, true);
    until(w, &p->opened, 1);
    fake_stream(&w->api, "two\n", 4);
    turn_for(w, 50);
    assert_int_equal(p->pieces, 1);
    kube_stream_pause(p->call, false);
    until(w, &p->pieces, 2);
    assert_string_equal(buf_str(&p->data), "one\ntwo\n");
    stream_free(p);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_log_comes_as_it_is_written),
        TEST(a_log_that_breaks_off_or_falls_silent_says_so),
        TEST(a_stream_refreshes_refused_credentials_once),
        TEST(a_reader_that_pauses_makes_the_server_wait),
        TEST(a_stream_may_be_given_up_from_inside_and_paused_before_it_began),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
