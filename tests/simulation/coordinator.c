/* A coordinator: raft around the core. Proposes in batches, one in flight, and restarts from its
 * snapshot. */
#include "tests/simulation/world.h"

#include "tcd/entry.h"

#include <stdlib.h>
#include <string.h>

struct fsm_data {
    struct world *world;
    unsigned replica;
};

static struct fsm_data fsm_data[REPLICA_MAX];

/* The age of leases is measured by each coordinator's own clock, from when it applied. */
static void note_leases(struct world *world, struct replica *replica, const struct command *command,
                        const struct outcome *outcome)
{
    for (unsigned host = 0; host < HOST_COUNT; host++) {
        const struct node *node = world_node(replica->registry, host);

        if (!node) {
            continue;
        }
        if ((command->kind == COMMAND_NODE_REGISTERED && outcome->id == node->registration.id) ||
            (command->kind == COMMAND_RENEWAL_BATCH && outcome->items[0] == REFUSAL_NONE &&
             command->renewal_batch.items[0].registration == node->registration.id)) {
            replica->renewed_at_ms[host] = world_now(world);
        }
    }
}

static void apply_entry(struct world *world, struct replica *replica,
                        const struct entry_header *header, struct reader *commands, bool ours)
{
    struct digest digest;

    if (registry_digest_at(replica->registry, header->revision, &digest) == STATUS_OK &&
        !digest_equal(&digest, &header->digest)) {
        world_fail(world, "replica %u differs from the proposer at revision %llu", replica->index,
                   (unsigned long long)header->revision);
    }
    for (size_t i = 0; i < header->count; i++) {
        struct command *command = NULL;
        struct outcome outcome;

        ASSERT(command_decode(entry_read_command(commands), &command) == STATUS_OK);
        registry_apply(replica->registry, command, &outcome);
        oracle_applied(world, replica, command, &outcome);
        if (ours) {
            replica->flight_outcomes[i] = outcome;
            if (outcome.item_count > 0) {
                replica->flight_outcomes[i].verdict = outcome.items[0];
            }
        }
        note_leases(world, replica, command, &outcome);
        command_free(command);
    }
}

static int fsm_apply(struct raft_fsm *fsm, const struct raft_buffer *buffer, void **result)
{
    struct fsm_data *data = fsm->data;
    struct replica *replica = &data->world->replicas[data->replica];
    struct view entry = {buffer->base, buffer->len};
    struct digest digest = sha256(entry);
    struct entry_header header;
    struct reader commands;
    bool ours = replica->in_flight && digest_equal(&digest, &replica->flight_digest);

    *result = NULL;
    ASSERT(entry_read(entry, &header, &commands) == STATUS_OK);
    apply_entry(data->world, replica, &header, &commands, ours);
    replica->flight_applied = replica->flight_applied || ours;
    return 0;
}

static int fsm_snapshot(struct raft_fsm *fsm, struct raft_buffer *buffers[], unsigned *count)
{
    struct fsm_data *data = fsm->data;
    struct bytes bytes;

    ASSERT(registry_snapshot(data->world->replicas[data->replica].registry, &bytes) == STATUS_OK);
    *buffers = raft_malloc(sizeof **buffers);
    (*buffers)[0].len = bytes.size;
    (*buffers)[0].base = raft_malloc(bytes.size);
    ASSERT((*buffers)[0].base);
    memcpy((*buffers)[0].base, bytes.data, bytes.size);
    bytes_free(&bytes);
    *count = 1;
    return 0;
}

static int fsm_restore(struct raft_fsm *fsm, struct raft_buffer *buffer)
{
    struct fsm_data *data = fsm->data;
    struct replica *replica = &data->world->replicas[data->replica];
    struct registry *registry = NULL;

    ASSERT(registry_restore((struct view){buffer->base, buffer->len}, &registry) == STATUS_OK);
    registry_free(replica->registry);
    replica->registry = registry;
    raft_free(buffer->base);
    return 0;
}

void replica_start(struct world *world, unsigned index)
{
    struct replica *replica = &world->replicas[index];

    fsm_data[index] = (struct fsm_data){world, index};
    replica->index = index;
    replica->registry = registry_new();
    replica->fsm = (struct raft_fsm){.version = 1,
                                     .data = &fsm_data[index],
                                     .apply = fsm_apply,
                                     .snapshot = fsm_snapshot,
                                     .restore = fsm_restore};
}

static void proposals_drop(struct proposal *proposals, size_t *count)
{
    for (size_t i = 0; i < *count; i++) {
        bytes_free(&proposals[i].command);
    }
    *count = 0;
}

void replica_stop(struct replica *replica)
{
    proposals_drop(replica->queue, &replica->queue_count);
    proposals_drop(replica->flight, &replica->flight_count);
    registry_free(replica->registry);
    replica->registry = NULL;
}

