/* Asking a server what it serves. One round at a time, shared by all who wait; who wants to know
 * anew gets a round that began after asking, and rounds begin at least KUBE_HOLD_MS apart. */
#include "kube/kube-internal.h"

#include "base/clock.h"
#include "base/mem.h"
#include "base/str.h"

#include <stdlib.h>
#include <string.h>

enum { ROUND_AT_ONCE = 8 };

static const char aggregated[] = "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,"
                                 "application/json;g=apidiscovery.k8s.io;v=v2beta1;as=APIGroupDiscoveryList,"
                                 "application/json";

struct discover_wait {
    struct kube_call base;
    TAILQ_ENTRY(discover_wait) link;
    kube_ready_fn *done;
    void *arg;
    uint64_t round; /* the first round that answers it */
    struct deferred *deferred;
};

/* One request of a round: a root, or a group-version of a root that has the old form. */
struct part {
    struct round *round;
    struct part *root;       /* NULL: it is one */
    struct group_version gv; /* the texts are its root's */
    struct kube_call *call;
    struct reading *reading;
    struct discovered found;
};

/* A document on its way through the parser; a large one on the pool, so it holds all it needs. */
struct reading {
    struct part *part;
    struct job *job;
    char *body;
    size_t len;
    bool root;
    struct group_version gv;
    struct discovered found;
    struct err err;
    int rc;
};

struct round {
    struct discovery *discovery;
    struct kinds *kinds;
    struct part roots[2]; /* /api, /apis */
    struct part *parts;
    size_t part_count, next, under_way;
    struct timer *limit;
    struct deferred *step;
    bool failed;
    struct err err;
};

struct discovery {
    struct cluster *cluster;
    struct kinds *known, *before; /* before: a look-up of this turn may still point into it */
    uint64_t known_ms, began_ms, rounds;
    struct round *round;
    struct timer *later;
    struct deferred *soon;
    struct err *failure; /* of the last round */
    TAILQ_HEAD(, discover_wait) waits;
};

static void discovery_want(struct discovery *d);

static void reading_free(void *arg)
{
    struct reading *reading = arg;
    discovered_clear(&reading->found);
    free(reading->body);
    free(reading->gv.group);
    free(reading->gv.version);
    free(reading);
}

static void part_drop(struct part *part)
{
    kube_cancel(&part->call);
    if (part->reading)
        job_forget(&part->reading->job, reading_free);
    part->reading = NULL;
}

static void round_free(struct round *round)
{
    for (size_t i = 0; i < 2; i++) {
        part_drop(&round->roots[i]);
        discovered_clear(&round->roots[i].found);
    }
    for (size_t i = 0; i < round->part_count; i++) {
        part_drop(&round->parts[i]);
        discovered_clear(&round->parts[i].found);
    }
    timer_stop(&round->limit);
    deferred_cancel(&round->step);
    kinds_free(round->kinds);
    free(round->parts);
    free(round);
}

static void wait_tell(void *arg)
{
    struct discover_wait *wait = arg;
    struct discovery *d = wait->base.cluster->discovery;
    kube_ready_fn *done = wait->done;
    bool failed = wait->round != 0 && d->failure;
    arg = wait->arg;
    wait->deferred = NULL;
    LIST_REMOVE(&wait->base, link);
    TAILQ_REMOVE(&d->waits, wait, link);
    free(wait);
    done(arg, failed ? d->failure : NULL);
}

static void wait_cancel(struct kube_call *call)
{
    struct discover_wait *wait = (struct discover_wait *)call;
    deferred_cancel(&wait->deferred);
    TAILQ_REMOVE(&call->cluster->discovery->waits, wait, link);
    free(wait);
}

static void round_keep_part(struct round *round, struct part *part)
{
    if (part->found.set)
        kinds_add(round->kinds, part->found.set);
    part->found.set = NULL;
    for (size_t i = 0; i < part->found.stale.count; i++) {
        const struct group_version *gv = &part->found.stale.items[i];
        kinds_add_failure(
            round->kinds,
            mem_printf("%s%s%s: the API server that serves it does not answer; its kinds may be "
                       "missing",
                       gv->group, *gv->group ? "/" : "", gv->version));
    }
}

/* Everything has come: kinds in the server's order, core first. */
static void round_keep(struct round *round)
{
    struct discovery *d = round->discovery;
    for (size_t root = 0; root < 2; root++) {
        round_keep_part(round, &round->roots[root]);
        for (size_t i = 0; i < round->part_count; i++)
            if (round->parts[i].root == &round->roots[root])
                round_keep_part(round, &round->parts[i]);
    }
    kinds_free(d->before);
    d->before = d->known;
    d->known = round->kinds;
    d->known_ms = clock_mono_ms();
    round->kinds = NULL;
}

