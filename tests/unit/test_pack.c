/* What a folder of scripts becomes. */
#include "pack_place.h"

/* Exactly one fault, which contains the text. */
static void assert_fault(const struct pack *pack, const char *text)
{
    size_t count;
    const struct pack_fault *faults = pack_faults(pack, &count);
    assert_int_equal(count, 1);
    if (!strstr(faults[0].text, text))
        fail_msg("expected \"%s\", got \"%s\"", text, faults[0].text);
}

/* What is wrong with one resource file. */
static void assert_refused(const struct place *p, const char *script, const char *fault)
{
    put(p, "shipped/resources/x.lua", script);
    struct pack *pack = load(p);
    assert_fault(pack, fault);
    size_t count;
    pack_resources(pack, &count);
    assert_int_equal(count, 0);
    pack_drop(pack);
}

static const char deployment[] = "return resource {\n"
                                 "  name = 'deployments', kind = 'Deployment', help = 'Runs Pods.',\n"
                                 "  aliases = { 'deploy', 'deployment' }, versions = { 'apps/v1' },\n"
                                 "  stage = 40, actions = { 'scale' }, flows = { 'restart' },\n"
                                 "  ready = function() return true end,\n"
                                 "}\n";

static void a_resource_is_found_by_name_alias_and_kind(void **state)
{
    struct place *p = *state;
    put(p, "shipped/resources/deployment.lua", deployment);
    put(p, "shipped/resources/pod.lua", "return resource { name = 'pods', kind = 'Pod', help = 'One.' }");
    struct pack *pack = load(p);
    assert_no_faults(pack);
    size_t count;
    pack_resources(pack, &count);
    assert_int_equal(count, 2);
    assert_int_equal(pack_generation(pack), 1);
    const struct pack_resource *r = pack_resource(pack, "deploy");
    assert_non_null(r);
    assert_string_equal(r->name, "deployments");
    assert_string_equal(r->file, "resources/deployment.lua");
    assert_string_equal(r->help, "Runs Pods.");
    assert_string_equal(r->versions[0], "apps/v1");
    assert_null(r->versions[1]);
    assert_string_equal(r->actions[0], "scale");
    assert_string_equal(r->flows[0], "restart");
    assert_int_equal(r->stage, 40);
    assert_true(r->has_ready);
    assert_false(r->has_apply || r->has_validate || r->has_defaults);
    assert_ptr_equal(pack_resource(pack, "deployments"), r);
    assert_ptr_equal(pack_resource_of(pack, "apps", "Deployment"), r);
    assert_null(pack_resource_of(pack, "", "Deployment"));
    r = pack_resource_of(pack, "", "Pod");
    assert_non_null(r);
    assert_string_equal(r->versions[0], "v1");
    assert_null(r->aliases[0]);
    assert_null(pack_resource(pack, "pod"));
    pack_drop(pack);
}

static void what_is_put_aside_is_skipped(void **state)
{
    static const char *const names[] = {"_x.lua", ".x.lua", "x.lua.off", "x_spec.lua", "x.txt"};
    struct place *p = *state;
    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        char *name = mem_printf("shipped/resources/%s", names[i]);
        put(p, name, "this is no Lua");
        free(name);
    }
    struct pack *pack = load(p);
    assert_no_faults(pack);
    pack_drop(pack);
}

