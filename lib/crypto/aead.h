/*
 * AES-256-GCM (NIST SP 800-38D) for what tc_store protects and for files. A sealed text is the
 * ciphertext, as long as the plaintext, and the 16-byte tag. Never seal twice with one key and
 * nonce: derive a key for each thing (hkdf_secret), or draw each nonce (at most 2^32 with one key).
 */
#ifndef TCCP_CRYPTO_AEAD_H
#define TCCP_CRYPTO_AEAD_H

#include "lib/base/secret.h"

enum { AEAD_KEY_SIZE = 32, AEAD_NONCE_SIZE = 12, AEAD_TAG_SIZE = 16, AEAD_SIZE_MAX = 64 << 20 };

/* key: AEAD_KEY_SIZE bytes. STATUS_TOO_LARGE beyond AEAD_SIZE_MAX bytes of plaintext. */
WARN_UNUSED enum status aead_seal(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE],
                                  struct view aad, struct view plaintext, struct bytes *ret_sealed);
/* STATUS_UNTRUSTED when anything differs from what was sealed: key, nonce, aad, a bit of the text;
 * nothing of the plaintext is returned then. STATUS_MALFORMED when shorter than a tag. */
WARN_UNUSED enum status aead_open(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE],
                                  struct view aad, struct view sealed, struct bytes *ret_plaintext);
/* The same for a secret: of 1 to SECRET_SIZE_MAX bytes, else STATUS_MALFORMED or
 * STATUS_TOO_LARGE. */
WARN_UNUSED enum status aead_open_secret(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE],
                                         struct view aad, struct view sealed,
                                         struct secret *ret_plaintext);

#endif
