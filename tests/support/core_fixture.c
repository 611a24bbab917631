#include "tests/support/core_fixture.h"

#include "lib/base/protobuf.h"

#include "proto/perimeter.pb-c.h"

#include <stdio.h>
#include <string.h>

struct digest fixture_digest(const char *label, uint64_t number)
{
    const uint64_t big = number;

    return sha256_two(view_string(label), (struct view){(const uint8_t *)&big, sizeof big});
}

struct tpm_name fixture_tpm_name(uint64_t number)
{
    struct digest digest = fixture_digest("tpm-name", number);
    struct tpm_name name = {.size = 34, .bytes = {0x00, 0x0b}};

    memcpy(name.bytes + 2, digest.bytes, sizeof digest.bytes);
    return name;
}

struct core_name fixture_node_name(unsigned node)
{
    struct core_name name = {{0}};

    (void)snprintf(name.text, sizeof name.text, "node-%u", node);
    return name;
}

struct view fixture_key(uint64_t number, uint8_t storage[CORE_KEY_SIZE_MAX])
{
    struct digest digest = fixture_digest("key", number);

    memcpy(storage, digest.bytes, sizeof digest.bytes);
    return (struct view){storage, sizeof digest.bytes};
}

struct digest fixture_key_id(uint64_t number)
{
    uint8_t storage[CORE_KEY_SIZE_MAX];

    return sha256(fixture_key(number, storage));
}

struct bytes fixture_root(unsigned perimeter)
{
    struct digest digest = fixture_digest("root", perimeter);
    struct bytes bytes;

    ASSERT(bytes_copy(digest_view(&digest), &bytes) == STATUS_OK);
    return bytes;
}

struct view fixture_set(unsigned set, uint8_t storage[FIXTURE_SET_SIZE])
{
    for (unsigned i = 0; i < FIXTURE_SET_SIZE; i++) {
        storage[i] = (uint8_t)(i + (set >> i % 4 * 8));
    }
    return (struct view){storage, FIXTURE_SET_SIZE};
}

struct digest fixture_set_digest(unsigned set)
{
    uint8_t storage[FIXTURE_SET_SIZE];

    return sha256(fixture_set(set, storage));
}

static struct digest perimeter_id(unsigned perimeter)
{
    struct bytes root = fixture_root(perimeter);
    struct digest id = sha256(bytes_view(&root));

    bytes_free(&root);
    return id;
}

static struct bytes pack(const ProtobufCMessage *message)
{
    struct bytes bytes;

    ASSERT(protobuf_pack(message, CORE_DOCUMENT_SIZE_MAX, &bytes) == STATUS_OK);
    return bytes;
}

static struct bytes signed_document(struct bytes document)
{
    Tccp__SignedDocument message = TCCP__SIGNED_DOCUMENT__INIT;
    struct bytes bytes;

    message.document = protobuf_data(bytes_view(&document));
    bytes = pack(&message.base);
    bytes_free(&document);
    return bytes;
}

static char *text_of(const char *text)
{
    return (char *)(uintptr_t)text;
}

/* One PCR with a value that stands for the revision. */
struct policy_parts {
    Tccp__PcrPolicy policy;
    Tccp__PcrValues values, *pointer;
    ProtobufCBinaryData value;
    struct digest digest;
    Tccp__PolicyReference references[CORE_POLICY_REFERENCE_COUNT_MAX];
    Tccp__PolicyReference *reference_pointers[CORE_POLICY_REFERENCE_COUNT_MAX];
    struct digest reference_digests[CORE_POLICY_REFERENCE_COUNT_MAX];
};

static void policy_make(const char *name, unsigned revision, struct policy_parts *parts)
{
    tccp__pcr_policy__init(&parts->policy);
    tccp__pcr_values__init(&parts->values);
    parts->digest = fixture_digest("pcr", revision);
    parts->value = protobuf_data(digest_view(&parts->digest));
    parts->values.n_values = 1;
    parts->values.values = &parts->value;
    parts->pointer = &parts->values;
    parts->policy.name = text_of(name);
    parts->policy.n_pcrs = 1;
    parts->policy.pcrs = &parts->pointer;
}

