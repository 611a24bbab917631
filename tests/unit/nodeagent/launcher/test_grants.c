#include "tests/support/test.h"

#include "nodeagent/launcher/grants.h"

enum { NOW = 100000, LEASE_AGE = 400, DURATION = 1000, REGISTRATION = 7, GENERATION = 5 };

static const struct digest vm = {{1}}, other_vm = {{2}};

static struct grant_record record_of(uint64_t generation)
{
    return (struct grant_record){.vm = vm, .generation = generation};
}

static struct run_grant grant_of(uint64_t generation)
{
    return (struct run_grant){.vm = vm,
                              .generation = generation,
                              .registration = REGISTRATION,
                              .deadline_ms = DURATION,
                              .action = ON_LOST_LEASE_STOP};
}

static const struct lease_mark lease = {REGISTRATION, NOW - LEASE_AGE};

static enum status check(const struct grant_record *record, const struct run_grant *grant,
                         struct refusal *refusal)
{
    return grant_check(record, grant, &lease, NOW, refusal);
}

static void a_grant_for_another_vm_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct refusal refusal;

    (void)state;
    grant.vm = other_vm;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_NOT_FOUND);
}

static void a_grant_of_an_older_generation_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION - 1);
    struct refusal refusal;

    (void)state;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GENERATION);
}

static void a_grant_of_a_generation_that_was_used_up_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION), newer = grant_of(GENERATION + 1);
    struct refusal refusal;

    (void)state;
    record.is_used_up = true;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GENERATION);
    assert_ok(check(&record, &newer, &refusal));
}

static void a_grant_for_another_registration_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct refusal refusal;

    (void)state;
    grant.registration = REGISTRATION - 1;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_REGISTRATION);
    grant.registration = REGISTRATION + 1;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_REGISTRATION);
}

static void a_grant_before_any_registration_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    const struct lease_mark none = {0, 0};
    struct refusal refusal;

    (void)state;
    grant.registration = 0;
    assert_refused(grant_check(&record, &grant, &none, NOW, &refusal), refusal,
                   REFUSAL_REGISTRATION);
}

static void a_grant_whose_time_is_over_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct refusal refusal;

    (void)state;
    grant.deadline_ms = LEASE_AGE + 1;
    assert_ok(check(&record, &grant, &refusal));
    grant.deadline_ms = LEASE_AGE;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
    grant.deadline_ms = 0;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
}

static void the_time_of_a_grant_counts_from_the_renewal_of_its_lease(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct lease_mark later = {REGISTRATION, NOW + 50}, other = {REGISTRATION + 1, NOW + 90};

    (void)state;
    grant_renew(&record, &lease);
    assert_int_equal(record.deadline_ms, 0);
    grant_take(&record, &grant, &lease);
    assert_int_equal(record.deadline_ms, NOW - LEASE_AGE + DURATION);
    grant_renew(&record, &later);
    assert_int_equal(record.deadline_ms, NOW + 50 + DURATION);
    /* Repeating it gives nothing. */
    grant_take(&record, &grant, &lease);
    assert_int_equal(record.deadline_ms, NOW + 50 + DURATION);
    /* Another registration's lease is another matter. */
    grant_renew(&record, &other);
    assert_int_equal(record.deadline_ms, NOW + 50 + DURATION);
    grant.deadline_ms = UINT64_MAX;
    grant_take(&record, &grant, &lease);
    assert_true(record.deadline_ms == UINT64_MAX);
}

static void a_newer_decision_may_shorten_the_time(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);

    (void)state;
    grant_take(&record, &grant, &lease);
    grant.generation++;
    grant.deadline_ms = DURATION / 2;
    grant_take(&record, &grant, &lease);
    assert_int_equal(record.deadline_ms, NOW - LEASE_AGE + DURATION / 2);
}

static void a_lease_goes_neither_back_nor_into_the_future(void **state)
{
    struct lease_mark said = lease;
    struct refusal refusal;

    (void)state;
    assert_ok(lease_mark_check(&lease, &said, NOW, &refusal));
    said.renewed_ms--;
    assert_refused(lease_mark_check(&lease, &said, NOW, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
    said.renewed_ms = NOW + 1;
    assert_refused(lease_mark_check(&lease, &said, NOW, &refusal), refusal, REFUSAL_NOT_YET_VALID);
    said = (struct lease_mark){REGISTRATION - 1, NOW};
    assert_refused(lease_mark_check(&lease, &said, NOW, &refusal), refusal, REFUSAL_REGISTRATION);
    said = (struct lease_mark){REGISTRATION + 1, 5};
    assert_ok(lease_mark_check(&lease, &said, NOW, &refusal));
}

static void a_vm_starts_again_only_at_a_newer_generation(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct refusal refusal;

    (void)state;
    assert_ok(grant_check_start(NULL, 1, &refusal));
    /* A start that failed before its grant may be tried again. */
    assert_ok(grant_check_start(&record, GENERATION, &refusal));
    assert_refused(grant_check_start(&record, GENERATION - 1, &refusal), refusal,
                   REFUSAL_GENERATION);
    record.has_run = true;
    assert_refused(grant_check_start(&record, GENERATION, &refusal), refusal, REFUSAL_GENERATION);
    assert_ok(grant_check_start(&record, GENERATION + 1, &refusal));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_for_another_vm_is_refused),
        cmocka_unit_test(a_grant_of_an_older_generation_is_refused),
        cmocka_unit_test(a_grant_of_a_generation_that_was_used_up_is_refused),
        cmocka_unit_test(a_grant_for_another_registration_is_refused),
        cmocka_unit_test(a_grant_before_any_registration_is_refused),
        cmocka_unit_test(a_grant_whose_time_is_over_is_refused),
        cmocka_unit_test(the_time_of_a_grant_counts_from_the_renewal_of_its_lease),
        cmocka_unit_test(a_newer_decision_may_shorten_the_time),
        cmocka_unit_test(a_lease_goes_neither_back_nor_into_the_future),
        cmocka_unit_test(a_vm_starts_again_only_at_a_newer_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
