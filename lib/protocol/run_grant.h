/*
 * Run grants: the only thing that lets a VM run (docs/PROTOCOL.md, section 5).
 *
 * A grant names the VM's generation and the registration that may run it, and what the launcher
 * does so long after the last renewal of that registration's lease. It is the same however often it
 * is issued: repeating one gives nothing that was not given.
 */
#ifndef TCCP_PROTOCOL_RUN_GRANT_H
#define TCCP_PROTOCOL_RUN_GRANT_H

#include "lib/protocol/launch_policy.h"
#include "lib/protocol/signed_message.h"

struct run_grant {
    struct digest vm;
    uint64_t generation, registration; /* not 0 */
    uint64_t deadline_ms;              /* lease + D, by the node's CLOCK_BOOTTIME; not 0 */
    enum on_lost_lease action;
};

WARN_UNUSED enum status run_grant_make(const struct run_grant *grant, const struct scope *scope,
                                       const struct signer *tc_sign, struct bytes *ret_bytes);

struct run_grant_expectation {
    struct scope scope;
    const struct public_key *tc_sign;
    struct digest vm;
    uint64_t registration;    /* our present one */
    uint64_t generation_seen; /* the highest that the launcher saw for the VM; 0: none */
};
/* Refusals: MALFORMED, BAD_SIGNATURE; ORDER (another VM); REGISTRATION; GENERATION (a lower one).
 */
WARN_UNUSED enum status run_grant_check(struct view bytes,
                                        const struct run_grant_expectation *expectation,
                                        struct run_grant *ret_grant, struct refusal *refusal);

/* Which VM a grant is for, before anything is checked: for finding the expectation. */
WARN_UNUSED enum status run_grant_peek(struct view bytes, struct digest *ret_vm,
                                       struct refusal *refusal);

#endif
