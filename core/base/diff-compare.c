#include "base/diff-internal.h"

#include <stdlib.h>
#include <string.h>

enum {
    DIFF_WORK = 8 * 1000 * 1000, /* steps of some 4 ns */
    DIFF_MAX_LINES = 400 * 1000, /* of both sides, to be compared at all */
};

/* The lines of one side that the other has too, as ids, and where each stands. */
struct matter {
    uint32_t *ids;
    uint32_t *places;
    bool *changed;
    size_t count;
};

struct comparison {
    struct matter a, b;
    int32_t *forward, *backward; /* the furthest line of `a` by diagonal; index 0 is diagonal 0 */
    size_t work;                 /* that is left */
};

static void spend(size_t *work, size_t n)
{
    *work = *work > n ? *work - n : 0;
}

static const char *line_at(const struct diff_side *s, size_t i, size_t *len)
{
    *len = s->starts[i + 1] - s->starts[i];
    return s->text + s->starts[i];
}

static uint32_t hash_line(const char *line, size_t len)
{
    uint64_t h = len;
    for (uint64_t word; len >= sizeof(word); line += sizeof(word), len -= sizeof(word)) {
        memcpy(&word, line, sizeof(word));
        h = (h ^ word) * 0x9E3779B97F4A7C15u;
        h ^= h >> 29;
    }
    for (; len; line++, len--)
        h = (h ^ (unsigned char)*line) * 0x100000001B3u;
    return (uint32_t)(h ^ h >> 32);
}

/* Lines by their text: an open hash table whose slots lead to the first line of each text. */
struct texts {
    struct text {
        const char *line;
        size_t len;
        uint32_t hash;
        uint32_t id;
    } * slots;
    size_t mask;
    uint32_t ids;
};

/* Gives the lines ids; false when the work is spent, as only texts made to collide manage. */
static bool name_lines(struct diff_side *s, struct texts *t, size_t *work)
{
    for (size_t i = 0; i < s->count; i++) {
        size_t len;
        const char *line = line_at(s, i, &len);
        uint32_t hash = hash_line(line, len);
        struct text *slot = &t->slots[hash & t->mask];
        size_t probes = 0;
        while (slot->line && (slot->hash != hash || slot->len != len || memcmp(slot->line, line, len) != 0)) {
            probes += slot->hash == hash ? 1 + len / 16 : 1;
            slot = slot == &t->slots[t->mask] ? t->slots : slot + 1;
            if (probes > *work)
                return false;
        }
        if (!slot->line)
            *slot = (struct text){.line = line, .len = len, .hash = hash, .id = t->ids++};
        s->ids[i] = slot->id;
        spend(work, probes);
    }
    return true;
}

/* 1 with the number of ids, 0 where the work was spent, -1 out of memory. */
static int name_both(struct diff_side *a, struct diff_side *b, size_t *work, uint32_t *ids)
{
    struct texts t = {.mask = 1};
    while (t.mask < 2 * (a->count + b->count))
        t.mask *= 2;
    t.slots = calloc(t.mask, sizeof(*t.slots));
    t.mask--;
    if (!t.slots)
        return -1;
    bool named = name_lines(a, &t, work) && name_lines(b, &t, work);
    *ids = t.ids;
    free(t.slots);
    return named;
}

/* A line that the other side lacks has changed, whatever the rest does: what remains to be compared is
 * often little. */
static int keep_common(const struct diff_side *s, const bool *others, struct matter *out)
{
    out->ids = malloc((s->count + 1) * sizeof(*out->ids));
    out->places = malloc((s->count + 1) * sizeof(*out->places));
    out->changed = s->changed;
    if (!out->ids || !out->places)
        return -1;
    for (size_t i = 0; i < s->count; i++) {
        if (!others[s->ids[i]]) {
            s->changed[i] = true;
            continue;
        }
        out->ids[out->count] = s->ids[i];
        out->places[out->count++] = (uint32_t)i;
    }
    return 0;
}

static bool *ids_of(const struct diff_side *s, uint32_t ids)
{
    bool *there = calloc(ids + 1, sizeof(*there));
    for (size_t i = 0; there && i < s->count; i++)
        there[s->ids[i]] = true;
    return there;
}

