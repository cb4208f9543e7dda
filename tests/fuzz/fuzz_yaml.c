/* A manifest of any bytes: read or refused, never a crash, and what was read is JSON. */
#include "base/err.h"
#include "io/yaml.h"

#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_documents documents;
    struct err err;
    if (yaml_parse((const char *)data, size, &documents, &err)) {
        if (err.code != ERR_NO_MEMORY && (err.text[0] < '1' || err.text[0] > '9'))
            abort(); /* a refusal names line and column */
        yaml_documents_free(&documents);
        return 0;
    }
    for (size_t i = 0; i < documents.count; i++) {
        const struct yaml_document *d = &documents.items[i];
        /* jansson takes no NUL in a key; bytes of !!binary keys may become one and the same U+FFFD. */
        if (strstr(d->json, "\\u0000") || strstr(d->json, "\xEF\xBF\xBD"))
            continue;
        json_t *json = json_loadb(d->json, d->json_len,
                                  JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL | JSON_DECODE_INT_AS_REAL, NULL);
        if (!json_is_object(json) || strlen(d->json) != d->json_len || d->line == 0)
            abort();
        json_decref(json);
    }
    yaml_documents_free(&documents);
    return 0;
}
