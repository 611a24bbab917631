/* Commands to their bytes. */
#include "tcd/core/command.h"

#include "tcd/core/fields.h"

#include <stdlib.h>

/* Every message that a command may need, with what it points to. Large: on the heap. */
struct encoding {
    Tccp__Log__Command command;
    Tccp__Log__Rests rests;
    Tccp__Log__BootCounters boot;
    Tccp__Log__AppraisalProgress progress;
    ProtobufCBinaryData successions[CORE_SUCCESSION_COUNT_MAX];
    struct policy_message policy;
    Tccp__Log__Finding finding;
    size_t renewal_count;
    struct renewal_message {
        Tccp__Log__Renewal message;
        Tccp__Log__BootCounters boot;
        Tccp__Log__AppraisalProgress progress;
    } * renewals;
    Tccp__Log__Renewal **renewal_pointers;
    union {
        Tccp__Log__PerimeterAdopted perimeter_adopted;
        Tccp__Log__PerimeterChange change;
        Tccp__Log__ManifestExpired manifest_expired;
        Tccp__Log__MemberJoined member_joined;
        Tccp__Log__MemberRemoved member_removed;
        Tccp__Log__SessionOpenedCommand session_opened;
        Tccp__Log__AuditNoteCommand audit_note;
        Tccp__Log__UserAdded user_added;
        Tccp__Log__UserRemoved user_removed;
        Tccp__Log__NodeCordoned node_cordoned;
        Tccp__Log__NodeRevoked node_revoked;
        Tccp__Log__ReferenceChunk reference_chunk;
        Tccp__Log__NodeRegistered node_registered;
        Tccp__Log__RenewalBatch renewal_batch;
        Tccp__Log__LeaseExpired lease_expired;
        Tccp__Log__NodeQuarantined node_quarantined;
        Tccp__Log__LaunchAuthorized launch_authorized;
        Tccp__Log__RestartAuthorized restart_authorized;
        Tccp__Log__KeyReissued key_reissued;
        Tccp__Log__Launched launched;
        Tccp__Log__VmStopRequested vm_stop_requested;
        Tccp__Log__VmStopped vm_stopped;
        Tccp__Log__VmFenced vm_fenced;
        Tccp__Log__VmDeleted vm_deleted;
        Tccp__Log__VmReadopted vm_readopted;
        Tccp__Log__GrantIssued grant_issued;
        Tccp__Log__GrantWithdrawn grant_withdrawn;
        Tccp__Log__CopyDestroyed copy_destroyed;
        Tccp__Log__TombstonesPurged tombstones_purged;
        Tccp__Log__MigrationAuthorized migration_authorized;
        Tccp__Log__MigrationReported migration_reported;
        Tccp__Log__MigrationDone migration_done;
        Tccp__Log__MigrationAborted migration_aborted;
        Tccp__Log__Resumed resumed;
        Tccp__Log__OwnershipReverted ownership_reverted;
    } kind;
};

static void encoding_free(struct encoding *encoding)
{
    free(encoding->renewals);
    free(encoding->renewal_pointers);
    free(encoding);
}
DEFINE_OWN_POINTER(encoding, encoding_free)

static ProtobufCBinaryData data_of_pseudonym(const uint8_t *pseudonym)
{
    return protobuf_data((struct view){pseudonym, PSEUDONYM_SIZE});
}

static void encode_rests(const struct rests *rests, struct encoding *encoding)
{
    Tccp__Log__Rests *message = &encoding->rests;

    tccp__log__rests__init(message);
    message->manifest_version = rests->manifest_version;
    message->succession = rests->succession;
    message->epoch = rests->epoch;
    message->registration = rests->registration;
    message->renewal = rests->renewal;
    message->policy = data_of_digest_optional(&rests->policy);
    message->generation = rests->generation;
    message->peer_registration = rests->peer_registration;
    message->peer_renewal = rests->peer_renewal;
    message->peer_policy = data_of_digest_optional(&rests->peer_policy);
    encoding->command.rests = message;
}

