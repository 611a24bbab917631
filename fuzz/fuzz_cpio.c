/* Archives of an initramfs. */
#include "lib/predict/cpio.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct cpio cpio = {.bytes = {data, size}};
    struct cpio_entry entry;
    struct refusal refusal;
    size_t before = 0;
    enum status status;

    while ((status = cpio_next(&cpio, &entry, &refusal)) == STATUS_OK) {
        ASSERT(cpio.at > before && cpio.at <= size);
        ASSERT(entry.name.size > 0 && entry.name.size <= CPIO_NAME_SIZE_MAX);
        ASSERT(entry.content.data + entry.content.size <= data + size);
        before = cpio.at;
    }
    ASSERT(status == STATUS_REFUSED || cpio.at <= size);
    return 0;
}
