#include "lib/attest/credential.h"

#include "lib/attest/tpm_key.h"

#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/rsa.h>

#include <string.h>

/* Section 24: the labels, with their NUL, which is part of what is hashed. */
static const char label_identity[] = "IDENTITY";
static const char label_storage[] = "STORAGE";
static const char label_integrity[] = "INTEGRITY";

/* How CREDENTIAL_ENTROPY_SIZE is used. A scalar gets 64 bits more than the order has, so that the
 * reduction leaves no bias (FIPS 186-5, A.2.1). */
enum {
    ENTROPY_SEED_SIZE = 48,
    ENTROPY_REST_SIZE = CREDENTIAL_ENTROPY_SIZE - ENTROPY_SEED_SIZE,
    SCALAR_EXTRA_SIZE = 8,
};
_Static_assert(ENTROPY_REST_SIZE >= TPM_COORDINATE_SIZE_MAX + SCALAR_EXTRA_SIZE,
               "entropy must suffice for a P-384 scalar");

static inline void ec_group_cleanup(EC_GROUP **group)
{
    EC_GROUP_free(*group);
}
static inline void ec_point_cleanup(EC_POINT **point)
{
    EC_POINT_clear_free(*point);
}
static inline void bignum_cleanup(BIGNUM **number)
{
    BN_clear_free(*number);
}
static inline void bn_ctx_cleanup(BN_CTX **context)
{
    BN_CTX_free(*context);
}
static inline void evp_pkey_ctx_cleanup(EVP_PKEY_CTX **context)
{
    EVP_PKEY_CTX_free(*context);
}

static void put_u32(uint8_t *octets, uint32_t value)
{
    for (size_t i = 0; i < 4; i++) {
        octets[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

/* One hash over several pieces. */
static enum status hash_list(const EVP_MD *hash, const struct view *pieces, size_t count,
                             uint8_t *ret_hash)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, hash, NULL) == 1;

    for (size_t i = 0; good && i < count; i++) {
        good = EVP_DigestUpdate(context, pieces[i].data, pieces[i].size) == 1;
    }
    good = good && EVP_DigestFinal_ex(context, ret_hash, NULL) == 1;
    EVP_MD_CTX_free(context);
    return good ? STATUS_OK : STATUS_CRYPTO;
}

/* KDFa (Part 1, section 11.4.10.2), for keys that are not longer than the hash: one round. */
static enum status kdfa(const EVP_MD *hash, struct view key, const char *label, size_t label_size,
                        struct view context, size_t size, uint8_t *ret_key)
{
    uint8_t message[4 + sizeof label_integrity + TPM_NAME_SIZE_MAX + 4], mac[EVP_MAX_MD_SIZE];
    size_t used = 4;

    ASSERT(size <= (size_t)EVP_MD_get_size(hash));
    ASSERT(label_size <= sizeof label_integrity && context.size <= TPM_NAME_SIZE_MAX);
    put_u32(message, 1);
    memcpy(message + used, label, label_size);
    used += label_size;
    if (context.size) {
        memcpy(message + used, context.data, context.size);
        used += context.size;
    }
    put_u32(message + used, (uint32_t)size * 8);
    used += 4;
    if (!HMAC(hash, key.data, (int)key.size, message, used, mac, NULL)) {
        return STATUS_CRYPTO;
    }
    memcpy(ret_key, mac, size);
    secret_wipe(mac, sizeof mac);
    return STATUS_OK;
}

/* KDFe (Part 1, section 11.4.10.3), of the hash's own size: one round. */
static enum status kdfe(const EVP_MD *hash, struct view z, struct view ephemeral_x,
                        struct view ek_x, uint8_t *ret_seed)
{
    uint8_t counter[4];

    /* No length of the output is hashed here, unlike in KDFa. */
    put_u32(counter, 1);
    return hash_list(hash,
                     (struct view[]){VIEW_OF_ARRAY(counter), z, VIEW_OF_ARRAY(label_identity),
                                     ephemeral_x, ek_x},
                     5, ret_seed);
}

/* MGF1 (RFC 8017, B.2.1), XORed over `data`. */
static enum status mask_apply(const EVP_MD *hash, struct view seed, uint8_t *data, size_t size)
{
    size_t hash_size = (size_t)EVP_MD_get_size(hash);
    uint8_t counter[4], mask[EVP_MAX_MD_SIZE];

    for (size_t at = 0; at < size; at += hash_size) {
        put_u32(counter, (uint32_t)(at / hash_size));
        TRY(hash_list(hash, (struct view[]){seed, VIEW_OF_ARRAY(counter)}, 2, mask));
        for (size_t i = 0; i < hash_size && at + i < size; i++) {
            data[at + i] ^= mask[i];
        }
    }
    secret_wipe(mask, sizeof mask);
    return STATUS_OK;
}

/* EME-OAEP (RFC 8017, section 7.1.1) with the label "IDENTITY". By hand, because OpenSSL draws the
 * OAEP seed itself and this folder takes its entropy as an argument. */
static enum status oaep_encode(const EVP_MD *hash, struct view message, const uint8_t *oaep_seed,
                               uint8_t *encoded, size_t size)
{
    size_t hash_size = (size_t)EVP_MD_get_size(hash), block_size = size - hash_size - 1;
    uint8_t *seed = encoded + 1, *block = encoded + 1 + hash_size;

    ASSERT(message.size + 2 * hash_size + 2 <= size);
    memset(encoded, 0, size);
    memcpy(seed, oaep_seed, hash_size);
    TRY(hash_list(hash, (struct view[]){VIEW_OF_ARRAY(label_identity)}, 1, block));
    block[block_size - message.size - 1] = 1;
    memcpy(block + block_size - message.size, message.data, message.size);
    TRY(mask_apply(hash, (struct view){seed, hash_size}, block, block_size));
    return mask_apply(hash, (struct view){block, block_size}, seed, hash_size);
}

/* Part 1, B.10.4: the seed is drawn and travels under RSA-OAEP. */
static enum status seed_by_rsa(const struct tpm_public *ek, const EVP_MD *hash,
                               const uint8_t *entropy, struct secret *seed,
                               struct bytes *ret_encrypted)
{
    OWN(evp_pkey) EVP_PKEY *key = NULL;
    __attribute__((cleanup(evp_pkey_ctx_cleanup))) EVP_PKEY_CTX *context = NULL;
    uint8_t encoded[TPM_RSA_SIZE_MAX], encrypted[TPM_RSA_SIZE_MAX];
    size_t size = sizeof encrypted;
    enum status status;

    memcpy(seed->data, entropy, seed->size);
    TRY(tpm_key_import(ek, &key));
    status =
        oaep_encode(hash, secret_view(seed), entropy + ENTROPY_SEED_SIZE, encoded, ek->rsa.size);
    if (status == STATUS_OK) {
        context = EVP_PKEY_CTX_new_from_pkey(NULL, key, NULL);
        if (!context || EVP_PKEY_encrypt_init(context) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_NO_PADDING) != 1 ||
            EVP_PKEY_encrypt(context, encrypted, &size, encoded, ek->rsa.size) != 1) {
            status = STATUS_CRYPTO;
        }
    }
    secret_wipe(encoded, sizeof encoded);
    ERR_clear_error();
    TRY(status);
    return bytes_copy((struct view){encrypted, size}, ret_encrypted);
}

