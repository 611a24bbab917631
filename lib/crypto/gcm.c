#include "lib/crypto/gcm.h"

#include "lib/base/secret.h"
#include "lib/crypto/openssl_own.h"

#include <limits.h>

static const EVP_CIPHER *gcm_cipher(size_t key_size)
{
    ASSERT(key_size == 16 || key_size == 32);
    return key_size == 16 ? EVP_aes_128_gcm() : EVP_aes_256_gcm();
}

/* One direction: key, nonce and aad set, text run through. OpenSSL counts in int. */
static bool gcm_run(EVP_CIPHER_CTX *context, struct view key, const uint8_t *nonce, struct view aad,
                    struct view text, uint8_t *ret_text, int encrypt)
{
    int size = 0;

    if (aad.size > INT_MAX || text.size > INT_MAX) {
        return false;
    }
    return EVP_CipherInit_ex(context, gcm_cipher(key.size), NULL, key.data, nonce, encrypt) == 1 &&
           (aad.size == 0 ||
            EVP_CipherUpdate(context, NULL, &size, aad.data, (int)aad.size) == 1) &&
           (text.size == 0 ||
            (EVP_CipherUpdate(context, ret_text, &size, text.data, (int)text.size) == 1 &&
             (size_t)size == text.size));
}

enum status gcm_seal(struct view key, const uint8_t nonce[GCM_NONCE_SIZE], struct view aad,
                     struct view plaintext, uint8_t *ret_sealed)
{
    OWN(cipher_context) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t *tag = ret_sealed + plaintext.size;
    int size = 0;

    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (!gcm_run(context, key, nonce, aad, plaintext, ret_sealed, 1) ||
        EVP_CipherFinal_ex(context, tag, &size) != 1 || size != 0 ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_SIZE, tag) != 1) {
        return STATUS_CRYPTO;
    }
    return STATUS_OK;
}

enum status gcm_open(struct view key, const uint8_t nonce[GCM_NONCE_SIZE], struct view aad,
                     struct view sealed, uint8_t *ret_plaintext)
{
    OWN(cipher_context) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    uint8_t nothing[GCM_TAG_SIZE], tag[GCM_TAG_SIZE];
    struct reader reader = reader_of(sealed);
    struct view text;
    int size = 0;

    ASSERT(sealed.size >= GCM_TAG_SIZE);
    text = reader_view(&reader, sealed.size - GCM_TAG_SIZE);
    reader_copy(&reader, tag, sizeof tag);
    if (!context) {
        return STATUS_NO_MEMORY;
    }
    if (!gcm_run(context, key, nonce, aad, text, ret_plaintext, 0) ||
        EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, sizeof tag, tag) != 1) {
        secret_wipe(ret_plaintext, text.size);
        return STATUS_CRYPTO;
    }
    if (EVP_CipherFinal_ex(context, nothing, &size) != 1) {
        secret_wipe(ret_plaintext, text.size);
        return STATUS_UNTRUSTED;
    }
    return STATUS_OK;
}
