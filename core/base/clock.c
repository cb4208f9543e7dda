#include "base/clock.h"

#include <stdio.h>
#include <time.h>

static uint64_t clock_us(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

uint64_t clock_mono_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

uint64_t clock_mono_ms(void)
{
    return clock_us(CLOCK_MONOTONIC) / 1000;
}

int64_t clock_wall_ms(void)
{
    return (int64_t)(clock_us(CLOCK_REALTIME) / 1000);
}

uint64_t clock_cpu_us(void)
{
    return clock_us(CLOCK_THREAD_CPUTIME_ID);
}

char *clock_text(int64_t wall_ms, char text[CLOCK_TEXT])
{
    time_t seconds = (time_t)(wall_ms / 1000);
    struct tm tm;
    gmtime_r(&seconds, &tm);
    size_t n = strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(text + n, CLOCK_TEXT - n, ".%03dZ", (int)(wall_ms % 1000));
    return text;
}

int64_t clock_parse(const char *text)
{
    struct tm tm = {0};
    const char *rest = strptime(text, "%Y-%m-%dT%H:%M:%S", &tm);
    if (!rest)
        return -1;
    int64_t ms = 0;
    if (*rest == '.') {
        int64_t unit = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++, unit /= 10)
            ms += (*rest - '0') * unit;
    }
    int64_t offset = 0;
    int hours, minutes, used = 0;
    char sign;
    if (sscanf(rest, "%c%2d:%2d%n", &sign, &hours, &minutes, &used) == 3 && (sign == '+' || sign == '-')) {
        offset = (hours * 60 + minutes) * (sign == '+' ? 60 : -60);
        rest += used;
    } else if (*rest == 'Z' || *rest == 'z') {
        rest++;
    } else {
        return -1;
    }
    return *rest ? -1 : ((int64_t)timegm(&tm) - offset) * 1000 + ms;
}
