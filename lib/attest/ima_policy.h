/*
 * Which measured files are acceptable: checks 15 and 16 of the appraisal. Sans-I/O.
 *
 * A file is accepted when the reference set allows its (path, digest), when its IMA signature holds
 * under a pinned key, or when its path is excepted. A violation (the file was being written while
 * it was measured, so nobody knows what was read) is accepted only for a path that is excepted from
 * that.
 */
#ifndef TCCP_ATTEST_IMA_POLICY_H
#define TCCP_ATTEST_IMA_POLICY_H

#include "lib/attest/file_set.h"
#include "lib/attest/ima.h"

enum { IMA_SIGNER_COUNT_MAX = 16, IMA_EXCEPTION_COUNT_MAX = 256, IMA_SIGNER_KEY_SIZE_MAX = 1024 };

/* What is overlooked at an excepted path. */
enum ima_exception {
    IMA_EXCEPTION_FILE,      /* the file may have any content */
    IMA_EXCEPTION_VIOLATION, /* it may be written while it is measured */
};
enum { IMA_EXCEPTION_KIND_COUNT = IMA_EXCEPTION_VIOLATION + 1 };

/* A key that signs files (evmctl ima_sign): RSA of at least 2048 bits, P-256 or P-384. */
struct ima_signer;

struct ima_policy {
    struct file_set files; /* borrowed */
    size_t signer_count;
    struct ima_signer *signers[IMA_SIGNER_COUNT_MAX]; /* owned */
    /* owned: paths; exact, or what begins with one that ends in a slash */
    struct ima_exceptions {
        size_t count;
        struct bytes paths[IMA_EXCEPTION_COUNT_MAX];
    } exceptions[IMA_EXCEPTION_KIND_COUNT];
};

/* Start from all zeroes, which accepts nothing. */
void ima_policy_free(struct ima_policy *policy);
DEFINE_OWN_VALUE(ima_policy, ima_policy_free)

/* spki: DER SubjectPublicKeyInfo. STATUS_MALFORMED, STATUS_UNSUPPORTED for a weak or unknown key.
 */
WARN_UNUSED enum status ima_policy_pin_signer(struct ima_policy *policy, struct view spki);
/* STATUS_MALFORMED when the path is not absolute. */
WARN_UNUSED enum status ima_policy_except(struct ima_policy *policy, enum ima_exception what,
                                          struct view path);

/*
 * One entry of a log, by its number in the boot; the first, boot_aggregate, is not its business.
 * FILE_NOT_ALLOWED names the path, what was seen, and what the set knows under that path;
 * IMA_VIOLATION the path.
 */
WARN_UNUSED enum status ima_policy_check(const struct ima_policy *policy, uint64_t number,
                                         const struct ima_entry *entry,
                                         struct refusal *ret_refusal);

#endif