static void a_fault_says_file_line_and_what_to_do(void **state)
{
    struct place *p = *state;
    assert_refused(p, "return resource {\n  name = 'x', kind = 'X',\n  help = 'h',\n\n  versions = 'v1',\n}",
                   "resources/x.lua:5: field \"versions\" must be a list of strings, got a string");
    assert_refused(p, "return resource {\n  name = 'x', kind = 'X', help = 'h',\n  verison = { 'v1' } }",
                   "resources/x.lua:3: unknown field \"verison\", did you mean \"versions\"?");
    assert_refused(p, "\nreturn resource { name = 'x', kind = 'X' }",
                   "resources/x.lua:2: field \"help\" is missing");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = ' ' }",
                   "resources/x.lua:1: field \"help\" is empty");
    assert_refused(p, "return resource { name = 'X Y', kind = 'X', help = 'h' }",
                   "resources/x.lua:1: field \"name\": \"X Y\" is no name");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', stage = 1.5 }",
                   "field \"stage\" must be a whole number, got a number");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', aliases = { 'a', 2 } }",
                   "field \"aliases\" must be a list of strings, entry 2 is a number");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', aliases = { a = 'b' } }",
                   "field \"aliases\" must be a list of strings, got a table with keys");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', apply = 'x' }",
                   "field \"apply\" must be a function, got a string");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', convert = { v1 = 1 } }",
                   "field \"convert\" must be a table of functions by version");
    assert_refused(p, "return resource { name = 'x', kind = 'X', help = 'h', versions = { 'apps' } }",
                   "field \"versions\": \"apps\" is no version such as v1 or apps/v1");
    assert_refused(p, "return resource {\n name = 'x',\n api = 2, kind = 'X', help = 'h', later = 1 }",
                   "resources/x.lua:3: needs api 2, this host has 1");
    assert_refused(p, "return {}", "resources/x.lua:1: returns no declaration");
    assert_refused(p, "return flow { name = 'x' }",
                   "resources/x.lua:1: this is a flow, but the file lies among");
    assert_refused(p, "resource {}\nreturn resource {}", "resources/x.lua:2: a file holds one declaration");
    assert_refused(p, "return resource 'x'", "resources/x.lua:1: resource takes one table");
    assert_refused(p, "x = = 1", "resources/x.lua:1: unexpected symbol near '='");
    assert_refused(p, "\nlocal x = nil + 1",
                   "resources/x.lua:2: attempt to perform arithmetic on a nil value");
    assert_refused(p, "\nerror({})", "resources/x.lua:2: the error value is a table without a message");
    assert_refused(p, "require 'io'", "resources/x.lua:1: there is no module \"io\"");
    assert_refused(p, "\x1bLua", "resources/x.lua");
}

static void a_script_that_never_ends_is_left_out_in_a_second(void **state)
{
    struct place *p = *state;
    put(p, "shipped/resources/pod.lua", "return resource { name = 'pods', kind = 'Pod', help = 'One.' }");
    put(p, "shipped/resources/x.lua", "while true do pcall(function() while true do end end) end");
    struct pack *pack = load(p);
    assert_fault(pack, "resources/x.lua:1: ended after 1 s");
    assert_non_null(pack_resource(pack, "pods"));
    pack_drop(pack);
    put(p, "shipped/resources/x.lua", "local t = {} for i = 1, 1e9 do t[i] = {} end");
    pack = load(p);
    assert_fault(pack, "resources/x.lua:1: not enough memory (32 MiB is the limit)");
    pack_drop(pack);
}

static void two_files_for_one_thing_are_an_error_that_names_both(void **state)
{
    static const struct {
        const char *second, *fault;
    } cases[] = {
        {"return resource { name = 'a', kind = 'B', help = 'h' }", "the name \"a\""},
        {"return resource { name = 'b', kind = 'B', help = 'h', aliases = { 'a' } }",
         "the name or alias \"a\""},
        {"return resource { name = 'b', kind = 'B', help = 'h', aliases = { 'other' } }",
         "the name or alias \"other\""},
        {"return resource { name = 'b', kind = 'A', help = 'h', versions = { 'g/v1' } }", "A of g/v2"},
    };
    struct place *p = *state;
    put(p, "shipped/resources/a.lua",
        "return resource { name = 'a', kind = 'A', help = 'h', "
        "versions = { 'g/v2', 'h/v1' }, aliases = { 'other' } }");
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        put(p, "shipped/resources/b.lua", cases[i].second);
        struct pack *pack = load(p);
        assert_fault(pack, cases[i].fault);
        assert_fault(pack, "resources/b.lua:1: ");
        assert_fault(pack, "is also declared by resources/a.lua:1");
        assert_string_equal(pack_resource(pack, "a")->kind, "A");
        pack_drop(pack);
    }
}

