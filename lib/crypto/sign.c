#include "lib/crypto/sign.h"

#include "lib/crypto/openssl_own.h"

#include <openssl/err.h>

#include <stdlib.h>

/* Ed25519 hashes by itself (RFC 8032, section 5.1.6). */
static const EVP_MD *algorithm_hash(enum key_algorithm algorithm)
{
    return algorithm == KEY_ED25519 ? NULL : EVP_sha256();
}

/* OpenSSL wants a pointer even for nothing. */
static const uint8_t *view_pointer(struct view view)
{
    return view.data ? view.data : (const uint8_t *)"";
}

enum status sign_message(const struct private_key *key, struct view message,
                         struct bytes *ret_signature)
{
    OWN(digest_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    OWN(bytes)
    struct bytes signature = {.data = malloc(SIGNATURE_SIZE_MAX), .size = SIGNATURE_SIZE_MAX};

    if (!context || !signature.data) {
        return STATUS_NO_MEMORY;
    }
    if (EVP_DigestSignInit(context, NULL, algorithm_hash(private_key_algorithm(key)), NULL,
                           private_key_handle(key)) != 1 ||
        EVP_DigestSign(context, signature.data, &signature.size, view_pointer(message),
                       message.size) != 1) {
        return STATUS_CRYPTO;
    }
    *ret_signature = TAKE(signature);
    return STATUS_OK;
}

enum status signature_check(const struct public_key *key, struct view message,
                            struct view signature)
{
    OWN(digest_context) EVP_MD_CTX *context = EVP_MD_CTX_new();
    int holds;

    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (EVP_DigestVerifyInit(context, NULL, algorithm_hash(public_key_algorithm(key)), NULL,
                             public_key_handle(key)) != 1) {
        return STATUS_CRYPTO;
    }
    /* For ECDSA, OpenSSL decodes the signature, encodes it again and refuses any difference: BER
     * and trailing bytes end here (a test holds it to that). */
    holds = EVP_DigestVerify(context, view_pointer(signature), signature.size,
                             view_pointer(message), message.size);
    if (holds != 1) {
        ERR_clear_error();
        return STATUS_UNTRUSTED;
    }
    return STATUS_OK;
}
