#include "lib/attest/appraisal.h"

#include "tests/unit/lib/attest/evidence_files.h"

#include "tests/support/soft_tpm.h"

/* One boot, a policy, and what the verifier expects; a test changes one thing and appraises. */
struct bench {
    struct evidence_files files;
    struct evidence_view evidence;
    struct pcr_policy policy;
    struct view cas[2];
    struct appraisal_inputs inputs;
};

static struct bench *bench_new(const char *folder, const char *policy_folder, uint32_t mask)
{
    struct bench *bench = calloc(1, sizeof *bench);
    OWN(evidence_files) struct evidence_files policy_files = evidence_load(policy_folder);

    bench->files = evidence_load(folder);
    bench->evidence = evidence_view_of(&bench->files);
    bench->policy = evidence_policy(&policy_files, mask);
    bench->cas[0] = bytes_view(&bench->files.cas[0]);
    bench->cas[1] = bytes_view(&bench->files.cas[1]);
    bench->inputs = (struct appraisal_inputs){
        .policy = &bench->policy,
        .qualifying = bytes_view(&bench->files.qualifying),
        .ak_trust = AK_TRUST_BY_EK,
        .cas = bench->cas,
        .ca_count = 2,
        .now_s = EVIDENCE_NOW_S,
    };
    return bench;
}

static void bench_free(struct bench *bench)
{
    evidence_files_free(&bench->files);
    pcr_policy_free(&bench->policy);
    free(bench);
}
DEFINE_OWN_POINTER(bench, bench_free)

static enum status bench_run(const struct bench *bench, struct appraisal *ret_appraisal,
                             struct refusal *refusal)
{
    return appraisal_run(&bench->evidence, &bench->inputs, ret_appraisal, refusal);
}

#define assert_bench_refused(bench, expected)                                                      \
    do {                                                                                           \
        struct appraisal appraisal_;                                                               \
        struct refusal refusal_ = {0};                                                             \
        assert_refused(bench_run((bench), &appraisal_, &refusal_), refusal_, (expected));          \
    } while (0)

static void assert_accepted(const struct bench *bench)
{
    struct appraisal appraisal;
    struct refusal refusal = {0};
    enum status status = bench_run(bench, &appraisal, &refusal);

    if (status != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
}

static void certificate_of_another_ca_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);

    (void)state;
    bench->inputs.ca_count = 1; /* the root without the issuer */
    assert_bench_refused(bench, REFUSAL_EK_CHAIN);
    bench->inputs.ca_count = 0;
    assert_bench_refused(bench, REFUSAL_EK_CHAIN);
}

static void another_tpm_than_the_manifest_names_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("other-node", "good", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files good = evidence_load("good");
    struct tpm_public ek, ak;

    (void)state;
    assert_ok(tpm_public_parse(bytes_view(&good.ek_public), &ek));
    assert_ok(tpm_public_parse(bytes_view(&good.ak_public), &ak));
    bench->inputs.expected_ek = &ek.name;
    assert_bench_refused(bench, REFUSAL_EK_NOT_IN_MANIFEST);
    bench->inputs.expected_ek = NULL;
    bench->inputs.expected_ak = &ak.name;
    assert_bench_refused(bench, REFUSAL_AK_NAME);
}

/* The EK of one TPM with the certificate of another. */
static void endorsement_key_of_another_certificate_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files other = evidence_load("other-node");

    (void)state;
    bench->evidence.ek_public = bytes_view(&other.ek_public);
    assert_bench_refused(bench, REFUSAL_EK_MISMATCH);
}

static void endorsement_key_is_not_read_where_the_name_decides(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(bench->evidence.ak_public, &ak));
    bench->evidence.ek_certificate = bench->evidence.ek_public = (struct view){0};
    assert_bench_refused(bench, REFUSAL_EK_MISMATCH);
    bench->inputs.ak_trust = AK_TRUST_BY_NAME;
    bench->inputs.expected_ak = &ak.name;
    assert_accepted(bench);
    ak.name.bytes[2] ^= 1;
    assert_bench_refused(bench, REFUSAL_AK_NAME);
}

