/*
 * Secure Boot as the firmware measured it into PCR 7: check 12 of the appraisal. Pure.
 *
 * Here the contents of events count, so an event is refused whose data do not hash to its digest.
 * That the log leads to the quoted PCR 7 is for the caller to have checked.
 */
#ifndef TCCP_ATTEST_SECURE_BOOT_H
#define TCCP_ATTEST_SECURE_BOOT_H

#include "lib/attest/digest_set.h"
#include "lib/attest/event_log.h"

/* What the policy pins by digest: of the whole UEFI_VARIABLE_DATA, as in the event. */
enum secure_boot_pin {
    SECURE_BOOT_PK,
    SECURE_BOOT_KEK,
    SECURE_BOOT_DB,
    SECURE_BOOT_AUTHORITY, /* what images were verified with */
};
enum { SECURE_BOOT_PIN_COUNT = SECURE_BOOT_AUTHORITY + 1 };

/* Start from all zeroes, which accepts nothing. */
struct secure_boot_policy {
    struct digest_set pins[SECURE_BOOT_PIN_COUNT];
    /* SHA-256 hashes of images that dbx must hold, at least. May be empty. */
    struct digest_set dbx_required;
};
void secure_boot_policy_free(struct secure_boot_policy *policy);
DEFINE_OWN_VALUE(secure_boot_policy, secure_boot_policy_free)

/* What a good boot has; its dbx becomes what is required. Refused when Secure Boot is off there. */
WARN_UNUSED enum status secure_boot_learn(struct view log, struct secure_boot_policy *ret_policy,
                                          struct refusal *ret_refusal);

/*
 * The events of PCR 7 are, in order: the variables SecureBoot (which is 1), PK, KEK, db, dbx, each
 * once; then the separator and, before or after it, at least one authority. All are pinned by the
 * policy, and dbx holds what it requires. Nothing else may be there. REFUSAL_SECURE_BOOT names the
 * variable or event.
 */
WARN_UNUSED enum status secure_boot_check(const struct secure_boot_policy *policy, struct view log,
                                          struct refusal *ret_refusal);

/* Called for each value that is not allowed. */
typedef void (*secure_boot_visitor)(void *context, const struct refusal *objection);

/* The same for people who mend a policy: values that are not pinned and a dbx that lacks something
 * are visited, each of them, and do not end the check. STATUS_REFUSED for what does: Secure Boot is
 * off, or the events are not those of a boot that it guarded. */
WARN_UNUSED enum status secure_boot_check_all(const struct secure_boot_policy *policy,
                                              struct view log, secure_boot_visitor visit,
                                              void *context, struct refusal *ret_refusal);

#endif
