/*
 * The raft configuration follows the state: who joined becomes a voter, who was removed leaves; and
 * a cluster that was just founded gets its perimeter and its first member. Level-triggered, on the
 * leader: a new leader forgets nothing.
 */
#ifndef TCCP_TCD_MEMBERSHIP_H
#define TCCP_TCD_MEMBERSHIP_H

#include "tcd/tcd.h"

struct membership;

WARN_UNUSED enum status membership_new(struct tcd *tcd, struct membership **ret_membership);
void membership_free(struct membership *membership);
/* Every few hundred milliseconds, on the leader. */
void membership_tick(struct membership *membership);

#endif
