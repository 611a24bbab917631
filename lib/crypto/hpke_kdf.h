/* The labelled key derivation of RFC 9180, section 4. Not for use outside lib/crypto. */
#ifndef TCCP_CRYPTO_HPKE_KDF_H
#define TCCP_CRYPTO_HPKE_KDF_H

#include "lib/crypto/kdf.h"

/* suite_id of DHKEM(P-256, HKDF-SHA256), section 4.1. */
#define HPKE_KEM_SUITE ((struct view){(const uint8_t *)"KEM\x00\x10", 5})

/* LabeledExtract and LabeledExpand of section 4. */
struct digest hpke_labeled_extract(struct view suite, struct view salt, const char *label,
                                   struct view ikm);
void hpke_labeled_expand(struct view suite, const struct digest *prk, const char *label,
                         struct view info, void *ret_okm, size_t size);

#endif
