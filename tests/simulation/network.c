#include "tests/simulation/world.h"

enum { DELAY_MAX_MS = 40, LONG_DELAY_MAX_MS = 3 * LEASE_MS };

static void put(struct world *world, const struct message *message, uint64_t delay_ms)
{
    for (size_t i = 0; i < MESSAGE_MAX; i++) {
        if (world->messages[i].kind == MESSAGE_NONE) {
            world->messages[i] = *message;
            world->messages[i].due_ms = world_now(world) + delay_ms;
            world->messages[i].order = world->sent++;
            return;
        }
    }
    /* Full: it is lost, as by any network. */
}

void network_send(struct world *world, const struct message *message)
{
    if (world_chance(world, 12)) {
        return;
    }
    put(world, message, 1 + world_draw(world, DELAY_MAX_MS));
    if (world_chance(world, 10)) {
        put(world, message, 1 + world_draw(world, LONG_DELAY_MAX_MS));
    }
}

static void deliver(struct world *world, const struct message *message)
{
    if (message->kind < MESSAGE_REGISTER) {
        host_receive(world, message);
    } else if (message->kind < MESSAGE_ANSWER) {
        replica_receive(world, message);
    } else {
        client_receive(world, message);
    }
}

void network_deliver(struct world *world)
{
    for (;;) {
        struct message *next = NULL;
        struct message message;

        for (size_t i = 0; i < MESSAGE_MAX; i++) {
            struct message *candidate = &world->messages[i];

            if (candidate->kind != MESSAGE_NONE && candidate->due_ms <= world_now(world) &&
                (!next || candidate->due_ms < next->due_ms ||
                 (candidate->due_ms == next->due_ms && candidate->order < next->order))) {
                next = candidate;
            }
        }
        if (!next) {
            return;
        }
        message = *next;
        next->kind = MESSAGE_NONE;
        deliver(world, &message);
    }
}
