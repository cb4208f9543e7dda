/* Watches and streams: who follows a collection misses nothing, whatever the connection does. */
#include "kube/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "kube_world.h"

/* What the server says to lists and to watches, one after the other; the last again and again. */
struct plan {
    struct fake_answer lists[4], watches[4];
    size_t listed, watched;
};

struct seen {
    struct world *w;
    struct plan plan;
    struct kube_watch *watch;
    struct buf said; /* "item a 1; synced; " */
    int count, failed, opened;
    const char *stop_at;
    struct err failure;
    char lost[512];
};

static void plan_answer(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    struct seen *s = ((struct world *)api->arg)->arg;
    bool watch = strstr(asked->target, "watch=1") != NULL;
    struct fake_answer *all = watch ? s->plan.watches : s->plan.lists;
    size_t *at = watch ? &s->plan.watched : &s->plan.listed;
    if (all[*at].deed != FAKE_ANSWER || all[*at].body)
        *answer = all[*at];
    if (*at < 3 && (all[*at + 1].deed != FAKE_ANSWER || all[*at + 1].body))
        ++*at;
}

static void on_event(void *arg, const struct kube_watch_event *e)
{
    static const char *const words[] = {"item",    "synced",  "added", "modified",
                                        "deleted", "restart", "lost",  "back"};
    struct seen *s = arg;
    char *name = json_span_text(json_span_path(e->object, "metadata.name"));
    char *version = json_span_text(json_span_path(e->object, "metadata.resourceVersion"));
    assert_true((name != NULL) == (e->object.at != NULL));
    buf_puts(&s->said, words[e->type]);
    if (name)
        buf_printf(&s->said, " %s %s", name, version);
    buf_puts(&s->said, "; ");
    if (e->type == KUBE_WATCH_LOST)
        snprintf(s->lost, sizeof(s->lost), "%s", e->message);
    s->count++;
    if (str_eq(s->stop_at, words[e->type]))
        kube_watch_stop(&s->watch);
    free(name);
    free(version);
}

static void on_fail(void *arg, const struct err *err)
{
    struct seen *s = arg;
    s->failure = *err;
    s->failed++;
    if (str_eq(s->stop_at, "fail"))
        kube_watch_stop(&s->watch);
}

static const struct fake_answer follow = {.deed = FAKE_STREAM};
static const char one[] =
    "{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"10\"},"
    "\"items\":[{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"7\"}}]}\n";
static const char none[] = "{\"metadata\":{\"resourceVersion\":\"20\"},\"items\":null}";
static const char gone[] =
    "{\"kind\":\"Status\",\"status\":\"Failure\",\"message\":\"too old resource version\","
    "\"reason\":\"Expired\",\"code\":410}";

#define LIST(text)           ((struct fake_answer){.status = 200, .body = (text)})
#define REFUSE(number, text) ((struct fake_answer){.status = (number), .body = (text)})

static struct seen *seen_setup(struct world *w)
{
    struct seen *s = mem_new(sizeof(*s));
    s->w = w;
    w->arg = s;
    w->api.fn = plan_answer;
    s->plan.lists[0] = LIST(one);
    s->plan.watches[0] = follow;
    world_must_open(w, "{token: t}");
    return s;
}

static void seen_free(struct seen *s)
{
    kube_watch_stop(&s->watch);
    buf_free(&s->said);
    free(s);
}

static void seen_start(struct seen *s, const char *query, const char *version, unsigned silence_ms)
{
    struct err err;
    struct kube_watch_options options = {
        .path = "/api/v1/pods",
        .query = query,
        .resource_version = version,
        .silence_ms = silence_ms,
        .on_event = on_event,
        .on_fail = on_fail,
        .arg = s,
    };
    s->watch = kube_watch_start(s->w->cluster, &options, &err);
    assert_non_null(s->watch);
    assert_int_equal(s->count + s->failed, 0);
}

/* Until a stream is there to be written to. */
static void await_stream(struct seen *s)
{
    struct timer *limit = timer_start(s->w->loop, 10000, too_late, &s->w->late);
    while (!s->w->api.stream && !s->w->late)
        loop_turn(s->w->loop);
    assert_false(s->w->late);
    timer_stop(&limit);
}

static void push(struct seen *s, const char *text)
{
    await_stream(s);
    fake_stream(&s->w->api, text, strlen(text));
}

