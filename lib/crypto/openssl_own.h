/* OWN() for OpenSSL's objects. Not for use outside lib/crypto. */
#ifndef TCCP_CRYPTO_OPENSSL_OWN_H
#define TCCP_CRYPTO_OPENSSL_OWN_H

#include "lib/base/status.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#define DEFINE_OWN_OPENSSL(name, type, free_function)                                              \
    static inline void name##_cleanup(type **pointer)                                              \
    {                                                                                              \
        free_function(*pointer);                                                                   \
    }

DEFINE_OWN_OPENSSL(pkey, EVP_PKEY, EVP_PKEY_free)
DEFINE_OWN_OPENSSL(pkey_context, EVP_PKEY_CTX, EVP_PKEY_CTX_free)
DEFINE_OWN_OPENSSL(digest_context, EVP_MD_CTX, EVP_MD_CTX_free)
DEFINE_OWN_OPENSSL(cipher_context, EVP_CIPHER_CTX, EVP_CIPHER_CTX_free)
DEFINE_OWN_OPENSSL(params, OSSL_PARAM, OSSL_PARAM_free)
DEFINE_OWN_OPENSSL(param_builder, OSSL_PARAM_BLD, OSSL_PARAM_BLD_free)
DEFINE_OWN_OPENSSL(secret_number, BIGNUM, BN_clear_free)
DEFINE_OWN_OPENSSL(group, EC_GROUP, EC_GROUP_free)
DEFINE_OWN_OPENSSL(point, EC_POINT, EC_POINT_clear_free)

#endif