static void a_later_folder_overrides_by_name_and_by_kind(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "shipped/resources/deployment.lua", deployment);
    put(p, "own/resources/mine.lua",
        "return resource { name = 'deployments', kind = 'Deployment', help = 'Ours.', versions = { 'apps/v1' "
        "} }");
    struct pack *pack = load(p);
    assert_no_faults(pack);
    pack_resources(pack, &count);
    assert_int_equal(count, 1);
    assert_string_equal(pack_resource(pack, "deployments")->help, "Ours.");
    assert_null(pack_resource(pack, "deploy"));
    assert_true(str_ends(pack_resource(pack, "deployments")->file, "/own/resources/mine.lua"));
    pack_drop(pack);
    /* Another name for the same kind. */
    put(p, "own/resources/mine.lua",
        "return resource { name = 'rollouts', kind = 'Deployment', help = 'Ours.', versions = { "
        "'apps/v1beta1' } }");
    pack = load(p);
    assert_no_faults(pack);
    assert_null(pack_resource(pack, "deployments"));
    assert_string_equal(pack_resource_of(pack, "apps", "Deployment")->name, "rollouts");
    pack_drop(pack);
    /* Only an alias: the rest of the shipped one stays. */
    put(p, "own/resources/mine.lua",
        "return resource { name = 'things', kind = 'Thing', help = 'h', aliases = { 'deploy' } }");
    pack = load(p);
    assert_no_faults(pack);
    assert_string_equal(pack_resource(pack, "deploy")->name, "things");
    assert_string_equal(pack_resource(pack, "deployment")->name, "deployments");
    pack_drop(pack);
}

static void what_others_could_have_written_is_refused(void **state)
{
    struct place *p = *state;
    put(p, "own/resources/x.lua", "return resource { name = 'x', kind = 'X', help = 'h' }");
    allow(p, "own/resources/x.lua", 0666);
    struct pack *pack = load(p);
    assert_fault(pack, "/own/resources/x.lua: refused: every user can write to this file");
    assert_null(pack_guardrail_fault(pack));
    pack_drop(pack);
    allow(p, "own/resources/x.lua", 0644);
    allow(p, "own/resources", 0777);
    pack = load(p);
    assert_fault(pack, "/own/resources: refused: every user can write to this folder");
    pack_drop(pack);
    allow(p, "own/resources", 0775);
    pack = load(p);
    assert_no_faults(pack);
    pack_drop(pack);
    /* Guardrails that are not read: no write is safe. */
    allow(p, "own", 0777);
    pack = load(p);
    assert_fault(pack, "/own: refused: every user can write to this folder");
    assert_non_null(pack_guardrail_fault(pack));
    pack_drop(pack);
    if (geteuid() == 0) {
        char *path = mem_printf("%s/own/resources/x.lua", p->root);
        allow(p, "own", 0755);
        assert_int_equal(chown(path, 12345, 0), 0);
        pack = load(p);
        assert_fault(pack, "/own/resources/x.lua: refused: the file belongs to user 12345");
        pack_drop(pack);
        free(path);
    }
}

static void flows_and_guardrails_are_checked_and_listed(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "shipped/scripts/flows/restart.lua",
        "return flow { name = 'restart', label = 'Restart', action = 'update', help = 'Rolls it.',\n"
        "  resources = { 'deployments' }, input = { timeout = { type = 'integer', default = 300 } },\n"
        "  run = function(ctx, input) end }");
    put(p, "shipped/scripts/guardrails/tags.lua",
        "redact_pattern 'tok-[0-9]+'\n"
        "return guardrail { name = 'tags', level = 'deny', help = 'No latest.', check = function() end }");
    struct pack *pack = load(p);
    assert_no_faults(pack);
    const struct pack_flow *flows = pack_flows(pack, &count);
    assert_int_equal(count, 1);
    assert_string_equal(flows[0].label, "Restart");
    assert_string_equal(flows[0].resources[0], "deployments");
    assert_string_equal(flows[0].file, "scripts/flows/restart.lua");
    assert_ptr_equal(pack_flow(pack, "restart"), &flows[0]);
    assert_null(pack_flow(pack, "Restart"));
    assert_string_equal(
        flows[0].input,
        "{\"timeout\":{\"default\":300,\"help\":\"\",\"required\":false,\"type\":\"integer\"}}");
    const struct pack_guardrail *guardrails = pack_guardrails(pack, &count);
    assert_int_equal(count, 1);
    assert_string_equal(guardrails[0].level, "deny");
    const struct pack_pattern *patterns = pack_patterns(pack, &count);
    assert_int_equal(count, 1);
    assert_string_equal(patterns[0].pattern, "tok-[0-9]+");
    assert_string_equal(patterns[0].file, "scripts/guardrails/tags.lua");
    assert_int_equal(patterns[0].line, 1);
    pack_drop(pack);

    put(p, "shipped/scripts/guardrails/tags.lua",
        "return guardrail { name = 'tags', level = 'maybe', help = 'No latest.', check = function() end }");
    pack = load(p);
    assert_fault(pack,
                 "scripts/guardrails/tags.lua:1: field \"level\" must be \"deny\", \"warn\" or \"observe\"");
    assert_non_null(strstr(pack_guardrail_fault(pack), "scripts/guardrails/tags.lua:1: "));
    pack_drop(pack);
    drop(p, "shipped/scripts/guardrails/tags.lua");
    put(p, "shipped/scripts/flows/restart.lua",
        "return flow { name = 'restart', label = 'Restart', action = 'update', help = 'Rolls it.',\n"
        "  resources = { 'deployments' },\n  input = {\n    timeout = { type = 'time' } },\n  run = print }");
    pack = load(p);
    assert_fault(pack, "scripts/flows/restart.lua:4: field \"timeout\" must be string, integer");
    pack_drop(pack);
}

