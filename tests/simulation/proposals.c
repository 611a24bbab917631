/* What a leading coordinator does: answers hosts and clients, and does what is pending. */
#include "tests/simulation/world.h"

#include "tcd/core/pending.h"
#include "tcd/core/placement.h"
#include "tests/support/core_fixture.h"

#include <string.h>

/* The coordinator waits 5 % longer than any clock may be wrong. */
static uint64_t with_drift(uint64_t ms)
{
    return ms + ms / 20;
}

static struct command begin(const struct world *world, const struct replica *replica,
                            enum command_kind kind)
{
    struct command command = {.kind = kind, .time_s = world_now(world) / 1000};

    registry_rest(replica->registry, &command.rests);
    return command;
}

static struct command begin_vm(const struct world *world, const struct replica *replica,
                               enum command_kind kind, const struct vm *vm, const struct node *node)
{
    struct command command = begin(world, replica, kind);

    registry_rest_on_node(node, &command.rests);
    command.rests.generation = vm->generation;
    command.vm.vm = vm->id;
    return command;
}

static void tell(struct world *world, const struct replica *replica, enum message_kind kind,
                 const struct vm *vm, const struct node *node)
{
    struct message message = {.kind = kind, .from = replica->index};

    message.to = world_host_number(replica->registry, node->id);
    message.registration = node->registration.id;
    if (vm) {
        message.vm = world_vm_number(&vm->id);
        message.generation = vm->generation;
        message.migration = vm->migration;
        message.peer = world_host_number(
            replica->registry, vm->owner.node == node->id ? vm->peer.node : vm->owner.node);
    }
    if (message.to < HOST_COUNT) {
        network_send(world, &message);
    }
}

/* ---- hosts ---- */

static void receive_registration(struct world *world, struct replica *replica,
                                 const struct message *message)
{
    struct command command = begin(world, replica, COMMAND_NODE_REGISTERED);
    const struct node *node = world_node(replica->registry, message->from);
    const struct proposal origin = {.origin = BY_HOST, .from = message->from, .message = *message};
    uint8_t key[CORE_KEY_SIZE_MAX], kem[CORE_KEM_KEY_SIZE] = {4};
    struct digest digest = fixture_digest("tk-kem", message->key);

    if (!node) {
        return;
    }
    command.rests.policy = node->policy;
    command.node_registered.node = fixture_node_name(message->from);
    command.node_registered.ek_name = fixture_tpm_name(message->from);
    command.node_registered.ak_name = fixture_tpm_name(300 + message->from);
    command.node_registered.tk_sign = fixture_key(5000 + message->key, key);
    memcpy(kem, digest.bytes, sizeof digest.bytes);
    command.node_registered.tk_kem = VIEW_OF_ARRAY(kem);
    command.node_registered.nonce = fixture_digest("nonce", message->key);
    command.node_registered.boot = message->boot;
    command.node_registered.evidence = fixture_digest("evidence", message->key);
    replica_propose(replica, &command, &origin);
}

static void receive_renewal(struct world *world, struct replica *replica,
                            const struct message *message, const struct node *node)
{
    struct command command = begin(world, replica, COMMAND_RENEWAL_BATCH);
    const struct proposal origin = {.origin = BY_HOST, .from = message->from, .message = *message};
    struct renewal renewal = {.registration = message->registration,
                              .number = node->registration.renewal + 1,
                              .policy = node->policy,
                              .boot = message->boot};

    command.renewal_batch.count = 1;
    command.renewal_batch.items = &renewal;
    replica_propose(replica, &command, &origin);
}

