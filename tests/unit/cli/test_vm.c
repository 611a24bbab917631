/* What a customer says of a VM, and keeps of its launch. */
#include "cli/policy_options.h"
#include "cli/vm.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

/* ---- requirements ---- */

static void a_malformed_requirement_is_refused(void **state)
{
    static const char *const bad[] = {"",     "zone",    "=a",      "zone=",  "zone=a,",
                                      "zone", "zone=,a", "zone=\n", "\x80=a", "zone=a,,b"};
    struct launch_policy policy = {.rule_count = 0};
    struct refusal refusal = {0};
    char long_key[POLICY_TEXT_LENGTH_MAX + 4];

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        assert_refused(policy_require(&policy, bad[i], &refusal), refusal, REFUSAL_MALFORMED);
    }
    memset(long_key, 'k', sizeof long_key);
    strcpy(long_key + POLICY_TEXT_LENGTH_MAX + 1, "=a");
    assert_refused(policy_require(&policy, long_key, &refusal), refusal, REFUSAL_MALFORMED);
    assert_refused(policy_require(&policy, "a=1,2,3,4,5,6,7,8,9", &refusal), refusal,
                   REFUSAL_LIMIT);
    assert_int_equal(policy.rule_count, 0);
    policy.rule_count = POLICY_RULE_COUNT_MAX;
    assert_refused(policy_require(&policy, "a=1", &refusal), refusal, REFUSAL_LIMIT);
}

static void requirements_add_up(void **state)
{
    struct launch_policy policy = {.rule_count = 0};

    (void)state;
    assert_ok(policy_require(&policy, "zone=a,b", NULL));
    assert_ok(policy_require(&policy, "disk=x=y", NULL));
    assert_int_equal(policy.rule_count, 2);
    assert_string_equal(policy.rules[0].key, "zone");
    assert_int_equal(policy.rules[0].value_count, 2);
    assert_string_equal(policy.rules[0].values[1], "b");
    assert_string_equal(policy.rules[1].values[0], "x=y");
}

/* ---- which VM is meant ---- */

static void a_word_names_one_vm_or_none(void **state)
{
    static uint8_t ids[4][SHA256_SIZE];
    Tccp__VmStatus items[4];
    Tccp__VmStatus *pointers[4];
    Tccp__VmsReply vms = TCCP__VMS_REPLY__INIT;
    static const struct {
        const char *name, *state;
    } shown[4] = {{"web", "deleted"}, {"web", "running"}, {"db", "stopped"}, {"old", "deleted"}};
    size_t matches;

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        tccp__vm_status__init(&items[i]);
        memset(ids[i], 0xa0 + (int)i, SHA256_SIZE);
        items[i].vm = (ProtobufCBinaryData){SHA256_SIZE, ids[i]};
        items[i].name = protobuf_string(shown[i].name);
        items[i].state = protobuf_string(shown[i].state);
        pointers[i] = &items[i];
    }
    vms.vms = pointers;
    vms.n_vms = 4;
    assert_ptr_equal(vm_find(&vms, "web", &matches), &items[1]);
    assert_ptr_equal(vm_find(&vms, "old", &matches), &items[3]);
    assert_ptr_equal(vm_find(&vms, "a2a2a2a2", &matches), &items[2]);
    assert_null(vm_find(&vms, "a2a2a2a", &matches));
    assert_int_equal(matches, 0);
    assert_null(vm_find(&vms, "we", &matches));
    items[2].name = protobuf_string("web");
    assert_null(vm_find(&vms, "web", &matches));
    assert_int_equal(matches, 2);
}

/* ---- records and proofs ---- */

enum { EPOCH = 2 };

struct proof_fixture {
    struct perimeter_test *perimeter;
    struct private_key *customer;
    struct launch_record record;
    uint8_t key[VM_KEY_SIZE];
    struct bytes proof;
};

/* What the coordinator and the node would say of this launch. */
static void make_proof(struct proof_fixture *fixture, uint64_t generation, struct bytes *ret_proof)
{
    const struct scope scope = {fixture->perimeter->root.id, EPOCH};
    const struct signer signer = signer_of_key(fixture->perimeter->tc_sign);
    struct launch_report report = {.leaf_index = 0, .tree_size = 1, .development = true};
    struct startup_measurement measurement = {.configuration = sha256(view_string("machine"))};
    OWN(bytes) struct bytes measured = {0}, signed_report = {0};
    struct merkle_proof inclusion = {.count = 0};
    struct image_manifest manifest;
    struct digest mac;

    assert_ok(image_manifest_parse(bytes_view(&fixture->record.image_manifest), &manifest, NULL));
    measurement.disk = manifest.disk.digest;
    assert_ok(startup_measurement_build(&measurement, &measured));
    memcpy(report.fields.nonce, fixture->record.nonce, VM_NONCE_SIZE);
    report.fields.vm = fixture->record.vm;
    report.fields.generation = generation;
    report.fields.image = image_manifest_digest(bytes_view(&fixture->record.image_manifest));
    mac = launch_proof_mac(VIEW_OF_ARRAY(fixture->key), &scope, &report.fields);
    report.measurement = sha256(bytes_view(&measured));
    report.proof = sha256(digest_view(&mac));
    report.root = merkle_leaf_hash(view_string("leaf"));
    assert_ok(launch_report_make(&report, &scope, &signer, &signed_report));
    assert_ok(launch_proof_make(
        &(struct launch_proof_content){
            .report = bytes_view(&signed_report),
            .mac = mac,
            .measurement = bytes_view(&measured),
            .leaf = view_string("leaf"),
            .inclusion = &inclusion,
        },
        ret_proof));
}

