/* Public keys of TPMs as OpenSSL's: for lib/attest alone, which meets RSA and P-384 keys that no
 * other part of the project knows. */
#ifndef TCCP_ATTEST_TPM_KEY_H
#define TCCP_ATTEST_TPM_KEY_H

#include "lib/attest/tpm_structures.h"

#include <openssl/evp.h>

static inline void evp_pkey_cleanup(EVP_PKEY **key)
{
    EVP_PKEY_free(*key);
}

/* The caller frees it (OWN(evp_pkey)). STATUS_MALFORMED when the point is not on its curve. */
WARN_UNUSED enum status tpm_key_import(const struct tpm_public *public_area, EVP_PKEY **ret_key);
/* EVP_MD of a TPM_ALG_ID; NULL when it is not SHA-256 or SHA-384. */
const EVP_MD *tpm_hash(uint16_t algorithm);

#endif
