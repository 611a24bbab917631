#include "tests/support/soft_tpm.h"

#include "tests/support/test.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/kdf.h>
#include <openssl/rsa.h>

#include <string.h>

static const EVP_MD *hash_of(uint16_t algorithm)
{
    return algorithm == TPM_ALGORITHM_SHA1     ? EVP_sha1()
           : algorithm == TPM_ALGORITHM_SHA384 ? EVP_sha384()
           : algorithm == TPM_ALGORITHM_SHA512 ? EVP_sha512()
                                               : EVP_sha256();
}

void soft_key_free(struct soft_key *key)
{
    EVP_PKEY_free(key->key);
    key->key = NULL;
}

static struct bytes taken(struct writer *writer)
{
    struct bytes bytes;

    assert_ok(writer_take(writer, &bytes));
    return bytes;
}

static void number_write(struct writer *writer, const EVP_PKEY *key, const char *name, size_t size)
{
    BIGNUM *number = NULL;
    uint8_t octets[TPM_RSA_SIZE_MAX];

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &number), 1);
    assert_int_equal(BN_bn2binpad(number, octets, (int)size), size);
    BN_free(number);
    writer_sized16(writer, (struct view){octets, size});
}

static void public_write(struct soft_key *key, uint16_t name_algorithm, uint32_t attributes,
                         struct view policy, uint16_t symmetric_bits, uint16_t scheme,
                         uint16_t hash)
{
    OWN(writer) struct writer writer = writer_new(TPM_PUBLIC_SIZE_MAX);
    bool rsa = key->kind == SOFT_RSA;
    OWN(bytes) struct bytes bytes = {0};

    writer_u16(&writer, rsa ? TPM_ALGORITHM_RSA : TPM_ALGORITHM_ECC);
    writer_u16(&writer, name_algorithm);
    writer_u32(&writer, attributes);
    writer_sized16(&writer, policy);
    if (symmetric_bits) {
        writer_u16(&writer, TPM_ALGORITHM_AES);
        writer_u16(&writer, symmetric_bits);
        writer_u16(&writer, TPM_ALGORITHM_CFB);
    } else {
        writer_u16(&writer, TPM_ALGORITHM_NULL);
    }
    writer_u16(&writer, scheme);
    if (scheme != TPM_ALGORITHM_NULL) {
        writer_u16(&writer, hash);
    }
    if (rsa) {
        writer_u16(&writer, 2048);
        writer_u32(&writer, 0);
        number_write(&writer, key->key, OSSL_PKEY_PARAM_RSA_N, 256);
    } else {
        uint16_t curve = key->kind == SOFT_P256 ? TPM_CURVE_P256 : TPM_CURVE_P384;

        writer_u16(&writer, curve);
        writer_u16(&writer, TPM_ALGORITHM_NULL);
        number_write(&writer, key->key, OSSL_PKEY_PARAM_EC_PUB_X, tpm_curve_size(curve));
        number_write(&writer, key->key, OSSL_PKEY_PARAM_EC_PUB_Y, tpm_curve_size(curve));
    }
    bytes = taken(&writer);
    memcpy(key->public_area, bytes.data, bytes.size);
    key->public_size = bytes.size;
}

static struct soft_key key_new(enum soft_kind kind)
{
    struct soft_key key = {.kind = kind};

    key.key = kind == SOFT_RSA
                  ? EVP_PKEY_Q_keygen(NULL, NULL, "RSA", (size_t)2048)
                  : EVP_PKEY_Q_keygen(NULL, NULL, "EC", kind == SOFT_P256 ? "P-256" : "P-384");
    assert_non_null(key.key);
    return key;
}

static uint16_t scheme_of(const struct soft_key *key)
{
    return key->kind == SOFT_RSA ? TPM_ALGORITHM_RSASSA : TPM_ALGORITHM_ECDSA;
}

void soft_ak_describe(struct soft_key *key, uint32_t attributes, uint16_t scheme, uint16_t hash)
{
    public_write(key, TPM_ALGORITHM_SHA256, attributes, (struct view){0}, 0, scheme, hash);
}

struct soft_key soft_ak_new(enum soft_kind kind)
{
    struct soft_key key = key_new(kind);

    soft_ak_describe(&key, SOFT_AK_ATTRIBUTES, scheme_of(&key), TPM_ALGORITHM_SHA256);
    return key;
}