static void key_that_was_kept_serves_for_the_public_area(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);
    OWN(bench) struct bench *other = bench_new("other-node", "good", EVIDENCE_MASK);
    OWN(attestation_key) struct attestation_key *key = NULL;
    struct tpm_public ak;

    (void)state;
    assert_ok(tpm_public_parse(bench->evidence.ak_public, &ak));
    assert_ok(attestation_key_new(&ak, &key, NULL));
    bench->evidence.ak_public = (struct view){0};
    bench->inputs.ak_trust = other->inputs.ak_trust = AK_TRUST_BY_NAME;
    bench->inputs.expected_ak = other->inputs.expected_ak = &ak.name;
    bench->inputs.ak = other->inputs.ak = key;
    assert_accepted(bench);
    assert_bench_refused(other, REFUSAL_QUOTE_SIGNATURE);
}

static void attestation_key_that_may_sign_anything_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);

    (void)state;
    bench->files.ak_public.data[5] &= (uint8_t)~0x01; /* restricted */
    assert_bench_refused(bench, REFUSAL_AK_ATTRIBUTES);
    bench->evidence.ak_public = (struct view){0};
    assert_bench_refused(bench, REFUSAL_AK_ATTRIBUTES);
}

static void quote_of_another_boot_or_for_another_nonce_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files again = evidence_load("good-reboot");

    (void)state;
    bench->evidence.quote = bytes_view(&again.quote);
    assert_bench_refused(bench, REFUSAL_QUOTE_SIGNATURE);
    bench->evidence.signature = bytes_view(&again.signature);
    assert_bench_refused(bench, REFUSAL_QUOTE_BINDING);
}

static void quote_over_other_pcrs_than_the_policy_lists_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);

    (void)state;
    assert_ok(pcr_policy_list(&bench->policy, 11));
    assert_bench_refused(bench, REFUSAL_QUOTE_SELECTION);
}

static void policy_that_lists_nothing_is_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);

    (void)state;
    pcr_policy_free(&bench->policy);
    assert_bench_refused(bench, REFUSAL_POLICY_MISSING);
    bench->policy.needs_ima_log = true;
    assert_bench_refused(bench, REFUSAL_POLICY_MISSING);
}

static void values_that_do_not_hash_to_the_quote_are_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("cmdline", "good", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files good = evidence_load("good");
    struct pcr_bank bank;

    (void)state;
    /* The values that the policy wants to see, under the quote of what really is; without logs,
     * which would tell. */
    assert_ok(pcr_bank_of_view(bytes_view(&good.pcr_values), EVIDENCE_MASK, &bank));
    assert_ok(pcr_policy_allow(&bench->policy, PCR_IMA, &bank.values[PCR_IMA]));
    bench->policy.needs_event_log = bench->policy.needs_ima_log = false;
    bench->evidence.pcr_values = bytes_view(&good.pcr_values);
    assert_bench_refused(bench, REFUSAL_QUOTE_DIGEST);
    bench->evidence.pcr_values = (struct view){0};
    assert_bench_refused(bench, REFUSAL_QUOTE_DIGEST);
}

static void logs_of_another_boot_are_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("cmdline", "cmdline", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files good = evidence_load("good");

    (void)state;
    assert_accepted(bench);
    bench->evidence.event_log = bytes_view(&good.event_log);
    assert_bench_refused(bench, REFUSAL_QUOTE_DIGEST);
    bench->evidence.event_log = (struct view){0};
    assert_bench_refused(bench, REFUSAL_EVENT_LOG);
    bench->evidence.event_log = bytes_view(&bench->files.event_log);
    bench->evidence.ima_log = bytes_view(&good.ima_log);
    assert_bench_refused(bench, REFUSAL_IMA_LOG);
    bench->evidence.ima_log = (struct view){0};
    assert_bench_refused(bench, REFUSAL_IMA_LOG);
}

/* What the policy does not ask for is not even parsed. */
static void log_that_is_not_needed_is_not_read(void **state)
{
    OWN(bench) struct bench *bench = bench_new("good", "good", EVIDENCE_MASK);
    struct pcr_bank bank;

    (void)state;
    assert_ok(pcr_bank_of_view(bench->evidence.pcr_values, EVIDENCE_MASK, &bank));
    bench->policy.needs_event_log = bench->policy.needs_ima_log = false;
    bench->evidence.event_log = bench->evidence.ima_log = view_string("nonsense");
    assert_ok(pcr_policy_allow(&bench->policy, PCR_IMA, &bank.values[PCR_IMA]));
    assert_accepted(bench);
}

