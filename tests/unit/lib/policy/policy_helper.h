/* Policies from texts and from captured boots, and what an appraisal by them says. */
#ifndef TCCP_TESTS_POLICY_HELPER_H
#define TCCP_TESTS_POLICY_HELPER_H

#include "lib/policy/policy.h"

#include "tests/unit/lib/attest/evidence_files.h"

/* Digests, as a text has them. */
#define A64 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define B64 "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"
#define C64 "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc"

static inline struct policy *policy_of(struct view text)
{
    struct policy *policy = NULL;
    struct text_error error;

    if (policy_text_parse(text, &policy, &error) != STATUS_OK) {
        fail_msg("line %u, column %u: %s", error.line, error.column, error.message);
    }
    return policy;
}

static inline struct bytes set_bytes_of(const struct policy *policy)
{
    struct bytes bytes;

    assert_ok(policy_compile(policy, &bytes));
    return bytes;
}

static inline struct reference_set *set_of(const struct policy *policy)
{
    OWN(bytes) struct bytes bytes = set_bytes_of(policy);
    struct reference_set *set;
    struct refusal refusal;

    if (reference_set_open(bytes_view(&bytes), &set, &refusal) != STATUS_OK) {
        fail_msg("%s: %s", refusal_name(refusal.code), refusal.detail);
    }
    return set;
}

static inline struct reference_set *set_of_text(const char *text)
{
    OWN(policy) struct policy *policy = policy_of(view_string(text));

    return set_of(policy);
}

/* What a good boot of a folder shows, over the PCRs that its quote covers. */
static inline struct good_boot good_boot_of(const struct evidence_files *files, uint32_t mask)
{
    struct pcr_bank bank;

    assert_ok(pcr_bank_of_view(bytes_view(&files->pcr_values), mask, &bank));
    return (struct good_boot){
        .event_log = bytes_view(&files->event_log),
        .ima_log = bytes_view(&files->ima_log),
        .judged_pcrs = mask & ~(1u << PCR_IMA),
        .quoted_ima_pcr = bank.values[PCR_IMA],
    };
}

static inline uint32_t folder_mask(const char *folder)
{
    return strcmp(folder, "uki-sb") == 0 ? EVIDENCE_MASK_UKI : EVIDENCE_MASK;
}

static inline struct policy *policy_learned(const char *folder)
{
    OWN(evidence_files) struct evidence_files files = evidence_load(folder);
    struct good_boot boot = good_boot_of(&files, folder_mask(folder));
    struct policy *policy = policy_new();
    size_t violations;

    assert_non_null(policy);
    assert_ok(policy_set_name(policy, view_string(folder)));
    assert_ok(policy_learn(policy, &boot, &violations, NULL));
    return policy;
}

/* Appraises a folder's evidence by one set and nothing else. */
static inline enum status appraise_by_set(const char *folder, const struct reference_set *set,
                                          struct refusal *refusal)
{
    static const struct pcr_policy nothing_more;
    OWN(evidence_files) struct evidence_files files = evidence_load(folder);
    struct evidence_view evidence = evidence_view_of(&files);
    struct view cas[2] = {bytes_view(&files.cas[0]), bytes_view(&files.cas[1])};
    struct appraisal appraisal;

    *refusal = (struct refusal){0};
    return appraisal_run(&evidence,
                         &(struct appraisal_inputs){
                             .policy = &nothing_more,
                             .references = {.enforced = {1, {set}}},
                             .more_pcrs = folder_mask(folder) & ~reference_set_mask(set),
                             .qualifying = bytes_view(&files.qualifying),
                             .ak_trust = AK_TRUST_BY_EK,
                             .cas = cas,
                             .ca_count = 2,
                             .now_s = EVIDENCE_NOW_S,
                         },
                         &appraisal, refusal);
}

#endif
