/*
 * What the leader looks after by itself: renewals that are due, leases that ran out, a manifest
 * that expires. All of it is derived from the state and clocks, so that a new leader goes on where
 * the old one ended.
 */
#ifndef TCCP_TCD_CHORES_H
#define TCCP_TCD_CHORES_H

#include "tcd/tcd.h"

/* Every few hundred milliseconds, on the leader. now_ms: time_boot_ms(). */
void chores_tick(struct tcd *tcd, uint64_t now_ms);

#endif
