/* TPMS_ATTEST. */
#include "lib/attest/tpm_structures.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct tpm_quote_info info;

    if (tpm_quote_info_parse((struct view){data, size}, &info) == STATUS_OK) {
        ASSERT(info.selection_count <= TPM_SELECTION_COUNT_MAX);
        for (size_t i = 0; i < info.selection_count; i++) {
            ASSERT(info.selections[i].pcr_mask >> TPM_PCR_COUNT == 0);
        }
        /* Exact: one byte less is no quote any more. */
        ASSERT(tpm_quote_info_parse((struct view){data, size - 1}, &info) != STATUS_OK);
    }
    return 0;
}
