/* Registrations and their leases (docs/PROTOCOL.md, section 3). */
#include "tcd/core/nodes.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/operations.h"

#include <stdlib.h>
#include <string.h>

/* The counters of one TPM only grow; within one boot its clock does. Lower counts are those of
 * another identity, or of a copied state. */
static enum refusal_code check_boot(const struct boot_counters *before,
                                    const struct boot_counters *now)
{
    if (now->reset_count < before->reset_count ||
        (now->reset_count == before->reset_count && now->restart_count < before->restart_count)) {
        return REFUSAL_RESET;
    }
    if (now->reset_count == before->reset_count && now->restart_count == before->restart_count &&
        now->clock_ms <= before->clock_ms) {
        return REFUSAL_CLOCK;
    }
    return REFUSAL_NONE;
}

static enum refusal_code check_registration(struct registry *registry, const struct node *node,
                                            const struct command *command)
{
    const struct registration *before = node ? &node->registration : NULL;
    struct digest tk_sign = sha256(command->node_registered.tk_sign);
    struct digest tk_kem = sha256(command->node_registered.tk_kem);
    enum refusal_code verdict = REFUSAL_NONE;

    if (!node || !node->in_manifest) {
        return state_refuse(registry, REFUSAL_EK_NOT_IN_MANIFEST, "node %s",
                            command->node_registered.node.text);
    }
    if (registry->perimeter.expired) {
        return state_refuse(registry, REFUSAL_MANIFEST_EXPIRED, "version %llu",
                            (unsigned long long)registry->perimeter.manifest_version);
    }
    if (registry->perimeter.epoch == 0) {
        return state_refuse(registry, REFUSAL_ENDORSEMENT_MISSING, "no epoch was endorsed");
    }
    if (strcmp(node->name.text, command->node_registered.node.text) != 0) {
        return state_refuse(registry, REFUSAL_EK_MISMATCH, "the manifest calls it %s",
                            node->name.text);
    }
    if (node->standing == NODE_REVOKED) {
        return state_refuse(registry, REFUSAL_NODE_REVOKED, "node %s", node->name.text);
    }
    if (seen(registry, &command->node_registered.nonce) || seen(registry, &tk_sign) ||
        seen(registry, &tk_kem)) {
        return state_refuse(registry, REFUSAL_KEY_REUSED, "node %s", node->name.text);
    }
    if (before->id != 0 && view_equal(tpm_name_view(&before->ak_name),
                                      tpm_name_view(&command->node_registered.ak_name))) {
        verdict = check_boot(&before->boot, &command->node_registered.boot);
    }
    return verdict == REFUSAL_NONE ? REFUSAL_NONE
                                   : state_refuse(registry, verdict, "node %s", node->name.text);
}

static void registration_fill(struct registry *registry, struct registration *registration,
                              const struct command *command)
{
    *registration = (struct registration){
        .id = registry->next_registration++,
        .live = true,
        .lease_s = registry->perimeter.lease_s,
        .epoch = registry->perimeter.epoch,
        .manifest_version = registry->perimeter.manifest_version,
        .policy = command->rests.policy,
        .ak_name = command->node_registered.ak_name,
        .tk_sign_size = command->node_registered.tk_sign.size,
        .boot = command->node_registered.boot,
        .firmware_version = command->node_registered.firmware_version,
        .progress = command->node_registered.progress,
        .evidence = command->node_registered.evidence,
        .registered_at_s = registry->time_s,
        .renewed_at_s = registry->time_s,
    };
    memcpy(registration->tk_sign, command->node_registered.tk_sign.data,
           command->node_registered.tk_sign.size);
    memcpy(registration->tk_kem, command->node_registered.tk_kem.data, CORE_KEM_KEY_SIZE);
}

