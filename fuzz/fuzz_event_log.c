/* Event logs. */
#include "lib/attest/event_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view view = {data, size};
    struct pcr_bank bank;
    struct refusal refusal;
    struct event_log log;
    struct event event;

    if (event_log_open(view, &log, &refusal) == STATUS_OK) {
        while (event_log_next(&log, &event, &refusal) == STATUS_OK) {
            ASSERT(event.pcr < PCR_COUNT && event_type_name(event.type));
            ASSERT(event.data.size <= size);
        }
    }
    if (event_log_replay(view, &bank, &refusal) == STATUS_OK) {
        ASSERT(log.reader.left == 0 && !log.reader.bad);
        ASSERT((bank.mask & 0xff) == 0xff); /* separators */
    }
    return 0;
}
