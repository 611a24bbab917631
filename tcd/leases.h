/*
 * How old the leases are, by the leader's own CLOCK_BOOTTIME, and what becomes of those that ran
 * out (docs/PROTOCOL.md, section 3, "Time"). Ages are no part of the replicated state: a new leader
 * starts every lease anew, so that it expires nothing before one full lease has passed in its own
 * term. What it proposes, LeaseExpired, is decided by comparing numbers. Wall clocks play no part:
 * one that jumps a year costs no lease.
 *
 * A manifest may change the length: a lease lasts as long as the longest that its registration was
 * ever given, since a node, and the grants of its VMs, may rest on that one still.
 *
 * Pure: the time is an argument.
 */
#ifndef TCCP_TCD_LEASES_H
#define TCCP_TCD_LEASES_H

#include "tcd/core/registry.h"

struct leases;

WARN_UNUSED enum status leases_new(struct leases **ret_leases);
void leases_free(struct leases *leases);
DEFINE_OWN_POINTER(leases, leases_free)

/* This member leads from now on (or the state was replaced): every live lease begins at now_ms. */
void leases_restart(struct leases *leases, const struct registry *registry, uint64_t now_ms);
/* A command was applied: registrations and renewals begin their leases, ended ones are forgotten.
 */
void leases_applied(struct leases *leases, const struct registry *registry,
                    const struct command *command, const struct outcome *outcome, uint64_t now_ms);
/* The state does not know this registration any more: it was replaced or revoked. */
void leases_forget(struct leases *leases, uint64_t registration);

/* What is left of a registration's lease, as far as this leader knows: 0 where it is over or not
 * known. */
uint64_t leases_left_ms(const struct leases *leases, uint64_t registration, uint64_t now_ms);

struct lease_expiry {
    uint64_t registration, renewal;
};
/*
 * The next lease that is over; start with *cursor = 0. Each is yielded again after a second if
 * nothing came of it. False: no more.
 */
bool leases_next_expired(struct leases *leases, uint64_t now_ms, size_t *cursor,
                         struct lease_expiry *ret_expiry);

#endif
