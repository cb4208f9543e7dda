/* What a declaration may hold, checked field by field. */
#include "script/pack-internal.h"

#include "base/mem.h"
#include "base/str.h"
#include "script/bridge.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PACK_API = 1, PACK_STRING_MOST = 4096, PACK_LIST_MOST = 256, PACK_INPUT_MOST = 65536 };

enum field_type { FIELD_STRING, FIELD_STRINGS, FIELD_INTEGER, FIELD_TABLE, FIELD_FUNCTION, FIELD_FUNCTIONS };

struct field {
    const char *name;
    enum field_type type;
    bool required;
};

static const struct field resource_fields[] = {
    {"name", FIELD_STRING, true},        {"kind", FIELD_STRING, true},
    {"help", FIELD_STRING, true},        {"aliases", FIELD_STRINGS, false},
    {"versions", FIELD_STRINGS, false},  {"actions", FIELD_STRINGS, false},
    {"flows", FIELD_STRINGS, false},     {"stage", FIELD_INTEGER, false},
    {"columns", FIELD_TABLE, false},     {"api", FIELD_INTEGER, false},
    {"validate", FIELD_FUNCTION, false}, {"defaults", FIELD_FUNCTION, false},
    {"apply", FIELD_FUNCTION, false},    {"ready", FIELD_FUNCTION, false},
    {"convert", FIELD_FUNCTIONS, false}, {NULL, FIELD_STRING, false},
};

static const struct field flow_fields[] = {
    {"name", FIELD_STRING, true},   {"label", FIELD_STRING, true},      {"help", FIELD_STRING, true},
    {"action", FIELD_STRING, true}, {"resources", FIELD_STRINGS, true}, {"input", FIELD_TABLE, false},
    {"run", FIELD_FUNCTION, true},  {"api", FIELD_INTEGER, false},      {NULL, FIELD_STRING, false},
};

static const struct field guardrail_fields[] = {
    {"name", FIELD_STRING, true},        {"level", FIELD_STRING, true},   {"help", FIELD_STRING, true},
    {"resources", FIELD_STRINGS, false}, {"needs", FIELD_STRINGS, false}, {"check", FIELD_FUNCTION, true},
    {"api", FIELD_INTEGER, false},       {NULL, FIELD_STRING, false},
};

/* The declaration lies at index 1 of the stack. */
struct reader {
    lua_State *L;
    struct pack_file *file;
};

/* The line where `field =` stands, looked for from the declaration's line on: Lua keeps no lines of
 * a table's fields. The declaration's own line where it is not found. */
static int reader_line(const struct pack_file *file, const char *field)
{
    const char *at = buf_str(&file->text);
    size_t len = field ? strlen(field) : 0;
    int line = 1;
    if (!field)
        return file->line;
    for (; *at; at++) {
        if (*at == '\n')
            line++;
        if (line < file->line || strncmp(at, field, len) != 0)
            continue;
        const char *before = at == file->text.data ? at : at - 1;
        const char *after = at + len + strspn(at + len, " \t");
        if (after[0] == '=' && after[1] != '=' && (isspace((unsigned char)*before) || strchr("{,;", *before)))
            return line;
    }
    return file->line;
}

static void reader_fail(struct reader *r, const char *field, const char *format, ...)
    __attribute__((format(printf, 3, 4), noreturn));

static void reader_fail(struct reader *r, const char *field, const char *format, ...)
{
    char text[512];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    luaL_error(r->L, "%s:%d: %s", r->file->name, reader_line(r->file, field), text);
    abort(); /* luaL_error does not return, and is not declared so */
}

static const char *with_article(lua_State *L, int index)
{
    switch (lua_type(L, index)) {
    case LUA_TNIL:
        return "nothing";
    case LUA_TLIGHTUSERDATA:
        return "null";
    default:
        return lua_pushfstring(L, "a %s", luaL_typename(L, index));
    }
}

