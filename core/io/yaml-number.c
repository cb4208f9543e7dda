#include "io/yaml-internal.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The digits of one base, all of them; false where there are none, others, or too many. */
static bool read_digits(const char *s, unsigned base, uint64_t *out)
{
    uint64_t value = 0;
    if (!*s)
        return false;
    for (; *s; s++) {
        unsigned digit = isdigit((unsigned char)*s)   ? (unsigned)(*s - '0')
                         : isalpha((unsigned char)*s) ? (unsigned)(tolower((unsigned char)*s) - 'a' + 10)
                                                      : base;
        if (digit >= base || __builtin_mul_overflow(value, (uint64_t)base, &value) ||
            __builtin_add_overflow(value, (uint64_t)digit, &value))
            return false;
    }
    *out = value;
    return true;
}

static bool set_integer(bool negative, bool is_signed, uint64_t magnitude, struct yaml_meaning *out)
{
    if (magnitude <= (uint64_t)INT64_MAX + (negative ? 1 : 0)) {
        out->kind = YAML_KIND_INT;
        out->integer = (int64_t)(negative ? 0 - magnitude : magnitude);
        return true;
    }
    /* Above 63 bits Go reads unsigned, and then takes no sign. */
    if (is_signed)
        return false;
    out->kind = YAML_KIND_UINT;
    out->natural = magnitude;
    return true;
}

static bool read_integer(const char *s, struct yaml_meaning *out)
{
    const char *p = s;
    bool is_signed = *p == '-' || *p == '+';
    bool negative = *p == '-';
    uint64_t magnitude;
    unsigned base = 10;
    if (is_signed)
        p++;
    if (p[0] == '0' && p[1]) {
        int letter = tolower((unsigned char)p[1]);
        base = letter == 'x' ? 16 : letter == 'b' ? 2 : 8;
        p += letter == 'x' || letter == 'b' || letter == 'o' ? 2 : 1;
    }
    if (read_digits(p, base, &magnitude))
        return set_integer(negative, is_signed, magnitude, out);
    /* go-yaml reads "0b" again by itself, and so takes a sign behind it. */
    if (base == 2 && !is_signed && (*p == '-' || *p == '+') && read_digits(p + 1, 2, &magnitude))
        return set_integer(*p == '-', true, magnitude, out);
    return false;
}

/* [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)? and nothing behind it */
static bool looks_real(const char *s)
{
    size_t before, after = 0;
    s += *s == '-' || *s == '+';
    before = strspn(s, "0123456789");
    s += before;
    if (*s == '.') {
        after = strspn(s + 1, "0123456789");
        s += 1 + after;
    }
    if (before + after == 0)
        return false;
    if (*s == 'e' || *s == 'E') {
        s++;
        s += *s == '-' || *s == '+';
        if (!isdigit((unsigned char)*s))
            return false;
        s += strspn(s, "0123456789");
    }
    return !*s;
}

static bool read_real(const char *s, struct yaml_meaning *out)
{
    if (!looks_real(s))
        return false;
    double value = strtod(s, NULL);
    if (isinf(value))
        return false; /* out of range stays a string */
    out->kind = YAML_KIND_REAL;
    out->real = value;
    return true;
}

int yaml_number(const char *text, size_t len, struct yaml_meaning *out)
{
    char small[64], *plain = len < sizeof(small) ? small : malloc(len + 1);
    bool dot = *text == '.', found = true;
    size_t n = 0;
    if (!plain)
        return -1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] != '_')
            plain[n++] = text[i];
        else if (dot && (!isdigit((unsigned char)text[i - 1]) || !isdigit((unsigned char)text[i + 1])))
            found = false; /* ".5_0" goes to Go's own reader, which is stricter with "_" */
    }
    plain[n] = '\0';
    found = found && ((!dot && read_integer(plain, out)) || read_real(plain, out));
    if (plain != small)
        free(plain);
    return found ? 1 : 0;
}

static bool read_field(const char **s, size_t most, int low, int high, int *value)
{
    size_t n = strspn(*s, "0123456789");
    if (n == 0 || n > most)
        return false;
    *value = atoi(*s);
    *s += n;
    return *value >= low && *value <= high;
}

static int month_days(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool zone_ends(const char *s)
{
    int hours, minutes;
    if (*s == 'Z')
        return !s[1];
    if (*s != '+' && *s != '-')
        return false;
    s++;
    return strspn(s, "0123456789") == 2 && read_field(&s, 2, 0, 24, &hours) && *s++ == ':' &&
           strspn(s, "0123456789") == 2 && read_field(&s, 2, 0, 60, &minutes) && !*s;
}

/* The four forms that go-yaml v2 knows; a time of day without a zone follows a space. */
bool yaml_timestamp(const char *s)
{
    int year, month, day, value;
    if (strspn(s, "0123456789") != 4 || !read_field(&s, 4, 0, 9999, &year) || *s++ != '-' ||
        !read_field(&s, 2, 1, 12, &month) || *s++ != '-' || !read_field(&s, 2, 1, 31, &day) ||
        day > month_days(year, month))
        return false;
    if (!*s)
        return true;
    char between = *s++;
    if (!between || !strchr("Tt ", between) || !read_field(&s, 2, 0, 23, &value) || *s++ != ':' ||
        !read_field(&s, 2, 0, 59, &value) || *s++ != ':' || !read_field(&s, 2, 0, 59, &value))
        return false;
    if ((*s == '.' || *s == ',') && isdigit((unsigned char)s[1]))
        s += 1 + strspn(s + 1, "0123456789");
    return between == ' ' ? !*s : zone_ends(s);
}

/* A real key is written as Go's FormatFloat(value, 'g', -1, 32) does: shortest for 32 bits. */
void yaml_real_key(double value, char text[32])
{
    float single = (float)value;
    if (isnan(single) || isinf(single)) {
        snprintf(text, 32, "%s", isnan(single) ? ".nan" : single > 0 ? ".inf" : "-.inf");
        return;
    }
    int digits = 1;
    do
        snprintf(text, 32, "%.*e", digits - 1, (double)single);
    while (strtof(text, NULL) != single && ++digits <= 9);
    int exponent = atoi(strchr(text, 'e') + 1);
    if (exponent >= -4 && exponent < 6) {
        int places = digits - 1 - exponent;
        snprintf(text, 32, "%.*f", places > 0 ? places : 0, (double)single);
    }
}
