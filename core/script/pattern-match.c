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
#include "script/pattern-internal.h"
#include "script/pattern.h"
#include "script/sandbox.h"

#include <ctype.h>
#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

static const char *do_match(struct match *m, const char *s, const char *p);

void match_start(struct match *m, lua_State *L, const char *s, size_t len, const char *p, size_t plen)
{
    m->begin = s;
    m->end = s + len;
    m->pattern_end = p + plen;
    m->L = L;
    m->steps = 0;
    m->chunk = PATTERN_CHUNK;
    m->level = 0;
}

void match_settle(struct match *m)
{
    size_t used = (size_t)(PATTERN_CHUNK - m->chunk);
    m->chunk = PATTERN_CHUNK;
    m->steps += used;
    if (m->steps > PATTERN_STEPS)
        luaL_error(m->L, "pattern too costly (more than %d steps on a text of %I bytes)", PATTERN_STEPS,
                   (lua_Integer)(m->end - m->begin));
    sandbox_charge(m->L, used);
}

void match_end(struct match *m)
{
    if (m->chunk < PATTERN_CHUNK - 1024)
        match_settle(m);
}

static int check_capture(struct match *m, int l)
{
    l -= '1';
    if (l < 0 || l >= m->level || m->capture[l].len == CAPTURE_UNFINISHED)
        return luaL_error(m->L, "invalid capture index %%%d", l + 1);
    return l;
}

static int capture_to_close(struct match *m)
{
    int level = m->level;
    for (level--; level >= 0; level--)
        if (m->capture[level].len == CAPTURE_UNFINISHED)
            return level;
    return luaL_error(m->L, "invalid pattern capture");
}

static const char *class_end(struct match *m, const char *p)
{
    const char *from = p;
    switch (*p++) {
    case PATTERN_ESC:
        if (p == m->pattern_end)
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        return p + 1;
    case '[':
        if (*p == '^')
            p++;
        do { /* look for a ']' */
            if (p == m->pattern_end)
                luaL_error(m->L, "malformed pattern (missing ']')");
            if (*(p++) == PATTERN_ESC && p < m->pattern_end)
                p++; /* skip escapes (e.g. '%]') */
        } while (*p != ']');
        match_spend(m, (size_t)(p - from));
        return p + 1;
    default:
        return p;
    }
}

static bool match_class(int c, int cl)
{
    bool res;
    switch (tolower(cl)) {
    case 'a':
        res = isalpha(c);
        break;
    case 'c':
        res = iscntrl(c);
        break;
    case 'd':
        res = isdigit(c);
        break;
    case 'g':
        res = isgraph(c);
        break;
    case 'l':
        res = islower(c);
        break;
    case 'p':
        res = ispunct(c);
        break;
    case 's':
        res = isspace(c);
        break;
    case 'u':
        res = isupper(c);
        break;
    case 'w':
        res = isalnum(c);
        break;
    case 'x':
        res = isxdigit(c);
        break;
    case 'z': /* no longer in the manual, still in 5.4 */
        res = c == 0;
        break;
    default:
        return cl == c;
    }
    return islower(cl) ? res : !res;
}

/* p at '[', ec at the ']'. */
static bool match_set(struct match *m, int c, const char *p, const char *ec)
{
    bool sig = true;
    match_spend(m, (size_t)(ec - p));
    if (p[1] == '^') {
        sig = false;
        p++; /* skip the '^' */
    }
    while (++p < ec) {
        if (*p == PATTERN_ESC) {
            p++;
            if (match_class(c, (unsigned char)*p))
                return sig;
        } else if (p[1] == '-' && p + 2 < ec) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return sig;
        } else if ((unsigned char)*p == c) {
            return sig;
        }
    }
    return !sig;
}

static bool match_single(struct match *m, const char *s, const char *p, const char *ep)
{
    if (s >= m->end)
        return false;
    int c = (unsigned char)*s;
    match_spend(m, 1);
    switch (*p) {
    case '.':
        return true;
    case PATTERN_ESC:
        return match_class(c, (unsigned char)p[1]);
    case '[':
        return match_set(m, c, p, ep - 1);
    default:
        return (unsigned char)*p == c;
    }
}

static const char *match_balance(struct match *m, const char *s, const char *p)
{
    if (p >= m->pattern_end - 1)
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    if (*s != *p)
        return NULL;
    char b = *p, e = p[1];
    int cont = 1;
    while (++s < m->end) {
        match_spend(m, 1);
        if (*s == e) {
            if (--cont == 0)
                return s + 1;
        } else if (*s == b) {
            cont++;
        }
    }
    return NULL;
}

static const char *max_expand(struct match *m, const char *s, const char *p, const char *ep)
{
    ptrdiff_t i = 0; /* counts maximum expand for item */
    while (match_single(m, s + i, p, ep))
        i++;
    while (i >= 0) { /* keeps trying to match with the maximum repetitions */
        const char *res = do_match(m, s + i, ep + 1);
        if (res)
            return res;
        i--; /* else didn't match; reduce 1 repetition to try again */
    }
    return NULL;
}