static void encode_change(const struct perimeter_change *change, struct encoding *encoding)
{
    tccp__log__perimeter_change__init(&encoding->kind.change);
    for (unsigned i = 0; i < change->succession_count; i++) {
        encoding->successions[i] = protobuf_data(change->successions[i]);
    }
    encoding->kind.change.n_successions = change->succession_count;
    encoding->kind.change.successions = encoding->successions;
    encoding->kind.change.manifest = protobuf_data(change->manifest);
    encoding->kind.change.endorsement = protobuf_data(change->endorsement);
}

static enum status encode_renewals(const struct command *command, struct encoding *encoding)
{
    size_t count = command->renewal_batch.count;

    tccp__log__renewal_batch__init(&encoding->kind.renewal_batch);
    encoding->renewals = calloc(count + 1, sizeof *encoding->renewals);
    encoding->renewal_pointers = calloc(count + 1, sizeof(Tccp__Log__Renewal *));
    if (!encoding->renewals || !encoding->renewal_pointers) {
        return STATUS_NO_MEMORY;
    }
    for (size_t i = 0; i < count; i++) {
        const struct renewal *renewal = &command->renewal_batch.items[i];
        struct renewal_message *item = &encoding->renewals[i];

        tccp__log__renewal__init(&item->message);
        item->message.registration = renewal->registration;
        item->message.renewal = renewal->number;
        item->message.policy = data_of_digest(&renewal->policy);
        boot_to_message(&renewal->boot, &item->boot);
        progress_to_message(&renewal->progress, &item->progress);
        item->message.boot = &item->boot;
        item->message.progress = &item->progress;
        encoding->renewal_pointers[i] = &item->message;
    }
    encoding->kind.renewal_batch.n_renewals = count;
    encoding->kind.renewal_batch.renewals = encoding->renewal_pointers;
    return STATUS_OK;
}

static void encode_node_registered(const struct command *command, struct encoding *encoding)
{
    Tccp__Log__NodeRegistered *message = &encoding->kind.node_registered;

    tccp__log__node_registered__init(message);
    message->node = text_of(command->node_registered.node.text);
    message->ek_name = data_of_tpm_name(&command->node_registered.ek_name);
    message->ak_name = data_of_tpm_name(&command->node_registered.ak_name);
    message->tk_sign = protobuf_data(command->node_registered.tk_sign);
    message->tk_kem = protobuf_data(command->node_registered.tk_kem);
    message->nonce = data_of_digest(&command->node_registered.nonce);
    boot_to_message(&command->node_registered.boot, &encoding->boot);
    message->boot = &encoding->boot;
    message->firmware_version = command->node_registered.firmware_version;
    progress_to_message(&command->node_registered.progress, &encoding->progress);
    message->progress = &encoding->progress;
    message->evidence = data_of_digest(&command->node_registered.evidence);
}

static void encode_member_joined(const struct command *command, struct encoding *encoding)
{
    Tccp__Log__MemberJoined *message = &encoding->kind.member_joined;

    tccp__log__member_joined__init(message);
    message->name = text_of(command->member_joined.name.text);
    message->ek_name = data_of_tpm_name(&command->member_joined.ek_name);
    message->ak_name = data_of_tpm_name(&command->member_joined.ak_name);
    message->key = data_of_digest(&command->member_joined.key);
    message->nonce = data_of_digest_optional(&command->member_joined.nonce);
    boot_to_message(&command->member_joined.boot, &encoding->boot);
    message->boot = &encoding->boot;
}