static void put_flow(struct place *p, const char *input)
{
    char *text =
        mem_printf("return flow { name = 'f', label = 'F', action = 'update', help = 'Does.', resources = "
                   "{ 'pods' }, run = print,\n  input = %s }",
                   input);
    put(p, "shipped/scripts/flows/f.lua", text);
    free(text);
}

static void a_flow_tells_its_input_as_json(void **state)
{
    static const struct {
        const char *input, *json;
    } good[] = {
        {"{}", "{}"},
        {"{ b = { type = 'list', default = {}, help = 'B' }, a = { type = 'string', required = true,"
         " enum = { 'x', 'y' } } }",
         "{\"a\":{\"enum\":[\"x\",\"y\"],\"help\":\"\",\"required\":true,\"type\":\"string\"},"
         "\"b\":{\"default\":[],\"help\":\"B\",\"required\":false,\"type\":\"list\"}}"},
        {"{ n = { type = 'number', default = 1.5 }, o = { type = 'object', default = { k = { 1 } } } }",
         "{\"n\":{\"default\":1.5,\"help\":\"\",\"required\":false,\"type\":\"number\"},"
         "\"o\":{\"default\":{\"k\":[1]},\"help\":\"\",\"required\":false,\"type\":\"object\"}}"},
    };
    static const struct {
        const char *input, *fault;
    } bad[] = {
        {"{ a = { type = 'integer', default = 1.5 } }",
         "f.lua:2: input \"a\": default must be of its type, integer"},
        {"{ a = { type = 'string', help = 1 } }", "f.lua:2: input \"a\": help must be a string"},
        {"{ a = { type = 'string', enum = { 'x', 1 } } }",
         "f.lua:2: input \"a\": entry 2 of enum must be of its type, string"},
        {"{ a = { type = 'string', defualt = 'x' } }", "f.lua:2: field \"a\" must be \"type\", \"default\""},
        {"{ a = { type = 'object', default = { f = print } } }", "f.lua:2: field \"input\": a.default.f: "},
        {"{ a = { type = 'list', default = list { ('x'):rep(70000) } } }",
         "f.lua:2: field \"input\": it is too long"},
    };
    struct place *p = *state;
    struct pack *pack;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        put_flow(p, good[i].input);
        pack = load(p);
        assert_no_faults(pack);
        assert_string_equal(pack_flow(pack, "f")->input, good[i].json);
        pack_drop(pack);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        put_flow(p, bad[i].input);
        pack = load(p);
        assert_fault(pack, bad[i].fault);
        pack_drop(pack);
    }
}

/* What a script in a cell of the pack says: a field of a resource's or a module's table called. */
struct ask {
    struct pack *pack;
    const char *resource, *module, *field;
    char answer[4096];
    int done;
};

static int ask_setup(lua_State *L, void *arg)
{
    struct ask *ask = arg;
    if (ask->resource)
        pack_push_resource(L, pack_resource(ask->pack, ask->resource));
    else
        pack_push_module(L, ask->module);
    lua_getfield(L, -1, ask->field);
    lua_remove(L, -2);
    return 0;
}

static void ask_done(void *arg, lua_State *L, const struct err *err, const char *traceback)
{
    struct ask *ask = arg;
    (void)traceback;
    ask->done = 1;
    snprintf(ask->answer, sizeof(ask->answer), "%s", err ? err->text : luaL_tolstring(L, -1, NULL));
}

