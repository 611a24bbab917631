/* Run grants, signed by the coordinator. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/run_grant.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const struct vm_fuzz *fuzz = vm_fuzz();
    struct run_grant_expectation expectation = {
        .scope = fuzz->scope, .tc_sign = fuzz->public_key, .registration = 5};
    OWN(bytes) struct bytes message = {0};
    struct run_grant grant;
    struct refusal refusal;

    {
        OWN(signed_message) struct signed_message parts = {{0}, {0}};

        if (signed_message_parse(SIGNED_RUN_GRANT, (struct view){data, size}, &parts, &refusal) ==
            STATUS_OK) {
            ASSERT(parts.document.size <= size && parts.signature.size <= SIGNATURE_SIZE_MAX);
        }
    }
    if (run_grant_peek((struct view){data, size}, &expectation.vm, &refusal) == STATUS_OK) {
        ASSERT(run_grant_check((struct view){data, size}, &expectation, &grant, &refusal) !=
                   STATUS_OK ||
               grant.registration == 5);
    }
    if (vm_fuzz_sign(SIGNED_RUN_GRANT, data, size, &message) &&
        run_grant_peek(bytes_view(&message), &expectation.vm, &refusal) == STATUS_OK &&
        run_grant_check(bytes_view(&message), &expectation, &grant, &refusal) == STATUS_OK) {
        ASSERT(grant.registration == 5 && grant.generation > 0 && grant.deadline_ms > 0);
    }
    return 0;
}
