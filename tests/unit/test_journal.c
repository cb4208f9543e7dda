#include "base/buf.h"
#include "base/json-write.h"
#include "exec/event.h"
#include "exec/journal.h"
#include "exec/lines.h"
#include "io/redact.h"
#include "loop/loop.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cmocka-all.h"

struct fixture {
    struct loop *loop;
    struct redactor *redactor;
    struct journal *journal;
};

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof(*f));
    f->loop = loop_new();
    f->redactor = redactor_new(NULL);
    f->journal = journal_new(f->loop, f->redactor, "exec-1");
    *state = f;
    return f->redactor ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    journal_free(f->journal);
    redactor_free(f->redactor);
    int open = loop_close(f->loop);
    free(f);
    return open;
}

static uint64_t say(struct fixture *f, const char *text)
{
    return journal_append(f->journal,
                          &(struct event){
                              .type = EVENT_LINE,
                              .mode = "apply",
                              .source_label = "shell",
                              .line = {.stream = STREAM_STDOUT, .text = text, .len = strlen(text)},
                          });
}

static void count(void *arg)
{
    ++*(int *)arg;
}

/* Reads the next event; the caller frees. NULL where there is none. */
static json_t *next(struct journal_view *view)
{
    size_t len;
    const char *json = journal_view_next(view, &len);
    json_t *event = json ? json_loadb(json, len, 0, NULL) : NULL;
    assert_true(!json || event);
    return event;
}

static json_int_t number(json_t *event, const char *key)
{
    return json_integer_value(json_object_get(event, key));
}

static const char *text(json_t *event, const char *key)
{
    return json_string_value(json_object_get(event, key));
}

static void events_are_numbered_without_a_hole_for_every_viewer(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    for (int i = 0; i < 100; i++)
        assert_int_equal(say(f, "line"), i + 1);
    struct journal_view *all = journal_view_open(f->journal, 0, count, &news);
    struct journal_view *later = journal_view_open(f->journal, 60, count, &news);
    json_t *event;
    for (json_int_t seq = 1; seq <= 100; seq++) {
        event = next(all);
        assert_int_equal(number(event, "seq"), seq);
        json_decref(event);
    }
    assert_null(next(all));
    event = next(later);
    assert_int_equal(number(event, "seq"), 61);
    json_decref(event);
    assert_false(journal_view_at_end(all));
    journal_end(f->journal);
    assert_true(journal_view_at_end(all));
    assert_false(journal_view_at_end(later));
    journal_view_close(&all);
    journal_view_close(&later);
}

static void a_viewer_is_told_once_a_turn_and_only_when_it_has_read(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    while (news < 1)
        loop_turn(f->loop);
    assert_null(next(view));
    for (int i = 0; i < 50; i++)
        say(f, "line");
    while (news < 2)
        loop_turn(f->loop);
    assert_int_equal(news, 2);
    journal_view_close(&view);
}

static void what_fell_off_the_tail_is_one_gap_and_never_a_silent_hole(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    char big[60000];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    for (int i = 0; i < 200; i++)
        say(f, big);
    assert_true(journal_bytes(f->journal) <= JOURNAL_TAIL_BYTES);
    json_t *event = next(view);
    assert_string_equal(text(event, "type"), "gap");
    assert_null(json_object_get(event, "seq"));
    assert_int_equal(number(event, "fromSeq"), 1);
    json_int_t to = number(event, "toSeq");
    assert_int_equal(to, journal_whole_from(f->journal) - 1);
    json_decref(event);
    for (json_int_t seq = to + 1; seq <= 200; seq++) {
        event = next(view);
        assert_int_equal(number(event, "seq"), seq);
        json_decref(event);
    }
    assert_null(next(view));
    journal_view_close(&view);
}

