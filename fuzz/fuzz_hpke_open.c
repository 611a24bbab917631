/* Sealed texts, opened with a fixed key. */
#include "lib/crypto/hpke.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct private_key *key;
    OWN(secret) struct secret opened = {0};
    enum status status;

    if (!key) {
        ASSERT(private_key_derive_p256(view_string("the recipient's keying material."), &key) ==
               STATUS_OK);
    }
    status =
        hpke_open(key, view_string("info"), view_string("aad"), (struct view){data, size}, &opened);
    ASSERT((status == STATUS_OK) == (opened.data != NULL));
    ASSERT(status != STATUS_OK || opened.size + HPKE_OVERHEAD == size);
    return 0;
}