static void changed_boot_is_refused_under_the_policy_of_the_good_one(void **state)
{
    OWN(bench) struct bench *cmdline = bench_new("cmdline", "good", EVIDENCE_MASK);
    OWN(bench) struct bench *secureboot = bench_new("secureboot", "good", EVIDENCE_MASK);
    struct appraisal appraisal;
    struct refusal refusal;

    (void)state;
    assert_bench_refused(cmdline, REFUSAL_PCR_NOT_ALLOWED);
    assert_refused(bench_run(cmdline, &appraisal, &refusal), refusal, REFUSAL_PCR_NOT_ALLOWED);
    assert_non_null(strstr(refusal.detail, "PCR 9"));
    assert_bench_refused(secureboot, REFUSAL_PCR_NOT_ALLOWED);
}

/* A changed program shows in PCR 10, where the policy pins it. */
static void changed_program_is_refused_where_pcr_10_is_pinned(void **state)
{
    OWN(bench) struct bench *bench = bench_new("tampered", "good", EVIDENCE_MASK);
    OWN(evidence_files) struct evidence_files good = evidence_load("good");
    struct pcr_bank bank;

    (void)state;
    assert_ok(pcr_bank_of_view(bytes_view(&good.pcr_values), EVIDENCE_MASK, &bank));
    assert_ok(pcr_policy_allow(&bench->policy, PCR_IMA, &bank.values[PCR_IMA]));
    assert_bench_refused(bench, REFUSAL_PCR_NOT_ALLOWED);
}

static void violations_are_refused(void **state)
{
    OWN(bench) struct bench *bench = bench_new("violation", "violation", EVIDENCE_MASK);

    (void)state;
    assert_bench_refused(bench, REFUSAL_IMA_VIOLATION);
}

/* A quote of a TPM in software, for what the captures do not have. */
struct soft_bench {
    struct bench *bench;
    struct soft_key key;
    struct bytes quote, signature, pcr_values;
    struct tpm_public ak;
    struct boot_state previous;
};

static void soft_bench_free(struct soft_bench *soft)
{
    bench_free(soft->bench);
    soft_key_free(&soft->key);
    bytes_free(&soft->quote);
    bytes_free(&soft->signature);
    bytes_free(&soft->pcr_values);
}
DEFINE_OWN_VALUE(soft_bench, soft_bench_free)

/* Takes the logs of the boot for a quote over `mask`, with the values of `bank`. */
static void soft_quote_take(struct soft_bench *soft, const struct pcr_bank *bank, uint32_t mask,
                            const struct soft_quote *wanted)
{
    struct digest digest = pcr_bank_digest(bank, mask);
    struct soft_quote quote = *wanted;
    OWN(writer) struct writer values = writer_new(PCR_COUNT * SHA256_SIZE);

    bytes_free(&soft->quote);
    bytes_free(&soft->signature);
    bytes_free(&soft->pcr_values);
    quote.pcr_digest = digest_view(&digest);
    quote.selections[0].pcr_mask = mask;
    soft->quote = soft_quote_bytes(&quote);
    soft->signature = soft_sign(&soft->key, bytes_view(&soft->quote));
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        if (mask >> pcr & 1) {
            writer_view(&values, digest_view(&bank->values[pcr]));
        }
    }
    assert_ok(writer_take(&values, &soft->pcr_values));
    soft->bench->evidence.quote = bytes_view(&soft->quote);
    soft->bench->evidence.signature = bytes_view(&soft->signature);
    soft->bench->evidence.pcr_values = bytes_view(&soft->pcr_values);
}

static struct soft_quote soft_quote_of(const struct soft_bench *soft)
{
    static const struct digest none;

    return soft_quote_new(soft->bench->inputs.qualifying, EVIDENCE_MASK, &none);
}

static struct soft_bench soft_bench_new(void)
{
    struct soft_bench soft = {.bench = bench_new("good", "good", EVIDENCE_MASK),
                              .key = soft_ak_new(SOFT_P256)};

    assert_ok(tpm_public_parse(soft_key_public(&soft.key), &soft.ak));
    soft.bench->inputs.ak_trust = AK_TRUST_BY_NAME;
    return soft;
}

/* The pointers into `soft` itself, once it lies where it stays; and its values of the good boot. */
static struct pcr_bank soft_bench_begin(struct soft_bench *soft)
{
    struct pcr_bank bank;
    struct soft_quote quote = soft_quote_of(soft);

    soft->bench->inputs.expected_ak = &soft->ak.name;
    soft->bench->evidence.ak_public = soft_key_public(&soft->key);
    assert_ok(pcr_bank_of_view(bytes_view(&soft->bench->files.pcr_values), EVIDENCE_MASK, &bank));
    soft_quote_take(soft, &bank, EVIDENCE_MASK, &quote);
    return bank;
}

