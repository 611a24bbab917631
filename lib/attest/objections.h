/*
 * Everything that a reference set has against a boot, not only what comes first: for people who
 * mend a host or a policy. An appraisal needs none of it.
 */
#ifndef TCCP_ATTEST_OBJECTIONS_H
#define TCCP_ATTEST_OBJECTIONS_H

#include "lib/attest/reference_set.h"

enum { OBJECTION_COUNT_MAX = 10000 };

/* Called for each, in the order of the checks. */
typedef void (*objection_visitor)(void *context, const struct refusal *objection);

/* What was quoted, and the logs, which lead there: a caller has checked that (appraisal_run()). */
struct quoted_boot {
    uint64_t firmware;
    const struct pcr_bank *pcrs;
    struct view event_log, ima_log;
};

/*
 * Of the events of each PCR the first that does not fit is named (what follows it is out of step),
 * of Secure Boot every value and of files every one. Returns how many there were; at most
 * OBJECTION_COUNT_MAX are visited.
 */
size_t reference_set_objections(const struct reference_set *set, const struct quoted_boot *boot,
                                objection_visitor visit, void *context);

#endif
