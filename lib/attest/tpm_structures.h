/*
 * Structures that a TPM makes, read from foreign bytes: public areas, quotes, signatures (TPM 2.0
 * Library, Part 2). Pure: no key is imported and no signature checked here.
 *
 * Parsers are strict: bounded, exact lengths, no trailing bytes, no algorithm that the rest of this
 * folder could not handle. STATUS_MALFORMED says that the bytes are not such a structure,
 * STATUS_UNSUPPORTED that they may be one, but of an algorithm or size that is not accepted here.
 * Results hold copies: they do not point into the input.
 */
#ifndef TCCP_ATTEST_TPM_STRUCTURES_H
#define TCCP_ATTEST_TPM_STRUCTURES_H

#include "lib/base/sha256.h"

/* Bytes. */
enum {
    TPM_PUBLIC_SIZE_MAX = 1024,
    TPM_ATTEST_SIZE_MAX = 1024,
    TPM_SIGNATURE_SIZE_MAX = 1024,
    TPM_HASH_SIZE_MAX = 64,
    TPM_NAME_SIZE_MAX = 2 + TPM_HASH_SIZE_MAX,
    TPM_RSA_SIZE_MAX = 512,
    TPM_COORDINATE_SIZE_MAX = 48,
};
enum { TPM_PCR_COUNT = 24, TPM_SELECTION_COUNT_MAX = 16 };

/* TPM_ALG_ID (Part 2, section 6.3), those that are known here. */
enum {
    TPM_ALGORITHM_RSA = 0x0001,
    TPM_ALGORITHM_SHA1 = 0x0004,
    TPM_ALGORITHM_AES = 0x0006,
    TPM_ALGORITHM_SHA256 = 0x000b,
    TPM_ALGORITHM_SHA384 = 0x000c,
    TPM_ALGORITHM_SHA512 = 0x000d,
    TPM_ALGORITHM_NULL = 0x0010,
    TPM_ALGORITHM_RSASSA = 0x0014,
    TPM_ALGORITHM_RSAPSS = 0x0016,
    TPM_ALGORITHM_ECDSA = 0x0018,
    TPM_ALGORITHM_ECC = 0x0023,
    TPM_ALGORITHM_CFB = 0x0043,
};
/* TPM_ECC_CURVE (section 6.4). */
enum { TPM_CURVE_P256 = 0x0003, TPM_CURVE_P384 = 0x0004 };

/* TPMA_OBJECT (section 8.3). */
enum {
    TPM_OBJECT_FIXED_TPM = 1 << 1,
    TPM_OBJECT_ST_CLEAR = 1 << 2,
    TPM_OBJECT_FIXED_PARENT = 1 << 4,
    TPM_OBJECT_SENSITIVE_DATA_ORIGIN = 1 << 5,
    TPM_OBJECT_USER_WITH_AUTH = 1 << 6,
    TPM_OBJECT_ADMIN_WITH_POLICY = 1 << 7,
    TPM_OBJECT_NO_DA = 1 << 10,
    TPM_OBJECT_ENCRYPTED_DUPLICATION = 1 << 11,
    TPM_OBJECT_RESTRICTED = 1 << 16,
    TPM_OBJECT_DECRYPT = 1 << 17,
    TPM_OBJECT_SIGN = 1 << 18,
    TPM_OBJECT_X509_SIGN = 1 << 19,
};

enum { TPM_GENERATED_MAGIC = 0xff544347u }; /* TPM_GENERATED_VALUE, section 6.2 */
enum { TPM_ATTEST_QUOTE = 0x8018 };         /* TPM_ST_ATTEST_QUOTE, section 6.9 */

/* Bytes that a hash of this algorithm has; 0 when it is not known here. */
size_t tpm_hash_size(uint16_t algorithm);
/* Bytes that a coordinate on this curve has; 0 when it is not known here. */
size_t tpm_curve_size(uint16_t curve);

/* The name of an object: nameAlg and the hash of its public area (Part 1, section 16). It
 * identifies a key in manifests, certificates and credentials. */
