/*
 * What the logs say, once a quote says which values they must lead to: checks 9 to 17 of the
 * appraisal.
 */
#ifndef TCCP_ATTEST_LOG_APPRAISAL_H
#define TCCP_ATTEST_LOG_APPRAISAL_H

#include "lib/attest/event_sequence.h"
#include "lib/attest/ima_policy.h"
#include "lib/attest/secure_boot.h"

/* What is known of good boots, beyond values of PCRs. Each part may be NULL: then nothing is asked
 * of the contents of that log. Borrowed, read-only, shared by all appraisals. */
struct reference {
    const struct event_sequence *events;
    const struct secure_boot_policy *secure_boot;
    const struct ima_policy *files;
};
/* The PCRs that must be quoted for it, and whether a log must be sent. */
uint32_t reference_mask(const struct reference *reference);
bool reference_needs_event_log(const struct reference *reference);

/*
 * Checks 9 to 12. The log leads to the quoted value of every quoted PCR that it extends, PCRs 0 to
 * 7 always among them, or that the reference covers (QUOTE_DIGEST); then its events are the
 * expected ones. Any other PCR (one of the running host) is judged by the policy's values alone.
 */
WARN_UNUSED enum status event_log_appraise(struct view log, const struct pcr_bank *quoted,
                                           const struct reference *reference,
                                           struct refusal *ret_refusal);

/*
 * Checks 13 to 17. Some prefix of the log (the entries after `state`) leads to the quoted PCR 10;
 * the first entry of a boot is the boot_aggregate of PCRs 0 to 9, where those are quoted; every
 * entry of the prefix is acceptable. Without `files` every file is, and no violation. A refusal
 * names an entry only when the quote covers it. The state moves on only when all holds.
 */
WARN_UNUSED enum status ima_log_appraise(struct view log, const struct pcr_bank *quoted,
                                         const struct ima_policy *files, struct ima_state *state,
                                         struct refusal *ret_refusal);

#endif
