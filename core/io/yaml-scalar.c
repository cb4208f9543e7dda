#include "io/yaml-internal.h"

#include "base/json-write.h"
#include "base/str.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#define TAG(name) "tag:yaml.org,2002:" name

static bool is_one_of(const char *text, const char *const *words)
{
    while (*words && strcmp(text, *words) != 0)
        words++;
    return *words != NULL;
}

/* The words of YAML 1.1, in the spellings that go-yaml v2 takes. */
static bool resolve_word(const char *text, struct yaml_meaning *out)
{
    static const char *const yes[] = {"y",    "Y",    "yes", "Yes", "YES", "true",
                                      "True", "TRUE", "on",  "On",  "ON",  NULL};
    static const char *const no[] = {"n",     "N",     "no",  "No",  "NO",  "false",
                                     "False", "FALSE", "off", "Off", "OFF", NULL};
    static const char *const null[] = {"", "~", "null", "Null", "NULL", NULL};
    static const char *const nan[] = {".nan", ".NaN", ".NAN", NULL};
    static const char *const inf[] = {".inf", ".Inf", ".INF", NULL};
    if (is_one_of(text, null)) {
        out->kind = YAML_KIND_NULL;
    } else if (is_one_of(text, yes) || is_one_of(text, no)) {
        out->kind = YAML_KIND_BOOL;
        out->truth = is_one_of(text, yes);
    } else if (is_one_of(text, nan)) {
        out->kind = YAML_KIND_REAL;
        out->real = NAN;
    } else if (is_one_of(text + (*text == '+' || *text == '-'), inf)) {
        out->kind = YAML_KIND_REAL;
        out->real = *text == '-' ? -INFINITY : INFINITY;
    } else {
        return false;
    }
    return true;
}

/* The meaning that the text alone gives; a tag is held against it later. */
static int resolve_text(const struct yaml_scalar *s, struct yaml_meaning *out, struct err *err)
{
    if (strlen(s->text) != s->len)
        return 0;
    if (*s->text && !strchr("+-.0123456789yYnNtTfFoO~", *s->text))
        return 0;
    if (resolve_word(s->text, out) || !strchr("+-.0123456789", *s->text))
        return 0;
    return yaml_number(s->text, s->len, out) < 0 ? err_no_memory(err) : 0;
}

static bool tag_fits(const char *tag, const struct yaml_scalar *s, struct yaml_meaning *out)
{
    if (str_eq(tag, TAG("null")))
        return out->kind == YAML_KIND_NULL;
    if (str_eq(tag, TAG("bool")))
        return out->kind == YAML_KIND_BOOL;
    if (str_eq(tag, TAG("int")))
        return out->kind == YAML_KIND_INT || out->kind == YAML_KIND_UINT;
    if (str_eq(tag, TAG("timestamp")))
        return out->kind == YAML_KIND_STRING && strlen(s->text) == s->len && yaml_timestamp(s->text);
    if (out->kind == YAML_KIND_INT) { /* !!float */
        out->kind = YAML_KIND_REAL;
        out->real = (double)out->integer;
    }
    return out->kind == YAML_KIND_REAL;
}

int yaml_resolve(const struct yaml_scalar *s, struct yaml_meaning *out, struct err *err)
{
    static const char *const known[] = {TAG("null"),  TAG("bool"),      TAG("int"),
                                        TAG("float"), TAG("timestamp"), NULL};
    memset(out, 0, sizeof(*out));
    out->kind = YAML_KIND_STRING;
    if (str_empty(s->tag))
        return s->plain ? resolve_text(s, out, err) : 0;
    if (str_eq(s->tag, TAG("binary")))
        out->kind = YAML_KIND_BINARY;
    if (!is_one_of(s->tag, known)) /* !!str, and tags that say nothing to Kubernetes */
        return 0;
    if (resolve_text(s, out, err))
        return -1;
    if (tag_fits(s->tag, s, out))
        return 0;
    return err_code(err, ERR_BAD_REQUEST, "\"%.60s%s\" is no !!%s", s->text, s->len > 60 ? "…" : "",
                    s->tag + strlen(TAG("")));
}

