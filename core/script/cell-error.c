#include "script/cell-internal.h"

#include "base/str.h"
#include "script/bridge.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_REPORT_ROOM = 256 << 10, CELL_MESSAGE_MOST = 3000, CELL_TRACE_LEVELS = 30 };

static const char api_error_name[] = "moonsail.api_error";

void cell_where(lua_State *co, char *where, size_t size)
{
    lua_Debug ar;
    where[0] = '\0';
    for (int level = 0; lua_getstack(co, level, &ar); level++) {
        lua_getinfo(co, "Sl", &ar);
        if (ar.currentline <= 0)
            continue;
        snprintf(where, size, "%s:%d: ", ar.source[0] == '@' ? ar.source + 1 : ar.short_src, ar.currentline);
        return;
    }
}

/* From the innermost call outwards, without a look at how deep it goes: Lua's own traceback finds
 * that out in a tenth of a second where a script has recursed without end. */
static void cell_trace(struct cell_task *task)
{
    lua_Debug ar;
    int level = 0;
    buf_puts(&task->traceback, "stack traceback:");
    for (; level < CELL_TRACE_LEVELS && lua_getstack(task->co, level, &ar); level++) {
        lua_getinfo(task->co, "Sln", &ar);
        buf_printf(&task->traceback, "\n\t%s:", ar.source[0] == '@' ? ar.source + 1 : ar.short_src);
        if (ar.currentline > 0)
            buf_printf(&task->traceback, "%d:", ar.currentline);
        if (ar.name)
            buf_printf(&task->traceback, " in %s '%s'", ar.namewhat[0] ? ar.namewhat : "function", ar.name);
        else if (ar.what[0] == 'm')
            buf_puts(&task->traceback, " in main chunk");
        else if (ar.what[0] == 'C')
            buf_puts(&task->traceback, " in ?");
        else
            buf_printf(&task->traceback, " in function <%s:%d>", ar.short_src, ar.linedefined);
    }
    if (level == CELL_TRACE_LEVELS)
        buf_puts(&task->traceback, "\n\t...");
}

static void cell_take_message(struct cell_task *task, lua_State *L)
{
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    buf_append(&task->message, text, str_utf8_cut(text, len < CELL_MESSAGE_MOST ? len : CELL_MESSAGE_MOST));
}

/* An error value that is a table: its `message`. A script's __tostring is never called here. */
static int cell_read_table(lua_State *L)
{
    struct cell_task *task = lua_touserdata(L, 1);
    lua_pushvalue(task->co, -1);
    lua_xmove(task->co, L, 1);
    if (lua_getmetatable(L, 2)) {
        task->api_failure = luaL_getmetatable(L, api_error_name) == LUA_TTABLE && lua_rawequal(L, -1, -2);
        lua_settop(L, 2);
    }
    if (task->api_failure) {
        lua_pushliteral(L, "code");
        lua_rawget(L, 2);
        task->api_code = err_code_of(lua_tostring(L, -1));
    }
    lua_pushliteral(L, "message");
    if (lua_rawget(L, 2) == LUA_TSTRING)
        cell_take_message(task, L);
    return 0;
}

/* Making the few values that this needs on the main state, with some memory beyond the cap:
 * what says why a script ended must not fail because the script has taken all. */
static void cell_note_table(struct cell_task *task)
{
    struct cell *cell = task->cell;
    size_t cap = cell->cap;
    cell->cap = (cell->used > cap ? cell->used : cap) + CELL_REPORT_ROOM;
    cell->refused = false;
    lua_pushcfunction(cell->L, cell_read_table);
    lua_pushlightuserdata(cell->L, task);
    if (lua_pcall(cell->L, 1, 0, 0) != LUA_OK)
        lua_settop(cell->L, -2);
    cell->cap = cap;
}

static void cell_note(struct cell_task *task)
{
    lua_State *co = task->co;
    int type = lua_gettop(co) > 0 ? lua_type(co, -1) : LUA_TNIL;
    if (!task->where[0])
        cell_where(co, task->where, sizeof(task->where));
    cell_trace(task);
    if (type == LUA_TSTRING)
        cell_take_message(task, co);
    else if (type == LUA_TTABLE && lua_checkstack(co, 1))
        cell_note_table(task);
    if (task->message.len == 0)
        buf_printf(&task->message, "the error value is a %s%s", lua_typename(co, type),
                   type == LUA_TTABLE    ? " without a message"
                   : type == LUA_TSTRING ? " without characters"
                                         : "");
}

int cell_note_error(lua_State *co)
{
    cell_note(cell_of(co)->current);
    return 1;
}

struct unit {
    uint64_t size;
    const char *name;
};

/* The largest unit that divides n: "64 MiB", "30 s", "1500 ms". */
static const char *amount(char text[32], uint64_t n, const struct unit *units)
{
    while (units->size > 1 && (n == 0 || n % units->size))
        units++;
    snprintf(text, 32, "%llu %s", (unsigned long long)(n / units->size), units->name);
    return text;
}

static const char *amount_of_time(char text[32], uint64_t us)
{
    static const struct unit units[] = {{1000000, "s"}, {1000, "ms"}, {1, "µs"}};
    return amount(text, us, units);
}

static const char *amount_of_memory(char text[32], uint64_t bytes)
{
    static const struct unit units[] = {{1 << 20, "MiB"}, {1 << 10, "KiB"}, {1, "bytes"}};
    return amount(text, bytes, units);
}

