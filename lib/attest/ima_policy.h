/*
 * Which measured files are acceptable: checks 15 and 16 of the appraisal. Sans-I/O.
 *
 * A file is accepted when the reference set allows its (path, digest), or when its IMA signature
 * holds under a pinned key. A violation (the file was being written while it was measured, so
 * nobody knows what was read) is accepted only for an excepted path.
 */
#ifndef TCCP_ATTEST_IMA_POLICY_H
#define TCCP_ATTEST_IMA_POLICY_H

#include "lib/attest/file_set.h"
#include "lib/attest/ima.h"

enum { IMA_SIGNER_COUNT_MAX = 16, IMA_EXCEPTION_COUNT_MAX = 256, IMA_SIGNER_KEY_SIZE_MAX = 1024 };

/* A key that signs files (evmctl ima_sign): RSA of at least 2048 bits, P-256 or P-384. */
struct ima_signer;

struct ima_policy {
    struct file_set files; /* borrowed */
    size_t signer_count;
    struct ima_signer *signers[IMA_SIGNER_COUNT_MAX]; /* owned */
    size_t exception_count;
    struct bytes exceptions[IMA_EXCEPTION_COUNT_MAX]; /* owned: paths; exact, or what begins with
                                                         one that ends in a slash */
};

/* Start from all zeroes, which accepts nothing. */
void ima_policy_free(struct ima_policy *policy);
DEFINE_OWN_VALUE(ima_policy, ima_policy_free)

/* spki: DER SubjectPublicKeyInfo. STATUS_MALFORMED, STATUS_UNSUPPORTED for a weak or unknown key.
 */
WARN_UNUSED enum status ima_policy_pin_signer(struct ima_policy *policy, struct view spki);
/* Violations of this path are accepted. STATUS_MALFORMED when it is not absolute. */
WARN_UNUSED enum status ima_policy_except(struct ima_policy *policy, struct view path);

/*
 * One entry of a log, by its number in the boot; the first, boot_aggregate, is not its business.
 * FILE_NOT_ALLOWED names the path, what was seen, and what the set knows under that path;
 * IMA_VIOLATION the path.
 */
WARN_UNUSED enum status ima_policy_check(const struct ima_policy *policy, uint64_t number,
                                         const struct ima_entry *entry,
                                         struct refusal *ret_refusal);

#endif
