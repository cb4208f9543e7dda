/* The functions here follow lstrlib.c of Lua 5.4, whose notice is:
 *
 * Copyright (C) 1994-2022 Lua.org, PUC-Rio.
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and
 * associated documentation files (the "Software"), to deal in the Software without restriction,
 * including without limitation the rights to use, copy, modify, merge, publish, distribute,
 * sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions:
 *
 * The above copyright notice and this permission notice shall be included in all copies or
 * substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT
 * NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND
 * NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM,
 * DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT
 * OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE. */
#include "script/pattern.h"

#include "script/pattern-internal.h"
#include "script/sandbox.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static size_t position(lua_Integer pos, size_t len)
{
    if (pos > 0)
        return (size_t)pos;
    if (pos == 0 || pos < -(lua_Integer)len)
        return 1;
    return len + (size_t)pos + 1;
}

/* Capture l; the whole match where there are no captures. The length, or CAPTURE_POSITION with the
 * position pushed. */
static ptrdiff_t get_capture(struct match *m, int l, const char *s, const char *e, const char **cap)
{
    if (l >= m->level) {
        if (l != 0)
            luaL_error(m->L, "invalid capture index %%%d", l + 1);
        *cap = s;
        return e - s;
    }
    ptrdiff_t len = m->capture[l].len;
    *cap = m->capture[l].begin;
    if (len == CAPTURE_UNFINISHED)
        luaL_error(m->L, "unfinished capture");
    else if (len == CAPTURE_POSITION)
        lua_pushinteger(m->L, (m->capture[l].begin - m->begin) + 1);
    return len;
}

static void push_capture(struct match *m, int l, const char *s, const char *e)
{
    const char *cap;
    ptrdiff_t len = get_capture(m, l, s, e, &cap);
    if (len != CAPTURE_POSITION)
        lua_pushlstring(m->L, cap, (size_t)len);
}

static int push_captures(struct match *m, const char *s, const char *e)
{
    int n = m->level == 0 && s ? 1 : m->level;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++)
        push_capture(m, i, s, e);
    return n;
}

static bool no_specials(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i] && strchr("^$*+?.([%-", p[i]))
            return false;
    return true;
}

static int find_plain(lua_State *L, const char *s, size_t ls, const char *p, size_t lp, size_t init)
{
    if (ls - init >= 4096)
        sandbox_charge(L, (ls - init) / 4); /* memmem takes linear time, whatever the needle */
    const char *found = lp ? memmem(s + init, ls - init, p, lp) : s + init;
    if (!found) {
        luaL_pushfail(L);
        return 1;
    }
    lua_pushinteger(L, (found - s) + 1);
    lua_pushinteger(L, (found - s) + (lua_Integer)lp);
    return 2;
}

static int find_pattern(lua_State *L, bool find, size_t init)
{
    struct match m;
    size_t ls, lp;
    const char *s = lua_tolstring(L, 1, &ls), *p = lua_tolstring(L, 2, &lp);
    const char *at = s + init;
    bool anchor = *p == '^';
    match_start(&m, L, s, ls, p + anchor, lp - anchor);
    do {
        const char *e = match_at(&m, at, p + anchor);
        if (e) {
            match_end(&m);
            if (!find)
                return push_captures(&m, at, e);
            lua_pushinteger(L, (at - s) + 1);
            lua_pushinteger(L, e - s);
            return push_captures(&m, NULL, NULL) + 2;
        }
    } while (at++ < m.end && !anchor);
    match_end(&m);
    luaL_pushfail(L);
    return 1;
}

static int find_or_match(lua_State *L, bool find)
{
    size_t ls, lp;
    const char *s = luaL_checklstring(L, 1, &ls);
    const char *p = luaL_checklstring(L, 2, &lp);
    size_t init = position(luaL_optinteger(L, 3, 1), ls) - 1;
    if (init > ls) {
        luaL_pushfail(L);
        return 1;
    }
    if (find && (lua_toboolean(L, 4) || no_specials(p, lp)))
        return find_plain(L, s, ls, p, lp, init);
    return find_pattern(L, find, init);
}

static int pattern_find(lua_State *L)
{
    return find_or_match(L, true);
}

static int pattern_match(lua_State *L)
{
    return find_or_match(L, false);
}

/* Where a gmatch goes on. The subject and the pattern are the closure's first upvalues. */
struct gmatch {
    const char *at, *last;
};

