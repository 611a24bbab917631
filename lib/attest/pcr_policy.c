#include "lib/attest/pcr_policy.h"

#include "lib/base/text.h"

#include <stdio.h>
#include <stdlib.h>

void pcr_policy_free(struct pcr_policy *policy)
{
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        free(policy->allowed[pcr].values);
    }
    *policy = (struct pcr_policy){0};
}

enum status pcr_policy_list(struct pcr_policy *policy, uint32_t pcr)
{
    if (pcr >= PCR_COUNT) {
        return STATUS_MALFORMED;
    }
    policy->listed |= 1u << pcr;
    return STATUS_OK;
}

enum status pcr_policy_allow(struct pcr_policy *policy, uint32_t pcr, const struct digest *value)
{
    struct digest *values;
    size_t count;

    TRY(pcr_policy_list(policy, pcr));
    count = policy->allowed[pcr].count;
    if (count >= PCR_POLICY_VALUE_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    values = reallocarray(policy->allowed[pcr].values, count + 1, sizeof *values);
    if (!values) {
        return STATUS_NO_MEMORY;
    }
    values[count] = *value;
    policy->allowed[pcr].values = values;
    policy->allowed[pcr].count = count + 1;
    return STATUS_OK;
}

uint32_t pcr_policy_mask(const struct pcr_policy *policy)
{
    return policy->listed | (policy->needs_ima_log ? 1u << PCR_IMA : 0);
}

static bool value_is_allowed(const struct pcr_policy *policy, unsigned pcr,
                             const struct digest *value)
{
    for (size_t i = 0; i < policy->allowed[pcr].count; i++) {
        if (digest_equal(&policy->allowed[pcr].values[i], value)) {
            return true;
        }
    }
    return false;
}

static enum status not_allowed(const struct pcr_policy *policy, unsigned pcr,
                               const struct digest *value, struct refusal *refusal)
{
    size_t count = policy->allowed[pcr].count;
    struct hex_digest seen = hex_digest(value);
    struct hex_digest first = hex_digest(count ? &policy->allowed[pcr].values[0] : NULL);
    char subject[16], expected[FINDING_VALUE_SIZE];

    (void)snprintf(subject, sizeof subject, "PCR %u", pcr);
    if (count > 1) {
        (void)snprintf(expected, sizeof expected, "%s or %zu others", first.text, count - 1);
    } else {
        (void)snprintf(expected, sizeof expected, "%s", first.text);
    }
    return refuse_about(
        refusal, REFUSAL_PCR_NOT_ALLOWED, (struct finding_texts){subject, expected, seen.text},
        "%s is %s, which is none of the %zu allowed values", subject, seen.text, count);
}

enum status pcr_policy_check_pcr(const struct pcr_policy *policy, unsigned pcr,
                                 const struct pcr_bank *bank, struct refusal *refusal)
{
    return !(policy->listed >> pcr & 1) || value_is_allowed(policy, pcr, &bank->values[pcr])
               ? STATUS_OK
               : not_allowed(policy, pcr, &bank->values[pcr], refusal);
}

enum status pcr_policy_check(const struct pcr_policy *policy, const struct pcr_bank *bank,
                             struct refusal *refusal)
{
    uint32_t mask = pcr_policy_mask(policy);

    if (policy->listed == 0) {
        return refuse(refusal, REFUSAL_POLICY_MISSING, "the policy lists no PCR");
    }
    ASSERT((bank->mask & mask) == mask);
    for (unsigned pcr = 0; pcr < PCR_COUNT; pcr++) {
        TRY(pcr_policy_check_pcr(policy, pcr, bank, refusal));
    }
    return STATUS_OK;
}
