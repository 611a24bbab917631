/* AES-GCM over buffers of the caller; what aead.h and hpke.h share. Not for use outside lib/crypto.
 */
#ifndef TCCP_CRYPTO_GCM_H
#define TCCP_CRYPTO_GCM_H

#include "lib/base/bytes.h"

enum { GCM_NONCE_SIZE = 12, GCM_TAG_SIZE = 16 };

/* key: 16 or 32 bytes. ret_sealed holds plaintext.size + GCM_TAG_SIZE bytes. */
WARN_UNUSED enum status gcm_seal(struct view key, const uint8_t nonce[GCM_NONCE_SIZE],
                                 struct view aad, struct view plaintext, uint8_t *ret_sealed);
/* sealed: at least GCM_TAG_SIZE bytes; ret_plaintext holds the others, and is wiped when the tag
 * does not hold (STATUS_UNTRUSTED). */
WARN_UNUSED enum status gcm_open(struct view key, const uint8_t nonce[GCM_NONCE_SIZE],
                                 struct view aad, struct view sealed, uint8_t *ret_plaintext);

#endif