static void a_line_that_is_too_long_is_cut_with_a_mark(void **state)
{
    struct fixture *f = *state;
    char *big = malloc(LINE_KEPT + LINE_BEYOND);
    memset(big, '\1', LINE_KEPT + LINE_BEYOND);
    journal_append(f->journal, &(struct event){
                                   .type = EVENT_LINE,
                                   .mode = "apply",
                                   .source_label = "shell",
                                   .line = {.text = big, .len = LINE_KEPT + LINE_BEYOND, .dropped = 1000},
                               });
    memset(big, '"', LINE_KEPT + LINE_BEYOND);
    journal_append(f->journal, &(struct event){
                                   .type = EVENT_LINE,
                                   .mode = "apply",
                                   .source_label = "shell",
                                   .line = {.text = big, .len = LINE_KEPT + LINE_BEYOND, .dropped = 1000},
                               });
    free(big);
    int news = 0;
    size_t len;
    struct journal_view *view = journal_view_open(f->journal, 1, count, &news);
    const char *json = journal_view_next(view, &len);
    assert_true(len <= EVENT_BYTES_MAX);
    assert_non_null(strstr(json, "more bytes of this line are not kept]"));
    assert_non_null(strstr(json, "9192 more bytes"));
    journal_view_close(&view);
}

static void a_complete_event_stays_within_its_size(void **state)
{
    struct fixture *f = *state;
    enum { ROWS = 20000 };
    struct event_document *rows = calloc(ROWS, sizeof(*rows));
    for (size_t i = 0; i < ROWS; i++)
        rows[i] = (struct event_document){.index = i,
                                          .line = i,
                                          .ref = "configmap/a",
                                          .namespace_ = "default",
                                          .outcome = i % 2 ? "unchanged" : "failed",
                                          .message = i % 2 ? "" : "the server said no"};
    journal_append(f->journal, &(struct event){
                                   .type = EVENT_COMPLETE,
                                   .mode = "apply",
                                   .source_label = "shell",
                                   .complete = {.status = "failed",
                                                .outcome = "failed",
                                                .error = "no",
                                                .code = "failed",
                                                .documents = rows,
                                                .document_count = ROWS,
                                                .has_documents = true},
                               });
    free(rows);
    int news = 0;
    size_t len;
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    const char *json = journal_view_next(view, &len);
    assert_true(len <= EVENT_BYTES_MAX);
    json_t *event = json_loadb(json, len, 0, NULL);
    json_t *summary = json_object_get(event, "summary"), *documents = json_object_get(summary, "documents");
    assert_int_equal(number(summary, "documentsOmitted") + (json_int_t)json_array_size(documents), ROWS);
    assert_string_equal(text(json_array_get(documents, 0), "outcome"), "failed");
    json_decref(event);
    journal_view_close(&view);
}

static void no_secret_reaches_the_journal(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    say(f, "password: hunter2hunter2");
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    json_t *event = next(view);
    assert_string_equal(text(event, "text"), "password: [REDACTED]");
    json_decref(event);
    journal_view_close(&view);
}

/* What a look at the lines finds; the caller frees. */
static json_t *logs(struct journal *journal, struct journal_logs_query query)
{
    struct buf out = {0};
    struct json_writer w = JSON_WRITER(&out);
    struct journal_logs *look = journal_logs_new(journal, &query);
    jsonw_begin_object(&w);
    journal_logs_run(look, &w);
    jsonw_end_object(&w);
    journal_logs_free(look);
    json_t *found = json_loadb(out.data, out.len, 0, NULL);
    buf_free(&out);
    assert_non_null(found);
    return found;
}

static void logs_are_the_last_lines_or_those_after_a_seq(void **state)
{
    struct fixture *f = *state;
    char line[32];
    for (int i = 1; i <= 20; i++) {
        snprintf(line, sizeof(line), "line %d", i);
        say(f, line);
    }
    json_t *found = logs(f->journal, (struct journal_logs_query){.limit = 5});
    json_t *rows = json_object_get(found, "logs");
    assert_int_equal(json_array_size(rows), 5);
    assert_string_equal(text(json_array_get(rows, 0), "text"), "line 16");
    assert_int_equal(number(json_array_get(rows, 0), "seq"), 16);
    assert_null(json_object_get(found, "truncated"));
    json_decref(found);
    found = logs(f->journal, (struct journal_logs_query){.after_seq = 3, .limit = 2});
    assert_string_equal(text(json_array_get(json_object_get(found, "logs"), 1), "text"), "line 5");
    json_decref(found);
    found = logs(f->journal, (struct journal_logs_query){.limit = 5, .stream = "stderr"});
    assert_int_equal(json_array_size(json_object_get(found, "logs")), 0);
    json_decref(found);
}