/* A scalar from 1 to order - 1 (FIPS 186-5, A.2.1). */
static enum status scalar_derive(const EC_GROUP *group, struct view entropy, BN_CTX *context,
                                 BIGNUM *scalar)
{
    __attribute__((cleanup(bignum_cleanup))) BIGNUM *limit = BN_dup(EC_GROUP_get0_order(group));

    BN_set_flags(scalar, BN_FLG_CONSTTIME);
    return limit && BN_sub_word(limit, 1) && BN_bin2bn(entropy.data, (int)entropy.size, scalar) &&
                   BN_mod(scalar, scalar, limit, context) && BN_add_word(scalar, 1)
               ? STATUS_OK
               : STATUS_CRYPTO;
}

static bool point_encode(const EC_GROUP *group, const EC_POINT *point, BN_CTX *context,
                         uint8_t *octets, size_t size)
{
    return EC_POINT_point2oct(group, point, POINT_CONVERSION_UNCOMPRESSED, octets, size, context) ==
           size;
}

/* Part 1, C.6.1: one-pass ECDH from an ephemeral key; its point travels, as TPMS_ECC_POINT. */
static enum status seed_by_ecdh(const struct tpm_public *ek, const EVP_MD *hash,
                                const uint8_t *entropy, struct secret *seed,
                                struct bytes *ret_encrypted)
{
    __attribute__((cleanup(ec_group_cleanup))) EC_GROUP *group = EC_GROUP_new_by_curve_name(
        ek->ecc.curve == TPM_CURVE_P256 ? NID_X9_62_prime256v1 : NID_secp384r1);
    __attribute__((cleanup(bn_ctx_cleanup))) BN_CTX *context = BN_CTX_secure_new();
    __attribute__((cleanup(bignum_cleanup))) BIGNUM *scalar = BN_secure_new();
    __attribute__((cleanup(ec_point_cleanup))) EC_POINT *peer = NULL, *result = NULL;
    OWN(writer) struct writer writer = writer_new(4 + 2 * TPM_COORDINATE_SIZE_MAX);
    size_t size = ek->ecc.size, point_size = 1 + 2 * size;
    uint8_t point[1 + 2 * TPM_COORDINATE_SIZE_MAX], shared[1 + 2 * TPM_COORDINATE_SIZE_MAX];
    enum status status;

