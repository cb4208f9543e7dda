/* A first line that is a field path, then a manifest: a document that can be read has a place for
 * every path, within the text. */
#include "base/err.h"
#include "io/yaml-locate.h"
#include "io/yaml.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The lines of a text; 0 where YAML sees other line breaks in it than editors do. */
static size_t lines_of(const char *text, size_t len)
{
    size_t lines = 1;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\r' || (unsigned char)text[i] >= 0x80)
            return 0;
        lines += text[i] == '\n';
    }
    return lines;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *newline = size ? memchr(data, '\n', size) : NULL;
    if (!newline)
        return 0;
    char *field = strndup((const char *)data, (size_t)(newline - data));
    const char *text = (const char *)newline + 1;
    size_t len = size - (size_t)(text - (const char *)data), line, column;
    struct yaml_documents documents;
    struct err err;
    if (!field)
        return 0;
    yaml_locate(text, len, 1, YAML_NO_ITEM, field, &line, &column);
    if (yaml_parse(text, len, &documents, &err) == 0) {
        for (size_t i = 0; i < documents.count; i++) {
            size_t at = documents.items[i].line, lines = lines_of(text, len);
            bool found = yaml_locate(text, len, at, YAML_NO_ITEM, field, &line, &column);
            if (lines && (!found || !column || line < at || line > lines))
                abort();
            yaml_locate(text, len, at, 0, field, &line, &column);
        }
    }
    yaml_documents_free(&documents);
    free(field);
    return 0;
}
