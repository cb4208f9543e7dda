#include "io/redact-internal.h"

#include "base/str.h"

#include <ctype.h>
#include <string.h>
#include <strings.h>

/* Looks ahead no further than this where it may find nothing to mask: judging a line stays linear. */
enum { LOOK = 512, LONGEST_WORD = 16 };

static const struct redact_span nothing = {0, 0};

static bool in(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static bool blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static bool key_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '-' || c == '.';
}

/* Does a quote with `run` backslashes before it close one that was opened with `opened`?
 * Each level of quoting doubles the backslashes and adds one. */
static bool closes(size_t run, size_t opened)
{
    while (opened > 0) {
        if (run % 2 == 0)
            return true; /* ends the text around it, and so this one */
        run = (run - 1) / 2;
        opened = (opened - 1) / 2;
    }
    return run % 2 == 0;
}

/* An apostrophe in a word is no quote. */
static bool opens(const char *line, size_t at)
{
    return line[at] == '"' || line[at] == '`' ||
           (line[at] == '\'' && (at == 0 || !isalnum((unsigned char)line[at - 1])));
}

static size_t backslashes_before(const char *line, size_t start, size_t at)
{
    size_t n = 0;
    while (at > start + n && line[at - n - 1] == '\\')
        n++;
    return n;
}

void redact_place_move(struct redact_place *place, size_t to)
{
    for (; place->at < to; place->at++) {
        size_t at = place->at;
        char c = place->line[at];
        if (c == '"' || c == '\'' || c == '`') {
            size_t run = backslashes_before(place->line, place->quote ? place->opened + 1 : 0, at);
            if (!place->quote && opens(place->line, at)) {
                place->quote = c;
                place->opened = at;
                place->backslashes = run;
            } else if (c == place->quote && closes(run, place->backslashes)) {
                place->quote = 0;
            }
        } else if (!place->quote && (c == '{' || c == '[')) {
            place->depth++;
        } else if (!place->quote && (c == '}' || c == ']') && place->depth > 0) {
            place->depth--;
        }
    }
}

/* Where the text ends that the quote at `open` begins: at its closing quote, without the
 * backslashes before that, or at the end of a line that was cut. */
static struct redact_span quoted(const char *line, size_t len, size_t open)
{
    char quote = line[open];
    size_t level = backslashes_before(line, 0, open), at;

    for (at = open + 1; at < len; at++) {
        size_t run;
        if (line[at] != quote)
            continue;
        if (quote == '\'' && at + 1 < len && line[at + 1] == '\'') { /* YAML's quote in a quoted text */
            at++;
            continue;
        }
        run = backslashes_before(line, open + 1, at);
        if (closes(run, level))
            return (struct redact_span){open + 1, at - (run < level ? run : level)};
    }
    return (struct redact_span){open + 1, len};
}

static size_t skip_blanks(const struct redact_place *p, size_t at)
{
    while (at < p->len && blank(p->line[at]))
        at++;
    return at;
}

/* The first position from `at` with a blank or one of `stops`, else the end. */
static size_t until(const struct redact_place *p, size_t at, const char *stops)
{
    while (at < p->len && !blank(p->line[at]) && !in(p->line[at], stops))
        at++;
    return at;
}

/* The first position from `at` with one of `stops`, blanks allowed; less the blanks before it. */
static size_t until_stop(const struct redact_place *p, size_t at, const char *stops)
{
    size_t start = at;
    while (at < p->len && !in(p->line[at], stops))
        at++;
    while (at > start && blank(p->line[at - 1]))
        at--;
    return at;
}

/* Where the quote closes that is open at this place, or the end of the line; the next blank, if
 * `word`, where that comes first. */
static size_t open_quote_end(const struct redact_place *p, size_t at, bool word)
{
    for (; at < p->len && !(word && blank(p->line[at])); at++) {
        if (p->line[at] == p->quote) {
            size_t run = backslashes_before(p->line, p->opened + 1, at);
            if (closes(run, p->backslashes))
                return at - (run < p->backslashes ? run : p->backslashes);
        }
    }
    return at;
}