struct tpm_name {
    size_t size;
    uint8_t bytes[TPM_NAME_SIZE_MAX];
};
static inline struct view tpm_name_view(const struct tpm_name *name)
{
    return (struct view){name->bytes, name->size};
}
bool tpm_name_equal(const struct tpm_name *left, const struct tpm_name *right);
/* A name as it travels: a known nameAlg (SHA-256 or SHA-384) and exactly its hash. */
WARN_UNUSED enum status tpm_name_of_view(struct view view, struct tpm_name *ret_name);

/* TPMT_PUBLIC (section 12.2.4) of an RSA or ECC key. */
struct tpm_public {
    uint16_t type;           /* TPM_ALGORITHM_RSA or _ECC */
    uint16_t name_algorithm; /* SHA-256 or SHA-384 */
    uint32_t attributes;     /* TPM_OBJECT_... */
    struct {
        size_t size;
        uint8_t bytes[TPM_HASH_SIZE_MAX];
    } policy; /* authPolicy */
    struct {
        uint16_t algorithm, key_bits, mode; /* algorithm is _NULL (the others 0) or _AES */
    } symmetric;
    uint16_t scheme, scheme_hash; /* scheme may be _NULL, then scheme_hash is 0 */
    struct {
        uint16_t bits;
        uint32_t exponent;        /* 65537 where the TPM writes 0 */
        bool exponent_is_default; /* the TPM wrote 0 */
        size_t size;              /* bytes of the modulus */
        uint8_t modulus[TPM_RSA_SIZE_MAX];
    } rsa;
    struct {
        uint16_t curve;
        uint16_t kdf;
        size_t size; /* bytes of a coordinate, by the curve */
        uint8_t x[TPM_COORDINATE_SIZE_MAX], y[TPM_COORDINATE_SIZE_MAX]; /* left-padded to size */
    } ecc;
    struct tpm_name name; /* computed from the bytes that were parsed */
};
/* public_area: the bytes of a TPMT_PUBLIC (the contents of a TPM2B_PUBLIC, without its size). */
WARN_UNUSED enum status tpm_public_parse(struct view public_area, struct tpm_public *ret_public);

/* One TPMS_PCR_SELECTION (section 10.6.2); bit n of the mask is PCR n. */
struct tpm_selection {
    uint16_t hash;
    uint32_t pcr_mask;
};

/* TPMS_ATTEST of a quote (sections 10.12.8 and 10.12.12). */
struct tpm_quote_info {
    struct {
        size_t size;
        uint8_t bytes[TPM_NAME_SIZE_MAX];
    } qualified_signer;
    struct {
        size_t size;
        uint8_t bytes[TPM_NAME_SIZE_MAX];
    } extra_data; /* the caller's qualifyingData */
    uint64_t clock_ms;
    uint32_t reset_count, restart_count;
    bool clock_safe;
    uint64_t firmware;
    size_t selection_count;
    struct tpm_selection selections[TPM_SELECTION_COUNT_MAX];
    struct {
        size_t size;
        uint8_t bytes[TPM_HASH_SIZE_MAX];
    } pcr_digest;
};
/* STATUS_UNSUPPORTED when it is an attestation of another type, STATUS_MALFORMED when it is none:
 * wrong magic, short, trailing bytes. */
WARN_UNUSED enum status tpm_quote_info_parse(struct view attest, struct tpm_quote_info *ret_info);

/* TPMT_SIGNATURE (section 11.3.4): ECDSA, RSASSA or RSAPSS. */
struct tpm_signature {
    uint16_t scheme, hash;
    /* ECDSA: r and s, left-padded to TPM_COORDINATE_SIZE_MAX. */
    uint8_t r[TPM_COORDINATE_SIZE_MAX], s[TPM_COORDINATE_SIZE_MAX];
    /* RSA. */
    size_t rsa_size;
    uint8_t rsa[TPM_RSA_SIZE_MAX];
};
WARN_UNUSED enum status tpm_signature_parse(struct view signature,
                                            struct tpm_signature *ret_signature);

#endif
