/* yaml2json FILE...: for each file one line, the JSON array of its documents or
 * {"error":"..."}: the form of tests/oracle, so that the two can be compared. */
#include "base/buf.h"
#include "base/err.h"
#include "base/json-write.h"
#include "io/yaml.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int read_file(const char *path, struct buf *text)
{
    FILE *file = fopen(path, "rb");
    size_t n;
    char *at;
    if (!file)
        return -1;
    while ((at = buf_reserve(text, 65536)) != NULL && (n = fread(at, 1, 65536, file)) > 0)
        text->len += n;
    int failed = ferror(file) || text->failed;
    fclose(file);
    return failed ? -1 : 0;
}

static void write_error(struct buf *line, const char *reason)
{
    struct json_writer w = JSON_WRITER(line);
    jsonw_begin_object(&w);
    jsonw_member(&w, "error", reason);
    jsonw_end_object(&w);
}

static void convert(const char *path, struct buf *line)
{
    struct buf text = {0};
    struct yaml_documents documents = {0};
    struct err err;
    if (read_file(path, &text)) {
        write_error(line, "the file cannot be read");
    } else if (yaml_parse(buf_str(&text), text.len, &documents, &err)) {
        write_error(line, err.text);
    } else {
        struct json_writer w = JSON_WRITER(line);
        jsonw_begin_array(&w);
        for (size_t i = 0; i < documents.count; i++)
            jsonw_raw(&w, documents.items[i].json, documents.items[i].json_len);
        jsonw_end_array(&w);
    }
    yaml_documents_free(&documents);
    buf_free(&text);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        struct buf line = {0};
        convert(argv[i], &line);
        if (line.failed)
            return 1;
        fwrite(line.data, 1, line.len, stdout);
        putchar('\n');
        buf_free(&line);
    }
    return fflush(stdout) ? 1 : 0;
}
