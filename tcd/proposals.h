/*
 * Everything that wants the state to change goes through here: a command goes in, its outcome comes
 * out after it is committed and applied.
 */
#ifndef TCCP_TCD_PROPOSALS_H
#define TCCP_TCD_PROPOSALS_H

#include "tcd/machine.h"
#include "tcd/replica.h"

/*
 * STATUS_OK: committed and applied here; the outcome (valid for the call) holds the verdict.
 * Otherwise outcome is NULL: STATUS_NOT_LEADER, STATUS_BUSY, STATUS_TOO_LARGE, STATUS_NO_MEMORY,
 * STATUS_MALFORMED (a field holds what no member would decode): it was not proposed;
 * STATUS_UNKNOWN: the leadership was lost meanwhile, it may be committed yet.
 */
typedef void (*proposal_done)(void *argument, enum status status, const struct outcome *outcome);

/* Completes command->time_s and serialises the command, which needs to last for the call only.
 * `done` is called
 * exactly once: later, or before this returns when the command could not be proposed. */
void propose(struct replica *replica, struct command *command, proposal_done done, void *argument);

#endif
