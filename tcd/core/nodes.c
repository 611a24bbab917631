#include "tcd/core/nodes.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/operations.h"

#include <stdlib.h>
#include <string.h>

const char *node_state_name(enum node_state state)
{
    static const char *const names[] = {
        [NODE_NEVER_SEEN] = "never-seen",     [NODE_LIVE] = "live",   [NODE_EXPIRED] = "expired",
        [NODE_IN_QUARANTINE] = "quarantined", [NODE_OUT] = "revoked",
    };

    ASSERT(state < ARRAY_SIZE(names));
    return names[state];
}

enum node_state node_state(const struct node *node)
{
    switch (node->standing) {
    case NODE_QUARANTINED:
        return NODE_IN_QUARANTINE;
    case NODE_REVOKED:
        return NODE_OUT;
    case NODE_GOOD:
        break;
    }
    if (node->registration.id == 0) {
        return NODE_NEVER_SEEN;
    }
    return node->registration.live ? NODE_LIVE : NODE_EXPIRED;
}

bool seen(const struct registry *registry, const struct digest *digest)
{
    return table_find(&registry->seen, digest) != NULL;
}

void seen_note(struct registry *registry, const struct digest *digest)
{
    struct seen_entry *entry;

    if (seen(registry, digest)) {
        return;
    }
    entry = state_alloc(1, sizeof *entry);
    entry->digest = *digest;
    table_insert(&registry->seen, entry);
    if (registry->seen.count > SEEN_COUNT_MAX) {
        entry = table_first(&registry->seen);
        ASSERT(table_remove(&registry->seen, &entry->digest) == entry);
        free(entry);
    }
}

struct node *node_find(const struct registry *registry, uint64_t id)
{
    return table_find(&registry->nodes, &id);
}

struct node *node_find_registration(const struct registry *registry, uint64_t registration)
{
    return table_find(&registry->nodes_by_registration, &registration);
}

void node_insert(struct registry *registry, struct node *node)
{
    table_insert(&registry->nodes, node);
    table_insert(&registry->nodes_by_ek, node);
    if (node->in_manifest) {
        table_insert(&registry->nodes_by_name, node);
    }
    if (node->registration.id != 0) {
        table_insert(&registry->nodes_by_registration, node);
    }
}

void node_free(struct node *node)
{
    free(node->attributes);
    free(node);
}

static void node_drop(struct registry *registry, struct node *node)
{
    ASSERT(!node->in_manifest && node->vm_count == 0);
    ASSERT(table_remove(&registry->nodes, &node->id) == node);
    ASSERT(table_remove(&registry->nodes_by_ek, &node->ek_id) == node);
    if (node->registration.id != 0) {
        ASSERT(table_remove(&registry->nodes_by_registration, &node->registration.id) == node);
    }
    node_free(node);
}

static void node_stand(const struct registry *registry, struct node *node,
                       enum node_standing standing, const char *reason, const char *detail)
{
    if (node->standing != standing) {
        node->standing_since_s = registry->time_s;
    }
    node->standing = standing;
    node->finding = (struct finding){.subject = ""};
    state_text(node->reason, sizeof node->reason, reason);
    state_text(node->detail, sizeof node->detail, detail);
}

enum refusal_code nodes_check_manifest(struct registry *registry,
                                       const struct manifest_facts *facts)
{
    if (registry->nodes.count + facts->node_count > CORE_NODE_RECORD_COUNT_MAX) {
        return state_refuse(registry, REFUSAL_LIMIT, "%zu nodes hold VMs outside the manifest",
                            registry->nodes.count);
    }
    for (unsigned i = 0; i < facts->node_count; i++) {
        const struct node_entry *entry = &facts->nodes[i];
        const struct node *former = table_find(&registry->nodes_by_name, &entry->name);

        if (former && !digest_equal(&former->ek_id, &entry->ek_id) &&
            !view_equal(tpm_name_view(&entry->replaces), tpm_name_view(&former->ek_name))) {
            return state_refuse(registry, REFUSAL_UNDECLARED_REPLACEMENT,
                                "node %s has another TPM in the manifest in force",
                                entry->name.text);
        }
    }
    return REFUSAL_NONE;
}

