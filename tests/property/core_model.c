#include "tests/property/core_model.h"

#include <stddef.h>

void model_start(struct model *model, unsigned nodes)
{
    *model = (struct model){.version = 1, .next_registration = 1, .next_migration = 1};
    for (unsigned i = 0; i < nodes; i++) {
        model->nodes[i].listed = true;
        model->nodes[i].known = true;
    }
    for (unsigned i = 0; i < MODEL_VMS; i++) {
        model->vms[i].owner = MODEL_NOBODY;
        model->vms[i].other = MODEL_NOBODY;
    }
}

static int node_of(const struct model *model, uint64_t registration)
{
    for (int i = 0; i < MODEL_NODES; i++) {
        if (registration != 0 && model->nodes[i].registration == registration) {
            return i;
        }
    }
    return MODEL_NOBODY;
}

/* I1: who may be given a key. */
static bool may_have_key(const struct model *model, int node)
{
    const struct model_node *n = &model->nodes[node];

    return !model->expired && n->listed && !n->revoked && !n->quarantined && n->registration != 0 &&
           n->live && n->appraised == model->policy;
}

static bool suits(const struct model_vm *vm, int node)
{
    return !vm->even_zone_only || node % 2 == 0;
}

static bool may_hold(const struct model *model, const struct model_vm *vm, int node, bool is_new)
{
    return may_have_key(model, node) && suits(vm, node) &&
           (!is_new || !model->nodes[node].cordoned);
}

static bool has_lease(const struct model *model, int node)
{
    return model->nodes[node].registration != 0 && model->nodes[node].live;
}

static bool alive(const struct model_vm *vm)
{
    return vm->state == VM_LAUNCHING || vm->state == VM_RUNNING || vm->state == VM_PAUSED ||
           vm->state == VM_RESUMING;
}

/* Nothing of a VM leaves a revoked node, nor a quarantined one where its customer said otherwise.
 */
static bool may_leave(const struct model *model, const struct model_vm *vm)
{
    const struct model_node *node = &model->nodes[vm->owner];

    return !node->revoked && !(node->quarantined && (vm->on_quarantine == QUARANTINE_PAUSE ||
                                                     vm->on_quarantine == QUARANTINE_STOP));
}

static void abort_migration(struct model_vm *vm)
{
    vm->state = VM_RESUMING;
    vm->generation++;
    vm->migration = 0;
    vm->other_complete = vm->reported[MIGRATION_DESTINATION];
    vm->moved = false;
}

static bool has_vms(const struct model *model, int node)
{
    for (unsigned i = 0; i < MODEL_VMS; i++) {
        if (model->vms[i].exists && (model->vms[i].owner == node || model->vms[i].other == node)) {
            return true;
        }
    }
    return false;
}

static bool apply_manifest(struct model *model, const struct model_command *command)
{
    model->version++;
    model->expired = false;
    model->policy += command->new_policy;
    for (int i = 0; i < MODEL_NODES; i++) {
        struct model_node *node = &model->nodes[i];
        bool listed = command->listed & 1U << i;

        if (listed && !node->listed && node->known) {
            /* Back: to register anew, whatever it was before. */
            node->revoked = false;
            node->quarantined = node->live;
            node->cordoned = false;
        }
        if (!listed && node->known) {
            if (!has_vms(model, i) && !node->live && (!node->listed || node->registration == 0)) {
                *node = (struct model_node){0};
                continue;
            }
            node->revoked = true;
        }
        node->known = node->known || listed;
        node->listed = listed;
    }
    return true;
}

static bool apply_registration(struct model *model, const struct model_command *command)
{
    struct model_node *node = &model->nodes[command->node];

    if (!node->listed || node->revoked || model->expired || command->policy != model->policy ||
        (node->registration != 0 && command->clock <= node->clock)) {
        return false;
    }
    node->registration = model->next_registration++;
    node->live = true;
    node->renewal = 0;
    node->quarantined = false;
    node->appraised = model->policy;
    node->clock = command->clock;
    for (unsigned i = 0; i < MODEL_VMS; i++) {
        struct model_vm *vm = &model->vms[i];

        if (vm->exists && vm->state == VM_MIGRATING &&
            (vm->owner == command->node || vm->other == command->node)) {
            abort_migration(vm);
        }
    }
    return true;
}

