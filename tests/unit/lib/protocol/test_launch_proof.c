#include "tests/support/vm.h"

/* ---- Launched: the node's word to the coordinator ---- */

static struct launched launched_of(const struct vm_fixture *vm)
{
    return (struct launched){.order = sha256(view_string("order")),
                             .vm = vm->vm,
                             .generation = 7,
                             .registration = 5,
                             .measurement = {.disk = vm->manifest.disk.digest,
                                             .kernel = vm->manifest.kernel.digest,
                                             .initrd = vm->manifest.initrd.digest,
                                             .configuration = sha256(view_string("machine"))},
                             .proof = sha256(view_string("proof"))};
}

static struct launched_expectation launched_expectation_of(const struct vm_fixture *vm)
{
    return (struct launched_expectation){.scope = vm->scope,
                                         .tk_sign = vm->tk_public,
                                         .order = sha256(view_string("order")),
                                         .vm = vm->vm,
                                         .generation = 7,
                                         .registration = 5,
                                         .disk = vm->manifest.disk.digest,
                                         .kernel = vm->manifest.kernel.digest,
                                         .initrd = vm->manifest.initrd.digest};
}

static void assert_launched(const struct vm_fixture *vm,
                            const struct launched_expectation *expectation,
                            enum refusal_code expected)
{
    struct launched launched = launched_of(vm), seen;
    OWN(bytes) struct bytes bytes = {0};
    struct digest measurement;
    struct refusal refusal = {0};

    assert_ok(launched_make(&launched, &vm->scope, &vm->by_node, &bytes));
    assert_refused(launched_check(bytes_view(&bytes), expectation, &seen, &measurement, &refusal),
                   refusal, expected);
}

static void a_report_by_another_node_perimeter_or_epoch_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct launched_expectation expectation = launched_expectation_of(vm);

    expectation.tk_sign = vm->peer_public;
    assert_launched(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation = launched_expectation_of(vm);
    expectation.scope = vm_other_perimeter(vm);
    assert_launched(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation.scope = vm_other_epoch(vm);
    assert_launched(vm, &expectation, REFUSAL_BAD_SIGNATURE);
}

static void a_report_about_another_order_or_vm_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct launched_expectation expectation = launched_expectation_of(vm);

    expectation.order = vm_other_digest(&expectation.order);
    assert_launched(vm, &expectation, REFUSAL_ORDER);
    expectation = launched_expectation_of(vm);
    expectation.vm = vm_other_digest(&expectation.vm);
    assert_launched(vm, &expectation, REFUSAL_ORDER);
}

static void a_report_of_another_generation_or_registration_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct launched_expectation expectation = launched_expectation_of(vm);

    expectation.generation = 8;
    assert_launched(vm, &expectation, REFUSAL_GENERATION);
    expectation.generation = 6;
    assert_launched(vm, &expectation, REFUSAL_GENERATION);
    expectation = launched_expectation_of(vm);
    expectation.registration = 6;
    assert_launched(vm, &expectation, REFUSAL_REGISTRATION);
}

static void a_report_of_another_image_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct launched_expectation expectation = launched_expectation_of(vm);

    expectation.disk = vm_other_digest(&expectation.disk);
    assert_launched(vm, &expectation, REFUSAL_IMAGE_DIGEST);
    expectation = launched_expectation_of(vm);
    expectation.kernel = vm_other_digest(&expectation.kernel);
    assert_launched(vm, &expectation, REFUSAL_IMAGE_DIGEST);
    expectation = launched_expectation_of(vm);
    expectation.initrd = (struct digest){{0}};
    assert_launched(vm, &expectation, REFUSAL_IMAGE_DIGEST);
}

static void no_changed_byte_of_a_report_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct launched launched = launched_of(vm), seen;
    struct launched_expectation expectation = launched_expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};
    struct digest measurement;

    assert_ok(launched_make(&launched, &vm->scope, &vm->by_node, &bytes));
    assert_no_changed_byte_passes(
        bytes, launched_check(bytes_view(&bytes), &expectation, &seen, &measurement, NULL));
    assert_ok(launched_check(bytes_view(&bytes), &expectation, &seen, &measurement, NULL));
    assert_true(digest_equal(&seen.proof, &launched.proof));
}

/* ---- the proof that the customer gets ---- */

/* What goes into a proof; tests change parts of it before it is put together. */
struct ingredients {
    struct scope scope;
    const struct signer *signer;
    struct proof_fields fields;
    const uint8_t *key; /* K_VM, as the node has it */
    struct startup_measurement measurement;
    struct digest leaves[5];
    struct launch_report report; /* its digests are filled in unless they are set */
    const char *leaf;
    uint64_t leaf_index;
};

static struct ingredients ingredients_of(const struct vm_fixture *vm)
{
    struct ingredients parts = {.scope = vm->scope,
                                .signer = &vm->by_tc,
                                .fields = {.vm = vm->vm, .generation = 7, .image = vm->image},
                                .key = vm->key,
                                .measurement = {.disk = vm->manifest.disk.digest,
                                                .kernel = vm->manifest.kernel.digest,
                                                .initrd = vm->manifest.initrd.digest,
                                                .configuration = sha256(view_string("machine"))},
                                .report = {.host_profile = true},
                                .leaf = "launch-authorized",
                                .leaf_index = 3};