enum refusal_code node_register(struct registry *registry, const struct command *command)
{
    struct digest ek_id = sha256(tpm_name_view(&command->node_registered.ek_name));
    struct node *node = table_find(&registry->nodes_by_ek, &ek_id);
    enum refusal_code verdict = check_registration(registry, node, command);
    struct digest tk_sign = sha256(command->node_registered.tk_sign);
    struct digest tk_kem = sha256(command->node_registered.tk_kem);
    uint64_t former;

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    former = node->registration.id;
    if (former != 0) {
        ASSERT(table_remove(&registry->nodes_by_registration, &former) == node);
    }
    registration_fill(registry, &node->registration, command);
    table_insert(&registry->nodes_by_registration, node);
    node_release(registry, node);
    seen_note(registry, &command->node_registered.nonce);
    seen_note(registry, &tk_sign);
    seen_note(registry, &tk_kem);
    registry->made_id = node->registration.id;
    audit_begin(registry);
    audit_text(registry, "node", node->name.text);
    audit_number(registry, "registration", node->registration.id);
    audit_number(registry, "replaces", former);
    audit_number(registry, "version", node->registration.manifest_version);
    audit_digest(registry, "policy", &node->registration.policy);
    audit_digest(registry, "key", &tk_sign);
    audit_digest(registry, "evidence", &node->registration.evidence);
    digest_touch_node(registry, node);
    if (former != 0) {
        operations_abort_for(registry, node, "a side of it registered anew");
    }
    return REFUSAL_NONE;
}

enum refusal_code lease_expire(struct registry *registry, const struct command *command)
{
    struct node *node = node_find_registration(registry, command->rests.registration);

    if (!node->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "it expired before");
    }
    node->registration.live = false;
    audit_begin(registry);
    audit_text(registry, "node", node->name.text);
    audit_number(registry, "registration", node->registration.id);
    audit_number(registry, "renewal", node->registration.renewal);
    digest_touch_node(registry, node);
    return REFUSAL_NONE;
}

static enum refusal_code check_renewal(const struct node *node, const struct renewal *renewal)
{
    const struct registration *registration;

    if (!node) {
        return REFUSAL_REGISTRATION;
    }
    registration = &node->registration;
    switch (node->standing) {
    case NODE_QUARANTINED:
        return REFUSAL_NODE_QUARANTINED;
    case NODE_REVOKED:
        return REFUSAL_NODE_REVOKED;
    case NODE_GOOD:
        break;
    }
    /* Rule (d): what expired in the state is never revived. */
    if (!registration->live) {
        return REFUSAL_NO_LEASE;
    }
    if (renewal->number != registration->renewal + 1 ||
        !digest_equal(&renewal->policy, &node->policy)) {
        return REFUSAL_STALE_VERSION;
    }
    if (renewal->boot.reset_count != registration->boot.reset_count ||
        renewal->boot.restart_count != registration->boot.restart_count) {
        return REFUSAL_RESET;
    }
    if (renewal->boot.clock_ms <= registration->boot.clock_ms) {
        return REFUSAL_CLOCK;
    }
    return renewal->progress.ima_count < registration->progress.ima_count ? REFUSAL_IMA_LOG
                                                                          : REFUSAL_NONE;
}

enum refusal_code leases_renew(struct registry *registry, const struct command *command)
{
    size_t count = command->renewal_batch.count;

    free(registry->items);
    registry->items = state_alloc(count + 1, sizeof *registry->items);
    registry->item_count = count;
    for (size_t i = 0; i < count; i++) {
        const struct renewal *renewal = &command->renewal_batch.items[i];
        struct node *node = node_find_registration(registry, renewal->registration);

        registry->items[i] = check_renewal(node, renewal);
        if (registry->items[i] != REFUSAL_NONE) {
            registry->counters.refused_renewals++;
            continue;
        }
        node->registration.renewal = renewal->number;
        if (node->registration.lease_s < registry->perimeter.lease_s) {
            node->registration.lease_s = registry->perimeter.lease_s;
        }
        node->registration.policy = renewal->policy;
        node->registration.boot = renewal->boot;
        node->registration.progress = renewal->progress;
        node->registration.renewed_at_s = registry->time_s;
        registry->counters.renewals++;
        digest_touch_node(registry, node);
    }
    return REFUSAL_NONE;
}
