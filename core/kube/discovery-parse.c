/* Discovery documents: the aggregated form (v2, v2beta1) and the old lists. Whatever has not the
 * form that is expected is left out, entry by entry: one odd API server hides nobody else's kinds. */
#include "kube/kube-internal.h"

#include "base/mem.h"
#include "base/str.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(const json_t *map, const char *key)
{
    return str_or(json_string_value(json_object_get(map, key)), "");
}

static unsigned verbs_of(const json_t *list)
{
    static const struct {
        const char *name;
        enum kube_verb bit;
    } verbs[] = {{"get", KUBE_GET},       {"list", KUBE_LIST},     {"watch", KUBE_WATCH},
                 {"create", KUBE_CREATE}, {"update", KUBE_UPDATE}, {"patch", KUBE_PATCH},
                 {"delete", KUBE_DELETE}};
    unsigned bits = 0;
    for (size_t i = 0; i < json_array_size(list); i++)
        for (size_t v = 0; v < sizeof(verbs) / sizeof(*verbs); v++)
            if (str_eq(json_string_value(json_array_get(list, i)), verbs[v].name))
                bits |= verbs[v].bit;
    return bits;
}

static const char *const *short_names_of(struct kind_set *set, const json_t *list)
{
    size_t n = 0, size = json_array_size(list);
    const char **names = kind_set_room(set, (size + 1) * sizeof(*names));
    for (size_t i = 0; names && i < size; i++) {
        const char *name = json_string_value(json_array_get(list, i));
        if (!str_empty(name))
            names[n++] = kind_set_text(set, name);
    }
    if (names)
        names[n] = NULL;
    return names;
}

/* What one entry says, in either form. */
struct found {
    const char *plural, *singular, *kind;
    bool namespaced;
    const json_t *verbs, *short_names;
};

static char *singular_of(struct kind_set *set, const struct found *f)
{
    char *singular = kind_set_text(set, str_empty(f->singular) ? f->kind : f->singular);
    /* Old servers don't say it; kubectl takes the kind in small letters then. */
    for (char *p = singular; p && *p && str_empty(f->singular); p++)
        *p = (char)tolower((unsigned char)*p);
    return singular;
}

static void kind_take(struct kind_set *set, const struct group_version *gv, const struct found *f)
{
    if (str_empty(f->plural) || str_empty(f->kind) || strchr(f->plural, '/'))
        return;
    struct kube_kind *kind = kind_set_add(set);
    if (!kind)
        return;
    kind->group = kind_set_text(set, gv->group);
    kind->version = kind_set_text(set, gv->version);
    char *whole = *gv->group ? mem_printf("%s/%s", gv->group, gv->version) : mem_str(gv->version);
    kind->api_version = kind_set_text(set, whole);
    free(whole);
    kind->kind = kind_set_text(set, f->kind);
    kind->plural = kind_set_text(set, f->plural);
    kind->singular = singular_of(set, f);
    kind->short_names = short_names_of(set, f->short_names);
    kind->namespaced = f->namespaced;
    kind->verbs = verbs_of(f->verbs);
    kind->preferred = gv->preferred;
}

static void aggregated_version(struct kind_set *set, const struct group_version *gv, const json_t *version)
{
    const json_t *resources = json_object_get(version, "resources");
    for (size_t i = 0; i < json_array_size(resources); i++) {
        const json_t *r = json_array_get(resources, i);
        struct found found = {
            .plural = text_of(r, "resource"),
            .singular = text_of(r, "singularResource"),
            .kind = text_of(json_object_get(r, "responseKind"), "kind"),
            .namespaced = strcmp(text_of(r, "scope"), "Namespaced") == 0,
            .verbs = json_object_get(r, "verbs"),
            .short_names = json_object_get(r, "shortNames"),
        };
        kind_take(set, gv, &found);
    }
}

static void group_list_add(struct group_list *groups, const char *group, const char *version, bool preferred)
{
    if (groups->count == KUBE_GROUPS_MAX || !*version || strchr(version, '/') || strchr(group, '/'))
        return;
    groups->items = mem_grow(groups->items, (groups->count + 1) * sizeof(*groups->items));
    groups->items[groups->count++] = (struct group_version){
        .group = mem_str(group),
        .version = mem_str(version),
        .path = *group ? mem_printf("/apis/%s/%s", group, version) : mem_printf("/api/%s", version),
        .preferred = preferred,
    };
}

