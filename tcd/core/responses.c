#include "tcd/core/responses.h"

#include "lib/base/text.h"
#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/nodes.h"
#include "tcd/core/placement.h"
#include "tcd/core/vms.h"

#include <stdio.h>

enum refusal_code response_may_leave(const struct vm *vm, const struct node *owner)
{
    switch (owner->standing) {
    case NODE_GOOD:
        break;
    case NODE_REVOKED:
        return REFUSAL_NODE_REVOKED;
    case NODE_QUARANTINED:
        if (vm->policy.on_quarantine == QUARANTINE_PAUSE ||
            vm->policy.on_quarantine == QUARANTINE_STOP) {
            return REFUSAL_NODE_QUARANTINED;
        }
        break;
    }
    return REFUSAL_NONE;
}

/* What migration_authorize() asks for, and a node that takes it. */
static const struct node *refuge(const struct registry *registry, const struct vm *vm,
                                 const struct node *owner)
{
    const struct node *former = registry_node(registry, vm->peer.node);

    if (owner->standing != NODE_QUARANTINED || vm->state != VM_RUNNING ||
        vm->granted_generation != vm->generation || (former && former->registration.live)) {
        return NULL;
    }
    return placement_pick(registry, &vm->policy, owner->id);
}

enum response response_of(const struct registry *registry, const struct vm *vm,
                          const struct node *owner, const struct node **ret_destination)
{
    *ret_destination = NULL;
    if (owner->standing == NODE_GOOD || vm->policy.on_quarantine == QUARANTINE_FENCE) {
        return RESPONSE_NONE;
    }
    if (vm->policy.on_quarantine == QUARANTINE_STOP || vm->state == VM_LAUNCHING) {
        return RESPONSE_STOP;
    }
    if (vm->policy.on_quarantine == QUARANTINE_MIGRATE) {
        *ret_destination = refuge(registry, vm, owner);
    }
    return *ret_destination ? RESPONSE_MIGRATE : RESPONSE_PAUSE;
}

struct response_cause registry_response_cause(const struct vm *vm, const struct node *owner)
{
    struct response_cause cause = {""};
    char pseudonym[HEX_SIZE(PSEUDONYM_SIZE)];

    if (owner->standing != NODE_GOOD) {
        hex_encode((struct view){vm->pseudonym, PSEUDONYM_SIZE}, pseudonym);
        (void)snprintf(cause.text, sizeof cause.text, "%s of node %s: %s",
                       owner->standing == NODE_REVOKED ? "revocation" : "quarantine", pseudonym,
                       owner->reason);
    }
    return cause;
}

enum refusal_code vm_withdraw(struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);
    const struct node *node = node_find_registration(registry, command->rests.registration);
    struct response_cause cause;

    if (vm->owner.registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (node->standing == NODE_GOOD) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "node %s is good", node->name.text);
    }
    if (vm->policy.on_quarantine != QUARANTINE_PAUSE &&
        vm->policy.on_quarantine != QUARANTINE_MIGRATE) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "its policy says otherwise");
    }
    cause = registry_response_cause(vm, node);
    state_text(vm->detail, sizeof vm->detail, cause.text);
    /* Rule (a): from now on no grant that was issued before is worth anything. */
    vm_decide(registry, vm, VM_PAUSED);
    audit_text(registry, "cause", vm->detail);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}