static void receive_report(struct world *world, struct replica *replica,
                           const struct message *message, const struct node *node)
{
    const struct digest id = world_vm_id(message->vm);
    const struct vm *vm = registry_vm(replica->registry, &id);
    struct command command;

    if (!vm) {
        return;
    }
    command = begin_vm(world, replica, COMMAND_LAUNCHED, vm, node);
    /* What the host signed: its registration, and the generation that it speaks of. */
    command.rests.registration = message->registration;
    command.rests.generation = message->generation;
    if (message->kind == MESSAGE_RUNNING && vm->state == VM_LAUNCHING) {
        command.vm.measurement = fixture_digest("measurement", message->vm);
    } else if (message->kind == MESSAGE_RUNNING && vm->state == VM_RESUMING) {
        command.kind = COMMAND_RESUMED;
    } else if (message->kind == MESSAGE_REPORTED && vm->migration != 0 &&
               vm->migration == message->migration && !vm->reported[message->role]) {
        command.kind = COMMAND_MIGRATION_REPORTED;
        memset(&command.migration, 0, sizeof command.migration);
        command.migration.migration = message->migration;
        command.migration.role = message->role;
        command.migration.session = fixture_digest("session", message->migration);
    } else if (message->kind == MESSAGE_PAUSED) {
        oracle_copy_paused(world, message->from, message->vm, message->generation);
        replica->paused_generation[message->vm] = message->generation;
        return;
    } else if (message->kind == MESSAGE_DESTROYED) {
        command.kind = COMMAND_COPY_DESTROYED;
    } else if (message->kind == MESSAGE_STOPPED) {
        command.kind = COMMAND_VM_STOPPED;
        command.vm.cause = message->cause;
    } else {
        /* Ready: if it was granted, the host may have missed that. */
        if (message->kind == MESSAGE_READY && vm->owner.registration == message->registration &&
            vm->granted_generation == vm->generation && vm->state != VM_MIGRATING) {
            tell(world, replica, MESSAGE_GRANT, vm, node);
        }
        return;
    }
    replica_propose(replica, &command, NULL);
}

void replica_receive(struct world *world, const struct message *message)
{
    struct replica *replica = &world->replicas[message->to];
    const struct node *node = world_node(replica->registry, message->from);

    if (!replica->leads) {
        return;
    }
    if (message->kind == MESSAGE_REGISTER) {
        receive_registration(world, replica, message);
    } else if (message->kind == MESSAGE_REQUEST) {
        const struct proposal origin = {
            .origin = BY_CLIENT, .from = message->from, .number = message->number};
        struct command command;

        if (client_command(world, replica, message, &command)) {
            replica_propose(replica, &command, &origin);
        }
    } else if (node && node->registration.id == message->registration) {
        if (message->kind == MESSAGE_RENEW) {
            receive_renewal(world, replica, message, node);
        } else {
            receive_report(world, replica, message, node);
        }
    }
}

/* What a host says that it holds, known to be no older than the state: a command that was proposed
 * after it came was committed. */
static void act_on_inventory(struct world *world, struct replica *replica,
                             const struct message *message, const struct node *node)
{
    const struct vm *vm;
    size_t cursor = 0;

    for (unsigned i = 0; i < VM_MAX; i++) {
        const struct digest id = world_vm_id(i);

        if (message->inventory[i].state != COPY_ABSENT &&
            pending_copy_fate(replica->registry, &id, node, message->inventory[i].seen) ==
                COPY_DESTROY) {
            struct message destroy = {.kind = MESSAGE_DESTROY,
                                      .to = message->from,
                                      .vm = i,
                                      .generation = message->inventory[i].seen,
                                      .registration = node->registration.id};

            vm = registry_vm(replica->registry, &id);
            destroy.generation = vm ? vm->generation : destroy.generation;
            network_send(world, &destroy);
        }
    }
    while ((vm = registry_vm_next(replica->registry, &cursor))) {
        const struct inventory_item *item = &message->inventory[world_vm_number(&vm->id)];
        bool has = item->state == COPY_FROZEN || item->state == COPY_RUNNING;
        struct command command;

        if (vm->owner.node != node->id || vm->owner.registration == node->registration.id ||
            vm->state == VM_STOPPED || vm->state == VM_MIGRATING ||
            (!has && vm->state == VM_LOST)) {
            continue;
        }
        command = begin_vm(
            world, replica,
            has || vm->state == VM_LAUNCHING ? COMMAND_VM_READOPTED : COMMAND_VM_STOPPED, vm, node);
        command.vm.cause = STOP_LOST;
        replica_propose(replica, &command, NULL);
    }
}

