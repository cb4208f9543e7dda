/* The messages are kube-apiserver 1.34's. */
#include "failing_alloc.h"

#include "kube/causes.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

/* `expected`: fields and messages in turn, up to NULL. */
static void assert_causes(const char *body, const char *message, const char *const *expected)
{
    struct kube_cause *causes;
    size_t count = kube_causes(body, message, &causes), n = 0;
    for (; expected[2 * n]; n++) {
        assert_true(n < count);
        assert_string_equal(causes[n].field, expected[2 * n]);
        assert_string_equal(causes[n].message, expected[2 * n + 1]);
    }
    assert_int_equal(count, n);
    kube_causes_free(causes, count);
}

#define CAUSES(...) ((const char *const[]){__VA_ARGS__, NULL})
#define NO_CAUSES   ((const char *const[]){NULL})

static void a_status_names_its_causes(void **state)
{
    (void)state;
    assert_causes(
        "{\"kind\":\"Status\",\"message\":\"Service \\\"x\\\" is invalid: spec.ports[1].name: Required "
        "value\",\"reason\":\"Invalid\",\"details\":{\"name\":\"x\",\"kind\":\"Service\",\"causes\":[{"
        "\"reason\":\"FieldValueRequired\",\"message\":\"Required "
        "value\",\"field\":\"spec.ports[1].name\"}]},\"code\":422}",
        NULL, CAUSES("spec.ports[1].name", "Required value"));
    assert_causes("{\"details\":{\"causes\":[{\"message\":\"conflict with \\\"m\\\" using "
                  "apps/v1\",\"field\":\".spec.replicas\"}, {\"message\":\"no field\"}, {\"field\":\"\"}]}}",
                  "Apply failed with 1 conflict",
                  CAUSES("spec.replicas", "conflict with \"m\" using apps/v1"));
}

static void server_side_apply_names_fields_in_its_message(void **state)
{
    (void)state;
    assert_causes(NULL,
                  "failed to create typed patch object (/x; apps/v1, Kind=Deployment): "
                  ".spec.template.spec.containers[name=\"web\"].imag: field not declared in schema",
                  CAUSES("spec.template.spec.containers[name=\"web\"].imag", "field not declared in schema"));
    assert_causes(NULL,
                  "failed to create typed patch object (/x; example.com/v1, Kind=Foo): errors:\n"
                  "  .spec.items[0].b: field not declared in schema\n"
                  "  .spec.sise: field not declared in schema",
                  CAUSES("spec.items[0].b", "field not declared in schema", "spec.sise",
                         "field not declared in schema"));
    assert_causes(NULL,
                  "failed to create typed patch object (/x; apps/v1, Kind=Deployment): "
                  ".spec.template.spec.containers[name=\"web\"].ports: duplicate entries for key "
                  "[containerPort=80,protocol=\"TCP\"]",
                  CAUSES("spec.template.spec.containers[name=\"web\"].ports",
                         "duplicate entries for key [containerPort=80,protocol=\"TCP\"]"));
    assert_causes(
        "{\"message\":\"failed to create typed patch object (/x; apps/v1, Kind=Deployment): "
        ".spec.template.spec.containers[name=\\\"web\\\"].ports[containerPort=\\\"http\\\",protocol="
        "\\\"TCP\\\"].containerPort: expected numeric (int or float), got string\",\"code\":500}",
        NULL,
        CAUSES("spec.template.spec.containers[name=\"web\"].ports[containerPort=\"http\",protocol="
               "\"TCP\"].containerPort",
               "expected numeric (int or float), got string"));
    assert_causes(
        NULL,
        "failed to create typed patch object (/x; /v1, Kind=ConfigMap): errors:\n  .data.a: expected "
        "string, got &value.valueUnstructured{Value:1}\n  .data.b: expected string, got "
        "&value.valueUnstructured{Value:map[string]interface {}{\"c\":\"d\"}}",
        CAUSES("data.a", "expected string, got &value.valueUnstructured{Value:1}", "data.b",
               "expected string, got &value.valueUnstructured{Value:map[string]interface "
               "{}{\"c\":\"d\"}}"));
}

static void strict_decoding_names_fields_in_its_message(void **state)
{
    (void)state;
    assert_causes(NULL,
                  "Foo in version \"v1\" cannot be handled as a Foo: strict decoding error: unknown field "
                  "\"spec.items[0].b\", unknown field \"spec.sise\", duplicate field \"spec.size\"",
                  CAUSES("spec.items[0].b", "unknown field", "spec.sise", "unknown field", "spec.size",
                         "duplicate field"));
    assert_causes(
        NULL,
        "Deployment in version \"v1\" cannot be handled as a Deployment: strict decoding error: yaml: "
        "unmarshal errors:\n  line 14: key \"image\" already set in map, unknown field "
        "\"metadata.lables\"",
        CAUSES("metadata.lables", "unknown field"));
    assert_causes(
        NULL,
        "Deployment in version \"v1\" cannot be handled as a Deployment: json: cannot unmarshal string "
        "into Go struct field DeploymentSpec.spec.replicas of type int32",
        CAUSES("spec.replicas", "cannot unmarshal string into Go struct field "
                                "DeploymentSpec.spec.replicas of type int32"));
}

