/* A host: its launcher, which outlives the agent and enforces grants and deadlines, and its agent.
 */
#include "tests/simulation/world.h"

#include <stdio.h>
#include <string.h>

enum { DEAD_MS_MAX = 3000, REPORT_MS = 200, MIGRATION_STEP_MS = 300, MIGRATION_MAX_MS = 4000 };

static bool has_lease(const struct world *world, const struct host *host)
{
    return host->agent && host->registration != 0 && world_now(world) < host->lease_until_ms;
}

void host_start(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];

    host->up = true;
    host->agent = true;
    host->reset_count = 1;
    host->key = ++world->keys;
    host->rate_percent = 98 + world_draw(world, 5);
}

/* ---- the launcher ---- */

static void run(struct world *world, unsigned index, unsigned vm)
{
    struct copy *copy = &world->hosts[index].copies[vm];

    copy->state = COPY_RUNNING;
    copy->frozen_by_migration = false;
    copy->transferred = false;
    copy->migration = 0;
    oracle_copy_runs(world, index, vm);
}

static void destroy(struct world *world, unsigned index, unsigned vm)
{
    struct copy *copy = &world->hosts[index].copies[vm];

    oracle_copy_goes(world, index, vm);
    copy->state = COPY_ABSENT;
    copy->migration = 0;
    copy->frozen_by_migration = false;
    copy->transferred = false;
}

static uint64_t lease_ms(const struct host *host)
{
    return (uint64_t)LEASE_MS * host->rate_percent / 100;
}

/* The lease of the current registration was prolonged: what runs by its grants may run on, and what
 * the fence had frozen may go on while its grant is the newest that the launcher saw. */
static void prolong(struct world *world, unsigned index, uint64_t until_ms)
{
    struct host *host = &world->hosts[index];

    if (until_ms > host->lease_until_ms) {
        host->lease_until_ms = until_ms;
    }
    for (unsigned vm = 0; vm < VM_MAX; vm++) {
        struct copy *copy = &host->copies[vm];

        if (copy->grant_registration != host->registration || host->registration == 0) {
            continue;
        }
        copy->run_until_ms = host->lease_until_ms + world_patience_ms(vm);
        if (copy->state == COPY_FROZEN && has_lease(world, host) &&
            (copy->grant_generation >= copy->seen || world->broken.generations)) {
            run(world, index, vm);
        }
    }
}

static void enforce_deadlines(struct world *world, struct host *host)
{
    for (unsigned vm = 0; vm < VM_MAX; vm++) {
        struct copy *copy = &host->copies[vm];

        if (copy->state == COPY_RUNNING && world_now(world) >= copy->run_until_ms &&
            !world->broken.no_deadline) {
            copy->state = COPY_FROZEN;
        }
    }
}

/* ---- the agent ---- */

static struct message from_host(const struct world *world, unsigned index, enum message_kind kind)
{
    const struct host *host = &world->hosts[index];

    return (struct message){.kind = kind,
                            .from = index,
                            .registration = host->registration,
                            .key = host->key,
                            .time_ms = world_now(world)};
}

/* It finds the leader by asking: whom it asks may be another, or one that does not know yet. */
static void send(struct world *world, struct message *message)
{
    unsigned leader = raft_fixture_leader_index(&world->fixture);

    message->to = leader < world->replica_count && world_draw(world, 4) != 0
                      ? leader
                      : world_draw(world, world->replica_count);
    network_send(world, message);
}

static void fill_inventory(const struct host *host, struct message *message)
{
    for (unsigned vm = 0; vm < VM_MAX; vm++) {
        message->inventory[vm].state = host->copies[vm].state;
        message->inventory[vm].seen = host->copies[vm].seen;
    }
}

static void register_again(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];
    struct message message = from_host(world, index, MESSAGE_REGISTER);

    host->next_register_ms = world_now(world) + RETRY_MS + world_draw(world, RETRY_MS);
    host->register_sent_ms = world_now(world);
    host->key = ++world->keys;
    message.key = host->key;
    message.boot = (struct boot_counters){.reset_count = (uint32_t)host->reset_count,
                                          .clock_ms = 1 + world_now(world) - host->booted_at_ms};
    fill_inventory(host, &message);
    send(world, &message);
}

static void report_vm(struct world *world, unsigned index, unsigned vm)
{
    struct host *host = &world->hosts[index];
    struct copy *copy = &host->copies[vm];
    struct message message = from_host(world, index, MESSAGE_NONE);

    message.vm = vm;
    message.generation = copy->seen;
    if (copy->lost_generation != 0) {
        message.kind = MESSAGE_STOPPED;
        message.generation = copy->lost_generation;
        message.cause = copy->cause;
    } else if (copy->state == COPY_RUNNING && copy->grant_registration == host->registration) {
        message.kind = MESSAGE_RUNNING;
        message.generation = copy->grant_generation;
    } else if (copy->state == COPY_FROZEN && copy->transferred) {
        message.kind = MESSAGE_REPORTED;
        message.migration = copy->migration;
        message.role = copy->frozen_by_migration ? MIGRATION_SOURCE : MIGRATION_DESTINATION;
    }
    if (message.kind != MESSAGE_NONE) {
        send(world, &message);
    }
    if (copy->state == COPY_FROZEN) {
        message.kind = MESSAGE_READY;
        send(world, &message);
    }
}