static bool apply_renewal(struct model *model, const struct model_command *command)
{
    int index = node_of(model, command->registration);
    struct model_node *node = index == MODEL_NOBODY ? NULL : &model->nodes[index];

    if (!node || node->revoked || node->quarantined || !node->live ||
        command->renewal != node->renewal + 1 || command->policy != model->policy ||
        command->clock <= node->clock) {
        return false;
    }
    node->renewal++;
    node->appraised = model->policy;
    node->clock = command->clock;
    return true;
}

static bool apply_node(struct model *model, const struct model_command *command)
{
    struct model_node *node = &model->nodes[command->node];

    if (command->kind == COMMAND_NODE_CORDONED) {
        node->cordoned = node->listed ? command->flag : node->cordoned;
        return node->listed;
    }
    if (command->kind == COMMAND_NODE_REVOKED) {
        bool good = node->listed && !node->revoked;

        node->revoked = node->revoked || good;
        return good;
    }
    node = &model->nodes[node_of(model, command->registration)];
    if (command->kind == COMMAND_LEASE_EXPIRED) {
        bool good = node->live;

        node->live = false;
        return good;
    }
    if (node->revoked || node->quarantined) {
        return false;
    }
    node->quarantined = true;
    return true;
}

static void raise(struct model_vm *vm, enum vm_state state)
{
    vm->generation++;
    vm->state = state;
}

static bool apply_launch(struct model *model, const struct model_command *command)
{
    struct model_vm *vm = &model->vms[command->vm];
    int node = node_of(model, command->registration);

    if (vm->exists || model->purged || !may_hold(model, &command->wishes, node, true)) {
        return false;
    }
    *vm = command->wishes;
    vm->exists = true;
    vm->owner = node;
    vm->owner_registration = command->registration;
    vm->other = MODEL_NOBODY;
    raise(vm, VM_LAUNCHING);
    return true;
}

static void swap_places(struct model_vm *vm)
{
    int owner = vm->owner;
    uint64_t registration = vm->owner_registration;

    vm->owner = vm->other;
    vm->owner_registration = vm->other_registration;
    vm->other = owner;
    vm->other_registration = registration;
}

static bool apply_authorize(struct model *model, const struct model_command *command,
                            struct model_vm *vm)
{
    int destination = node_of(model, command->peer_registration);

    if (vm->state != VM_RUNNING || !vm->may_migrate || vm->stop_requested ||
        vm->granted != vm->generation || vm->owner_registration != command->registration ||
        !has_lease(model, vm->owner) || !may_leave(model, vm) || destination == vm->owner ||
        !may_hold(model, vm, destination, true)) {
        return false;
    }
    /* An older copy has to go first, unless its host is away. */
    if (vm->other != MODEL_NOBODY && (vm->other == destination || has_lease(model, vm->other))) {
        return false;
    }
    vm->other = destination;
    vm->other_registration = command->peer_registration;
    vm->other_complete = false;
    vm->reported[0] = vm->reported[1] = false;
    vm->migration = model->next_migration++;
    raise(vm, VM_MIGRATING);
    return true;
}

static bool apply_migration(struct model *model, const struct model_command *command,
                            struct model_vm *vm)
{
    uint64_t reporter =
        command->role == MIGRATION_SOURCE ? vm->owner_registration : vm->other_registration;

    if (command->kind == COMMAND_MIGRATION_ABORTED) {
        abort_migration(vm);
        return true;
    }
    if (command->kind == COMMAND_MIGRATION_REPORTED) {
        if (reporter != command->registration || vm->reported[command->role] ||
            !has_lease(model, node_of(model, reporter))) {
            return false;
        }
        vm->reported[command->role] = true;
        return true;
    }
    if (vm->other_registration != command->peer_registration || !vm->reported[0] ||
        !vm->reported[1] || !may_leave(model, vm) || !may_hold(model, vm, vm->other, false)) {
        return false;
    }
    swap_places(vm);
    vm->migration = 0;
    vm->moved = true;
    vm->other_complete = true;
    raise(vm, VM_RESUMING);
    return true;
}

/* What the owner's own registration says, under its lease. */
static bool from_owner(const struct model *model, const struct model_command *command,
                       const struct model_vm *vm)
{
    return vm->owner_registration == command->registration && has_lease(model, vm->owner);
}

