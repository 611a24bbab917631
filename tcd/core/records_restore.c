/* Records from snapshots. Strict: a registry that was restored is one that could have been. */
#include "tcd/core/snapshot.h"

#include "tcd/core/documents.h"
#include "tcd/core/fields.h"
#include "tcd/core/manifest.h"
#include "tcd/core/members.h"
#include "tcd/core/nodes.h"
#include "tcd/core/references.h"
#include "tcd/core/sessions.h"
#include "tcd/core/users.h"
#include "tcd/core/vms.h"

#include <stdlib.h>
#include <string.h>

DEFINE_OWN_POINTER(member, free)
DEFINE_OWN_POINTER(user, free)
DEFINE_OWN_POINTER(node, node_free)
DEFINE_OWN_POINTER(session, session_free)
DEFINE_OWN_POINTER(vm, vm_free)

static enum status restore_header(struct registry *registry,
                                  const Tccp__Log__SnapshotHeader *message)
{
    if (message->format != SNAPSHOT_FORMAT) {
        return STATUS_UNSUPPORTED;
    }
    registry->audit.size = message->audit_size;
    if (!field_digest(message->digest, &registry->digest) ||
        message->n_audit_peaks != merkle_peak_count(&registry->audit)) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < message->n_audit_peaks; i++) {
        if (!field_digest(message->audit_peaks[i], &registry->audit.peaks[i])) {
            return STATUS_MALFORMED;
        }
    }
    registry->revision = message->revision;
    registry->time_s = message->time_s;
    registry->next_raft_id = message->next_raft_id;
    registry->next_session = message->next_session;
    registry->next_node = message->next_node;
    registry->next_registration = message->next_registration;
    registry->next_migration = message->next_migration;
    registry->tombstone_horizon_s = message->tombstone_horizon_s;
    registry->counters = (struct registry_counters){
        .stale = message->stale_count,
        .renewals = message->renewal_count,
        .refused_renewals = message->refused_renewal_count,
    };
    registry->history_from = registry->revision;
    registry->history[registry->revision % REGISTRY_HISTORY_COUNT] = registry->digest;
    return STATUS_OK;
}

static enum status restore_successions(struct perimeter *perimeter,
                                       const Tccp__Log__PerimeterRecord *message)
{
    if (message->n_successions > CORE_SUCCESSION_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < message->n_successions; i++) {
        struct view document = protobuf_view(message->successions[i]);
        struct succession_facts facts;

        TRY(succession_facts_parse(document, &facts));
        if (facts.number != i + 1 || !digest_equal(&facts.perimeter_id, &perimeter->id)) {
            return STATUS_MALFORMED;
        }
        TRY(bytes_copy(document, &perimeter->successions[i]));
        perimeter->succession_count++;
    }
    return STATUS_OK;
}

