/* The one-shot and incremental low-level calls: EVP would allocate for each hash, and event logs
 * have thousands. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "lib/base/sha256.h"

#include <openssl/sha.h>

#include <string.h>

_Static_assert(sizeof(SHA256_CTX) <= sizeof(struct sha256),
               "struct sha256 must hold OpenSSL's context");
_Static_assert(_Alignof(SHA256_CTX) <= _Alignof(struct sha256),
               "struct sha256 must be aligned for OpenSSL's context");

static SHA256_CTX *context_of(struct sha256 *hash)
{
    return (SHA256_CTX *)(void *)hash->opaque;
}

void sha256_init(struct sha256 *hash)
{
    (void)SHA256_Init(context_of(hash));
}

void sha256_update(struct sha256 *hash, struct view view)
{
    if (view.size) {
        (void)SHA256_Update(context_of(hash), view.data, view.size);
    }
}

struct digest sha256_final(struct sha256 *hash)
{
    struct digest digest;

    (void)SHA256_Final(digest.bytes, context_of(hash));
    return digest;
}

struct digest sha256_list(const struct view *views, size_t count)
{
    struct sha256 hash;

    sha256_init(&hash);
    for (size_t i = 0; i < count; i++) {
        sha256_update(&hash, views[i]);
    }
    return sha256_final(&hash);
}

struct digest sha256(struct view view)
{
    return sha256_list(&view, 1);
}

struct digest sha256_two(struct view first, struct view second)
{
    return sha256_list((struct view[]){first, second}, 2);
}

bool digest_equal(const struct digest *left, const struct digest *right)
{
    return memcmp(left->bytes, right->bytes, SHA256_SIZE) == 0;
}

bool digest_is_zero(const struct digest *digest)
{
    return view_is_zero(digest_view(digest));
}

enum status digest_of_view(struct view view, struct digest *ret_digest)
{
    if (view.size != SHA256_SIZE) {
        return STATUS_MALFORMED;
    }
    memcpy(ret_digest->bytes, view.data, SHA256_SIZE);
    return STATUS_OK;
}
