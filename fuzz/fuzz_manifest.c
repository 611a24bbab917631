/* Manifests, as anybody may send them: parsed, looked up in, printed. */
#include "lib/perimeter/manifest_diff.h"
#include "lib/perimeter/manifest_text.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(manifest) struct manifest *manifest = NULL;
    OWN(bytes) struct bytes text = {0}, again = {0}, diff = {0};
    struct text_error error;

    if (manifest_parse((struct view){data, size}, &manifest, NULL) != STATUS_OK) {
        return 0;
    }
    for (size_t i = 0; i < manifest->node_count; i++) {
        const struct manifest_node *node = &manifest->nodes[i];

        ASSERT(manifest_node_by_ek(manifest, tpm_name_view(&node->ek_name)) == node);
        ASSERT(manifest_node_by_name(manifest, node->name) == node);
    }
    /* What was accepted has a text, and that text means exactly these bytes. */
    ASSERT(manifest_print(manifest, &text) == STATUS_OK);
    ASSERT(manifest_text_compile(bytes_view(&text), &again, &error) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&again), bytes_view(&manifest->bytes)));
    ASSERT(manifest_diff(manifest, manifest, &diff) == STATUS_OK && diff.size == 0);
    return 0;
}
