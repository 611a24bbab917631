/* The head of a seed file on disk. */
#include "tcd/seed_store.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scope scope;
    struct view blob;

    if (seed_file_parse((struct view){data, size}, &scope, &blob) == STATUS_OK) {
        ASSERT(blob.size <= TPM_SEALED_BLOB_SIZE_MAX && blob.size < size);
    }
    return 0;
}
