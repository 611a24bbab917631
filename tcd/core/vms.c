#include "tcd/core/vms.h"

#include "tcd/core/audit.h"
#include "tcd/core/digest.h"
#include "tcd/core/nodes.h"
#include "tcd/core/placement.h"
#include "tcd/core/responses.h"

#include <stdlib.h>
#include <string.h>

#define IN(state) (1U << (state))

/* In which states a command is legal. Where it leads is said where the command is applied. */
static const unsigned vm_moves[COMMAND_KIND_COUNT] = {
    [COMMAND_RESTART_AUTHORIZED] = IN(VM_STOPPED) | IN(VM_LOST),
    [COMMAND_KEY_REISSUED] = IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_MIGRATING) | IN(VM_RESUMING),
    /* Of one that runs: its proof is made again, for its present generation. */
    [COMMAND_LAUNCHED] = IN(VM_LAUNCHING) | IN(VM_RUNNING),
    [COMMAND_VM_STOP_REQUESTED] =
        IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_MIGRATING) | IN(VM_PAUSED) | IN(VM_RESUMING),
    [COMMAND_VM_STOPPED] = IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_PAUSED) | IN(VM_RESUMING),
    [COMMAND_VM_FENCED] = IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_PAUSED) | IN(VM_RESUMING),
    [COMMAND_VM_DELETED] = IN(VM_STOPPED) | IN(VM_LOST),
    [COMMAND_VM_READOPTED] =
        IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_PAUSED) | IN(VM_RESUMING) | IN(VM_LOST),
    [COMMAND_GRANT_ISSUED] = IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_RESUMING),
    [COMMAND_GRANT_WITHDRAWN] = IN(VM_RUNNING) | IN(VM_RESUMING),
    [COMMAND_COPY_DESTROYED] =
        IN(VM_LAUNCHING) | IN(VM_RUNNING) | IN(VM_PAUSED) | IN(VM_STOPPED) | IN(VM_LOST),
    [COMMAND_MIGRATION_AUTHORIZED] = IN(VM_RUNNING),
    [COMMAND_MIGRATION_REPORTED] = IN(VM_MIGRATING),
    [COMMAND_MIGRATION_DONE] = IN(VM_MIGRATING),
    [COMMAND_MIGRATION_ABORTED] = IN(VM_MIGRATING),
    [COMMAND_RESUMED] = IN(VM_RESUMING),
    [COMMAND_OWNERSHIP_REVERTED] = IN(VM_LOST),
};

const char *vm_state_name(enum vm_state state)
{
    static const char *const names[VM_STATE_COUNT] = {
        [VM_LAUNCHING] = "launching", [VM_RUNNING] = "running",   [VM_MIGRATING] = "migrating",
        [VM_PAUSED] = "paused",       [VM_RESUMING] = "resuming", [VM_STOPPED] = "stopped",
        [VM_LOST] = "lost",           [VM_DELETED] = "deleted",
    };

    ASSERT(state < VM_STATE_COUNT);
    return names[state];
}

static bool by_migration(enum command_kind kind)
{
    return kind == COMMAND_MIGRATION_REPORTED || kind == COMMAND_MIGRATION_DONE ||
           kind == COMMAND_MIGRATION_ABORTED;
}

struct vm *vm_of_command(const struct registry *registry, const struct command *command)
{
    if (by_migration(command->kind)) {
        return table_find(&registry->migrations, &command->migration.migration);
    }
    if (command->kind == COMMAND_LAUNCH_AUTHORIZED || vm_moves[command->kind] != 0) {
        return table_find(&registry->vms, &command->vm.vm);
    }
    return NULL;
}

/* The same where the VM was found when the command was checked. */
static struct vm *checked_vm(const struct registry *registry, const struct command *command)
{
    struct vm *vm = vm_of_command(registry, command);

    ASSERT(vm);
    return vm;
}

enum refusal_code vm_authorize(struct registry *registry, const struct vm *vm,
                               const struct command *command)
{
    const struct user *user;

    if (digest_is_zero(&command->actor)) {
        return REFUSAL_NONE;
    }
    user = table_find(&registry->users_by_key, &command->actor);
    if (user->role == USER_CUSTOMER && !digest_equal(&vm->customer, &command->actor)) {
        return state_refuse(registry, REFUSAL_NOT_AUTHORIZED, "the VM belongs to another customer");
    }
    return REFUSAL_NONE;
}

