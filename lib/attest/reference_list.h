/*
 * Reference sets that are valid side by side, as during an upgrade: a boot is acceptable when one
 * of them accepts it, a file when one of them knows it (a host whose packages are upgraded while it
 * runs has measured files of both).
 */
#ifndef TCCP_ATTEST_REFERENCE_LIST_H
#define TCCP_ATTEST_REFERENCE_LIST_H

#include "lib/attest/reference_set.h"

enum { REFERENCE_LIST_COUNT_MAX = 8 };

/* Start from all zeroes: nothing is asked beyond the values of PCRs. The sets are borrowed. */
struct reference_list {
    size_t count;
    const struct reference_set *sets[REFERENCE_LIST_COUNT_MAX];
};

/* The PCRs that must be quoted for any of them; those whose events one of them judges, for which
 * the event log must be sent; whether IMA's must be. */
uint32_t reference_list_mask(const struct reference_list *list);
uint32_t reference_list_judged_pcrs(const struct reference_list *list);
bool reference_list_needs_ima_log(const struct reference_list *list);
/* Every set judges files: where one does not, it accepts them all. */
bool reference_list_judges_files(const struct reference_list *list);

/* Names the list: SHA-256 over the digests of its sets; all zeroes for an empty one. */
struct digest reference_list_digest(const struct reference_list *list);

/*
 * Checks 8, 11 and 12 and the values of PCRs: the first set that accepts the TPM's firmware and the
 * boot becomes *ret_set, which may be NULL; one that judges no PCR accepts none. Where none does,
 * the refusal is the last set's, which is the newest of a policy. That the log leads to the values
 * is for the caller to have checked.
 */
WARN_UNUSED enum status reference_list_check_boot(const struct reference_list *list,
                                                  uint64_t firmware, struct view event_log,
                                                  const struct pcr_bank *quoted,
                                                  const struct reference_set **ret_set,
                                                  struct refusal *ret_refusal);

/* Checks 15 and 16 for one entry: one of the sets accepts it; else the refusal of the last. */
WARN_UNUSED enum status reference_list_check_file(const struct reference_list *list,
                                                  uint64_t number, const struct ima_entry *entry,
                                                  struct refusal *ret_refusal);

#endif