static void push_event(struct seen *s, const char *type, const char *name, int version)
{
    char *text = mem_printf(
        "{\"type\":\"%s\",\"object\":{\"metadata\":{\"name\":\"%s\",\"resourceVersion\":\"%d\"}}}\n", type,
        name, version);
    push(s, text);
    free(text);
}

static const char *asked_last(const struct seen *s)
{
    return s->w->api.asked[s->w->api.count - 1].target;
}

static void expect(struct seen *s, int count, const char *said)
{
    until(s->w, &s->count, count);
    assert_string_equal(buf_str(&s->said), said);
}

static void it_gives_what_is_there_and_then_what_changes(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, "labelSelector=app%3Dx", NULL, 0);
    expect(s, 2, "item a 7; synced; ");
    push_event(s, "ADDED", "b", 11);
    push_event(s, "MODIFIED", "a", 12);
    push_event(s, "DELETED", "b", 13);
    expect(s, 5, "item a 7; synced; added b 11; modified a 12; deleted b 13; ");
    assert_int_equal(s->w->api.count, 2);
    assert_string_equal(s->w->api.asked[0].target, "/api/v1/pods?labelSelector=app%3Dx&limit=500");
    unsigned seconds = 0;
    assert_int_equal(sscanf(asked_last(s),
                            "/api/v1/pods?labelSelector=app%%3Dx&watch=1&allowWatchBookmarks=true"
                            "&timeoutSeconds=%u&resourceVersion=10",
                            &seconds),
                     1);
    assert_in_range(seconds, 300, 600);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=10"));
    assert_non_null(strstr(s->w->api.asked[1].head, "Authorization: Bearer t\r\n"));
    seen_free(s);
}

static void a_long_list_comes_in_pages(void **state)
{
    static const char first[] = "{\"items\":[{\"metadata\":{\"name\":\"a\",\"resourceVersion\":\"1\"}},"
                                "{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"2\"}}],"
                                "\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"to/ken=\"}}";
    struct seen *s = seen_setup(*state);
    s->plan.lists[0] = LIST(first);
    s->plan.lists[1] = LIST(one);
    seen_start(s, NULL, "", 0);
    expect(s, 4, "item a 1; item b 2; item a 7; synced; ");
    assert_string_equal(s->w->api.asked[1].target, "/api/v1/pods?limit=500&continue=to%2Fken%3D");
    await_stream(s);
    assert_non_null(strstr(asked_last(s), "resourceVersion=10"));
    seen_free(s);
}

static void a_page_of_many_is_read_beside_the_loop(void **state)
{
    struct seen *s = seen_setup(*state);
    struct buf page = {0};
    buf_puts(&page, "{\"metadata\":{\"resourceVersion\":\"10\"},\"items\":[");
    for (int i = 0; i < 5000; i++)
        buf_printf(&page, "%s{\"metadata\":{\"name\":\"p%d\",\"resourceVersion\":\"7\"}}", i ? "," : "", i);
    buf_puts(&page, "]}");
    s->plan.lists[0] = LIST(page.data);
    seen_start(s, NULL, NULL, 0);
    until(s->w, &s->count, 5001);
    assert_true(str_ends(s->said.data, "item p4999 7; synced; "));
    kube_watch_stop(&s->watch);
    /* Given up wherever it is: before its page was read, while it is, and between its items. */
    for (int turns = 0; turns < 12; turns++) {
        fake_api_forget(&s->w->api);
        s->count = 0;
        seen_start(s, NULL, NULL, 0);
        for (int i = 0; i < turns; i++)
            loop_turn(s->w->loop);
        kube_watch_stop(&s->watch);
        int before = s->count;
        turn_for(s->w, 5);
        assert_int_equal(s->count, before);
    }
    seen_free(s);
    buf_free(&page);
}

static void it_follows_from_a_given_place_without_a_list(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 0);
    push_event(s, "ADDED", "b", 11);
    expect(s, 1, "added b 11; ");
    assert_int_equal(s->w->api.count, 1);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=5"));
    seen_free(s);
}

