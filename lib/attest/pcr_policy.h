/*
 * Which values of which PCRs a host may have. An allow list that is empty accepts nothing: a PCR
 * without values makes a policy that refuses everybody, never one that looks away.
 */
#ifndef TCCP_ATTEST_PCR_POLICY_H
#define TCCP_ATTEST_PCR_POLICY_H

#include "lib/attest/pcr_bank.h"
#include "lib/base/refusal.h"

enum { PCR_POLICY_VALUE_COUNT_MAX = 256 }; /* for each PCR */

struct pcr_policy {
    uint32_t listed; /* PCRs that have an allow list, be it empty */
    struct {
        size_t count;
        struct digest *values; /* owned */
    } allowed[PCR_COUNT];
    bool needs_event_log; /* the firmware's log must replay to the quoted values */
    bool needs_ima_log;   /* likewise IMA's, for PCR 10 */
    bool host_profile;    /* the measured image is of the hardened host profile */
};

/* Start from all zeroes. */
void pcr_policy_free(struct pcr_policy *policy);
DEFINE_OWN_VALUE(pcr_policy, pcr_policy_free)

/* Lists the PCR, with no value yet. STATUS_MALFORMED above 23. */
WARN_UNUSED enum status pcr_policy_list(struct pcr_policy *policy, uint32_t pcr);
/* Allows one more value of the PCR, and lists it. STATUS_TOO_LARGE beyond
 * PCR_POLICY_VALUE_COUNT_MAX. */
WARN_UNUSED enum status pcr_policy_allow(struct pcr_policy *policy, uint32_t pcr,
                                         const struct digest *value);

/* The PCRs that a quote for this policy must cover, exactly: those listed, and PCR 10 where the IMA
 * log is needed. */
uint32_t pcr_policy_mask(const struct pcr_policy *policy);

/*
 * Every listed PCR has one of its allowed values (PCR_NOT_ALLOWED names the PCR, what was seen and
 * how many values were allowed). PCR 10, where it is not listed but the IMA log is needed, is
 * judged by the log alone. A policy that covers no PCR is refused (POLICY_MISSING). bank->mask must
 * cover pcr_policy_mask().
 */
WARN_UNUSED enum status pcr_policy_check(const struct pcr_policy *policy,
                                         const struct pcr_bank *bank, struct refusal *ret_refusal);

/* The same for one PCR; STATUS_OK where the policy does not list it. */
WARN_UNUSED enum status pcr_policy_check_pcr(const struct pcr_policy *policy, unsigned pcr,
                                             const struct pcr_bank *bank,
                                             struct refusal *ret_refusal);

#endif
