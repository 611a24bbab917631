/* HMAC-SHA256 (RFC 2104) and HKDF-SHA256 (RFC 5869). */
#ifndef TCCP_CRYPTO_KDF_H
#define TCCP_CRYPTO_KDF_H

#include "lib/base/secret.h"
#include "lib/base/sha256.h"

enum { HKDF_OUTPUT_SIZE_MAX = 255 * SHA256_SIZE };

/* Any key size. Compare results with secret_equal(). */
struct digest hmac_sha256(struct view key, struct view message);
/* The same over several pieces, one after the other. */
struct digest hmac_sha256_list(struct view key, const struct view *pieces, size_t count);

/* RFC 5869, section 2.2; an empty salt stands for 32 zero bytes. Wipe the result. */
struct digest hkdf_extract(struct view salt, struct view ikm);
/* Section 2.3, into ret_okm; size of 1 to HKDF_OUTPUT_SIZE_MAX. */
void hkdf_expand(const struct digest *prk, struct view info, void *ret_okm, size_t size);
/* Both, into a secret of 1 to SECRET_SIZE_MAX bytes. */
WARN_UNUSED enum status hkdf_secret(struct view ikm, struct view salt, struct view info,
                                    size_t size, struct secret *ret_secret);

#endif
