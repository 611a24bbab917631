#include "tcd/core/records_pack.h"

#include "tcd/core/fields.h"
#include "tcd/core/nodes.h"
#include "tcd/core/references.h"
#include "tcd/core/snapshot.h"

#include <stdlib.h>

static struct bytes pack(const Tccp__Log__SnapshotRecord *record)
{
    struct bytes bytes;

    ASSERT(protobuf_pack(&record->base, SNAPSHOT_RECORD_SIZE_MAX, &bytes) == STATUS_OK);
    return bytes;
}

#define RECORD(CASE, field, message)                                                               \
    {                                                                                              \
        PROTOBUF_C_MESSAGE_INIT(&tccp__log__snapshot_record__descriptor),                          \
            .kind_case = TCCP__LOG__SNAPSHOT_RECORD__KIND_##CASE, .field = (message)               \
    }

struct bytes record_of_header(const struct registry *registry)
{
    Tccp__Log__SnapshotHeader message = TCCP__LOG__SNAPSHOT_HEADER__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(HEADER, header, &message);
    ProtobufCBinaryData peaks[MERKLE_DEPTH_MAX];

    message.format = SNAPSHOT_FORMAT;
    message.revision = registry->revision;
    message.digest = data_of_digest(&registry->digest);
    message.time_s = registry->time_s;
    message.audit_size = registry->audit.size;
    message.n_audit_peaks = merkle_peak_count(&registry->audit);
    message.audit_peaks = peaks;
    for (size_t i = 0; i < message.n_audit_peaks; i++) {
        peaks[i] = data_of_digest(&registry->audit.peaks[i]);
    }
    message.next_raft_id = registry->next_raft_id;
    message.next_session = registry->next_session;
    message.next_node = registry->next_node;
    message.next_registration = registry->next_registration;
    message.next_migration = registry->next_migration;
    message.tombstone_horizon_s = registry->tombstone_horizon_s;
    message.stale_count = registry->counters.stale;
    message.renewal_count = registry->counters.renewals;
    message.refused_renewal_count = registry->counters.refused_renewals;
    return pack(&record);
}

struct bytes record_of_perimeter(const struct perimeter *perimeter)
{
    Tccp__Log__PerimeterRecord message = TCCP__LOG__PERIMETER_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(PERIMETER, perimeter, &message);
    ProtobufCBinaryData successions[CORE_SUCCESSION_COUNT_MAX];

    message.root = protobuf_data(bytes_view(&perimeter->root));
    message.n_successions = perimeter->succession_count;
    message.successions = successions;
    for (unsigned i = 0; i < perimeter->succession_count; i++) {
        successions[i] = protobuf_data(bytes_view(&perimeter->successions[i]));
    }
    message.manifest = protobuf_data(bytes_view(&perimeter->manifest));
    message.endorsement = protobuf_data(bytes_view(&perimeter->endorsement));
    message.expired = perimeter->expired;
    return pack(&record);
}

struct bytes record_of_member(const struct member *member)
{
    Tccp__Log__MemberRecord message = TCCP__LOG__MEMBER_RECORD__INIT;
    Tccp__Log__BootCounters boot;
    const Tccp__Log__SnapshotRecord record = RECORD(MEMBER, member, &message);

    message.raft_id = member->raft_id;
    message.name = text_of(member->name.text);
    message.ek_name = data_of_tpm_name(&member->ek_name);
    message.ak_name = data_of_tpm_name(&member->ak_name);
    message.key = data_of_digest(&member->key);
    boot_to_message(&member->boot, &boot);
    message.boot = &boot;
    message.joined_at_s = member->joined_at_s;
    return pack(&record);
}

struct bytes record_of_user(const struct user *user)
{
    Tccp__Log__UserRecord message = TCCP__LOG__USER_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(USER, user, &message);

    message.name = text_of(user->name.text);
    message.role = role_to_wire(user->role);
    message.key = protobuf_data((struct view){user->key, user->key_size});
    message.from_manifest = user->from_manifest;
    message.added_at_s = user->added_at_s;
    return pack(&record);
}

static Tccp__Log__NodeStanding standing_to_wire(enum node_standing standing)
{
    static const Tccp__Log__NodeStanding wire[] = {
        [NODE_GOOD] = TCCP__LOG__NODE_STANDING__NODE_STANDING_GOOD,
        [NODE_QUARANTINED] = TCCP__LOG__NODE_STANDING__NODE_STANDING_QUARANTINED,
        [NODE_REVOKED] = TCCP__LOG__NODE_STANDING__NODE_STANDING_REVOKED,
    };

    return wire[standing];
}

