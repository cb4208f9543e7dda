#include "guard/rbac.h"

#include "base/str.h"

#include <string.h>

/* A row allows `actions` on `resources`; "*" is any. Words are separated by blanks.
 * Namespaces do not matter in the default matrix. */
struct rule {
    const char *role, *resources, *actions;
};

static const struct rule matrix[] = {
    {"admin", "*", "*"},
    {"developer", "*", "get list watch"},
    {"developer", "pods deployments services configmaps", "create update delete"},
    {"developer", "deployments", "scale"},
    {"viewer", "*", "get list watch"},
    {"metrics", "metrics", "scrape"},
};

static bool covers(const char *words, const char *word)
{
    size_t n = strlen(word);

    if (str_eq(words, "*"))
        return true;
    while (*words) {
        size_t len = strcspn(words, " ");
        if (len == n && memcmp(words, word, n) == 0)
            return true;
        words += len + strspn(words + len, " ");
    }
    return false;
}

bool rbac_allows(const char *role, const char *action, const char *resource, const char *ns)
{
    (void)ns;
    if (str_empty(role) || str_empty(action) || str_empty(resource))
        return false;
    for (size_t i = 0; i < sizeof(matrix) / sizeof(matrix[0]); i++) {
        const struct rule *rule = &matrix[i];
        if (str_eq(rule->role, role) && covers(rule->resources, resource) && covers(rule->actions, action))
            return true;
    }
    return false;
}

bool rbac_is_admin(const char *role)
{
    return str_eq(role, "admin");
}