static void policy_name_sets(struct policy_parts *parts, uint32_t sets)
{
    for (unsigned set = 0; set < 32 && sets >> set; set++) {
        size_t at = parts->policy.n_references;

        if (sets >> set & 1U) {
            ASSERT(at < CORE_POLICY_REFERENCE_COUNT_MAX);
            tccp__policy_reference__init(&parts->references[at]);
            parts->reference_digests[at] = fixture_set_digest(set);
            parts->references[at].digest =
                protobuf_data(digest_view(&parts->reference_digests[at]));
            parts->reference_pointers[at] = &parts->references[at];
            parts->policy.n_references++;
        }
    }
    parts->policy.references = parts->reference_pointers;
}

struct member_parts {
    Tccp__MemberEntry entry;
    struct tpm_name ek_name, ak_name, replaces;
    char name[16], address[32];
};

static void member_make(const struct fixture_manifest *manifest, unsigned number,
                        struct member_parts *parts)
{
    tccp__member_entry__init(&parts->entry);
    parts->ek_name = fixture_tpm_name(100 + number);
    parts->ak_name = fixture_tpm_name(200 + number);
    if (manifest->declared_members >> number & 1) {
        parts->replaces = parts->ak_name;
        parts->entry.replaces = protobuf_data(tpm_name_view(&parts->replaces));
    }
    if (manifest->new_members >> number & 1) {
        parts->ek_name = fixture_tpm_name(600 + number);
        parts->ak_name = fixture_tpm_name(700 + number);
    }
    (void)snprintf(parts->name, sizeof parts->name, "tc-%u", number);
    (void)snprintf(parts->address, sizeof parts->address, "127.0.0.1:%u", 7000 + number);
    parts->entry.name = parts->name;
    parts->entry.ek_name = protobuf_data(tpm_name_view(&parts->ek_name));
    parts->entry.ak_name = protobuf_data(tpm_name_view(&parts->ak_name));
    parts->entry.address = parts->address;
    parts->entry.raft_address = parts->address;
}

struct node_parts {
    Tccp__NodeEntry entry;
    Tccp__Attribute zone, *zone_pointer;
    struct tpm_name ek_name, replaces;
    struct core_name name;
};

static void node_make(const struct fixture_manifest *manifest, unsigned number,
                      struct node_parts *parts)
{
    tccp__node_entry__init(&parts->entry);
    tccp__attribute__init(&parts->zone);
    parts->ek_name = fixture_tpm_name(number);
    if (manifest->declared_nodes >> number & 1) {
        parts->replaces = parts->ek_name;
        parts->entry.replaces = protobuf_data(tpm_name_view(&parts->replaces));
    }
    if (manifest->new_nodes >> number & 1) {
        parts->ek_name = fixture_tpm_name(500 + number);
    }
    parts->name = fixture_node_name(number);
    parts->zone.key = text_of("zone");
    parts->zone.value = text_of(number % 2 == 0 ? "even" : "odd");
    parts->zone_pointer = &parts->zone;
    parts->entry.name = parts->name.text;
    parts->entry.ek_name = protobuf_data(tpm_name_view(&parts->ek_name));
    parts->entry.policy = text_of(manifest->strict_policy >> number & 1 ? "strict" : "plain");
    parts->entry.n_attributes = 1;
    parts->entry.attributes = &parts->zone_pointer;
}

static void operator_make(uint64_t key, const char *role, uint8_t storage[CORE_KEY_SIZE_MAX],
                          Tccp__OperatorEntry *entry)
{
    tccp__operator_entry__init(entry);
    entry->name = text_of(role);
    entry->role = text_of(role);
    entry->key = protobuf_data(fixture_key(key, storage));
}

