#include "tests/support/vm.h"

static void assert_build_malformed(const struct image_manifest *manifest)
{
    OWN(bytes) struct bytes bytes = {0};

    assert_status(image_manifest_build(manifest, &bytes), STATUS_MALFORMED);
}

static void a_manifest_without_what_it_needs_is_malformed(void **state)
{
    struct vm_fixture *vm = *state;
    struct image_manifest manifest = vm->manifest;

    manifest.disk.size = 0;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.disk.digest = (struct digest){{0}};
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.vcpu_count = 0;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.vcpu_count = IMAGE_VCPU_COUNT_MAX + 1;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.memory_size = 0;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.memory_size++;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.memory_size = IMAGE_MEMORY_SIZE_MAX + IMAGE_MEMORY_UNIT;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.disk.size = IMAGE_BLOB_SIZE_MAX + 1;
    assert_build_malformed(&manifest);
    manifest = vm->manifest;
    manifest.command_line[0] = '\n';
    assert_build_malformed(&manifest);
    /* initrd or command line without a kernel */
    manifest = vm->manifest;
    manifest.kernel.size = 0;
    assert_build_malformed(&manifest);
    manifest.initrd.size = 0;
    assert_build_malformed(&manifest);
}

static void another_encoding_of_a_manifest_is_malformed(void **state)
{
    struct vm_fixture *vm = *state;
    uint8_t longer[IMAGE_MANIFEST_SIZE_MAX + 1] = {0};
    size_t size = vm->manifest_bytes.size;
    struct image_manifest manifest;
    struct refusal refusal;

    memcpy(longer, vm->manifest_bytes.data, size);
    /* an unknown field; a field twice */
    memcpy(longer + size, "\xf8\x07\x01", 3);
    assert_refused(image_manifest_parse((struct view){longer, size + 3}, &manifest, &refusal),
                   refusal, REFUSAL_MALFORMED);
    memcpy(longer + size, "\x08\x01", 2);
    assert_refused(image_manifest_parse((struct view){longer, size + 2}, &manifest, &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(image_manifest_parse((struct view){longer, size - 1}, &manifest, &refusal),
                   refusal, REFUSAL_MALFORMED);
    assert_refused(image_manifest_parse((struct view){0}, &manifest, &refusal), refusal,
                   REFUSAL_MALFORMED);
    assert_refused(image_manifest_parse(VIEW_OF_ARRAY(longer), &manifest, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
}

static void a_manifest_says_what_was_put_into_it(void **state)
{
    struct vm_fixture *vm = *state;
    struct image_manifest seen, bare = {.disk = vm->manifest.disk,
                                        .kernel_profile = {{0}},
                                        .vcpu_count = 1,
                                        .memory_size = IMAGE_MEMORY_UNIT};
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(image_manifest_parse(bytes_view(&vm->manifest_bytes), &seen, NULL));
    assert_true(digest_equal(&seen.kernel.digest, &vm->manifest.kernel.digest));
    assert_true(digest_equal(&seen.initrd.digest, &vm->manifest.initrd.digest));
    assert_int_equal(seen.disk.size, vm->manifest.disk.size);
    assert_string_equal(seen.command_line, vm->manifest.command_line);
    assert_int_equal(seen.vcpu_count, 2);
    assert_int_equal(seen.memory_size, 256 << 20);
    assert_ok(image_manifest_build(&bare, &bytes));
    assert_ok(image_manifest_parse(bytes_view(&bytes), &seen, NULL));
    assert_int_equal(seen.kernel.size, 0);
}

static void a_manifest_signed_by_another_or_for_another_perimeter_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct scope other = vm_other_perimeter(vm);
    struct view manifest = bytes_view(&vm->manifest_bytes);
    struct refusal refusal;

    assert_ok(image_manifest_check(manifest, bytes_view(&vm->manifest_signature),
                                   &vm->scope.perimeter_id, vm->cust_public, &refusal));
    assert_refused(image_manifest_check(manifest, bytes_view(&vm->manifest_signature),
                                        &vm->scope.perimeter_id, vm->stranger_public, &refusal),
                   refusal, REFUSAL_BAD_SIGNATURE);
    assert_refused(image_manifest_check(manifest, bytes_view(&vm->manifest_signature),
                                        &other.perimeter_id, vm->cust_public, &refusal),
                   refusal, REFUSAL_BAD_SIGNATURE);
    assert_no_changed_byte_passes(
        vm->manifest_bytes, image_manifest_check(manifest, bytes_view(&vm->manifest_signature),
                                                 &vm->scope.perimeter_id, vm->cust_public, NULL));
}

/* ---- policies ---- */

static void assert_policy_malformed(const struct launch_policy *policy)
{
    OWN(bytes) struct bytes bytes = {0};

    assert_status(launch_policy_build(policy, &bytes), STATUS_MALFORMED);
}

static void a_policy_beyond_its_limits_is_malformed(void **state)
{
    struct vm_fixture *vm = *state;
    struct launch_policy policy = vm->policy;
    OWN(bytes) struct bytes bytes = {0};

    policy.rule_count = POLICY_RULE_COUNT_MAX + 1;
    assert_policy_malformed(&policy);
    policy = vm->policy;
    policy.rules[0].value_count = POLICY_VALUE_COUNT_MAX + 1;
    assert_policy_malformed(&policy);
    policy = vm->policy;
    policy.rules[0].value_count = 0;
    assert_policy_malformed(&policy);
    policy = vm->policy;
    policy.rules[1].key[0] = '\0';
    assert_policy_malformed(&policy);
    policy = vm->policy;
    policy.rules[1].values[0][0] = '\x7f';
    assert_policy_malformed(&policy);
    policy = vm->policy;
    policy.after_ms = POLICY_AFTER_MS_MAX + 1;
    assert_policy_malformed(&policy);
    policy = vm->policy;
    for (unsigned rule = 0; rule < POLICY_RULE_COUNT_MAX; rule++) {
        memset(policy.rules[rule].key, 'k', POLICY_TEXT_LENGTH_MAX);
        policy.rules[rule].value_count = POLICY_VALUE_COUNT_MAX;
        for (unsigned value = 0; value < POLICY_VALUE_COUNT_MAX; value++) {
            memset(policy.rules[rule].values[value], 'v', POLICY_TEXT_LENGTH_MAX);
            policy.rules[rule].values[value][POLICY_TEXT_LENGTH_MAX] = '\0';
        }
        policy.rules[rule].key[POLICY_TEXT_LENGTH_MAX] = '\0';
    }
    policy.rule_count = POLICY_RULE_COUNT_MAX;
    assert_status(launch_policy_build(&policy, &bytes), STATUS_TOO_LARGE);
}

static void a_policy_without_an_action_on_a_lost_lease_is_malformed(void **state)
{
    struct vm_fixture *vm = *state;
    struct launch_policy seen;
    struct refusal refusal;
    uint8_t *action = memmem(vm->policy_bytes.data, vm->policy_bytes.size, "\x18\x02", 2);

    assert_non_null(action);
    for (uint8_t value = 0; value < 8; value++) {
        action[1] = value;
        if (value == 1 || value == 2) {
            assert_ok(launch_policy_parse(bytes_view(&vm->policy_bytes), &seen, NULL));
        } else {
            assert_refused(launch_policy_parse(bytes_view(&vm->policy_bytes), &seen, &refusal),
                           refusal, REFUSAL_MALFORMED);
        }
    }
    action[1] = 2;
}

static void a_policy_says_what_was_put_into_it(void **state)
{
    struct vm_fixture *vm = *state;
    struct launch_policy seen;

    assert_ok(launch_policy_parse(bytes_view(&vm->policy_bytes), &seen, NULL));
    assert_int_equal(seen.rule_count, 2);
    assert_string_equal(seen.rules[0].key, "zone");
    assert_string_equal(seen.rules[0].values[1], "b");
    assert_int_equal(seen.on_lost_lease, ON_LOST_LEASE_STOP);
    assert_int_equal(seen.after_ms, 60000);
    assert_true(seen.may_migrate && seen.needs_host_profile);
    assert_false(seen.may_revert || seen.may_restart);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_manifest_without_what_it_needs_is_malformed),
        cmocka_unit_test(another_encoding_of_a_manifest_is_malformed),
        cmocka_unit_test(a_manifest_says_what_was_put_into_it),
        cmocka_unit_test(a_manifest_signed_by_another_or_for_another_perimeter_is_refused),
        cmocka_unit_test(a_policy_beyond_its_limits_is_malformed),
        cmocka_unit_test(a_policy_without_an_action_on_a_lost_lease_is_malformed),
        cmocka_unit_test(a_policy_says_what_was_put_into_it),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