struct registration_message {
    Tccp__Log__BootCounters boot;
    Tccp__Log__AppraisalProgress progress;
};

static void registration_to_message(const struct registration *registration,
                                    struct registration_message *parts,
                                    Tccp__Log__NodeRecord *message)
{
    message->registration = registration->id;
    message->lease_live = registration->live;
    message->lease_s = registration->lease_s;
    message->renewal = registration->renewal;
    message->registration_epoch = registration->epoch;
    message->registration_manifest_version = registration->manifest_version;
    message->appraised_policy = data_of_digest(&registration->policy);
    message->ak_name = data_of_tpm_name(&registration->ak_name);
    message->tk_sign =
        protobuf_data((struct view){registration->tk_sign, registration->tk_sign_size});
    message->tk_kem = protobuf_data(VIEW_OF_ARRAY(registration->tk_kem));
    boot_to_message(&registration->boot, &parts->boot);
    message->boot = &parts->boot;
    message->firmware_version = registration->firmware_version;
    progress_to_message(&registration->progress, &parts->progress);
    message->progress = &parts->progress;
    message->evidence = data_of_digest(&registration->evidence);
    message->registered_at_s = registration->registered_at_s;
    message->renewed_at_s = registration->renewed_at_s;
}

struct bytes record_of_node(const struct node *node)
{
    Tccp__Log__NodeRecord message = TCCP__LOG__NODE_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(NODE, node, &message);
    struct registration_message parts;
    Tccp__Log__Finding finding;
    Tccp__Attribute attributes[CORE_ATTRIBUTE_COUNT_MAX];
    Tccp__Attribute *attribute_pointers[CORE_ATTRIBUTE_COUNT_MAX];

    message.id = node->id;
    message.name = text_of(node->name.text);
    message.ek_name = data_of_tpm_name(&node->ek_name);
    message.in_manifest = node->in_manifest;
    message.policy_name = text_of(node->policy_name.text);
    message.policy = data_of_digest(&node->policy);
    message.n_attributes = node->attribute_count;
    message.attributes = attribute_pointers;
    for (unsigned i = 0; i < node->attribute_count; i++) {
        tccp__attribute__init(&attributes[i]);
        attributes[i].key = text_of(node->attributes[i].key);
        attributes[i].value = text_of(node->attributes[i].value);
        attribute_pointers[i] = &attributes[i];
    }
    message.host_profile = node->host_profile;
    message.standing = standing_to_wire(node->standing);
    message.cordoned = node->cordoned;
    message.reason = text_of(node->reason);
    message.detail = text_of(node->detail);
    message.finding = finding_to_message(&node->finding, &finding);
    message.standing_since_s = node->standing_since_s;
    if (node->registration.id != 0) {
        registration_to_message(&node->registration, &parts, &message);
    }
    return pack(&record);
}

struct bytes record_of_session(const struct session *session)
{
    Tccp__Log__SessionRecord message = TCCP__LOG__SESSION_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(SESSION, session, &message);
    Tccp__Log__ResultRecord *results = state_alloc(session->slot_count + 1, sizeof *results);
    Tccp__Log__ResultRecord **pointers = state_alloc(session->slot_count + 1, sizeof(void *));
    struct bytes bytes;

    message.id = session->id;
    message.actor = data_of_digest_optional(&session->actor);
    message.highest = session->highest;
    message.slot_count = (uint32_t)session->slot_count;
    message.results = pointers;
    for (size_t i = 0; i < session->slot_count; i++) {
        const struct result *result = &session->slots[i];
        Tccp__Log__ResultRecord *item = &results[message.n_results];

        if (result->number == 0 || !session_remembers(session, result->number)) {
            continue;
        }
        tccp__log__result_record__init(item);
        item->number = result->number;
        item->kind = text_of(command_kind_name(result->kind));
        item->verdict = text_of(refusal_name(result->verdict));
        item->revision = result->revision;
        item->leaf_index = result->leaf_index;
        item->id = result->id;
        item->generation = result->generation;
        pointers[message.n_results++] = item;
    }
    bytes = pack(&record);
    free(results);
    free(pointers);
    return bytes;
}

struct bytes record_of_seen(const struct registry *registry)
{
    Tccp__Log__SeenRecord message = TCCP__LOG__SEEN_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(SEEN, seen, &message);
    ProtobufCBinaryData *digests = state_alloc(registry->seen.count + 1, sizeof *digests);
    const struct seen_entry *entry;
    struct bytes bytes;
    size_t cursor = 0;