static void answer(struct ask *ask, struct pack *pack)
{
    struct loop *loop = loop_new();
    struct err err;
    struct cell *cell = cell_new(loop, pack, NULL, &err);
    assert_non_null(cell);
    assert_ptr_equal(cell_pack(cell), pack);
    ask->pack = pack;
    ask->done = 0;
    cell_start(cell, ask_setup, ask_done, ask);
    while (!ask->done)
        loop_turn(loop);
    cell_free(cell);
    assert_int_equal(loop_close(loop), 0);
}

static void a_cell_runs_the_functions_of_its_pack(void **state)
{
    struct place *p = *state;
    put(p, "shipped/scripts/lib/status.lua",
        "local M = {}\nfunction M.ready() return 'shipped ' .. require('lib.words').word end\n"
        "function M.bad()\n  return nil .. 'x'\nend\nreturn M");
    put(p, "shipped/scripts/lib/words.lua", "return { word = 'words' }");
    put(p, "shipped/resources/x.lua",
        "local status = require 'lib.status'\n"
        "return resource { name = 'x', kind = 'X', help = 'h', ready = function() return status.ready() "
        "end,\n"
        "  apply = function() return status.bad() end }");
    struct pack *pack = load(p);
    assert_no_faults(pack);
    struct ask ask = {.resource = "x", .field = "ready"};
    answer(&ask, pack);
    assert_string_equal(ask.answer, "shipped words");
    ask.field = "apply";
    answer(&ask, pack);
    assert_string_equal(ask.answer, "scripts/lib/status.lua:4: attempt to concatenate a nil value");
    ask = (struct ask){.module = "status", .field = "ready"};
    answer(&ask, pack);
    assert_string_equal(ask.answer, "shipped words");
    ask.module = "statsu";
    answer(&ask, pack);
    assert_non_null(strstr(ask.answer, "there is no module \"lib.statsu\", did you mean \"lib.status\"?"));
    pack_drop(pack);
    /* The operator's module of that name stands for it, also for the shipped resource. */
    put(p, "own/lib/words.lua", "return { word = 'own words' }");
    pack = load(p);
    ask = (struct ask){.resource = "x", .field = "ready"};
    answer(&ask, pack);
    assert_string_equal(ask.answer, "shipped own words");
    pack_drop(pack);
}

static void modules_that_need_each_other_are_an_error(void **state)
{
    struct place *p = *state;
    size_t count;
    put(p, "shipped/scripts/lib/a.lua", "return { b = require 'lib.b' }");
    put(p, "shipped/scripts/lib/b.lua", "return { a = require 'lib.a' }");
    struct pack *pack = load(p);
    const struct pack_fault *faults = pack_faults(pack, &count);
    assert_int_equal(count, 2);
    assert_non_null(strstr(faults[0].text, "needs itself"));
    pack_drop(pack);
}

static void the_shipped_scripts_load_without_a_fault(void **state)
{
    /* The repository's root: three folders above the tests' data. */
    const char *end = strstr(TEST_DATA, "/tests/unit/");
    char *root = mem_strn(TEST_DATA, (size_t)(end - TEST_DATA));
    struct pack *pack = pack_load(root, NULL);
    (void)state;
    assert_no_faults(pack);
    assert_non_null(pack_resource_of(pack, "apps", "Deployment"));
    pack_drop(pack);
    free(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(a_resource_is_found_by_name_alias_and_kind),
        PLACE_TEST(what_is_put_aside_is_skipped),
        PLACE_TEST(a_fault_says_file_line_and_what_to_do),
        PLACE_TEST(a_script_that_never_ends_is_left_out_in_a_second),
        PLACE_TEST(two_files_for_one_thing_are_an_error_that_names_both),
        PLACE_TEST(a_later_folder_overrides_by_name_and_by_kind),
        PLACE_TEST(what_others_could_have_written_is_refused),
        PLACE_TEST(flows_and_guardrails_are_checked_and_listed),
        PLACE_TEST(a_flow_tells_its_input_as_json),
        PLACE_TEST(a_cell_runs_the_functions_of_its_pack),
        PLACE_TEST(modules_that_need_each_other_are_an_error),
        cmocka_unit_test(the_shipped_scripts_load_without_a_fault),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
