#include "io/yaml-internal.h"

#include "base/str.h"

#include <stdio.h>
#include <string.h>

int yaml_fail(struct yaml_reader *r, yaml_mark_t at, enum err_code code, const char *format, ...)
{
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    err_code(r->err, code, "%s", text);
    return yaml_fail_at(r, at);
}

int yaml_fail_at(struct yaml_reader *r, yaml_mark_t at)
{
    if (r->err->code == ERR_NO_MEMORY)
        return -1;
    return err_prefix(r->err, "%zu:%zu", at.line + 1 + r->lines_before, at.column + 1);
}

/* What libyaml says, and what we say. */
struct problem {
    const char *context; /* NULL: any */
    const char *problem;
    bool at_start;        /* the place to look at is where the construct began */
    const char *sentence; /* @: the line where the construct began */
};

static const struct problem problems[] = {
    {"simple key", "could not find expected ':'", true, "this line is a key without its \":\""},
    {"block mapping", "did not find expected key", false,
     "expected a key of the map that began on line @: is the line indented like its neighbours, and does "
     "every "
     "value end where it should?"},
    {"block collection", "did not find expected '-' indicator", false,
     "expected \"- \" of the list that began on line @: is the line indented like its neighbours?"},
    {"flow sequence", "did not find expected ',' or ']'", false,
     "expected \",\" or \"]\" in the list that \"[\" opened on line @"},
    {"flow mapping", "did not find expected ',' or '}'", false,
     "expected \",\" or \"}\" in the map that \"{\" opened on line @"},
    {"quoted scalar", "found unexpected end of stream", true, "the quote that opens here is never closed"},
    {"quoted scalar", "found unexpected document indicator", false,
     "the quote that opened on line @ is not closed before the document ends"},
    {NULL, "found unknown escape character", false,
     "no such escape in double quotes: write \"\\\\\" for a backslash, or use single quotes"},
    {NULL, "did not find expected hexdecimal number", false,
     "a \\x, \\u or \\U escape takes exactly 2, 4 or 8 hexadecimal digits"},
    {NULL, "found invalid Unicode character escape code", false,
     "this escape is no character (one beyond U+FFFF is written \\U0001F600)"},
    {NULL, "mapping values are not allowed in this context", false,
     "a \":\" cannot stand here: put a value that contains \": \" in quotes, or check the indentation"},
    {NULL, "mapping keys are not allowed in this context", false, "a \"? \" key cannot stand here"},
    {NULL, "block sequence entries are not allowed in this context", false,
     "a \"- \" cannot stand here: a list begins on a line of its own"},
    {"plain scalar", "found unexpected ':'", false,
     "put a text with \":\" before a \",\" or a bracket in quotes"},
    {NULL, "did not find expected node content", false, "expected a value here"},
    {NULL, "found a tab character where an indentation space is expected", false,
     "a tab cannot indent YAML: use spaces"},
    {NULL, "found a tab character that violates indentation", false, "a tab cannot indent YAML: use spaces"},
    {NULL, "did not find expected comment or line break", false,
     "only a comment can follow \"|\" or \">\" on its line: the text begins on the next one"},
    {NULL, "found an indentation indicator equal to 0", false,
     "the indentation behind \"|\" or \">\" is 1 to 9"},
    {"anchor", "did not find expected alphabetic or numeric character", true,
     "a \"&\" begins an anchor, whose name is letters, digits, \"-\" and \"_\": put a text that begins with "
     "\"&\" in quotes"},
    {"alias", "did not find expected alphabetic or numeric character", true,
     "a \"*\" begins an alias, whose name is letters, digits, \"-\" and \"_\": put a text that begins with "
     "\"*\" in quotes"},
    {NULL, "found undefined tag handle", false, "no %TAG line declares the handle of this tag"},
    {NULL, "found incompatible YAML document", false, "only %YAML 1.1 and 1.2 can be read"},
    {NULL, "found duplicate %YAML directive", false, "the document has a second %YAML line"},
    {NULL, "found duplicate %TAG directive", false, "the document declares this %TAG handle twice"},
    {NULL, "found unknown directive name", true, "a line that begins with \"%\" is %YAML or %TAG"},
    {NULL, "could not find expected directive name", true, "a line that begins with \"%\" is %YAML or %TAG"},
    {NULL, "did not find expected <document start>", false,
     "the document has ended before this: begin a new one with a line \"---\", or check the indentation"},
    {"tag", "did not find expected whitespace or line break", true,
     "a \"!\" begins a tag: put a text that begins with \"!\" in quotes"},
    {"tag", "did not find expected tag URI", true,
     "a \"!\" begins a tag: put a text that begins with \"!\" in quotes"},
};

