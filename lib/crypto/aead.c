#include "lib/crypto/aead.h"

#include "lib/crypto/gcm.h"

#include <stdlib.h>

enum status aead_seal(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE], struct view aad,
                      struct view plaintext, struct bytes *ret_sealed)
{
    OWN(bytes) struct bytes sealed = {0};

    ASSERT(key.size == AEAD_KEY_SIZE);
    if (plaintext.size > AEAD_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    sealed.size = plaintext.size + AEAD_TAG_SIZE;
    sealed.data = malloc(sealed.size);
    if (!sealed.data) {
        return STATUS_NO_MEMORY;
    }
    TRY(gcm_seal(key, nonce, aad, plaintext, sealed.data));
    *ret_sealed = TAKE(sealed);
    return STATUS_OK;
}

enum status aead_open(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE], struct view aad,
                      struct view sealed, struct bytes *ret_plaintext)
{
    OWN(bytes) struct bytes plaintext = {0};

    ASSERT(key.size == AEAD_KEY_SIZE);
    if (sealed.size < AEAD_TAG_SIZE) {
        return STATUS_MALFORMED;
    }
    if (sealed.size - AEAD_TAG_SIZE > AEAD_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    plaintext.size = sealed.size - AEAD_TAG_SIZE;
    plaintext.data = malloc(plaintext.size ? plaintext.size : 1);
    if (!plaintext.data) {
        return STATUS_NO_MEMORY;
    }
    TRY(gcm_open(key, nonce, aad, sealed, plaintext.data));
    *ret_plaintext = TAKE(plaintext);
    return STATUS_OK;
}

enum status aead_open_secret(struct view key, const uint8_t nonce[AEAD_NONCE_SIZE], struct view aad,
                             struct view sealed, struct secret *ret_plaintext)
{
    OWN(secret) struct secret plaintext = {0};

    ASSERT(key.size == AEAD_KEY_SIZE);
    if (sealed.size <= AEAD_TAG_SIZE) {
        return STATUS_MALFORMED;
    }
    if (sealed.size - AEAD_TAG_SIZE > SECRET_SIZE_MAX) {
        return STATUS_TOO_LARGE;
    }
    TRY(secret_new(sealed.size - AEAD_TAG_SIZE, &plaintext));
    TRY(gcm_open(key, nonce, aad, sealed, plaintext.data));
    *ret_plaintext = TAKE(plaintext);
    return STATUS_OK;
}
