#include "failing_alloc.h"

#include "io/yaml-locate.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void assert_at(const char *text, size_t document, size_t item, const char *field, size_t line,
                      size_t column)
{
    size_t len = strlen(text), got_line = 0, got_column = 0;
    char *exact = test_malloc(len ? len : 1);
    memcpy(exact, text, len);
    bool found = yaml_locate(exact, len, document, item, field, &got_line, &got_column);
    test_free(exact);
    if (!found)
        fail_msg("%s: not found", field);
    if (got_line != line || got_column != column)
        fail_msg("%s: at %zu:%zu, not %zu:%zu", field, got_line, got_column, line, column);
}

static const char deployment[] = "# a comment\n"
                                 "apiVersion: apps/v1\n"
                                 "kind: Deployment\n"
                                 "metadata:\n"
                                 "  name: web\n"
                                 "  labels:\n"
                                 "    app.kubernetes.io/name: web\n"
                                 "    a: b\n"
                                 "  finalizers: [a/b, c/d]\n"
                                 "spec:\n"
                                 "  replicas: 2\n"
                                 "  template:\n"
                                 "    spec:\n"
                                 "      containers:\n"
                                 "      - name: side\n"
                                 "        image: s\n"
                                 "      - image: w\n"
                                 "        ports:\n"
                                 "        - {containerPort: 53, protocol: UDP}\n"
                                 "        - containerPort: 53\n"
                                 "          hostPort: 1\n"
                                 "        name: \"web\"\n";

static void assert_in_deployment(const char *field, size_t line, size_t column)
{
    assert_at(deployment, 2, YAML_NO_ITEM, field, line, column);
}

static void a_path_leads_to_its_key(void **state)
{
    (void)state;
    assert_in_deployment("spec.replicas", 11, 3);
    assert_in_deployment(".spec.replicas", 11, 3);
    assert_in_deployment("spec.template.spec.containers[1].image", 17, 9);
    assert_in_deployment("spec.template.spec.containers[0].image", 16, 9);
    assert_in_deployment("spec.template.spec.containers[1]", 17, 9);
    assert_in_deployment("metadata.finalizers[1]", 9, 21);
    assert_at("{\"spec\": {\"ports\": [{\"port\": 1},\n {\"nodePort\": 7}]}}", 1, YAML_NO_ITEM,
              "spec.ports[1].nodePort", 2, 3);
}

static void names_with_dots_are_found_however_they_are_written(void **state)
{
    (void)state;
    assert_in_deployment("metadata.labels[app.kubernetes.io/name]", 7, 5);
    assert_in_deployment("metadata.labels.app.kubernetes.io/name", 7, 5);
    assert_in_deployment("metadata.labels[a]", 8, 5);
    assert_at("data:\n  a: {c: 1}\n  a.b: 1\n  a b: 2\n  80: x\n", 1, YAML_NO_ITEM, "data.a.b", 3, 3);
    assert_at("data:\n  a: {c: 1}\n  a.b: 1\n  a b: 2\n  80: x\n", 1, YAML_NO_ITEM, "data.a.c", 2, 7);
    assert_at("data:\n  a: {c: 1}\n  a.b: 1\n  a b: 2\n  80: x\n", 1, YAML_NO_ITEM, "data[a b]", 4, 3);
    assert_at("data:\n  a: {c: 1}\n  a.b: 1\n  a b: 2\n  80: x\n", 1, YAML_NO_ITEM, "data[80]", 5, 3);
}

static void an_item_is_found_by_what_it_has(void **state)
{
    (void)state;
    assert_in_deployment("spec.template.spec.containers[name=\"web\"].image", 17, 9);
    assert_in_deployment("spec.template.spec.containers[name=web].image", 17, 9);
    assert_in_deployment(
        "spec.template.spec.containers[name=\"web\"].ports[containerPort=53,protocol=\"TCP\"]"
        ".hostPort",
        21, 11);
    assert_in_deployment(
        "spec.template.spec.containers[name=\"web\"].ports[containerPort=53,protocol=\"UDP\"]", 19, 11);
    assert_in_deployment("metadata.finalizers[=\"c/d\"]", 9, 21);
    assert_at("l:\n- {name: 'a\"]b'}\n- {name: c}\n", 1, YAML_NO_ITEM, "l[name=\"a\\\"]b\"].name", 2, 4);
}

