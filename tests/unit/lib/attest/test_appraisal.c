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
        cmocka_unit_test(good_boots_are_accepted),
    };
    return cmocka_run_group_tests_name("appraisal", tests, NULL, NULL);
}
