/* Signatures: ECDSA on P-256 over SHA-256 as DER (RFC 3279, Ecdsa-Sig-Value), or Ed25519. */
#ifndef TCCP_CRYPTO_SIGN_H
#define TCCP_CRYPTO_SIGN_H

#include "lib/crypto/keys.h"

enum { SIGNATURE_SIZE_MAX = 72 };

WARN_UNUSED enum status sign_message(const struct private_key *key, struct view message,
                                     struct bytes *ret_signature);
/* STATUS_OK when the signature holds, STATUS_UNTRUSTED when not: wrong key, wrong message, or not
 * the one DER encoding of its numbers (BER, trailing bytes). Signatures under one key for one
 * message are not unique: never use one as an identifier. */
WARN_UNUSED enum status signature_check(const struct public_key *key, struct view message,
                                        struct view signature);

#endif
