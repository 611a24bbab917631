/*
 * A member's way into the coordinator and through its documents: from an empty directory by
 * founding or joining, from a restart by what lies on the disk; then running, with what is in
 * force.
 */
#ifndef TCCP_TCD_LIFECYCLE_H
#define TCCP_TCD_LIFECYCLE_H

#include "tcd/tcd.h"

#include "proto/perimeter.pb-c.h"

/*
 * Reads the configured bundle and the state directory, and goes on from what is there: runs (a
 * member that restarts), awaits its endorsement, or joins while it waits to be told to found a
 * cluster. *ret_refusal's detail says what failed.
 */
WARN_UNUSED enum status lifecycle_start(struct tcd *tcd, struct refusal *ret_refusal);

/* Runs as a member: opens ports and log. `first`: makes the log of a new cluster. */
WARN_UNUSED enum status lifecycle_run(struct tcd *tcd, struct in_force *in_force, uint64_t raft_id,
                                      bool first, struct refusal *ret_refusal);

/* The configured documents with this endorsement: verified, and of the seed that this member made.
 */
WARN_UNUSED enum status lifecycle_with_endorsement(struct tcd *tcd,
                                                   const Tccp__SignedDocument *endorsement,
                                                   struct in_force **ret_in_force,
                                                   struct refusal *ret_refusal);

/* PCRs to which the seed is sealed on disk: the whole measured image, as the members' policy lists
 * it, and the cap's; never PCR 10, which grows with every program that runs. */
uint32_t lifecycle_seal_mask(const struct tcd *tcd);

/* Ends the process at once, after a log line: nothing may be done any more on a state that is in
 * doubt, not even a clean end, which would write. */
_Noreturn void lifecycle_halt(const struct tcd *tcd, const char *reason, const char *detail);
/* Ends everything in order; on_stopped is the last thing that happens. */
void lifecycle_stop(struct tcd *tcd, void (*on_stopped)(struct tcd *tcd));

#endif