static void events_may_be_cut_anywhere(void **state)
{
    static const char text[] =
        "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"a\\u00e4\\n}\",\"resourceVersion\":\"11\"}}"
        "}\n"
        "\n{ \"type\" : \"MODIFIED\" , \"object\" : { "
        "\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"12\"}} }\r\n"
        "{\"type\":\"DELETED\",\"object\":{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"13\"}}}\n";
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 0);
    await_stream(s);
    for (size_t i = 0; text[i]; i++) {
        fake_stream(&s->w->api, text + i, 1);
        loop_turn(s->w->loop);
    }
    expect(s, 3, "added aä\n} 11; modified b 12; deleted c 13; ");
    seen_free(s);
}

static void it_goes_on_where_it_was_when_the_server_ends_the_connection(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 0);
    push_event(s, "ADDED", "b", 11);
    push(s, "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"half\",\"resourceVer");
    until(s->w, &s->count, 1);
    fake_stream(&s->w->api, NULL, 0);
    push_event(s, "ADDED", "half", 12);
    expect(s, 2, "added b 11; added half 12; ");
    assert_non_null(strstr(asked_last(s), "&resourceVersion=11"));
    seen_free(s);
}

static void it_says_that_it_is_out_of_touch_and_when_it_is_back(void **state)
{
    struct seen *s = seen_setup(*state);
    s->plan.watches[1] = REFUSE(500, "{\"kind\":\"Status\",\"message\":\"no leader\",\"code\":500}");
    s->plan.watches[2] = follow;
    seen_start(s, NULL, NULL, 0);
    push_event(s, "ADDED", "b", 11);
    until(s->w, &s->count, 3);
    fake_close(s->w->api.stream);
    until(s->w, &s->count, 4);
    assert_non_null(strstr(s->lost, "the connection broke before the answer ended"));
    until(s->w, &s->count, 5);
    assert_string_equal(s->lost, "no leader");
    /* Before a word of the new connection. */
    expect(s, 6, "item a 7; synced; added b 11; lost; lost; back; ");
    assert_non_null(strstr(asked_last(s), "&resourceVersion=11"));
    seen_free(s);
}

static void a_server_that_is_away_is_asked_until_it_is_there(void **state)
{
    struct seen *s = seen_setup(*state);
    s->plan.lists[0] = (struct fake_answer){.deed = FAKE_CLOSE};
    s->plan.lists[1] = REFUSE(503, "{}");
    s->plan.lists[2] = LIST(one);
    seen_start(s, NULL, NULL, 0);
    expect(s, 5, "lost; lost; back; item a 7; synced; ");
    seen_free(s);
}

static void a_bookmark_moves_the_place_and_says_nothing(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 0);
    push(s,
         "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"77\"}}}\n");
    fake_stream(&s->w->api, NULL, 0);
    await_stream(s);
    assert_int_equal(s->count, 0);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=77"));
    seen_free(s);
}

static void a_place_that_the_server_forgot_begins_anew(void **state)
{
    static const char said[] = "item a 7; synced; restart; synced; added b 21; ";
    struct seen *s = seen_setup(*state);
    s->plan.lists[1] = LIST(none);
    s->plan.watches[0] = REFUSE(410, gone);
    s->plan.watches[1] = follow;
    seen_start(s, NULL, NULL, 0);
    until(s->w, &s->count, 4);
    push_event(s, "ADDED", "b", 21);
    expect(s, 5, said);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=20"));
    seen_free(s);
}

static void it_may_be_forgotten_in_the_middle_of_a_stream(void **state)
{
    struct seen *s = seen_setup(*state);
    s->plan.lists[1] = LIST(none);
    seen_start(s, NULL, NULL, 0);
    until(s->w, &s->count, 2);
    char *text = mem_printf("{\"type\":\"ERROR\",\"object\":%s}\n", gone);
    push(s, text);
    free(text);
    expect(s, 4, "item a 7; synced; restart; synced; ");
    await_stream(s);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=20"));
    seen_free(s);
}

static void a_list_that_expires_between_its_pages_begins_anew(void **state)
{
    struct seen *s = seen_setup(*state);
    s->plan.lists[0] = LIST("{\"metadata\":{\"resourceVersion\":\"9\",\"continue\":\"t\"},"
                            "\"items\":[{\"metadata\":{\"name\":\"old\",\"resourceVersion\":\"1\"}}]}");
    s->plan.lists[1] = REFUSE(410, gone);
    s->plan.lists[2] = LIST(one);
    seen_start(s, NULL, NULL, 0);
    expect(s, 4, "item old 1; restart; item a 7; synced; ");
    assert_string_equal(s->w->api.asked[2].target, "/api/v1/pods?limit=500");
    seen_free(s);
}

