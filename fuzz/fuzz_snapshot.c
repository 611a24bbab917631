/* A snapshot of the state: what is restored is what is written again, byte for byte. */
#include "tcd/core/registry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(registry) struct registry *registry = NULL;
    OWN(bytes) struct bytes again = {0};

    if (registry_restore((struct view){data, size}, &registry) != STATUS_OK) {
        return 0;
    }
    ASSERT(registry_snapshot(registry, &again) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&again), (struct view){data, size}));
    return 0;
}
