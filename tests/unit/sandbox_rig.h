/* sandbox_rig.h: a script's state for the tests of the sandbox, without a cell around it. */
#pragma once

#include "base/clock.h"
#include "script/sandbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

/* A small cell: a cap on memory, and an end after RIG_US of CPU time that pcall must not swallow. */
enum { CAP = 64 << 20, RIG_US = 400000 };

struct rig {
    size_t used, cap;
    size_t grown, fail_from; /* growing allocations so far; all from fail_from on fail (0: none) */
    uint64_t begin_us;
    bool killed;
    size_t peak, probe; /* most used since the mark, the probe not counted; the first allocation since */
    int printed;
};

/* CPU time, so that a busy machine changes nothing. */
static inline uint64_t rig_now(void)
{
    return clock_cpu_us();
}

static inline void *rig_alloc(void *ud, void *old, size_t old_size, size_t size)
{
    struct rig *r = ud;
    if (!old)
        old_size = 0;
    if (size == 0) {
        free(old);
        r->used -= old_size;
        return NULL;
    }
    if (size > old_size &&
        (r->used - old_size + size > r->cap || (r->fail_from && ++r->grown >= r->fail_from)))
        return NULL;
    void *new = realloc(old, size);
    if (!new)
        return NULL;
    r->used += size - old_size;
    if (r->probe == 0)
        r->probe = size;
    else if (r->used > r->peak)
        r->peak = r->used;
    return new;
}

static inline struct rig *rig_of(lua_State *L)
{
    void *ud;
    lua_getallocf(L, &ud);
    return ud;
}

static inline void rig_hook(lua_State *L, lua_Debug *ar)
{
    struct rig *r = rig_of(L);
    (void)ar;
    if (rig_now() - r->begin_us < RIG_US)
        return;
    r->killed = true;
    lua_sethook(L, rig_hook, LUA_MASKCOUNT, 1);
    luaL_error(L, "ended by the host");
}

static inline void rig_charge(lua_State *L, size_t steps)
{
    (void)steps;
    rig_hook(L, NULL);
}

static inline bool rig_killed(lua_State *L)
{
    return rig_of(L)->killed;
}

static inline int rig_print(lua_State *L)
{
    rig_of(L)->printed += lua_gettop(L);
    return 0;
}

static inline int protected_open(lua_State *L)
{
    struct sandbox_options options = {.killed = rig_killed, .charge = rig_charge, .print = rig_print};
    sandbox_open(L, &options);
    return 0;
}

static inline lua_State *rig_new(struct rig *r)
{
    *r = (struct rig){.cap = CAP, .begin_us = rig_now()};
    lua_State *L = lua_newstate(rig_alloc, r);
    assert_non_null(L);
    lua_pushcfunction(L, protected_open);
    assert_int_equal(lua_pcall(L, 0, 0, 0), LUA_OK);
    assert_int_equal(lua_gettop(L), 0);
    return L;
}

static inline int rig_run(lua_State *L, const char *code)
{
    struct rig *r = rig_of(L);
    r->begin_us = rig_now();
    lua_sethook(L, rig_hook, LUA_MASKCOUNT, 1000);
    int status = sandbox_load(L, code, strlen(code), "=script");
    return status ? status : lua_pcall(L, 0, 1, 0);
}

static inline void passes(const char *code)
{
    struct rig r;
    lua_State *L = rig_new(&r);
    if (rig_run(L, code) != LUA_OK)
        fail_msg("%s\n%s", code, lua_tostring(L, -1));
    lua_close(L);
    assert_int_equal(r.used, 0);
}

/* Ends with an error that holds `what`, within the limit and a bit. */
static inline void fails_in(size_t cap, const char *code, const char *what)
{
    struct rig r;
    lua_State *L = rig_new(&r);
    r.cap = cap;
    if (rig_run(L, code) == LUA_OK)
        fail_msg("no error: %s", code);
    if (!lua_isstring(L, -1) || !strstr(lua_tostring(L, -1), what))
        fail_msg("%s\n%s", code, luaL_tolstring(L, -1, NULL));
    if (rig_now() - r.begin_us > RIG_US + 1500000)
        fail_msg("took %d ms: %s", (int)((rig_now() - r.begin_us) / 1000), code);
    lua_close(L);
}

static inline void fails(const char *code, const char *what)
{
    fails_in(CAP, code, what);
}

/* A C function that waits for the host. */
static inline int rig_wait(lua_State *L)
{
    return lua_yield(L, 0);
}