static void cell_report_kill(struct cell_task *task, enum task_kill kill, struct err *err)
{
    const struct cell_limits *limits = &task->cell->limits;
    char text[32];
    if (kill == KILL_MEMORY)
        err_code(err, ERR_NO_MEMORY, "%snot enough memory (%s is the limit)", task->where,
                 amount_of_memory(text, limits->memory));
    else if (kill == KILL_CPU)
        err_code(err, ERR_TIMEOUT, "%sended after %s of CPU", task->where,
                 amount_of_time(text, limits->cpu_us));
    else if (kill == KILL_STUCK && task->call)
        err_code(err, ERR_TIMEOUT, "%sended after %s: that is all the time it has", task->where,
                 amount_of_time(text, limits->stuck_us));
    else if (kill == KILL_STUCK)
        err_code(err, ERR_TIMEOUT, "%sended: %s inside a callback that cannot be interrupted", task->where,
                 amount_of_time(text, limits->stuck_us));
    else
        err_code(err, ERR_CANCELLED, "%sstopped", task->where);
}

/* Does a message begin with "file:line:"? Those of luaL_error() and error() do. */
static bool has_position(const char *text)
{
    const char *colon = strchr(text, ':');
    if (!colon || colon == text || strchr(" \n", text[0]) || memchr(text, '\n', (size_t)(colon - text)))
        return false;
    size_t digits = strspn(colon + 1, "0123456789");
    return digits > 0 && colon[1 + digits] == ':';
}

/* Lua shortens the path of a script that lies deep to "...": the whole one, where it is known. */
static void cell_report_text(const struct cell_task *task, const char *text, struct err *err)
{
    const char *colon = strchr(text, ':');
    const char *end = strrchr(task->where, ':');
    while (end && end > task->where && *--end != ':')
        ;
    if (!has_position(text)) {
        err_set(err, "%s%s", task->where, text);
        return;
    }
    if (str_starts(text, "...") && end) {
        size_t tail = (size_t)(colon - text) - 3, path = (size_t)(end - task->where);
        if (path > tail && memcmp(end - tail, text + 3, tail) == 0) {
            err_set(err, "%.*s%s", (int)path, task->where, colon);
            return;
        }
    }
    err_set(err, "%s", text);
}

void cell_report(struct cell_task *task, int status, struct err *err)
{
    if (task->crowded) {
        err_code(err, ERR_TOO_LARGE, "more than 10,000 tasks at once");
        return;
    }
    if (!task->co) {
        cell_report_kill(task, KILL_MEMORY, err);
        return;
    }
    /* After a failed resume the stack still stands; a failed call has been noted before it was unwound. */
    if (task->traceback.len == 0)
        cell_note(task);
    const char *text = buf_str(&task->message);
    if (task->kill != KILL_NONE)
        cell_report_kill(task, task->kill, err);
    else if (status == LUA_ERRMEM)
        cell_report_kill(task, KILL_MEMORY, err);
    else if (task->api_failure)
        err_code(err, task->api_code, "%s", text);
    else
        cell_report_text(task, text, err);
    /* What the API refuses is no fault of the script: where it was asked tells nobody anything. */
    if (task->api_failure && task->kill == KILL_NONE)
        buf_clear(&task->traceback);
}

static int api_error_text(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_pushliteral(L, "message");
    lua_rawget(L, 1);
    return 1;
}

static int api_error_details(lua_State *L)
{
    bridge_push(L, lua_touserdata(L, 1), (size_t)lua_tointeger(L, 2));
    if (lua_type(L, -1) != LUA_TTABLE)
        return 0;
    lua_pushliteral(L, "details");
    lua_rawget(L, -2);
    return 1;
}

/* The answer's details into the table at the top; an answer that is no JSON has none. */
static void api_error_add_details(lua_State *L, const char *body, size_t len)
{
    lua_pushcfunction(L, api_error_details);
    lua_pushlightuserdata(L, (void *)body);
    lua_pushinteger(L, (lua_Integer)len);
    int status = lua_pcall(L, 2, 1, 0);
    if (status == LUA_ERRMEM || cell_of(L)->current->kill != KILL_NONE)
        lua_error(L);
    if (status == LUA_OK)
        lua_setfield(L, -2, "details");
    else
        lua_settop(L, -2);
}

int cell_raise_api(lua_State *L, const char *code, int status, const char *reason, const char *message,
                   const char *body, size_t body_len)
{
    lua_createtable(L, 0, 5);
    lua_pushstring(L, str_or(code, "failed"));
    lua_setfield(L, -2, "code");
    lua_pushinteger(L, status);
    lua_setfield(L, -2, "status");
    lua_pushstring(L, str_or(reason, ""));
    lua_setfield(L, -2, "reason");
    lua_pushstring(L, str_or(message, "failed"));
    lua_setfield(L, -2, "message");
    if (body && body_len > 0)
        api_error_add_details(L, body, body_len);
    if (luaL_newmetatable(L, api_error_name)) {
        lua_pushcfunction(L, api_error_text);
        lua_setfield(L, -2, "__tostring");
        lua_pushboolean(L, 0);
        lua_setfield(L, -2, "__metatable");
    }
    lua_setmetatable(L, -2);
    return lua_error(L);
}
