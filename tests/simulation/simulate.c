#include "tests/simulation/world.h"

#include "tests/support/core_fixture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    STORM_MS = 40000,
    CALM_MS_MAX = 30000,
    PARTITION_EACH_MS = 2500,
    DISTURB_EACH_MS = 2000,
    RESTART_EACH_MS = 6000,
};

uint64_t world_now(const struct world *world)
{
    return world->fixture.time;
}

uint32_t world_draw(struct world *world, uint32_t bound)
{
    world->random ^= world->random << 13;
    world->random ^= world->random >> 7;
    world->random ^= world->random << 17;
    return (uint32_t)((world->random >> 16) % bound);
}

bool world_chance(struct world *world, uint32_t of)
{
    return !world->calm && world_draw(world, of) == 0;
}

void world_fail(struct world *world, const char *format, ...)
{
    va_list arguments;
    int length;

    if (world->failure[0] != '\0') {
        return;
    }
    va_start(arguments, format);
    length = vsnprintf(world->failure, sizeof world->failure, format, arguments);
    va_end(arguments);
    if (length > 0 && (size_t)length < sizeof world->failure) {
        (void)snprintf(world->failure + length, sizeof world->failure - (size_t)length,
                       " (at %llu ms)", (unsigned long long)world_now(world));
    }
}

struct digest world_vm_id(unsigned vm)
{
    static struct digest ids[VM_MAX + 1];

    if (digest_is_zero(&ids[vm])) {
        ids[vm] = fixture_digest("vm", vm);
    }
    return ids[vm];
}

unsigned world_vm_number(const struct digest *id)
{
    for (unsigned vm = 0; vm < VM_MAX; vm++) {
        const struct digest candidate = world_vm_id(vm);

        if (digest_equal(&candidate, id)) {
            return vm;
        }
    }
    return VM_MAX;
}

uint64_t world_patience_ms(unsigned vm)
{
    return vm % 3 * 300U;
}

const struct node *world_node(const struct registry *registry, unsigned host)
{
    static struct tpm_name names[HOST_COUNT];

    if (names[host].size == 0) {
        names[host] = fixture_tpm_name(host);
    }
    return registry_node_by_ek(registry, tpm_name_view(&names[host]));
}

unsigned world_host_number(const struct registry *registry, uint64_t node_id)
{
    for (unsigned host = 0; host < HOST_COUNT; host++) {
        const struct node *node = world_node(registry, host);

        if (node && node->id == node_id) {
            return host;
        }
    }
    return HOST_COUNT;
}

static void propose_start(struct world *world, struct replica *replica)
{
    struct bytes root = fixture_root(0);
    struct bytes endorsement = fixture_endorsement_document(1, 1600000000, 1);
    struct fixture_manifest manifest = {.version = 1, .epoch = 1, .members = 3, .nodes = 15};
    struct bytes document = fixture_manifest_document(&manifest);
    struct command command = {.kind = COMMAND_PERIMETER_ADOPTED};

    command.perimeter_adopted.root = bytes_view(&root);
    replica_propose(replica, &command, NULL);
    command = (struct command){.kind = COMMAND_MANIFEST_APPLIED};
    command.manifest_applied.manifest = bytes_view(&document);
    replica_propose(replica, &command, NULL);
    command = (struct command){.kind = COMMAND_ENDORSEMENT_APPLIED};
    command.rests.manifest_version = 1;
    command.manifest_applied.endorsement = bytes_view(&endorsement);
    replica_propose(replica, &command, NULL);
    bytes_free(&root);
    bytes_free(&endorsement);
    bytes_free(&document);
    world->manifest_version = 1;
    world->manifest_hosts = 15;
}

/* When the faults are over the operators put the manifest right. */
static void repair(struct world *world, struct replica *replica)
{
    const struct perimeter *perimeter = registry_perimeter(replica->registry);
    struct fixture_manifest manifest = {.epoch = 1, .members = 3, .nodes = 15};
    struct command command = {.kind = COMMAND_MANIFEST_APPLIED};
    struct bytes document;

    if (!replica->leads || (!perimeter->expired && world->manifest_hosts == 15)) {
        return;
    }
    manifest.version = ++world->manifest_version;
    manifest.plain_revision = world->policy_revision;
    document = fixture_manifest_document(&manifest);
    command.manifest_applied.manifest = bytes_view(&document);
    registry_rest(replica->registry, &command.rests);
    replica_propose(replica, &command, NULL);
    bytes_free(&document);
}

static void set_link(struct world *world, unsigned i, unsigned j, bool broken)
{
    if (broken && !raft_fixture_saturated(&world->fixture, i, j)) {
        raft_fixture_saturate(&world->fixture, i, j);
    } else if (!broken && raft_fixture_saturated(&world->fixture, i, j)) {
        raft_fixture_desaturate(&world->fixture, i, j);
    }
}

static void heal(struct world *world)
{
    for (unsigned i = 0; i < world->replica_count; i++) {
        for (unsigned j = 0; j < world->replica_count; j++) {
            if (i != j) {
                set_link(world, i, j, false);
            }
        }
    }
}