static void a_text_is_found_in_the_lines_whatever_its_case(void **state)
{
    struct fixture *f = *state;
    say(f, "one");
    say(f, "A \"quoted\" Word");
    say(f, "words");
    json_t *found = logs(f->journal, (struct journal_logs_query){.limit = 1, .q = "WORD"});
    assert_int_equal(number(found, "matches"), 2);
    assert_int_equal(number(found, "lookedTo"), 3);
    assert_int_equal(json_array_size(json_object_get(found, "seqs")), 1);
    assert_int_equal(json_integer_value(json_array_get(json_object_get(found, "seqs"), 0)), 2);
    json_decref(found);
    found = logs(f->journal, (struct journal_logs_query){.limit = 9, .q = "\"quoted\""});
    assert_int_equal(number(found, "matches"), 1);
    json_decref(found);
}

struct lines_seen {
    struct buf text;
    size_t dropped;
};

static void keep_line(void *arg, const char *line, size_t len, size_t dropped)
{
    struct lines_seen *s = arg;
    buf_append(&s->text, line, len);
    buf_putc(&s->text, '|');
    s->dropped += dropped;
}

static void lines_end_at_newlines_and_returns_wherever_the_bytes_are_cut(void **state)
{
    static const char input[] = "one\ntwo\r\nthree 10%\rthree 20%\r\n\nlast";
    (void)state;
    for (size_t cut = 0; cut <= sizeof(input) - 1; cut++) {
        struct lines lines = {0};
        struct lines_seen s = {0};
        lines_feed(&lines, input, cut, keep_line, &s);
        lines_feed(&lines, input + cut, sizeof(input) - 1 - cut, keep_line, &s);
        lines_end(&lines, keep_line, &s);
        assert_string_equal(buf_str(&s.text), "one|two|three 10%|three 20%||last|");
        buf_free(&s.text);
    }
}

static void an_endless_line_costs_bounded_memory(void **state)
{
    struct lines lines = {0};
    struct lines_seen s = {0};
    char chunk[4096];
    memset(chunk, 'x', sizeof(chunk));
    (void)state;
    for (int i = 0; i < 1000; i++)
        lines_feed(&lines, chunk, sizeof(chunk), keep_line, &s);
    assert_true(lines.line.cap <= 2 * (LINE_KEPT + LINE_BEYOND));
    lines_end(&lines, keep_line, &s);
    assert_int_equal(s.text.len - 1 + s.dropped, 4096000);
    buf_free(&s.text);
}

static void only_colours_are_left_of_a_lines_escapes(void **state)
{
    static const char *const cases[][2] = {
        {"\033[31mred\033[0m", "\033[31mred\033[0m"},
        {"a\033[2Kb\033[1;1Hc", "abc"},
        {"\033]0;title\atext", "text"},
        {"\033]8;;http://x\033\\link", "link"},
        {"bell\a tab\t del\x7f.", "bell tab\t del."},
        {"cut \033[3", "cut "},
        {"\033(Bx\033", "x"},
        {"\033[?25lx", "x"},
        {"c1 \302\23331m \302\240.", "c1 31m \302\240."},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct buf out = {0};
        line_clean(cases[i][0], strlen(cases[i][0]), &out);
        assert_string_equal(buf_str(&out), cases[i][1]);
        buf_free(&out);
    }
}