static void round_end(struct round *round)
{
    struct discovery *d = round->discovery;
    struct discover_wait *wait;
    bool more = false;
    free(d->failure);
    d->failure = NULL;
    if (round->failed) {
        d->failure = mem_new(sizeof(round->err));
        *d->failure = round->err;
    } else {
        round_keep(round);
    }
    d->round = NULL;
    round_free(round);
    TAILQ_FOREACH(wait, &d->waits, link)
    {
        if (wait->round <= d->rounds && !wait->deferred)
            wait->deferred = loop_defer(d->cluster->clusters->loop, wait_tell, wait);
        more = more || wait->round > d->rounds;
    }
    if (more)
        discovery_want(d);
}

static void round_step(void *arg);

/* Goes on from the loop: an answer's call is never ended from inside itself. */
static void round_go_on(struct round *round)
{
    if (!round->step)
        round->step = loop_defer(round->discovery->cluster->clusters->loop, round_step, round);
}

static void part_failed(struct part *part, enum err_code code, const char *message)
{
    struct round *round = part->round;
    if (part->root) {
        const struct group_version *gv = &part->gv;
        kinds_add_failure(round->kinds,
                          mem_printf("%s%s%s: %s", gv->group, *gv->group ? "/" : "", gv->version, message));
    } else if (!round->failed) {
        round->failed = true;
        err_code(&round->err, code, "%s: what it serves cannot be asked: %s",
                 round->discovery->cluster->server, message);
        if (str_starts(message, "No cluster answers"))
            err_code(&round->err, code, "%s", message);
    }
}

static void reading_work(void *arg)
{
    struct reading *r = arg;
    r->rc = r->root ? discovery_read_root(r->body, r->len, &r->found, &r->err)
                    : discovery_read_resources(r->body, r->len, &r->gv, &r->found, &r->err);
}

static void reading_done(void *arg)
{
    struct reading *reading = arg;
    struct part *part = reading->part;
    struct round *round = part->round;
    part->reading = NULL;
    round->under_way--;
    if (reading->rc)
        part_failed(part, reading->err.code, reading->err.text);
    else
        part->found = reading->found;
    if (!reading->rc)
        reading->found = (struct discovered){0};
    reading_free(reading);
    round_go_on(round);
}

static void part_read(struct part *part, const struct kube_answer *answer)
{
    struct reading *reading = mem_new(sizeof(*reading));
    *reading = (struct reading){.part = part, .len = answer->body_len, .root = !part->root};
    reading->gv = (struct group_version){.group = mem_str(part->gv.group),
                                         .version = mem_str(part->gv.version),
                                         .preferred = part->gv.preferred};
    reading->body = malloc(answer->body_len + 1);
    if (reading->body)
        memcpy(reading->body, answer->body, answer->body_len);
    part->reading = reading;
    part->round->under_way++;
    if (!reading->body) {
        reading->rc = err_no_memory(&reading->err);
        reading_done(reading);
    } else if (answer->body_len <= KUBE_DISCOVERY_SMALL) {
        reading_work(reading);
        reading_done(reading);
    } else {
        reading->job =
            loop_job(part->round->discovery->cluster->clusters->loop, reading_work, reading_done, reading);
    }
}

static void part_answered(void *arg, const struct kube_answer *answer)
{
    struct part *part = arg;
    part->call = NULL;
    part->round->under_way--;
    if (answer->status < 200 || answer->status > 299)
        part_failed(part, answer->code, answer->message);
    else if (answer->body_len > KUBE_DISCOVERY_MAX)
        part_failed(part, ERR_TOO_LARGE, "the answer is larger than 8 MiB");
    else
        part_read(part, answer);
    round_go_on(part->round);
}

static void part_send(struct part *part)
{
    struct round *round = part->round;
    struct err err;
    struct kube_request request = {
        .method = "GET", .path = part->gv.path, .accept = part->root ? NULL : aggregated};
    part->call = kube_send(round->discovery->cluster, &request, part_answered, part, &err);
    if (part->call)
        round->under_way++;
    else
        part_failed(part, err.code, err.text);
}

/* Both roots have answered: what they list in the old form is asked one by one. */
static void round_spread(struct round *round)
{
    size_t count = round->roots[0].found.groups.count + round->roots[1].found.groups.count, n = 0;
    round->parts = mem_new((count ? count : 1) * sizeof(*round->parts));
    for (size_t root = 0; root < 2; root++)
        for (size_t i = 0; i < round->roots[root].found.groups.count; i++)
            round->parts[n++] = (struct part){
                .round = round, .root = &round->roots[root], .gv = round->roots[root].found.groups.items[i]};
    round->part_count = count;
}

