/* A perimeter's keys and one VM's documents, for the tests of launch and migration. */
#ifndef TCCP_TESTS_SUPPORT_VM_H
#define TCCP_TESTS_SUPPORT_VM_H

#include "tests/support/test.h"

#include "lib/crypto/x509.h"
#include "lib/protocol/launch_proof.h"
#include "lib/protocol/migration_report.h"
#include "lib/protocol/run_grant.h"

#include <string.h>

enum { VM_NOW_S = 1700000000, VM_TICKET_EXPIRY_S = VM_NOW_S + 3600 };

static const uint8_t vm_entropy[HPKE_ENTROPY_SIZE] = "not random; enough for a test...";

struct vm_fixture {
    struct private_key *tc_sign, *tc_kem, *cust_sign, *tk_sign, *tk_kem, *stranger, *peer_sign,
        *peer_kem;
    struct public_key *tc_public, *tk_public, *cust_public, *stranger_public, *peer_public;
    struct signer by_tc, by_customer, by_node, by_stranger, by_peer;
    struct scope scope;
    uint8_t tc_point[P256_POINT_SIZE], tk_point[P256_POINT_SIZE], peer_point[P256_POINT_SIZE];
    uint8_t nonce[VM_NONCE_SIZE], key[VM_KEY_SIZE];
    struct image_manifest manifest;
    struct bytes manifest_bytes, manifest_signature;
    struct digest image, customer, vm;
    struct launch_policy policy;
    struct bytes policy_bytes;
};

static inline void vm_key(struct private_key **key, struct public_key **public,
                          struct signer *signer)
{
    assert_ok(private_key_generate(KEY_ECDSA_P256, key));
    assert_ok(private_key_public(*key, public));
    *signer = signer_of_key(*key);
}

static inline int vm_set_up(void **state)
{
    static struct vm_fixture vm;
    struct public_key *none = NULL;
    struct signer unused;

    memset(&vm, 0, sizeof vm);
    vm_key(&vm.tc_sign, &vm.tc_public, &vm.by_tc);
    vm_key(&vm.cust_sign, &vm.cust_public, &vm.by_customer);
    vm_key(&vm.tk_sign, &vm.tk_public, &vm.by_node);
    vm_key(&vm.stranger, &vm.stranger_public, &vm.by_stranger);
    vm_key(&vm.peer_sign, &vm.peer_public, &vm.by_peer);
    vm_key(&vm.tc_kem, &none, &unused);
    public_key_free(none);
    vm_key(&vm.tk_kem, &none, &unused);
    public_key_free(none);
    vm_key(&vm.peer_kem, &none, &unused);
    public_key_free(none);
    private_key_point(vm.tc_kem, vm.tc_point);
    private_key_point(vm.tk_kem, vm.tk_point);
    private_key_point(vm.peer_kem, vm.peer_point);
    vm.scope = (struct scope){sha256(view_string("perimeter")), 3};
    memset(vm.nonce, 0x11, sizeof vm.nonce);
    memset(vm.key, 0x22, sizeof vm.key);
    vm.manifest = (struct image_manifest){
        .disk = {sha256(view_string("disk")), 5 << 20},
        .kernel = {sha256(view_string("kernel")), 6 << 20},
        .initrd = {sha256(view_string("initrd")), 7 << 20},
        .command_line = "console=ttyS0 quiet",
        .vcpu_count = 2,
        .memory_size = 256 << 20,
    };
    assert_ok(image_manifest_build(&vm.manifest, &vm.manifest_bytes));
    vm.image = image_manifest_digest(bytes_view(&vm.manifest_bytes));
    assert_ok(image_manifest_sign(bytes_view(&vm.manifest_bytes), &vm.scope.perimeter_id,
                                  &vm.by_customer, &vm.manifest_signature));
    vm.policy = (struct launch_policy){
        .rule_count = 2,
        .rules = {{"zone", 2, {"a", "b"}}, {"country", 1, {"DE"}}},
        .on_lost_lease = ON_LOST_LEASE_STOP,
        .after_ms = 60000,
        .may_migrate = true,
        .needs_host_profile = true,
    };
    assert_ok(launch_policy_build(&vm.policy, &vm.policy_bytes));
    vm.customer = public_key_id(vm.cust_public);
    vm.vm = vm_id_make(&vm.scope.perimeter_id, public_key_spki(vm.cust_public),
                       VIEW_OF_ARRAY(vm.nonce), &vm.image);
    *state = &vm;
    return 0;
}

