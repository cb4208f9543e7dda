#include "io/config.h"

#include "base/err.h"
#include "base/mem.h"
#include "base/str.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <yaml.h>

enum { CONFIG_DEPTH_MAX = 4 };

static int config_refuse(const struct config *c, yaml_mark_t at, struct err *err, const char *format,
                         const char *what)
{
    err_code(err, ERR_BAD_REQUEST, format, what);
    return err_prefix(err, "%s:%zu:%zu", c->file, at.line + 1, at.column + 1);
}

static struct config_setting *config_add(struct config *c, char *key, yaml_mark_t at)
{
    c->settings = mem_grow(c->settings, (c->count + 1) * sizeof(*c->settings));
    struct config_setting *s = &c->settings[c->count++];
    *s = (struct config_setting){.key = key, .line = at.line + 1, .column = at.column + 1};
    return s;
}

static const char *scalar_of(const yaml_node_t *node)
{
    return node && node->type == YAML_SCALAR_NODE ? (const char *)node->data.scalar.value : NULL;
}

static int config_read_list(const struct config *c, yaml_document_t *doc, const yaml_node_t *node,
                            struct config_setting *s, struct err *err)
{
    size_t n = (size_t)(node->data.sequence.items.top - node->data.sequence.items.start);
    s->is_list = 1;
    s->values = mem_new((n + 1) * sizeof(char *));
    for (size_t i = 0; i < n; i++) {
        yaml_node_t *item = yaml_document_get_node(doc, node->data.sequence.items.start[i]);
        if (!scalar_of(item))
            return config_refuse(c, item->start_mark, err, "%s must be a list of words", s->key);
        s->values[i] = mem_str(scalar_of(item));
    }
    return 0;
}

static int config_read_map(struct config *c, yaml_document_t *doc, const yaml_node_t *map, const char *above,
                           int depth, struct err *err)
{
    for (yaml_node_pair_t *p = map->data.mapping.pairs.start; p < map->data.mapping.pairs.top; p++) {
        yaml_node_t *key = yaml_document_get_node(doc, p->key),
                    *value = yaml_document_get_node(doc, p->value);
        if (str_empty(scalar_of(key)))
            return config_refuse(c, key->start_mark, err, "%s", "a key must be a word");
        char *path = *above ? mem_printf("%s.%s", above, scalar_of(key)) : mem_str(scalar_of(key));
        if (config_find(c, path)) {
            config_refuse(c, key->start_mark, err, "%s is set twice", path);
            free(path);
            return -1;
        }
        struct config_setting *s = config_add(c, path, key->start_mark);
        if (value->type == YAML_SEQUENCE_NODE) {
            if (config_read_list(c, doc, value, s, err))
                return -1;
        } else if (value->type == YAML_MAPPING_NODE) {
            if (depth == CONFIG_DEPTH_MAX)
                return config_refuse(c, value->start_mark, err, "%s: nested too deep", path);
            c->count--; /* a group is no setting */
            int rc = config_read_map(c, doc, value, path, depth + 1, err);
            free(path);
            if (rc)
                return -1;
        } else {
            s->values = mem_new(2 * sizeof(char *));
            s->values[0] = mem_str(scalar_of(value));
        }
    }
    return 0;
}

static int config_parse(struct config *c, yaml_parser_t *parser, struct err *err)
{
    yaml_document_t doc;
    if (!yaml_parser_load(parser, &doc))
        return config_refuse(c, parser->problem_mark, err, "%s",
                             str_or(parser->problem, "it cannot be read"));
    yaml_node_t *root = yaml_document_get_root_node(&doc);
    int rc = 0;
    if (root && root->type == YAML_MAPPING_NODE)
        rc = config_read_map(c, &doc, root, "", 1, err);
    else if (root)
        rc = config_refuse(c, root->start_mark, err, "%s", "a configuration is a map of settings");
    yaml_document_delete(&doc);
    return rc;
}

struct config *config_load(const char *file, struct err *err)
{
    FILE *stream = fopen(file, "re");
    yaml_parser_t parser;
    if (!stream) {
        err_code(err, ERR_NOT_FOUND, "%s: %s", file, strerror(errno));
        return NULL;
    }
    struct config *c = mem_new(sizeof(*c));
    const char *slash = strrchr(file, '/');
    c->file = mem_str(file);
    c->folder = slash ? mem_strn(file, (size_t)(slash - file)) : mem_str(".");
    int rc = yaml_parser_initialize(&parser) ? 0 : err_no_memory(err);
    if (rc == 0) {
        yaml_parser_set_input_file(&parser, stream);
        rc = config_parse(c, &parser, err);
        yaml_parser_delete(&parser);
    }
    fclose(stream);
    if (rc) {
        config_free(c);
        return NULL;
    }
    return c;
}

void config_free(struct config *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->count; i++) {
        free(c->settings[i].key);
        for (char **v = c->settings[i].values; v && *v; v++)
            free(*v);
        free(c->settings[i].values);
    }
    free(c->settings);
    free(c->file);
    free(c->folder);
    free(c);
}

const struct config_setting *config_find(const struct config *c, const char *key)
{
    for (size_t i = 0; c && i < c->count; i++)
        if (str_eq(c->settings[i].key, key))
            return &c->settings[i];
    return NULL;
}

char *config_path(const struct config *c, const char *path)
{
    return *path == '/' ? mem_str(path) : mem_printf("%s/%s", c->folder, path);
}