struct bytes fixture_manifest_document(const struct fixture_manifest *manifest)
{
    Tccp__PerimeterManifest message = TCCP__PERIMETER_MANIFEST__INIT;
    struct policy_parts policies[3];
    Tccp__PcrPolicy *policy_pointers[3];
    struct member_parts members[5];
    Tccp__MemberEntry *member_pointers[5];
    struct node_parts nodes[FIXTURE_NODE_MAX];
    Tccp__NodeEntry *node_pointers[FIXTURE_NODE_MAX];
    Tccp__OperatorEntry operators[2], *operator_pointers[2] = {&operators[0], &operators[1]};
    uint8_t keys[2][CORE_KEY_SIZE_MAX];
    struct digest id = perimeter_id(manifest->perimeter);

    message.format = 1;
    message.perimeter_id = protobuf_data(digest_view(&id));
    message.version = manifest->version;
    message.epoch = manifest->epoch;
    message.not_before_s = 1000;
    message.not_after_s = 2000000000;
    message.lease_s = manifest->lease_s ? manifest->lease_s : FIXTURE_LEASE_S;
    message.development = true;
    policy_make("plain", manifest->plain_revision, &policies[0]);
    policy_make("strict", manifest->strict_revision, &policies[1]);
    policy_make("member", manifest->member_revision, &policies[2]);
    policy_name_sets(&policies[0], manifest->references);
    for (unsigned i = 0; i < 3; i++) {
        policy_pointers[i] = &policies[i].policy;
    }
    message.n_policies = 3;
    message.policies = policy_pointers;
    message.member_policy = text_of("member");
    for (unsigned i = 0; i < manifest->members; i++) {
        member_make(manifest, i, &members[i]);
        member_pointers[i] = &members[i].entry;
    }
    message.n_members = manifest->members;
    message.members = member_pointers;
    message.nodes = node_pointers;
    for (unsigned i = 0; i < FIXTURE_NODE_MAX; i++) {
        if (manifest->nodes & 1U << i) {
            node_make(manifest, i, &nodes[message.n_nodes]);
            node_pointers[message.n_nodes] = &nodes[message.n_nodes].entry;
            message.n_nodes++;
        }
    }
    operator_make(FIXTURE_OPERATOR, "operator", keys[0], &operators[0]);
    operator_make(FIXTURE_AUDITOR, "auditor", keys[1], &operators[1]);
    message.n_operators = manifest->without_operator ? 0 : 2;
    message.operators = operator_pointers;
    return signed_document(pack(&message.base));
}

struct bytes fixture_endorsement_document(uint64_t epoch, uint64_t not_after_s, unsigned keys)
{
    Tccp__ClusterEndorsement message = TCCP__CLUSTER_ENDORSEMENT__INIT;
    struct digest id = perimeter_id(0), sign = fixture_digest("tc-sign", keys);
    uint8_t kem[CORE_KEM_KEY_SIZE] = {4, (uint8_t)keys};

    message.format = 1;
    message.perimeter_id = protobuf_data(digest_view(&id));
    message.epoch = epoch;
    message.not_after_s = not_after_s;
    message.tc_sign = protobuf_data(digest_view(&sign));
    message.tc_kem = protobuf_data(VIEW_OF_ARRAY(kem));
    return signed_document(pack(&message.base));
}

struct bytes fixture_succession_document(uint64_t number)
{
    Tccp__RootSuccession message = TCCP__ROOT_SUCCESSION__INIT;
    struct digest id = perimeter_id(0);

    message.format = 1;
    message.perimeter_id = protobuf_data(digest_view(&id));
    message.number = number;
    return signed_document(pack(&message.base));
}

enum refusal_code fixture_apply(struct registry *registry, const struct command *command,
                                struct outcome *ret_outcome)
{
    OWN(bytes) struct bytes bytes = {0};
    OWN(command) struct command *decoded = NULL;

