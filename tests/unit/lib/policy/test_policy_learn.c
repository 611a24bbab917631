#include "lib/policy/policy.h"

#include "tests/unit/lib/attest/log_writer.h"
#include "tests/unit/lib/policy/policy_helper.h"

static enum status learn(const struct good_boot *boot, struct policy *policy, size_t *violations,
                         struct refusal *refusal)
{
    *refusal = (struct refusal){0};
    return policy_learn(policy, boot, violations, refusal);
}

/* Secure Boot is on there, and the kernel was started past it: nobody may call that good. */
static void silent_bypass_is_not_learned(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("secureboot");
    struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
    OWN(policy) struct policy *policy = policy_new();
    struct refusal refusal;
    size_t violations;

    (void)state;
    assert_refused(learn(&boot, policy, &violations, &refusal), refusal, REFUSAL_POLICY_MISSING);
    assert_non_null(strstr(refusal.detail, "kernel"));
}

static void boot_whose_kernel_or_options_are_not_judged_is_not_learned(void **state)
{
    static const uint32_t left_out[] = {4, 9};
    OWN(evidence_files) struct evidence_files files = evidence_load("good");

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(left_out); i++) {
        struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
        OWN(policy) struct policy *policy = policy_new();
        struct refusal refusal;
        size_t violations;

        boot.judged_pcrs &= ~(1u << left_out[i]);
        assert_refused(learn(&boot, policy, &violations, &refusal), refusal,
                       REFUSAL_POLICY_MISSING);
    }
}

/* Logs that do not hold together, or that do not lead to what was quoted, teach nothing. */
static void broken_logs_are_not_learned(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    OWN(evidence_files) struct evidence_files tampered = evidence_load("tampered");
    struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
    OWN(policy) struct policy *policy = policy_new();
    struct refusal refusal;
    size_t violations;

    (void)state;
    boot.event_log.size--;
    assert_refused(learn(&boot, policy, &violations, &refusal), refusal, REFUSAL_EVENT_LOG);
    boot = good_boot_of(&files, EVIDENCE_MASK);
    boot.event_log = (struct view){0};
    boot.ima_log = bytes_view(&tampered.ima_log);
    assert_refused(learn(&boot, policy, &violations, &refusal), refusal, REFUSAL_IMA_LOG);
}

/* A policy learned from a boot accepts it, and of the other captures exactly those of its kind. */
static void each_capture_is_judged_by_what_was_learned_from_the_others(void **state)
{
    static const char *const folders[] = {"good",     "good-reboot", "other-node", "cmdline",
                                          "tampered", "violation",   "uki-sb"};
    enum { COUNT = ARRAY_SIZE(folders) };
    /* By the policy of the row: accepted, or the first reason. The boot with the violations ran
     * another script too. */
    static const enum refusal_code expected[COUNT][COUNT] = {
        {0, 0, 0, REFUSAL_EVENT_UNEXPECTED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED,
         REFUSAL_EVENT_UNEXPECTED},
        {0, 0, 0, REFUSAL_EVENT_UNEXPECTED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED,
         REFUSAL_EVENT_UNEXPECTED},
        {0, 0, 0, REFUSAL_EVENT_UNEXPECTED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED,
         REFUSAL_EVENT_UNEXPECTED},
        {REFUSAL_EVENT_UNEXPECTED, REFUSAL_EVENT_UNEXPECTED, REFUSAL_EVENT_UNEXPECTED, 0,
         REFUSAL_EVENT_UNEXPECTED, REFUSAL_EVENT_UNEXPECTED, REFUSAL_EVENT_UNEXPECTED},
        {REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED,
         REFUSAL_EVENT_UNEXPECTED, 0, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_EVENT_UNEXPECTED},
        {REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_FILE_NOT_ALLOWED,
         REFUSAL_EVENT_UNEXPECTED, REFUSAL_FILE_NOT_ALLOWED, REFUSAL_IMA_VIOLATION,
         REFUSAL_EVENT_UNEXPECTED},
        /* What was verified is missing: those boots are without Secure Boot. */
        {REFUSAL_SECURE_BOOT, REFUSAL_SECURE_BOOT, REFUSAL_SECURE_BOOT, REFUSAL_SECURE_BOOT,
         REFUSAL_SECURE_BOOT, REFUSAL_SECURE_BOOT, 0},
    };

    (void)state;
    for (size_t row = 0; row < COUNT; row++) {
        OWN(policy) struct policy *policy = policy_learned(folders[row]);
        OWN(reference_set) struct reference_set *set = NULL;

        /* The other captures quote PCRs 0 to 10. */
        policy->events.covered &= EVIDENCE_MASK;
        for (size_t i = policy->events.step_count; i-- > 0;) {
            if (!(EVIDENCE_MASK >> policy->events.steps[i].pcr & 1)) {
                free(policy->events.steps[i].digests);
                policy->events.steps[i] = policy->events.steps[--policy->events.step_count];
            }
        }
        set = set_of(policy);
        for (size_t column = 0; column < COUNT; column++) {
            struct refusal refusal;
            enum status status = appraise_by_set(folders[column], set, &refusal);

            if (status != (expected[row][column] ? STATUS_REFUSED : STATUS_OK) ||
                refusal.code != expected[row][column]) {
                fail_msg("%s by the policy of %s: %s (%s)", folders[column], folders[row],
                         refusal_name(refusal.code), refusal.detail);
            }
        }
    }
}

