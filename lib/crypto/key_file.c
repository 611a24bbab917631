/* Key files: PEM, PKCS#8 (RFC 5958), PBES2 (RFC 8018) with scrypt (RFC 7914). */
#include "lib/crypto/key_material.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include <string.h>

/* What we write. N * r * 128 bytes is the memory it takes, and OpenSSL takes no more than 32 MiB.
 */
enum { SCRYPT_N = 16384, SCRYPT_R = 8, SCRYPT_P = 5 };
/* The most that we read: a file must not keep us busy for minutes. */
enum { SCRYPT_N_MAX = 1 << 20, SCRYPT_R_MAX = 32, SCRYPT_P_MAX = 64, PASSPHRASE_SIZE_MAX = 1024 };

DEFINE_OWN_OPENSSL(bio, BIO, BIO_free_all)
DEFINE_OWN_OPENSSL(key_info, PKCS8_PRIV_KEY_INFO, PKCS8_PRIV_KEY_INFO_free)
DEFINE_OWN_OPENSSL(encrypted_key, X509_SIG, X509_SIG_free)
DEFINE_OWN_OPENSSL(algorithm, X509_ALGOR, X509_ALGOR_free)
DEFINE_OWN_OPENSSL(pbes2, PBE2PARAM, PBE2PARAM_free)
DEFINE_OWN_OPENSSL(scrypt, SCRYPT_PARAMS, SCRYPT_PARAMS_free)

enum status private_key_to_pem(const struct private_key *key, struct view passphrase,
                               struct secret *ret_pem)
{
    OWN(bio) BIO *bio = BIO_new(BIO_s_secmem());
    OWN(key_info) PKCS8_PRIV_KEY_INFO *info = EVP_PKEY2PKCS8(private_key_handle(key));
    char *text = NULL;
    long size;

    if (!bio || !info) {
        return STATUS_CRYPTO;
    }
    if (passphrase.size > PASSPHRASE_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    if (passphrase.size == 0) {
        if (PEM_write_bio_PKCS8_PRIV_KEY_INFO(bio, info) != 1) {
            return STATUS_CRYPTO;
        }
    } else {
        OWN(encrypted_key) X509_SIG *encrypted = NULL;
        OWN(algorithm)
        X509_ALGOR *algorithm =
            PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(), NULL, 0, NULL, SCRYPT_N, SCRYPT_R, SCRYPT_P);

        if (!algorithm) {
            return STATUS_CRYPTO;
        }
        encrypted =
            PKCS8_set0_pbe((const char *)passphrase.data, (int)passphrase.size, info, algorithm);
        if (!encrypted) {
            return STATUS_CRYPTO;
        }
        algorithm = NULL; /* belongs to `encrypted` now */
        if (PEM_write_bio_PKCS8(bio, encrypted) != 1) {
            return STATUS_CRYPTO;
        }
    }
    size = BIO_get_mem_data(bio, &text);
    return size > 0 ? secret_copy((struct view){(const uint8_t *)text, (size_t)size}, ret_pem)
                    : STATUS_CRYPTO;
}

/* Takes out a parameter of an algorithm that must be a SEQUENCE decoded by `item`. */
static void *algorithm_parameter(const X509_ALGOR *algorithm, const ASN1_ITEM *item)
{
    const void *value = NULL;
    int type = V_ASN1_UNDEF;

    X509_ALGOR_get0(NULL, &type, &value, algorithm);
    return type == V_ASN1_SEQUENCE ? ASN1_item_unpack(value, item) : NULL;
}

static bool number_at_most(const ASN1_INTEGER *number, uint64_t max)
{
    uint64_t value = 0;

    return ASN1_INTEGER_get_uint64(&value, number) == 1 && value >= 1 && value <= max;
}

/* Whether these are the means we encrypt with, at a cost that we are willing to pay. */
static bool encryption_acceptable(const X509_ALGOR *algorithm)
{
    OWN(pbes2) PBE2PARAM *pbes2 = NULL;
    OWN(scrypt) SCRYPT_PARAMS *scrypt = NULL;

    if (OBJ_obj2nid(algorithm->algorithm) != NID_pbes2) {
        return false;
    }
    pbes2 = algorithm_parameter(algorithm, ASN1_ITEM_rptr(PBE2PARAM));
    if (!pbes2 || OBJ_obj2nid(pbes2->keyfunc->algorithm) != NID_id_scrypt ||
        OBJ_obj2nid(pbes2->encryption->algorithm) != NID_aes_256_cbc) {
        return false;
    }
    scrypt = algorithm_parameter(pbes2->keyfunc, ASN1_ITEM_rptr(SCRYPT_PARAMS));
    return scrypt && number_at_most(scrypt->costParameter, SCRYPT_N_MAX) &&
           number_at_most(scrypt->blockSize, SCRYPT_R_MAX) &&
           number_at_most(scrypt->parallelizationParameter, SCRYPT_P_MAX);
}