static const struct problem *problem_find(const yaml_parser_t *p)
{
    const char *context = p->context ? p->context : "";
    for (size_t i = 0; i < sizeof(problems) / sizeof(*problems); i++)
        if ((!problems[i].context || strstr(context, problems[i].context)) && p->problem &&
            strstr(p->problem, problems[i].problem))
            return &problems[i];
    return NULL;
}

/* The line and column (from 0) of a byte, as libyaml counts them: characters, not bytes. */
static yaml_mark_t mark_of_byte(const struct yaml_reader *r, size_t offset)
{
    yaml_mark_t mark = {0};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        if (r->text[i] == '\n') {
            mark.line++;
            mark.column = 0;
        } else if (((unsigned char)r->text[i] & 0xC0) != 0x80) {
            mark.column++;
        }
    }
    return mark;
}

static const char *byte_of_mark(const struct yaml_reader *r, yaml_mark_t mark)
{
    const char *at = r->text, *end = r->text + r->len;
    for (size_t line = 0; line < mark.line && at; line++) {
        at = memchr(at, '\n', (size_t)(end - at));
        at = at ? at + 1 : NULL;
    }
    for (size_t column = 0; at && at < end && column < mark.column; column++) {
        size_t n = str_utf8_len(at, (size_t)(end - at));
        at += n ? n : 1;
    }
    return at && at < end ? at : "";
}

/* "found character that cannot start any token": which one, and what to do about it. */
static int fail_start(struct yaml_reader *r, yaml_mark_t at)
{
    char c = *byte_of_mark(r, at);
    if (c == '\t')
        return yaml_fail(r, at, ERR_BAD_REQUEST, "a tab cannot indent YAML: use spaces");
    if (c > ' ')
        return yaml_fail(r, at, ERR_BAD_REQUEST, "a value cannot begin with \"%c\": put it in quotes", c);
    return yaml_fail(r, at, ERR_BAD_REQUEST, "no value can begin with this character: put it in quotes");
}

/* The sentence with the line of the construct's start for "@". */
static void expand_line(const char *sentence, size_t line, char *text, size_t size)
{
    const char *at = strchr(sentence, '@');
    if (at)
        snprintf(text, size, "%.*s%zu%s", (int)(at - sentence), sentence, line, at + 1);
    else
        snprintf(text, size, "%s", sentence);
}

/* The reader stops at a control character, or at bytes that are no UTF-8; of those libyaml names
 * any one, so the first is looked up. */
static int fail_reader(struct yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->problem && strstr(p->problem, "control characters"))
        return yaml_fail(
            r, mark_of_byte(r, p->problem_offset), ERR_BAD_REQUEST,
            "the control character U+%04X cannot stand in YAML: write it as an escape in double quotes",
            (unsigned)p->problem_value);
    size_t at = 0, n;
    while (at < r->len && (n = str_utf8_len(r->text + at, r->len - at)) > 0)
        at += n;
    if (at == r->len)
        return yaml_fail(r, mark_of_byte(r, p->problem_offset), ERR_BAD_REQUEST, "%s",
                         p->problem ? p->problem : "the text cannot be read");
    return yaml_fail(r, mark_of_byte(r, at), ERR_BAD_REQUEST,
                     "the text is not UTF-8: byte 0x%02X is none of it here", (unsigned char)r->text[at]);
}

int yaml_check_marks(struct yaml_reader *r)
{
    static const char line_with_mark[] = "\n\xEF\xBB\xBF";
    const char *at = r->len ? memmem(r->text, r->len, line_with_mark, 4) : NULL;
    if (!at)
        return 0;
    return yaml_fail(r, mark_of_byte(r, (size_t)(at - r->text) + 1), ERR_BAD_REQUEST,
                     "a byte order mark stands inside a document: remove it");
}

int yaml_fail_parser(struct yaml_reader *r)
{
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR)
        return err_no_memory(r->err);
    if (p->error == YAML_READER_ERROR)
        return fail_reader(r);
    const struct problem *known = problem_find(p);
    yaml_mark_t at = known && known->at_start && p->context ? p->context_mark : p->problem_mark;
    if (p->problem && strstr(p->problem, "cannot start any token"))
        return fail_start(r, at);
    if (!known)
        return yaml_fail(r, at, ERR_BAD_REQUEST, "%s%s%s", p->context ? p->context : "",
                         p->context ? ", " : "", p->problem ? p->problem : "this cannot be read");
    char text[512];
    expand_line(known->sentence, p->context_mark.line + 1 + r->lines_before, text, sizeof(text));
    return yaml_fail(r, at, ERR_BAD_REQUEST, "%s", text);
}