static bool apply_report(struct model *model, const struct model_command *command,
                         struct model_vm *vm)
{
    int node = node_of(model, command->registration);

    switch ((int)command->kind) {
    case COMMAND_LAUNCHED:
        if ((vm->state != VM_LAUNCHING && vm->state != VM_RUNNING) ||
            !from_owner(model, command, vm)) {
            return false;
        }
        vm->state = VM_RUNNING;
        return true;
    case COMMAND_RESUMED:
        if (vm->state != VM_RESUMING || !from_owner(model, command, vm) ||
            vm->granted != vm->generation) {
            return false;
        }
        vm->state = VM_RUNNING;
        vm->other_complete = false;
        return true;
    case COMMAND_GRANT_ISSUED:
        if (!alive(vm) || vm->state == VM_PAUSED || !from_owner(model, command, vm) ||
            model->nodes[vm->owner].revoked || model->nodes[vm->owner].quarantined ||
            vm->granted == vm->generation) {
            return false;
        }
        vm->granted = vm->generation;
        return true;
    case COMMAND_GRANT_WITHDRAWN:
        if ((vm->state != VM_RUNNING && vm->state != VM_RESUMING) ||
            vm->owner_registration != command->registration ||
            (!model->nodes[vm->owner].revoked && !model->nodes[vm->owner].quarantined) ||
            (vm->on_quarantine != QUARANTINE_PAUSE && vm->on_quarantine != QUARANTINE_MIGRATE)) {
            return false;
        }
        raise(vm, VM_PAUSED);
        return true;
    case COMMAND_VM_STOPPED:
        if (!alive(vm) || node != vm->owner || !has_lease(model, node)) {
            return false;
        }
        vm->stop_requested = false;
        vm->other_complete = vm->other_complete && command->cause != STOP_ENDED;
        raise(vm, command->cause == STOP_ENDED ? VM_STOPPED : VM_LOST);
        return true;
    default: /* COMMAND_COPY_DESTROYED */
        if (vm->other == MODEL_NOBODY || vm->other != node || vm->state == VM_MIGRATING ||
            vm->state == VM_RESUMING || vm->state == VM_DELETED) {
            return false;
        }
        vm->other = MODEL_NOBODY;
        vm->other_complete = false;
        return true;
    }
}

static bool apply_decision(struct model *model, const struct model_command *command,
                           struct model_vm *vm)
{
    int node = node_of(model, command->registration);
    int peer = node_of(model, command->peer_registration);

    switch ((int)command->kind) {
    case COMMAND_RESTART_AUTHORIZED:
        if ((vm->state != VM_STOPPED && vm->state != VM_LOST) ||
            (vm->state == VM_LOST && !vm->may_restart) || !may_hold(model, vm, node, true)) {
            return false;
        }
        if (vm->owner != node) {
            vm->other = vm->owner;
            vm->other_registration = vm->owner_registration;
        }
        vm->owner = node;
        vm->owner_registration = command->registration;
        vm->other_complete = false;
        vm->stop_requested = false;
        raise(vm, VM_LAUNCHING);
        return true;
    case COMMAND_KEY_REISSUED:
        return vm->state != VM_PAUSED && (alive(vm) || vm->state == VM_MIGRATING) &&
               (vm->state == VM_MIGRATING) == command->flag &&
               (command->flag ? vm->other_registration : vm->owner_registration) ==
                   command->registration &&
               may_hold(model, vm, node, false);
    case COMMAND_VM_STOP_REQUESTED:
        if (!alive(vm) && vm->state != VM_MIGRATING) {
            return false;
        }
        vm->stop_requested = true;
        return true;
    case COMMAND_VM_FENCED:
        if (!alive(vm) || node != vm->owner || has_lease(model, node)) {
            return false;
        }
        vm->stop_requested = false;
        raise(vm, VM_LOST);
        return true;
    case COMMAND_VM_DELETED:
        if (vm->state != VM_STOPPED && vm->state != VM_LOST) {
            return false;
        }
        vm->owner = vm->other = MODEL_NOBODY;
        vm->other_complete = false;
        raise(vm, VM_DELETED);
        return true;
    case COMMAND_VM_READOPTED:
        if ((!alive(vm) && vm->state != VM_LOST) || node != vm->owner ||
            vm->owner_registration == command->registration || !may_hold(model, vm, node, false)) {
            return false;
        }
        vm->owner_registration = command->registration;
        raise(vm, vm->state == VM_LOST || vm->state == VM_PAUSED ? VM_RESUMING : vm->state);
        return true;
    default: /* COMMAND_OWNERSHIP_REVERTED */
        if (vm->state != VM_LOST || !vm->other_complete || peer != vm->other || !vm->may_revert ||
            (!vm->moved && model->nodes[vm->owner].revoked) || !may_hold(model, vm, peer, false)) {
            return false;
        }
        swap_places(vm);
        vm->moved = false;
        vm->owner_registration = command->peer_registration;
        vm->other_complete = false;
        raise(vm, VM_RESUMING);
        return true;
    }
}