static void what_is_missing_is_shown_at_its_parent(void **state)
{
    (void)state;
    assert_in_deployment("spec.selector", 10, 1);
    assert_in_deployment("spec.selector.matchLabels[a]", 10, 1);
    assert_in_deployment("spec.template.spec.containers[7].image", 14, 7);
    assert_in_deployment("spec.template.spec.containers[name=\"other\"].image", 14, 7);
    assert_in_deployment("spec.template.spec.containers.ports", 14, 7);
    assert_in_deployment("spec.template.spec.containers[0].ports[0]", 15, 9);
    assert_in_deployment("spec.replicas.x", 11, 3);
    assert_in_deployment("status", 2, 1);
    assert_in_deployment("", 2, 1);
    assert_in_deployment("spec[", 10, 1);
}

static void each_document_is_searched_alone(void **state)
{
    (void)state;
    const char *text = "a: 1\n---\n# second\nb: 2\nc:\n  d: 1\n--- {a: 3}\n---\n";
    assert_at(text, 1, YAML_NO_ITEM, "a", 1, 1);
    assert_at(text, 4, YAML_NO_ITEM, "c.d", 6, 3);
    assert_at(text, 5, YAML_NO_ITEM, "a", 4, 1);
    assert_at(text, 7, YAML_NO_ITEM, "a", 7, 6);
    size_t line, column;
    assert_false(yaml_locate(text, strlen(text), 0, YAML_NO_ITEM, "a", &line, &column));
    assert_false(yaml_locate(text, strlen(text), 99, YAML_NO_ITEM, "a", &line, &column));
    assert_false(yaml_locate("a: [", 4, 1, YAML_NO_ITEM, "a", &line, &column));
    assert_false(yaml_locate("", 0, 1, YAML_NO_ITEM, "a", &line, &column));
}

static void an_item_of_a_list_is_its_own_document(void **state)
{
    (void)state;
    const char *text = "kind: List\nitems:\n- kind: A\n  spec: {a: 1}\n- kind: B\n  spec: {a: 1}\n";
    assert_at(text, 1, 1, "spec.a", 6, 10);
    assert_at(text, 1, 1, ".spec.b", 6, 3);
    assert_at(text, 1, 0, "metadata", 3, 3);
    assert_at(text, 1, 0, "", 3, 3);
    size_t line, column;
    assert_false(yaml_locate(text, strlen(text), 1, 2, "spec", &line, &column));
}

static void aliases_and_merges_lead_to_where_it_is_written(void **state)
{
    (void)state;
    const char *text =
        "x:\n- &base\n  image: a\n  env: &env\n    b: 1\nk:\n  <<: *base\n  name: n\nz: *env\nw: &base "
        "{image: 2}\n";
    assert_at(text, 1, YAML_NO_ITEM, "k.image", 3, 3);
    assert_at(text, 1, YAML_NO_ITEM, "k.name", 8, 3);
    assert_at(text, 1, YAML_NO_ITEM, "k.env.b", 5, 5);
    assert_at(text, 1, YAML_NO_ITEM, "k.none", 6, 1);
    assert_at(text, 1, YAML_NO_ITEM, "z.b", 5, 5);
    assert_at(text, 1, YAML_NO_ITEM, "z", 9, 1);
    assert_at("b: &b {q: 1}\na: {<<: [{c: 1}, *b], d: 1}\n", 1, YAML_NO_ITEM, "a.q", 1, 8);
    assert_at("b: &b {q: 1}\na: {<<: [{c: 1}, *b], d: 1}\n", 1, YAML_NO_ITEM, "a.c", 2, 11);
}

static void without_memory_nothing_is_found(void **state)
{
    (void)state;
    const char *text = "x: &b {name: a, c: {d: 1}}\nk: [*b, {name: q, <<: *b}]\n";
    int hit = 1;
    for (size_t n = 1; hit; n++) {
        size_t line = 0, column = 0;
        failing_alloc_at(n);
        bool found = yaml_locate(text, strlen(text), 1, YAML_NO_ITEM, "k[name=q].c.d", &line, &column);
        hit = failing_alloc_hit();
        failing_alloc_at(0);
        if (!hit) {
            assert_true(found);
            assert_int_equal(line, 1);
            assert_int_equal(column, 21);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_path_leads_to_its_key),
        cmocka_unit_test(names_with_dots_are_found_however_they_are_written),
        cmocka_unit_test(an_item_is_found_by_what_it_has),
        cmocka_unit_test(what_is_missing_is_shown_at_its_parent),
        cmocka_unit_test(each_document_is_searched_alone),
        cmocka_unit_test(an_item_of_a_list_is_its_own_document),
        cmocka_unit_test(aliases_and_merges_lead_to_where_it_is_written),
        cmocka_unit_test(without_memory_nothing_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
