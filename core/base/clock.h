/* clock.h: two clocks. Durations and limits use the first, what people read the second. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum { CLOCK_TEXT = 32 };

uint64_t clock_mono_us(void); /* monotonic microseconds */
uint64_t clock_mono_ms(void); /* monotonic milliseconds */
int64_t clock_wall_ms(void);  /* milliseconds since 1970, UTC */
uint64_t clock_cpu_us(void);  /* CPU time of this thread, microseconds */

/* RFC 3339 in UTC with milliseconds: 2026-11-24T02:35:24.976Z. Returns text. */
char *clock_text(int64_t wall_ms, char text[CLOCK_TEXT]);

/* The wall time of an RFC 3339 text, in milliseconds; -1 if it is none. */
int64_t clock_parse(const char *text);
