/* What is taken as an image manifest is what we would have written. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/image_manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(bytes) struct bytes again = {0};
    struct image_manifest manifest;
    struct refusal refusal;

    if (image_manifest_parse((struct view){data, size}, &manifest, &refusal) == STATUS_OK) {
        ASSERT(image_manifest_build(&manifest, &again) == STATUS_OK);
        ASSERT(view_equal(bytes_view(&again), (struct view){data, size}));
    }
    return 0;
}
