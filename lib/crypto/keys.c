#include "lib/crypto/keys.h"

#include "lib/crypto/hpke_kdf.h"
#include "lib/crypto/key_material.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/obj_mac.h>

#include <stdlib.h>
#include <string.h>

enum { SCALAR_SIZE = 32, ED25519_POINT_SIZE = 32, DERIVE_CANDIDATES_MAX = 256 };

/* RFC 5480: id-ecPublicKey, prime256v1, then the point as a BIT STRING. */
static const uint8_t p256_prefix[] = {0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48,
                                      0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00};
/* RFC 8410: id-Ed25519, then the key as a BIT STRING. */
static const uint8_t ed25519_prefix[] = {0x30, 0x2a, 0x30, 0x05, 0x06, 0x03,
                                         0x2b, 0x65, 0x70, 0x03, 0x21, 0x00};
_Static_assert(sizeof p256_prefix + P256_POINT_SIZE == P256_SPKI_SIZE, "size of an encoding");
_Static_assert(sizeof ed25519_prefix + ED25519_POINT_SIZE == ED25519_SPKI_SIZE,
               "size of an encoding");

struct encoded {
    uint8_t bytes[SPKI_SIZE_MAX];
    size_t size;
};

struct private_key {
    enum key_algorithm algorithm;
    EVP_PKEY *pkey;
    struct encoded spki;
};

struct public_key {
    enum key_algorithm algorithm;
    EVP_PKEY *pkey;
    struct encoded spki;
    struct digest id;
};

static struct encoded spki_of_point(enum key_algorithm algorithm, const uint8_t *point)
{
    struct encoded spki = {.size = 0};

    switch (algorithm) {
    case KEY_ECDSA_P256:
        memcpy(spki.bytes, p256_prefix, sizeof p256_prefix);
        memcpy(spki.bytes + sizeof p256_prefix, point, P256_POINT_SIZE);
        spki.size = P256_SPKI_SIZE;
        break;
    case KEY_ED25519:
        memcpy(spki.bytes, ed25519_prefix, sizeof ed25519_prefix);
        memcpy(spki.bytes + sizeof ed25519_prefix, point, ED25519_POINT_SIZE);
        spki.size = ED25519_SPKI_SIZE;
        break;
    }
    return spki;
}

void private_key_free(struct private_key *key)
{
    if (key) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

void public_key_free(struct public_key *key)
{
    if (key) {
        EVP_PKEY_free(key->pkey);
        free(key);
    }
}

/* ---- public keys ---- */

/* Makes the P-256 key of a point, and of a scalar where there is one. OpenSSL refuses a point that
 * is not on the curve. */
static enum status p256_pkey(const uint8_t point[P256_POINT_SIZE], const BIGNUM *scalar,
                             EVP_PKEY **ret_pkey)
{
    OWN(param_builder) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
    OWN(pkey_context) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
    OWN(params) OSSL_PARAM *params = NULL;

    if (!builder || !context) {
        return STATUS_NO_MEMORY;
    }
    if (OSSL_PARAM_BLD_push_utf8_string(builder, OSSL_PKEY_PARAM_GROUP_NAME, SN_X9_62_prime256v1,
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder, OSSL_PKEY_PARAM_PUB_KEY, point,
                                         P256_POINT_SIZE) != 1 ||
        (scalar && OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_PRIV_KEY, scalar) != 1) ||
        !(params = OSSL_PARAM_BLD_to_param(builder)) || EVP_PKEY_fromdata_init(context) != 1) {
        return STATUS_CRYPTO;
    }
    if (EVP_PKEY_fromdata(context, ret_pkey, scalar ? EVP_PKEY_KEYPAIR : EVP_PKEY_PUBLIC_KEY,
                          params) != 1) {
        /* What stays in OpenSSL's queue would be taken for an error of the next TLS call. */
        ERR_clear_error();
        return STATUS_MALFORMED;
    }
    return STATUS_OK;
}

/*
 * RFC 8032 keys that must not be taken: y >= p = 2^255 - 19 (another encoding of a smaller y), and
 * the points of order 1, 2, 4 and 8, under which anybody can make signatures that hold.
 */
static bool ed25519_point_good(const uint8_t point[ED25519_POINT_SIZE])
{
    static const uint8_t small_order[][ED25519_POINT_SIZE] = {
        {0},    /* order 4 */
        {0x01}, /* order 1 */
        {0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
         0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f}, /* order 2 */
        {0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4,
         0x89, 0xf2, 0xef, 0x98, 0xf0, 0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6,
         0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05}, /* order 8 */
        {0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b,
         0x76, 0x0d, 0x10, 0x67, 0x0f, 0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39,
         0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a}, /* order 8 */
    };
    uint8_t y[ED25519_POINT_SIZE];
    bool middle_is_ones = true;

    memcpy(y, point, sizeof y);
    y[31] &= 0x7f; /* the sign of x */
    for (size_t i = 1; i < 31; i++) {
        middle_is_ones = middle_is_ones && y[i] == 0xff;
    }
    if (middle_is_ones && y[31] == 0x7f && y[0] >= 0xed) {
        return false;
    }
    for (size_t i = 0; i < ARRAY_SIZE(small_order); i++) {
        if (memcmp(y, small_order[i], sizeof y) == 0) {
            return false;
        }
    }
    return true;
}

