/*
 * How a member comes into a cluster that others founded (docs/PROTOCOL.md, section 2): it registers
 * with the member that leads, as nodes do, gets the seed sealed to the key in its quote, checks
 * that it is the endorsed one, seals it to its own TPM, and runs.
 */
#ifndef TCCP_TCD_JOINING_H
#define TCCP_TCD_JOINING_H

#include "tcd/tcd.h"

/* Asks the other members of the manifest until one of them leads a cluster to join. */
WARN_UNUSED enum status joining_start(struct tcd *tcd);
void joining_stop(struct tcd *tcd);

#endif
