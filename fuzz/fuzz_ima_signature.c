/* security.ima of a file. */
#include "lib/attest/ima_signature.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ima_signature signature;

    if (ima_signature_parse((struct view){data, size}, &signature) == STATUS_OK) {
        ASSERT(signature.hash_name && signature.octets.size > 0);
        ASSERT(signature.octets.data + signature.octets.size == data + size);
    }
    return 0;
}