static void round_step(void *arg)
{
    struct round *round = arg;
    round->step = NULL;
    if (!round->parts && round->under_way)
        return;
    if (!round->failed && !round->parts)
        round_spread(round);
    while (!round->failed && round->next < round->part_count && round->under_way < ROUND_AT_ONCE)
        part_send(&round->parts[round->next++]);
    if (!round->under_way)
        round_end(round);
}

/* What has not come by now is counted as failed; what has come is used. */
static void round_over(void *arg)
{
    struct round *round = arg;
    round->limit = NULL;
    for (size_t i = 0; i < 2 + round->part_count; i++) {
        struct part *part = i < 2 ? &round->roots[i] : &round->parts[i - 2];
        if (part->call || part->reading || (i >= 2 && i - 2 >= round->next))
            part_failed(part, ERR_TIMEOUT, "no answer within 60 s");
        part_drop(part);
    }
    round->next = round->part_count;
    round->under_way = 0;
    round_go_on(round);
}

static void round_begin(struct discovery *d)
{
    static const char *const paths[] = {"/api", "/apis"};
    struct round *round = mem_new(sizeof(*round));
    round->discovery = d;
    round->kinds = kinds_new();
    d->round = round;
    d->rounds++;
    d->began_ms = clock_mono_ms();
    round->limit = timer_start(d->cluster->clusters->loop, KUBE_ROUND_MS, round_over, round);
    for (size_t i = 0; i < 2; i++) {
        round->roots[i] = (struct part){.round = round, .gv = {.path = (char *)paths[i]}};
        part_send(&round->roots[i]);
    }
    round_go_on(round);
}

static void discovery_soon(void *arg)
{
    struct discovery *d = arg;
    d->soon = NULL;
    round_begin(d);
}

static void discovery_later(void *arg)
{
    struct discovery *d = arg;
    d->later = NULL;
    round_begin(d);
}

/* A round that begins from now on, at the next allowed moment. */
static void discovery_want(struct discovery *d)
{
    uint64_t age = clock_mono_ms() - d->began_ms;
    struct loop *loop = d->cluster->clusters->loop;
    if (d->round || d->soon || d->later)
        return;
    if (d->rounds && age < KUBE_HOLD_MS)
        d->later = timer_start(loop, KUBE_HOLD_MS - age, discovery_later, d);
    else
        d->soon = loop_defer(loop, discovery_soon, d);
}

static struct discovery *discovery_of(struct cluster *cluster)
{
    if (!cluster->discovery) {
        cluster->discovery = mem_new(sizeof(struct discovery));
        cluster->discovery->cluster = cluster;
        TAILQ_INIT(&cluster->discovery->waits);
    }
    return cluster->discovery;
}

struct kube_call *cluster_discover(struct cluster *cluster, bool fresh, kube_ready_fn *done, void *arg)
{
    struct discovery *d = discovery_of(cluster);
    struct discover_wait *wait = mem_new(sizeof(*wait));
    wait->done = done;
    wait->arg = arg;
    kube_call_link(&wait->base, cluster, wait_cancel);
    TAILQ_INSERT_TAIL(&d->waits, wait, link);
    bool known = d->known && !fresh;
    if (known)
        wait->deferred = loop_defer(cluster->clusters->loop, wait_tell, wait);
    else
        wait->round = d->rounds + (d->round && !fresh ? 0 : 1);
    if (!known || clock_mono_ms() - d->known_ms >= KUBE_KNOWN_MS)
        discovery_want(d);
    return &wait->base;
}

void discovery_free(struct discovery *d)
{
    struct discover_wait *wait;
    if (!d)
        return;
    while ((wait = TAILQ_FIRST(&d->waits)) != NULL) {
        struct kube_call *call = &wait->base;
        kube_cancel(&call);
    }
    if (d->round)
        round_free(d->round);
    timer_stop(&d->later);
    deferred_cancel(&d->soon);
    kinds_free(d->known);
    kinds_free(d->before);
    free(d->failure);
    free(d);
}

bool cluster_discovered_since(const struct cluster *cluster, uint64_t since_ms)
{
    const struct discovery *d = cluster->discovery;
    return d && d->known && !d->round && d->began_ms >= since_ms;
}

const struct kube_kind *cluster_kind(struct cluster *cluster, const char *api_version, const char *kind)
{
    const struct discovery *d = cluster->discovery;
    return d && d->known ? kinds_find(d->known, api_version, kind) : NULL;
}

const struct kube_kind *cluster_resource(struct cluster *cluster, const char *name)
{
    const struct discovery *d = cluster->discovery;
    return d && d->known ? kinds_resource(d->known, name) : NULL;
}

const char *const *cluster_discovery_failures(const struct cluster *cluster)
{
    static const char *const none[] = {NULL};
    const struct discovery *d = cluster->discovery;
    return d && d->known ? (const char *const *)d->known->failures : none;
}
