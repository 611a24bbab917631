/*
 * The signing and decrypting half of a TPM, in software: for tests that need what no real TPM would
 * make. Whatever goes wrong fails the test.
 */
#ifndef TCCP_TESTS_SUPPORT_SOFT_TPM_H
#define TCCP_TESTS_SUPPORT_SOFT_TPM_H

#include "lib/attest/tpm_structures.h"

#include <openssl/evp.h>

enum soft_kind { SOFT_P256, SOFT_P384, SOFT_RSA };

struct soft_key {
    enum soft_kind kind;
    EVP_PKEY *key;
    size_t public_size;
    uint8_t public_area[TPM_PUBLIC_SIZE_MAX]; /* TPMT_PUBLIC */
};
static inline struct view soft_key_public(const struct soft_key *key)
{
    return (struct view){key->public_area, key->public_size};
}
void soft_key_free(struct soft_key *key);
DEFINE_OWN_VALUE(soft_key, soft_key_free)

/* What soft_ak_new() puts into the public area, beside the key. */
enum { SOFT_AK_ATTRIBUTES = 0x00050072 };
/* A new restricted signing key: ECDSA or RSASSA with SHA-256, name algorithm SHA-256. */
struct soft_key soft_ak_new(enum soft_kind kind);
/* The same key with other attributes, scheme (TPM_ALGORITHM_NULL for none) and hash. */
void soft_ak_describe(struct soft_key *key, uint32_t attributes, uint16_t scheme, uint16_t hash);
/* A new endorsement key by template L-1, L-2 or H-3. */
struct soft_key soft_ek_new(enum soft_kind kind);

/* TPMT_SIGNATURE over the bytes, with the given scheme and hash. */
struct bytes soft_sign_as(const struct soft_key *key, uint16_t scheme, uint16_t hash,
                          struct view message);
/* With the kind's own scheme and SHA-256. */
struct bytes soft_sign(const struct soft_key *key, struct view message);

/* What goes into a TPMS_ATTEST. soft_quote_new() fills in what a real quote has. */
struct soft_quote {
    uint32_t magic;
    uint16_t type;
    struct view extra_data;
    uint64_t clock_ms;
    uint32_t reset_count, restart_count;
    uint64_t firmware;
    size_t selection_count;
    struct tpm_selection selections[4];
    struct view pcr_digest;
};
struct soft_quote soft_quote_new(struct view qualifying, uint32_t pcr_mask,
                                 const struct digest *pcr_digest);
/* TPMS_ATTEST; the caller frees it. */
struct bytes soft_quote_bytes(const struct soft_quote *quote);

/* TPM2_ActivateCredential: the secret out of what credential_make() made, by the private half of
 * the EK. STATUS_UNTRUSTED when the integrity HMAC is wrong or the seed cannot be decrypted. */
WARN_UNUSED enum status soft_activate(const struct soft_key *ek, const struct tpm_name *ak_name,
                                      struct view blob, struct view encrypted_secret,
                                      struct bytes *ret_secret);

#endif
