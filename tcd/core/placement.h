/* Placement: which node a VM may run on, and which it should. */
#ifndef TCCP_CORE_PLACEMENT_H
#define TCCP_CORE_PLACEMENT_H

#include "tcd/core/registry.h"

/* Does the node satisfy the VM's own policy? REFUSAL_NONE or REFUSAL_NO_PLACEMENT. */
enum refusal_code placement_allows(const struct node *node, const struct vm_policy *policy);

/*
 * The admitted, uncordoned node that the policy allows and that has the fewest VMs; of equals the
 * one that entered the manifest first. `besides` (node id, or 0) is left out. NULL: none.
 */
const struct node *placement_pick(const struct registry *registry, const struct vm_policy *policy,
                                  uint64_t besides);

#endif
