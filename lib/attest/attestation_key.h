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

#endif