static int set_up(void **state)
{
    static struct proof_fixture fixture;
    struct launch_record *record = &fixture.record;
    const struct image_manifest manifest = {
        .disk = {sha256(view_string("disk")), 1 << 20},
        .vcpu_count = 1,
        .memory_size = 64 << 20,
    };
    struct digest image;

    memset(&fixture, 0, sizeof fixture);
    fixture.perimeter = perimeter_test_new();
    assert_ok(private_key_generate(KEY_ECDSA_P256, &fixture.customer));
    memset(fixture.key, 0x22, sizeof fixture.key);
    memset(record->nonce, 0x11, sizeof record->nonce);
    strcpy(record->name, "web");
    assert_ok(bytes_copy(private_key_spki(fixture.customer), &record->cust_sign));
    assert_ok(image_manifest_build(&manifest, &record->image_manifest));
    assert_ok(bytes_copy(view_string("request"), &record->request));
    record->bundle = perimeter_test_bundle(fixture.perimeter, 1, EPOCH);
    record->sealed_at_s = PERIMETER_TEST_NOW_S;
    image = image_manifest_digest(bytes_view(&record->image_manifest));
    record->vm = vm_id_make(&fixture.perimeter->root.id, private_key_spki(fixture.customer),
                            VIEW_OF_ARRAY(record->nonce), &image);
    make_proof(&fixture, 3, &fixture.proof);
    *state = &fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct proof_fixture *fixture = *state;

    perimeter_test_free(fixture->perimeter);
    private_key_free(fixture->customer);
    launch_record_free(&fixture->record);
    bytes_free(&fixture->proof);
    return 0;
}

static enum status prove(const struct proof_fixture *fixture, struct refusal *refusal)
{
    struct launch_verdict verdict;

    return launch_record_prove(&fixture->record, &fixture->perimeter->root.id,
                               VIEW_OF_ARRAY(fixture->key), bytes_view(&fixture->proof), &verdict,
                               refusal);
}

static void a_proof_is_refused_where_anything_kept_is_another(void **state)
{
    struct proof_fixture *fixture = *state;
    struct launch_record *record = &fixture->record;
    struct refusal refusal = {0};
    struct launch_verdict verdict;
    struct digest other = sha256(view_string("other"));

    assert_refused(launch_record_prove(record, &other, VIEW_OF_ARRAY(fixture->key),
                                       bytes_view(&fixture->proof), &verdict, &refusal),
                   refusal, REFUSAL_WRONG_PERIMETER);
    fixture->key[0] ^= 1;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_PROOF);
    fixture->key[0] ^= 1;
    record->nonce[0] ^= 1;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_PROOF);
    record->nonce[0] ^= 1;
    record->cust_sign.data[record->cust_sign.size - 1] ^= 1;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_PROOF);
    record->cust_sign.data[record->cust_sign.size - 1] ^= 1;
    record->image_manifest.data[8] ^= 1;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_PROOF);
    record->image_manifest.data[8] ^= 1;
    bytes_free(&record->bundle);
    record->bundle = perimeter_test_bundle(fixture->perimeter, 1, EPOCH + 1);
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_BAD_SIGNATURE);
}

static void a_proof_of_an_older_generation_is_refused(void **state)
{
    struct proof_fixture *fixture = *state;
    struct refusal refusal = {0};

    fixture->record.generation = 3;
    assert_ok(prove(fixture, &refusal));
    fixture->record.generation = 4;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_GENERATION);
}

static void a_proof_holds_by_what_was_in_force_then(void **state)
{
    struct proof_fixture *fixture = *state;
    struct refusal refusal = {0};

    assert_ok(prove(fixture, &refusal));
    fixture->record.sealed_at_s = PERIMETER_TEST_NOW_S + 90 * 24 * 3600;
    assert_refused(prove(fixture, &refusal), refusal, REFUSAL_ENDORSEMENT_EXPIRED);
}

static void a_record_comes_back_as_it_was_and_nothing_else_does(void **state)
{
    struct proof_fixture *fixture = *state;
    struct launch_record *record = &fixture->record;
    OWN(launch_record) struct launch_record again = {.name = ""};
    OWN(bytes) struct bytes bytes = {0};

    record->generation = 3;
    assert_ok(launch_record_build(record, &bytes));
    assert_ok(launch_record_parse(bytes_view(&bytes), &again));
    assert_string_equal(again.name, "web");
    assert_true(digest_equal(&again.vm, &record->vm));
    assert_memory_equal(again.nonce, record->nonce, VM_NONCE_SIZE);
    assert_true(view_equal(bytes_view(&again.bundle), bytes_view(&record->bundle)));
    assert_true(view_equal(bytes_view(&again.request), bytes_view(&record->request)));
    assert_int_equal(again.sealed_at_s, record->sealed_at_s);
    assert_int_equal(again.generation, 3);
    assert_int_equal(launch_record_parse((struct view){bytes.data, 40}, &again), STATUS_MALFORMED);
    strcpy(record->name, "../web");
    bytes_free(&bytes);
    assert_ok(launch_record_build(record, &bytes));
    assert_int_equal(launch_record_parse(bytes_view(&bytes), &again), STATUS_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_malformed_requirement_is_refused),
        cmocka_unit_test(requirements_add_up),
        cmocka_unit_test(a_word_names_one_vm_or_none),
        cmocka_unit_test_setup_teardown(a_proof_is_refused_where_anything_kept_is_another, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_proof_of_an_older_generation_is_refused, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(a_proof_holds_by_what_was_in_force_then, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_record_comes_back_as_it_was_and_nothing_else_does, set_up,
                                        tear_down),
    };

    return cmocka_run_group_tests_name("vm", tests, NULL, NULL);
}
