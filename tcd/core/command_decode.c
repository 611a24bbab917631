/* Commands from their bytes: every field is bounded here, and nowhere else. */
#include "tcd/core/command.h"

#include "tcd/core/documents.h"
#include "tcd/core/fields.h"

#include <stdlib.h>
#include <string.h>

static bool decode_rests(const Tccp__Log__Rests *source, struct rests *rests)
{
    if (!source) {
        return true;
    }
    rests->manifest_version = source->manifest_version;
    rests->succession = source->succession;
    rests->epoch = source->epoch;
    rests->registration = source->registration;
    rests->renewal = source->renewal;
    rests->generation = source->generation;
    rests->peer_registration = source->peer_registration;
    rests->peer_renewal = source->peer_renewal;
    return field_digest_optional(source->policy, &rests->policy) &&
           field_digest_optional(source->peer_policy, &rests->peer_policy);
}

static enum status from(bool good)
{
    return good ? STATUS_OK : STATUS_MALFORMED;
}

static enum status decode_successions(const Tccp__Log__PerimeterChange *source,
                                      struct perimeter_change *change, bool *ret_has_id)
{
    change->succession_count = (unsigned)source->n_successions;
    for (unsigned i = 0; i < change->succession_count; i++) {
        struct succession_facts facts;

        change->successions[i] = protobuf_view(source->successions[i]);
        TRY(succession_facts_parse(change->successions[i], &facts));
        if (i > 0 && (facts.number != change->succession_number + 1 ||
                      !digest_equal(&facts.perimeter_id, &change->perimeter_id))) {
            return STATUS_MALFORMED;
        }
        change->succession_number = facts.number;
        change->perimeter_id = facts.perimeter_id;
        *ret_has_id = true;
    }
    return STATUS_OK;
}

/* All documents of one change are of one perimeter. */
static enum status same_perimeter(struct perimeter_change *change, const struct digest *id,
                                  bool *has_id)
{
    if (*has_id && !digest_equal(&change->perimeter_id, id)) {
        return STATUS_MALFORMED;
    }
    change->perimeter_id = *id;
    *has_id = true;
    return STATUS_OK;
}

static enum status decode_change(const Tccp__Log__PerimeterChange *source, enum command_kind kind,
                                 struct perimeter_change *change)
{
    bool has_id = false;
    bool shape;