/* Is the word at `at` (up to a blank or one of `stops`) one of these, punctuation aside? */
static bool is_one_of(const struct redact_place *p, size_t at, const char *stops, const char *const *words)
{
    const char *word = p->line + at;
    size_t n = 0;

    while (n < LONGEST_WORD && at + n < p->len && !blank(word[n]) && !in(word[n], stops))
        n++;
    while (n > 0 && in(word[n - 1], ".,:;!"))
        n--;
    for (; *words; words++)
        if (strlen(*words) == n && strncasecmp(word, *words, n) == 0)
            return true;
    return false;
}

/* What stands in the place of a value and is none: a constant, or a reference as in ${NAME}.
 * `loose`: the value may hold blanks, so that a constant must be all of it. */
static bool is_no_value(const struct redact_place *p, size_t at, bool loose)
{
    static const char *const words[] = {"true",  "false",  "null",    "nil",       "none", "~",
                                        "|",     ">",      "|-",      ">-",        "|+",   ">+",
                                        "<nil>", "<none>", "<unset>", "undefined", NULL};
    static const char *const references[][2] = {{"${", "}"}, {"$(", ")"}, {"{{", "}}"}, {"[REDACTED", "]"}};
    static const char ends[] = ",}])&;\"'`\\#";
    size_t left = p->len - at;

    if (left == 0)
        return true;
    for (size_t i = 0; i < sizeof(references) / sizeof(references[0]); i++) {
        const char *open = references[i][0], *close = references[i][1], *end;
        if (left < strlen(open) || memcmp(p->line + at, open, strlen(open)) != 0)
            continue;
        end = memmem(p->line + at, left < LOOK ? left : LOOK, close, strlen(close));
        if (!end)
            continue;
        end += strlen(close);
        if (end == p->line + p->len || blank(*end) || in(*end, ends))
            return true;
    }
    if (!is_one_of(p, at, ",}])&;\"'`\\", words))
        return false;
    if (!loose)
        return true;
    at = skip_blanks(p, until(p, at, ends));
    return at == p->len || in(p->line[at], ends);
}

/* Is `at` the start of a sentence about the key, as in "token: invalid signature"? */
static bool is_prose(const struct redact_place *p, size_t at)
{
    static const char *const words[] = {
        "is",        "are",       "was",        "were",        "has",          "must",     "should",
        "cannot",    "not",       "does",       "expired",     "invalid",      "required", "missing",
        "unknown",   "empty",     "changed",    "created",     "updated",      "deleted",  "rotated",
        "unchanged", "revoked",   "configured", "denied",      "failed",       "mismatch", "unable",
        "duplicate", "forbidden", "incorrect",  "unsupported", "unauthorized", NULL};
    return is_one_of(p, at, "", words);
}

/* "default/my-app not found": an object's name, and what is the matter with it. */
static bool is_object(const struct redact_place *p, size_t at)
{
    static const char *const states[] = {"not",     "already", "is",         "was",       "has",    "does",
                                         "created", "exists",  "configured", "unchanged", "failed", "updated",
                                         "deleted", "missing", "in",         NULL};
    size_t start = at;
    bool slash = false;

    for (; at < p->len && !blank(p->line[at]) && !in(p->line[at], "\"'`\\"); at++) {
        char c = p->line[at];
        if (c == '/' && !slash && at > start)
            slash = true;
        else if (!islower((unsigned char)c) && !isdigit((unsigned char)c) && c != '-' && c != '.')
            return false;
    }
    if (at == start || p->line[at - 1] == '/')
        return false;
    while (at < p->len && (blank(p->line[at]) || in(p->line[at], "\"'`\\")))
        at++;
    return slash || is_one_of(p, at, "", states);
}

