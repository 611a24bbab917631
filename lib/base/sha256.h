/* SHA-256 (FIPS 180-4). */
#ifndef TCCP_BASE_SHA256_H
#define TCCP_BASE_SHA256_H

#include "lib/base/bytes.h"

enum { SHA256_SIZE = 32 };

/* A SHA-256 value, or any other 32-byte identifier. */
struct digest {
    uint8_t bytes[SHA256_SIZE];
};

struct digest sha256(struct view view);
/* Hash of the two views one after the other; of the given number of views. */
struct digest sha256_two(struct view first, struct view second);
struct digest sha256_list(const struct view *views, size_t count);

/* Incremental: init, any number of updates, final. */
struct sha256 {
    uint64_t opaque[16]; /* OpenSSL's SHA256_CTX, kept out of this header. */
};
void sha256_init(struct sha256 *hash);
void sha256_update(struct sha256 *hash, struct view view);
struct digest sha256_final(struct sha256 *hash);

static inline struct view digest_view(const struct digest *digest)
{
    return (struct view){digest->bytes, SHA256_SIZE};
}
/* Not in constant time: for public values only. */
bool digest_equal(const struct digest *left, const struct digest *right);
bool digest_is_zero(const struct digest *digest);
/* STATUS_MALFORMED unless the view is exactly 32 bytes. */
WARN_UNUSED enum status digest_of_view(struct view view, struct digest *ret_digest);

#endif