void replica_restart(struct world *world, unsigned index)
{
    struct replica *replica = &world->replicas[index];
    struct bytes bytes;
    struct registry *registry = NULL;

    ASSERT(registry_snapshot(replica->registry, &bytes) == STATUS_OK);
    if (registry_restore(bytes_view(&bytes), &registry) != STATUS_OK) {
        world_fail(world, "a snapshot of replica %u cannot be restored", index);
    } else {
        registry_free(replica->registry);
        replica->registry = registry;
    }
    bytes_free(&bytes);
}

void replica_propose(struct replica *replica, const struct command *command,
                     const struct proposal *origin)
{
    struct proposal proposal = origin ? *origin : (struct proposal){.origin = BY_ITSELF};

    if (replica->queue_count == PROPOSAL_MAX) {
        return;
    }
    proposal.kind = command->kind;
    ASSERT(command_encode(command, &proposal.command) == STATUS_OK);
    replica->queue[replica->queue_count++] = proposal;
}

struct flight {
    struct raft_apply apply;
    struct world *world;
    unsigned replica;
};

static void flight_ends(struct raft_apply *apply, int status, void *result)
{
    struct flight *flight = (struct flight *)apply;
    struct world *world = flight->world;
    struct replica *replica = &world->replicas[flight->replica];
    struct raft *raft = raft_fixture_get(&world->fixture, replica->index);
    bool still_leads =
        raft_state(raft) == RAFT_LEADER && replica->leads && raft->current_term == replica->term;

    (void)result;
    replica->in_flight = false;
    /* Release after commit: only by who proposed it, and still leads in that term. */
    for (size_t i = 0; status == 0 && replica->flight_applied && i < replica->flight_count; i++) {
        if (still_leads) {
            replica_committed(world, replica, &replica->flight[i], &replica->flight_outcomes[i]);
        }
    }
    proposals_drop(replica->flight, &replica->flight_count);
    free(flight);
}

/* What is queued, as one entry of the log in raft's memory. */
static struct raft_buffer entry_of_queue(struct replica *replica)
{
    struct entry_header header = {.raft_id = replica->index + 1,
                                  .number = ++replica->entry_number,
                                  .revision = registry_revision(replica->registry),
                                  .digest = registry_digest(replica->registry),
                                  .count = (uint32_t)replica->queue_count};
    struct raft_buffer buffer;
    size_t size = 0;
    uint8_t *at;

    for (size_t i = 0; i < replica->queue_count; i++) {
        size += replica->queue[i].command.size;
    }
    buffer.len = entry_size(replica->queue_count, size);
    buffer.base = raft_malloc(buffer.len);
    ASSERT(buffer.base);
    at = entry_write_header(buffer.base, &header);
    for (size_t i = 0; i < replica->queue_count; i++) {
        at = entry_write_command(at, bytes_view(&replica->queue[i].command));
    }
    entry_write_end(at, (uint8_t *)buffer.base + buffer.len);
    return buffer;
}

static void take_off(struct world *world, struct replica *replica)
{
    struct flight *flight = calloc(1, sizeof *flight);
    struct raft_buffer buffer = entry_of_queue(replica);

    ASSERT(flight);
    *flight = (struct flight){.world = world, .replica = replica->index};
    replica->flight_digest = sha256((struct view){buffer.base, buffer.len});
    memcpy(replica->flight, replica->queue, sizeof replica->queue);
    replica->flight_count = replica->queue_count;
    replica->queue_count = 0;
    replica->in_flight = true;
    replica->flight_applied = false;
    if (raft_apply(raft_fixture_get(&world->fixture, replica->index), &flight->apply, &buffer, 1,
                   flight_ends) != 0) {
        raft_free(buffer.base);
        free(flight);
        replica->in_flight = false;
        proposals_drop(replica->flight, &replica->flight_count);
    }
}

void replica_tick(struct world *world, unsigned index)
{
    struct replica *replica = &world->replicas[index];
    struct raft *raft = raft_fixture_get(&world->fixture, index);
    bool leads = raft_state(raft) == RAFT_LEADER;

    if (!leads) {
        replica->leads = false;
        proposals_drop(replica->queue, &replica->queue_count);
        return;
    }
    if (!replica->leads || replica->term != raft->current_term) {
        replica->leads = true;
        replica->term = raft->current_term;
        replica->term_began_ms = world_now(world);
        memset(replica->challenged_at_ms, 0, sizeof replica->challenged_at_ms);
        memset(replica->without_lease_since_ms, 0, sizeof replica->without_lease_since_ms);
        memset(replica->released_at_ms, 0, sizeof replica->released_at_ms);
        memset(replica->paused_generation, 0, sizeof replica->paused_generation);
        memset(replica->migration_began_ms, 0, sizeof replica->migration_began_ms);
    }
    if (world_now(world) >= replica->next_scan_ms) {
        replica->next_scan_ms = world_now(world) + SCAN_MS;
        replica_scan(world, replica);
    }
    if (!replica->in_flight && replica->queue_count > 0) {
        take_off(world, replica);
    }
}