enum refusal_code vm_check_move(struct registry *registry, const struct vm *vm,
                                enum command_kind kind)
{
    if ((vm_moves[kind] & IN(vm->state)) == 0) {
        return state_refuse(registry,
                            vm->state == VM_DELETED ? REFUSAL_TOMBSTONE : REFUSAL_WRONG_STATE,
                            "the VM is %s", vm_state_name(vm->state));
    }
    return REFUSAL_NONE;
}

enum refusal_code vm_check_release(struct registry *registry, const struct node *node,
                                   const struct vm_policy *policy, bool is_new)
{
    enum refusal_code verdict = registry_node_admits(registry, node);

    if (verdict == REFUSAL_NONE) {
        verdict = placement_allows(node, policy);
    }
    if (verdict == REFUSAL_NONE && is_new && node->cordoned) {
        verdict = REFUSAL_NO_PLACEMENT;
    }
    return verdict == REFUSAL_NONE ? REFUSAL_NONE
                                   : state_refuse(registry, verdict, "node %s", node->name.text);
}

static void count_on(struct registry *registry, uint64_t node_id, int change)
{
    struct node *node = node_id != 0 ? node_find(registry, node_id) : NULL;

    if (node_id != 0) {
        ASSERT(node && (change > 0 || node->vm_count > 0));
        node->vm_count = (unsigned)((int)node->vm_count + change);
    }
}

void vm_set_owner(struct registry *registry, struct vm *vm, struct vm_place place)
{
    count_on(registry, place.node, 1);
    count_on(registry, vm->owner.node, -1);
    vm->owner = place;
}

void vm_set_peer(struct registry *registry, struct vm *vm, struct vm_place place)
{
    count_on(registry, place.node, 1);
    count_on(registry, vm->peer.node, -1);
    vm->peer = place;
}

void vm_audit(struct registry *registry, const struct vm *vm)
{
    audit_digest(registry, "vm", &vm->id);
    audit_number(registry, "generation", vm->generation);
    audit_text(registry, "state", vm_state_name(vm->state));
    audit_bytes(registry, "pseudonym", (struct view){vm->pseudonym, PSEUDONYM_SIZE});
}

void vm_note(struct registry *registry, struct vm *vm, enum vm_state state)
{
    vm->state = state;
    vm->changed_at_s = registry->time_s;
    registry->made_generation = vm->generation;
    audit_begin(registry);
    vm_audit(registry, vm);
}

void vm_decide(struct registry *registry, struct vm *vm, enum vm_state state)
{
    vm->generation++;
    vm_note(registry, vm, state);
}

/* The node of the registration that the command rests on: it was found when that was checked. */
static struct node *resting_node(const struct registry *registry, const struct command *command)
{
    struct node *node = node_find_registration(registry, command->rests.registration);

    ASSERT(node);
    return node;
}

/* The command speaks for the registration under which the owner holds the VM. */
static enum refusal_code check_owner(struct registry *registry, const struct vm *vm,
                                     const struct command *command)
{
    const struct node *node = resting_node(registry, command);

    if (vm->owner.registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (!node->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "node %s", node->name.text);
    }
    return REFUSAL_NONE;
}

static struct vm_place place_of(const struct node *node)
{
    return (struct vm_place){.node = node->id, .registration = node->registration.id};
}

static enum refusal_code check_launch(struct registry *registry, const struct node *node,
                                      const struct command *command)
{
    const struct vm *former = vm_of_command(registry, command);

    if (!digest_is_zero(&command->actor) &&
        !digest_equal(&command->actor, &command->launch_authorized.customer)) {
        return state_refuse(registry, REFUSAL_NOT_AUTHORIZED, "the request is another customer's");
    }
    if (former) {
        return state_refuse(
            registry, former->state == VM_DELETED ? REFUSAL_TOMBSTONE : REFUSAL_ALREADY_EXISTS,
            "the VM is %s", vm_state_name(former->state));
    }
    if (command->launch_authorized.ticket_expiry_s <= registry->tombstone_horizon_s) {
        return state_refuse(registry, REFUSAL_TICKET_EXPIRED, "tombstones are kept since then");
    }
    if (registry->vms.count >= CORE_VM_COUNT_MAX) {
        return state_refuse(registry, REFUSAL_LIMIT, "%u VMs", (unsigned)CORE_VM_COUNT_MAX);
    }
    return vm_check_release(registry, node, &command->launch_authorized.policy, true);
}

