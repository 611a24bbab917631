#include "lib/crypto/kdf.h"

#include <string.h>

enum { HMAC_BLOCK_SIZE = 64 };

/* RFC 2104 on our own SHA-256: no allocation, so nothing can fail. */
struct digest hmac_sha256_list(struct view key, const struct view *pieces, size_t count)
{
    uint8_t pad[HMAC_BLOCK_SIZE] = {0};
    struct sha256 hash;
    struct digest inner, outer;

    if (key.size > sizeof pad) {
        struct digest short_key = sha256(key);

        memcpy(pad, short_key.bytes, sizeof short_key.bytes);
        secret_wipe(&short_key, sizeof short_key);
    } else if (key.size > 0) {
        memcpy(pad, key.data, key.size);
    }
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36;
    }
    sha256_init(&hash);
    sha256_update(&hash, VIEW_OF_ARRAY(pad));
    for (size_t i = 0; i < count; i++) {
        sha256_update(&hash, pieces[i]);
    }
    inner = sha256_final(&hash);
    for (size_t i = 0; i < sizeof pad; i++) {
        pad[i] ^= 0x36 ^ 0x5c;
    }
    sha256_init(&hash);
    sha256_update(&hash, VIEW_OF_ARRAY(pad));
    sha256_update(&hash, digest_view(&inner));
    outer = sha256_final(&hash);
    secret_wipe(pad, sizeof pad);
    secret_wipe(&hash, sizeof hash);
    secret_wipe(&inner, sizeof inner);
    return outer;
}

struct digest hmac_sha256(struct view key, struct view message)
{
    return hmac_sha256_list(key, &message, 1);
}

struct digest hkdf_extract(struct view salt, struct view ikm)
{
    /* An empty key and one of 32 zero bytes give the same HMAC. */
    return hmac_sha256(salt, ikm);
}

void hkdf_expand(const struct digest *prk, struct view info, void *ret_okm, size_t size)
{
    uint8_t *at = ret_okm;
    struct digest block = {{0}};
    uint8_t counter = 0;

    ASSERT(size > 0 && size <= HKDF_OUTPUT_SIZE_MAX);
    while (size > 0) {
        size_t take = size < sizeof block.bytes ? size : sizeof block.bytes;
        struct view previous = {block.bytes, counter == 0 ? 0 : sizeof block.bytes};

        counter++;
        block = hmac_sha256_list(digest_view(prk),
                                 (struct view[]){previous, info, {&counter, sizeof counter}}, 3);
        memcpy(at, block.bytes, take);
        at += take;
        size -= take;
    }
    secret_wipe(&block, sizeof block);
}

enum status hkdf_secret(struct view ikm, struct view salt, struct view info, size_t size,
                        struct secret *ret_secret)
{
    struct digest prk;

    TRY(secret_new(size, ret_secret));
    prk = hkdf_extract(salt, ikm);
    hkdf_expand(&prk, info, ret_secret->data, size);
    secret_wipe(&prk, sizeof prk);
    return STATUS_OK;
}
