/* Reference sets: one that opens finds each of its own entries' neighbours without reading outside.
 */
#include "lib/attest/file_set.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view view = {data, size};
    struct digest digest = sha256(view), known;
    struct file_set set;

    if (file_set_open(view, &set) == STATUS_OK) {
        for (size_t i = 0; i < 64; i++) {
            uint8_t path[1] = {(uint8_t)i};

            (void)file_set_find(&set, VIEW_OF_ARRAY(path), &digest, &known);
        }
    }
    return 0;
}