enum refusal_code vm_launch(struct registry *registry, const struct command *command)
{
    const struct node *node = resting_node(registry, command);
    enum refusal_code verdict = check_launch(registry, node, command);
    struct vm *vm;

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    vm = state_alloc(1, sizeof *vm);
    vm->id = command->launch_authorized.vm;
    vm->name = command->launch_authorized.name;
    vm->customer = command->launch_authorized.customer;
    vm->image = command->launch_authorized.image;
    vm->request = state_copy(command->launch_authorized.request);
    vm->policy = command->launch_authorized.policy;
    memcpy(vm->pseudonym, command->launch_authorized.pseudonym, PSEUDONYM_SIZE);
    vm->ticket_expiry_s = command->launch_authorized.ticket_expiry_s;
    vm->vcpu_count = command->launch_authorized.vcpu_count;
    vm->memory_size = command->launch_authorized.memory_size;
    vm->release_count = 1;
    table_insert(&registry->vms, vm);
    vm_set_owner(registry, vm, place_of(node));
    vm_decide(registry, vm, VM_LAUNCHING);
    vm->start_generation = vm->generation;
    audit_digest(registry, "customer", &vm->customer);
    audit_digest(registry, "image", &vm->image);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_restart(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command);
    enum refusal_code verdict;

    if (vm->state == VM_LOST && !vm->policy.may_restart) {
        return state_refuse(registry, REFUSAL_NO_PLACEMENT,
                            "its policy does not allow a new start after a loss");
    }
    verdict = vm_check_release(registry, node, &vm->policy, true);
    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    if (vm->owner.node != node->id) {
        /* What may still lie there is worthless from now on. */
        vm_set_peer(registry, vm, vm->owner);
        memcpy(vm->peer_pseudonym, vm->pseudonym, PSEUDONYM_SIZE);
    }
    vm->peer_complete = false;
    vm->stop_requested = false;
    vm_set_owner(registry, vm, place_of(node));
    memcpy(vm->pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE);
    vm->release_count++;
    memset(vm->detail, 0, sizeof vm->detail);
    vm_decide(registry, vm, VM_LAUNCHING);
    vm->start_generation = vm->generation;
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_reissue_key(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct vm_place *place = command->vm.destination ? &vm->peer : &vm->owner;
    enum refusal_code verdict;

    if ((vm->state == VM_MIGRATING) != command->vm.destination) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "the VM is %s",
                            vm_state_name(vm->state));
    }
    if (place->registration != command->rests.registration) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM is not that registration's");
    }
    verdict = vm_check_release(registry, resting_node(registry, command), &vm->policy, false);
    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    vm->release_count++;
    vm_note(registry, vm, vm->state);
    audit_text(registry, "to", command->vm.destination ? "destination" : "owner");
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_launched(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    enum refusal_code verdict = check_owner(registry, vm, command);

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    vm->measurement = command->vm.measurement;
    vm->proof = command->vm.proof;
    vm_note(registry, vm, VM_RUNNING);
    audit_digest(registry, "measurement", &vm->measurement);
    audit_digest(registry, "proof", &vm->proof);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_request_stop(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);

    vm->stop_requested = true;
    vm_note(registry, vm, vm->state);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_stopped(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command), *destination;

    /* A registration later than the VM's speaks for the node too: its inventory has no such VM. */
    if (node->id != vm->owner.node) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (!node->registration.live) {
        return state_refuse(registry, REFUSAL_NO_LEASE, "node %s", node->name.text);
    }
    memcpy(vm->detail, command->vm.detail, sizeof vm->detail);
    if (command->vm.cause == STOP_ENDED && !vm->stop_requested &&
        response_of(registry, vm, node, &destination) == RESPONSE_STOP) {
        state_text(vm->detail, sizeof vm->detail, registry_response_cause(vm, node).text);
    }
    vm->stop_requested = false;
    if (command->vm.cause == STOP_ENDED) {
        vm->peer_complete = false;
    }
    vm_decide(registry, vm, command->vm.cause == STOP_ENDED ? VM_STOPPED : VM_LOST);
    audit_text(registry, "detail", vm->detail);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_fence(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command);

    if (node->id != vm->owner.node) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (node->registration.live) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "node %s has a lease", node->name.text);
    }
    vm->stop_requested = false;
    vm_decide(registry, vm, VM_LOST);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_delete(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);

    vm_set_owner(registry, vm, (struct vm_place){0});
    vm_set_peer(registry, vm, (struct vm_place){0});
    vm->peer_complete = false;
    bytes_free(&vm->request);
    vm_decide(registry, vm, VM_DELETED);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_readopt(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command);
    enum refusal_code verdict;

    if (node->id != vm->owner.node) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "the VM's owner is another");
    }
    if (node->registration.id == vm->owner.registration) {
        return state_refuse(registry, REFUSAL_WRONG_STATE, "that registration owns it already");
    }
    verdict = vm_check_release(registry, node, &vm->policy, false);
    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    vm->owner.registration = node->registration.id;
    memcpy(vm->pseudonym, command->vm.pseudonym, PSEUDONYM_SIZE);
    vm->release_count++;
    if (vm->state == VM_PAUSED) {
        state_text(vm->detail, sizeof vm->detail, "");
    }
    vm_decide(registry, vm,
              vm->state == VM_LOST || vm->state == VM_PAUSED ? VM_RESUMING : vm->state);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_grant(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command);
    enum refusal_code verdict = check_owner(registry, vm, command);

    if (verdict != REFUSAL_NONE) {
        return verdict;
    }
    /* Fail closed: what runs there may go on until its fence, but nothing is started anew. */
    if (node->standing != NODE_GOOD) {
        return state_refuse(registry,
                            node->standing == NODE_REVOKED ? REFUSAL_NODE_REVOKED
                                                           : REFUSAL_NODE_QUARANTINED,
                            "node %s", node->name.text);
    }
    if (vm->granted_generation == vm->generation) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "granted before");
    }
    vm->granted_generation = vm->generation;
    vm_note(registry, vm, vm->state);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code vm_copy_destroyed(struct registry *registry, const struct command *command)
{
    struct vm *vm = checked_vm(registry, command);
    const struct node *node = resting_node(registry, command);

    if (vm->peer.node == 0 || node->id != vm->peer.node) {
        return state_refuse(registry, REFUSAL_REGISTRATION, "no copy is known there");
    }
    vm_set_peer(registry, vm, (struct vm_place){0});
    vm->peer_complete = false;
    memset(vm->peer_pseudonym, 0, sizeof vm->peer_pseudonym);
    vm_note(registry, vm, vm->state);
    digest_touch_vm(registry, vm);
    return REFUSAL_NONE;
}