static void secure_boot_is_learned_where_it_was_on(void **state)
{
    OWN(policy) struct policy *good = policy_learned("good");
    OWN(policy) struct policy *uki = policy_learned("uki-sb");

    (void)state;
    assert_false(good->wants_secure_boot);
    assert_true(uki->wants_secure_boot);
    assert_int_equal(uki->secure_boot.pins[SECURE_BOOT_PK].count, 1);
}

/* A PCR that the log does not extend would be judged as one that nothing may extend. */
static void only_pcrs_that_the_log_extends_are_judged(void **state)
{
    OWN(policy) struct policy *good = policy_learned("good");
    OWN(policy) struct policy *uki = policy_learned("uki-sb");

    (void)state;
    assert_int_equal(good->events.covered & ~EVIDENCE_MASK, 0);
    assert_int_equal(good->events.covered & 1u << 8, 0);
    assert_true(uki->events.covered & 1u << 11);
    assert_int_equal((good->events.covered | uki->events.covered) & 1u << PCR_IMA, 0);
}

static void violations_are_counted_and_not_learned(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("violation");
    struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
    OWN(policy) struct policy *policy = policy_new();
    struct refusal refusal;
    size_t violations = 0;

    (void)state;
    assert_ok(learn(&boot, policy, &violations, &refusal));
    assert_int_equal(violations, 2);
    assert_int_equal(policy->exceptions[IMA_EXCEPTION_VIOLATION].count, 0);
}

/* What the quote does not cover may have been made up. */
static void entries_beyond_the_quote_are_not_learned(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("good");
    struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
    OWN(writer) struct writer log = writer_new(LOG_SIZE_MAX);
    OWN(policy) struct policy *policy = policy_new(), *longer = policy_new();
    static const struct digest evil = {{0xee}};
    struct refusal refusal;
    size_t violations;

    (void)state;
    assert_ok(learn(&boot, policy, &violations, &refusal));
    writer_view(&log, boot.ima_log);
    ima_write(&log, PCR_IMA, &evil, "/usr/bin/evil", NULL, false);
    boot.ima_log = written(&log);
    assert_ok(learn(&boot, longer, &violations, &refusal));
    assert_int_equal(longer->file_count, policy->file_count);
    for (size_t i = 0; i < longer->file_count; i++) {
        assert_false(digest_equal(&longer->files[i].digest, &evil));
    }
}

/* Files of a second boot are added, its events are not. */
static void files_are_learned_from_many_boots(void **state)
{
    OWN(evidence_files) struct evidence_files files = evidence_load("tampered");
    struct good_boot boot = good_boot_of(&files, EVIDENCE_MASK);
    OWN(policy) struct policy *policy = policy_learned("good");
    OWN(reference_set) struct reference_set *set = NULL;
    struct refusal refusal;
    size_t violations, steps = policy->events.step_count;

    (void)state;
    boot.event_log = (struct view){0};
    boot.firmware = 7;
    assert_ok(learn(&boot, policy, &violations, &refusal));
    assert_int_equal(policy->events.step_count, steps);
    assert_int_equal(policy->firmware_count, 1);
    policy->firmware_count = 0;
    set = set_of(policy);
    assert_ok(appraise_by_set("good", set, &refusal));
    assert_ok(appraise_by_set("tampered", set, &refusal));
}

static void firmware_is_pinned_where_it_is_given(void **state)
{
    OWN(policy) struct policy *policy = policy_learned("good");
    OWN(reference_set) struct reference_set *set = NULL;
    struct refusal refusal;

    (void)state;
    assert_int_equal(policy->firmware_count, 0);
    assert_ok(policy_add_firmware(policy, 1));
    set = set_of(policy);
    assert_refused(appraise_by_set("good", set, &refusal), refusal, REFUSAL_FIRMWARE);
    assert_string_equal(refusal.finding.expected, "0000000000000001");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(silent_bypass_is_not_learned),
        cmocka_unit_test(boot_whose_kernel_or_options_are_not_judged_is_not_learned),
        cmocka_unit_test(broken_logs_are_not_learned),
        cmocka_unit_test(violations_are_counted_and_not_learned),
        cmocka_unit_test(entries_beyond_the_quote_are_not_learned),
        cmocka_unit_test(only_pcrs_that_the_log_extends_are_judged),
        cmocka_unit_test(secure_boot_is_learned_where_it_was_on),
        cmocka_unit_test(each_capture_is_judged_by_what_was_learned_from_the_others),
        cmocka_unit_test(files_are_learned_from_many_boots),
        cmocka_unit_test(firmware_is_pinned_where_it_is_given),
    };
    return cmocka_run_group_tests_name("policy_learn", tests, NULL, NULL);
}