    message.digests = digests;
    while ((entry = table_next(&registry->seen, &cursor))) {
        digests[message.n_digests++] = data_of_digest(&entry->digest);
    }
    bytes = pack(&record);
    free(digests);
    return bytes;
}

static Tccp__Log__VmState vm_state_to_wire(enum vm_state state)
{
    static const Tccp__Log__VmState wire[VM_STATE_COUNT] = {
        [VM_LAUNCHING] = TCCP__LOG__VM_STATE__VM_STATE_LAUNCHING,
        [VM_RUNNING] = TCCP__LOG__VM_STATE__VM_STATE_RUNNING,
        [VM_MIGRATING] = TCCP__LOG__VM_STATE__VM_STATE_MIGRATING,
        [VM_PAUSED] = TCCP__LOG__VM_STATE__VM_STATE_PAUSED,
        [VM_RESUMING] = TCCP__LOG__VM_STATE__VM_STATE_RESUMING,
        [VM_STOPPED] = TCCP__LOG__VM_STATE__VM_STATE_STOPPED,
        [VM_LOST] = TCCP__LOG__VM_STATE__VM_STATE_LOST,
        [VM_DELETED] = TCCP__LOG__VM_STATE__VM_STATE_DELETED,
    };

    return wire[state];
}

static Tccp__Log__VmPlace *place_to_message(const struct vm_place *place,
                                            Tccp__Log__VmPlace *message)
{
    tccp__log__vm_place__init(message);
    message->node = place->node;
    message->registration = place->registration;
    return place->node != 0 ? message : NULL;
}

struct bytes record_of_vm(const struct vm *vm, bool with_request)
{
    Tccp__Log__VmRecord message = TCCP__LOG__VM_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(VM, vm, &message);
    Tccp__Log__VmPlace owner, peer;
    struct policy_message policy;

    message.id = data_of_digest(&vm->id);
    message.state = vm_state_to_wire(vm->state);
    message.generation = vm->generation;
    message.granted_generation = vm->granted_generation;
    message.name = text_of(vm->name.text);
    message.customer = data_of_digest(&vm->customer);
    message.image = data_of_digest(&vm->image);
    if (with_request) {
        message.request = protobuf_data(bytes_view(&vm->request));
    }
    policy_to_message(&vm->policy, &policy);
    message.policy = &policy.message;
    message.pseudonym = protobuf_data(VIEW_OF_ARRAY(vm->pseudonym));
    message.ticket_expiry_s = vm->ticket_expiry_s;
    message.vcpu_count = vm->vcpu_count;
    message.memory_size = vm->memory_size;
    message.owner = place_to_message(&vm->owner, &owner);
    message.peer = place_to_message(&vm->peer, &peer);
    message.peer_complete = vm->peer_complete;
    message.stop_requested = vm->stop_requested;
    message.release_count = vm->release_count;
    message.measurement = data_of_digest_optional(&vm->measurement);
    message.proof = data_of_digest_optional(&vm->proof);
    message.changed_at_s = vm->changed_at_s;
    message.detail = text_of(vm->detail);
    message.migration = vm->migration;
    message.reported = (vm->reported[MIGRATION_SOURCE] ? 1U : 0U) |
                       (vm->reported[MIGRATION_DESTINATION] ? 2U : 0U);
    message.session = data_of_digest_optional(&vm->session);
    message.configuration = data_of_digest_optional(&vm->configuration);
    message.source_nonce = data_of_digest_optional(&vm->source_nonce);
    message.destination_nonce = data_of_digest_optional(&vm->destination_nonce);
    message.lifetime_ms = vm->lifetime_ms;
    message.peer_pseudonym = protobuf_data(VIEW_OF_ARRAY(vm->peer_pseudonym));
    message.start_generation = vm->start_generation;
    message.last_migration = vm->last_migration;
    message.last_migration_done = vm->last_migration_done;
    return pack(&record);
}

struct bytes record_of_reference(const struct reference_blob *reference)
{
    Tccp__Log__ReferenceRecord message = TCCP__LOG__REFERENCE_RECORD__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(REFERENCE, reference, &message);
    struct digest prefix = reference_prefix(reference);

    message.digest = data_of_digest(&reference->digest);
    message.size = reference->size;
    message.received = reference->received;
    message.prefix = data_of_digest(&prefix);
    return pack(&record);
}

struct bytes record_of_end(uint64_t record_count, const struct digest *digest)
{
    Tccp__Log__SnapshotEnd message = TCCP__LOG__SNAPSHOT_END__INIT;
    const Tccp__Log__SnapshotRecord record = RECORD(END, end, &message);

    message.record_count = record_count;
    message.digest = data_of_digest(digest);
    return pack(&record);
}
