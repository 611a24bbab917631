#include "tests/support/test.h"

#include "nodeagent/launcher/grants.h"

enum { NOW = 100000, AHEAD = 60000, REGISTRATION = 7, GENERATION = 5 };

static const struct digest vm = {{1}}, other_vm = {{2}};

static struct grant_record record_of(uint64_t generation)
{
    return (struct grant_record){.vm = vm, .generation = generation};
}

static struct run_grant grant_of(uint64_t generation)
{
    return (struct run_grant){vm, generation, REGISTRATION, NOW + 1000};
}

static enum status check(const struct grant_record *record, const struct run_grant *grant,
                         struct refusal *refusal)
{
    return grant_check(record, grant, REGISTRATION, NOW, AHEAD, refusal);
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

static void a_grant_whose_time_is_over_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct refusal refusal;

    (void)state;
    grant.deadline_ms = NOW;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
    grant.deadline_ms = 0;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
}

static void a_grant_for_too_long_is_refused(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);
    struct refusal refusal;

    (void)state;
    grant.deadline_ms = NOW + AHEAD;
    assert_ok(check(&record, &grant, &refusal));
    grant.deadline_ms = NOW + AHEAD + 1;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
    grant.deadline_ms = UINT64_MAX;
    assert_refused(check(&record, &grant, &refusal), refusal, REFUSAL_GRANT_EXPIRED);
}

static void an_older_deadline_of_the_same_generation_shortens_nothing(void **state)
{
    struct grant_record record = record_of(GENERATION);
    struct run_grant grant = grant_of(GENERATION);

    (void)state;
    grant.deadline_ms = NOW + 5000;
    grant_take(&record, &grant);
    grant.deadline_ms = NOW + 1000;
    grant_take(&record, &grant);
    assert_int_equal(record.deadline_ms, NOW + 5000);
    /* A newer generation's does. */
    grant.generation++;
    grant_take(&record, &grant);
    assert_int_equal(record.deadline_ms, NOW + 1000);
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
        cmocka_unit_test(a_grant_whose_time_is_over_is_refused),
        cmocka_unit_test(a_grant_for_too_long_is_refused),
        cmocka_unit_test(an_older_deadline_of_the_same_generation_shortens_nothing),
        cmocka_unit_test(a_vm_starts_again_only_at_a_newer_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