static int base64_value(char c)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *at = c ? strchr(digits, c) : NULL;
    return at ? (int)(at - digits) : -1;
}

int yaml_base64(const char *text, size_t len, struct buf *out)
{
    unsigned bits = 0, digits = 0, pads = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i];
        if (c == '\n' || c == '\r')
            continue;
        if (c == '=' && digits >= 2 && digits + pads < 4) {
            pads++;
            continue;
        }
        int value = base64_value(c);
        if (value < 0 || pads)
            return -1;
        bits = bits << 6 | (unsigned)value;
        if (++digits == 4) {
            char bytes[3] = {(char)(bits >> 16), (char)(bits >> 8), (char)bits};
            buf_append(out, bytes, 3);
            bits = digits = 0;
        }
    }
    if (digits + pads != 0 && digits + pads != 4)
        return -1;
    if (digits) {
        bits <<= 6 * (4 - digits);
        char bytes[2] = {(char)(bits >> 16), (char)(bits >> 8)};
        buf_append(out, bytes, digits - 1);
    }
    return 0;
}

static int decode_binary(const struct yaml_scalar *s, struct buf *out, struct err *err)
{
    if (yaml_base64(s->text, s->len, out))
        return err_code(err, ERR_BAD_REQUEST, "what follows !!binary is no base64");
    return out->failed ? err_no_memory(err) : 0;
}

int yaml_scalar_json(const struct yaml_scalar *s, struct buf *out, struct err *err)
{
    struct json_writer w = JSON_WRITER(out);
    struct yaml_meaning m;
    struct buf bytes = {0};
    if (yaml_resolve(s, &m, err))
        return -1;
    switch (m.kind) {
    case YAML_KIND_NULL:
        jsonw_null(&w);
        break;
    case YAML_KIND_BOOL:
        jsonw_bool(&w, m.truth);
        break;
    case YAML_KIND_INT:
        jsonw_int(&w, m.integer);
        break;
    case YAML_KIND_UINT:
        jsonw_uint(&w, m.natural);
        break;
    case YAML_KIND_REAL:
        if (!isfinite(m.real))
            return err_code(err, ERR_BAD_REQUEST,
                            "%s is no number that JSON can hold; a text needs quotes here", s->text);
        jsonw_real(&w, m.real);
        break;
    case YAML_KIND_STRING:
        jsonw_stringn(&w, s->text, s->len);
        break;
    case YAML_KIND_BINARY:
        if (decode_binary(s, &bytes, err)) {
            buf_free(&bytes);
            return -1;
        }
        jsonw_stringn(&w, buf_str(&bytes), bytes.len);
        buf_free(&bytes);
        break;
    }
    return out->failed ? err_no_memory(err) : 0;
}

int yaml_scalar_key(const struct yaml_scalar *s, struct buf *out, struct err *err)
{
    char real[32];
    struct yaml_meaning m;
    if (yaml_resolve(s, &m, err))
        return -1;
    switch (m.kind) {
    case YAML_KIND_NULL:
        return err_code(err, ERR_BAD_REQUEST,
                        "a key cannot be null: something is missing before \":\", or the word needs quotes");
    case YAML_KIND_UINT:
        return err_code(err, ERR_BAD_REQUEST, "the key %.60s is too large for a number; put it in quotes",
                        s->text);
    case YAML_KIND_BOOL:
        buf_puts(out, m.truth ? "true" : "false");
        break;
    case YAML_KIND_INT:
        buf_printf(out, "%" PRId64, m.integer);
        break;
    case YAML_KIND_REAL:
        yaml_real_key(m.real, real);
        buf_puts(out, real);
        break;
    case YAML_KIND_STRING:
        buf_append(out, s->text, s->len);
        break;
    case YAML_KIND_BINARY:
        return decode_binary(s, out, err);
    }
    return out->failed ? err_no_memory(err) : 0;
}