static void group_list_clear(struct group_list *groups)
{
    for (size_t i = 0; i < groups->count; i++) {
        free(groups->items[i].group);
        free(groups->items[i].version);
        free(groups->items[i].path);
    }
    free(groups->items);
    *groups = (struct group_list){0};
}

void discovered_clear(struct discovered *discovered)
{
    kind_set_free(discovered->set);
    discovered->set = NULL;
    group_list_clear(&discovered->groups);
    group_list_clear(&discovered->stale);
}

static void aggregated_group(struct discovered *out, const json_t *item)
{
    const char *group = text_of(json_object_get(item, "metadata"), "name");
    const json_t *versions = json_object_get(item, "versions");
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const json_t *version = json_array_get(versions, i);
        struct group_version gv = {
            .group = (char *)group, .version = (char *)text_of(version, "version"), .preferred = i == 0};
        if (!*gv.version)
            continue;
        if (strcmp(text_of(version, "freshness"), "Stale") == 0)
            group_list_add(&out->stale, group, gv.version, gv.preferred);
        aggregated_version(out->set, &gv, version);
    }
}

/* The preferred version first, so that the order of the list is the order of preference. */
static void group_versions(struct group_list *groups, const json_t *item)
{
    const char *group = text_of(item, "name");
    const char *preferred = text_of(json_object_get(item, "preferredVersion"), "version");
    const json_t *versions = json_object_get(item, "versions");
    if (!*preferred)
        preferred = text_of(json_array_get(versions, 0), "version");
    if (!*group)
        return;
    group_list_add(groups, group, preferred, true);
    for (size_t i = 0; i < json_array_size(versions); i++) {
        const char *version = text_of(json_array_get(versions, i), "version");
        if (strcmp(version, preferred) != 0)
            group_list_add(groups, group, version, false);
    }
}

static json_t *document_of(const char *body, size_t len, struct err *err)
{
    json_error_t wrong;
    json_t *root = json_loadb(body, len, 0, &wrong);
    if (!root && json_error_code(&wrong) == json_error_out_of_memory)
        err_no_memory(err);
    else if (!root)
        err_set(err, "the answer is no JSON: %s", wrong.text);
    return root;
}

int discovery_read_root(const char *body, size_t len, struct discovered *out, struct err *err)
{
    json_t *root = document_of(body, len, err);
    const char *kind = text_of(root, "kind");
    const json_t *list;
    int rc = 0;
    if (!root)
        return -1;
    if (strcmp(kind, "APIGroupDiscoveryList") == 0) {
        out->set = kind_set_new();
        list = json_object_get(root, "items");
        for (size_t i = 0; i < json_array_size(list); i++)
            aggregated_group(out, json_array_get(list, i));
        rc = out->set->failed ? err_no_memory(err) : 0;
    } else if (strcmp(kind, "APIVersions") == 0) {
        list = json_object_get(root, "versions");
        for (size_t i = 0; i < json_array_size(list); i++)
            group_list_add(&out->groups, "", str_or(json_string_value(json_array_get(list, i)), ""), i == 0);
    } else if (strcmp(kind, "APIGroupList") == 0) {
        list = json_object_get(root, "groups");
        for (size_t i = 0; i < json_array_size(list); i++)
            group_versions(&out->groups, json_array_get(list, i));
    } else {
        rc = err_set(err, "the answer is no list of API groups (its kind is \"%.64s\")", kind);
    }
    json_decref(root);
    return rc;
}

int discovery_read_resources(const char *body, size_t len, const struct group_version *gv,
                             struct discovered *out, struct err *err)
{
    json_t *root = document_of(body, len, err);
    const json_t *list = json_object_get(root, "resources");
    int rc = 0;
    if (!root)
        return -1;
    if (!json_is_array(list))
        rc = err_set(err, "the answer is no list of resources");
    else
        out->set = kind_set_new();
    for (size_t i = 0; i < json_array_size(list); i++) {
        const json_t *r = json_array_get(list, i);
        struct found found = {
            .plural = text_of(r, "name"),
            .singular = text_of(r, "singularName"),
            .kind = text_of(r, "kind"),
            .namespaced = json_is_true(json_object_get(r, "namespaced")),
            .verbs = json_object_get(r, "verbs"),
            .short_names = json_object_get(r, "shortNames"),
        };
        kind_take(out->set, gv, &found);
    }
    if (out->set && out->set->failed)
        rc = err_no_memory(err);
    json_decref(root);
    return rc;
}