static void reader_expect(struct reader *r, const char *field, const char *what, int index)
{
    reader_fail(r, field, "field \"%s\" must be %s, got %s", field, what, with_article(r->L, index));
}

/* Pushes a field. */
static int reader_get(struct reader *r, const char *field)
{
    lua_pushstring(r->L, field);
    return lua_rawget(r->L, 1);
}

static void reader_check_string(struct reader *r, const char *field)
{
    size_t len;
    if (lua_type(r->L, -1) != LUA_TSTRING)
        reader_expect(r, field, "a string", -1);
    const char *text = lua_tolstring(r->L, -1, &len);
    if (text[strspn(text, " \t\n")] == '\0')
        reader_fail(r, field, "field \"%s\" is empty", field);
    if (len > PACK_STRING_MOST || strlen(text) != len)
        reader_fail(r, field, "field \"%s\" is longer than %d bytes, or holds a zero byte", field,
                    PACK_STRING_MOST);
}

static void reader_check_strings(struct reader *r, const char *field)
{
    lua_State *L = r->L;
    if (lua_type(L, -1) != LUA_TTABLE)
        reader_expect(r, field, "a list of strings", -1);
    lua_Unsigned count = lua_rawlen(L, -1), found = 0;
    if (count > PACK_LIST_MOST)
        reader_fail(r, field, "field \"%s\" has more than %d entries", field, PACK_LIST_MOST);
    for (lua_pushnil(L); lua_next(L, -2); lua_settop(L, -2), found++) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > (lua_Integer)count)
            reader_fail(r, field, "field \"%s\" must be a list of strings, got a table with keys", field);
        size_t len = lua_rawlen(L, -1);
        if (lua_type(L, -1) != LUA_TSTRING)
            reader_fail(r, field, "field \"%s\" must be a list of strings, entry %d is %s", field,
                        (int)lua_tointeger(L, -2), with_article(L, -1));
        if (len == 0 || len > PACK_STRING_MOST || strlen(lua_tostring(L, -1)) != len)
            reader_fail(r, field, "field \"%s\": entry %d is empty, or too long, or holds a zero byte", field,
                        (int)lua_tointeger(L, -2));
    }
    if (found != count)
        reader_fail(r, field, "field \"%s\" must be a list of strings, got one with holes", field);
}

static void reader_check_functions(struct reader *r, const char *field)
{
    lua_State *L = r->L;
    if (lua_type(L, -1) != LUA_TTABLE)
        reader_expect(r, field, "a table of functions", -1);
    for (lua_pushnil(L); lua_next(L, -2); lua_settop(L, -2))
        if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TFUNCTION)
            reader_fail(r, field,
                        "field \"%s\" must be a table of functions by version, [\"apps/v1\"] = function",
                        field);
}

static void reader_check_field(struct reader *r, const struct field *field)
{
    int type = reader_get(r, field->name);
    if (type == LUA_TNIL) {
        if (field->required)
            reader_fail(r, NULL, "field \"%s\" is missing", field->name);
    } else if (field->type == FIELD_STRING) {
        reader_check_string(r, field->name);
    } else if (field->type == FIELD_STRINGS) {
        reader_check_strings(r, field->name);
    } else if (field->type == FIELD_FUNCTIONS) {
        reader_check_functions(r, field->name);
    } else if (field->type == FIELD_INTEGER && !lua_isinteger(r->L, -1)) {
        reader_expect(r, field->name, "a whole number", -1);
    } else if (field->type == FIELD_TABLE && type != LUA_TTABLE) {
        reader_expect(r, field->name, "a table", -1);
    } else if (field->type == FIELD_FUNCTION && type != LUA_TFUNCTION) {
        reader_expect(r, field->name, "a function", -1);
    }
    lua_settop(r->L, 1);
}

