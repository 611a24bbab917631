/* Clients ask for one thing after the other, and ask again until they are answered. */
#include "tests/simulation/world.h"

#include "tcd/core/placement.h"
#include "tests/support/core_fixture.h"

#include <stdio.h>
#include <string.h>

enum { PAUSE_MS_MAX = 700 };

/* A VM that runs, if one is found soon. */
static unsigned choose_vm(struct world *world)
{
    const struct registry *registry =
        world->replicas[world_draw(world, world->replica_count)].registry;
    unsigned vm = 0;

    for (unsigned i = 0; i < 6 && world->vm_count > 0; i++) {
        struct digest id;
        const struct vm *known;

        vm = world_draw(world, world->vm_count);
        id = world_vm_id(vm);
        known = registry_vm(registry, &id);
        if (known && known->state == VM_RUNNING) {
            break;
        }
    }
    return vm;
}

static void choose(struct world *world, unsigned index)
{
    struct client *client = &world->clients[index];
    struct request *request = &client->requests[++client->number];
    unsigned draw = world_draw(world, 100);

    request->vm = choose_vm(world);
    request->host = world_draw(world, HOST_COUNT);
    request->revert = world_draw(world, 4) != 0;
    request->on = world_draw(world, 2) == 0;
    if (client->session == 0) {
        request->kind = COMMAND_SESSION_OPENED;
    } else if (draw < 20 && world->vm_count < VM_MAX) {
        request->kind = COMMAND_LAUNCH_AUTHORIZED;
        request->vm = world->vm_count++;
    } else if (draw < 60) {
        request->kind = COMMAND_MIGRATION_AUTHORIZED;
    } else if (draw < 64) {
        request->kind = COMMAND_VM_STOP_REQUESTED;
    } else if (draw < 68) {
        request->kind = COMMAND_RESTART_AUTHORIZED;
    } else if (draw < 71) {
        request->kind = COMMAND_VM_DELETED;
    } else if (draw < 74) {
        request->kind = COMMAND_NODE_CORDONED;
    } else if (draw < 76) {
        request->kind = COMMAND_NODE_REVOKED;
    } else if (draw < 78) {
        request->kind = COMMAND_NODE_QUARANTINED;
    } else if (draw < 82) {
        request->kind = COMMAND_MANIFEST_APPLIED;
        world->manifest_version++;
        world->manifest_hosts = 15;
        if (world_draw(world, 2) == 0) {
            world->manifest_hosts &= ~(1U << world_draw(world, HOST_COUNT));
        }
        world->policy_revision += world_draw(world, 4) == 0;
    } else if (draw < 83) {
        request->kind = COMMAND_MANIFEST_EXPIRED;
    } else if (draw < 88) {
        request->kind = COMMAND_REFERENCE_CHUNK;
    } else {
        request->kind = COMMAND_AUDIT_NOTE;
    }
    client->waiting = true;
}

void client_tick(struct world *world, unsigned index)
{
    struct client *client = &world->clients[index];
    struct message message = {.kind = MESSAGE_REQUEST, .from = index};

    if (world_now(world) < client->next_ms || client->answered_count == REQUEST_MAX ||
        (client->number == REQUEST_MAX && !client->waiting)) {
        return;
    }
    if (!client->waiting) {
        if (world->calm) {
            return;
        }
        choose(world, index);
    }
    client->next_ms = world_now(world) + RETRY_MS;
    message.number = client->number;
    message.to = world_draw(world, world->replica_count);
    network_send(world, &message);
}

void client_receive(struct world *world, const struct message *message)
{
    struct client *client = &world->clients[message->to];

    if (!client->waiting || message->number != client->number) {
        return;
    }
    client->waiting = false;
    client->next_ms = world_now(world) + world_draw(world, PAUSE_MS_MAX);
    if (client->requests[message->number].kind == COMMAND_SESSION_OPENED) {
        client->session = message->id;
        return;
    }
    client->answered[client->answered_count].session = client->session;
    client->answered[client->answered_count].number = message->number;
    client->answered[client->answered_count].verdict = message->verdict;
    client->answered_count++;
}

static bool vm_request(struct world *world, struct replica *replica, const struct request *request,
                       struct command *command)
{
    const struct digest id = world_vm_id(request->vm);
    const struct vm *vm = registry_vm(replica->registry, &id);
    const struct node *owner = vm ? registry_node(replica->registry, vm->owner.node) : NULL;
    const struct node *other;

