#include "io/redact-internal.h"

#include <ctype.h>
#include <string.h>

/* No other line holds this many characters of base64 in a row, and each full one of a key does. */
enum { FULL_LINE = 40 };

static const char tail[] = "-----END ";

static bool is_base64(char c)
{
    return isalnum((unsigned char)c) || c == '+' || c == '/' || c == '=';
}

static const char *find_tail(const char *line, size_t len)
{
    return memmem(line, len, tail, sizeof(tail) - 1);
}

size_t redact_pem_end(const char *line, size_t len, size_t from)
{
    const char *end = find_tail(line + from, len - from), *dashes;

    if (!end)
        return 0;
    end += sizeof(tail) - 1;
    dashes = memmem(end, (size_t)(line + len - end), "-----", 5);
    return dashes ? (size_t)(dashes - line) + 5 : len;
}

bool redact_pem_ends(const char *line, size_t len)
{
    return find_tail(line, len) != NULL;
}

bool redact_pem_body(const char *line, size_t len, size_t *masked)
{
    static const char *const headers[] = {"Proc-Type:", "DEK-Info:"};
    size_t start = 0, end = len, run = 0, longest = 0;

    *masked = 0;
    if (find_tail(line, len)) {
        /* What comes after it in the text around it, a quote or a \n, may stay; more is not judged, so it
         * goes. */
        size_t last = redact_pem_end(line, len, 0);
        *masked = len - last <= 8 ? last : len;
        return true;
    }
    while (start < len && !is_base64(line[start]))
        start++;
    while (end > start && !is_base64(line[end - 1]))
        end--;
    if (start == end)
        return true;
    *masked = len;
    for (size_t i = 0; i < sizeof(headers) / sizeof(headers[0]); i++)
        if (memmem(line, len, headers[i], strlen(headers[i])))
            return true;
    for (size_t i = start; i < end; i++) {
        run = is_base64(line[i]) ? run + 1 : 0;
        longest = run > longest ? run : longest;
    }
    /* The last line of a key is short; then it stands alone. */
    return longest >= FULL_LINE || longest == end - start;
}
