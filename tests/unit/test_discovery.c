/* What a cluster serves: asked in one go or group by group, shared by who waits, and looked up by
 * the names that people use. */
#include "kube/cluster.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

#include "kube_world.h"

static const char new_core[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"apiVersion\":\"apidiscovery.k8s.io/v2\",\"items\":["
    "{\"metadata\":{},\"versions\":[{\"version\":\"v1\",\"resources\":["
    "{\"resource\":\"pods\",\"responseKind\":{\"group\":\"\",\"version\":\"\",\"kind\":\"Pod\"},"
    "\"scope\":\"Namespaced\",\"singularResource\":\"pod\",\"verbs\":[\"get\",\"list\",\"watch\",\"create\","
    "\"update\",\"patch\",\"delete\",\"deletecollection\"],\"shortNames\":[\"po\"],"
    "\"subresources\":[{\"subresource\":\"log\"}]},"
    "{\"resource\":\"nodes\",\"responseKind\":{\"kind\":\"Node\"},\"scope\":\"Cluster\","
    "\"singularResource\":\"node\",\"verbs\":[\"get\"]},"
    "{\"resource\":\"events\",\"responseKind\":{\"kind\":\"Event\"},\"scope\":\"Namespaced\",\"verbs\":[]},"
    "7,{\"resource\":7},{\"responseKind\":null,\"resource\":\"odd\"}]}]}]}";

static const char new_groups[] =
    "{\"kind\":\"APIGroupDiscoveryList\",\"items\":["
    "{\"metadata\":{\"name\":\"apps\"},\"versions\":[{\"version\":\"v1\",\"freshness\":\"Current\","
    "\"resources\":["
    "{\"resource\":\"deployments\",\"responseKind\":{\"kind\":\"Deployment\"},\"scope\":\"Namespaced\","
    "\"singularResource\":\"deployment\",\"verbs\":[\"get\"],\"shortNames\":[\"deploy\"]}]}]},"
    "{\"metadata\":{\"name\":\"events.k8s.io\"},\"versions\":[{\"version\":\"v1\",\"resources\":["
    "{\"resource\":\"events\",\"responseKind\":{\"kind\":\"Event\"},\"scope\":\"Namespaced\",\"verbs\":[]}]}]"
    "},"
    "{\"metadata\":{\"name\":\"autoscaling\"},\"versions\":["
    "{\"version\":\"v2\",\"resources\":[{\"resource\":\"horizontalpodautoscalers\",\"responseKind\":"
    "{\"kind\":\"HorizontalPodAutoscaler\"},\"scope\":\"Namespaced\",\"shortNames\":[\"hpa\"],\"verbs\":[]}]}"
    ","
    "{\"version\":\"v1\",\"resources\":[{\"resource\":\"horizontalpodautoscalers\",\"responseKind\":"
    "{\"kind\":\"HorizontalPodAutoscaler\"},\"scope\":\"Namespaced\",\"shortNames\":[\"hpa\"],\"verbs\":[]}]}"
    "]},"
    "{\"metadata\":{\"name\":\"metrics.k8s.io\"},\"versions\":[{\"version\":\"v1beta1\",\"freshness\":"
    "\"Stale\"}]}]}";

static void serve_new(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    (void)api;
    assert_non_null(strstr(asked->head, "Accept: application/json;g=apidiscovery.k8s.io;v=v2;"));
    answer->body = str_eq(asked->target, "/api") ? new_core : new_groups;
}

/* A server from before aggregated discovery; metrics.k8s.io is down. */
static void serve_old(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    static const struct {
        const char *target, *body;
    } pages[] = {
        {"/api", "{\"kind\":\"APIVersions\",\"versions\":[\"v1\"]}"},
        {"/apis",
         "{\"kind\":\"APIGroupList\",\"groups\":[{\"name\":\"metrics.k8s.io\",\"versions\":[{"
         "\"groupVersion\":"
         "\"metrics.k8s.io/v1beta1\",\"version\":\"v1beta1\"}]},{\"name\":\"autoscaling\",\"versions\":["
         "{\"version\":\"v2\"},{\"version\":\"v1\"}],\"preferredVersion\":{\"version\":\"v1\"}}]}"},
        {"/api/v1",
         "{\"kind\":\"APIResourceList\",\"groupVersion\":\"v1\",\"resources\":["
         "{\"name\":\"configmaps\",\"singularName\":\"\",\"namespaced\":true,\"kind\":\"ConfigMap\","
         "\"verbs\":[\"create\",\"get\"],\"shortNames\":[\"cm\"]},"
         "{\"name\":\"pods/log\",\"namespaced\":true,\"kind\":\"Pod\",\"verbs\":[\"get\"]}]}"},
        {"/apis/autoscaling/v1",
         "{\"resources\":[{\"name\":\"horizontalpodautoscalers\",\"namespaced\":true,\"kind\":"
         "\"HorizontalPodAutoscaler\",\"verbs\":[],\"shortNames\":[\"hpa\"]}]}"},
        {"/apis/autoscaling/v2",
         "{\"resources\":[{\"name\":\"horizontalpodautoscalers\",\"namespaced\":true,\"kind\":"
         "\"HorizontalPodAutoscaler\",\"verbs\":[],\"shortNames\":[\"hpa\"]}]}"},
    };
    (void)api;
    *answer = (struct fake_answer){.status = 503, .body = "no endpoints"};
    for (size_t i = 0; i < sizeof(pages) / sizeof(*pages); i++)
        if (str_eq(asked->target, pages[i].target))
            *answer = (struct fake_answer){.status = 200, .body = pages[i].body};
}

struct told {
    int count, failed;
    char text[4096];
};

static void told(void *arg, const struct err *err)
{
    struct told *t = arg;
    t->count++;
    t->failed += err != NULL;
    snprintf(t->text, sizeof(t->text), "%s", err ? err->text : "");
}

static void discover(struct world *w, bool fresh, struct told *t)
{
    *t = (struct told){0};
    assert_non_null(cluster_discover(w->cluster, fresh, told, t));
    assert_int_equal(t->count, 0);
    until(w, &t->count, 1);
}

static void is(struct world *w, const char *name, const char *api_version, const char *kind)
{
    const struct kube_kind *k = cluster_resource(w->cluster, name);
    if (!kind && k)
        fail_msg("%s is %s %s", name, k->api_version, k->kind);
    if (!kind)
        return;
    if (!k)
        fail_msg("%s is nothing", name);
    assert_string_equal(k->api_version, api_version);
    assert_string_equal(k->kind, kind);
}

static void one_document_tells_everything(void **state)
{
    struct world *w = *state;
    struct told t;
    w->api.fn = serve_new;
    world_must_open(w, "{}");
    is(w, "pods", NULL, NULL); /* nothing is known yet */
    discover(w, false, &t);
    assert_int_equal(t.failed, 0);
    assert_int_equal(w->api.count, 2);
    const struct kube_kind *pod = cluster_kind(w->cluster, "v1", "Pod");
    assert_string_equal(pod->plural, "pods");
    assert_string_equal(pod->group, "");
    assert_true(pod->namespaced);
    assert_true(pod->preferred);
    assert_int_equal(pod->verbs, KUBE_GET | KUBE_LIST | KUBE_WATCH | KUBE_CREATE | KUBE_UPDATE | KUBE_PATCH |
                                     KUBE_DELETE);
    assert_string_equal(pod->short_names[0], "po");
    assert_null(pod->short_names[1]);
    assert_false(cluster_kind(w->cluster, "v1", "Node")->namespaced);
    assert_false(cluster_kind(w->cluster, "autoscaling/v1", "HorizontalPodAutoscaler")->preferred);
    assert_null(cluster_kind(w->cluster, "v1", "Deployment"));
    assert_null(cluster_kind(w->cluster, "apps/v1", "deployment"));
    static const char *const deployment[] = {
        "deploy", "deployments", "deployment", "Deployment", "deployments.apps", "deployments.v1.apps", NULL};
    for (size_t i = 0; deployment[i]; i++)
        is(w, deployment[i], "apps/v1", "Deployment");
    is(w, "hpa", "autoscaling/v2", "HorizontalPodAutoscaler");
    is(w, "hpa.v1.autoscaling", "autoscaling/v1", "HorizontalPodAutoscaler");
    is(w, "events", "v1", "Event");
    is(w, "events.events.k8s.io", "events.k8s.io/v1", "Event");
    is(w, "event", "v1", "Event"); /* the server did not say the singular */
    static const char *const nothing[] = {"",  "deployments.extensions", "deploymen", "odd", ".", "pods/log",
                                          NULL};
    for (size_t i = 0; nothing[i]; i++)
        is(w, nothing[i], NULL, NULL);
    const char *const *failures = cluster_discovery_failures(w->cluster);
    assert_non_null(strstr(failures[0], "metrics.k8s.io/v1beta1: "));
    assert_null(failures[1]);
}

static void an_old_server_is_asked_group_by_group(void **state)
{
    struct world *w = *state;
    struct told t;
    w->api.fn = serve_old;
    world_must_open(w, "{}");
    discover(w, false, &t);
    assert_int_equal(t.failed, 0);
    assert_int_equal(w->api.count, 6);
    is(w, "cm", "v1", "ConfigMap");
    is(w, "configmap", "v1", "ConfigMap");
    is(w, "pods/log", NULL, NULL);
    is(w, "hpa", "autoscaling/v1", "HorizontalPodAutoscaler");
    assert_true(cluster_resource(w->cluster, "hpa")->preferred);
    assert_non_null(cluster_kind(w->cluster, "autoscaling/v2", "HorizontalPodAutoscaler"));
    const char *const *failures = cluster_discovery_failures(w->cluster);
    assert_non_null(strstr(failures[0], "metrics.k8s.io/v1beta1: "));
    assert_non_null(strstr(failures[0], "no endpoints"));
    assert_null(failures[1]);
}

static void who_waits_shares_a_round_and_what_is_known_is_told_at_once(void **state)
{
    struct world *w = *state;
    struct told a = {0}, b = {0}, c = {0};
    w->api.fn = serve_new;
    world_must_open(w, "{}");
    cluster_discover(w->cluster, false, told, &a);
    cluster_discover(w->cluster, true, told, &a);
    struct kube_call *gone = cluster_discover(w->cluster, false, told, &b);
    kube_cancel(&gone);
    until(w, &a.count, 2);
    assert_int_equal(w->api.count, 2);
    discover(w, false, &c);
    gone = cluster_discover(w->cluster, false, told, &b);
    kube_cancel(&gone);
    assert_int_equal(w->api.count, 2);
    assert_int_equal(a.failed + b.count + c.failed, 0);
}

static void who_wants_it_fresh_gets_a_round_that_began_after_asking(void **state)
{
    struct world *w = *state;
    struct told first = {0}, second = {0};
    w->api.fn = serve_new;
    world_must_open(w, "{}");
    cluster_discover(w->cluster, false, told, &first);
    while (w->api.count < 1)
        loop_turn(w->loop);
    uint64_t began = clock_mono_ms();
    cluster_discover(w->cluster, true, told, &second);
    cluster_discover(w->cluster, true, told, &second);
    until(w, &first.count, 1);
    assert_int_equal(second.count, 0);
    until(w, &second.count, 2);
    assert_int_equal(w->api.count, 4);
    assert_true(clock_mono_ms() - began >= KUBE_HOLD_MS - 200); /* rounds keep their distance */
}

static void a_round_that_fails_keeps_what_was_known(void **state)
{
    struct world *w = *state;
    struct told t;
    w->api.fn = serve_new;
    world_must_open(w, "{}");
    discover(w, false, &t);
    fake_api_stop(&w->api);
    discover(w, true, &t);
    assert_int_equal(t.failed, 1);
    assert_non_null(strstr(t.text, "No cluster answers at http://127.0.0.1:"));
    assert_non_null(strstr(t.text, "connection refused"));
    is(w, "po", "v1", "Pod");
    discover(w, false, &t);
    assert_int_equal(t.failed, 0);
}

static void nonsense(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    static const char *const bodies[] = {"{", "[]", "{\"kind\":\"Pod\"}"};
    const struct world *w = api->arg;
    (void)asked;
    answer->body = bodies[w->fail_first];
}

static void a_server_that_talks_nonsense_is_an_error(void **state)
{
    struct world *w = *state;
    struct told t;
    w->api.fn = nonsense;
    for (w->fail_first = 0; w->fail_first < 3; w->fail_first++) {
        world_must_open(w, "{}");
        discover(w, false, &t);
        assert_int_equal(t.failed, 1);
        assert_non_null(strstr(t.text, "what it serves cannot be asked: the answer is no "));
        clusters_free(w->clusters);
        w->clusters = NULL;
    }
}

static void a_round_under_way_can_be_dropped(void **state)
{
    struct world *w = *state;
    struct told t = {0};
    w->api.fn = serve_old;
    world_must_open(w, "{}");
    cluster_discover(w->cluster, false, told, &t);
    while (w->api.count < 3) /* the groups are being asked */
        loop_turn(w->loop);
    clusters_free(w->clusters);
    w->clusters = NULL;
    turn_for(w, 50);
    assert_int_equal(t.count, 0);
}

/* Two thousand kinds: more than is read on the loop's own thread. */
static void serve_large(struct fake_api *api, const struct fake_asked *asked, struct fake_answer *answer)
{
    struct buf *body = ((struct world *)api->arg)->arg;
    if (str_eq(asked->target, "/api")) {
        answer->body = "{\"kind\":\"APIGroupDiscoveryList\"}";
        return;
    }
    buf_clear(body);
    buf_puts(body, "{\"kind\":\"APIGroupDiscoveryList\",\"items\":[{\"metadata\":{\"name\":\"g.io\"},"
                   "\"versions\":[{\"version\":\"v1\",\"resources\":[");
    for (int i = 0; i < 2000; i++)
        buf_printf(body, "%s{\"resource\":\"things%d\",\"responseKind\":{\"kind\":\"Thing%d\"}}",
                   i ? "," : "", i, i);
    buf_puts(body, "]}]}]}");
    answer->body = buf_str(body);
}

static void a_large_document_is_read_beside_the_loop(void **state)
{
    struct world *w = *state;
    struct buf body = {0};
    struct told t = {0};
    w->api.fn = serve_large;
    w->arg = &body;
    world_must_open(w, "{}");
    discover(w, false, &t);
    assert_int_equal(t.failed, 0);
    assert_true(body.len > KUBE_DISCOVERY_SMALL);
    is(w, "things999", "g.io/v1", "Thing999");
    clusters_free(w->clusters);
    /* And can be dropped in the middle, wherever that is. */
    for (int turns = 0; turns < 24; turns++) {
        world_must_open(w, "{}");
        t.count = 0;
        cluster_discover(w->cluster, false, told, &t);
        for (int i = 0; i < turns && !t.count; i++)
            loop_turn(w->loop);
        clusters_free(w->clusters);
        w->clusters = NULL;
    }
    turn_for(w, 100);
    buf_free(&body);
}

static void paths_are_encoded_part_by_part(void **state)
{
    const struct kube_kind pod = {.group = "", .version = "v1", .plural = "pods", .namespaced = true};
    const struct kube_kind role = {
        .group = "rbac.authorization.k8s.io", .version = "v1", .plural = "clusterroles"};
    const struct {
        const struct kube_kind *kind;
        const char *ns, *name, *path;
    } cases[] = {
        {&pod, "a", "b", "/api/v1/namespaces/a/pods/b"},
        {&pod, "a", NULL, "/api/v1/namespaces/a/pods"},
        {&pod, NULL, NULL, "/api/v1/pods"},
        {&pod, "", "", "/api/v1/pods"},
        {&pod, "../x", "a/b?c#d%\xc3\xa9", "/api/v1/namespaces/..%2Fx/pods/a%2Fb%3Fc%23d%25%C3%A9"},
        {&pod, "..", ".", "/api/v1/namespaces/%2E%2E/pods/%2E"},
        {&role, "ignored", "system:node", "/apis/rbac.authorization.k8s.io/v1/clusterroles/system%3Anode"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *path = kube_path(cases[i].kind, cases[i].ns, cases[i].name);
        assert_string_equal(path, cases[i].path);
        free(path);
    }
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, world_setup, world_teardown)
    const struct CMUnitTest tests[] = {
        TEST(one_document_tells_everything),
        TEST(an_old_server_is_asked_group_by_group),
        TEST(who_waits_shares_a_round_and_what_is_known_is_told_at_once),
        TEST(who_wants_it_fresh_gets_a_round_that_began_after_asking),
        TEST(a_round_that_fails_keeps_what_was_known),
        TEST(a_server_that_talks_nonsense_is_an_error),
        TEST(a_round_under_way_can_be_dropped),
        TEST(a_large_document_is_read_beside_the_loop),
        cmocka_unit_test(paths_are_encoded_part_by_part),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