/* Lines of both sides to be compared, by their index in matter. */
struct box {
    int32_t a, a_end, b, b_end;
};

/* The diagonals (a - b) that one direction has reached. */
struct band {
    int32_t low, high;
};

/* One edit more: the band widens by one to both sides, within the box. The neighbours of what is new
 * get `never`, so that no way leads from them. */
static void widen(struct band *band, const struct box *box, int32_t *v, int32_t never)
{
    if (band->low > box->a - box->b_end)
        v[--band->low - 1] = never;
    else
        band->low++;
    if (band->high < box->a_end - box->b)
        v[++band->high + 1] = never;
    else
        band->high--;
}

/* From the front: each diagonal as far as it goes. True where it meets what came from the back. */
static bool step_forward(struct comparison *c, const struct box *box, struct band band,
                         const struct band *back, int32_t *x, int32_t *y)
{
    int32_t *v = c->forward;
    for (int32_t d = band.high; d >= band.low; d -= 2) {
        int32_t i = v[d - 1] >= v[d + 1] ? v[d - 1] + 1 : v[d + 1];
        int32_t from = i;
        while (i < box->a_end && i - d < box->b_end && c->a.ids[i] == c->b.ids[i - d])
            i++;
        spend(&c->work, (size_t)(i - from) + 1);
        v[d] = i;
        if (back && d >= back->low && d <= back->high && c->backward[d] <= i) {
            *x = i;
            *y = i - d;
            return true;
        }
    }
    return false;
}

static bool step_backward(struct comparison *c, const struct box *box, struct band band,
                          const struct band *front, int32_t *x, int32_t *y)
{
    int32_t *v = c->backward;
    for (int32_t d = band.high; d >= band.low; d -= 2) {
        int32_t i = v[d - 1] < v[d + 1] ? v[d - 1] : v[d + 1] - 1;
        int32_t from = i;
        while (i > box->a && i - d > box->b && c->a.ids[i - 1] == c->b.ids[i - d - 1])
            i--;
        spend(&c->work, (size_t)(from - i) + 1);
        v[d] = i;
        if (front && d >= front->low && d <= front->high && i <= c->forward[d]) {
            *x = i;
            *y = i - d;
            return true;
        }
    }
    return false;
}

/* A point on a shortest way through the box (Myers, linear space); false when the work is spent. The
 * two directions meet in the forward step where the box's sides differ by an odd number. */
static bool split(struct comparison *c, const struct box *box, int32_t *x, int32_t *y)
{
    int32_t first = box->a - box->b, last = box->a_end - box->b_end;
    struct band front = {first, first}, back = {last, last};
    bool odd = (first - last) & 1;
    c->forward[first] = box->a;
    c->backward[last] = box->a_end;
    while (c->work) {
        widen(&front, box, c->forward, -1);
        if (step_forward(c, box, front, odd ? &back : NULL, x, y))
            return true;
        widen(&back, box, c->backward, INT32_MAX);
        if (step_backward(c, box, back, odd ? NULL : &front, x, y))
            return true;
    }
    return false;
}

static void mark(const struct matter *m, int32_t from, int32_t to)
{
    for (; from < to; from++)
        m->changed[m->places[from]] = true;
}

/* Each split halves the edits, so this nests as deep as their number has bits. */
static void compare(struct comparison *c, struct box box)
{
    while (box.a < box.a_end && box.b < box.b_end && c->a.ids[box.a] == c->b.ids[box.b]) {
        box.a++;
        box.b++;
    }
    while (box.a < box.a_end && box.b < box.b_end && c->a.ids[box.a_end - 1] == c->b.ids[box.b_end - 1]) {
        box.a_end--;
        box.b_end--;
    }
    int32_t x, y;
    if (box.a == box.a_end || box.b == box.b_end || !split(c, &box, &x, &y)) {
        mark(&c->a, box.a, box.a_end);
        mark(&c->b, box.b, box.b_end);
        return;
    }
    compare(c, (struct box){box.a, x, box.b, y});
    compare(c, (struct box){x, box.a_end, y, box.b_end});
}

