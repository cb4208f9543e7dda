/* verdict.h: what a guardrail's check answers: deny(…), warn(…), approve(…).
 *
 *     deny("spec.containers[%d].image", i - 1, "pin the tag of %s", image)
 *     deny("no more than three replicas")
 *
 * The first text is the field and takes as many values as it has directives; the text after them is the
 * message, with the rest. Without one the first is the message. A text that gets no values is taken as it
 * is. Each returns a plain table; whoever called the check reads it with verdict_read(). */
#pragma once

#include <lua.h>
#include <stdbool.h>

/* Adds the three as globals of a sandbox. May raise. */
void verdict_open(lua_State *L);

/* Strings of the table at the index: they live as long as it does. */
struct verdict {
    const char *word; /* "deny", "warn", "approve" */
    const char *field, *message;
};

/* False where the value is no verdict. */
bool verdict_read(lua_State *L, int index, struct verdict *verdict);