/* ---- what is pending ---- */

static void scan_leases(struct world *world, struct replica *replica)
{
    uint64_t now = world_now(world);

    for (unsigned host = 0; host < HOST_COUNT; host++) {
        const struct node *node = world_node(replica->registry, host);
        uint64_t since = replica->renewed_at_ms[host] > replica->term_began_ms
                             ? replica->renewed_at_ms[host]
                             : replica->term_began_ms;

        if (!node || node->registration.id == 0) {
            continue;
        }
        if (!node->registration.live) {
            if (replica->without_lease_since_ms[host] == 0) {
                replica->without_lease_since_ms[host] = now;
            }
            continue;
        }
        replica->without_lease_since_ms[host] = 0;
        if (now >= since + with_drift(LEASE_MS)) {
            struct command command = begin(world, replica, COMMAND_LEASE_EXPIRED);

            registry_rest_on_node(node, &command.rests);
            replica_propose(replica, &command, NULL);
        } else if (now >= replica->challenged_at_ms[host] + LEASE_MS / 3) {
            replica->challenged_at_ms[host] = now;
            tell(world, replica, MESSAGE_CHALLENGE, NULL, node);
        }
    }
}

/* Keys go out when their release is committed; when that seems to have been lost, a new release is
 * committed first. */
static void release_again(struct world *world, struct replica *replica,
                          const struct pending *pending)
{
    unsigned number = world_vm_number(&pending->vm->id);
    struct command command =
        begin_vm(world, replica, COMMAND_KEY_REISSUED, pending->vm, pending->node);

    if (world_now(world) < replica->released_at_ms[number] + 2 * RETRY_MS) {
        return;
    }
    replica->released_at_ms[number] = world_now(world);
    command.vm.destination = pending->kind == PENDING_TICKET_DESTINATION;
    replica_propose(replica, &command, NULL);
}

static void propose_end(struct world *world, struct replica *replica, const struct pending *pending)
{
    struct command command =
        begin_vm(world, replica,
                 pending->kind == PENDING_DONE ? COMMAND_MIGRATION_DONE : COMMAND_MIGRATION_ABORTED,
                 pending->vm, pending->node);

    registry_rest_on_peer(registry_node(replica->registry, pending->vm->peer.node), &command.rests);
    memset(&command.migration, 0, sizeof command.migration);
    command.migration.migration = pending->migration;
    replica_propose(replica, &command, NULL);
}

/* Its ticket's lifetime is over, as far as this leader can tell. */
static bool takes_too_long(const struct world *world, struct replica *replica, const struct vm *vm)
{
    uint64_t *began = &replica->migration_began_ms[world_vm_number(&vm->id)];

    *began = *began == 0 ? world_now(world) : *began;
    return world_now(world) >= *began + with_drift(vm->lifetime_ms);
}

/* Away from its quarantined node; now and then the destination cannot be reached, and it is paused
 * instead. */
static void evacuate(struct world *world, struct replica *replica, const struct pending *pending)
{
    const struct node *owner = registry_node(replica->registry, pending->vm->owner.node);
    struct command command =
        begin_vm(world, replica, COMMAND_MIGRATION_AUTHORIZED, pending->vm, owner);

    if (world_chance(world, 4)) {
        command.kind = COMMAND_GRANT_WITHDRAWN;
    } else {
        registry_rest_on_peer(pending->node, &command.rests);
        command.vm.source_nonce = fixture_digest("source", world->sent);
        command.vm.destination_nonce = fixture_digest("destination", world->sent);
        command.vm.lifetime_ms = LEASE_MS;
    }
    replica_propose(replica, &command, NULL);
}

