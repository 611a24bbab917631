/* Reference sets: what opens is bounded, and can be looked through. */
#include "lib/policy/policy_lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void ignore(void *context, enum lint_code code, const char *text)
{
    (void)context;
    (void)code;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(reference_set) struct reference_set *set = NULL;

    if (reference_set_open((struct view){data, size}, &set, NULL) == STATUS_OK) {
        ASSERT((reference_set_mask(set) & ~(uint32_t)PCR_MASK_ALL) == 0);
        (void)reference_set_lint(set, ignore, NULL);
    }
    return 0;
}