    if (source->n_successions > CORE_SUCCESSION_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    if (kind == COMMAND_MANIFEST_APPLIED) {
        shape = source->n_successions == 0 && source->manifest.len > 0;
    } else if (kind == COMMAND_ENDORSEMENT_APPLIED) {
        shape =
            source->n_successions == 0 && source->manifest.len == 0 && source->endorsement.len > 0;
    } else {
        shape = source->n_successions > 0;
    }
    if (!shape) {
        return STATUS_MALFORMED;
    }
    TRY(decode_successions(source, change, &has_id));
    change->manifest = protobuf_view(source->manifest);
    if (change->manifest.size > 0) {
        TRY(manifest_facts_parse(change->manifest, &change->manifest_facts));
        TRY(same_perimeter(change, &change->manifest_facts->perimeter_id, &has_id));
    }
    change->endorsement = protobuf_view(source->endorsement);
    if (change->endorsement.size > 0) {
        change->endorsement_facts = calloc(1, sizeof *change->endorsement_facts);
        if (!change->endorsement_facts) {
            return STATUS_NO_MEMORY;
        }
        TRY(endorsement_facts_parse(change->endorsement, change->endorsement_facts));
        TRY(same_perimeter(change, &change->endorsement_facts->perimeter_id, &has_id));
    }
    return STATUS_OK;
}

static bool decode_member_joined(const Tccp__Log__MemberJoined *source, struct command *command)
{
    return field_name(source->name, &command->member_joined.name) &&
           field_tpm_name(source->ek_name, &command->member_joined.ek_name) &&
           field_tpm_name(source->ak_name, &command->member_joined.ak_name) &&
           field_digest(source->key, &command->member_joined.key) &&
           field_digest_optional(source->nonce, &command->member_joined.nonce) &&
           field_boot(source->boot, &command->member_joined.boot);
}

static bool decode_reference_chunk(const Tccp__Log__ReferenceChunk *source, struct command *command)
{
    command->reference_chunk.size = source->size;
    command->reference_chunk.offset = source->offset;
    return field_digest(source->digest, &command->reference_chunk.digest) &&
           field_view(source->data, 1, REFERENCE_CHUNK_SIZE_MAX, &command->reference_chunk.data) &&
           source->size <= REFERENCE_SIZE_MAX && source->data.len <= source->size &&
           source->offset <= source->size - source->data.len;
}

static bool decode_node_registered(const Tccp__Log__NodeRegistered *source, struct command *command)
{
    command->node_registered.firmware_version = source->firmware_version;
    return field_name(source->node, &command->node_registered.node) &&
           field_tpm_name(source->ek_name, &command->node_registered.ek_name) &&
           field_tpm_name(source->ak_name, &command->node_registered.ak_name) &&
           field_view(source->tk_sign, 1, CORE_KEY_SIZE_MAX, &command->node_registered.tk_sign) &&
           field_view(source->tk_kem, CORE_KEM_KEY_SIZE, CORE_KEM_KEY_SIZE,
                      &command->node_registered.tk_kem) &&
           field_digest(source->nonce, &command->node_registered.nonce) &&
           field_boot(source->boot, &command->node_registered.boot) &&
           field_progress(source->progress, &command->node_registered.progress) &&
           field_digest(source->evidence, &command->node_registered.evidence);
}

static enum status decode_renewals(const Tccp__Log__RenewalBatch *source, struct command *command)
{
    if (source->n_renewals == 0 || source->n_renewals > RENEWAL_COUNT_MAX) {
        return STATUS_MALFORMED;
    }
    command->renewal_batch.items = calloc(source->n_renewals, sizeof *command->renewal_batch.items);
    if (!command->renewal_batch.items) {
        return STATUS_NO_MEMORY;
    }
    command->renewal_batch.count = source->n_renewals;
    for (size_t i = 0; i < source->n_renewals; i++) {
        const Tccp__Log__Renewal *item = source->renewals[i];
        struct renewal *renewal = &command->renewal_batch.items[i];

        renewal->registration = item->registration;
        renewal->number = item->renewal;
        if (!field_digest(item->policy, &renewal->policy) ||
            !field_boot(item->boot, &renewal->boot) ||
            !field_progress(item->progress, &renewal->progress)) {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static bool decode_launch(const Tccp__Log__LaunchAuthorized *source, struct command *command)
{
    command->launch_authorized.ticket_expiry_s = source->ticket_expiry_s;
    command->launch_authorized.vcpu_count = source->vcpu_count;
    command->launch_authorized.memory_size = source->memory_size;
    return field_digest(source->vm, &command->launch_authorized.vm) &&
           field_name(source->name, &command->launch_authorized.name) &&
           field_digest(source->customer, &command->launch_authorized.customer) &&
           field_view(source->request, 1, LAUNCH_REQUEST_SIZE_MAX,
                      &command->launch_authorized.request) &&
           field_digest(source->image, &command->launch_authorized.image) &&
           field_policy(source->policy, &command->launch_authorized.policy) &&
           field_fixed(source->pseudonym, command->launch_authorized.pseudonym, PSEUDONYM_SIZE);
}

static bool decode_cause(Tccp__Log__StopCause source, enum stop_cause *ret_cause)
{
    switch (source) {
    case TCCP__LOG__STOP_CAUSE__STOP_CAUSE_ENDED:
        *ret_cause = STOP_ENDED;
        return true;
    case TCCP__LOG__STOP_CAUSE__STOP_CAUSE_LOST:
        *ret_cause = STOP_LOST;
        return true;
    case TCCP__LOG__STOP_CAUSE__STOP_CAUSE_FAILED:
        *ret_cause = STOP_FAILED;
        return true;
    case TCCP__LOG__STOP_CAUSE__STOP_CAUSE_UNSPECIFIED:
    case _TCCP__LOG__STOP_CAUSE_IS_INT_SIZE:
        break;
    }
    return false;
}

static bool decode_migration_authorized(const Tccp__Log__MigrationAuthorized *source,
                                        struct command *command)
{
    command->vm.lifetime_ms = source->lifetime_ms;
    return field_digest(source->vm, &command->vm.vm) &&
           field_digest(source->source_nonce, &command->vm.source_nonce) &&
           field_digest(source->destination_nonce, &command->vm.destination_nonce) &&
           field_fixed(source->pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE) &&
           field_text(source->cause, command->vm.detail, CORE_DETAIL_LENGTH_MAX);
}

static bool decode_migration_reported(const Tccp__Log__MigrationReported *source,
                                      struct command *command)
{
    if (source->role != TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_SOURCE &&
        source->role != TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_DESTINATION) {
        return false;
    }
    command->migration.role = source->role == TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_SOURCE
                                  ? MIGRATION_SOURCE
                                  : MIGRATION_DESTINATION;
    command->migration.migration = source->migration;
    return field_digest(source->session, &command->migration.session) &&
           field_digest(source->configuration, &command->migration.configuration);
}

/* Kinds that say no more than which VM. */
#define DECODE_VM(CASE, KIND, field)                                                               \
    case TCCP__LOG__COMMAND__KIND_##CASE:                                                          \
        command->kind = COMMAND_##KIND;                                                            \
        return from(field_digest(message->field->vm, &command->vm.vm));

static enum status decode_vm_kind(const Tccp__Log__Command *message, struct command *command)
{
    /* The kinds of the others are handled by the caller. */
    switch ((int)message->kind_case) {
        DECODE_VM(VM_STOP_REQUESTED, VM_STOP_REQUESTED, vm_stop_requested)
        DECODE_VM(VM_FENCED, VM_FENCED, vm_fenced)
        DECODE_VM(VM_DELETED, VM_DELETED, vm_deleted)
        DECODE_VM(GRANT_ISSUED, GRANT_ISSUED, grant_issued)
        DECODE_VM(GRANT_WITHDRAWN, GRANT_WITHDRAWN, grant_withdrawn)
        DECODE_VM(COPY_DESTROYED, COPY_DESTROYED, copy_destroyed)
        DECODE_VM(RESUMED, RESUMED, resumed)
    case TCCP__LOG__COMMAND__KIND_LAUNCH_AUTHORIZED:
        command->kind = COMMAND_LAUNCH_AUTHORIZED;
        return from(decode_launch(message->launch_authorized, command));
    case TCCP__LOG__COMMAND__KIND_RESTART_AUTHORIZED:
        command->kind = COMMAND_RESTART_AUTHORIZED;
        return from(field_digest(message->restart_authorized->vm, &command->vm.vm) &&
                    field_fixed(message->restart_authorized->pseudonym, command->vm.pseudonym,
                                PSEUDONYM_SIZE));
    case TCCP__LOG__COMMAND__KIND_KEY_REISSUED:
        command->kind = COMMAND_KEY_REISSUED;
        command->vm.destination = message->key_reissued->destination;
        return from(field_digest(message->key_reissued->vm, &command->vm.vm));
    case TCCP__LOG__COMMAND__KIND_LAUNCHED:
        command->kind = COMMAND_LAUNCHED;
        return from(field_digest(message->launched->vm, &command->vm.vm) &&
                    field_digest(message->launched->measurement, &command->vm.measurement) &&
                    field_digest(message->launched->proof, &command->vm.proof));
    case TCCP__LOG__COMMAND__KIND_VM_STOPPED:
        command->kind = COMMAND_VM_STOPPED;
        return from(
            field_digest(message->vm_stopped->vm, &command->vm.vm) &&
            decode_cause(message->vm_stopped->cause, &command->vm.cause) &&
            field_text(message->vm_stopped->detail, command->vm.detail, CORE_DETAIL_LENGTH_MAX));
    case TCCP__LOG__COMMAND__KIND_VM_READOPTED:
        command->kind = COMMAND_VM_READOPTED;
        return from(
            field_digest(message->vm_readopted->vm, &command->vm.vm) &&
            field_fixed(message->vm_readopted->pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE));
    case TCCP__LOG__COMMAND__KIND_TOMBSTONES_PURGED:
        command->kind = COMMAND_TOMBSTONES_PURGED;
        command->tombstones_purged.horizon_s = message->tombstones_purged->horizon_s;
        return STATUS_OK;
    case TCCP__LOG__COMMAND__KIND_MIGRATION_AUTHORIZED:
        command->kind = COMMAND_MIGRATION_AUTHORIZED;
        return from(decode_migration_authorized(message->migration_authorized, command));
    case TCCP__LOG__COMMAND__KIND_MIGRATION_REPORTED:
        command->kind = COMMAND_MIGRATION_REPORTED;
        return from(decode_migration_reported(message->migration_reported, command));
    case TCCP__LOG__COMMAND__KIND_MIGRATION_DONE:
        command->kind = COMMAND_MIGRATION_DONE;
        command->migration.migration = message->migration_done->migration;
        return STATUS_OK;
    case TCCP__LOG__COMMAND__KIND_MIGRATION_ABORTED:
        command->kind = COMMAND_MIGRATION_ABORTED;
        command->migration.migration = message->migration_aborted->migration;
        return from(field_text(message->migration_aborted->reason, command->migration.reason,
                               CORE_DETAIL_LENGTH_MAX));
    case TCCP__LOG__COMMAND__KIND_OWNERSHIP_REVERTED:
        command->kind = COMMAND_OWNERSHIP_REVERTED;
        return from(field_digest(message->ownership_reverted->vm, &command->vm.vm) &&
                    field_fixed(message->ownership_reverted->pseudonym, command->vm.pseudonym,
                                PSEUDONYM_SIZE));
    }
    return STATUS_UNSUPPORTED;
}

static enum status decode_kind(const Tccp__Log__Command *message, struct command *command)
{
    switch ((int)message->kind_case) {
    case TCCP__LOG__COMMAND__KIND_PERIMETER_ADOPTED:
        command->kind = COMMAND_PERIMETER_ADOPTED;
        return from(field_view(message->perimeter_adopted->root, 1, CORE_ROOT_SIZE_MAX,
                               &command->perimeter_adopted.root));
    case TCCP__LOG__COMMAND__KIND_MANIFEST_APPLIED:
        command->kind = COMMAND_MANIFEST_APPLIED;
        return decode_change(message->manifest_applied, command->kind, &command->manifest_applied);
    case TCCP__LOG__COMMAND__KIND_ENDORSEMENT_APPLIED:
        command->kind = COMMAND_ENDORSEMENT_APPLIED;
        return decode_change(message->endorsement_applied, command->kind,
                             &command->manifest_applied);
    case TCCP__LOG__COMMAND__KIND_SUCCESSION_APPLIED:
        command->kind = COMMAND_SUCCESSION_APPLIED;
        return decode_change(message->succession_applied, command->kind,
                             &command->manifest_applied);
    case TCCP__LOG__COMMAND__KIND_MANIFEST_EXPIRED:
        command->kind = COMMAND_MANIFEST_EXPIRED;
        return STATUS_OK;
    case TCCP__LOG__COMMAND__KIND_MEMBER_JOINED:
        command->kind = COMMAND_MEMBER_JOINED;
        return from(decode_member_joined(message->member_joined, command));
    case TCCP__LOG__COMMAND__KIND_MEMBER_REMOVED:
        command->kind = COMMAND_MEMBER_REMOVED;
        command->member_removed.raft_id = message->member_removed->raft_id;
        return from(field_text(message->member_removed->reason, command->member_removed.reason,
                               CORE_DETAIL_LENGTH_MAX));
    case TCCP__LOG__COMMAND__KIND_SESSION_OPENED:
        command->kind = COMMAND_SESSION_OPENED;
        return STATUS_OK;
    case TCCP__LOG__COMMAND__KIND_AUDIT_NOTE:
        command->kind = COMMAND_AUDIT_NOTE;
        return from(
            field_text(message->audit_note->text, command->audit_note.text, AUDIT_NOTE_LENGTH_MAX));
    case TCCP__LOG__COMMAND__KIND_USER_ADDED:
        command->kind = COMMAND_USER_ADDED;
        return from(
            field_name(message->user_added->name, &command->user_added.name) &&
            field_role(message->user_added->role, &command->user_added.role) &&
            field_view(message->user_added->key, 1, CORE_KEY_SIZE_MAX, &command->user_added.key));
    case TCCP__LOG__COMMAND__KIND_USER_REMOVED:
        command->kind = COMMAND_USER_REMOVED;
        return from(field_name(message->user_removed->name, &command->user_removed.name));
    case TCCP__LOG__COMMAND__KIND_NODE_CORDONED:
        command->kind = COMMAND_NODE_CORDONED;
        command->node_cordoned.cordoned = message->node_cordoned->cordoned;
        return from(field_name(message->node_cordoned->node, &command->node_cordoned.node));
    case TCCP__LOG__COMMAND__KIND_NODE_REVOKED:
        command->kind = COMMAND_NODE_REVOKED;
        return from(field_name(message->node_revoked->node, &command->node_revoked.node) &&
                    field_text(message->node_revoked->reason, command->node_revoked.reason,
                               CORE_DETAIL_LENGTH_MAX));
    case TCCP__LOG__COMMAND__KIND_REFERENCE_CHUNK:
        command->kind = COMMAND_REFERENCE_CHUNK;
        return from(decode_reference_chunk(message->reference_chunk, command));
    case TCCP__LOG__COMMAND__KIND_NODE_REGISTERED:
        command->kind = COMMAND_NODE_REGISTERED;
        return from(decode_node_registered(message->node_registered, command));
    case TCCP__LOG__COMMAND__KIND_RENEWAL_BATCH:
        command->kind = COMMAND_RENEWAL_BATCH;
        return decode_renewals(message->renewal_batch, command);
    case TCCP__LOG__COMMAND__KIND_LEASE_EXPIRED:
        command->kind = COMMAND_LEASE_EXPIRED;
        return STATUS_OK;
    case TCCP__LOG__COMMAND__KIND_NODE_QUARANTINED:
        command->kind = COMMAND_NODE_QUARANTINED;
        return from(
            field_text(message->node_quarantined->reason, command->node_quarantined.reason,
                       CORE_REASON_LENGTH_MAX) &&
            field_text(message->node_quarantined->detail, command->node_quarantined.detail,
                       CORE_DETAIL_LENGTH_MAX) &&
            field_finding(message->node_quarantined->finding, &command->node_quarantined.finding));
    }
    return decode_vm_kind(message, command);
}

enum status command_decode(struct view bytes, struct command **ret_command)
{
    OWN(command) struct command *command = NULL;
    Tccp__Log__Command *message;

    if (bytes.size > COMMAND_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    command = calloc(1, sizeof *command);
    if (!command) {
        return STATUS_NO_MEMORY;
    }
    message = tccp__log__command__unpack(NULL, bytes.size, bytes.data);
    if (!message) {
        return STATUS_MALFORMED;
    }
    command->message = message;
    command->digest = sha256(bytes);
    command->kind = COMMAND_KIND_COUNT;
    if (!message_is_known(&message->base)) {
        return STATUS_UNSUPPORTED;
    }
    command->time_s = message->time_s;
    command->session = message->session;
    command->number = message->number;
    if ((command->session == 0) != (command->number == 0) ||
        !field_digest_optional(message->actor, &command->actor) ||
        !decode_rests(message->rests, &command->rests)) {
        return STATUS_MALFORMED;
    }
    TRY(decode_kind(message, command));
    *ret_command = TAKE(command);
    return STATUS_OK;
}