static void do_pending(struct world *world, struct replica *replica, const struct pending *pending)
{
    const struct vm *vm = pending->vm;
    unsigned host = world_host_number(replica->registry, pending->node->id);
    struct command command = begin_vm(world, replica, COMMAND_GRANT_ISSUED, vm, pending->node);

    switch (pending->kind) {
    case PENDING_LAUNCH:
    case PENDING_TICKET_DESTINATION:
        release_again(world, replica, pending);
        break;
    case PENDING_GRANT:
        replica_propose(replica, &command, NULL);
        break;
    case PENDING_TICKET_SOURCE:
        tell(world, replica, MESSAGE_TICKET_SOURCE, vm, pending->node);
        if (takes_too_long(world, replica, vm) || world_chance(world, 60)) {
            propose_end(world, replica, pending);
        }
        break;
    case PENDING_DONE:
    case PENDING_ABORT:
        propose_end(world, replica, pending);
        break;
    case PENDING_RESUME:
        tell(world, replica, MESSAGE_GRANT, vm, pending->node);
        break;
    case PENDING_FENCE:
        if (host < HOST_COUNT && replica->without_lease_since_ms[host] != 0 &&
            world_now(world) >= replica->without_lease_since_ms[host] +
                                    with_drift(vm->policy.after_ms) + FENCE_MS) {
            command.kind = COMMAND_VM_FENCED;
            replica_propose(replica, &command, NULL);
        }
        break;
    case PENDING_STOP:
        if (!vm->stop_requested) {
            world->oracle.stopped_generation[world_vm_number(&vm->id)] = vm->generation;
        }
        tell(world, replica, MESSAGE_STOP, vm, pending->node);
        break;
    case PENDING_DESTROY:
        tell(world, replica, MESSAGE_DESTROY, vm, pending->node);
        break;
    case PENDING_EVACUATE:
        evacuate(world, replica, pending);
        break;
    case PENDING_WITHDRAW:
        command.kind = COMMAND_GRANT_WITHDRAWN;
        replica_propose(replica, &command, NULL);
        break;
    case PENDING_PAUSE:
        if (replica->paused_generation[world_vm_number(&vm->id)] != vm->generation) {
            tell(world, replica, MESSAGE_PAUSE, vm, pending->node);
        }
        break;
    case PENDING_READOPT: /* with the inventory in the next renewal */
    case PENDING_REVERT:  /* see scan_lost() */
    case PENDING_KIND_COUNT:
        break;
    }
    if (world->broken.early_destroy && vm->state == VM_RESUMING && vm->peer.node != 0) {
        tell(world, replica, MESSAGE_DESTROY, vm, registry_node(replica->registry, vm->peer.node));
    }
}

static void scan_lost(struct world *world, struct replica *replica, const struct vm *vm)
{
    const struct node *peer = registry_node(replica->registry, vm->peer.node);
    const struct node *node;
    struct command command;

    if (vm->peer_complete && vm->policy.may_revert &&
        !registry_vm_came_from_revoked(replica->registry, vm)) {
        /* As long as the other copy may come back, nothing is started from the image. */
        if (peer && registry_node_admits(replica->registry, peer) == REFUSAL_NONE) {
            command = begin_vm(world, replica, COMMAND_OWNERSHIP_REVERTED, vm, peer);
            registry_rest_on_peer(peer, &command.rests);
            replica_propose(replica, &command, NULL);
            return;
        }
        if (!world->calm) {
            return;
        }
    }
    node = placement_pick(replica->registry, &vm->policy, 0);
    if (node && (world->calm || world_draw(world, 4) == 0)) {
        command = begin_vm(world, replica, COMMAND_RESTART_AUTHORIZED, vm, node);
        replica_propose(replica, &command, NULL);
    }
}

