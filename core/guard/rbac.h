/* rbac.h: what a role may do. The default matrix for now; a policy file replaces it later. */
#pragma once

#include <stdbool.h>

/* May `role` do `action` (get list watch create update delete scale reveal …) on `resource`
 * (the registered name: "deployments", "pdb") in `ns` ("" for cluster-scoped)? */
bool rbac_allows(const char *role, const char *action, const char *resource, const char *ns);

/* The role that may work cluster-wide and see everybody's executions. */
bool rbac_is_admin(const char *role);