static void encode_launch(const struct command *command, struct encoding *encoding)
{
    Tccp__Log__LaunchAuthorized *message = &encoding->kind.launch_authorized;

    tccp__log__launch_authorized__init(message);
    message->vm = data_of_digest(&command->launch_authorized.vm);
    message->name = text_of(command->launch_authorized.name.text);
    message->customer = data_of_digest(&command->launch_authorized.customer);
    message->request = protobuf_data(command->launch_authorized.request);
    message->image = data_of_digest(&command->launch_authorized.image);
    policy_to_message(&command->launch_authorized.policy, &encoding->policy);
    message->policy = &encoding->policy.message;
    message->pseudonym = data_of_pseudonym(command->launch_authorized.pseudonym);
    message->ticket_expiry_s = command->launch_authorized.ticket_expiry_s;
    message->vcpu_count = command->launch_authorized.vcpu_count;
    message->memory_size = command->launch_authorized.memory_size;
}

static void encode_stopped(const struct command *command, struct encoding *encoding)
{
    static const Tccp__Log__StopCause causes[] = {
        [STOP_ENDED] = TCCP__LOG__STOP_CAUSE__STOP_CAUSE_ENDED,
        [STOP_LOST] = TCCP__LOG__STOP_CAUSE__STOP_CAUSE_LOST,
        [STOP_FAILED] = TCCP__LOG__STOP_CAUSE__STOP_CAUSE_FAILED,
    };

    tccp__log__vm_stopped__init(&encoding->kind.vm_stopped);
    encoding->kind.vm_stopped.vm = data_of_digest(&command->vm.vm);
    encoding->kind.vm_stopped.cause = causes[command->vm.cause];
    encoding->kind.vm_stopped.detail = text_of(command->vm.detail);
}

static void encode_migration_authorized(const struct command *command, struct encoding *encoding)
{
    Tccp__Log__MigrationAuthorized *message = &encoding->kind.migration_authorized;

    tccp__log__migration_authorized__init(message);
    message->vm = data_of_digest(&command->vm.vm);
    message->source_nonce = data_of_digest(&command->vm.source_nonce);
    message->destination_nonce = data_of_digest(&command->vm.destination_nonce);
    message->pseudonym = data_of_pseudonym(command->vm.pseudonym);
    message->lifetime_ms = command->vm.lifetime_ms;
    message->cause = text_of(command->vm.detail);
}

static void encode_migration_reported(const struct command *command, struct encoding *encoding)
{
    Tccp__Log__MigrationReported *message = &encoding->kind.migration_reported;

    tccp__log__migration_reported__init(message);
    message->migration = command->migration.migration;
    message->role = command->migration.role == MIGRATION_SOURCE
                        ? TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_SOURCE
                        : TCCP__LOG__MIGRATION_ROLE__MIGRATION_ROLE_DESTINATION;
    message->session = data_of_digest(&command->migration.session);
    message->configuration = data_of_digest(&command->migration.configuration);
}

/* Chooses the kind, points the command at its message and initialises that. */
#define CHOOSE(CASE, field)                                                                        \
    do {                                                                                           \
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_##CASE;                             \
        encoding->command.field = &encoding->kind.field;                                           \
        tccp__log__##field##__init(&encoding->kind.field);                                         \
    } while (0)

#define ENCODE_VM(KIND, field)                                                                     \
    case COMMAND_##KIND:                                                                           \
        CHOOSE(KIND, field);                                                                       \
        encoding->kind.field.vm = data_of_digest(&command->vm.vm);                                 \
        break;

#define ENCODE_VM_PSEUDONYM(KIND, field)                                                           \
    case COMMAND_##KIND:                                                                           \
        CHOOSE(KIND, field);                                                                       \
        encoding->kind.field.vm = data_of_digest(&command->vm.vm);                                 \
        encoding->kind.field.pseudonym = data_of_pseudonym(command->vm.pseudonym);                 \
        break;

