/* A node's report of a launch, signed by its TK. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/launched.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vm_fuzz *fuzz = vm_fuzz();
    struct launched_expectation expectation = {.scope = fuzz->scope,
                                               .tk_sign = fuzz->public_key,
                                               .order = sha256(view_string("order")),
                                               .vm = sha256(view_string("vm")),
                                               .generation = 7,
                                               .registration = 5,
                                               .disk = sha256(view_string("disk"))};
    OWN(bytes) struct bytes message = {0};
    struct launched launched;
    struct digest measurement;
    struct refusal refusal;

    if (startup_measurement_parse((struct view){data, size}, &launched.measurement, &refusal) ==
        STATUS_OK) {
        OWN(bytes) struct bytes again = {0};

        ASSERT(startup_measurement_build(&launched.measurement, &again) == STATUS_OK);
    }
    if (vm_fuzz_sign(SIGNED_LAUNCHED, data, size, &message) &&
        launched_check(bytes_view(&message), &expectation, &launched, &measurement, &refusal) ==
            STATUS_OK) {
        ASSERT(launched.generation == 7 && launched.registration == 5);
    }
    return 0;
}