/* The session between two agents: freeze, transfer, both complete. */
static void advance_migration(struct world *world, unsigned index, unsigned vm)
{
    struct copy *source = &world->hosts[index].copies[vm];
    struct host *other = &world->hosts[source->peer];
    struct copy *destination = &other->copies[vm];
    bool connected = other->up && has_lease(world, other) && destination->state == COPY_INCOMING &&
                     destination->migration == source->migration;
    uint64_t now = world_now(world);

    if (source->state == COPY_RUNNING && connected && now >= source->freeze_at_ms &&
        has_lease(world, &world->hosts[index])) {
        source->state = COPY_FROZEN;
        source->frozen_by_migration = true;
        source->transfer_at_ms = now + world_draw(world, MIGRATION_STEP_MS);
    } else if (source->state == COPY_FROZEN && source->frozen_by_migration && connected &&
               now >= source->transfer_at_ms) {
        destination->state = COPY_FROZEN;
        destination->transferred = true;
        source->transferred = true;
    }
    if (world->broken.local_resume && source->state == COPY_FROZEN && source->frozen_by_migration &&
        now >= source->transfer_at_ms + MIGRATION_STEP_MS &&
        has_lease(world, &world->hosts[index])) {
        source->run_until_ms = world->hosts[index].lease_until_ms + world_patience_ms(vm);
        run(world, index, vm);
    }
}

static void agent_tick(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];
    uint64_t now = world_now(world);

    if (!has_lease(world, host) && now >= host->next_register_ms) {
        register_again(world, index);
    }
    for (unsigned vm = 0; vm < VM_MAX; vm++) {
        struct copy *copy = &host->copies[vm];

        if (copy->migration != 0 && copy->state != COPY_INCOMING &&
            (copy->frozen_by_migration || copy->state == COPY_RUNNING)) {
            advance_migration(world, index, vm);
        }
        if (copy->state == COPY_INCOMING && now >= copy->freeze_at_ms + MIGRATION_MAX_MS) {
            destroy(world, index, vm);
        }
    }
    if (has_lease(world, host) && now >= host->next_report_ms) {
        host->next_report_ms = now + REPORT_MS;
        for (unsigned vm = 0; vm < VM_MAX; vm++) {
            report_vm(world, index, vm);
        }
    }
}

void host_tick(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];

    if (!host->up && world_now(world) >= host->up_at_ms) {
        host->up = true;
        host->agent = true;
        host->reset_count++;
        host->booted_at_ms = world_now(world);
    } else if (host->up && !host->agent && world_now(world) >= host->agent_at_ms) {
        host->agent = true;
    }
    if (host->up) {
        enforce_deadlines(world, host);
    }
    if (host->up && host->agent) {
        agent_tick(world, index);
    }
}

void host_disturb(struct world *world, unsigned index)
{
    struct host *host = &world->hosts[index];
    unsigned vm = world_draw(world, VM_MAX);

    if (!host->up) {
        return;
    }
    if (world->trace) {
        printf("# %6llu ms host %u is disturbed\n", (unsigned long long)world_now(world), index);
    }
    switch (world_draw(world, 6)) {
    case 0: /* power failure: nothing is left but the TPM */
        for (unsigned i = 0; i < VM_MAX; i++) {
            host->copies[i] = (struct copy){0};
        }
        host->up = false;
        host->agent = false;
        host->registration = 0;
        host->lease_until_ms = 0;
        host->up_at_ms = world_now(world) + world_draw(world, 3 * DEAD_MS_MAX);
        break;
    case 1:
    case 2:
    case 3: /* the agent restarts; launcher and QEMU live on */
        if (host->agent) {
            for (unsigned i = 0; i < VM_MAX; i++) {
                if (host->copies[i].state == COPY_INCOMING) {
                    host->copies[i].state = COPY_ABSENT;
                }
                host->copies[i].migration = 0;
                host->copies[i].transferred = false;
                host->copies[i].frozen_by_migration = false;
            }
            host->agent = false;
            host->registration = 0;
            host->lease_until_ms = 0;
            host->agent_at_ms = world_now(world) + world_draw(world, DEAD_MS_MAX);
        }
        break;
    default: /* QEMU dies, or the guest shuts down */
        if (host->copies[vm].state == COPY_RUNNING) {
            host->copies[vm].lost_generation = host->copies[vm].grant_generation;
            host->copies[vm].cause = world_draw(world, 2) == 0 ? STOP_ENDED : STOP_LOST;
            host->copies[vm].state = COPY_ABSENT;
            host->copies[vm].migration = 0;
        }
        break;
    }
}

/* ---- what it is told ---- */

static bool is_newest(const struct world *world, const struct copy *copy,
                      const struct message *message)
{
    return message->generation >= copy->seen || world->broken.generations;
}