void replica_scan(struct world *world, struct replica *replica)
{
    const struct vm *vm;
    size_t cursor = 0;

    scan_leases(world, replica);
    while ((vm = registry_vm_next(replica->registry, &cursor))) {
        struct pending pending[PENDING_COUNT_MAX];
        size_t count = pending_of_vm(replica->registry, vm, pending);

        if (vm->state != VM_MIGRATING) {
            replica->migration_began_ms[world_vm_number(&vm->id)] = 0;
        }

        for (size_t i = 0; i < count; i++) {
            do_pending(world, replica, &pending[i]);
        }
        if (vm->state == VM_LOST) {
            scan_lost(world, replica, vm);
        }
    }
}

/* ---- after the commit ---- */

static void answer_client(struct world *world, const struct proposal *proposal,
                          const struct outcome *outcome)
{
    struct message message = {.kind = MESSAGE_ANSWER,
                              .to = proposal->from,
                              .number = proposal->number,
                              .verdict = outcome->verdict,
                              .id = outcome->id};

    if (outcome->verdict != REFUSAL_STALE_VERSION && outcome->verdict != REFUSAL_REGISTRATION &&
        outcome->verdict != REFUSAL_GENERATION) {
        network_send(world, &message);
    }
}

static void release(struct world *world, struct replica *replica, const struct command *command)
{
    const struct vm *vm = registry_vm(replica->registry, &command->vm.vm);
    const struct node *node;
    bool to_peer = command->kind == COMMAND_MIGRATION_AUTHORIZED ||
                   (command->kind == COMMAND_KEY_REISSUED && command->vm.destination);

    if (!vm) {
        return;
    }
    node = registry_node(replica->registry, to_peer ? vm->peer.node : vm->owner.node);
    if (!node) {
        return;
    }
    replica->released_at_ms[world_vm_number(&vm->id)] = world_now(world);
    if (to_peer && vm->state == VM_MIGRATING) {
        tell(world, replica, MESSAGE_TICKET_DESTINATION, vm, node);
    } else if (!to_peer && vm->state == VM_LAUNCHING) {
        tell(world, replica, MESSAGE_ORDER, vm, node);
    }
}

static void after_host(struct world *world, struct replica *replica,
                       const struct proposal *proposal)
{
    const struct node *node = world_node(replica->registry, proposal->from);
    struct message message = {.to = proposal->from,
                              .kind = proposal->kind == COMMAND_NODE_REGISTERED ? MESSAGE_REGISTERED
                                                                                : MESSAGE_RENEWED,
                              .key = proposal->message.key,
                              .time_ms = proposal->message.time_ms};

    if (!node) {
        return;
    }
    message.registration = node->registration.id;
    if (proposal->kind == COMMAND_RENEWAL_BATCH &&
        message.registration != proposal->message.registration) {
        return;
    }
    network_send(world, &message);
    act_on_inventory(world, replica, &proposal->message, node);
}

void replica_committed(struct world *world, struct replica *replica,
                       const struct proposal *proposal, const struct outcome *outcome)
{
    struct command *command = NULL;

    if (proposal->origin == BY_CLIENT) {
        answer_client(world, proposal, outcome);
    }
    if (outcome->verdict != REFUSAL_NONE) {
        return;
    }
    if (proposal->origin == BY_HOST) {
        after_host(world, replica, proposal);
    } else if (proposal->kind == COMMAND_LAUNCH_AUTHORIZED ||
               proposal->kind == COMMAND_RESTART_AUTHORIZED ||
               proposal->kind == COMMAND_KEY_REISSUED ||
               proposal->kind == COMMAND_MIGRATION_AUTHORIZED) {
        ASSERT(command_decode(bytes_view(&proposal->command), &command) == STATUS_OK);
        release(world, replica, command);
        command_free(command);
    }
}
