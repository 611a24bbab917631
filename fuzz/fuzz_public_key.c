/* Public keys: a SubjectPublicKeyInfo, or a point. */
#include "lib/crypto/keys.h"

#include <openssl/x509.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view input = {data, size};
    OWN(public_key) struct public_key *key = NULL;
    OWN(public_key) struct public_key *point = NULL;

    if (public_key_parse(input, &key) == STATUS_OK) {
        const uint8_t *at = data;
        EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)size);

        ASSERT(pkey && at == data + size);
        ASSERT(EVP_PKEY_eq(pkey, public_key_handle(key)) == 1);
        ASSERT(view_equal(public_key_spki(key), input));
        EVP_PKEY_free(pkey);
    }
    if (public_key_parse_point(input, &point) == STATUS_OK) {
        ASSERT(size == P256_POINT_SIZE);
    }
    return 0;
}
