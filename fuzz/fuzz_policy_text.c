/* Texts of policies: what is wrong has a name; one that is read prints, is read again, and compiles
 * to the same set, which opens. */
#include "lib/policy/policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(policy) struct policy *policy = NULL, *again = NULL;
    OWN(bytes) struct bytes text = {0}, set_bytes = {0}, set_again = {0};
    OWN(reference_set) struct reference_set *set = NULL;
    struct text_error error;
    enum status status = policy_text_parse((struct view){data, size}, &policy, &error);

    if (status != STATUS_OK) {
        ASSERT(status == STATUS_MALFORMED && *error.message);
        return 0;
    }
    ASSERT(policy_text_print(policy, &text) == STATUS_OK);
    ASSERT(policy_text_parse(bytes_view(&text), &again, &error) == STATUS_OK);
    ASSERT(policy_compile(policy, &set_bytes) == STATUS_OK);
    ASSERT(policy_compile(again, &set_again) == STATUS_OK);
    ASSERT(view_equal(bytes_view(&set_bytes), bytes_view(&set_again)));
    ASSERT(reference_set_open(bytes_view(&set_bytes), &set, NULL) == STATUS_OK);
    return 0;
}
