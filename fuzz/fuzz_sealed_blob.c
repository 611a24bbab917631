/* What lib/tpm reads from disk: a sealed blob. What is accepted is written back as it was. */
#include "lib/tpm/sealed_blob.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct sealed_blob blob;
    OWN(bytes) struct bytes written = {0};

    if (sealed_blob_parse((struct view){data, size}, &blob) == STATUS_OK &&
        sealed_blob_write(&blob, &written) == STATUS_OK) {
        ASSERT(sealed_blob_parse(bytes_view(&written), &blob) == STATUS_OK);
    }
    return 0;
}