static enum status public_key_of_point(enum key_algorithm algorithm, const uint8_t *point,
                                       struct public_key **ret_key)
{
    OWN(public_key) struct public_key *key = calloc(1, sizeof *key);

    if (!key) {
        return STATUS_NO_MEMORY;
    }
    key->algorithm = algorithm;
    switch (algorithm) {
    case KEY_ECDSA_P256:
        TRY(p256_pkey(point, NULL, &key->pkey));
        break;
    case KEY_ED25519:
        if (!ed25519_point_good(point)) {
            return STATUS_MALFORMED;
        }
        key->pkey = EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, point, ED25519_POINT_SIZE);
        if (!key->pkey) {
            return STATUS_CRYPTO;
        }
        break;
    }
    key->spki = spki_of_point(algorithm, point);
    key->id = sha256(public_key_spki(key));
    *ret_key = TAKE(key);
    return STATUS_OK;
}

/* The rest of a view that begins with the prefix and has exactly `size` bytes after it, or NULL. */
static const uint8_t *after_prefix(struct view view, struct view prefix, size_t size)
{
    if (view.size != prefix.size + size || memcmp(view.data, prefix.data, prefix.size) != 0) {
        return NULL;
    }
    return view.data + prefix.size;
}

enum status public_key_parse(struct view spki, struct public_key **ret_key)
{
    const uint8_t *point = after_prefix(spki, VIEW_OF_ARRAY(p256_prefix), P256_POINT_SIZE);

    if (point) {
        return public_key_parse_point((struct view){point, P256_POINT_SIZE}, ret_key);
    }
    point = after_prefix(spki, VIEW_OF_ARRAY(ed25519_prefix), ED25519_POINT_SIZE);
    return point ? public_key_of_point(KEY_ED25519, point, ret_key) : STATUS_MALFORMED;
}

enum status public_key_parse_point(struct view point, struct public_key **ret_key)
{
    /* 6 and 7 would be the hybrid forms of X9.62, which OpenSSL would take. */
    if (point.size != P256_POINT_SIZE || point.data[0] != 0x04) {
        return STATUS_MALFORMED;
    }
    return public_key_of_point(KEY_ECDSA_P256, point.data, ret_key);
}

enum key_algorithm public_key_algorithm(const struct public_key *key)
{
    return key->algorithm;
}

struct view public_key_spki(const struct public_key *key)
{
    return (struct view){key->spki.bytes, key->spki.size};
}

struct digest public_key_id(const struct public_key *key)
{
    return key->id;
}

bool public_key_equal(const struct public_key *left, const struct public_key *right)
{
    return view_equal(public_key_spki(left), public_key_spki(right));
}

struct evp_pkey_st *public_key_handle(const struct public_key *key)
{
    return key->pkey;
}

/* ---- private keys ---- */

enum status private_key_wrap(EVP_PKEY *pkey, struct private_key **ret_key)
{
    OWN(private_key) struct private_key *key = calloc(1, sizeof *key);
    uint8_t point[P256_POINT_SIZE];
    size_t size = 0;

    if (!key) {
        return STATUS_NO_MEMORY;
    }
    if (EVP_PKEY_is_a(pkey, "EC")) {
        char group[32];

        if (EVP_PKEY_get_group_name(pkey, group, sizeof group, &size) != 1 ||
            strcmp(group, SN_X9_62_prime256v1) != 0) {
            return STATUS_UNSUPPORTED;
        }
        key->algorithm = KEY_ECDSA_P256;
        if (EVP_PKEY_get_octet_string_param(pkey, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof point,
                                            &size) != 1 ||
            size != P256_POINT_SIZE || point[0] != 0x04) {
            return STATUS_CRYPTO;
        }
    } else if (EVP_PKEY_is_a(pkey, "ED25519")) {
        size = sizeof point;
        key->algorithm = KEY_ED25519;
        if (EVP_PKEY_get_raw_public_key(pkey, point, &size) != 1 || size != ED25519_POINT_SIZE) {
            return STATUS_CRYPTO;
        }
    } else {
        return STATUS_UNSUPPORTED;
    }
    key->spki = spki_of_point(key->algorithm, point);
    key->pkey = pkey;
    *ret_key = TAKE(key);
    return STATUS_OK;
}

