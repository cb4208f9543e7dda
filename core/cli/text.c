#include "cli/text.h"

#include "base/str.h"

#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Characters, not bytes: those that begin one are counted. */
static size_t text_columns(const char *text, size_t n)
{
    size_t columns = 0;
    for (size_t i = 0; i < n; i++)
        columns += ((unsigned char)text[i] & 0xC0) != 0x80;
    return columns;
}

void text_wrap(FILE *to, const char *text, size_t at, size_t indent)
{
    while (*text) {
        size_t n = strcspn(text, " "), columns = text_columns(text, n);
        if (at + 1 + columns > TEXT_COLUMNS && at > indent) {
            fprintf(to, "\n%*s", (int)indent, "");
            at = indent;
        } else if (at > indent) {
            fputc(' ', to);
            at++;
        }
        fwrite(text, 1, n, to);
        at += columns;
        text += n + strspn(text + n, " ");
    }
    fputc('\n', to);
}

size_t text_width(int fd)
{
    struct winsize size;
    if (!isatty(fd))
        return 0;
    return ioctl(fd, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : TEXT_COLUMNS;
}

size_t text_fits(const char *text, size_t columns)
{
    size_t n = strlen(text);
    return n <= columns ? n : str_utf8_cut(text, columns);
}
