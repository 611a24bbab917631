#include "lib/crypto/entropy.h"

#include "lib/base/status.h"

#include <openssl/rand.h>

#include <limits.h>

void entropy_fill(void *data, size_t size)
{
    ASSERT(size <= INT_MAX);
    ASSERT(RAND_priv_bytes(data, (int)size) == 1);
}
