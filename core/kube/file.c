#include "kube/kube-internal.h"

#include "base/mem.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void kube_free_secret(char *text)
{
    if (text)
        explicit_bzero(text, strlen(text));
    free(text);
}

static char *file_take(int fd, const char *path, size_t most, size_t *len, struct err *err)
{
    struct buf text = {0};
    ssize_t n;
    for (;;) {
        char *at = buf_reserve(&text, 16384);
        if (!at) {
            err_no_memory(err);
            break;
        }
        n = read(fd, at, 16384);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            err_set(err, "%s: %s", path, strerror(errno));
            break;
        }
        if (n == 0) {
            *len = text.len;
            at[0] = '\0';
            return text.data;
        }
        text.len += (size_t)n;
        if (text.len > most) {
            err_code(err, ERR_TOO_LARGE, "%s: is larger than %zu bytes", path, most);
            break;
        }
    }
    buf_free(&text);
    return NULL;
}

char *kube_file_read(const char *path, size_t most, size_t *len, struct err *err)
{
    /* A pipe or a device in the file's place must not stop the loop. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0) {
        bool gone = errno == ENOENT || errno == ENOTDIR;
        err_code(err, gone ? ERR_NOT_FOUND : ERR_FAILED, "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = file_take(fd, path, most, len, err);
    close(fd);
    return text;
}

bool kube_file_changed(const char *path, struct file_stamp *stamp)
{
    struct stat st;
    if (!path)
        return false;
    if (stat(path, &st))
        memset(&st, 0, sizeof(st));
    bool same = stamp->inode == st.st_ino && stamp->size == st.st_size &&
                stamp->changed.tv_sec == st.st_mtim.tv_sec && stamp->changed.tv_nsec == st.st_mtim.tv_nsec;
    *stamp = (struct file_stamp){.inode = st.st_ino, .size = st.st_size, .changed = st.st_mtim};
    return !same;
}

char *kube_base64_of(const char *data, size_t len)
{
    char *text = mem_new(4 * ((len + 2) / 3) + 1);
    EVP_EncodeBlock((unsigned char *)text, (const unsigned char *)data, (int)len);
    return text;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

char *kube_base64(const char *text, size_t *len)
{
    size_t digits = 0, pads = 0, n = 0;
    unsigned bits = 0;
    char *out = calloc(1, strlen(text) / 4 * 3 + 4);
    if (!out)
        return NULL;
    for (; *text; text++) {
        if (*text == '\n' || *text == '\r')
            continue;
        int digit = base64_digit(*text);
        if (*text == '=')
            pads++;
        else if (digit < 0 || pads)
            goto wrong;
        else
            bits = bits << 6 | (unsigned)digit;
        if (++digits % 4)
            continue;
        if (pads > 2)
            goto wrong;
        bits <<= 6 * pads;
        for (size_t i = 0; i < 3 - pads; i++)
            out[n++] = (char)(bits >> (16 - 8 * i));
        bits = 0;
    }
    if (digits % 4)
        goto wrong;
    out[n] = '\0';
    *len = n;
    return out;
wrong:
    kube_free_secret(out);
    return NULL;
}
