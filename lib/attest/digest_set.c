#include "lib/attest/digest_set.h"

#include <stdlib.h>
#include <string.h>

static int digest_order(const void *left, const void *right)
{
    return memcmp(left, right, SHA256_SIZE);
}

/* Where it is, or would have to be inserted. */
static size_t position_of(const struct digest_set *set, const struct digest *digest)
{
    size_t low = 0, high = set->count;

    while (low < high) {
        size_t middle = low + (high - low) / 2;

        if (digest_order(&set->digests[middle], digest) < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

enum status digest_set_add(struct digest_set *set, const struct digest *digest)
{
    size_t at = position_of(set, digest);
    struct digest *digests;

    if (at < set->count && digest_equal(&set->digests[at], digest)) {
        return STATUS_OK;
    }
    if (set->count >= DIGEST_SET_COUNT_MAX) {
        return STATUS_TOO_LARGE;
    }
    digests = reallocarray(set->digests, set->count + 1, sizeof *digests);
    if (!digests) {
        return STATUS_NO_MEMORY;
    }
    memmove(&digests[at + 1], &digests[at], (set->count - at) * sizeof *digests);
    digests[at] = *digest;
    set->digests = digests;
    set->count++;
    return STATUS_OK;
}

void digest_set_free(struct digest_set *set)
{
    free(set->digests);
    *set = (struct digest_set){0};
}

size_t digest_set_find(const struct digest_set *set, const struct digest *digest)
{
    size_t at = position_of(set, digest);

    return at < set->count && digest_equal(&set->digests[at], digest) ? at : set->count;
}