/* "/v1, Kind=Secret: error decoding": how the API server says of which kind an object is. */
static bool names_kind(const struct redact_place *p, size_t key)
{
    static const char said[] = " Kind=";
    size_t n = sizeof(said) - 1;

    return key >= n && memcmp(p->line + key - n, said, n) == 0;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' || c == '-' ? 62 : c == '/' || c == '_' ? 63 : -1;
}

/* Is the base64 that begins at `at` a printable NAME:PASSWORD? */
static bool is_docker_auth(const struct redact_place *p, size_t at)
{
    unsigned bits = 0, have = 0;
    bool colon = false;
    size_t start = at;

    for (int digit; at < p->len && (digit = base64_digit(p->line[at])) >= 0; at++) {
        bits = (bits << 6 | (unsigned)digit) & 0xffff;
        have += 6;
        if (have >= 8) {
            unsigned char c = (bits >> (have - 8)) & 0xff;
            have -= 8;
            if (c < 0x20 || c == 0x7f)
                return false;
            colon = colon || c == ':';
        }
    }
    return colon && at - start >= 6;
}

/* Where the key begins whose end is at `to`; the characters of keys are never separators, so
 * the matches of a line do not walk over each other. */
static size_t key_start(const struct redact_place *p, size_t at)
{
    while (at > 0 && key_char(p->line[at - 1]))
        at--;
    return at;
}

/* Where a value ends that has no quotes. `loose`: YAML's ": " came before it. */
static size_t unquoted_end(const struct redact_place *p, size_t key, size_t at, bool loose, bool quoted_key)
{
    char before = key > 0 ? p->line[key - 1] : 0;

    if (p->quote && (loose || p->opened + 1 == key))
        return open_quote_end(p, at, false);
    if (before == '?' || before == '&')
        return until(p, at, "&#\"'<>");
    if (p->quote)
        return open_quote_end(p, at, true);
    if (quoted_key || (p->depth > 0 && loose))
        return until_stop(p, at, ",}]");
    if (p->depth > 0)
        return until(p, at, ",}]");
    return loose ? until_stop(p, at, "") : until(p, at, "");
}

static struct redact_span authorization(const struct redact_place *p, size_t at)
{
    static const char *const schemes[] = {"basic", "bearer", "token", "negotiate", "apikey", NULL};
    size_t end;

    if (p->quote)
        return (struct redact_span){at, open_quote_end(p, at, false)};
    end = until(p, at, "");
    if (is_one_of(p, at, "", schemes))
        return (struct redact_span){at, until(p, skip_blanks(p, end), "\"'`,")};
    return (struct redact_span){at, until_stop(p, at, "")};
}

/* A list whole: `Authorization:[Bearer x]` of Go's header dumps, ["a", "b"]. */
static struct redact_span list(const struct redact_place *p, size_t open)
{
    size_t at = open + 1;

    while (at < p->len && p->line[at] != ']') {
        if (opens(p->line, at))
            at = quoted(p->line, p->len, at).to;
        if (at < p->len)
            at++;
    }
    return (struct redact_span){open, at < p->len ? at + 1 : at};
}

/* Does a quoted value begin at `at`? Then `mark` is its quote. The one that closes what is
 * open around the key is none. */
static bool opens_value(const struct redact_place *p, size_t at, size_t *mark)
{
    size_t quote = at;

    while (quote < p->len && p->line[quote] == '\\')
        quote++;
    if (quote == p->len || !opens(p->line, quote))
        return false;
    if (p->quote == p->line[quote] && closes(quote - at, p->backslashes))
        return false;
    *mark = quote;
    return true;
}

/* Behind the sentence that Kubernetes refuses a value with: `Invalid value: "x": must …`. */
static bool refused_value(const struct redact_place *p, size_t *at)
{
    static const char said[] = " value: ";
    size_t word = until(p, *at, ""), n = sizeof(said) - 1;

    if (p->len - word <= n || memcmp(p->line + word, said, n) != 0)
        return false;
    *at = word + n;
    return true;
}