/* As after the store was set back to a copy of yesterday. */
static void a_place_that_lies_ahead_of_the_server_begins_anew(void **state)
{
    struct seen *s = seen_setup(*state);
    s->plan.watches[0] = REFUSE(504, "{\"kind\":\"Status\",\"reason\":\"Timeout\",\"code\":504,"
                                     "\"message\":\"Too large resource version: 99, current: 10\"}");
    s->plan.watches[1] = follow;
    seen_start(s, NULL, "99", 0);
    expect(s, 3, "restart; item a 7; synced; ");
    await_stream(s);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=10"));
    seen_free(s);
}

static void another_error_in_the_stream_is_a_loss(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 0);
    push(s, "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"etcd went\",\"code\":500}}\n");
    expect(s, 1, "lost; ");
    assert_string_equal(s->lost, "etcd went");
    until(s->w, &s->count, 2);
    push(s, "what is this\n");
    expect(s, 3, "lost; back; lost; ");
    assert_non_null(strstr(s->lost, "/api/v1/pods: the server sent something that is no event"));
    push(s, "{\"type\":\"ADDED\",\"object\":{:}}\n");
    expect(s, 5, "lost; back; lost; back; lost; ");
    assert_non_null(strstr(asked_last(s), "&resourceVersion=5"));
    seen_free(s);
}

static void what_is_refused_is_over(void **state)
{
    static const struct {
        int status;
        enum err_code code;
    } cases[] = {{401, ERR_UNAUTHORIZED}, {403, ERR_FORBIDDEN}, {404, ERR_NOT_FOUND}, {400, ERR_BAD_REQUEST}};
    struct seen *s = seen_setup(*state);
    for (int i = 0; i < 8; i++) {
        struct fake_answer *refused = i & 1 ? s->plan.watches : s->plan.lists;
        s->plan = (struct plan){.lists = {LIST(one)}, .watches = {follow}};
        *refused =
            REFUSE(cases[i / 2].status, "{\"kind\":\"Status\",\"message\":\"you may not\",\"code\":1}");
        s->count = s->failed = 0;
        buf_clear(&s->said);
        seen_start(s, NULL, NULL, 0);
        until(s->w, &s->failed, 1);
        assert_int_equal(s->failure.code, cases[i / 2].code);
        assert_string_equal(s->failure.text, "you may not");
        assert_string_equal(buf_str(&s->said), i & 1 ? "item a 7; synced; " : "");
        size_t asked = s->w->api.count;
        turn_for(s->w, 450);
        assert_int_equal(s->w->api.count, asked);
        assert_int_equal(s->failed, 1);
        kube_watch_stop(&s->watch);
    }
    seen_free(s);
}

static void a_selector_that_the_stream_refuses_is_over_too(void **state)
{
    struct seen *s = seen_setup(*state);
    s->stop_at = "fail";
    seen_start(s, NULL, "5", 0);
    push(
        s,
        "{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"message\":\"no such field\",\"code\":400}}\n");
    until(s->w, &s->failed, 1);
    assert_string_equal(s->failure.text, "no such field");
    assert_null(s->watch);
    seen_free(s);
}

static void it_may_be_stopped_from_inside_any_word(void **state)
{
    static const struct {
        const char *word;
        int count; /* of words until then */
    } cases[] = {{"item", 1}, {"synced", 2}, {"added", 3}, {"restart", 3}, {"lost", 3}, {"back", 4}};
    struct seen *s = seen_setup(*state);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        s->plan = (struct plan){.lists = {LIST(one)}, .watches = {follow}};
        if (str_eq(cases[i].word, "restart"))
            s->plan.watches[0] = REFUSE(410, gone);
        if (str_eq(cases[i].word, "lost") || str_eq(cases[i].word, "back")) {
            s->plan.watches[0] = REFUSE(500, "{}");
            s->plan.watches[1] = follow;
        }
        s->stop_at = cases[i].word;
        s->count = 0;
        seen_start(s, NULL, NULL, 0);
        if (str_eq(cases[i].word, "added"))
            push(s,
                 "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"b\",\"resourceVersion\":\"1\"}}}\n"
                 "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"c\",\"resourceVersion\":\"2\"}}}"
                 "\n");
        until(s->w, &s->count, cases[i].count);
        assert_null(s->watch);
        turn_for(s->w, 20);
        assert_int_equal(s->count, cases[i].count);
    }
    seen_free(s);
}