static void receive_order(struct copy *copy, const struct message *message)
{
    if (copy->state == COPY_RUNNING && copy->grant_generation >= message->generation) {
        return;
    }
    if (copy->state == COPY_ABSENT || copy->state == COPY_INCOMING) {
        copy->state = COPY_FROZEN;
        copy->migration = 0;
    }
    copy->lost_generation = 0;
    copy->seen = message->generation;
}

static void receive_grant(struct world *world, unsigned index, struct copy *copy,
                          const struct message *message)
{
    copy->seen = message->generation > copy->seen ? message->generation : copy->seen;
    if (copy->state == COPY_ABSENT || copy->state == COPY_INCOMING) {
        copy->lost_generation = message->generation;
        copy->cause = STOP_LOST;
        return;
    }
    copy->grant_generation = message->generation;
    copy->grant_registration = message->registration;
    copy->run_until_ms = world->hosts[index].lease_until_ms + world_patience_ms(message->vm);
    if (copy->state == COPY_FROZEN) {
        run(world, index, message->vm);
    }
}

static void receive_ticket(struct world *world, struct copy *copy, const struct message *message)
{
    bool source = message->kind == MESSAGE_TICKET_SOURCE;

    if (copy->migration == message->migration ||
        copy->state != (source ? COPY_RUNNING : COPY_ABSENT)) {
        return;
    }
    copy->seen = message->generation;
    copy->migration = message->migration;
    copy->peer = message->peer;
    copy->freeze_at_ms = world_now(world) + (source ? world_draw(world, MIGRATION_STEP_MS) : 0);
    copy->transferred = false;
    copy->frozen_by_migration = false;
    copy->lost_generation = 0;
    if (!source) {
        copy->state = COPY_INCOMING;
    }
}

/* Its grants are withdrawn: only one of a newer generation lets it run again. */
static void receive_pause(struct world *world, unsigned index, struct copy *copy,
                          const struct message *message)
{
    struct message reply = from_host(world, index, MESSAGE_PAUSED);

    copy->seen = message->generation;
    if (copy->state == COPY_RUNNING && !world->broken.no_pause) {
        copy->state = COPY_FROZEN;
        copy->migration = 0;
    }
    reply.vm = message->vm;
    reply.generation = message->generation;
    if (copy->state == COPY_ABSENT || copy->state == COPY_INCOMING) {
        copy->lost_generation = message->generation;
        copy->cause = STOP_LOST;
        return;
    }
    send(world, &reply);
}

static void receive_destroy(struct world *world, const struct message *message)
{
    struct copy *copy = &world->hosts[message->to].copies[message->vm];
    struct message reply = from_host(world, message->to, MESSAGE_DESTROYED);

    copy->seen = message->generation;
    copy->lost_generation = 0;
    destroy(world, message->to, message->vm);
    reply.vm = message->vm;
    reply.generation = message->generation;
    if (message->kind == MESSAGE_STOP) {
        reply.kind = MESSAGE_STOPPED;
        reply.cause = STOP_ENDED;
    }
    send(world, &reply);
}

static void receive_lease(struct world *world, const struct message *message)
{
    struct host *host = &world->hosts[message->to];
    struct message reply = from_host(world, message->to, MESSAGE_RENEW);

    if (message->kind == MESSAGE_REGISTERED && message->key == host->key &&
        host->registration < message->registration) {
        host->registration = message->registration;
        host->lease_until_ms = 0;
        prolong(world, message->to, host->register_sent_ms + lease_ms(host));
    } else if (message->kind == MESSAGE_CHALLENGE && message->registration == host->registration) {
        reply.boot = (struct boot_counters){.reset_count = (uint32_t)host->reset_count,
                                            .clock_ms = 1 + world_now(world) - host->booted_at_ms};
        fill_inventory(host, &reply);
        send(world, &reply);
    } else if (message->kind == MESSAGE_RENEWED && message->registration == host->registration) {
        /* From the receipt of the challenge that was answered: time_ms is the answer's. */
        prolong(world, message->to, message->time_ms + lease_ms(host));
    }
}

void host_receive(struct world *world, const struct message *message)
{
    struct host *host = &world->hosts[message->to];
    struct copy *copy = &host->copies[message->vm];

    if (!host->up || !host->agent) {
        return;
    }
    if (message->kind <= MESSAGE_RENEWED) {
        receive_lease(world, message);
        return;
    }
    if (message->registration != host->registration || !has_lease(world, host) ||
        !is_newest(world, copy, message)) {
        return;
    }
    if (message->kind == MESSAGE_ORDER) {
        receive_order(copy, message);
    } else if (message->kind == MESSAGE_GRANT) {
        receive_grant(world, message->to, copy, message);
    } else if (message->kind == MESSAGE_TICKET_SOURCE ||
               message->kind == MESSAGE_TICKET_DESTINATION) {
        receive_ticket(world, copy, message);
    } else if (message->kind == MESSAGE_PAUSE) {
        receive_pause(world, message->to, copy, message);
    } else {
        receive_destroy(world, message);
    }
}
