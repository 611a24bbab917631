/* Measured UEFI variables, and their contents as a signature database. */
#include "lib/attest/efi_variable.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void count_hash(void *context, const struct digest *hash)
{
    size_t *count = context;

    ASSERT(hash);
    ++*count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct efi_variable variable;
    size_t count = 0;

    if (efi_variable_parse((struct view){data, size}, &variable) == STATUS_OK) {
        ASSERT(variable.content.size < size && strlen(variable.name) > 0);
        (void)!efi_signature_lists_walk(variable.content, count_hash, &count);
        ASSERT(count * SHA256_SIZE <= variable.content.size);
    }
    return 0;
}
