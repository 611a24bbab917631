/* What a policy leaves open: for its author, and for who signs a manifest that names it. */
#ifndef TCCP_POLICY_POLICY_LINT_H
#define TCCP_POLICY_POLICY_LINT_H

#include "lib/attest/reference_set.h"

/* code, stable name */
#define LINT_LIST(X)                                                                               \
    X(ACCEPTS_NOTHING, "accepts-nothing")                                                          \
    X(ROLE_MISSING, "role-missing")                                                                \
    X(NO_SECURE_BOOT, "no-secure-boot")                                                            \
    X(SECURE_BOOT_UNPINNED, "secure-boot-unpinned")                                                \
    X(NO_DBX, "no-dbx")                                                                            \
    X(PCR_NOT_COVERED, "pcr-not-covered")                                                          \
    X(NO_FILES, "no-files")                                                                        \
    X(EXCEPTED_EXECUTABLES, "excepted-executables")                                                \
    X(EXCEPTED_FILES, "excepted-files")                                                            \
    X(EXCEPTED_VIOLATIONS, "excepted-violations")                                                  \
    X(ANY_FIRMWARE, "any-firmware")

enum lint_code {
#define X(code, name) LINT_##code,
    LINT_LIST(X)
#undef X
        LINT_CODE_COUNT
};
const char *lint_name(enum lint_code code);

enum { LINT_TEXT_SIZE = 256 };

/* Called once for each thing that is left open, worst first. The text is a sentence. */
typedef void (*lint_visitor)(void *context, enum lint_code code, const char *text);

/* Works on the compiled set, so that a signer need not trust whoever compiled it. Returns how much
 * it found. */
size_t reference_set_lint(const struct reference_set *set, lint_visitor visit, void *context);

#endif