static void reader_check_known(struct reader *r, const struct field *fields)
{
    lua_State *L = r->L;
    const char *names[32];
    size_t count = 0;
    for (const struct field *f = fields; f->name; f++)
        names[count++] = f->name;
    names[count] = NULL;
    for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, -2)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            reader_fail(r, NULL, "every field has a name, and here is a value without one");
        const char *key = lua_tostring(L, -2), *const *known = names;
        while (*known && !str_eq(*known, key))
            known++;
        if (*known)
            continue;
        const char *near = str_nearest(key, names);
        if (near)
            reader_fail(r, key, "unknown field \"%.64s\", did you mean \"%s\"?", key, near);
        reader_fail(r, key, "unknown field \"%.64s\"", key);
    }
}

static void reader_check(struct reader *r, const struct field *fields)
{
    /* The number of the interface first: a newer one may have other fields. */
    reader_get(r, "api");
    if (lua_isinteger(r->L, -1) && lua_tointeger(r->L, -1) != PACK_API)
        reader_fail(r, "api", "needs api %lld, this host has %d", (long long)lua_tointeger(r->L, -1),
                    PACK_API);
    lua_settop(r->L, 1);
    reader_check_known(r, fields);
    for (const struct field *f = fields; f->name; f++)
        reader_check_field(r, f);
}

static const char *reader_string(struct reader *r, const char *field)
{
    const char *text = "";
    if (reader_get(r, field) == LUA_TSTRING)
        text = pack_own(r->file, mem_str(lua_tostring(r->L, -1)));
    lua_settop(r->L, 1);
    return text;
}

/* The list, ending with NULL; one of `otherwise` alone (or an empty one) where the field is not given. */
static const char *const *reader_strings(struct reader *r, const char *field, const char *otherwise)
{
    lua_Unsigned count = reader_get(r, field) == LUA_TTABLE ? lua_rawlen(r->L, -1) : 0;
    const char **list = pack_own(r->file, mem_new((count + 2) * sizeof(*list)));
    if (count == 0)
        list[0] = otherwise;
    for (lua_Unsigned i = 0; i < count; i++) {
        lua_rawgeti(r->L, 2, (lua_Integer)i + 1);
        list[i] = pack_own(r->file, mem_str(lua_tostring(r->L, -1)));
        lua_settop(r->L, 2);
    }
    lua_settop(r->L, 1);
    return list;
}

static bool reader_has(struct reader *r, const char *field)
{
    bool has = reader_get(r, field) != LUA_TNIL;
    lua_settop(r->L, 1);
    return has;
}

static void reader_check_name(struct reader *r, const char *field, const char *name)
{
    static const char rest[] = "abcdefghijklmnopqrstuvwxyz0123456789-";
    if (name[0] < 'a' || name[0] > 'z' || name[strspn(name, rest)])
        reader_fail(
            r, field,
            "field \"%s\": \"%.64s\" is no name: small letters, digits and -, beginning with a letter", field,
            name);
}

static void reader_check_version(struct reader *r, const char *version)
{
    const char *v = version, *slash = strchr(version, '/');
    if (slash)
        v = slash + 1;
    if (slash == version || v[0] != 'v' || !isdigit((unsigned char)v[1]) || strchr(v, '/') ||
        version[strspn(version, "abcdefghijklmnopqrstuvwxyz0123456789-./")])
        reader_fail(r, "versions", "field \"versions\": \"%.64s\" is no version such as v1 or apps/v1",
                    version);
}

