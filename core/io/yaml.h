/* yaml.h: a manifest text → its documents as JSON, as sigs.k8s.io/yaml makes them.
 *
 * YAML 1.1 scalars as go-yaml v2 reads them, anchors, aliases, merges, !!binary;
 * 64-bit integers survive. The whole text is read before anything is returned.
 * Pure functions of bytes: any thread. */
#pragma once

#include "base/buf.h"

#include <stddef.h>

struct err;

enum {
    YAML_MAX_NODES = 1000000, /* aliases expanded, a text */
    YAML_MAX_DEPTH = 100,
    YAML_MAX_DOCUMENT = 3 * 1024 * 1024, /* bytes of one document, as text and as JSON */
    YAML_MAX_COPIED = 32 * 1024 * 1024,  /* bytes that anchors and aliases copy, a text */
};

struct yaml_document {
    char *json; /* one value, object keys sorted; NUL-terminated */
    size_t json_len;
    size_t line; /* first line that is neither ---, a comment nor empty; from 1 */
};

struct yaml_documents {
    struct yaml_document *items;
    size_t count; /* empty documents are left out */
};

/* 0, or -1 with "LINE:COLUMN: sentence" (columns from 1; ERR_BAD_REQUEST,
 * ERR_TOO_LARGE or ERR_NO_MEMORY). Free with yaml_documents_free() in both cases. */
int yaml_parse(const char *text, size_t len, struct yaml_documents *out, struct err *err);
void yaml_documents_free(struct yaml_documents *documents);