static int find_common(struct diff_side *a, struct diff_side *b, uint32_t ids, size_t *work)
{
    struct comparison c = {.work = *work};
    bool *in_a = ids_of(a, ids), *in_b = ids_of(b, ids);
    int32_t *room = NULL;
    int rc = -1;
    if (!in_a || !in_b || keep_common(a, in_b, &c.a) || keep_common(b, in_a, &c.b))
        goto out;
    size_t diagonals = c.a.count + c.b.count + 3;
    room = malloc(2 * diagonals * sizeof(*room));
    if (!room)
        goto out;
    c.forward = room + c.b.count + 1;
    c.backward = c.forward + diagonals;
    compare(&c, (struct box){0, (int32_t)c.a.count, 0, (int32_t)c.b.count});
    *work = c.work;
    rc = 0;
out:
    free(in_a);
    free(in_b);
    free(room);
    free(c.a.ids);
    free(c.a.places);
    free(c.b.ids);
    free(c.b.places);
    return rc;
}

/* Everything but the common beginning and end. */
static void replace_middle(struct diff_side *a, struct diff_side *b)
{
    size_t front = 0, back = 0, most = a->count < b->count ? a->count : b->count;
    size_t n, m;
    const char *p, *q;
    for (; front < most; front++) {
        p = line_at(a, front, &n);
        q = line_at(b, front, &m);
        if (n != m || memcmp(p, q, n) != 0)
            break;
    }
    for (; back < most - front; back++) {
        p = line_at(a, a->count - back - 1, &n);
        q = line_at(b, b->count - back - 1, &m);
        if (n != m || memcmp(p, q, n) != 0)
            break;
    }
    for (size_t i = front; i < a->count - back; i++)
        a->changed[i] = true;
    for (size_t i = front; i < b->count - back; i++)
        b->changed[i] = true;
}

static int collect(const struct diff_side *a, const struct diff_side *b, struct diff_edits *out)
{
    size_t cap = 0;
    for (size_t i = 0, j = 0; i < a->count || j < b->count; i++, j++) {
        struct diff_edit e = {.a = i, .b = j};
        while (i < a->count && a->changed[i])
            i++;
        while (j < b->count && b->changed[j])
            j++;
        e.a_count = i - e.a;
        e.b_count = j - e.b;
        if (!e.a_count && !e.b_count)
            continue;
        if (out->count == cap) {
            cap = cap ? cap * 2 : 64;
            struct diff_edit *grown = realloc(out->items, cap * sizeof(*grown));
            if (!grown)
                return -1;
            out->items = grown;
        }
        out->items[out->count++] = e;
    }
    return 0;
}

/* Lines that are only added, or only removed, move down past equal ones, as diff moves them: of a list
 * that grew, the new item is shown and not the end of one and the beginning of the next. */
static void slide(const struct diff_side *a, const struct diff_side *b, struct diff_edits *edits, size_t work)
{
    struct diff_edit *end = edits->items + edits->count, *kept = end;
    for (struct diff_edit *at = end; at-- > edits->items;) {
        struct diff_edit e = *at;
        while (work && (!e.a_count || !e.b_count)) {
            if (kept < end && kept->a == e.a + e.a_count) {
                e.a_count += kept->a_count;
                e.b_count += kept->b_count;
                kept++;
                continue;
            }
            const struct diff_side *s = e.a_count ? a : b;
            size_t first = e.a_count ? e.a : e.b, count = e.a_count + e.b_count;
            if (first + count >= s->count || s->ids[first] != s->ids[first + count])
                break;
            e.a++;
            e.b++;
            work--;
        }
        *--kept = e;
    }
    edits->count = (size_t)(end - kept);
    if (kept != edits->items)
        memmove(edits->items, kept, edits->count * sizeof(*kept));
}

int diff_compare(struct diff_side *a, struct diff_side *b, struct diff_edits *out)
{
    size_t work = DIFF_WORK;
    uint32_t ids = 0;
    int named = 0;
    if (a->count + b->count <= DIFF_MAX_LINES)
        named = name_both(a, b, &work, &ids);
    if (named < 0 || (named && find_common(a, b, ids, &work)))
        return -1;
    if (!named)
        replace_middle(a, b);
    if (collect(a, b, out))
        return -1;
    if (named)
        slide(a, b, out, work);
    return 0;
}