static void renewal_after_a_reset_or_with_a_clock_that_stands_is_refused(void **state)
{
    OWN(soft_bench) struct soft_bench soft = soft_bench_new();
    struct pcr_bank bank = soft_bench_begin(&soft);
    struct soft_quote later = soft_quote_of(&soft), quote;
    struct appraisal appraisal;

    (void)state;
    assert_ok(bench_run(soft.bench, &appraisal, NULL));
    assert_int_equal(appraisal.boot.ima.count, 21);
    soft.previous = appraisal.boot;
    soft.bench->inputs.previous = &soft.previous;
    soft.bench->evidence.ima_log = (struct view){0}; /* nothing new */
    assert_bench_refused(soft.bench, REFUSAL_CLOCK);
    later.clock_ms++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &later);
    assert_accepted(soft.bench);
    /* Count and aggregate are all that a coordinator keeps of the log. */
    soft.previous.ima = (struct ima_state){.count = soft.previous.ima.count,
                                           .aggregate = soft.previous.ima.aggregate};
    assert_accepted(soft.bench);
    /* It brings no event log: what that explained is settled, as long as it is what it was. */
    soft.bench->evidence.event_log = (struct view){0};
    assert_accepted(soft.bench);
    quote = later;
    quote.reset_count++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &quote);
    assert_bench_refused(soft.bench, REFUSAL_RESET);
    quote = later;
    quote.restart_count++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &quote);
    assert_bench_refused(soft.bench, REFUSAL_RESET);
    quote = later;
    quote.reset_count--; /* TPM2_Clear sets it back */
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &quote);
    assert_bench_refused(soft.bench, REFUSAL_RESET);
    quote = later;
    quote.firmware++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &quote);
    assert_bench_refused(soft.bench, REFUSAL_RESET);
}

/* What an earlier appraisal found does not hold for a boot that went on changing, nor under other
 * reference sets: all has to be shown again. */
static void renewal_that_rests_on_what_has_moved_needs_whole_evidence(void **state)
{
    OWN(soft_bench) struct soft_bench soft = soft_bench_new();
    struct pcr_bank bank = soft_bench_begin(&soft);
    struct soft_quote later = soft_quote_of(&soft);
    struct reference_set set = {.name = "anything"};
    struct view event_log = soft.bench->evidence.event_log, ima_log = soft.bench->evidence.ima_log;
    struct appraisal appraisal;

    (void)state;
    assert_ok(bench_run(soft.bench, &appraisal, NULL));
    soft.previous = appraisal.boot;
    soft.bench->inputs.previous = &soft.previous;
    soft.bench->evidence.ima_log = soft.bench->evidence.event_log = (struct view){0};
    later.clock_ms++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &later);
    assert_accepted(soft.bench);

    soft.bench->inputs.references.enforced = (struct reference_list){1, {&set}};
    assert_status(bench_run(soft.bench, &appraisal, NULL), STATUS_CONFLICT);
    soft.bench->inputs.references.enforced = (struct reference_list){0};

    bank.values[4].bytes[0] ^= 1;
    assert_ok(pcr_policy_allow(&soft.bench->policy, 4, &bank.values[4]));
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &later);
    assert_status(bench_run(soft.bench, &appraisal, NULL), STATUS_CONFLICT);

    /* Shown whole, the log does not explain the other value. */
    soft.bench->inputs.is_whole = true;
    soft.bench->evidence.event_log = event_log;
    soft.bench->evidence.ima_log = ima_log;
    assert_bench_refused(soft.bench, REFUSAL_QUOTE_DIGEST);
}

/* The state takes no progress that is less than before, whatever the policy asks for now. */
static void policy_that_asks_for_no_files_any_more_keeps_what_is_known_of_them(void **state)
{
    OWN(soft_bench) struct soft_bench soft = soft_bench_new();
    struct pcr_bank bank = soft_bench_begin(&soft);
    struct soft_quote later = soft_quote_of(&soft);
    struct appraisal appraisal;

    (void)state;
    assert_ok(bench_run(soft.bench, &appraisal, NULL));
    soft.previous = appraisal.boot;
    soft.bench->inputs.previous = &soft.previous;
    soft.bench->inputs.is_whole = true;
    soft.bench->policy.needs_ima_log = false;
    assert_ok(pcr_policy_allow(&soft.bench->policy, PCR_IMA, &bank.values[PCR_IMA]));
    later.clock_ms++;
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &later);
    assert_ok(bench_run(soft.bench, &appraisal, NULL));
    assert_int_equal(appraisal.boot.ima.count, 21);
    assert_true(digest_equal(&appraisal.boot.ima.aggregate, &soft.previous.ima.aggregate));
}