    ASSERT(command_encode(command, &bytes) == STATUS_OK);
    ASSERT(command_decode(bytes_view(&bytes), &decoded) == STATUS_OK);
    return registry_apply(registry, decoded, ret_outcome);
}

enum refusal_code fixture_do(struct fixture *fixture, const struct command *command)
{
    return fixture_apply(fixture->registry, command, &fixture->outcome);
}

static void must(struct fixture *fixture, const struct command *command)
{
    enum refusal_code verdict = fixture_do(fixture, command);

    if (verdict != REFUSAL_NONE) {
        (void)fprintf(stderr, "%s: %s: %s\n", command_kind_name(command->kind),
                      refusal_name(verdict), fixture->outcome.detail);
    }
    ASSERT(verdict == REFUSAL_NONE);
}

struct command fixture_command(const struct fixture *fixture, enum command_kind kind)
{
    struct command command = {.kind = kind, .time_s = 1500000000};

    registry_rest(fixture->registry, &command.rests);
    return command;
}

void fixture_apply_manifest(struct fixture *fixture)
{
    struct bytes document = fixture_manifest_document(&fixture->manifest);
    struct command command = fixture_command(fixture, COMMAND_MANIFEST_APPLIED);

    command.manifest_applied.manifest = bytes_view(&document);
    must(fixture, &command);
    bytes_free(&document);
}

struct command fixture_chunk(const struct fixture *fixture, const struct digest *digest,
                             uint64_t size, uint64_t offset, struct view data)
{
    struct command command = fixture_command(fixture, COMMAND_REFERENCE_CHUNK);

    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    command.reference_chunk.digest = *digest;
    command.reference_chunk.size = size;
    command.reference_chunk.offset = offset;
    command.reference_chunk.data = data;
    return command;
}

void fixture_upload(struct fixture *fixture, unsigned set)
{
    uint8_t storage[FIXTURE_SET_SIZE];
    struct digest digest = fixture_set_digest(set);
    struct command command =
        fixture_chunk(fixture, &digest, FIXTURE_SET_SIZE, 0, fixture_set(set, storage));

    must(fixture, &command);
}

void fixture_start(struct fixture *fixture, unsigned nodes)
{
    struct bytes root = fixture_root(0);
    struct bytes endorsement = fixture_endorsement_document(1, 1600000000, 1);
    struct command command;

    *fixture = (struct fixture){.registry = registry_new(), .clock = 1};
    ASSERT(fixture->registry);
    command = fixture_command(fixture, COMMAND_PERIMETER_ADOPTED);
    command.perimeter_adopted.root = bytes_view(&root);
    must(fixture, &command);
    fixture->manifest = (struct fixture_manifest){
        .version = 1, .epoch = 1, .members = 3, .nodes = (1U << nodes) - 1};
    fixture_apply_manifest(fixture);
    command = fixture_command(fixture, COMMAND_ENDORSEMENT_APPLIED);
    command.manifest_applied.endorsement = bytes_view(&endorsement);
    must(fixture, &command);
    bytes_free(&root);
    bytes_free(&endorsement);
}

void fixture_stop(struct fixture *fixture)
{
    registry_free(fixture->registry);
    fixture->registry = NULL;
}

const struct node *fixture_node(const struct fixture *fixture, unsigned node)
{
    struct tpm_name ek_name = fixture_tpm_name(node);

    return registry_node_by_ek(fixture->registry, tpm_name_view(&ek_name));
}

static struct digest vm_id(unsigned vm)
{
    return fixture_digest("vm", vm);
}

const struct vm *fixture_vm(const struct fixture *fixture, unsigned vm)
{
    struct digest id = vm_id(vm);

    return registry_vm(fixture->registry, &id);
}

