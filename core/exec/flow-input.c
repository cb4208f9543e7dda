#include "exec/flow-input.h"

#include "base/buf.h"
#include "base/err.h"
#include "base/str.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { INPUT_NAMES_MOST = 256 };

static const char *flow_input_type(json_t *parameter)
{
    return str_or(json_string_value(json_object_get(parameter, "type")), "");
}

static const char *flow_input_type_text(const char *type)
{
    static const char *const texts[][2] = {
        {"string", "a text"},   {"integer", "a whole number"},
        {"number", "a number"}, {"boolean", "true or false"},
        {"list", "a list"},     {"object", "an object"},
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        if (str_eq(type, texts[i][0]))
            return texts[i][1];
    return "of a type that is known";
}

static bool flow_input_fits(json_t *value, const char *type)
{
    return str_eq(type, "string")    ? json_is_string(value)
           : str_eq(type, "integer") ? json_is_integer(value)
           : str_eq(type, "number")  ? json_is_number(value)
           : str_eq(type, "boolean") ? json_is_boolean(value)
           : str_eq(type, "list")    ? json_is_array(value)
           : str_eq(type, "object")  ? json_is_object(value)
                                     : false;
}

/* The parts between the commas; NULL when out of memory. */
static json_t *flow_input_split(const char *text)
{
    json_t *list = json_array();
    while (list && *text) {
        size_t n = strcspn(text, ",");
        if (n && json_array_append_new(list, json_stringn(text, n))) {
            json_decref(list);
            return NULL;
        }
        text += n + (text[n] == ',');
    }
    return list;
}

/* What a text says, where another type is wanted; NULL where it says none. */
static json_t *flow_input_read(const char *text, const char *type)
{
    char *end;
    errno = 0;
    if (str_eq(type, "integer")) {
        long long n = strtoll(text, &end, 10);
        return end == text || *end || errno ? NULL : json_integer(n);
    }
    if (str_eq(type, "number")) {
        double n = strtod(text, &end);
        return end == text || *end || !isfinite(n) ? NULL : json_real(n);
    }
    if (str_eq(type, "boolean"))
        return str_eq(text, "true") ? json_true() : str_eq(text, "false") ? json_false() : NULL;
    if (str_eq(type, "list") && *text != '[')
        return flow_input_split(text);
    return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

static int flow_input_check_enum(const char *name, json_t *parameter, json_t *value, struct err *err)
{
    json_t *words = json_object_get(parameter, "enum"), *word;
    struct buf text = {0};
    size_t i;
    json_array_foreach(words, i, word)
    {
        if (json_equal(word, value)) {
            buf_free(&text);
            return 0;
        }
        char *one = json_dumps(word, JSON_ENCODE_ANY | JSON_COMPACT);
        buf_printf(&text, "%s%s", i ? ", " : "", one ? one : "");
        free(one);
    }
    if (words)
        err_code(err, ERR_BAD_REQUEST, "input %s must be one of %s", name, buf_str(&text));
    buf_free(&text);
    return words ? -1 : 0;
}

/* The value in its parameter's type, a new reference; NULL with err. */
static json_t *flow_input_value(const char *name, json_t *parameter, json_t *given, struct err *err)
{
    const char *type = flow_input_type(parameter), *text = json_string_value(given);
    bool fits = flow_input_fits(given, type);
    json_t *value = fits ? json_incref(given) : text ? flow_input_read(text, type) : NULL;
    if (!value || !flow_input_fits(value, type)) {
        char *shown = json_dumps(given, JSON_ENCODE_ANY | JSON_COMPACT);
        err_code(err, ERR_BAD_REQUEST, "input %s must be %s, not %.100s", name, flow_input_type_text(type),
                 shown ? shown : "");
        free(shown);
        json_decref(value);
        return NULL;
    }
    if (flow_input_check_enum(name, parameter, value, err)) {
        json_decref(value);
        return NULL;
    }
    return value;
}

static int flow_input_unknown(json_t *schema, const char *key, struct err *err)
{
    const char *names[INPUT_NAMES_MOST + 1], *name;
    size_t count = 0;
    json_t *parameter;
    json_object_foreach(schema, name, parameter)
    {
        if (count < INPUT_NAMES_MOST)
            names[count++] = name;
    }
    names[count] = NULL;
    const char *near = str_nearest(key, names);
    if (near)
        return err_code(err, ERR_BAD_REQUEST, "this flow has no input \"%.64s\", did you mean \"%s\"?", key,
                        near);
    if (!count)
        return err_code(err, ERR_BAD_REQUEST, "this flow has no input, and here is \"%.64s\"", key);
    return err_code(err, ERR_BAD_REQUEST, "this flow has no input \"%.64s\"", key);
}

static int flow_input_one(const char *name, json_t *parameter, json_t *given, json_t *otherwise, json_t *out,
                          struct err *err)
{
    json_t *value = json_object_get(given, name);
    if (!value || json_is_null(value))
        value = json_object_get(otherwise, name);
    if (!value || json_is_null(value))
        value = json_object_get(parameter, "default");
    if (!value && json_is_true(json_object_get(parameter, "required")))
        return err_code(err, ERR_BAD_REQUEST, "input %s is missing: %s", name,
                        str_or(json_string_value(json_object_get(parameter, "help")),
                               flow_input_type_text(flow_input_type(parameter))));
    if (!value)
        return 0;
    value = flow_input_value(name, parameter, value, err);
    if (!value)
        return -1;
    return json_object_set_new(out, name, value) ? err_no_memory(err) : 0;
}

int flow_input(const char *schema, const char *given, const char *otherwise, struct buf *out, struct err *err)
{
    json_error_t fault;
    json_t *parameters = json_loads(schema, 0, NULL), *values = json_loads(given, 0, &fault);
    json_t *others = json_loads(otherwise, 0, NULL), *whole = json_object(), *each;
    const char *name;
    char *text = NULL;
    int rc = -1;
    if (!values) { /* a NUL is in it, that no text of a script's input may hold */
        err_code(err, ERR_BAD_REQUEST, "the input cannot be read: %s", fault.text);
        goto out;
    }
    if (!parameters || !others || !whole) {
        err_no_memory(err);
        goto out;
    }
    json_object_foreach(values, name, each)
    {
        if (!json_object_get(parameters, name)) {
            flow_input_unknown(parameters, name, err);
            goto out;
        }
    }
    json_object_foreach(parameters, name, each)
    {
        if (flow_input_one(name, each, values, others, whole, err))
            goto out;
    }
    text = json_dumps(whole, JSON_COMPACT);
    if (text)
        buf_puts(out, text);
    rc = text && !out->failed ? 0 : err_no_memory(err);
out:
    free(text);
    json_decref(parameters);
    json_decref(values);
    json_decref(others);
    json_decref(whole);
    return rc;
}