static int gmatch_next(lua_State *L)
{
    struct match m;
    size_t ls, lp;
    const char *s = lua_tolstring(L, lua_upvalueindex(1), &ls);
    const char *p = lua_tolstring(L, lua_upvalueindex(2), &lp);
    struct gmatch *g = lua_touserdata(L, lua_upvalueindex(3));
    match_start(&m, L, s, ls, p, lp);
    for (const char *at = g->at; at <= m.end; at++) {
        const char *e = match_at(&m, at, p);
        if (e && e != g->last) {
            g->at = g->last = e;
            match_end(&m);
            return push_captures(&m, at, e);
        }
    }
    match_end(&m);
    return 0;
}

static int pattern_gmatch(lua_State *L)
{
    size_t ls;
    const char *s = luaL_checklstring(L, 1, &ls);
    luaL_checkstring(L, 2);
    size_t init = position(luaL_optinteger(L, 3, 1), ls) - 1;
    lua_settop(L, 2);
    struct gmatch *g = lua_newuserdatauv(L, sizeof(*g), 0);
    g->at = s + (init > ls ? ls + 1 : init);
    g->last = NULL;
    lua_pushcclosure(L, gmatch_next, 3);
    return 1;
}

static void add_replacement(struct match *m, luaL_Buffer *b, const char *s, const char *e)
{
    size_t l;
    lua_State *L = m->L;
    const char *p, *text = lua_tolstring(L, 3, &l);
    while ((p = memchr(text, PATTERN_ESC, l)) != NULL) {
        const char *cap;
        /* A long replacement that adds nothing, over and over, is work too. */
        match_spend(m, (size_t)(p - text) / 16 + 4);
        luaL_addlstring(b, text, (size_t)(p - text));
        p++;
        if (*p == PATTERN_ESC) {
            luaL_addchar(b, *p);
        } else if (*p == '0') {
            luaL_addlstring(b, s, (size_t)(e - s));
        } else if (isdigit((unsigned char)*p)) {
            ptrdiff_t len = get_capture(m, *p - '1', s, e, &cap);
            if (len == CAPTURE_POSITION)
                luaL_addvalue(b);
            else
                luaL_addlstring(b, cap, (size_t)len);
        } else {
            luaL_error(L, "invalid use of '%c' in replacement string", PATTERN_ESC);
        }
        l -= (size_t)(p + 1 - text);
        text = p + 1;
    }
    match_spend(m, l / 16);
    luaL_addlstring(b, text, l);
}

/* Adds what stands for the match; false if that is the match itself. */
static bool add_value(struct match *m, luaL_Buffer *b, const char *s, const char *e, int type)
{
    lua_State *L = m->L;
    switch (type) {
    case LUA_TFUNCTION:
        lua_pushvalue(L, 3);
        match_spend(m, 16);
        lua_call(L, push_captures(m, s, e), 1);
        break;
    case LUA_TTABLE:
        push_capture(m, 0, s, e);
        match_spend(m, 16);
        lua_gettable(L, 3);
        break;
    default:
        add_replacement(m, b, s, e);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(e - s));
        return false;
    }
    if (!lua_isstring(L, -1))
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    luaL_addvalue(b);
    return true;
}

static int pattern_gsub(lua_State *L)
{
    struct match m;
    luaL_Buffer b;
    size_t ls, lp;
    const char *src = luaL_checklstring(L, 1, &ls), *p = luaL_checklstring(L, 2, &lp);
    const char *last = NULL;
    int type = lua_type(L, 3);
    lua_Integer most = luaL_optinteger(L, 4, (lua_Integer)ls + 1), n = 0;
    bool anchor = *p == '^', changed = false;
    if (type != LUA_TNUMBER && type != LUA_TSTRING && type != LUA_TFUNCTION && type != LUA_TTABLE)
        luaL_typeerror(L, 3, "string/function/table");
    luaL_buffinit(L, &b);
    p += anchor;
    match_start(&m, L, src, ls, p, lp - anchor);
    while (n < most) {
        const char *e = match_at(&m, src, p);
        if (e && e != last) {
            n++;
            changed |= add_value(&m, &b, src, e, type);
            src = last = e;
        } else if (src < m.end) {
            luaL_addchar(&b, *src++);
        } else {
            break;
        }
        if (anchor)
            break;
    }
    match_end(&m);
    if (!changed) {
        lua_pushvalue(L, 1);
    } else {
        luaL_addlstring(&b, src, (size_t)(m.end - src));
        luaL_pushresult(&b);
    }
    lua_pushinteger(L, n);
    return 2;
}

void pattern_open(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", pattern_find}, {"match", pattern_match}, {"gmatch", pattern_gmatch}, {"gsub", pattern_gsub},
        {NULL, NULL},
    };
    luaL_setfuncs(L, functions, 0);
}
