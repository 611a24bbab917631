/*
 * The replicated state as the replica drives it: decodes commands, applies them to the core, and
 * checks for itself what the core cannot: that the perimeter's documents are signed by the ETE. A
 * member that disagrees with a committed verdict halts (docs/PROTOCOL.md, section 1).
 */
#ifndef TCCP_TCD_MACHINE_H
#define TCCP_TCD_MACHINE_H

#include "tcd/core/registry.h"
#include "tcd/in_force.h"
#include "tcd/replica.h"

struct machine;

/* All are called on the loop's thread. */
struct machine_callbacks {
    /* After each command, whoever proposed it. The outcome lasts for the call. */
    void (*on_applied)(void *argument, const struct command *command,
                       const struct outcome *outcome);
    /* The whole state was replaced by a snapshot. */
    void (*on_restored)(void *argument);
    /* The perimeter's documents changed, and were verified. */
    void (*on_in_force)(void *argument, struct in_force *in_force);
    /* This member must not go on: `reason` is a stable name for the log. */
    void (*on_fatal)(void *argument, const char *reason, const char *detail);
    void *argument;
};

WARN_UNUSED enum status machine_new(const struct digest *perimeter_id,
                                    const struct machine_callbacks *callbacks,
                                    struct machine **ret_machine);
void machine_free(struct machine *machine);
DEFINE_OWN_POINTER(machine, machine_free)

const struct registry *machine_registry(const struct machine *machine);
/* NULL before a perimeter was adopted. */
struct in_force *machine_in_force(const struct machine *machine);
/* Inclusion proof of the log's last leaf, in the tree that it completed: to be asked for while the
 * command that made the leaf is being applied. STATUS_NOT_FOUND when `leaf_index` is not the last
 * one. */
WARN_UNUSED enum status machine_last_leaf_proof(const struct machine *machine, uint64_t leaf_index,
                                                struct merkle_proof *ret_proof);
/* For replica_open(). */
struct replica_machine machine_interface(struct machine *machine);

/*
 * A proposer's slot: filled in when its command is applied here. `applied` is called while the
 * outcome lasts.
 */
struct proposal_slot {
    void (*applied)(struct proposal_slot *slot, const struct outcome *outcome);
};

#endif
