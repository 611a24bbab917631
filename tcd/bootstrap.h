/*
 * How the first member of a cluster comes to be (docs/PROTOCOL.md, section 2): it makes the seed in
 * locked memory, seals it to its TPM, and quotes the seed's public keys for the ETE; when the ETE
 * has endorsed them it starts the cluster. On the local socket only. Both steps can be repeated:
 * the first yields a request for the same seed, the second says that the cluster runs.
 */
#ifndef TCCP_TCD_BOOTSTRAP_H
#define TCCP_TCD_BOOTSTRAP_H

#include "tcd/admin_call.h"

void admin_bootstrap_begin(struct admin_call *call);
void admin_bootstrap_complete(struct admin_call *call);

#endif
