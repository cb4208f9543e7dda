/* The panel's files: what is served, what never is, and which addresses are the panel's. */
#include "base/err.h"
#include "base/mem.h"
#include "edge/http-check.h"
#include "edge/panel.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

struct folder {
    char path[64];
};

static void put(const struct folder *f, const char *name, const char *text)
{
    char *path = mem_printf("%s/%s", f->path, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
    free(path);
}

static int make_folder(void **state)
{
    struct folder *f = mem_new(sizeof(*f));
    strcpy(f->path, "/tmp/moonsail-panel-XXXXXX");
    assert_non_null(mkdtemp(f->path));
    char *assets = mem_printf("%s/assets", f->path);
    assert_int_equal(mkdir(assets, 0700), 0);
    free(assets);
    put(f, "index.html", "<!doctype html>");
    put(f, "mark.svg", "<svg/>");
    put(f, ".made", "");
    put(f, "assets/index-1a2b.js", "let a;");
    put(f, "assets/index-1a2b.css", "");
    *state = f;
    return 0;
}

static int remove_folder(void **state)
{
    struct folder *f = *state;
    char *command = mem_printf("rm -rf %s", f->path);
    int rc = system(command);
    free(command);
    free(f);
    return rc;
}

static const char *type_at(const struct panel *panel, const char *path)
{
    const struct panel_file *file = panel_find(panel, path);
    return file ? file->type : NULL;
}

static void a_file_has_its_type_and_only_hashed_ones_are_kept(void **state)
{
    struct folder *f = *state;
    struct err err;
    struct panel *panel = panel_new(f->path, &err);
    assert_non_null(panel);
    assert_string_equal(type_at(panel, "/"), "text/html; charset=utf-8");
    assert_string_equal(type_at(panel, "/mark.svg"), "image/svg+xml");
    assert_string_equal(type_at(panel, "/assets/index-1a2b.css"), "text/css; charset=utf-8");
    const struct panel_file *js = panel_find(panel, "/assets/index-1a2b.js");
    assert_string_equal(js->type, "text/javascript; charset=utf-8");
    assert_int_equal(js->len, 6);
    assert_memory_equal(js->data, "let a;", 6);
    assert_true(js->immutable);
    assert_false(panel_find(panel, "/")->immutable);
    assert_false(panel_find(panel, "/mark.svg")->immutable);
    assert_int_equal(panel_find(panel, "/assets/index-1a2b.css")->len, 0);
    panel_free(panel);
}

static void an_address_of_a_page_is_the_page_and_a_lost_file_is_none(void **state)
{
    struct folder *f = *state;
    struct err err;
    struct panel *panel = panel_new(f->path, &err);
    const struct panel_file *page = panel_find(panel, "/");
    assert_ptr_equal(panel_find(panel, "/executions/exec-1"), page);
    assert_ptr_equal(panel_find(panel, "/apply"), page);
    assert_null(panel_find(panel, "/assets/index-0000.js"));
    assert_null(panel_find(panel, "/assets/"));
    panel_free(panel);
}

static void nothing_outside_the_folder_is_served(void **state)
{
    struct folder *f = *state;
    struct err err;
    char *link = mem_printf("%s/passwd.txt", f->path);
    char *assets = mem_printf("%s/assets/etc", f->path);
    assert_int_equal(symlink("/etc/passwd", link), 0);
    assert_int_equal(symlink("/etc", assets), 0);
    struct panel *panel = panel_new(f->path, &err);
    const struct panel_file *page = panel_find(panel, "/");
    const char *const tries[] = {"/passwd.txt", "/../etc/passwd", "/..%2fetc/passwd", "//etc/passwd",
                                 "/.made",      "/./mark.svg",    "/assets",          ""};
    for (size_t i = 0; i < sizeof(tries) / sizeof(tries[0]); i++)
        assert_ptr_equal(panel_find(panel, tries[i]), page);
    assert_null(panel_find(panel, "/assets/etc/passwd"));
    assert_null(panel_find(panel, "/assets/../mark.svg"));
    panel_free(panel);
    free(link);
    free(assets);
}

static void a_folder_that_is_no_panel_is_told(void **state)
{
    struct folder *f = *state;
    struct err err;
    assert_null(panel_new("/nowhere", &err));
    assert_non_null(strstr(err.text, "/nowhere cannot be listed"));
    char *assets = mem_printf("%s/assets", f->path);
    assert_null(panel_new(assets, &err));
    assert_non_null(strstr(err.text, "holds no index.html: build the panel with ./dev build"));
    free(assets);
}

static void a_folder_of_any_size_does_not_fill_the_host(void **state)
{
    struct folder *f = *state;
    struct err err;
    char *path = mem_printf("%s/large.js", f->path);
    put(f, "large.js", "");
    assert_int_equal(truncate(path, 17 * 1024 * 1024), 0);
    assert_null(panel_new(f->path, &err));
    assert_non_null(strstr(err.text, "large.js: the panel's folder holds more than 16 MiB"));
    free(path);
}

static void serve_nothing(struct exchange *x)
{
    (void)x;
}

static struct http_verdict judge(const char *method, const char *path, bool panel)
{
    static const struct http_route routes[] = {
        {"GET", "/healthz", ROUTE_PROBE, serve_nothing},
        {"GET", "/api/list", ROUTE_API, serve_nothing},
        {NULL, NULL, 0, NULL},
    };
    static const struct http_route pages = {"GET", "", 0, serve_nothing};
    struct http_rules rules = {
        .routes = routes, .pages = panel ? &pages : NULL, .scheme = "http", .port = 7070};
    struct http_facts facts = {.method = method, .path = path, .host = "localhost:7070"};
    struct http_verdict v;
    http_check(&rules, &facts, &v);
    return v;
}

static void every_address_is_the_panels_but_those_of_the_api(void **state)
{
    (void)state;
    assert_string_equal(judge("GET", "/", true).route->path, "");
    assert_string_equal(judge("HEAD", "/executions/x", true).route->path, "");
    assert_string_equal(judge("GET", "/apiary", true).route->path, "");
    assert_string_equal(judge("GET", "/healthz", true).route->path, "/healthz");
    assert_int_equal(judge("GET", "/api/nothing", true).status, 404);
    assert_int_equal(judge("GET", "/api", true).status, 404);
    assert_int_equal(judge("GET", "/api/", true).status, 404);
    assert_int_equal(judge("GET", "/executions/x", false).status, 404);
}

static void a_page_is_only_read(void **state)
{
    (void)state;
    struct http_verdict v = judge("POST", "/executions/x", true);
    assert_int_equal(v.status, 405);
    assert_string_equal(v.extra, "Allow: GET, HEAD\r\n");
    assert_null(v.route);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_file_has_its_type_and_only_hashed_ones_are_kept, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(an_address_of_a_page_is_the_page_and_a_lost_file_is_none, make_folder,
                                        remove_folder),
        cmocka_unit_test_setup_teardown(nothing_outside_the_folder_is_served, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_that_is_no_panel_is_told, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(a_folder_of_any_size_does_not_fill_the_host, make_folder,
                                        remove_folder),
        cmocka_unit_test(every_address_is_the_panels_but_those_of_the_api),
        cmocka_unit_test(a_page_is_only_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
