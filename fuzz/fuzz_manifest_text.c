/* The text form of manifests: what compiles, prints and compiles to the same bytes again. */
#include "lib/perimeter/manifest_text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(bytes) struct bytes bytes = {0}, text = {0}, again = {0};
    OWN(manifest) struct manifest *manifest = NULL;
    struct text_error error;

    if (manifest_text_compile((struct view){data, size}, &bytes, &error) != STATUS_OK) {
        return 0;
    }
    ASSERT(manifest_parse(bytes_view(&bytes), &manifest, NULL) == STATUS_OK);
    ASSERT(manifest_print(manifest, &text) == STATUS_OK);
    ASSERT(manifest_text_compile(bytes_view(&text), &again, &error) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&again), bytes_view(&bytes)));
    return 0;
}
