/* Launch orders, signed by the coordinator. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/launch_order.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vm_fuzz *fuzz = vm_fuzz();
    struct order_expectation expectation = {.scope = fuzz->scope,
                                            .tc_sign = fuzz->public_key,
                                            .node = view_string("node"),
                                            .registration = 5};
    OWN(bytes) struct bytes message = {0};
    OWN(launch_order) struct launch_order order = {.image_location = ""};
    OWN(vm_secret) struct vm_secret secret = {.plaintext = {0}};
    struct launch_policy policy;
    struct refusal refusal;

    if (vm_fuzz_sign(SIGNED_LAUNCH_ORDER, data, size, &message) &&
        launch_order_check(bytes_view(&message), &expectation, &order, &refusal) == STATUS_OK) {
        ASSERT(order.header.registration == 5 && order.header.generation > 0);
        if (launch_order_open(&order, &fuzz->scope, 0, fuzz->key, &secret, &policy, &refusal) ==
            STATUS_OK) {
            ASSERT(secret.key.size == VM_KEY_SIZE);
        }
    }
    return 0;
}