enum status private_key_generate(enum key_algorithm algorithm, struct private_key **ret_key)
{
    OWN(pkey) EVP_PKEY *pkey = NULL;

    switch (algorithm) {
    case KEY_ECDSA_P256:
        pkey = EVP_EC_gen(SN_X9_62_prime256v1);
        break;
    case KEY_ED25519:
        pkey = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
        break;
    }
    if (!pkey) {
        return STATUS_CRYPTO;
    }
    TRY(private_key_wrap(pkey, ret_key));
    pkey = NULL;
    return STATUS_OK;
}

enum status private_key_of_scalar(const uint8_t scalar[SCALAR_SIZE], struct private_key **ret_key)
{
    OWN(group) EC_GROUP *group = EC_GROUP_new_by_curve_name(NID_X9_62_prime256v1);
    OWN(secret_number) BIGNUM *number = BN_secure_new();
    OWN(point) EC_POINT *public = group ? EC_POINT_new(group) : NULL;
    OWN(pkey) EVP_PKEY *pkey = NULL;
    uint8_t point[P256_POINT_SIZE];

    if (!public || !number || !BN_bin2bn(scalar, SCALAR_SIZE, number)) {
        return STATUS_NO_MEMORY;
    }
    BN_set_flags(number, BN_FLG_CONSTTIME);
    if (BN_is_zero(number) || BN_cmp(number, EC_GROUP_get0_order(group)) >= 0) {
        return STATUS_MALFORMED;
    }
    if (EC_POINT_mul(group, public, number, NULL, NULL, NULL) != 1 ||
        EC_POINT_point2oct(group, public, POINT_CONVERSION_UNCOMPRESSED, point, sizeof point,
                           NULL) != sizeof point) {
        return STATUS_CRYPTO;
    }
    TRY(p256_pkey(point, number, &pkey));
    TRY(private_key_wrap(pkey, ret_key));
    pkey = NULL;
    return STATUS_OK;
}

/* DeriveKeyPair: candidates until one is a scalar; the second is needed once in 2^32 keys. */
enum status private_key_derive_p256(struct view ikm, struct private_key **ret_key)
{
    struct digest prk;
    uint8_t scalar[SCALAR_SIZE];
    enum status status = STATUS_MALFORMED;

    ASSERT(ikm.size >= SCALAR_SIZE);
    prk = hpke_labeled_extract(HPKE_KEM_SUITE, (struct view){0}, "dkp_prk", ikm);
    for (unsigned i = 0; i < DERIVE_CANDIDATES_MAX && status == STATUS_MALFORMED; i++) {
        uint8_t counter = (uint8_t)i;

        hpke_labeled_expand(HPKE_KEM_SUITE, &prk, "candidate", (struct view){&counter, 1}, scalar,
                            sizeof scalar);
        status = private_key_of_scalar(scalar, ret_key);
    }
    secret_wipe(&prk, sizeof prk);
    secret_wipe(scalar, sizeof scalar);
    return status == STATUS_MALFORMED ? STATUS_CRYPTO : status;
}

enum key_algorithm private_key_algorithm(const struct private_key *key)
{
    return key->algorithm;
}

enum status private_key_public(const struct private_key *key, struct public_key **ret_public_key)
{
    return public_key_parse(private_key_spki(key), ret_public_key);
}

struct view private_key_spki(const struct private_key *key)
{
    return (struct view){key->spki.bytes, key->spki.size};
}

void private_key_point(const struct private_key *key, uint8_t ret_point[P256_POINT_SIZE])
{
    ASSERT(key->algorithm == KEY_ECDSA_P256);
    memcpy(ret_point, key->spki.bytes + sizeof p256_prefix, P256_POINT_SIZE);
}

struct evp_pkey_st *private_key_handle(const struct private_key *key)
{
    return key->pkey;
}

enum status private_key_agree(const struct private_key *key, const struct public_key *peer,
                              struct secret *ret_shared)
{
    OWN(pkey_context) EVP_PKEY_CTX *context = NULL;
    OWN(secret) struct secret shared = {0};
    size_t size = SCALAR_SIZE;

    ASSERT(key->algorithm == KEY_ECDSA_P256 && peer->algorithm == KEY_ECDSA_P256);
    TRY(secret_new(SCALAR_SIZE, &shared));
    context = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (EVP_PKEY_derive_init(context) != 1 || EVP_PKEY_derive_set_peer(context, peer->pkey) != 1 ||
        EVP_PKEY_derive(context, shared.data, &size) != 1 || size != SCALAR_SIZE) {
        return STATUS_CRYPTO;
    }
    *ret_shared = TAKE(shared);
    return STATUS_OK;
}
