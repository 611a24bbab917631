/*
 * Asymmetric keys: ECDSA and ECDH on P-256 (FIPS 186-4, RFC 9180's DHKEM), Ed25519 (RFC 8032).
 *
 * A public key travels as its DER SubjectPublicKeyInfo, and each key has exactly one such encoding:
 * named curve, uncompressed point, nothing else. Private keys lie in OpenSSL's secure heap when
 * secret_heap_start() was called.
 */
#ifndef TCCP_CRYPTO_KEYS_H
#define TCCP_CRYPTO_KEYS_H

#include "lib/base/secret.h"
#include "lib/base/sha256.h"

enum {
    P256_POINT_SIZE = 65, /* uncompressed: 04 | x | y */
    P256_SPKI_SIZE = 91,
    ED25519_SPKI_SIZE = 44,
    SPKI_SIZE_MAX = P256_SPKI_SIZE,
};

enum key_algorithm { KEY_ECDSA_P256, KEY_ED25519 };

struct private_key;
struct public_key;
/* NULL is ignored. */
void private_key_free(struct private_key *key);
void public_key_free(struct public_key *key);
DEFINE_OWN_POINTER(private_key, private_key_free)
DEFINE_OWN_POINTER(public_key, public_key_free)

/* A new random key; draws from OpenSSL's generator itself. */
WARN_UNUSED enum status private_key_generate(enum key_algorithm algorithm,
                                             struct private_key **ret_key);
/* RFC 9180, section 7.1.3, DeriveKeyPair of DHKEM(P-256, HKDF-SHA256): the same key for the same
 * keying material. ikm: at least 32 bytes of full entropy. */
WARN_UNUSED enum status private_key_derive_p256(struct view ikm, struct private_key **ret_key);
enum key_algorithm private_key_algorithm(const struct private_key *key);
WARN_UNUSED enum status private_key_public(const struct private_key *key,
                                           struct public_key **ret_public_key);
/* The public half's SubjectPublicKeyInfo; lives as long as the key. */
struct view private_key_spki(const struct private_key *key);
/* The public half as an uncompressed point. P-256 keys only. */
void private_key_point(const struct private_key *key, uint8_t ret_point[P256_POINT_SIZE]);
/* ECDH (SEC 1, section 3.3.1; RFC 9180's DH): the x coordinate, 32 bytes. Both keys P-256. */
WARN_UNUSED enum status private_key_agree(const struct private_key *key,
                                          const struct public_key *peer, struct secret *ret_shared);

/*
 * Exactly one of the two encodings above and no byte more; a P-256 point must lie on the curve, an
 * Ed25519 key must be canonical and not of small order (a signature under such a key would hold
 * for any message). STATUS_MALFORMED otherwise.
 */
WARN_UNUSED enum status public_key_parse(struct view spki, struct public_key **ret_key);
/* An uncompressed P-256 point, P256_POINT_SIZE bytes, on the curve. */
WARN_UNUSED enum status public_key_parse_point(struct view point, struct public_key **ret_key);
enum key_algorithm public_key_algorithm(const struct public_key *key);
/* Its SubjectPublicKeyInfo; lives as long as the key. */
struct view public_key_spki(const struct public_key *key);
/* SHA-256 of the SubjectPublicKeyInfo: how keys are named. */
struct digest public_key_id(const struct public_key *key);
bool public_key_equal(const struct public_key *left, const struct public_key *right);

/*
 * Key files. PEM of PKCS#8 (RFC 5958): "ENCRYPTED PRIVATE KEY" with PBES2, scrypt (RFC 7914; N =
 * 16384, r = 8, p = 5: some 16 MiB and a third of a second) and AES-256-CBC; "PRIVATE KEY" when the
 * passphrase is empty. The text is NUL-free; salt and IV are drawn inside.
 */
WARN_UNUSED enum status private_key_to_pem(const struct private_key *key, struct view passphrase,
                                           struct secret *ret_pem);
/* STATUS_DENIED: the passphrase is wrong, or one is needed and none was given (ask for it and try
 * again). STATUS_MALFORMED: not such a file, whatever the passphrase. A passphrase for a file that
 * needs none is ignored. */
WARN_UNUSED enum status private_key_of_pem(struct view pem, struct view passphrase,
                                           struct private_key **ret_key);

/* OpenSSL's own handle, for the few places that hand a key to OpenSSL: lib/net's TLS, lib/attest's
 * TPM signatures. Lives as long as the key. */
struct evp_pkey_st *private_key_handle(const struct private_key *key);
struct evp_pkey_st *public_key_handle(const struct public_key *key);

#endif