    memcpy(parts.fields.nonce, vm->nonce, sizeof parts.fields.nonce);
    memset(parts.fields.pseudonym, 0x44, sizeof parts.fields.pseudonym);
    return parts;
}

static struct bytes proof_of(struct ingredients *parts)
{
    struct digest mac =
        launch_proof_mac((struct view){parts->key, VM_KEY_SIZE}, &parts->scope, &parts->fields);
    OWN(bytes) struct bytes measurement = {0};
    OWN(bytes) struct bytes report = {0};
    struct merkle_proof inclusion;
    struct bytes proof = {0};

    assert_ok(startup_measurement_build(&parts->measurement, &measurement));
    for (size_t i = 0; i < ARRAY_SIZE(parts->leaves); i++) {
        parts->leaves[i] = merkle_leaf_hash(view_string(i == 3 ? "launch-authorized" : "other"));
    }
    merkle_inclusion_proof(parts->leaves, ARRAY_SIZE(parts->leaves), 3, &inclusion);
    parts->report.fields = parts->fields;
    if (digest_is_zero(&parts->report.measurement)) {
        parts->report.measurement = sha256(bytes_view(&measurement));
    }
    if (digest_is_zero(&parts->report.proof)) {
        parts->report.proof = sha256(digest_view(&mac));
    }
    parts->report.leaf_index = parts->leaf_index;
    parts->report.tree_size = ARRAY_SIZE(parts->leaves);
    parts->report.root = merkle_root_of(parts->leaves, ARRAY_SIZE(parts->leaves));
    assert_ok(launch_report_make(&parts->report, &parts->scope, parts->signer, &report));
    assert_ok(
        launch_proof_make(&(struct launch_proof_content){.report = bytes_view(&report),
                                                         .mac = mac,
                                                         .measurement = bytes_view(&measurement),
                                                         .leaf = view_string(parts->leaf),
                                                         .inclusion = &inclusion},
                          &proof));
    return proof;
}

static struct launch_proof_expectation proof_expectation_of(const struct vm_fixture *vm)
{
    struct launch_proof_expectation expectation = {.scope = vm->scope,
                                                   .tc_sign = vm->tc_public,
                                                   .key = VIEW_OF_ARRAY(vm->key),
                                                   .cust_sign = public_key_spki(vm->cust_public),
                                                   .image_manifest =
                                                       bytes_view(&vm->manifest_bytes)};

    memcpy(expectation.nonce, vm->nonce, sizeof expectation.nonce);
    return expectation;
}

static void assert_proof(const struct vm_fixture *vm, struct ingredients *parts,
                         enum refusal_code expected)
{
    OWN(bytes) struct bytes proof = proof_of(parts);
    struct launch_proof_expectation expectation = proof_expectation_of(vm);
    struct launch_verdict verdict;
    struct refusal refusal = {0};

    assert_refused(launch_proof_check(bytes_view(&proof), &expectation, &verdict, &refusal),
                   refusal, expected);
}

static void a_report_not_by_the_pinned_coordinator_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.signer = &vm->by_stranger;
    assert_proof(vm, &parts, REFUSAL_BAD_SIGNATURE);
    parts = ingredients_of(vm);
    parts.scope = vm_other_perimeter(vm);
    assert_proof(vm, &parts, REFUSAL_BAD_SIGNATURE);
    parts = ingredients_of(vm);
    parts.scope = vm_other_epoch(vm);
    assert_proof(vm, &parts, REFUSAL_BAD_SIGNATURE);
}

static void a_proof_with_a_replayed_nonce_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.fields.nonce[0] ^= 1;
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_proof_for_another_vm_or_manifest_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.fields.vm = vm_other_digest(&vm->vm);
    assert_proof(vm, &parts, REFUSAL_PROOF);
    parts = ingredients_of(vm);
    parts.fields.image = vm_other_digest(&vm->image);
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_proof_without_the_vms_key_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);
    uint8_t other[VM_KEY_SIZE] = {0x23};

    parts.key = other;
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_report_about_another_proof_or_measurement_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.report.proof = sha256(view_string("another"));
    assert_proof(vm, &parts, REFUSAL_PROOF);
    parts = ingredients_of(vm);
    parts.report.measurement = sha256(view_string("another"));
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_proof_that_another_image_runs_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.measurement.disk = sha256(view_string("another"));
    assert_proof(vm, &parts, REFUSAL_PROOF);
    parts = ingredients_of(vm);
    parts.measurement.kernel = sha256(view_string("another"));
    assert_proof(vm, &parts, REFUSAL_PROOF);
    parts = ingredients_of(vm);
    parts.measurement.initrd = (struct digest){{0}};
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_decision_that_is_not_in_the_log_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);

    parts.leaf = "never-authorized";
    assert_proof(vm, &parts, REFUSAL_PROOF);
    parts = ingredients_of(vm);
    parts.leaf_index = 2;
    assert_proof(vm, &parts, REFUSAL_PROOF);
}

