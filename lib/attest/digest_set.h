/* A set of digests. Pure. */
#ifndef TCCP_ATTEST_DIGEST_SET_H
#define TCCP_ATTEST_DIGEST_SET_H

#include "lib/base/sha256.h"

enum { DIGEST_SET_COUNT_MAX = 8192 };

/* Start from all zeroes. */
struct digest_set {
    size_t count;
    struct digest *digests; /* owned; sorted, each once */
};
void digest_set_free(struct digest_set *set);

/* Adds a digest if it is not there yet. STATUS_TOO_LARGE, STATUS_NO_MEMORY. */
WARN_UNUSED enum status digest_set_add(struct digest_set *set, const struct digest *digest);
/* Its index; set->count when it is not there. */
size_t digest_set_find(const struct digest_set *set, const struct digest *digest);
static inline bool digest_set_has(const struct digest_set *set, const struct digest *digest)
{
    return digest_set_find(set, digest) < set->count;
}

#endif
