/*
 * PURE. The node's side of its lease (docs/PROTOCOL.md, section 3, "Time"): counted on
 * CLOCK_BOOTTIME from the moment at which the challenge was *received* that an acceptance answers.
 * The coordinator counts from the commit, which is later: the node always stops first.
 */
#ifndef TCCP_NODEAGENT_LEASE_H
#define TCCP_NODEAGENT_LEASE_H

#include <stdbool.h>
#include <stdint.h>

/* All zeroes: no lease. */
struct lease {
    uint64_t deadline_ms; /* CLOCK_BOOTTIME; 0: none */
    uint64_t length_ms;   /* of the last one */
};

/* An acceptance of lease_ms answered the challenge received at challenged_at_ms. No more than
 * length_max_ms, what the manifest says, is taken. A lease that is running is never made shorter by
 * an answer that was overtaken by another. */
void lease_extend(struct lease *lease, uint64_t challenged_at_ms, uint64_t lease_ms,
                  uint64_t length_max_ms);
void lease_end(struct lease *lease);
bool lease_is_live(const struct lease *lease, uint64_t now_ms);
/* Milliseconds until it ends; 0 when it is over or there is none. */
uint64_t lease_left_ms(const struct lease *lease, uint64_t now_ms);

#endif