static enum status encode_kind(const struct command *command, struct encoding *encoding)
{
    switch (command->kind) {
    case COMMAND_PERIMETER_ADOPTED:
        CHOOSE(PERIMETER_ADOPTED, perimeter_adopted);
        encoding->kind.perimeter_adopted.root = protobuf_data(command->perimeter_adopted.root);
        break;
    case COMMAND_MANIFEST_APPLIED:
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_MANIFEST_APPLIED;
        encoding->command.manifest_applied = &encoding->kind.change;
        encode_change(&command->manifest_applied, encoding);
        break;
    case COMMAND_ENDORSEMENT_APPLIED:
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_ENDORSEMENT_APPLIED;
        encoding->command.endorsement_applied = &encoding->kind.change;
        encode_change(&command->manifest_applied, encoding);
        break;
    case COMMAND_SUCCESSION_APPLIED:
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_SUCCESSION_APPLIED;
        encoding->command.succession_applied = &encoding->kind.change;
        encode_change(&command->manifest_applied, encoding);
        break;
    case COMMAND_MANIFEST_EXPIRED:
        CHOOSE(MANIFEST_EXPIRED, manifest_expired);
        break;
    case COMMAND_MEMBER_JOINED:
        CHOOSE(MEMBER_JOINED, member_joined);
        encode_member_joined(command, encoding);
        break;
    case COMMAND_MEMBER_REMOVED:
        CHOOSE(MEMBER_REMOVED, member_removed);
        encoding->kind.member_removed.raft_id = command->member_removed.raft_id;
        encoding->kind.member_removed.reason = text_of(command->member_removed.reason);
        break;
    case COMMAND_SESSION_OPENED:
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_SESSION_OPENED;
        encoding->command.session_opened = &encoding->kind.session_opened;
        tccp__log__session_opened_command__init(&encoding->kind.session_opened);
        break;
    case COMMAND_AUDIT_NOTE:
        encoding->command.kind_case = TCCP__LOG__COMMAND__KIND_AUDIT_NOTE;
        encoding->command.audit_note = &encoding->kind.audit_note;
        tccp__log__audit_note_command__init(&encoding->kind.audit_note);
        encoding->kind.audit_note.text = text_of(command->audit_note.text);
        break;
    case COMMAND_USER_ADDED:
        CHOOSE(USER_ADDED, user_added);
        encoding->kind.user_added.name = text_of(command->user_added.name.text);
        encoding->kind.user_added.role = role_to_wire(command->user_added.role);
        encoding->kind.user_added.key = protobuf_data(command->user_added.key);
        break;
    case COMMAND_USER_REMOVED:
        CHOOSE(USER_REMOVED, user_removed);
        encoding->kind.user_removed.name = text_of(command->user_removed.name.text);
        break;
    case COMMAND_NODE_CORDONED:
        CHOOSE(NODE_CORDONED, node_cordoned);
        encoding->kind.node_cordoned.node = text_of(command->node_cordoned.node.text);
        encoding->kind.node_cordoned.cordoned = command->node_cordoned.cordoned;
        break;
    case COMMAND_NODE_REVOKED:
        CHOOSE(NODE_REVOKED, node_revoked);
        encoding->kind.node_revoked.node = text_of(command->node_revoked.node.text);
        encoding->kind.node_revoked.reason = text_of(command->node_revoked.reason);
        break;
    case COMMAND_REFERENCE_CHUNK:
        CHOOSE(REFERENCE_CHUNK, reference_chunk);
        encoding->kind.reference_chunk.digest = data_of_digest(&command->reference_chunk.digest);
        encoding->kind.reference_chunk.size = command->reference_chunk.size;
        encoding->kind.reference_chunk.offset = command->reference_chunk.offset;
        encoding->kind.reference_chunk.data = protobuf_data(command->reference_chunk.data);
        break;
    case COMMAND_NODE_REGISTERED:
        CHOOSE(NODE_REGISTERED, node_registered);
        encode_node_registered(command, encoding);
        break;
    case COMMAND_RENEWAL_BATCH:
        CHOOSE(RENEWAL_BATCH, renewal_batch);
        return encode_renewals(command, encoding);
    case COMMAND_LEASE_EXPIRED:
        CHOOSE(LEASE_EXPIRED, lease_expired);
        break;
    case COMMAND_NODE_QUARANTINED:
        CHOOSE(NODE_QUARANTINED, node_quarantined);
        encoding->kind.node_quarantined.reason = text_of(command->node_quarantined.reason);
        encoding->kind.node_quarantined.detail = text_of(command->node_quarantined.detail);
        encoding->kind.node_quarantined.finding =
            finding_to_message(&command->node_quarantined.finding, &encoding->finding);
        break;
    case COMMAND_LAUNCH_AUTHORIZED:
        CHOOSE(LAUNCH_AUTHORIZED, launch_authorized);
        encode_launch(command, encoding);
        break;
    case COMMAND_KEY_REISSUED:
        CHOOSE(KEY_REISSUED, key_reissued);
        encoding->kind.key_reissued.vm = data_of_digest(&command->vm.vm);
        encoding->kind.key_reissued.destination = command->vm.destination;
        break;
    case COMMAND_LAUNCHED:
        CHOOSE(LAUNCHED, launched);
        encoding->kind.launched.vm = data_of_digest(&command->vm.vm);
        encoding->kind.launched.measurement = data_of_digest(&command->vm.measurement);
        encoding->kind.launched.proof = data_of_digest(&command->vm.proof);
        break;
    case COMMAND_VM_STOPPED:
        CHOOSE(VM_STOPPED, vm_stopped);
        encode_stopped(command, encoding);
        break;
        ENCODE_VM_PSEUDONYM(RESTART_AUTHORIZED, restart_authorized)
        ENCODE_VM_PSEUDONYM(VM_READOPTED, vm_readopted)
        ENCODE_VM_PSEUDONYM(OWNERSHIP_REVERTED, ownership_reverted)
        ENCODE_VM(VM_STOP_REQUESTED, vm_stop_requested)
        ENCODE_VM(VM_FENCED, vm_fenced)
        ENCODE_VM(VM_DELETED, vm_deleted)
        ENCODE_VM(GRANT_ISSUED, grant_issued)
        ENCODE_VM(GRANT_WITHDRAWN, grant_withdrawn)
        ENCODE_VM(COPY_DESTROYED, copy_destroyed)
        ENCODE_VM(RESUMED, resumed)
    case COMMAND_TOMBSTONES_PURGED:
        CHOOSE(TOMBSTONES_PURGED, tombstones_purged);
        encoding->kind.tombstones_purged.horizon_s = command->tombstones_purged.horizon_s;
        break;
    case COMMAND_MIGRATION_AUTHORIZED:
        CHOOSE(MIGRATION_AUTHORIZED, migration_authorized);
        encode_migration_authorized(command, encoding);
        break;
    case COMMAND_MIGRATION_REPORTED:
        CHOOSE(MIGRATION_REPORTED, migration_reported);
        encode_migration_reported(command, encoding);
        break;
    case COMMAND_MIGRATION_DONE:
        CHOOSE(MIGRATION_DONE, migration_done);
        encoding->kind.migration_done.migration = command->migration.migration;
        break;
    case COMMAND_MIGRATION_ABORTED:
        CHOOSE(MIGRATION_ABORTED, migration_aborted);
        encoding->kind.migration_aborted.migration = command->migration.migration;
        encoding->kind.migration_aborted.reason = text_of(command->migration.reason);
        break;
    case COMMAND_KIND_COUNT:
        ASSERT(false);
    }
    return STATUS_OK;
}

enum status command_encode(const struct command *command, struct bytes *ret_bytes)
{
    OWN(encoding) struct encoding *encoding = calloc(1, sizeof *encoding);

    if (!encoding) {
        return STATUS_NO_MEMORY;
    }
    tccp__log__command__init(&encoding->command);
    encoding->command.time_s = command->time_s;
    encoding->command.session = command->session;
    encoding->command.number = command->number;
    encoding->command.actor = data_of_digest_optional(&command->actor);
    encode_rests(&command->rests, encoding);
    TRY(encode_kind(command, encoding));
    return protobuf_pack(&encoding->command.base, COMMAND_SIZE_MAX, ret_bytes);
}
