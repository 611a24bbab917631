#include "lib/attest/pcr_policy_message.h"

#include "tests/support/test.h"

#include <string.h>

static const struct digest allowed = {{1}}, also_allowed = {{2}}, other = {{3}};

static struct pcr_bank bank_of(uint32_t pcr, const struct digest *value)
{
    struct pcr_bank bank = {.mask = PCR_MASK_ALL};

    bank.values[pcr] = *value;
    return bank;
}

static void value_that_is_not_listed_is_refused_and_named(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};
    struct pcr_bank bank = bank_of(7, &other);
    struct refusal refusal;

    (void)state;
    assert_ok(pcr_policy_allow(&policy, 7, &allowed));
    assert_ok(pcr_policy_allow(&policy, 7, &also_allowed));
    assert_refused(pcr_policy_check(&policy, &bank, &refusal), refusal, REFUSAL_PCR_NOT_ALLOWED);
    assert_non_null(strstr(refusal.detail, "PCR 7"));
    assert_non_null(strstr(refusal.detail, "0300000000"));
    bank.values[7] = also_allowed;
    assert_ok(pcr_policy_check(&policy, &bank, &refusal));
}

static void empty_allow_list_accepts_nothing(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};
    struct pcr_bank bank = bank_of(4, &allowed);
    struct refusal refusal;

    (void)state;
    assert_ok(pcr_policy_allow(&policy, 4, &allowed));
    assert_ok(pcr_policy_check(&policy, &bank, &refusal));
    assert_ok(pcr_policy_list(&policy, 5));
    assert_refused(pcr_policy_check(&policy, &bank, &refusal), refusal, REFUSAL_PCR_NOT_ALLOWED);
}

static void policy_that_lists_no_pcr_accepts_nothing(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {.needs_ima_log = true};
    struct pcr_bank bank = bank_of(4, &allowed);
    struct refusal refusal;

    (void)state;
    assert_refused(pcr_policy_check(&policy, &bank, &refusal), refusal, REFUSAL_POLICY_MISSING);
}

static void value_of_one_pcr_is_not_allowed_in_another(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};
    struct pcr_bank bank = bank_of(4, &also_allowed);
    struct refusal refusal;

    (void)state;
    bank.values[7] = allowed;
    assert_ok(pcr_policy_allow(&policy, 4, &allowed));
    assert_ok(pcr_policy_allow(&policy, 7, &also_allowed));
    assert_refused(pcr_policy_check(&policy, &bank, &refusal), refusal, REFUSAL_PCR_NOT_ALLOWED);
}

static void limits_are_kept(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};

    (void)state;
    assert_status(pcr_policy_allow(&policy, 24, &allowed), STATUS_MALFORMED);
    for (unsigned i = 0; i < PCR_POLICY_VALUE_COUNT_MAX; i++) {
        assert_ok(pcr_policy_allow(&policy, 0, &allowed));
    }
    assert_status(pcr_policy_allow(&policy, 0, &allowed), STATUS_TOO_LARGE);
}

static void quote_covers_what_is_listed_and_what_ima_needs(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};

    (void)state;
    assert_ok(pcr_policy_allow(&policy, 0, &allowed));
    assert_ok(pcr_policy_list(&policy, 14));
    assert_int_equal(pcr_policy_mask(&policy), 0x4001);
    policy.needs_ima_log = true;
    assert_int_equal(pcr_policy_mask(&policy), 0x4401);
}

/* A message with one value of one PCR, of the given size. */
static enum status message_read(uint32_t pcr, size_t size, unsigned times,
                                struct pcr_policy *policy)
{
    struct digest digest = allowed;
    ProtobufCBinaryData value = {.len = size, .data = digest.bytes};
    Tccp__PcrValues values = TCCP__PCR_VALUES__INIT;
    Tccp__PcrValues *list[2] = {&values, &values};
    Tccp__PcrPolicy message;

    tccp__pcr_policy__init(&message);
    values.pcr = pcr;
    values.n_values = 1;
    values.values = &value;
    message.n_pcrs = times;
    message.pcrs = list;
    message.needs_event_log = 1;
    return pcr_policy_of_message(&message, policy);
}

static void malformed_message_is_refused(void **state)
{
    OWN(pcr_policy) struct pcr_policy policy = {0};

    (void)state;
    assert_status(message_read(24, 32, 1, &policy), STATUS_MALFORMED);
    assert_status(message_read(7, 31, 1, &policy), STATUS_MALFORMED);
    assert_status(message_read(7, 32, 2, &policy), STATUS_MALFORMED);
    assert_ok(message_read(7, 32, 1, &policy));
    assert_int_equal(policy.listed, 0x80);
    assert_true(policy.needs_event_log);
    assert_false(policy.needs_ima_log);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_that_is_not_listed_is_refused_and_named),
        cmocka_unit_test(empty_allow_list_accepts_nothing),
        cmocka_unit_test(policy_that_lists_no_pcr_accepts_nothing),
        cmocka_unit_test(value_of_one_pcr_is_not_allowed_in_another),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(quote_covers_what_is_listed_and_what_ima_needs),
        cmocka_unit_test(malformed_message_is_refused),
    };
    return cmocka_run_group_tests_name("pcr_policy", tests, NULL, NULL);
}