static struct redact_span after_key(const struct redact_place *p, enum redact_kind kind, size_t from,
                                    size_t to)
{
    size_t at = to, key = key_start(p, from), mark = 0;
    bool colon = p->line[to - 1] == ':', loose, in_quotes;

    if (at < p->len && (p->line[at] == '=' || p->line[at] == '>')) /* := == => */
        at++;
    loose = colon && at < p->len && blank(p->line[at]);
    at = skip_blanks(p, at);
    if (colon && is_prose(p, at)) {
        if (!refused_value(p, &at))
            return nothing;
        loose = false;
    }
    in_quotes = opens_value(p, at, &mark);
    /* What finds nothing to mask looks at little: another key may follow, and one more. */
    if (is_no_value(p, in_quotes ? mark + 1 : at, loose || in_quotes) ||
        (kind == REDACT_DOCKER_AUTH && !is_docker_auth(p, in_quotes ? mark + 1 : at)) ||
        (kind == REDACT_SECRET && colon && key == from &&
         (names_kind(p, key) || is_object(p, in_quotes ? mark + 1 : at))))
        return nothing;
    if (in_quotes)
        return quoted(p->line, p->len, mark);
    if (p->line[at] == '[')
        return list(p, at);
    if (p->line[at] == '{')
        return nothing; /* keys of its own follow */
    if (kind == REDACT_AUTHORIZATION)
        return authorization(p, at);
    return (struct redact_span){
        at, unquoted_end(p, key, at, loose, memchr(p->line + from, '"', to - from) != NULL)};
}

static struct redact_span after_flag(const struct redact_place *p, size_t to)
{
    static const char *const words[] = {"via", "to",  "is",   "or",     "and",  "flag", "flags",
                                        "in",  "for", "with", "option", "from", "was",  NULL};
    size_t at = skip_blanks(p, to), mark = 0, end;

    if (opens_value(p, at, &mark))
        return is_no_value(p, mark + 1, true) ? nothing : quoted(p->line, p->len, mark);
    if (is_no_value(p, at, false) || p->line[at] == '-' || is_one_of(p, at, "", words))
        return nothing;
    end = p->quote ? open_quote_end(p, at, true) : until(p, at, p->depth > 0 ? ",]" : "");
    return (struct redact_span){at, end};
}

/* From behind "://" to the last @ before the host. */
static struct redact_span userinfo(const struct redact_place *p, size_t from)
{
    size_t start = from + 3, end = until(p, start, "/?#\"'`<>\\"), at = 0, port;
    const char *colon;
    bool ssh = from >= 3 && memcmp(p->line + from - 3, "ssh", 3) == 0;

    for (size_t i = start; i < end; i++)
        if (p->line[i] == '@')
            at = i;
    colon = memchr(p->line + start, ':', end - start);
    /* A password with a slash in it: then what follows the colon is no port. */
    if (at == 0 && colon && end < p->len) {
        for (port = (size_t)(colon - p->line) + 1; port < end && isdigit((unsigned char)p->line[port]);)
            port++;
        for (size_t i = end; port < end && i < p->len && i < end + LOOK && !blank(p->line[i]); i++)
            if (p->line[i] == '@')
                at = i;
    }
    if (at == 0 || (ssh && !colon))
        return nothing;
    return (struct redact_span){start, at};
}

struct redact_span redact_value(struct redact_place *place, enum redact_kind kind, size_t from, size_t to)
{
    redact_place_move(place, to);
    switch (kind) {
    case REDACT_WHOLE:
        return (struct redact_span){from, to};
    case REDACT_FLAG:
        return after_flag(place, to);
    case REDACT_URL:
        return userinfo(place, from);
    case REDACT_QUERY:
        return (struct redact_span){to, until(place, to, "&#\"'<>")};
    case REDACT_KEY:
    case REDACT_SECRET:
    case REDACT_AUTHORIZATION:
    case REDACT_DOCKER_AUTH:
        return after_key(place, kind, from, to);
    case REDACT_PEM:
        break; /* over lines: redact.c's */
    }
    return nothing;
}
