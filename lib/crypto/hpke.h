/*
 * Hybrid public key encryption (RFC 9180), base mode, single shot: DHKEM(P-256, HKDF-SHA256),
 * HKDF-SHA256, AES-256-GCM. For secrets: keys, seeds, tickets.
 *
 * A sealed text is enc (the ephemeral public key as a 65-byte point), then the ciphertext with its
 * 16-byte tag. Base mode authenticates no sender: whoever must know the sender signs what is
 * sealed.
 */
#ifndef TCCP_CRYPTO_HPKE_H
#define TCCP_CRYPTO_HPKE_H

#include "lib/crypto/keys.h"

enum {
    HPKE_ENC_SIZE = P256_POINT_SIZE,
    HPKE_TAG_SIZE = 16,
    HPKE_ENTROPY_SIZE = 32,
    HPKE_OVERHEAD = HPKE_ENC_SIZE + HPKE_TAG_SIZE,
    HPKE_SEALED_SIZE_MAX = SECRET_SIZE_MAX + HPKE_OVERHEAD,
};

/* Registered algorithm numbers (section 7.3). Ours is AES-256-GCM; the other is for the RFC's
 * vectors. */
enum hpke_aead { HPKE_AES_128_GCM = 1, HPKE_AES_256_GCM = 2 };

/*
 * recipient: an uncompressed P-256 point, STATUS_MALFORMED if it is not one. plaintext: of 1 to
 * SECRET_SIZE_MAX bytes, else STATUS_MALFORMED or STATUS_TOO_LARGE. entropy: ikmE, fresh for each
 * call; the ephemeral key is derived from it.
 */
WARN_UNUSED enum status hpke_seal(struct view recipient, struct view info, struct view aad,
                                  struct view plaintext, const uint8_t entropy[HPKE_ENTROPY_SIZE],
                                  struct bytes *ret_sealed);
/* key: P-256. STATUS_UNTRUSTED when it was sealed to another key, info or aad, or was changed;
 * STATUS_MALFORMED when it is too short; STATUS_TOO_LARGE beyond HPKE_SEALED_SIZE_MAX. */
WARN_UNUSED enum status hpke_open(const struct private_key *key, struct view info, struct view aad,
                                  struct view sealed, struct secret *ret_plaintext);

/* The same with a named AEAD. */
WARN_UNUSED enum status hpke_seal_with(enum hpke_aead aead, struct view recipient, struct view info,
                                       struct view aad, struct view plaintext,
                                       const uint8_t entropy[HPKE_ENTROPY_SIZE],
                                       struct bytes *ret_sealed);
WARN_UNUSED enum status hpke_open_with(enum hpke_aead aead, const struct private_key *key,
                                       struct view info, struct view aad, struct view sealed,
                                       struct secret *ret_plaintext);

#endif
