/*
 * Internal to the core: what becomes of a VM when its node is found bad, that is quarantined or
 * revoked (docs/PROTOCOL.md, section 5). The customer's policy says it; it is derived from the
 * state and holds as long as the state says so.
 */
#ifndef TCCP_CORE_RESPONSES_H
#define TCCP_CORE_RESPONSES_H

#include "tcd/core/state.h"

enum response {
    RESPONSE_NONE,    /* it may go on until its fence; or its node is good */
    RESPONSE_PAUSE,   /* it is not to run there any more: withdraw its grant, have it frozen */
    RESPONSE_STOP,    /* end it */
    RESPONSE_MIGRATE, /* bring it away, to `destination`, while the node's lease lasts */
};

/*
 * For a VM that its node owns under a live lease, in any state but VM_MIGRATING. What has not begun
 * is stopped: it loses nothing, and may be started elsewhere. A policy that says `migrate` comes
 * down to a pause where the node was revoked, where no other node may take the VM, and once a
 * migration has failed. ret_destination: where RESPONSE_MIGRATE would bring it.
 */
enum response response_of(const struct registry *registry, const struct vm *vm,
                          const struct node *owner, const struct node **ret_destination);

/* May the VM's state leave this node by a migration? From a quarantined node it may still be saved
 * where its policy does not say `pause` or `stop`, from a revoked one never. REFUSAL_NONE,
 * REFUSAL_NODE_QUARANTINED, REFUSAL_NODE_REVOKED. */
enum refusal_code response_may_leave(const struct vm *vm, const struct node *owner);

/* COMMAND_GRANT_WITHDRAWN. */
enum refusal_code vm_withdraw(struct registry *registry, const struct command *command);

#endif