/* Nothing that it rests on has moved. */
static bool rests_hold(const struct model *model, const struct model_command *command)
{
    unsigned rests = command_kind_rests(command->kind);
    int node = node_of(model, command->registration);
    int peer = node_of(model, command->peer_registration);

    if (((rests & RESTS_MANIFEST) && command->version != model->version) ||
        ((rests & RESTS_REGISTRATION) && node == MODEL_NOBODY) ||
        ((rests & RESTS_PEER_REGISTRATION) && peer == MODEL_NOBODY)) {
        return false;
    }
    if ((rests & RESTS_REGISTRATION) &&
        (((rests & RESTS_RENEWAL) && command->renewal != model->nodes[node].renewal) ||
         ((rests & RESTS_POLICY) && command->policy != model->policy))) {
        return false;
    }
    return (rests & RESTS_PEER_REGISTRATION) == 0 ||
           (command->peer_renewal == model->nodes[peer].renewal &&
            command->peer_policy == model->policy);
}

static bool apply_vm(struct model *model, const struct model_command *command)
{
    struct model_vm *vm = &model->vms[command->vm];

    if (!vm->exists || command->generation != vm->generation) {
        return false;
    }
    switch ((int)command->kind) {
    case COMMAND_MIGRATION_AUTHORIZED:
        return apply_authorize(model, command, vm);
    case COMMAND_MIGRATION_REPORTED:
    case COMMAND_MIGRATION_DONE:
    case COMMAND_MIGRATION_ABORTED:
        return vm->state == VM_MIGRATING && vm->migration == command->migration &&
               apply_migration(model, command, vm);
    case COMMAND_LAUNCHED:
    case COMMAND_RESUMED:
    case COMMAND_GRANT_ISSUED:
    case COMMAND_GRANT_WITHDRAWN:
    case COMMAND_VM_STOPPED:
    case COMMAND_COPY_DESTROYED:
        return apply_report(model, command, vm);
    default:
        return apply_decision(model, command, vm);
    }
}

bool model_apply(struct model *model, const struct model_command *command)
{
    if (command->kind != COMMAND_RENEWAL_BATCH && !rests_hold(model, command)) {
        return false;
    }
    switch ((int)command->kind) {
    case COMMAND_MANIFEST_APPLIED:
        return apply_manifest(model, command);
    case COMMAND_MANIFEST_EXPIRED: {
        bool good = !model->expired;

        model->expired = true;
        return good;
    }
    case COMMAND_NODE_REGISTERED:
        return apply_registration(model, command);
    case COMMAND_RENEWAL_BATCH:
        return apply_renewal(model, command);
    case COMMAND_NODE_CORDONED:
    case COMMAND_NODE_REVOKED:
    case COMMAND_NODE_QUARANTINED:
    case COMMAND_LEASE_EXPIRED:
        return apply_node(model, command);
    case COMMAND_LAUNCH_AUTHORIZED:
        return apply_launch(model, command);
    case COMMAND_TOMBSTONES_PURGED: {
        bool good = !model->purged;

        model->purged = true;
        for (unsigned i = 0; good && i < MODEL_VMS; i++) {
            if (model->vms[i].exists && model->vms[i].state == VM_DELETED) {
                model->vms[i].exists = false;
            }
        }
        return good;
    }
    default:
        return apply_vm(model, command);
    }
}