static void an_invalid_object_names_fields_in_its_message(void **state)
{
    (void)state;
    assert_causes(
        NULL,
        "Deployment.apps \"x\" is invalid: spec.selector: Invalid value: "
        "{\"matchLabels\":{\"a\":\"c\"}}: field is immutable",
        CAUSES("spec.selector", "Invalid value: {\"matchLabels\":{\"a\":\"c\"}}: field is immutable"));
    assert_causes(
        NULL,
        "Pod \"x\" is invalid: [spec.containers[0].image: Required value, "
        "spec.containers[0].imagePullPolicy: Unsupported value: \"Never ever\": supported values: "
        "\"Always\", \"IfNotPresent\", \"Never\", spec.restartPolicy: Unsupported value: \"Sometimes\": "
        "supported values: \"Always\", \"OnFailure\", \"Never\"]",
        CAUSES("spec.containers[0].image", "Required value", "spec.containers[0].imagePullPolicy",
               "Unsupported value: \"Never ever\": supported values: \"Always\", \"IfNotPresent\", "
               "\"Never\"",
               "spec.restartPolicy",
               "Unsupported value: \"Sometimes\": supported values: \"Always\", \"OnFailure\", "
               "\"Never\""));
    assert_causes(
        NULL,
        "ConfigMap \"x\" is invalid: [data[..]: Invalid value: \"..\": must not be '..', data[a b]: "
        "Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, '-', '_' "
        "or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is "
        "'[-._a-zA-Z0-9]+')]",
        CAUSES("data[..]", "Invalid value: \"..\": must not be '..'", "data[a b]",
               "Invalid value: \"a b\": a valid config key must consist of alphanumeric characters, "
               "'-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for "
               "validation is '[-._a-zA-Z0-9]+')"));
}

static void other_refusals_name_no_field(void **state)
{
    (void)state;
    assert_causes(NULL, NULL, NO_CAUSES);
    assert_causes("no JSON", "", NO_CAUSES);
    assert_causes("{\"message\":\"namespaces \\\"nope\\\" not found\",\"details\":{\"name\":\"nope\"}}", NULL,
                  NO_CAUSES);
    assert_causes(
        NULL,
        "failed to convert new object (/x; apps/v1, Kind=Deployment) to proper version: unable to "
        "convert unstructured object to apps/v1, Kind=Deployment: quantities must match the regular "
        "expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        NO_CAUSES);
    assert_causes(NULL, "the name of the object (x) does not match the name on the URL (y)", NO_CAUSES);
    assert_causes(NULL, "failed to create typed patch object (", NO_CAUSES);
    assert_causes(NULL, "x \"y\" is invalid: [", NO_CAUSES);
    assert_causes(NULL, "x \"y\" is invalid: a[\"", NO_CAUSES);
    assert_causes(NULL, "strict decoding error: unknown field \"a", NO_CAUSES);
    assert_causes(NULL, "json: cannot unmarshal x into Go struct field ", NO_CAUSES);
}

static void causes_are_bounded_and_memory_may_run_out(void **state)
{
    (void)state;
    char message[8192] = "strict decoding error: ";
    struct kube_cause *causes;
    for (int i = 0; i < 100; i++)
        strcat(message, "unknown field \"spec.a\", ");
    assert_int_equal(kube_causes(NULL, message, &causes), KUBE_CAUSES_MAX);
    kube_causes_free(causes, KUBE_CAUSES_MAX);
    failing_alloc_at(1);
    assert_int_equal(kube_causes(NULL, "strict decoding error: unknown field \"a\"", &causes), 0);
    assert_true(failing_alloc_hit());
    failing_alloc_at(0);
    kube_causes_free(causes, 0);
}

/* Each of them could begin a path with a bracket that is never closed. */
static void a_long_message_takes_no_time(void **state)
{
    enum { TIMES = 50000 };
    static char message[64 + TIMES * 5] = "Service \"x\" is invalid: [spec.a: Invalid value: ";
    size_t n = strlen(message);
    clock_t began = clock();
    (void)state;
    for (size_t i = 0; i < TIMES; i++)
        memcpy(message + n + i * 5, ", a[x", 6);
    struct kube_cause *causes;
    size_t count = kube_causes(NULL, message, &causes);
    assert_int_equal(count, 1);
    kube_causes_free(causes, count);
    assert_true((clock() - began) / CLOCKS_PER_SEC < 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_status_names_its_causes),
        cmocka_unit_test(server_side_apply_names_fields_in_its_message),
        cmocka_unit_test(strict_decoding_names_fields_in_its_message),
        cmocka_unit_test(an_invalid_object_names_fields_in_its_message),
        cmocka_unit_test(other_refusals_name_no_field),
        cmocka_unit_test(causes_are_bounded_and_memory_may_run_out),
        cmocka_unit_test(a_long_message_takes_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
