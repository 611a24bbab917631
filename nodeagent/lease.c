#include "nodeagent/lease.h"

void lease_extend(struct lease *lease, uint64_t challenged_at_ms, uint64_t lease_ms,
                  uint64_t length_max_ms)
{
    uint64_t length_ms = lease_ms < length_max_ms ? lease_ms : length_max_ms;
    uint64_t deadline_ms = challenged_at_ms + length_ms;

    lease->length_ms = length_ms;
    if (deadline_ms > lease->deadline_ms) {
        lease->deadline_ms = deadline_ms;
    }
}

void lease_end(struct lease *lease)
{
    *lease = (struct lease){0};
}

bool lease_is_live(const struct lease *lease, uint64_t now_ms)
{
    return now_ms < lease->deadline_ms;
}

uint64_t lease_left_ms(const struct lease *lease, uint64_t now_ms)
{
    return lease_is_live(lease, now_ms) ? lease->deadline_ms - now_ms : 0;
}
