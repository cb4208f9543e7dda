/* bridge-internal.h: what bridge.c, bridge-read.c and bridge-write.c share. */
#pragma once

#include <lua.h>
#include <stddef.h>

enum {
    BRIDGE_DEPTH = 100,
    BRIDGE_NODES = 1000000,
    BRIDGE_BYTES = 16 << 20, /* most that one bridge_write() appends */
};

/* Pushes the metatable that makes a table a list. */
void bridge_list_meta(lua_State *L);

/* The length (1..4) of the UTF-8 character at s, 0 if the bytes there are none. Strict: no surrogates,
 * nothing longer than needed. */
static inline size_t bridge_utf8(const unsigned char *s, size_t n)
{
    if (n >= 1 && s[0] < 0x80)
        return 1;
    if (n >= 2 && s[0] >= 0xC2 && s[0] <= 0xDF && (s[1] & 0xC0) == 0x80)
        return 2;
    if (n >= 3 && (s[0] & 0xF0) == 0xE0 && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 &&
        !(s[0] == 0xE0 && s[1] < 0xA0) && !(s[0] == 0xED && s[1] > 0x9F))
        return 3;
    if (n >= 4 && s[0] >= 0xF0 && s[0] <= 0xF4 && (s[1] & 0xC0) == 0x80 && (s[2] & 0xC0) == 0x80 &&
        (s[3] & 0xC0) == 0x80 && !(s[0] == 0xF0 && s[1] < 0x90) && !(s[0] == 0xF4 && s[1] > 0x8F))
        return 4;
    return 0;
}