    command->vm.vm = id;
    if (!vm) {
        return true; /* to be refused */
    }
    command->rests.generation = vm->generation;
    if (owner) {
        registry_rest_on_node(owner, &command->rests);
    }
    if (command->kind == COMMAND_MIGRATION_AUTHORIZED) {
        other = placement_pick(replica->registry, &vm->policy, vm->owner.node);
        if (!other) {
            return false;
        }
        registry_rest_on_peer(other, &command->rests);
        command->vm.source_nonce = fixture_digest("source", world->sent);
        command->vm.destination_nonce = fixture_digest("destination", world->sent);
        command->vm.lifetime_ms = LEASE_MS;
    } else if (command->kind == COMMAND_RESTART_AUTHORIZED) {
        other = placement_pick(replica->registry, &vm->policy, 0);
        if (!other) {
            return false;
        }
        registry_rest_on_node(other, &command->rests);
    }
    return true;
}

static bool launch_request(struct replica *replica, const struct request *request,
                           struct command *command)
{
    const struct vm_policy policy = {.after_ms = world_patience_ms(request->vm),
                                     .may_migrate = true,
                                     .may_revert = request->revert,
                                     .may_restart = true,
                                     .on_quarantine = request->vm % 4};
    const struct node *node = placement_pick(replica->registry, &policy, 0);

    if (!node) {
        return false;
    }
    registry_rest_on_node(node, &command->rests);
    command->launch_authorized.vm = world_vm_id(request->vm);
    (void)snprintf(command->launch_authorized.name.text,
                   sizeof command->launch_authorized.name.text, "vm-%u", request->vm);
    command->launch_authorized.customer = fixture_key_id(FIXTURE_OPERATOR);
    command->launch_authorized.request = view_string("request");
    command->launch_authorized.image = fixture_digest("image", 0);
    command->launch_authorized.policy = policy;
    command->launch_authorized.ticket_expiry_s = 1 << 30;
    return true;
}

/* The next third of one of a few sets, now and then with a wrong byte. */
static void chunk_request(const struct replica *replica, const struct request *request,
                          struct command *command)
{
    static uint8_t storage[FIXTURE_SET_SIZE]; /* one command is made at a time */
    struct view set = fixture_set(request->host, storage);
    const struct digest digest = fixture_set_digest(request->host);
    const struct reference_blob *reference = registry_reference(replica->registry, &digest);
    uint64_t offset = reference && !reference_is_complete(reference) ? reference->received : 0;

    storage[offset] ^= request->revert ? 0 : 1;
    command->reference_chunk.digest = digest;
    command->reference_chunk.size = set.size;
    command->reference_chunk.offset = offset;
    command->reference_chunk.data = (struct view){set.data + offset, set.size / 3};
}

bool client_command(struct world *world, struct replica *replica, const struct message *message,
                    struct command *ret_command)
{
    const struct client *client = &world->clients[message->from];
    const struct request *request = &client->requests[message->number];
    static struct bytes document; /* freed when the next is made */
    struct fixture_manifest manifest = {.version = world->manifest_version,
                                        .epoch = 1,
                                        .members = 3,
                                        .nodes = world->manifest_hosts,
                                        .plain_revision = world->policy_revision};

    if (request->kind == COMMAND_SESSION_OPENED && client->session != 0) {
        return false; /* a late copy, with which nothing can be done */
    }
    *ret_command = (struct command){.kind = request->kind};
    ret_command->time_s = world_now(world) / 1000;
    registry_rest(replica->registry, &ret_command->rests);
    if (client->session != 0 && !world->broken.executes_again) {
        ret_command->session = client->session;
        ret_command->number = message->number;
    }
    if (request->kind == COMMAND_LAUNCH_AUTHORIZED) {
        return launch_request(replica, request, ret_command);
    }
    if (request->kind == COMMAND_MANIFEST_APPLIED) {
        bytes_free(&document);
        document = fixture_manifest_document(&manifest);
        ret_command->manifest_applied.manifest = bytes_view(&document);
    } else if (request->kind == COMMAND_NODE_CORDONED) {
        ret_command->node_cordoned.node = fixture_node_name(request->host);
        ret_command->node_cordoned.cordoned = request->on;
    } else if (request->kind == COMMAND_NODE_REVOKED) {
        ret_command->node_revoked.node = fixture_node_name(request->host);
    } else if (request->kind == COMMAND_NODE_QUARANTINED) {
        const struct node *node = world_node(replica->registry, request->host);

        if (!node) {
            return false;
        }
        registry_rest_on_node(node, &ret_command->rests);
    } else if (request->kind == COMMAND_REFERENCE_CHUNK) {
        chunk_request(replica, request, ret_command);
    } else if (request->kind == COMMAND_AUDIT_NOTE) {
        (void)snprintf(ret_command->audit_note.text, sizeof ret_command->audit_note.text,
                       "note %u-%llu", message->from, (unsigned long long)message->number);
    } else if (request->kind != COMMAND_MANIFEST_EXPIRED &&
               request->kind != COMMAND_SESSION_OPENED) {
        return vm_request(world, replica, request, ret_command);
    }
    return true;
}
