/* Launch requests: as they come, and in a good envelope. */
#include "fuzz/vm_fuzz.h"
#include "lib/protocol/launch_request.h"

static void parse(struct view bytes)
{
    OWN(launch_request) struct launch_request request = {.name = ""};
    struct refusal refusal;

    if (launch_request_parse(bytes, &request, &refusal) == STATUS_OK) {
        ASSERT(request.name[0] != '\0' && request.ticket.size > 0);
        ASSERT(request.manifest.vcpu_count > 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    OWN(bytes) struct bytes message = {0};

    parse((struct view){data, size});
    if (vm_fuzz_sign(SIGNED_LAUNCH_REQUEST, data, size, &message)) {
        parse(bytes_view(&message));
    }
    return 0;
}
