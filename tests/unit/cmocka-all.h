/* cmocka-all.h: cmocka with the headers that it needs before itself. */
#pragma once

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka comes after these. */
#include <cmocka.h>