    peer = group ? EC_POINT_new(group) : NULL;
    result = group ? EC_POINT_new(group) : NULL;
    if (!context || !scalar || !peer || !result) {
        return STATUS_NO_MEMORY;
    }
    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, ek->ecc.x, size);
    memcpy(point + 1 + size, ek->ecc.y, size);
    if (EC_POINT_oct2point(group, peer, point, point_size, context) != 1) {
        ERR_clear_error();
        return STATUS_MALFORMED; /* Not on the curve. */
    }
    TRY(scalar_derive(group, (struct view){entropy + ENTROPY_SEED_SIZE, size + SCALAR_EXTRA_SIZE},
                      context, scalar));
    if (EC_POINT_mul(group, result, scalar, NULL, NULL, context) != 1 ||
        !point_encode(group, result, context, point, point_size) ||
        EC_POINT_mul(group, result, NULL, peer, scalar, context) != 1 ||
        !point_encode(group, result, context, shared, point_size)) {
        ERR_clear_error();
        return STATUS_CRYPTO;
    }
    status = kdfe(hash, (struct view){shared + 1, size}, (struct view){point + 1, size},
                  (struct view){ek->ecc.x, size}, seed->data);
    secret_wipe(shared, sizeof shared);
    TRY(status);
    writer_sized16(&writer, (struct view){point + 1, size});
    writer_sized16(&writer, (struct view){point + 1 + size, size});
    return writer_take(&writer, ret_encrypted);
}

/* AES-CFB with a zero IV, which is safe because the key is used once. */
static enum status cfb_encrypt(struct view key, const uint8_t *plain, size_t size, uint8_t *cipher)
{
    static const uint8_t zero_iv[16];
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int written = 0;
    bool good =
        context &&
        EVP_EncryptInit_ex(context, key.size == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128(),
                           NULL, key.data, zero_iv) == 1 &&
        EVP_EncryptUpdate(context, cipher, &written, plain, (int)size) == 1;

    EVP_CIPHER_CTX_free(context);
    return good && (size_t)written == size ? STATUS_OK : STATUS_CRYPTO;
}

/* Section 24.4 and 24.5: TPM2B of the HMAC, then the encrypted TPM2B of the secret. */
static enum status blob_make(const struct tpm_public *ek, const EVP_MD *hash, struct view seed,
                             struct view name, struct view credential, struct bytes *ret_blob)
{
    OWN(secret) struct secret keys = {0}, plain = {0};
    OWN(writer) struct writer writer = writer_new(512);
    uint8_t covered[2 + CREDENTIAL_SECRET_SIZE + TPM_NAME_SIZE_MAX], mac[EVP_MAX_MD_SIZE];
    size_t hash_size = (size_t)EVP_MD_get_size(hash), key_size = ek->symmetric.key_bits / 8;
    size_t size = 2 + credential.size;

    TRY(secret_new(key_size + hash_size, &keys));
    TRY(secret_new(size, &plain));
    TRY(kdfa(hash, seed, label_storage, sizeof label_storage, name, key_size, keys.data));
    TRY(kdfa(hash, seed, label_integrity, sizeof label_integrity, (struct view){0}, hash_size,
             keys.data + key_size));
    plain.data[1] = (uint8_t)credential.size;
    memcpy(plain.data + 2, credential.data, credential.size);
    TRY(cfb_encrypt((struct view){keys.data, key_size}, plain.data, size, covered));
    memcpy(covered + size, name.data, name.size);
    if (!HMAC(hash, keys.data + key_size, (int)hash_size, covered, size + name.size, mac, NULL)) {
        return STATUS_CRYPTO;
    }
    writer_sized16(&writer, (struct view){mac, hash_size});
    writer_view(&writer, (struct view){covered, size});
    return writer_take(&writer, ret_blob);
}

enum status credential_make(const struct tpm_public *ek, const struct tpm_name *ak_name,
                            struct view secret, struct view entropy, struct bytes *ret_blob,
                            struct bytes *ret_encrypted_secret)
{
    const EVP_MD *hash = tpm_hash(ek->name_algorithm);
    OWN(bytes) struct bytes encrypted = {0};
    OWN(secret) struct secret seed = {0};

    ASSERT(entropy.size == CREDENTIAL_ENTROPY_SIZE);
    if (secret.size == 0 || secret.size > CREDENTIAL_SECRET_SIZE || ak_name->size == 0 ||
        ak_name->size > TPM_NAME_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    if (!hash || ek->symmetric.mode != TPM_ALGORITHM_CFB ||
        (ek->symmetric.key_bits != 128 && ek->symmetric.key_bits != 256) ||
        (ek->type == TPM_ALGORITHM_RSA && ek->rsa.bits < 2048)) {
        return STATUS_UNSUPPORTED;
    }
    TRY(secret_new((size_t)EVP_MD_get_size(hash), &seed));
    TRY(ek->type == TPM_ALGORITHM_RSA ? seed_by_rsa(ek, hash, entropy.data, &seed, &encrypted)
                                      : seed_by_ecdh(ek, hash, entropy.data, &seed, &encrypted));
    TRY(blob_make(ek, hash, secret_view(&seed), tpm_name_view(ak_name), secret, ret_blob));
    *ret_encrypted_secret = TAKE(encrypted);
    return STATUS_OK;
}
