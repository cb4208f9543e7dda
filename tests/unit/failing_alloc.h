/* failing_alloc.h: makes the n-th allocation from now fail (and only that one), so that a test
 * can fail allocation 1, 2, 3 … until the operation succeeds. 0: none fails. Only calls from our
 * own objects are wrapped, not those inside shared libraries. */
#pragma once

#include <stddef.h>

void failing_alloc_at(size_t n);
/* Did the failure happen since failing_alloc_at()? */
int failing_alloc_hit(void);
