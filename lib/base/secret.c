#include "lib/base/secret.h"

#include <openssl/crypto.h>

#include <string.h>

enum { SECURE_HEAP_ALLOCATION_MIN = 32 };

enum status secret_heap_start(size_t size)
{
    /* 2 would mean that the heap exists but could not be locked or guarded: as good as none for us.
     */
    return CRYPTO_secure_malloc_init(size, SECURE_HEAP_ALLOCATION_MIN) == 1 ? STATUS_OK : STATUS_IO;
}

enum status secret_new(size_t size, struct secret *ret_secret)
{
    uint8_t *data;

    ASSERT(size > 0 && size <= SECRET_SIZE_MAX);
    data = OPENSSL_secure_zalloc(size);
    if (!data) {
        return STATUS_NO_MEMORY;
    }
    *ret_secret = (struct secret){data, size};
    return STATUS_OK;
}

enum status secret_copy(struct view source, struct secret *ret_secret)
{
    if (source.size == 0 || source.size > SECRET_SIZE_MAX) {
        return STATUS_MALFORMED;
    }
    TRY(secret_new(source.size, ret_secret));
    memcpy(ret_secret->data, source.data, source.size);
    return STATUS_OK;
}

void secret_free(struct secret *secret)
{
    if (secret->data) {
        OPENSSL_secure_clear_free(secret->data, secret->size);
    }
    *secret = (struct secret){0};
}

bool secret_equal(struct view left, struct view right)
{
    return left.size == right.size &&
           (left.size == 0 || CRYPTO_memcmp(left.data, right.data, left.size) == 0);
}

void secret_wipe(void *data, size_t size)
{
    OPENSSL_cleanse(data, size);
}