static enum status restore_perimeter(struct registry *registry,
                                     const Tccp__Log__PerimeterRecord *message)
{
    struct perimeter *perimeter = &registry->perimeter;
    struct view root = protobuf_view(message->root);

    if (root.size == 0 || root.size > CORE_ROOT_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    TRY(bytes_copy(root, &perimeter->root));
    perimeter->adopted = true;
    perimeter->id = sha256(root);
    TRY(restore_successions(perimeter, message));
    if (message->manifest.len > 0) {
        OWN(manifest_facts) struct manifest_facts *facts = NULL;

        TRY(manifest_facts_parse(protobuf_view(message->manifest), &facts));
        if (!digest_equal(&facts->perimeter_id, &perimeter->id)) {
            return STATUS_MALFORMED;
        }
        perimeter_put_manifest(perimeter, protobuf_view(message->manifest), facts);
        members_of_manifest(registry, facts);
    }
    if (message->endorsement.len > 0) {
        struct endorsement_facts facts;

        TRY(endorsement_facts_parse(protobuf_view(message->endorsement), &facts));
        if (!digest_equal(&facts.perimeter_id, &perimeter->id) ||
            facts.epoch != perimeter->manifest_epoch) {
            return STATUS_MALFORMED;
        }
        perimeter_put_endorsement(perimeter, protobuf_view(message->endorsement), &facts);
    }
    perimeter->expired = message->expired;
    return perimeter->expired && perimeter->manifest_version == 0 ? STATUS_MALFORMED : STATUS_OK;
}

static enum status restore_member(struct registry *registry, const Tccp__Log__MemberRecord *message)
{
    OWN(member) struct member *member = calloc(1, sizeof *member);

    if (!member) {
        return STATUS_NO_MEMORY;
    }
    member->raft_id = message->raft_id;
    member->joined_at_s = message->joined_at_s;
    if (member->raft_id == 0 || member->raft_id >= registry->next_raft_id ||
        table_find(&registry->members, &member->raft_id) ||
        !field_name(message->name, &member->name) ||
        !field_tpm_name(message->ek_name, &member->ek_name) ||
        !field_tpm_name(message->ak_name, &member->ak_name) ||
        !field_digest(message->key, &member->key) || !field_boot(message->boot, &member->boot)) {
        return STATUS_MALFORMED;
    }
    table_insert(&registry->members, TAKE(member));
    return STATUS_OK;
}

static enum status restore_user(struct registry *registry, const Tccp__Log__UserRecord *message)
{
    OWN(user) struct user *user = calloc(1, sizeof *user);
    struct view key = protobuf_view(message->key);

    if (!user) {
        return STATUS_NO_MEMORY;
    }
    if (!field_name(message->name, &user->name) || !field_role(message->role, &user->role) ||
        key.size == 0 || key.size > sizeof user->key) {
        return STATUS_MALFORMED;
    }
    user->key_size = key.size;
    memcpy(user->key, key.data, key.size);
    user->key_id = sha256(key);
    user->from_manifest = message->from_manifest;
    user->added_at_s = message->added_at_s;
    if (table_find(&registry->users, &user->name) ||
        table_find(&registry->users_by_key, &user->key_id) ||
        registry->users.count >= CORE_USER_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    user_insert(registry, TAKE(user));
    return STATUS_OK;
}

static bool field_standing(Tccp__Log__NodeStanding source, enum node_standing *ret_standing)
{
    switch (source) {
    case TCCP__LOG__NODE_STANDING__NODE_STANDING_GOOD:
        *ret_standing = NODE_GOOD;
        return true;
    case TCCP__LOG__NODE_STANDING__NODE_STANDING_QUARANTINED:
        *ret_standing = NODE_QUARANTINED;
        return true;
    case TCCP__LOG__NODE_STANDING__NODE_STANDING_REVOKED:
        *ret_standing = NODE_REVOKED;
        return true;
    case TCCP__LOG__NODE_STANDING__NODE_STANDING_UNSPECIFIED:
    case _TCCP__LOG__NODE_STANDING_IS_INT_SIZE:
        break;
    }
    return false;
}

/* A record of before leases were noted: as long as any manifest can give one. */
enum { LEASE_UNKNOWN_S = 3600 };

static bool registration_from(const Tccp__Log__NodeRecord *message,
                              struct registration *registration)
{
    struct view tk_sign = protobuf_view(message->tk_sign);

    registration->id = message->registration;
    registration->live = message->lease_live;
    registration->lease_s = message->lease_s ? message->lease_s : LEASE_UNKNOWN_S;
    registration->renewal = message->renewal;
    registration->epoch = message->registration_epoch;
    registration->manifest_version = message->registration_manifest_version;
    registration->firmware_version = message->firmware_version;
    registration->registered_at_s = message->registered_at_s;
    registration->renewed_at_s = message->renewed_at_s;
    if (tk_sign.size == 0 || tk_sign.size > sizeof registration->tk_sign) {
        return false;
    }
    registration->tk_sign_size = tk_sign.size;
    memcpy(registration->tk_sign, tk_sign.data, tk_sign.size);
    return field_digest(message->appraised_policy, &registration->policy) &&
           field_tpm_name(message->ak_name, &registration->ak_name) &&
           field_fixed(message->tk_kem, registration->tk_kem, CORE_KEM_KEY_SIZE) &&
           field_boot(message->boot, &registration->boot) &&
           field_progress(message->progress, &registration->progress) &&
           field_digest(message->evidence, &registration->evidence);
}

static enum status attributes_from(const Tccp__Log__NodeRecord *message, struct node *node)
{
    if (message->n_attributes > CORE_ATTRIBUTE_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    if (message->n_attributes == 0) {
        return STATUS_OK;
    }
    node->attributes = calloc(message->n_attributes, sizeof *node->attributes);
    if (!node->attributes) {
        return STATUS_NO_MEMORY;
    }
    node->attribute_count = (unsigned)message->n_attributes;
    for (size_t i = 0; i < message->n_attributes; i++) {
        if (!field_text(message->attributes[i]->key, node->attributes[i].key,
                        CORE_NAME_LENGTH_MAX) ||
            !field_text(message->attributes[i]->value, node->attributes[i].value,
                        CORE_VALUE_LENGTH_MAX)) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status restore_node(struct registry *registry, const Tccp__Log__NodeRecord *message)
{
    OWN(node) struct node *node = calloc(1, sizeof *node);

    if (!node) {
        return STATUS_NO_MEMORY;
    }
    node->id = message->id;
    node->in_manifest = message->in_manifest;
    node->host_profile = message->host_profile;
    node->cordoned = message->cordoned;
    node->standing_since_s = message->standing_since_s;
    if (!field_name(message->name, &node->name) ||
        !field_tpm_name(message->ek_name, &node->ek_name) ||
        !field_name(message->policy_name, &node->policy_name) ||
        !field_digest(message->policy, &node->policy) ||
        !field_standing(message->standing, &node->standing) ||
        !field_text(message->reason, node->reason, CORE_REASON_LENGTH_MAX) ||
        !field_text(message->detail, node->detail, CORE_DETAIL_LENGTH_MAX) ||
        !field_finding(message->finding, &node->finding)) {
        return STATUS_MALFORMED;
    }
    node->ek_id = sha256(tpm_name_view(&node->ek_name));
    TRY(attributes_from(message, node));
    if (message->registration != 0 && !registration_from(message, &node->registration)) {
        return STATUS_MALFORMED;
    }
    if (node->id == 0 || node->id >= registry->next_node ||
        node->registration.id >= registry->next_registration ||
        registry->nodes.count >= CORE_NODE_RECORD_COUNT_MAX ||
        table_find(&registry->nodes, &node->id) ||
        table_find(&registry->nodes_by_ek, &node->ek_id) ||
        (node->in_manifest && table_find(&registry->nodes_by_name, &node->name)) ||
        (node->registration.id != 0 && node_find_registration(registry, node->registration.id))) {
        return STATUS_MALFORMED;
    }
    node_insert(registry, TAKE(node));
    return STATUS_OK;
}

static bool field_kind(const char *name, enum command_kind *ret_kind)
{
    for (unsigned kind = 0; kind < COMMAND_KIND_COUNT; kind++) {
        if (strcmp(command_kind_name((enum command_kind)kind), name) == 0) {
            *ret_kind = (enum command_kind)kind;
            return true;
        }
    }
    return false;
}

static bool result_from(const Tccp__Log__ResultRecord *message, struct result *result)
{
    *result = (struct result){
        .number = message->number,
        .verdict = refusal_of_name(message->verdict),
        .revision = message->revision,
        .leaf_index = message->leaf_index,
        .id = message->id,
        .generation = message->generation,
    };
    return result->number != 0 && result->verdict != REFUSAL_CODE_COUNT &&
           field_kind(message->kind, &result->kind);
}

static bool results_from(const Tccp__Log__SessionRecord *message, struct session *session)
{
    size_t next_slot = 0;

    for (size_t i = 0; i < message->n_results; i++) {
        struct result result;
        size_t slot;

        if (!result_from(message->results[i], &result) || result.number > session->highest ||
            !session_remembers(session, result.number) || session->slot_count == 0) {
            return false;
        }
        slot = result.number & (session->slot_count - 1);
        if (slot < next_slot) {
            return false;
        }
        session->slots[slot] = result;
        next_slot = slot + 1;
    }
    return true;
}

static enum status restore_session(struct registry *registry,
                                   const Tccp__Log__SessionRecord *message)
{
    OWN(session) struct session *session = calloc(1, sizeof *session);

    if (!session) {
        return STATUS_NO_MEMORY;
    }
    session->id = message->id;
    session->highest = message->highest;
    if (session->id == 0 || session->id >= registry->next_session ||
        table_find(&registry->sessions, &session->id) ||
        registry->sessions.count >= SESSION_COUNT_MAX ||
        !field_digest_optional(message->actor, &session->actor) ||
        !session_slot_count_is_possible(message->slot_count) ||
        registry->result_slots + message->slot_count > RESULT_SLOT_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    session->slots = calloc(message->slot_count + 1, sizeof *session->slots);
    if (!session->slots) {
        return STATUS_NO_MEMORY;
    }
    session->slot_count = message->slot_count;
    if (!results_from(message, session)) {
        return STATUS_MALFORMED;
    }
    session_insert(registry, TAKE(session));
    return STATUS_OK;
}

static enum status restore_seen(struct registry *registry, const Tccp__Log__SeenRecord *message)
{
    if (message->n_digests > SEEN_COUNT_MAX || registry->seen.count > 0) {
        return STATUS_MALFORMED;
    }
    for (size_t i = 0; i < message->n_digests; i++) {
        struct digest digest;

        if (!field_digest(message->digests[i], &digest) || seen(registry, &digest)) {
            return STATUS_MALFORMED;
        }
        seen_note(registry, &digest);
    }
    return STATUS_OK;
}

static bool field_vm_state(Tccp__Log__VmState source, enum vm_state *ret_state)
{
    switch (source) {
    case TCCP__LOG__VM_STATE__VM_STATE_LAUNCHING:
        *ret_state = VM_LAUNCHING;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_RUNNING:
        *ret_state = VM_RUNNING;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_MIGRATING:
        *ret_state = VM_MIGRATING;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_RESUMING:
        *ret_state = VM_RESUMING;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_PAUSED:
        *ret_state = VM_PAUSED;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_STOPPED:
        *ret_state = VM_STOPPED;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_LOST:
        *ret_state = VM_LOST;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_DELETED:
        *ret_state = VM_DELETED;
        return true;
    case TCCP__LOG__VM_STATE__VM_STATE_UNSPECIFIED:
    case _TCCP__LOG__VM_STATE_IS_INT_SIZE:
        break;
    }
    return false;
}

/* A place is on a node that is known, under a registration that was given. */
static bool place_from(const struct registry *registry, const Tccp__Log__VmPlace *message,
                       struct vm_place *ret_place)
{
    if (!message) {
        *ret_place = (struct vm_place){0};
        return true;
    }
    *ret_place = (struct vm_place){message->node, message->registration};
    return node_find(registry, message->node) && message->registration > 0 &&
           message->registration < registry->next_registration;
}

static bool vm_fields_from(const Tccp__Log__VmRecord *message, struct vm *vm)
{
    vm->generation = message->generation;
    vm->granted_generation = message->granted_generation;
    vm->ticket_expiry_s = message->ticket_expiry_s;
    vm->vcpu_count = message->vcpu_count;
    vm->memory_size = message->memory_size;
    vm->peer_complete = message->peer_complete;
    vm->stop_requested = message->stop_requested;
    vm->release_count = message->release_count;
    vm->changed_at_s = message->changed_at_s;
    vm->migration = message->migration;
    vm->reported[MIGRATION_SOURCE] = (message->reported & 1U) != 0;
    vm->reported[MIGRATION_DESTINATION] = (message->reported & 2U) != 0;
    vm->lifetime_ms = message->lifetime_ms;
    vm->start_generation = message->start_generation;
    vm->last_migration = message->last_migration;
    vm->last_migration_done = message->last_migration_done;
    return message->reported <= 3 && field_digest(message->id, &vm->id) &&
           field_vm_state(message->state, &vm->state) && field_name(message->name, &vm->name) &&
           field_digest(message->customer, &vm->customer) &&
           field_digest(message->image, &vm->image) && field_policy(message->policy, &vm->policy) &&
           field_fixed(message->pseudonym, vm->pseudonym, PSEUDONYM_SIZE) &&
           field_fixed(message->peer_pseudonym, vm->peer_pseudonym, PSEUDONYM_SIZE) &&
           field_digest_optional(message->measurement, &vm->measurement) &&
           field_digest_optional(message->proof, &vm->proof) &&
           field_digest_optional(message->session, &vm->session) &&
           field_digest_optional(message->configuration, &vm->configuration) &&
           field_digest_optional(message->source_nonce, &vm->source_nonce) &&
           field_digest_optional(message->destination_nonce, &vm->destination_nonce) &&
           field_text(message->detail, vm->detail, CORE_DETAIL_LENGTH_MAX);
}

/* What the state of a VM says of the rest of it. */
static bool vm_is_consistent(const struct registry *registry, const struct vm *vm,
                             const struct vm_place *owner, const struct vm_place *peer)
{
    bool deleted = vm->state == VM_DELETED, migrating = vm->state == VM_MIGRATING;

    return vm->generation > 0 && vm->granted_generation <= vm->generation &&
           (owner->node == 0) == deleted && (!deleted || peer->node == 0) &&
           (!migrating || (peer->node != 0 && peer->node != owner->node)) &&
           (vm->migration != 0) == migrating && vm->migration < registry->next_migration &&
           vm->start_generation > 0 && vm->start_generation <= vm->generation &&
           vm->last_migration < registry->next_migration &&
           (!vm->last_migration_done || vm->last_migration != 0) &&
           (!vm->peer_complete || peer->node != 0) && (vm->request.size == 0) == deleted;
}

static enum status restore_vm(struct registry *registry, const Tccp__Log__VmRecord *message)
{
    OWN(vm) struct vm *vm = calloc(1, sizeof *vm);
    struct vm_place owner, peer;

    if (!vm) {
        return STATUS_NO_MEMORY;
    }
    if (message->request.len > LAUNCH_REQUEST_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    if (message->request.len > 0) {
        TRY(bytes_copy(protobuf_view(message->request), &vm->request));
    }
    if (!vm_fields_from(message, vm) || !place_from(registry, message->owner, &owner) ||
        !place_from(registry, message->peer, &peer) ||
        !vm_is_consistent(registry, vm, &owner, &peer) || table_find(&registry->vms, &vm->id) ||
        registry->vms.count >= CORE_VM_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    vm_set_owner(registry, vm, owner);
    vm_set_peer(registry, vm, peer);
    table_insert(&registry->vms, TAKE(vm));
    return STATUS_OK;
}

static int compare_migrations(const void *left, const void *right)
{
    const struct vm *const *a = left, *const *b = right;

    return (*a)->migration < (*b)->migration ? -1 : (*a)->migration > (*b)->migration;
}

/* In the order in which they were authorised, as in the registry of which this is a copy: aborting
 * several at once makes leaves in this order. */
static enum status restore_migrations(struct registry *registry)
{
    struct vm *vm, **open = calloc(registry->vms.count + 1, sizeof *open);
    size_t cursor = 0, count = 0;
    enum status status = STATUS_OK;

    if (!open) {
        return STATUS_NO_MEMORY;
    }
    while ((vm = table_next(&registry->vms, &cursor))) {
        if (vm->migration != 0) {
            open[count++] = vm;
        }
    }
    qsort(open, count, sizeof(struct vm *), compare_migrations);
    for (size_t i = 0; i < count && status == STATUS_OK; i++) {
        if (i > 0 && open[i]->migration == open[i - 1]->migration) {
            status = STATUS_MALFORMED;
        } else {
            table_insert(&registry->migrations, open[i]);
        }
    }
    free(open);
    return status;
}

enum status records_finish(struct registry *registry)
{
    return registry->restoring.blob ? STATUS_MALFORMED : restore_migrations(registry);
}

enum status record_restore(struct registry *registry, const Tccp__Log__SnapshotRecord *record)
{
    switch (record->kind_case) {
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_HEADER:
        return restore_header(registry, record->header);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_PERIMETER:
        return registry->perimeter.adopted ? STATUS_MALFORMED
                                           : restore_perimeter(registry, record->perimeter);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_MEMBER:
        return restore_member(registry, record->member);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_USER:
        return restore_user(registry, record->user);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_NODE:
        return restore_node(registry, record->node);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_SESSION:
        return restore_session(registry, record->session);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_SEEN:
        return restore_seen(registry, record->seen);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_VM:
        return restore_vm(registry, record->vm);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE:
        return reference_restore(registry, record->reference);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_REFERENCE_DATA:
        return reference_restore_data(registry, record->reference_data);
    case TCCP__LOG__SNAPSHOT_RECORD__KIND_END:
    case TCCP__LOG__SNAPSHOT_RECORD__KIND__NOT_SET:
    case _TCCP__LOG__SNAPSHOT_RECORD__KIND__CASE_IS_INT_SIZE:
        break;
    }
    return STATUS_MALFORMED;
}