struct soft_key soft_ek_new(enum soft_kind kind)
{
    static const uint8_t policy_a[] = {0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8,
                                       0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
                                       0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64,
                                       0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa};
    static const uint8_t policy_b[] = {0xb2, 0x6e, 0x7d, 0x28, 0xd1, 0x1a, 0x50, 0xbc, 0x53, 0xd8,
                                       0x82, 0xbc, 0xf5, 0xfd, 0x3a, 0x1a, 0x07, 0x41, 0x48, 0xbb,
                                       0x35, 0xd3, 0xb4, 0xe4, 0xcb, 0x1c, 0x0a, 0xd9, 0xbd, 0xe4,
                                       0x19, 0xca, 0xcb, 0x47, 0xba, 0x09, 0x69, 0x96, 0x46, 0x15,
                                       0x0f, 0x9f, 0xc0, 0x00, 0xf3, 0xf8, 0x0e, 0x12};
    struct soft_key key = key_new(kind);

    if (kind == SOFT_P384) {
        public_write(&key, TPM_ALGORITHM_SHA384, 0x000300f2, VIEW_OF_ARRAY(policy_b), 256,
                     TPM_ALGORITHM_NULL, 0);
    } else {
        public_write(&key, TPM_ALGORITHM_SHA256, 0x000300b2, VIEW_OF_ARRAY(policy_a), 128,
                     TPM_ALGORITHM_NULL, 0);
    }
    return key;
}

/* r and s out of OpenSSL's DER, as two TPM2Bs. */
static void ecdsa_write(struct writer *writer, struct view der, size_t coordinate_size)
{
    const uint8_t *at = der.data;
    ECDSA_SIG *parsed = d2i_ECDSA_SIG(NULL, &at, (long)der.size);
    uint8_t octets[TPM_COORDINATE_SIZE_MAX];

    assert_non_null(parsed);
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(parsed), octets, (int)coordinate_size),
                     coordinate_size);
    writer_sized16(writer, (struct view){octets, coordinate_size});
    assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(parsed), octets, (int)coordinate_size),
                     coordinate_size);
    writer_sized16(writer, (struct view){octets, coordinate_size});
    ECDSA_SIG_free(parsed);
}

struct bytes soft_sign_as(const struct soft_key *key, uint16_t scheme, uint16_t hash,
                          struct view message)
{
    struct writer writer = writer_new(TPM_SIGNATURE_SIZE_MAX);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    uint8_t signature[TPM_RSA_SIZE_MAX];
    size_t size = sizeof signature;
    EVP_PKEY_CTX *key_context;

    assert_int_equal(EVP_DigestSignInit(context, &key_context, hash_of(hash), NULL, key->key), 1);
    if (scheme == TPM_ALGORITHM_RSAPSS) {
        assert_true(EVP_PKEY_CTX_set_rsa_padding(key_context, RSA_PKCS1_PSS_PADDING) > 0);
    }
    assert_int_equal(EVP_DigestSign(context, signature, &size, message.data, message.size), 1);
    EVP_MD_CTX_free(context);
    writer_u16(&writer, scheme);
    writer_u16(&writer, hash);
    if (key->kind == SOFT_RSA) {
        writer_sized16(&writer, (struct view){signature, size});
    } else {
        ecdsa_write(&writer, (struct view){signature, size}, key->kind == SOFT_P256 ? 32 : 48);
    }
    return taken(&writer);
}

struct bytes soft_sign(const struct soft_key *key, struct view message)
{
    return soft_sign_as(key, scheme_of(key), TPM_ALGORITHM_SHA256, message);
}

struct soft_quote soft_quote_new(struct view qualifying, uint32_t pcr_mask,
                                 const struct digest *pcr_digest)
{
    return (struct soft_quote){
        .magic = TPM_GENERATED_MAGIC,
        .type = TPM_ATTEST_QUOTE,
        .extra_data = qualifying,
        .clock_ms = 60000,
        .reset_count = 7,
        .restart_count = 1,
        .firmware = 0x2019102300163636,
        .selection_count = 1,
        .selections = {{TPM_ALGORITHM_SHA256, pcr_mask}},
        .pcr_digest = digest_view(pcr_digest),
    };
}

struct bytes soft_quote_bytes(const struct soft_quote *quote)
{
    static const uint8_t signer[34] = {0x00, 0x0b};
    struct writer writer = writer_new(TPM_ATTEST_SIZE_MAX);