static void node_take_entry(const struct registry *registry, struct node *node,
                            const struct node_entry *entry)
{
    node->name = entry->name;
    node->policy_name = entry->policy_name;
    node->policy = entry->policy;
    node->host_profile = entry->host_profile;
    free(node->attributes);
    node->attributes = NULL;
    node->attribute_count = entry->attribute_count;
    if (entry->attribute_count > 0) {
        node->attributes = state_alloc(entry->attribute_count, sizeof *node->attributes);
        memcpy(node->attributes, entry->attributes,
               entry->attribute_count * sizeof *node->attributes);
    }
    if (!node->in_manifest && node->id != 0) {
        /* It was out: what it proved before counts no more, until it registers anew. */
        node->cordoned = false;
        if (node->registration.live) {
            node_stand(registry, node, NODE_QUARANTINED, refusal_name(REFUSAL_EK_NOT_IN_MANIFEST),
                       "back in the manifest; has to register again");
        } else {
            node_stand(registry, node, NODE_GOOD, "", "");
        }
    }
    node->in_manifest = true;
}

static void node_leaves(struct registry *registry, struct node *node)
{
    bool was_in = node->in_manifest;

    node->in_manifest = false;
    if (node->vm_count == 0 && !node->registration.live &&
        (!was_in || node->registration.id == 0)) {
        node_drop(registry, node);
        return;
    }
    if (was_in && node->standing != NODE_REVOKED) {
        node_stand(registry, node, NODE_REVOKED, refusal_name(REFUSAL_EK_NOT_IN_MANIFEST),
                   "the manifest does not name it any more");
        audit_begin_effect(registry, command_kind_name(COMMAND_NODE_REVOKED));
        audit_text(registry, "node", node->name.text);
        audit_text(registry, "reason", node->reason);
    }
    digest_touch_node(registry, node);
}

void nodes_of_manifest(struct registry *registry, const struct manifest_facts *facts)
{
    struct table entries;
    struct node *node;
    size_t cursor = 0;

    TABLE_INIT(&entries, struct node_entry, ek_id);
    for (unsigned i = 0; i < facts->node_count; i++) {
        table_insert(&entries, &facts->nodes[i]);
    }
    table_free(&registry->nodes_by_name);
    while ((node = table_next(&registry->nodes, &cursor))) {
        const struct node_entry *entry = table_find(&entries, &node->ek_id);

        if (entry) {
            node_take_entry(registry, node, entry);
        } else {
            node_leaves(registry, node);
        }
    }
    table_free(&entries);
    for (unsigned i = 0; i < facts->node_count; i++) {
        node = table_find(&registry->nodes_by_ek, &facts->nodes[i].ek_id);
        if (!node) {
            node = state_alloc(1, sizeof *node);
            node_take_entry(registry, node, &facts->nodes[i]);
            node->id = registry->next_node++;
            node->ek_name = facts->nodes[i].ek_name;
            node->ek_id = facts->nodes[i].ek_id;
            node_insert(registry, node);
        } else {
            table_insert(&registry->nodes_by_name, node);
        }
        digest_touch_node(registry, node);
    }
}

static struct node *node_named(struct registry *registry, const struct core_name *name,
                               enum refusal_code *ret_verdict)
{
    struct node *node = table_find(&registry->nodes_by_name, name);

    if (!node) {
        *ret_verdict = state_refuse(registry, REFUSAL_NOT_FOUND, "no node %s", name->text);
    }
    return node;
}

enum refusal_code node_cordon(struct registry *registry, const struct command *command)
{
    enum refusal_code verdict = REFUSAL_NONE;
    struct node *node = node_named(registry, &command->node_cordoned.node, &verdict);