static void a_silent_server_is_lost(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, "5", 150);
    push_event(s, "ADDED", "b", 11);
    until(s->w, &s->count, 2);
    assert_non_null(strstr(s->lost, ": silent for 0."));
    until(s->w, &s->count, 3);
    assert_non_null(strstr(asked_last(s), "&resourceVersion=11"));
    seen_free(s);
}

static void an_event_beyond_all_size_is_refused(void **state)
{
    struct seen *s = seen_setup(*state);
    char *piece = mem_new(1024 * 1024 + 1);
    memset(piece, 'x', 1024 * 1024);
    seen_start(s, NULL, "5", 0);
    push(s, "{\"type\":\"ADDED\",\"object\":\"");
    for (int i = 0; i < 17 && s->w->api.stream; i++)
        fake_stream(&s->w->api, piece, 1024 * 1024);
    until(s->w, &s->failed, 1);
    assert_int_equal(s->failure.code, ERR_TOO_LARGE);
    assert_non_null(strstr(s->failure.text, "larger than 16 MiB"));
    free(piece);
    seen_free(s);
}

static void many_events_at_once_all_arrive_in_order(void **state)
{
    struct seen *s = seen_setup(*state);
    struct buf text = {0}, said = {0};
    for (int i = 0; i < 20000; i++) {
        buf_printf(
            &text,
            "{\"type\":\"ADDED\",\"object\":{\"metadata\":{\"name\":\"p\",\"resourceVersion\":\"%d\"}}}\n",
            i);
        buf_printf(&said, "added p %d; ", i);
    }
    seen_start(s, NULL, "5", 0);
    push(s, text.data);
    expect(s, 20000, said.data);
    buf_free(&text);
    buf_free(&said);
    seen_free(s);
}

static void nothing_is_said_after_the_clusters_are_gone(void **state)
{
    struct seen *s = seen_setup(*state);
    seen_start(s, NULL, NULL, 0);
    until(s->w, &s->count, 2);
    await_stream(s);
    clusters_free(s->w->clusters);
    s->w->clusters = NULL;
    s->watch = NULL;
    turn_for(s->w, 50);
    assert_int_equal(s->count, 2);
    seen_free(s);
}

static void what_cannot_be_watched_is_said_at_once(void **state)
{
    struct seen *s = seen_setup(*state);
    struct err err;
    struct kube_watch_options options = {.path = "pods"};
    assert_null(kube_watch_start(s->w->cluster, &options, &err));
    assert_int_equal(err.code, ERR_BAD_REQUEST);
    seen_free(s);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, world_setup, world_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(it_gives_what_is_there_and_then_what_changes),
        TEST(a_long_list_comes_in_pages),
        TEST(a_page_of_many_is_read_beside_the_loop),
        TEST(it_follows_from_a_given_place_without_a_list),
        TEST(events_may_be_cut_anywhere),
        TEST(it_goes_on_where_it_was_when_the_server_ends_the_connection),
        TEST(it_says_that_it_is_out_of_touch_and_when_it_is_back),
        TEST(a_server_that_is_away_is_asked_until_it_is_there),
        TEST(a_bookmark_moves_the_place_and_says_nothing),
        TEST(a_place_that_the_server_forgot_begins_anew),
        TEST(it_may_be_forgotten_in_the_middle_of_a_stream),
        TEST(a_list_that_expires_between_its_pages_begins_anew),
        TEST(a_place_that_lies_ahead_of_the_server_begins_anew),
        TEST(another_error_in_the_stream_is_a_loss),
        TEST(what_is_refused_is_over),
        TEST(a_selector_that_the_stream_refuses_is_over_too),
        TEST(it_may_be_stopped_from_inside_any_word),
        TEST(a_silent_server_is_lost),
        TEST(an_event_beyond_all_size_is_refused),
        TEST(many_events_at_once_all_arrive_in_order),
        TEST(nothing_is_said_after_the_clusters_are_gone),
        TEST(what_cannot_be_watched_is_said_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
