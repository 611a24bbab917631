/* What is taken as a policy is what we would have written. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/launch_policy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(bytes) struct bytes again = {0};
    struct launch_policy policy;
    struct refusal refusal;

    if (launch_policy_parse((struct view){data, size}, &policy, &refusal) == STATUS_OK) {
        ASSERT(launch_policy_build(&policy, &again) == STATUS_OK);
        ASSERT(view_equal(bytes_view(&again), (struct view){data, size}));
    }
    return 0;
}