static void reader_resource(struct reader *r)
{
    struct pack_resource *out = &r->file->resource;
    reader_check(r, resource_fields);
    *out = (struct pack_resource){
        .name = reader_string(r, "name"),
        .kind = reader_string(r, "kind"),
        .help = reader_string(r, "help"),
        .file = r->file->name,
        .aliases = reader_strings(r, "aliases", NULL),
        .versions = reader_strings(r, "versions", "v1"),
        .actions = reader_strings(r, "actions", NULL),
        .flows = reader_strings(r, "flows", NULL),
        .has_apply = reader_has(r, "apply"),
        .has_validate = reader_has(r, "validate"),
        .has_defaults = reader_has(r, "defaults"),
        .has_ready = reader_has(r, "ready"),
    };
    reader_check_name(r, "name", out->name);
    for (const char *const *alias = out->aliases; *alias; alias++)
        reader_check_name(r, "aliases", *alias);
    for (const char *const *version = out->versions; *version; version++)
        reader_check_version(r, *version);
    reader_get(r, "stage");
    lua_Integer stage = lua_tointeger(r->L, -1);
    if (stage < -1000000 || stage > 1000000)
        reader_fail(r, "stage", "field \"stage\" is out of range");
    out->stage = (int)stage;
}

static void reader_one_of(struct reader *r, const char *field, const char *value, const char *const *words,
                          const char *text)
{
    for (; *words; words++)
        if (str_eq(*words, value))
            return;
    reader_fail(r, field, "field \"%s\" must be %s, got \"%.64s\"", field, text, value);
}

/* Is the value at `index` of an input's type? */
static bool input_fits(lua_State *L, int index, const char *type)
{
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return str_eq(type, "string");
    case LUA_TBOOLEAN:
        return str_eq(type, "boolean");
    case LUA_TNUMBER:
        return str_eq(type, "number") || (str_eq(type, "integer") && lua_isinteger(L, index));
    case LUA_TTABLE:
        return str_eq(type, "list") || str_eq(type, "object");
    default:
        return false;
    }
}

/* One field of an input's table: its name at index 5, its value at 6. */
static void reader_check_input_field(struct reader *r, const char *name, const char *type)
{
    static const char *const known[] = {"type", "default", "help", "required", "enum", NULL};
    lua_State *L = r->L;
    const char *field = lua_type(L, 5) == LUA_TSTRING ? lua_tostring(L, 5) : "";
    reader_one_of(r, name, field, known, "\"type\", \"default\", \"help\", \"required\" or \"enum\"");
    if (str_eq(field, "default") && !input_fits(L, 6, type))
        reader_fail(r, name, "input \"%.64s\": default must be of its type, %s", name, type);
    if (str_eq(field, "help") && lua_type(L, 6) != LUA_TSTRING)
        reader_fail(r, name, "input \"%.64s\": help must be a string", name);
    if (str_eq(field, "required") && !lua_isboolean(L, 6))
        reader_fail(r, name, "input \"%.64s\": required must be true or false", name);
    if (!str_eq(field, "enum"))
        return;
    if (!lua_istable(L, 6) || lua_rawlen(L, 6) == 0)
        reader_fail(r, name, "input \"%.64s\": enum must be a list of values", name);
    for (lua_Integer i = 1; i <= (lua_Integer)lua_rawlen(L, 6); i++) {
        lua_rawgeti(L, 6, i);
        if (!input_fits(L, 7, type))
            reader_fail(r, name, "input \"%.64s\": entry %d of enum must be of its type, %s", name, (int)i,
                        type);
        lua_settop(L, 6);
    }
}

/* Pushes a field of the table at index 4. */
static int input_get(lua_State *L, const char *field)
{
    lua_pushstring(L, field);
    return lua_rawget(L, 4);
}

/* One input: its name at index 3, its table at 4, which gets what it does not say. */
static void reader_check_input(struct reader *r)
{
    static const char *const types[] = {"string", "integer", "number", "boolean", "list", "object", NULL};
    lua_State *L = r->L;
    const char *name = lua_tostring(L, 3);
    if (input_get(L, "type") != LUA_TSTRING)
        reader_fail(r, name, "input \"%.64s\" has no type", name);
    const char *type = lua_tostring(L, 5); /* the table keeps it */
    reader_one_of(r, name, type, types, "string, integer, number, boolean, list or object");
    lua_settop(L, 4);
    for (lua_pushnil(L); lua_next(L, 4); lua_settop(L, 5))
        reader_check_input_field(r, name, type);
    if (input_get(L, "default") == LUA_TTABLE && str_eq(type, "list"))
        bridge_mark_list(L, 5); /* an empty one as well */
    lua_settop(L, 4);
    if (input_get(L, "help") == LUA_TNIL) {
        lua_pushliteral(L, "help");
        lua_pushliteral(L, "");
        lua_rawset(L, 4);
    }
    lua_settop(L, 4);
    if (input_get(L, "required") == LUA_TNIL) {
        lua_pushliteral(L, "required");
        lua_pushboolean(L, false);
        lua_rawset(L, 4);
    }
    lua_settop(L, 4);
}

