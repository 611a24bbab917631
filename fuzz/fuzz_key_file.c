/* Key files. Without a passphrase: an encrypted file then ends before the costly derivation. */
#include "lib/crypto/keys.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(private_key) struct private_key *key = NULL;
    OWN(private_key) struct private_key *again = NULL;
    OWN(secret) struct secret pem = {0};

    if (private_key_of_pem((struct view){data, size}, (struct view){0}, &key) == STATUS_OK) {
        ASSERT(private_key_to_pem(key, (struct view){0}, &pem) == STATUS_OK);
        ASSERT(private_key_of_pem(secret_view(&pem), (struct view){0}, &again) == STATUS_OK);
        ASSERT(view_equal(private_key_spki(key), private_key_spki(again)));
    }
    return 0;
}
