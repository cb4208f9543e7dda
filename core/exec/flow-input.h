/* flow-input.h: the values that are given to a flow, held against what it declares (pack_flow.input). */
#pragma once

struct buf;
struct err;

/* Appends the whole input as a JSON object: the values of `given`, checked and turned into their types (a
 * text such as "300" is taken for what it says), else those of `otherwise` for inputs that the schema has,
 * else the defaults. All are JSON. -1 with ERR_BAD_REQUEST and a sentence that names the input. */
int flow_input(const char *schema, const char *given, const char *otherwise, struct buf *out,
               struct err *err);
