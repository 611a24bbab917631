/* Which keys may attest: check 3 of the appraisal. */
#ifndef TCCP_ATTEST_ATTESTATION_KEY_H
#define TCCP_ATTEST_ATTESTATION_KEY_H

#include "lib/attest/tpm_structures.h"
#include "lib/base/refusal.h"

/*
 * An attestation key was made inside its TPM, cannot leave it, and signs nothing that the TPM did
 * not make: fixedTPM, fixedParent, sensitiveDataOrigin, restricted, sign; not decrypt; a fixed
 * scheme (ECDSA, RSASSA or RSAPSS, with SHA-256), P-256, P-384 or RSA of at least 2048 bits.
 * REFUSAL_AK_ATTRIBUTES names what is missing.
 *
 * That the key lies in the TPM whose EK was shown is proved by credential activation (credential.h)
 * or by a manifest that names it.
 */
WARN_UNUSED enum status attestation_key_check(const struct tpm_public *ak,
                                              struct refusal *ret_refusal);

/*
 * A key that passed the check, ready to verify: whoever verifies many quotes of one key keeps it,
 * for importing a P-256 key costs a quarter of a verification. Read-only, so that several threads
 * may use it at once; some 4 KiB.
 */
struct attestation_key;
/* Checks and imports; REFUSAL_AK_ATTRIBUTES also when the point is not on its curve. */
WARN_UNUSED enum status attestation_key_new(const struct tpm_public *ak,
                                            struct attestation_key **ret_key,
                                            struct refusal *ret_refusal);
void attestation_key_free(struct attestation_key *key);
DEFINE_OWN_POINTER(attestation_key, attestation_key_free)

const struct tpm_public *attestation_key_public(const struct attestation_key *key);
/* OpenSSL's handle, for quote.c. */
struct evp_pkey_st *attestation_key_handle(const struct attestation_key *key);

#endif
