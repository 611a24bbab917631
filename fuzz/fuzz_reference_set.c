/* Reference sets: what opens is bounded, and can be looked through. */
#include "lib/policy/policy_lint.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* It is shown on terminals. */
static void look(void *context, enum lint_code code, const char *text)
{
    (void)context;
    ASSERT(*lint_name(code) && *text);
    for (; *text; text++) {
        ASSERT(*text >= ' ' && *text < 0x7f);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(reference_set) struct reference_set *set = NULL;

    if (reference_set_open((struct view){data, size}, &set, NULL) == STATUS_OK) {
        ASSERT((reference_set_mask(set) & ~(uint32_t)PCR_MASK_ALL) == 0);
        (void)reference_set_lint(set, look, NULL);
    }
    return 0;
}