    writer_u32(&writer, quote->magic);
    writer_u16(&writer, quote->type);
    writer_sized16(&writer, VIEW_OF_ARRAY(signer));
    writer_sized16(&writer, quote->extra_data);
    writer_u64(&writer, quote->clock_ms);
    writer_u32(&writer, quote->reset_count);
    writer_u32(&writer, quote->restart_count);
    writer_u8(&writer, 1);
    writer_u64(&writer, quote->firmware);
    writer_u32(&writer, (uint32_t)quote->selection_count);
    for (size_t i = 0; i < quote->selection_count; i++) {
        writer_u16(&writer, quote->selections[i].hash);
        writer_u8(&writer, 3);
        for (unsigned octet = 0; octet < 3; octet++) {
            writer_u8(&writer, (uint8_t)(quote->selections[i].pcr_mask >> (8 * octet)));
        }
    }
    writer_sized16(&writer, quote->pcr_digest);
    return taken(&writer);
}

/* The seed under RSA-OAEP with the label "IDENTITY". */
static bool seed_decrypt(const struct soft_key *ek, const EVP_MD *hash, struct view encrypted,
                         uint8_t *seed)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(ek->key, NULL);
    size_t size = TPM_RSA_SIZE_MAX;
    uint8_t buffer[TPM_RSA_SIZE_MAX];
    bool good;

    assert_int_equal(EVP_PKEY_decrypt_init(context), 1);
    assert_true(EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_oaep_md(context, hash) > 0);
    assert_true(EVP_PKEY_CTX_set_rsa_mgf1_md(context, hash) > 0);
    assert_true(EVP_PKEY_CTX_set0_rsa_oaep_label(context, OPENSSL_strdup("IDENTITY"), 9) > 0);
    good = EVP_PKEY_decrypt(context, buffer, &size, encrypted.data, encrypted.size) == 1 &&
           size == (size_t)EVP_MD_get_size(hash);
    if (good) {
        memcpy(seed, buffer, size);
    }
    EVP_PKEY_CTX_free(context);
    return good;
}

/* SP 800-56A one-step KDF, by OpenSSL: counter | Z | OtherInfo, which is what KDFe is. */
static bool seed_agree(const struct soft_key *ek, const EVP_MD *hash, struct view encrypted,
                       uint8_t *seed)
{
    size_t size = ek->kind == SOFT_P256 ? 32 : 48, z_size = 48, used;
    struct reader reader = reader_of(encrypted);
    uint8_t point[97], z[48], own[97], info[9 + 96];
    struct view x = reader_sized16(&reader, size), y = reader_sized16(&reader, size);
    EVP_PKEY *peer = EVP_PKEY_new();
    EVP_PKEY_CTX *context;
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "SSKDF", NULL);
    EVP_KDF_CTX *kdf_context = EVP_KDF_CTX_new(kdf);
    OSSL_PARAM parameters[4];
    bool good;

    assert_true(reader_done(&reader) && x.size == size && y.size == size);
    point[0] = 4;
    memcpy(point + 1, x.data, size);
    memcpy(point + 1 + size, y.data, size);
    assert_int_equal(EVP_PKEY_copy_parameters(peer, ek->key), 1);
    assert_int_equal(EVP_PKEY_set1_encoded_public_key(peer, point, 1 + 2 * size), 1);
    context = EVP_PKEY_CTX_new(ek->key, NULL);
    assert_int_equal(EVP_PKEY_derive_init(context), 1);
    assert_int_equal(EVP_PKEY_derive_set_peer(context, peer), 1);
    assert_int_equal(EVP_PKEY_derive(context, z, &z_size), 1);
    assert_int_equal(
        EVP_PKEY_get_octet_string_param(ek->key, OSSL_PKEY_PARAM_PUB_KEY, own, sizeof own, &used),
        1);
    memcpy(info, "IDENTITY", 9);
    memcpy(info + 9, x.data, size);
    memcpy(info + 9 + size, own + 1, size);
    parameters[0] = OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                                     (char *)(uintptr_t)EVP_MD_get0_name(hash), 0);
    parameters[1] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, z, z_size);
    parameters[2] = OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, info, 9 + 2 * size);
    parameters[3] = OSSL_PARAM_construct_end();
    good = EVP_KDF_derive(kdf_context, seed, (size_t)EVP_MD_get_size(hash), parameters) == 1;
    EVP_KDF_CTX_free(kdf_context);
    EVP_KDF_free(kdf);
    EVP_PKEY_CTX_free(context);
    EVP_PKEY_free(peer);
    return good;
}

