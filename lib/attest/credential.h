/*
 * Credentials: the verifier's half of credential activation (TPM 2.0 Library, Part 1, section 24).
 *
 * Only the TPM that holds the EK, and only if an object with exactly `ak_name` is loaded in it, can
 * open the secret: it proves that AK and EK are of one TPM, which nothing else here does.
 */
#ifndef TCCP_ATTEST_CREDENTIAL_H
#define TCCP_ATTEST_CREDENTIAL_H

#include "lib/attest/tpm_structures.h"
#include "lib/base/secret.h"

/* Bytes. The secret may be as long as the EK's name hash; 32 suits every EK. */
enum { CREDENTIAL_SECRET_SIZE = 32, CREDENTIAL_ENTROPY_SIZE = 112 };

/*
 * Seals `secret` (1 to 32 bytes) to the EK (RSA, P-256 or P-384, one that passed
 * ek_template_check) and the name of the AK. entropy: exactly CREDENTIAL_ENTROPY_SIZE fresh random
 * bytes, wiped by the caller; the same input gives the same output.
 *
 * ret_blob: the contents of TPM2B_ID_OBJECT; ret_encrypted_secret: the contents of
 * TPM2B_ENCRYPTED_SECRET; both without the TPM2B's own size, as TPM2_ActivateCredential wants them
 * (copy them into .credential and .secret). Freed by the caller.
 *
 * STATUS_MALFORMED: a secret or name of another size, or a key that is not on its curve;
 * STATUS_UNSUPPORTED: an EK that no template has.
 */
WARN_UNUSED enum status credential_make(const struct tpm_public *ek, const struct tpm_name *ak_name,
                                        struct view secret, struct view entropy,
                                        struct bytes *ret_blob, struct bytes *ret_encrypted_secret);

#endif
