/* Any bytes as JSON: refused, or read and written as a text that reads back to the same text, and
 * read or refused as jansson does. */
#include "script/bridge.h"

#include <jansson.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct text {
    const char *json;
    size_t len;
};

static int push(lua_State *L)
{
    const struct text *t = lua_touserdata(L, 1);
    bridge_push(L, t->json, t->len);
    return 1;
}

static int write(lua_State *L)
{
    bridge_write(L, 1, lua_touserdata(L, 2));
    return 0;
}

static bool read_and_write(lua_State *L, const char *json, size_t len, struct buf *out)
{
    struct text t = {json, len};
    lua_pushcfunction(L, push);
    lua_pushlightuserdata(L, &t);
    if (lua_pcall(L, 1, 1, 0))
        return false;
    lua_pushcfunction(L, write);
    lua_insert(L, -2);
    lua_pushlightuserdata(L, out);
    if (lua_pcall(L, 2, 0, 0))
        abort(); /* what was read can be written */
    return true;
}

/* Whether jansson takes it; where the two differ on purpose, `taken` counts. */
static bool jansson_takes(const char *json, size_t len, bool taken)
{
    json_error_t error;
    json_t *value = json_loadb(json, len, JSON_DECODE_ANY | JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    json_decref(value);
    if (value)
        /* A NUL ends the text for jansson; it allows deeper nesting. */
        return (memchr(json, 0, len) || len > 100) ? taken : true;
    enum json_error_code code = json_error_code(&error);
    /* It has no integers beyond 64 bits, and no NUL in keys. */
    return code == json_error_numeric_overflow || code == json_error_null_byte_in_key ? taken : false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first = {0}, second = {0};
    lua_State *L = luaL_newstate();
    char *exact = malloc(size ? size : 1);
    if (size)
        memcpy(exact, data, size);
    bool taken = read_and_write(L, exact, size, &first);
    if (taken != jansson_takes(exact, size, taken))
        abort();
    if (taken) {
        if (!read_and_write(L, first.data, first.len, &second) || first.len != second.len ||
            memcmp(first.data, second.data, first.len) != 0)
            abort();
    }
    free(exact);
    buf_free(&first);
    buf_free(&second);
    lua_close(L);
    return 0;
}