static enum status key_info_decrypt(const uint8_t *der, long size, struct view passphrase,
                                    PKCS8_PRIV_KEY_INFO **ret_info)
{
    OWN(encrypted_key) X509_SIG *encrypted = NULL;
    const X509_ALGOR *algorithm = NULL;
    const uint8_t *at = der;

    encrypted = d2i_X509_SIG(NULL, &at, size);
    if (!encrypted || at != der + size) {
        return STATUS_MALFORMED;
    }
    X509_SIG_get0(encrypted, &algorithm, NULL);
    if (!encryption_acceptable(algorithm)) {
        return STATUS_MALFORMED;
    }
    if (passphrase.size == 0 || passphrase.size > PASSPHRASE_SIZE_MAX) {
        return STATUS_DENIED;
    }
    *ret_info = PKCS8_decrypt(encrypted, (const char *)passphrase.data, (int)passphrase.size);
    return *ret_info ? STATUS_OK : STATUS_DENIED;
}

/*
 * Makes our key of OpenSSL's. A P-256 key is built again from its scalar: then it lies in the
 * secure heap, and a public half in the file that does not belong to it is found out.
 */
static enum status key_of_info(const PKCS8_PRIV_KEY_INFO *info, struct private_key **ret_key)
{
    OWN(pkey) EVP_PKEY *pkey = EVP_PKCS82PKEY(info);
    OWN(private_key) struct private_key *key = NULL;
    OWN(secret_number) BIGNUM *number = NULL;
    OWN(secret) struct secret scalar = {0};

    if (!pkey) {
        return STATUS_MALFORMED;
    }
    if (EVP_PKEY_is_a(pkey, "ED25519")) {
        TRY(private_key_wrap(pkey, ret_key));
        pkey = NULL;
        return STATUS_OK;
    }
    if (!EVP_PKEY_is_a(pkey, "EC") ||
        EVP_PKEY_get_bn_param(pkey, OSSL_PKEY_PARAM_PRIV_KEY, &number) != 1) {
        return STATUS_MALFORMED;
    }
    TRY(secret_new(32, &scalar));
    if (BN_bn2binpad(number, scalar.data, 32) != 32) {
        return STATUS_MALFORMED;
    }
    TRY(private_key_of_scalar(scalar.data, &key));
    if (EVP_PKEY_eq(pkey, private_key_handle(key)) != 1) {
        return STATUS_MALFORMED;
    }
    *ret_key = TAKE(key);
    return STATUS_OK;
}

/* What PEM_read_bio_ex hands out. */
struct pem {
    char *name, *header;
    uint8_t *data;
    long size;
};

static void pem_free(struct pem *pem)
{
    OPENSSL_secure_free(pem->name);
    OPENSSL_secure_free(pem->header);
    OPENSSL_secure_clear_free(pem->data, pem->size > 0 ? (size_t)pem->size : 0);
}
DEFINE_OWN_VALUE(pem, pem_free)

/* Exactly one PEM block, with nothing but blanks after it. */
static enum status pem_read(struct view text, struct pem *ret_pem)
{
    OWN(bio) BIO *bio = NULL;
    char rest;

    if (text.size == 0 || text.size > SECRET_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    bio = BIO_new_mem_buf(text.data, (int)text.size);
    if (!bio) {
        return STATUS_NO_MEMORY;
    }
    if (PEM_read_bio_ex(bio, &ret_pem->name, &ret_pem->header, &ret_pem->data, &ret_pem->size,
                        PEM_FLAG_SECURE) != 1 ||
        ret_pem->header[0] != '\0') {
        return STATUS_MALFORMED;
    }
    while (BIO_read(bio, &rest, 1) == 1) {
        if (!strchr(" \t\r\n", rest) || rest == '\0') {
            return STATUS_MALFORMED;
        }
    }
    return STATUS_OK;
}

static enum status private_key_of_pem_block(const struct pem *pem, struct view passphrase,
                                            struct private_key **ret_key)
{
    OWN(key_info) PKCS8_PRIV_KEY_INFO *info = NULL;

    if (strcmp(pem->name, PEM_STRING_PKCS8) == 0) {
        TRY(key_info_decrypt(pem->data, pem->size, passphrase, &info));
    } else if (strcmp(pem->name, PEM_STRING_PKCS8INF) == 0) {
        const uint8_t *at = pem->data;

        info = d2i_PKCS8_PRIV_KEY_INFO(NULL, &at, pem->size);
        if (!info || at != pem->data + pem->size) {
            return STATUS_MALFORMED;
        }
    } else {
        return STATUS_MALFORMED;
    }
    return key_of_info(info, ret_key);
}

enum status private_key_of_pem(struct view text, struct view passphrase,
                               struct private_key **ret_key)
{
    OWN(pem) struct pem pem = {0};
    enum status status = pem_read(text, &pem);

    if (status == STATUS_OK) {
        status = private_key_of_pem_block(&pem, passphrase, ret_key);
    }
    ERR_clear_error();
    return status == STATUS_UNSUPPORTED ? STATUS_MALFORMED : status;
}