/* SP 800-108 in counter mode, by OpenSSL: counter | label | 00 | context | bits, which is what KDFa
 * is. */
static void key_derive(const EVP_MD *hash, struct view seed, const char *label, struct view context,
                       uint8_t *key, size_t size)
{
    EVP_KDF *kdf = EVP_KDF_fetch(NULL, "KBKDF", NULL);
    EVP_KDF_CTX *kdf_context = EVP_KDF_CTX_new(kdf);
    char mac[] = "HMAC", mode[] = "COUNTER";
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MAC, mac, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_MODE, mode, 0),
        OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST,
                                         (char *)(uintptr_t)EVP_MD_get0_name(hash), 0),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_KEY, (void *)(uintptr_t)seed.data,
                                          seed.size),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SALT, (void *)(uintptr_t)label,
                                          strlen(label)),
        OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_INFO, (void *)(uintptr_t)context.data,
                                          context.size),
        OSSL_PARAM_construct_end(),
    };

    assert_int_equal(EVP_KDF_derive(kdf_context, key, size, parameters), 1);
    EVP_KDF_CTX_free(kdf_context);
    EVP_KDF_free(kdf);
}

enum status soft_activate(const struct soft_key *ek, const struct tpm_name *ak_name,
                          struct view blob, struct view encrypted_secret, struct bytes *ret_secret)
{
    const EVP_MD *hash = ek->kind == SOFT_P384 ? EVP_sha384() : EVP_sha256();
    size_t hash_size = (size_t)EVP_MD_get_size(hash), key_size = ek->kind == SOFT_P384 ? 32 : 16;
    uint8_t seed[64], key[64], mac[64], plain[66];
    struct reader reader = reader_of(blob), inner;
    struct view expected = reader_sized16(&reader, 64), cipher = reader_rest(&reader), secret;
    EVP_CIPHER_CTX *context;
    EVP_MAC *hmac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    EVP_MAC_CTX *mac_context = EVP_MAC_CTX_new(hmac);
    OSSL_PARAM parameters[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST,
                                         (char *)(uintptr_t)EVP_MD_get0_name(hash), 0),
        OSSL_PARAM_construct_end(),
    };
    static const uint8_t zero_iv[16];
    size_t mac_size;
    bool good;
    int size;

    assert_true(expected.size == hash_size && cipher.size <= sizeof plain);
    good = ek->kind == SOFT_RSA ? seed_decrypt(ek, hash, encrypted_secret, seed)
                                : seed_agree(ek, hash, encrypted_secret, seed);
    if (good) {
        key_derive(hash, (struct view){seed, hash_size}, "INTEGRITY", (struct view){0}, key,
                   hash_size);
        assert_int_equal(EVP_MAC_init(mac_context, key, hash_size, parameters), 1);
        assert_int_equal(EVP_MAC_update(mac_context, cipher.data, cipher.size), 1);
        assert_int_equal(EVP_MAC_update(mac_context, ak_name->bytes, ak_name->size), 1);
        assert_int_equal(EVP_MAC_final(mac_context, mac, &mac_size, sizeof mac), 1);
        good = view_equal((struct view){mac, mac_size}, expected);
    }
    EVP_MAC_CTX_free(mac_context);
    EVP_MAC_free(hmac);
    if (!good) {
        return STATUS_UNTRUSTED;
    }
    key_derive(hash, (struct view){seed, hash_size}, "STORAGE", tpm_name_view(ak_name), key,
               key_size);
    context = EVP_CIPHER_CTX_new();
    assert_int_equal(
        EVP_DecryptInit_ex(context, key_size == 16 ? EVP_aes_128_cfb128() : EVP_aes_256_cfb128(),
                           NULL, key, zero_iv),
        1);
    assert_int_equal(EVP_DecryptUpdate(context, plain, &size, cipher.data, (int)cipher.size), 1);
    EVP_CIPHER_CTX_free(context);
    inner = reader_of((struct view){plain, cipher.size});
    secret = reader_sized16(&inner, 64);
    assert_true(reader_done(&inner));
    return bytes_copy(secret, ret_secret);
}
