/* What an agent that was taken over might say to the launcher, and the other way round; and what a
 * QEMU might say to the launcher's monitor. The first byte chooses. */
#include "nodeagent/launcher/message.h"
#include "nodeagent/launcher/witness.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = {data + 1, size - 1};
    OWN(bytes) struct bytes again = {0};

    if (size == 0) {
        return 0;
    }
    if (data[0] % 3 == 0) {
        struct launcher_request request;

        if (launcher_request_parse(rest, &request) == STATUS_OK) {
            /* One message has one form. */
            ASSERT(launcher_request_encode(&request, &again) == STATUS_OK);
            ASSERT(view_equal(bytes_view(&again), rest));
        }
    } else if (data[0] % 3 == 1) {
        struct launcher_notice notice;

        if (launcher_notice_parse(rest, &notice) == STATUS_OK) {
            (void)vm_state_name(notice.state);
        }
    } else {
        struct witness witness = {0};

        (void)witness_read(&witness, rest);
    }
    return 0;
}