/* The next event's JSON; fails when it is no JSON or too large. */
static json_t *next_whole(struct journal_view *view)
{
    size_t len;
    const char *json = journal_view_next(view, &len);
    assert_non_null(json);
    assert_true(len <= EVENT_BYTES_MAX);
    json_t *event = json_loadb(json, len, 0, NULL);
    assert_non_null(event);
    return event;
}

static void however_long_its_texts_an_event_stays_within_its_size(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    size_t n = 3 * 1024 * 1024;
    char *endless = malloc(n + 1);
    memset(endless, '"', n);
    endless[n] = '\0';
    struct event_document rows[] = {
        {.ref = endless, .namespace_ = endless, .outcome = "failed", .message = endless},
        {.ref = endless, .namespace_ = endless, .outcome = "failed", .message = endless},
        {.ref = "last", .namespace_ = "n", .outcome = "failed", .message = "why"}};
    struct event events[] = {
        {.type = EVENT_PHASE,
         .mode = "apply",
         .source_label = "s",
         .phase = {.name = endless, .detail = endless}},
        {.type = EVENT_STATE,
         .mode = "apply",
         .source_label = "s",
         .state = {.status = "planned", .label = endless}},
        {.type = EVENT_COMPLETE,
         .mode = "apply",
         .source_label = "s",
         .complete = {.status = "failed",
                      .outcome = "failed",
                      .error = endless,
                      .code = "failed",
                      .documents = rows,
                      .document_count = 3,
                      .has_documents = true}},
    };
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    for (size_t i = 0; i < 3; i++) {
        journal_append(f->journal, &events[i]);
        json_t *event = next_whole(view);
        if (i == 2)
            assert_int_equal(
                3, json_array_size(json_object_get(json_object_get(event, "summary"), "documents")));
        json_decref(event);
    }
    /* Control characters take six bytes each as JSON, but none of them leaves; what does may take three. */
    memset(endless, '\xff', n);
    for (size_t i = 0; i < 3; i++) {
        journal_append(f->journal, &events[i]);
        json_decref(next_whole(view));
    }
    journal_view_close(&view);
    free(endless);
}

static void a_phase_or_a_reason_cannot_steer_a_terminal(void **state)
{
    struct fixture *f = *state;
    int news = 0;
    struct journal_view *view = journal_view_open(f->journal, 0, count, &news);
    journal_append(f->journal, &(struct event){.type = EVENT_PHASE,
                                               .mode = "apply",
                                               .source_label = "s",
                                               .phase = {.name = "\033[2Ja\nb\a",
                                                         .detail = "\033]0;x\ac \302\2331md\033[31m"}});
    json_t *event = next(view);
    assert_string_equal(text(event, "name"), "a\nb");
    assert_string_equal(text(event, "detail"), "c 1md");
    json_decref(event);
    journal_view_close(&view);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(events_are_numbered_without_a_hole_for_every_viewer, setup, teardown),
        cmocka_unit_test_setup_teardown(a_viewer_is_told_once_a_turn_and_only_when_it_has_read, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(what_fell_off_the_tail_is_one_gap_and_never_a_silent_hole, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_line_that_is_too_long_is_cut_with_a_mark, setup, teardown),
        cmocka_unit_test_setup_teardown(a_complete_event_stays_within_its_size, setup, teardown),
        cmocka_unit_test_setup_teardown(no_secret_reaches_the_journal, setup, teardown),
        cmocka_unit_test_setup_teardown(logs_are_the_last_lines_or_those_after_a_seq, setup, teardown),
        cmocka_unit_test_setup_teardown(a_text_is_found_in_the_lines_whatever_its_case, setup, teardown),
        cmocka_unit_test_setup_teardown(however_long_its_texts_an_event_stays_within_its_size, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_phase_or_a_reason_cannot_steer_a_terminal, setup, teardown),
        cmocka_unit_test(lines_end_at_newlines_and_returns_wherever_the_bytes_are_cut),
        cmocka_unit_test(an_endless_line_costs_bounded_memory),
        cmocka_unit_test(only_colours_are_left_of_a_lines_escapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
