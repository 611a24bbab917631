/* Renewals with both sides joined in memory: what must be refused, and why. */
#include "lib/protocol/renewal.h"

#include "tests/protocol/hosts.h"
#include "tests/support/test.h"

enum { MASK = 0xff };

static struct test_perimeter *perimeter;

static int perimeter_setup(void **state)
{
    (void)state;
    perimeter = test_perimeter_new();
    return 0;
}

static int perimeter_teardown(void **state)
{
    (void)state;
    test_perimeter_free(perimeter);
    return 0;
}

struct renewal_case {
    struct renewal_binding binding;
    struct boot_state previous;
    bool is_whole;
    struct refusal refusal;
};

/* As the registration before left it: the boot of an earlier quote. */
static struct renewal_case renewal_new(void)
{
    struct digest anything = {{0}};
    OWN(test_evidence)
    struct test_evidence earlier = test_host_quote(&perimeter->node, digest_view(&anything), MASK);
    struct tpm_quote_info info;
    struct pcr_bank bank;

    assert_ok(pcr_bank_of_view(earlier.view.pcr_values, MASK, &bank));
    assert_ok(tpm_quote_info_parse(bytes_view(&earlier.quote), &info));
    return (struct renewal_case){
        .binding = {.scope = bundle_scope(perimeter->bundle),
                    .nonce = {3},
                    .registration_id = 5,
                    .trusted_key = {view_string("sign"), view_string("kem")},
                    .channel = {.exporter = {1}}},
        .previous = {.reset_count = info.reset_count,
                     .restart_count = info.restart_count,
                     .clock_ms = info.clock_ms,
                     .firmware = info.firmware,
                     .boot_pcrs = pcr_bank_digest(&bank, MASK)},
    };
}

static enum status renew(struct renewal_case *renewal, struct test_host *host,
                         const struct renewal_binding *quoted)
{
    const struct manifest_node *node = manifest_node_by_name(perimeter->bundle->manifest, "n1");
    struct digest qualifying = renewal_quote_input(quoted);
    OWN(test_evidence)
    struct test_evidence evidence = test_host_quote(host, digest_view(&qualifying), MASK);
    OWN(bytes) struct bytes message = {0};
    struct appraisal appraisal;

    assert_ok(renewal_evidence(&evidence.view, &message));
    return renewal_appraise(&renewal->binding, bytes_view(&message),
                            &(struct renewal_appraiser){
                                .policy = &node->policy->pcrs,
                                .is_whole = renewal->is_whole,
                                .ak_name = &perimeter->node.ak_public.name,
                                .previous = &renewal->previous,
                                .now_s = PERIMETER_TEST_NOW_S,
                            },
                            &appraisal, &renewal->refusal);
}

static void a_fresh_quote_renews(void **state)
{
    struct renewal_case renewal = renewal_new();

    (void)state;
    assert_ok(renew(&renewal, &perimeter->node, &renewal.binding));
}

static void a_renewal_quote_for_anything_else_is_refused(void **state)
{
    (void)state;
    for (unsigned bend = 0; bend < 5; bend++) {
        struct renewal_case renewal = renewal_new();
        struct renewal_binding quoted = renewal.binding;

        quoted.nonce[0] ^= bend == 0;
        quoted.registration_id += bend == 1;
        quoted.channel.exporter[0] ^= bend == 2;
        quoted.scope.epoch += bend == 3;
        if (bend == 4) {
            quoted.trusted_key.sign = view_string("another");
        }
        assert_refused(renew(&renewal, &perimeter->node, &quoted), renewal.refusal,
                       REFUSAL_QUOTE_BINDING);
    }
}

static void a_renewal_after_a_reset_is_refused(void **state)
{
    struct renewal_case renewal = renewal_new();

    (void)state;
    perimeter->node.reset_count++;
    assert_refused(renew(&renewal, &perimeter->node, &renewal.binding), renewal.refusal,
                   REFUSAL_RESET);
    perimeter->node.reset_count--;
}

static void a_renewal_whose_clock_stood_still_is_refused(void **state)
{
    struct renewal_case renewal = renewal_new();

    (void)state;
    renewal.previous.clock_ms = UINT64_MAX / 2;
    assert_refused(renew(&renewal, &perimeter->node, &renewal.binding), renewal.refusal,
                   REFUSAL_CLOCK);
}

static void a_renewal_by_another_tpm_is_refused(void **state)
{
    struct renewal_case renewal = renewal_new();

    (void)state;
    assert_refused(renew(&renewal, &perimeter->other_node, &renewal.binding), renewal.refusal,
                   REFUSAL_AK_NAME);
}

static void a_fleet_comes_back_spread_and_before_any_lease_is_over(void **state)
{
    (void)state;
    assert_int_equal(renewal_return_spread_ms(10000, 30000), 10000);
    assert_int_equal(renewal_return_spread_ms(10000, 5000), 1666);
    /* A few are back at once. */
    assert_int_equal(renewal_return_spread_ms(3, 30000), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_fresh_quote_renews),
        cmocka_unit_test(a_renewal_quote_for_anything_else_is_refused),
        cmocka_unit_test(a_renewal_after_a_reset_is_refused),
        cmocka_unit_test(a_renewal_whose_clock_stood_still_is_refused),
        cmocka_unit_test(a_renewal_by_another_tpm_is_refused),
        cmocka_unit_test(a_fleet_comes_back_spread_and_before_any_lease_is_over),
    };
    return cmocka_run_group_tests_name("renewal", tests, perimeter_setup, perimeter_teardown);
}
