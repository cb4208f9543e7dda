#include "base/clock.h"
#include "base/mem.h"
#include "io/http-internal.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

void head_clear(struct http_head *head)
{
    free(head->content_type);
    for (size_t i = 0; i < head->warning_count; i++)
        free(head->warnings[i]);
    *head = (struct http_head){.retry_after = -1, .bytes = head->bytes};
}

static int retry_after_of(const char *value)
{
    char *end;
    long seconds = strtol(value, &end, 10);

    if (end == value || *end) { /* the other form is a date */
        time_t at = curl_getdate(value, NULL);
        if (at == (time_t)-1)
            return -1;
        seconds = (long)(at - (time_t)(clock_wall_ms() / 1000));
        if (seconds < 0)
            seconds = 0;
    }
    if (seconds < 0)
        return -1;
    return seconds > 86400 ? 86400 : (int)seconds;
}

/* A quoted-string at *at, unescaped, into a new string; NULL if there is none. */
static char *quoted(const char **at)
{
    const char *p = *at;
    char *text, *w;

    if (*p != '"')
        return NULL;
    w = text = mem_new(strlen(p) + 1);
    for (p++; *p && *p != '"'; p++) {
        if (*p == '\\' && p[1])
            p++;
        *w++ = *p;
    }
    if (*p != '"') {
        free(text);
        return NULL;
    }
    *at = p + 1;
    return text;
}

static const char *skip(const char *p, const char *set)
{
    return p + strspn(p, set);
}

/* RFC 7234: code SP agent SP quoted-text [SP quoted-date], with commas between several.
 * Only 299 is for people; 110 and its kin are between caches. */
void head_warnings(struct http_head *head, const char *value)
{
    const char *p = value;

    while (head->warning_count < HTTP_MAX_WARNINGS) {
        char *text, *date;
        char *end;
        long code;

        p = skip(p, " \t,");
        code = strtol(p, &end, 10);
        if (end != p + 3 || *end != ' ')
            return;
        p = skip(end, " ");
        p += strcspn(p, " ");
        p = skip(p, " ");
        text = quoted(&p);
        if (!text)
            return;
        if (code == 299 && *text)
            head->warnings[head->warning_count++] = text;
        else
            free(text);
        p = skip(p, " \t");
        date = quoted(&p);
        free(date);
    }
}

static const char *value_of(const char *line, const char *name)
{
    size_t n = strlen(name);

    if (strncasecmp(line, name, n) || line[n] != ':')
        return NULL;
    return skip(line + n + 1, " \t");
}

int head_line(struct http_head *head, const char *data, size_t len)
{
    const char *value;
    char *line;
    int status;

    head->bytes += len;
    if (head->bytes > HTTP_MAX_HEADERS)
        return -1;
    while (len && isspace((unsigned char)data[len - 1]))
        len--;
    line = mem_strn(data, len);
    /* A status line begins a new head: the one before was 100 Continue or of a retry. */
    if (!strncmp(line, "HTTP/", 5) && strchr(line, ' ') &&
        (status = (int)strtol(strchr(line, ' '), NULL, 10)) >= 100) {
        head_clear(head);
        head->status = status;
    } else if ((value = value_of(line, "content-type"))) {
        free(head->content_type);
        head->content_type = mem_str(value);
    } else if ((value = value_of(line, "retry-after"))) {
        head->retry_after = retry_after_of(value);
    } else if ((value = value_of(line, "warning"))) {
        head_warnings(head, value);
    }
    free(line);
    return 0;
}