enum refusal_code tombstones_purge(struct registry *registry, const struct command *command)
{
    uint64_t horizon_s = command->tombstones_purged.horizon_s;
    struct vm *vm;
    size_t cursor = 0;

    if (horizon_s <= registry->tombstone_horizon_s) {
        return state_refuse(registry, REFUSAL_ALREADY_EXISTS, "purged up to later");
    }
    registry->tombstone_horizon_s = horizon_s;
    while ((vm = table_next(&registry->vms, &cursor))) {
        if (vm->state == VM_DELETED && vm->ticket_expiry_s <= horizon_s) {
            ASSERT(table_remove(&registry->vms, &vm->id) == vm);
            vm_free(vm);
        }
    }
    audit_begin(registry);
    audit_number(registry, "horizon", horizon_s);
    return REFUSAL_NONE;
}

void vm_free(struct vm *vm)
{
    bytes_free(&vm->request);
    free(vm);
}

const struct vm *registry_vm_next(const struct registry *registry, size_t *cursor)
{
    return table_next(&registry->vms, cursor);
}

const struct vm *registry_vm(const struct registry *registry, const struct digest *id)
{
    return table_find(&registry->vms, id);
}

const struct vm *registry_vm_by_migration(const struct registry *registry, uint64_t migration)
{
    return table_find(&registry->migrations, &migration);
}