static inline int vm_tear_down(void **state)
{
    struct vm_fixture *vm = *state;

    private_key_free(vm->tc_sign);
    private_key_free(vm->tc_kem);
    private_key_free(vm->cust_sign);
    private_key_free(vm->tk_sign);
    private_key_free(vm->tk_kem);
    private_key_free(vm->stranger);
    private_key_free(vm->peer_sign);
    private_key_free(vm->peer_kem);
    public_key_free(vm->tc_public);
    public_key_free(vm->tk_public);
    public_key_free(vm->cust_public);
    public_key_free(vm->stranger_public);
    public_key_free(vm->peer_public);
    bytes_free(&vm->manifest_bytes);
    bytes_free(&vm->manifest_signature);
    bytes_free(&vm->policy_bytes);
    return 0;
}

/* The scope of another perimeter, and of another epoch of ours. */
static inline struct scope vm_other_perimeter(const struct vm_fixture *vm)
{
    struct scope scope = vm->scope;

    scope.perimeter_id.bytes[0] ^= 0x01;
    return scope;
}

static inline struct scope vm_other_epoch(const struct vm_fixture *vm)
{
    struct scope scope = vm->scope;

    scope.epoch++;
    return scope;
}

static inline struct digest vm_other_digest(const struct digest *digest)
{
    struct digest other = *digest;

    other.bytes[31] ^= 0x01;
    return other;
}

/* A migration from the node (tk, registration 5) to its peer (6). */
static const char vm_source_name[] = "EK of the source",
                  vm_destination_name[] = "EK of the destination";

static inline void vm_party(struct migration_party *party, const char *node, uint64_t registration,
                            const struct public_key *sign, const uint8_t kem[P256_POINT_SIZE])
{
    party->node_size = strlen(node);
    memcpy(party->node, node, party->node_size);
    party->registration = registration;
    memcpy(party->tk_sign, public_key_spki(sign).data, P256_SPKI_SIZE);
    memcpy(party->tk_kem, kem, P256_POINT_SIZE);
}

static inline struct migration_ticket vm_migration_ticket(const struct vm_fixture *vm)
{
    struct migration_ticket ticket = {
        .migration = 9, .vm = vm->vm, .generation = 7, .lifetime_ms = 20000};

    vm_party(&ticket.parties[SIDE_SOURCE], vm_source_name, 5, vm->tk_public, vm->tk_point);
    vm_party(&ticket.parties[SIDE_DESTINATION], vm_destination_name, 6, vm->peer_public,
             vm->peer_point);
    memset(ticket.nonces[SIDE_SOURCE], 0x55, MIGRATION_NONCE_SIZE);
    memset(ticket.nonces[SIDE_DESTINATION], 0x66, MIGRATION_NONCE_SIZE);
    return ticket;
}

static inline struct bytes vm_certificate(const struct vm_fixture *vm, enum certificate_role role,
                                          uint64_t registration, const struct public_key *sign,
                                          const uint8_t *kem, const struct private_key *signer)
{
    struct certificate content = {.role = role,
                                  .scope = vm->scope,
                                  .subject = "node-2",
                                  .serial = {1},
                                  .serial_size = 1,
                                  .registration_id = registration,
                                  .has_kem = kem != NULL,
                                  .not_before_s = 1000,
                                  .not_after_s = 2000};
    struct bytes der = {0};

    content.spki_size = P256_SPKI_SIZE;
    memcpy(content.spki, public_key_spki(sign).data, P256_SPKI_SIZE);
    if (kem) {
        memcpy(content.kem_point, kem, P256_POINT_SIZE);
    }
    assert_ok(certificate_issue(signer, &content, &der));
    return der;
}

/* Calls a check with every byte of a message changed, in turn: none may be taken. */
#define assert_no_changed_byte_passes(bytes, call)                                                 \
    do {                                                                                           \
        for (size_t at_ = 0; at_ < (bytes).size; at_++) {                                          \
            (bytes).data[at_] ^= 0x01;                                                             \
            assert_status((call), STATUS_REFUSED);                                                 \
            (bytes).data[at_] ^= 0x01;                                                             \
        }                                                                                          \
    } while (0)

#endif
