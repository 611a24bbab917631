#include "tests/support/vm.h"

static struct run_grant grant_of(const struct vm_fixture *vm)
{
    return (struct run_grant){.vm = vm->vm,
                              .generation = 7,
                              .registration = 5,
                              .deadline_ms = 90000,
                              .action = ON_LOST_LEASE_STOP};
}

static struct run_grant_expectation expectation_of(const struct vm_fixture *vm)
{
    return (struct run_grant_expectation){.scope = vm->scope,
                                          .tc_sign = vm->tc_public,
                                          .vm = vm->vm,
                                          .registration = 5,
                                          .generation_seen = 7};
}

static void assert_grant(const struct vm_fixture *vm,
                         const struct run_grant_expectation *expectation,
                         enum refusal_code expected)
{
    struct run_grant grant = grant_of(vm), seen;
    OWN(bytes) struct bytes bytes = {0};
    struct refusal refusal = {0};

    assert_ok(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes));
    assert_refused(run_grant_check(bytes_view(&bytes), expectation, &seen, &refusal), refusal,
                   expected);
}

static void a_grant_of_another_perimeter_or_epoch_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);

    expectation.scope = vm_other_perimeter(vm);
    assert_grant(vm, &expectation, REFUSAL_BAD_SIGNATURE);
    expectation.scope = vm_other_epoch(vm);
    assert_grant(vm, &expectation, REFUSAL_BAD_SIGNATURE);
}

static void a_grant_not_by_the_coordinator_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);

    expectation.tc_sign = vm->stranger_public;
    assert_grant(vm, &expectation, REFUSAL_BAD_SIGNATURE);
}

static void a_grant_for_another_vm_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);

    expectation.vm = vm_other_digest(&vm->vm);
    assert_grant(vm, &expectation, REFUSAL_ORDER);
}

static void a_grant_for_another_registration_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);

    expectation.registration = 6;
    assert_grant(vm, &expectation, REFUSAL_REGISTRATION);
    expectation.registration = 4;
    assert_grant(vm, &expectation, REFUSAL_REGISTRATION);
}

static void a_grant_of_an_older_generation_is_refused(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);

    expectation.generation_seen = 8;
    assert_grant(vm, &expectation, REFUSAL_GENERATION);
}

/* As it is with every message that is signed. */
static void a_grant_that_is_too_long_is_refused_unread(void **state)
{
    static const uint8_t bytes[1 << 20];
    struct vm_fixture *vm = *state;
    struct run_grant_expectation expectation = expectation_of(vm);
    struct run_grant grant;
    struct refusal refusal;

    assert_refused(run_grant_check(VIEW_OF_ARRAY(bytes), &expectation, &grant, &refusal), refusal,
                   REFUSAL_TOO_LARGE);
}

/* The same bytes, the same key, another kind of document. */
static void a_signature_over_another_kind_of_document_is_no_grant(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant grant = grant_of(vm), seen;
    struct run_grant_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes good = {0};
    struct refusal refusal;

    assert_ok(run_grant_make(&grant, &vm->scope, &vm->by_tc, &good));
    for (enum signed_kind kind = 0; kind < SIGNED_KIND_COUNT; kind++) {
        OWN(signed_message) struct signed_message parts = {{0}, {0}};
        OWN(bytes) struct bytes other = {0};

        assert_ok(signed_message_parse(SIGNED_RUN_GRANT, bytes_view(&good), &parts, NULL));
        assert_ok(
            signed_message_make(kind, &vm->scope, bytes_view(&parts.document), &vm->by_tc, &other));
        if (kind == SIGNED_RUN_GRANT) {
            assert_ok(run_grant_check(bytes_view(&other), &expectation, &seen, NULL));
        } else {
            assert_refused(run_grant_check(bytes_view(&other), &expectation, &seen, &refusal),
                           refusal, REFUSAL_BAD_SIGNATURE);
        }
    }
}

static void no_changed_byte_of_a_grant_passes(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant grant = grant_of(vm), seen;
    struct run_grant_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};

    assert_ok(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes));
    assert_no_changed_byte_passes(bytes,
                                  run_grant_check(bytes_view(&bytes), &expectation, &seen, NULL));
}

static void a_senseless_grant_is_not_made(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant grant = grant_of(vm);
    OWN(bytes) struct bytes bytes = {0};

    grant.generation = 0;
    assert_status(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes), STATUS_MALFORMED);
    grant = grant_of(vm);
    grant.registration = 0;
    assert_status(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes), STATUS_MALFORMED);
    grant = grant_of(vm);
    grant.deadline_ms = 0;
    assert_status(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes), STATUS_MALFORMED);
}

static void a_good_grant_holds_and_a_newer_one_too(void **state)
{
    struct vm_fixture *vm = *state;
    struct run_grant grant = grant_of(vm), seen;
    struct run_grant_expectation expectation = expectation_of(vm);
    OWN(bytes) struct bytes bytes = {0};
    struct digest id;

    assert_ok(run_grant_make(&grant, &vm->scope, &vm->by_tc, &bytes));
    assert_ok(run_grant_check(bytes_view(&bytes), &expectation, &seen, NULL));
    assert_int_equal(seen.deadline_ms, 90000);
    assert_int_equal(seen.action, ON_LOST_LEASE_STOP);
    expectation.generation_seen = 3;
    assert_ok(run_grant_check(bytes_view(&bytes), &expectation, &seen, NULL));
    assert_int_equal(seen.generation, 7);
    assert_ok(run_grant_peek(bytes_view(&bytes), &id, NULL));
    assert_true(digest_equal(&id, &vm->vm));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_of_another_perimeter_or_epoch_is_refused),
        cmocka_unit_test(a_grant_not_by_the_coordinator_is_refused),
        cmocka_unit_test(a_grant_for_another_vm_is_refused),
        cmocka_unit_test(a_grant_for_another_registration_is_refused),
        cmocka_unit_test(a_grant_of_an_older_generation_is_refused),
        cmocka_unit_test(a_grant_that_is_too_long_is_refused_unread),
        cmocka_unit_test(a_signature_over_another_kind_of_document_is_no_grant),
        cmocka_unit_test(no_changed_byte_of_a_grant_passes),
        cmocka_unit_test(a_senseless_grant_is_not_made),
        cmocka_unit_test(a_good_grant_holds_and_a_newer_one_too),
    };

    return cmocka_run_group_tests(tests, vm_set_up, vm_tear_down);
}