static void a_proof_of_an_older_generation_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);
    OWN(bytes) struct bytes proof = proof_of(&parts);
    struct launch_proof_expectation expectation = proof_expectation_of(vm);
    struct launch_verdict verdict;
    struct refusal refusal;

    expectation.generation_seen = 8;
    assert_refused(launch_proof_check(bytes_view(&proof), &expectation, &verdict, &refusal),
                   refusal, REFUSAL_GENERATION);
    expectation.generation_seen = 7;
    assert_ok(launch_proof_check(bytes_view(&proof), &expectation, &verdict, &refusal));
}

static void a_proof_that_is_too_long_is_refused_unread(void **state)
{
    static const uint8_t bytes[LAUNCH_PROOF_SIZE_MAX + 1];
    struct vm_fixture *vm = *state;
    struct launch_proof_expectation expectation = proof_expectation_of(vm);
    struct launch_verdict verdict;
    struct refusal refusal;

    assert_refused(launch_proof_check(VIEW_OF_ARRAY(bytes), &expectation, &verdict, &refusal),
                   refusal, REFUSAL_TOO_LARGE);
}

static void no_changed_byte_of_a_proof_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);
    OWN(bytes) struct bytes proof = proof_of(&parts);
    struct launch_proof_expectation expectation = proof_expectation_of(vm);
    struct launch_verdict verdict;

    assert_no_changed_byte_passes(
        proof, launch_proof_check(bytes_view(&proof), &expectation, &verdict, NULL));
    for (size_t size = 0; size < proof.size; size++) {
        assert_status(
            launch_proof_check((struct view){proof.data, size}, &expectation, &verdict, NULL),
            STATUS_REFUSED);
    }
}

static void a_mac_depends_on_every_field(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);
    struct view key = VIEW_OF_ARRAY(vm->key);
    struct scope perimeter = vm_other_perimeter(vm), epoch = vm_other_epoch(vm);
    struct digest mac = launch_proof_mac(key, &vm->scope, &parts.fields), others[7];
    struct proof_fields fields[5];

    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        fields[i] = parts.fields;
    }
    fields[0].nonce[31] ^= 1;
    fields[1].vm = vm_other_digest(&vm->vm);
    fields[2].pseudonym[15] ^= 1;
    fields[3].generation++;
    fields[4].image = vm_other_digest(&vm->image);
    for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
        others[i] = launch_proof_mac(key, &vm->scope, &fields[i]);
    }
    others[5] = launch_proof_mac(key, &perimeter, &parts.fields);
    others[6] = launch_proof_mac(key, &epoch, &parts.fields);
    for (size_t i = 0; i < ARRAY_SIZE(others); i++) {
        assert_false(digest_equal(&mac, &others[i]));
    }
}

static void a_good_proof_verifies_offline(void **state)
{
    struct vm_fixture *vm = *state;
    struct ingredients parts = ingredients_of(vm);
    OWN(bytes) struct bytes proof = proof_of(&parts);
    struct launch_proof_expectation expectation = proof_expectation_of(vm);
    struct launch_verdict verdict;

    assert_ok(launch_proof_check(bytes_view(&proof), &expectation, &verdict, NULL));
    assert_true(verdict.report.host_profile);
    assert_false(verdict.report.development);
    assert_int_equal(verdict.report.leaf_index, 3);
    assert_int_equal(verdict.report.fields.generation, 7);
    assert_memory_equal(verdict.report.fields.pseudonym, parts.fields.pseudonym,
                        NODE_PSEUDONYM_SIZE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_report_by_another_node_perimeter_or_epoch_is_refused),
        cmocka_unit_test(a_report_about_another_order_or_vm_is_refused),
        cmocka_unit_test(a_report_of_another_generation_or_registration_is_refused),
        cmocka_unit_test(a_report_of_another_image_is_refused),
        cmocka_unit_test(no_changed_byte_of_a_report_passes),
        cmocka_unit_test(a_report_not_by_the_pinned_coordinator_is_refused),
        cmocka_unit_test(a_proof_with_a_replayed_nonce_is_refused),
        cmocka_unit_test(a_proof_for_another_vm_or_manifest_is_refused),
        cmocka_unit_test(a_proof_without_the_vms_key_is_refused),
        cmocka_unit_test(a_report_about_another_proof_or_measurement_is_refused),
        cmocka_unit_test(a_proof_that_another_image_runs_is_refused),
        cmocka_unit_test(a_decision_that_is_not_in_the_log_is_refused),
        cmocka_unit_test(a_proof_of_an_older_generation_is_refused),
        cmocka_unit_test(a_proof_that_is_too_long_is_refused_unread),
        cmocka_unit_test(no_changed_byte_of_a_proof_passes),
        cmocka_unit_test(a_mac_depends_on_every_field),
        cmocka_unit_test(a_good_proof_verifies_offline),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