/* An IMA log says on which firmware PCRs it rests. */
static void boot_aggregate_of_other_firmware_is_refused(void **state)
{
    OWN(soft_bench) struct soft_bench soft = soft_bench_new();
    struct pcr_bank bank = soft_bench_begin(&soft);
    struct soft_quote quote = soft_quote_of(&soft);

    (void)state;
    /* No event log is asked for, so that nothing else shows that PCR 8 was extended after boot. */
    soft.bench->policy.needs_event_log = false;
    assert_accepted(soft.bench);
    bank.values[8].bytes[0] ^= 1;
    assert_ok(pcr_policy_allow(&soft.bench->policy, 8, &bank.values[8]));
    soft_quote_take(&soft, &bank, EVIDENCE_MASK, &quote);
    assert_bench_refused(soft.bench, REFUSAL_IMA_LOG);
}

/* Above PCR 7 only what the log extends has to be explained by it. */
static void firmware_pcr_without_an_explanation_is_refused(void **state)
{
    OWN(soft_bench) struct soft_bench soft = soft_bench_new();
    struct pcr_bank bank = soft_bench_begin(&soft);
    struct soft_quote quote = soft_quote_of(&soft);
    uint32_t with_15 = EVIDENCE_MASK | 1u << 15;

    (void)state;
    bank.values[15].bytes[0] = 1; /* extended by the host itself */
    assert_ok(pcr_policy_allow(&soft.bench->policy, 15, &bank.values[15]));
    soft_quote_take(&soft, &bank, with_15, &quote);
    assert_accepted(soft.bench);
    bank.values[6].bytes[0] ^= 1;
    assert_ok(pcr_policy_allow(&soft.bench->policy, 6, &bank.values[6]));
    soft_quote_take(&soft, &bank, with_15, &quote);
    assert_bench_refused(soft.bench, REFUSAL_QUOTE_DIGEST);
}

static void good_boots_are_accepted(void **state)
{
    OWN(bench) struct bench *good = bench_new("good", "good", EVIDENCE_MASK);
    OWN(bench) struct bench *again = bench_new("good-reboot", "good", EVIDENCE_MASK);
    OWN(bench) struct bench *other = bench_new("other-node", "good", EVIDENCE_MASK);
    OWN(bench) struct bench *uki = bench_new("uki-sb", "uki-sb", EVIDENCE_MASK_UKI);

    (void)state;
    assert_accepted(good);
    assert_accepted(again);
    assert_accepted(other);
    assert_accepted(uki);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(certificate_of_another_ca_is_refused),
        cmocka_unit_test(another_tpm_than_the_manifest_names_is_refused),
        cmocka_unit_test(endorsement_key_of_another_certificate_is_refused),
        cmocka_unit_test(endorsement_key_is_not_read_where_the_name_decides),
        cmocka_unit_test(key_that_was_kept_serves_for_the_public_area),
        cmocka_unit_test(attestation_key_that_may_sign_anything_is_refused),
        cmocka_unit_test(quote_of_another_boot_or_for_another_nonce_is_refused),
        cmocka_unit_test(quote_over_other_pcrs_than_the_policy_lists_is_refused),
        cmocka_unit_test(policy_that_lists_nothing_is_refused),
        cmocka_unit_test(values_that_do_not_hash_to_the_quote_are_refused),
        cmocka_unit_test(logs_of_another_boot_are_refused),
        cmocka_unit_test(log_that_is_not_needed_is_not_read),
        cmocka_unit_test(changed_boot_is_refused_under_the_policy_of_the_good_one),
        cmocka_unit_test(changed_program_is_refused_where_pcr_10_is_pinned),
        cmocka_unit_test(violations_are_refused),
        cmocka_unit_test(renewal_after_a_reset_or_with_a_clock_that_stands_is_refused),
        cmocka_unit_test(renewal_that_rests_on_what_has_moved_needs_whole_evidence),
        cmocka_unit_test(policy_that_asks_for_no_files_any_more_keeps_what_is_known_of_them),
        cmocka_unit_test(boot_aggregate_of_other_firmware_is_refused),
        cmocka_unit_test(firmware_pcr_without_an_explanation_is_refused),
        cmocka_unit_test(good_boots_are_accepted),
    };
    return cmocka_run_group_tests_name("appraisal", tests, NULL, NULL);
}
