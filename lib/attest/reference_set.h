/*
 * A reference set: all that an appraisal policy knows of good hosts, compiled, immutable, and named
 * by the SHA-256 of its bytes (proto/policy.proto). A manifest names it; it is opened once and
 * shared by all appraisals.
 */
#ifndef TCCP_ATTEST_REFERENCE_SET_H
#define TCCP_ATTEST_REFERENCE_SET_H

#include "lib/attest/event_sequence.h"
#include "lib/attest/ima_policy.h"
#include "lib/attest/pcr_policy.h"
#include "lib/attest/secure_boot.h"

enum {
    REFERENCE_SET_FORMAT = 1,
    REFERENCE_SET_SIZE_MAX = 16 << 20,
    REFERENCE_SET_NAME_LENGTH_MAX = 63,
    REFERENCE_SET_FIRMWARE_COUNT_MAX = 64,
};

struct reference_set {
    struct digest digest; /* SHA-256 of its bytes */
    char name[REFERENCE_SET_NAME_LENGTH_MAX + 1];
    struct pcr_policy pcrs; /* values; lists nothing where there are none */
    bool has_events, has_secure_boot, has_files;
    struct event_sequence events; /* of the PCRs that it covers */
    struct secure_boot_policy secure_boot;
    struct ima_policy files;
    size_t firmware_count; /* none: any */
    uint64_t firmware[REFERENCE_SET_FIRMWARE_COUNT_MAX];
    void *message; /* what was unpacked; the file set lies in it */
};

/*
 * Checks and opens the bytes; does not need them afterwards. STATUS_REFUSED (malformed, too-large)
 * unless they are the one encoding of a set of format 1 within the limits above and of its parts.
 * STATUS_NO_MEMORY. Some milliseconds for each MiB: not for an event loop.
 */
WARN_UNUSED enum status reference_set_open(struct view bytes, struct reference_set **ret_set,
                                           struct refusal *ret_refusal);
void reference_set_free(struct reference_set *set);
DEFINE_OWN_POINTER(reference_set, reference_set_free)

/* The PCRs that a quote has to cover for it; those of them whose events are judged, for which the
 * event log has to come along (IMA's log has to where it has_files). */
uint32_t reference_set_mask(const struct reference_set *set);
uint32_t reference_set_judged_pcrs(const struct reference_set *set);

/* Check 8's part of the policy: FIRMWARE unless the TPM's firmware version is among those that are
 * allowed. */
WARN_UNUSED enum status reference_set_check_firmware(const struct reference_set *set,
                                                     uint64_t firmware,
                                                     struct refusal *ret_refusal);

#endif
