#include "lib/attest/tpm_key.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/params.h>

#include <string.h>

const EVP_MD *tpm_hash(uint16_t algorithm)
{
    switch (algorithm) {
    case TPM_ALGORITHM_SHA256:
        return EVP_sha256();
    case TPM_ALGORITHM_SHA384:
        return EVP_sha384();
    default: /* a number of the TCG registry, from outside */
        return NULL;
    }
}

static enum status import(const char *type, OSSL_PARAM *parameters, EVP_PKEY **ret_key)
{
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new_from_name(NULL, type, NULL);
    enum status status = STATUS_OK;

    if (!context || EVP_PKEY_fromdata_init(context) <= 0) {
        status = STATUS_CRYPTO;
    } else if (EVP_PKEY_fromdata(context, ret_key, EVP_PKEY_PUBLIC_KEY, parameters) <= 0) {
        status = STATUS_MALFORMED;
    }
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    return status;
}

static enum status import_rsa(const struct tpm_public *public_area, EVP_PKEY **ret_key)
{
    uint8_t modulus[TPM_RSA_SIZE_MAX];
    uint32_t exponent = public_area->rsa.exponent;
    OSSL_PARAM parameters[3];

    /* OSSL_PARAM integers are in the machine's order, which is little-endian on all we run on. */
    for (size_t i = 0; i < public_area->rsa.size; i++) {
        modulus[i] = public_area->rsa.modulus[public_area->rsa.size - 1 - i];
    }
    parameters[0] = OSSL_PARAM_construct_BN(OSSL_PKEY_PARAM_RSA_N, modulus, public_area->rsa.size);
    parameters[1] = OSSL_PARAM_construct_uint32(OSSL_PKEY_PARAM_RSA_E, &exponent);
    parameters[2] = OSSL_PARAM_construct_end();
    return import("RSA", parameters, ret_key);
}

static enum status import_ecc(const struct tpm_public *public_area, EVP_PKEY **ret_key)
{
    char p256[] = "P-256", p384[] = "P-384";
    uint8_t point[1 + 2 * TPM_COORDINATE_SIZE_MAX];
    size_t size = public_area->ecc.size;
    OSSL_PARAM parameters[3];

    point[0] = POINT_CONVERSION_UNCOMPRESSED;
    memcpy(point + 1, public_area->ecc.x, size);
    memcpy(point + 1 + size, public_area->ecc.y, size);
    parameters[0] = OSSL_PARAM_construct_utf8_string(
        OSSL_PKEY_PARAM_GROUP_NAME, public_area->ecc.curve == TPM_CURVE_P256 ? p256 : p384, 0);
    parameters[1] = OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size);
    parameters[2] = OSSL_PARAM_construct_end();
    return import("EC", parameters, ret_key);
}

enum status tpm_key_import(const struct tpm_public *public_area, EVP_PKEY **ret_key)
{
    *ret_key = NULL;
    return public_area->type == TPM_ALGORITHM_RSA ? import_rsa(public_area, ret_key)
                                                  : import_ecc(public_area, ret_key);
}