struct command fixture_registration(struct fixture *fixture, unsigned node)
{
    struct command command = fixture_command(fixture, COMMAND_NODE_REGISTERED);
    const struct node *known = fixture_node(fixture, node);
    /* Views that outlive the call: the fixture is used by one thread, for one command at a time. */
    static uint8_t tk_sign[CORE_KEY_SIZE_MAX], tk_kem[CORE_KEM_KEY_SIZE];
    struct digest kem = fixture_digest("tk-kem", fixture->uses);

    if (known) {
        command.rests.policy = known->policy;
    }
    command.node_registered.node = fixture_node_name(node);
    command.node_registered.ek_name = fixture_tpm_name(node);
    command.node_registered.ak_name = fixture_tpm_name(300 + node);
    command.node_registered.tk_sign = fixture_key(5000 + fixture->uses, tk_sign);
    memcpy(tk_kem, kem.bytes, sizeof kem.bytes);
    command.node_registered.tk_kem = VIEW_OF_ARRAY(tk_kem);
    command.node_registered.nonce = fixture_digest("nonce", fixture->uses);
    command.node_registered.boot =
        (struct boot_counters){.reset_count = 1, .clock_ms = fixture->clock++};
    command.node_registered.evidence = fixture_digest("evidence", fixture->uses);
    fixture->uses++;
    return command;
}

void fixture_register(struct fixture *fixture, unsigned node)
{
    struct command command = fixture_registration(fixture, node);

    must(fixture, &command);
}

struct command fixture_node_command(const struct fixture *fixture, enum command_kind kind,
                                    unsigned node)
{
    struct command command = fixture_command(fixture, kind);
    const struct node *known = fixture_node(fixture, node);

    registry_rest_on_node(known, &command.rests);
    if (kind == COMMAND_NODE_CORDONED) {
        command.node_cordoned.node = known->name;
        command.node_cordoned.cordoned = true;
    } else if (kind == COMMAND_NODE_REVOKED) {
        command.node_revoked.node = known->name;
        strcpy(command.node_revoked.reason, "test");
    } else if (kind == COMMAND_NODE_QUARANTINED) {
        strcpy(command.node_quarantined.reason, refusal_name(REFUSAL_PCR_NOT_ALLOWED));
    }
    return command;
}

enum refusal_code fixture_renew(struct fixture *fixture, unsigned node)
{
    struct command command = fixture_command(fixture, COMMAND_RENEWAL_BATCH);
    const struct registration *registration = &fixture_node(fixture, node)->registration;
    struct renewal renewal = {
        .registration = registration->id,
        .number = registration->renewal + 1,
        .policy = fixture_node(fixture, node)->policy,
        .boot = registration->boot,
        .progress = registration->progress,
    };

    renewal.boot.clock_ms = ++fixture->clock;
    command.renewal_batch.count = 1;
    command.renewal_batch.items = &renewal;
    must(fixture, &command);
    ASSERT(fixture->outcome.item_count == 1);
    return fixture->outcome.items[0];
}

void fixture_expire(struct fixture *fixture, unsigned node)
{
    struct command command = fixture_node_command(fixture, COMMAND_LEASE_EXPIRED, node);

    must(fixture, &command);
}

struct command fixture_launch(const struct fixture *fixture, unsigned vm, unsigned node)
{
    struct command command = fixture_command(fixture, COMMAND_LAUNCH_AUTHORIZED);
    const struct node *known = fixture_node(fixture, node);

    if (known) {
        registry_rest_on_node(known, &command.rests);
    }
    command.launch_authorized.vm = vm_id(vm);
    (void)snprintf(command.launch_authorized.name.text, sizeof command.launch_authorized.name.text,
                   "vm-%u", vm);
    command.launch_authorized.customer = fixture_key_id(2000 + vm);
    command.launch_authorized.request = view_string("request");
    command.launch_authorized.image = fixture_digest("image", vm);
    command.launch_authorized.policy = (struct vm_policy){
        .after_ms = 1000, .may_migrate = true, .may_revert = true, .may_restart = true};
    command.launch_authorized.ticket_expiry_s = 1700000000;
    command.launch_authorized.vcpu_count = 1;
    command.launch_authorized.memory_size = 1 << 20;
    return command;
}

