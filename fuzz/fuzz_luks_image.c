/* The header of an image from an untrusted store. */
#include "lib/image/luks_image.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct refusal refusal;
    uint64_t disk_size = 0;

    if (luks_image_parse((struct view){data, size}, &disk_size, &refusal) == STATUS_OK) {
        ASSERT(disk_size > 0 && disk_size % 512 == 0);
    }
    return 0;
}