    if (!node) {
        return verdict;
    }
    node->cordoned = command->node_cordoned.cordoned;
    audit_begin(registry);
    audit_text(registry, "node", node->name.text);
    audit_text(registry, "cordoned", node->cordoned ? "yes" : "no");
    digest_touch_node(registry, node);
    return REFUSAL_NONE;
}

enum refusal_code node_revoke(struct registry *registry, const struct command *command)
{
    enum refusal_code verdict = REFUSAL_NONE;
    struct node *node = node_named(registry, &command->node_revoked.node, &verdict);

    if (!node) {
        return verdict;
    }
    if (node->standing == NODE_REVOKED) {
        return state_refuse(registry, REFUSAL_NODE_REVOKED, "%s was revoked before",
                            node->name.text);
    }
    node_stand(registry, node, NODE_REVOKED, refusal_name(REFUSAL_NODE_REVOKED),
               command->node_revoked.reason);
    audit_begin(registry);
    audit_text(registry, "node", node->name.text);
    audit_text(registry, "reason", node->detail);
    digest_touch_node(registry, node);
    return REFUSAL_NONE;
}

enum refusal_code node_quarantine(struct registry *registry, const struct command *command)
{
    struct node *node = node_find_registration(registry, command->rests.registration);

    if (node->standing != NODE_GOOD) {
        return state_refuse(registry,
                            node->standing == NODE_REVOKED ? REFUSAL_NODE_REVOKED
                                                           : REFUSAL_NODE_QUARANTINED,
                            "%s", node->name.text);
    }
    node_stand(registry, node, NODE_QUARANTINED, command->node_quarantined.reason,
               command->node_quarantined.detail);
    node->finding = command->node_quarantined.finding;
    audit_begin(registry);
    audit_text(registry, "node", node->name.text);
    audit_number(registry, "registration", node->registration.id);
    audit_text(registry, "reason", node->reason);
    audit_text(registry, "detail", node->detail);
    if (node->finding.subject[0]) {
        audit_text(registry, "subject", node->finding.subject);
        audit_text(registry, "expected", node->finding.expected);
        audit_text(registry, "seen", node->finding.seen);
    }
    digest_touch_node(registry, node);
    return REFUSAL_NONE;
}

void node_release(const struct registry *registry, struct node *node)
{
    node_stand(registry, node, NODE_GOOD, "", "");
}

const struct node *registry_node_next(const struct registry *registry, size_t *cursor)
{
    return table_next(&registry->nodes, cursor);
}

const struct node *registry_node(const struct registry *registry, uint64_t id)
{
    return node_find(registry, id);
}

const struct node *registry_node_by_name(const struct registry *registry, const char *name)
{
    struct core_name key;

    return state_name(name, &key) ? table_find(&registry->nodes_by_name, &key) : NULL;
}

const struct node *registry_node_by_ek(const struct registry *registry, struct view ek_name)
{
    struct digest ek_id = sha256(ek_name);

    return table_find(&registry->nodes_by_ek, &ek_id);
}

const struct node *registry_node_by_registration(const struct registry *registry,
                                                 uint64_t registration)
{
    return node_find_registration(registry, registration);
}

enum refusal_code registry_node_admits(const struct registry *registry, const struct node *node)
{
    if (registry->perimeter.expired) {
        return REFUSAL_MANIFEST_EXPIRED;
    }
    if (!node->in_manifest) {
        return REFUSAL_EK_NOT_IN_MANIFEST;
    }
    switch (node->standing) {
    case NODE_QUARANTINED:
        return REFUSAL_NODE_QUARANTINED;
    case NODE_REVOKED:
        return REFUSAL_NODE_REVOKED;
    case NODE_GOOD:
        break;
    }
    if (node->registration.id == 0 || !node->registration.live) {
        return REFUSAL_NO_LEASE;
    }
    if (!digest_equal(&node->registration.policy, &node->policy) ||
        node->registration.epoch != registry->perimeter.epoch) {
        return REFUSAL_STALE_VERSION;
    }
    return REFUSAL_NONE;
}

bool registry_was_seen(const struct registry *registry, const struct digest *digest)
{
    return seen(registry, digest);
}