static int reader_write_input(lua_State *L)
{
    bridge_write(L, 1, lua_touserdata(L, 2));
    return 0;
}

/* input = { timeout = { type = "integer", default = 300, help = "…" } }, as JSON. */
static const char *reader_input(struct reader *r)
{
    lua_State *L = r->L;
    struct buf json = {0};
    if (reader_get(r, "input") != LUA_TTABLE) {
        lua_settop(L, 1);
        return "{}";
    }
    for (lua_pushnil(L); lua_next(L, 2); lua_settop(L, 3)) {
        if (lua_type(L, 3) != LUA_TSTRING || lua_type(L, 4) != LUA_TTABLE)
            reader_fail(r, "input",
                        "field \"input\" must be a table of parameters: timeout = { type = \"integer\" }");
        reader_check_input(r);
    }
    lua_pushcfunction(L, reader_write_input);
    lua_pushvalue(L, 2);
    lua_pushlightuserdata(L, &json);
    if (lua_pcall(L, 2, 0, 0) != LUA_OK || json.failed || json.len > PACK_INPUT_MOST) {
        const char *why = lua_gettop(L) > 2 ? lua_tostring(L, -1) : "it is too long";
        buf_free(&json);
        reader_fail(r, "input", "field \"input\": %.200s", why);
    }
    lua_settop(L, 1);
    return pack_own(r->file, buf_take(&json));
}

static void reader_flow(struct reader *r)
{
    struct pack_flow *out = &r->file->flow;
    reader_check(r, flow_fields);
    *out = (struct pack_flow){
        .name = reader_string(r, "name"),
        .label = reader_string(r, "label"),
        .help = reader_string(r, "help"),
        .action = reader_string(r, "action"),
        .file = r->file->name,
        .resources = reader_strings(r, "resources", NULL),
        .input = reader_input(r),
    };
    reader_check_name(r, "name", out->name);
}

static void reader_guardrail(struct reader *r)
{
    static const char *const levels[] = {"deny", "warn", "observe", NULL};
    static const char *const needs[] = {"dry-run", NULL};
    struct pack_guardrail *out = &r->file->guardrail;
    reader_check(r, guardrail_fields);
    *out = (struct pack_guardrail){
        .name = reader_string(r, "name"),
        .help = reader_string(r, "help"),
        .level = reader_string(r, "level"),
        .file = r->file->name,
        .resources = reader_strings(r, "resources", NULL),
        .needs_dry_run = reader_has(r, "needs"),
        .line = r->file->line,
    };
    reader_check_name(r, "name", out->name);
    reader_one_of(r, "level", out->level, levels, "\"deny\", \"warn\" or \"observe\"");
    for (const char *const *need = reader_strings(r, "needs", NULL); *need; need++)
        reader_one_of(r, "needs", *need, needs, "{ \"dry-run\" }");
}

void pack_read_declaration(lua_State *L, struct pack_file *file)
{
    struct reader r = {.L = L, .file = file};
    luaL_checkstack(L, 16, NULL);
    lua_insert(L, 1);
    lua_settop(L, 1);
    if (file->kind == PACK_RESOURCE)
        reader_resource(&r);
    else if (file->kind == PACK_FLOW)
        reader_flow(&r);
    else
        reader_guardrail(&r);
}
