/*
 * What the logs say, once a quote says which values they must lead to: checks 9 to 17 of the
 * appraisal.
 */
#ifndef TCCP_ATTEST_LOG_APPRAISAL_H
#define TCCP_ATTEST_LOG_APPRAISAL_H

#include "lib/attest/event_log.h"
#include "lib/attest/reference_list.h"

/*
 * Checks 9 and 10. The log leads to the quoted value of every quoted PCR that it extends, PCRs 0 to
 * 7 always among them, or whose events are judged (QUOTE_DIGEST). Any other PCR (one of the running
 * host) is judged by the policy's values alone.
 */
WARN_UNUSED enum status event_log_appraise(struct view log, const struct pcr_bank *quoted,
                                           uint32_t judged, struct refusal *ret_refusal);

/* Who judges the files of a log, and what came of it. Several may judge the same log at once. */
struct file_judge {
    struct reference_list references; /* of sets that judge files; empty: only violations count */
    enum status status;               /* OK: no objection so far */
    struct refusal refusal;           /* the first objection */
};

/*
 * Checks 13 to 17. Some prefix of the log (the entries after `state`) leads to the quoted PCR 10;
 * the first entry of a boot is the boot_aggregate of PCRs 0 to 9, where those are quoted. The state
 * moves on only when all of that holds. Each judge is shown every entry of that prefix: nobody is
 * accused by an entry that the quote does not cover.
 */
WARN_UNUSED enum status ima_log_appraise(struct view log, const struct pcr_bank *quoted,
                                         struct file_judge *judges, size_t judge_count,
                                         struct ima_state *state, struct refusal *ret_refusal);

#endif
