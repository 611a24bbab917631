/*
 * The trusted key of a host, TK (docs/PROTOCOL.md, section 1): a signing key and an HPKE key, made
 * for one registration and never stored. Their private halves lie in the secure heap: a reboot or a
 * restart loses them, and that is the point.
 */
#ifndef TCCP_ATTESTER_TRUSTED_KEY_H
#define TCCP_ATTESTER_TRUSTED_KEY_H

#include "lib/crypto/keys.h"
#include "lib/protocol/inputs.h"

struct trusted_key {
    struct private_key *sign, *kem;
    uint8_t kem_point[P256_POINT_SIZE];
};

WARN_UNUSED enum status trusted_key_new(struct trusted_key *ret_key);
void trusted_key_free(struct trusted_key *key);
DEFINE_OWN_VALUE(trusted_key, trusted_key_free)

/* The public halves; they live as long as the key. */
struct key_pair_view trusted_key_public(const struct trusted_key *key);

#endif