struct command fixture_vm_command_at(const struct fixture *fixture, enum command_kind kind,
                                     unsigned vm, unsigned node)
{
    struct command command = fixture_command(fixture, kind);
    const struct vm *known = fixture_vm(fixture, vm);
    const struct node *peer = known ? registry_node(fixture->registry, known->peer.node) : NULL;

    registry_rest_on_node(fixture_node(fixture, node), &command.rests);
    if (peer) {
        registry_rest_on_peer(peer, &command.rests);
    }
    command.rests.generation = known ? known->generation : 0;
    command.vm.vm = vm_id(vm);
    return command;
}

static unsigned number_of(const struct fixture *fixture, uint64_t node_id)
{
    for (unsigned i = 0; i < FIXTURE_NODE_MAX; i++) {
        const struct node *node = fixture_node(fixture, i);

        if (node && node->id == node_id) {
            return i;
        }
    }
    return 0;
}

struct command fixture_vm_command(const struct fixture *fixture, enum command_kind kind,
                                  unsigned vm)
{
    const struct vm *known = fixture_vm(fixture, vm);

    return fixture_vm_command_at(fixture, kind, vm,
                                 known ? number_of(fixture, known->owner.node) : 0);
}

void fixture_grant(struct fixture *fixture, unsigned vm)
{
    struct command command = fixture_vm_command(fixture, COMMAND_GRANT_ISSUED, vm);

    must(fixture, &command);
}

void fixture_run(struct fixture *fixture, unsigned vm, unsigned node)
{
    struct command command = fixture_launch(fixture, vm, node);

    must(fixture, &command);
    fixture_grant(fixture, vm);
    command = fixture_vm_command(fixture, COMMAND_LAUNCHED, vm);
    must(fixture, &command);
}

struct command fixture_migration(const struct fixture *fixture, unsigned vm, unsigned destination)
{
    struct command command = fixture_vm_command(fixture, COMMAND_MIGRATION_AUTHORIZED, vm);

    registry_rest_on_peer(fixture_node(fixture, destination), &command.rests);
    command.vm.source_nonce = fixture_digest("source-nonce", vm);
    command.vm.destination_nonce = fixture_digest("destination-nonce", vm);
    command.vm.pseudonym[0] = (uint8_t)(1 + destination);
    command.vm.lifetime_ms = FIXTURE_LEASE_S * 1000;
    return command;
}

struct command fixture_migration_command(const struct fixture *fixture, enum command_kind kind,
                                         unsigned vm, enum migration_role role)
{
    struct command command = fixture_vm_command(fixture, kind, vm);
    const struct vm *known = fixture_vm(fixture, vm);

    memset(&command.migration, 0, sizeof command.migration);
    command.migration.migration = known->migration;
    command.migration.role = role;
    command.migration.session = fixture_digest("session", vm);
    command.migration.configuration = fixture_digest("configuration", vm);
    if (kind == COMMAND_MIGRATION_REPORTED && role == MIGRATION_DESTINATION) {
        command.rests.registration = command.rests.peer_registration;
    }
    return command;
}

void fixture_migrate(struct fixture *fixture, unsigned vm, unsigned node)
{
    struct command command = fixture_migration(fixture, vm, node);

    must(fixture, &command);
    command = fixture_migration_command(fixture, COMMAND_MIGRATION_REPORTED, vm, MIGRATION_SOURCE);
    must(fixture, &command);
    command =
        fixture_migration_command(fixture, COMMAND_MIGRATION_REPORTED, vm, MIGRATION_DESTINATION);
    must(fixture, &command);
}