static void disturb_links(struct world *world)
{
    unsigned leader = raft_fixture_leader_index(&world->fixture);
    unsigned i = leader < world->replica_count && world_draw(world, 2) == 0
                     ? leader
                     : world_draw(world, world->replica_count);
    unsigned j = (i + 1 + world_draw(world, world->replica_count - 1)) % world->replica_count;

    switch (world_draw(world, 6)) {
    case 0:
    case 1: /* one member is cut off */
        for (j = 0; j < world->replica_count; j++) {
            if (j != i) {
                set_link(world, i, j, true);
                set_link(world, j, i, true);
            }
        }
        break;
    case 2: /* one direction of one link */
        set_link(world, i, j, true);
        break;
    case 3:
        raft_fixture_set_network_latency(&world->fixture, i, 1 + world_draw(world, 60));
        break;
    default:
        heal(world);
        break;
    }
}

/* Often one that takes part in a migration. */
static unsigned unlucky_host(struct world *world)
{
    unsigned start = world_draw(world, HOST_COUNT * VM_MAX);

    for (unsigned i = 0; i < HOST_COUNT * VM_MAX && world_draw(world, 8) != 0; i++) {
        unsigned at = (start + i) % (HOST_COUNT * VM_MAX);

        if (world->hosts[at % HOST_COUNT].copies[at / HOST_COUNT].migration != 0) {
            return at % HOST_COUNT;
        }
    }
    return start % HOST_COUNT;
}

static void disturb(struct world *world, uint64_t passed_ms)
{
    if (world_draw(world, PARTITION_EACH_MS) < passed_ms) {
        disturb_links(world);
    }
    if (world_draw(world, DISTURB_EACH_MS) < passed_ms) {
        host_disturb(world, unlucky_host(world));
    }
    if (world_draw(world, RESTART_EACH_MS) < passed_ms) {
        replica_restart(world, world_draw(world, world->replica_count));
    }
}

static void tick(struct world *world)
{
    network_deliver(world);
    for (unsigned i = 0; i < HOST_COUNT; i++) {
        host_tick(world, i);
    }
    for (unsigned i = 0; i < world->replica_count; i++) {
        replica_tick(world, i);
    }
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        client_tick(world, i);
    }
}

static void say_nothing(struct raft_tracer *tracer, int type, const void *info)
{
    (void)tracer;
    (void)type;
    (void)info;
}

static void start(struct world *world)
{
    static struct raft_tracer silent = {.version = 1, .emit = say_nothing};
    struct raft_configuration configuration;
    struct raft_fixture *fixture = &world->fixture;

    ASSERT(raft_fixture_initialize(fixture) == 0);
    for (unsigned i = 0; i < world->replica_count; i++) {
        replica_start(world, i);
        ASSERT(raft_fixture_grow(fixture, &world->replicas[i].fsm) == 0);
        raft_fixture_get(fixture, i)->tracer = &silent;
        raft_set_pre_vote(raft_fixture_get(fixture, i), true);
        raft_set_snapshot_threshold(raft_fixture_get(fixture, i), 64);
        raft_set_snapshot_trailing(raft_fixture_get(fixture, i), 100000);
    }
    ASSERT(raft_fixture_configuration(fixture, world->replica_count, &configuration) == 0 &&
           raft_fixture_bootstrap(fixture, &configuration) == 0);
    raft_configuration_close(&configuration);
    ASSERT(raft_fixture_start(fixture) == 0);
    for (unsigned i = 0; i < HOST_COUNT; i++) {
        host_start(world, i);
    }
}

/* Steps until something leads and the perimeter stands. */
static void bootstrap(struct world *world)
{
    while (world->failure[0] == '\0' && world->oracle.history_count < 3) {
        raft_fixture_step(&world->fixture);
        for (unsigned i = 0; i < world->replica_count; i++) {
            struct replica *replica = &world->replicas[i];

            if (world->manifest_version == 0 && replica->leads) {
                propose_start(world, replica);
            }
            replica_tick(world, i);
        }
    }
}

static void stop(struct world *world)
{
    raft_fixture_close(&world->fixture);
    for (unsigned i = 0; i < world->replica_count; i++) {
        replica_stop(&world->replicas[i]);
    }
}

bool world_run(struct world *world, uint64_t seed, unsigned replica_count, struct broken broken,
               bool trace)
{
    uint64_t last_ms, calm_since_ms = 0, repaired_ms = 0;

    memset(world, 0, sizeof *world);
    world->seed = seed;
    world->random = seed * 0x9e3779b97f4a7c15U + 0x2545f4914f6cdd1dU;
    world->broken = broken;
    world->trace = trace;
    world->replica_count = replica_count;
    start(world);
    bootstrap(world);
    last_ms = world_now(world);
    while (world->failure[0] == '\0') {
        raft_fixture_step(&world->fixture);
        if (world_now(world) == last_ms) {
            continue;
        }
        if (!world->calm) {
            disturb(world, world_now(world) - last_ms);
        }
        last_ms = world_now(world);
        tick(world);
        if (!world->calm && last_ms >= STORM_MS) {
            world->calm = true;
            calm_since_ms = last_ms;
            heal(world);
        }
        if (world->calm && last_ms >= repaired_ms + 1000) {
            repaired_ms = last_ms;
            for (unsigned i = 0; i < replica_count; i++) {
                repair(world, &world->replicas[i]);
            }
            world->manifest_hosts = 15;
        }
        if (world->calm && (last_ms >= calm_since_ms + CALM_MS_MAX ||
                            (last_ms >= calm_since_ms + 3000 && oracle_is_settled(world)))) {
            break;
        }
    }
    if (world->failure[0] == '\0') {
        oracle_at_the_end(world);
    }
    stop(world);
    return world->failure[0] == '\0';
}
