/*
 * The last refusal of each host that tried to register and is named in the manifest, as this leader
 * saw it: for `tccpctl node get` and `node explain`. No part of the replicated state: nobody has to
 * believe what a stranger was refused for, and a new leader hears it again with the next attempt.
 *
 * Bounded: one for each node of the manifest. A refusal before the host has shown that it holds the
 * TPM that it names is marked so, and hides no fresh one of the host itself: public keys are known
 * to everybody.
 *
 * Pure: the time is an argument.
 */
#ifndef TCCP_TCD_REFUSALS_H
#define TCCP_TCD_REFUSALS_H

#include "tcd/core/registry.h"

enum {
    REFUSAL_ADDRESS_SIZE = 64,
    /* So long a refusal of the host itself is not replaced by one of who may be somebody else. */
    REFUSAL_FRESH_S = 3600,
};

struct refusal_record {
    struct core_name node; /* key */
    uint64_t at_s;
    uint64_t count; /* one after the other, without a registration between */
    bool is_proven; /* by the node's own TPM */
    char address[REFUSAL_ADDRESS_SIZE];
    struct refusal refusal;
};

struct refusals;

WARN_UNUSED enum status refusals_new(struct refusals **ret_refusals);
/* NULL is fine. */
void refusals_free(struct refusals *refusals);
DEFINE_OWN_POINTER(refusals, refusals_free)

/* A host that the manifest calls `node` was refused. */
void refusals_note(struct refusals *refusals, const char *node, const struct refusal *refusal,
                   bool is_proven, const char *address, uint64_t now_s);
/* A command was applied: who was registered is refused no more, who left the manifest forgotten. */
void refusals_applied(struct refusals *refusals, const struct registry *registry,
                      const struct command *command, const struct outcome *outcome);
/* NULL: none is known. Valid until the next call of the two above. */
const struct refusal_record *refusals_find(const struct refusals *refusals, const char *node);

#endif
