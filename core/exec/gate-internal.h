/* gate-internal.h: what gate.c (whether it may be) and gate-call.c (how it goes out) share. */
#pragma once

#include "exec/gate.h"

bool gate_writes(const struct gate_request *request);

/* Shape, guardrails that did not load, scope, permission. */
int gate_check(const struct execution *execution, const struct gate_request *request, struct err *err);
