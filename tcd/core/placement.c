#include "tcd/core/placement.h"

#include <string.h>

static bool rule_holds(const struct node *node, const struct attribute_rule *rule)
{
    for (unsigned i = 0; i < node->attribute_count; i++) {
        if (strcmp(node->attributes[i].key, rule->key) != 0) {
            continue;
        }
        for (unsigned k = 0; k < rule->value_count; k++) {
            if (strcmp(node->attributes[i].value, rule->values[k]) == 0) {
                return true;
            }
        }
    }
    return false;
}

enum refusal_code placement_allows(const struct node *node, const struct vm_policy *policy)
{
    if (policy->needs_host_profile && !node->host_profile) {
        return REFUSAL_NO_PLACEMENT;
    }
    for (unsigned i = 0; i < policy->rule_count; i++) {
        if (!rule_holds(node, &policy->rules[i])) {
            return REFUSAL_NO_PLACEMENT;
        }
    }
    return REFUSAL_NONE;
}

const struct node *placement_pick(const struct registry *registry, const struct vm_policy *policy,
                                  uint64_t besides)
{
    const struct node *node, *best = NULL;
    size_t cursor = 0;

    while ((node = registry_node_next(registry, &cursor))) {
        if (node->id == besides || node->cordoned || (best && best->vm_count <= node->vm_count) ||
            registry_node_admits(registry, node) != REFUSAL_NONE ||
            placement_allows(node, policy) != REFUSAL_NONE) {
            continue;
        }
        best = node;
    }
    return best;
}
