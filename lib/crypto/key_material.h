/* What keys are made of; shared by keys.c and key_file.c. Not for use outside lib/crypto. */
#ifndef TCCP_CRYPTO_KEY_MATERIAL_H
#define TCCP_CRYPTO_KEY_MATERIAL_H

#include "lib/crypto/keys.h"
#include "lib/crypto/openssl_own.h"

/* Makes a key of a pkey that must be P-256 or Ed25519 with a private half; consumes the pkey on
 * success only. STATUS_UNSUPPORTED for another kind of key. */
WARN_UNUSED enum status private_key_wrap(EVP_PKEY *pkey, struct private_key **ret_key);
/* The key whose scalar these 32 bytes are; STATUS_MALFORMED unless 0 < scalar < order. */
WARN_UNUSED enum status private_key_of_scalar(const uint8_t scalar[32],
                                              struct private_key **ret_key);

#endif