static const char *min_expand(struct match *m, const char *s, const char *p, const char *ep)
{
    for (;;) {
        const char *res = do_match(m, s, ep + 1);
        if (res)
            return res;
        if (!match_single(m, s, p, ep))
            return NULL;
        s++; /* try with one more repetition */
    }
}

static const char *start_capture(struct match *m, const char *s, const char *p, int what)
{
    int level = m->level;
    if (level >= PATTERN_CAPTURES)
        luaL_error(m->L, "too many captures");
    m->capture[level].begin = s;
    m->capture[level].len = what;
    m->level = level + 1;
    const char *res = do_match(m, s, p);
    if (!res)
        m->level--; /* undo capture */
    return res;
}

static const char *end_capture(struct match *m, const char *s, const char *p)
{
    int l = capture_to_close(m);
    m->capture[l].len = s - m->capture[l].begin;
    const char *res = do_match(m, s, p);
    if (!res)
        m->capture[l].len = CAPTURE_UNFINISHED; /* undo capture */
    return res;
}

static const char *match_capture(struct match *m, const char *s, int l)
{
    l = check_capture(m, l);
    size_t len = (size_t)m->capture[l].len; /* a position's -2 is larger than any text */
    if ((size_t)(m->end - s) < len)
        return NULL;
    match_spend(m, len / 16 + 1);
    return memcmp(m->capture[l].begin, s, len) == 0 ? s + len : NULL;
}

/* %f[set]: between a character outside of the set and one inside. Returns where the pattern goes
 * on, or NULL. */
static const char *match_frontier(struct match *m, const char *s, const char *p)
{
    if (*p != '[')
        luaL_error(m->L, "missing '[' after '%%f' in pattern");
    const char *ep = class_end(m, p);
    char previous = s == m->begin ? '\0' : s[-1];
    bool here =
        !match_set(m, (unsigned char)previous, p, ep - 1) && match_set(m, (unsigned char)*s, p, ep - 1);
    return here ? ep : NULL;
}

/* A single item with what repeats it. True: go on at *s and *p; false: *s is the result. */
static bool match_item(struct match *m, const char **s, const char **p)
{
    const char *ep = class_end(m, *p);
    if (!match_single(m, *s, *p, ep)) {
        if (*ep == '*' || *ep == '?' || *ep == '-') { /* accept empty? */
            *p = ep + 1;
            return true;
        }
        *s = NULL; /* '+' or no suffix */
        return false;
    }
    switch (*ep) {
    case '?': {
        const char *res = do_match(m, *s + 1, ep + 1);
        if (!res) {
            *p = ep + 1;
            return true;
        }
        *s = res;
        return false;
    }
    case '+':
        *s = max_expand(m, *s + 1, *p, ep);
        return false;
    case '*':
        *s = max_expand(m, *s, *p, ep);
        return false;
    case '-':
        *s = min_expand(m, *s, *p, ep);
        return false;
    default:
        (*s)++;
        *p = ep;
        return true;
    }
}

/* %b, %f, %1; else an item. As match_item(). */
static bool match_escape(struct match *m, const char **s, const char **p)
{
    switch ((*p)[1]) {
    case 'b':
        *s = match_balance(m, *s, *p + 2);
        *p += 4;
        return *s != NULL;
    case 'f': {
        const char *next = match_frontier(m, *s, *p + 2);
        if (!next)
            *s = NULL;
        *p = next;
        return next != NULL;
    }
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        *s = match_capture(m, *s, (unsigned char)(*p)[1]);
        *p += 2;
        return *s != NULL;
    default:
        return match_item(m, s, p);
    }
}

static const char *do_match(struct match *m, const char *s, const char *p)
{
    bool going = true;
    if (m->depth-- == 0)
        luaL_error(m->L, "pattern too complex");
    while (going && p != m->pattern_end) {
        match_spend(m, 1);
        switch (*p) {
        case '(':
            s = p[1] == ')' ? start_capture(m, s, p + 2, CAPTURE_POSITION)
                            : start_capture(m, s, p + 1, CAPTURE_UNFINISHED);
            going = false;
            break;
        case ')':
            s = end_capture(m, s, p + 1);
            going = false;
            break;
        case '$':
            if (p + 1 == m->pattern_end) { /* is the '$' the last char in pattern? */
                s = s == m->end ? s : NULL;
                going = false;
            } else {
                going = match_item(m, &s, &p);
            }
            break;
        case PATTERN_ESC:
            going = match_escape(m, &s, &p);
            break;
        default:
            going = match_item(m, &s, &p);
        }
    }
    m->depth++;
    return s;
}

const char *match_at(struct match *m, const char *s, const char *p)
{
    m->level = 0;
    m->depth = PATTERN_DEPTH;
    match_spend(m, 1);
    return do_match(m, s, p);
}
