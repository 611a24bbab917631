/* What must never happen (docs/PROTOCOL.md, section 8), watched from outside of the core. */
#include "tests/simulation/world.h"

#include "tcd/core/documents.h"
#include "tcd/core/placement.h"
#include "tests/support/core_fixture.h"

#include <stdio.h>
#include <string.h>

static unsigned host_of_registration(const struct oracle *oracle, uint64_t registration)
{
    unsigned host = 0;

    while (host < HOST_COUNT && oracle->registration[host] != registration) {
        host++;
    }
    return host;
}

/* I1 and I7: who gets a key is registered, live, in the manifest, neither revoked nor quarantined.
 */
static void check_release(struct world *world, const struct command *command, uint64_t registration)
{
    struct oracle *oracle = &world->oracle;
    unsigned host = host_of_registration(oracle, registration);

    oracle->releases++;
    if (host == HOST_COUNT || !oracle->lease_live[registration] || !oracle->listed[host] ||
        oracle->revoked[host] || oracle->quarantined[host] || oracle->expired) {
        world_fail(world, "I1: %s for registration %llu, which may have no key",
                   command_kind_name(command->kind), (unsigned long long)registration);
    }
}

/* I7, and the customer's word: nothing leaves a revoked node; nor a quarantined one whose VM is to
 * be paused or stopped. */
static void check_departure(struct world *world, unsigned host, unsigned vm)
{
    const struct oracle *oracle = &world->oracle;
    enum quarantine_response response = (enum quarantine_response)(vm % 4);

    if (host < HOST_COUNT &&
        (oracle->revoked[host] || (oracle->quarantined[host] && (response == QUARANTINE_PAUSE ||
                                                                 response == QUARANTINE_STOP)))) {
        world_fail(world, "I7: VM %u leaves host %u, which it may not", vm, host);
    }
}

/* The host says that it is frozen at this generation: then it does not run by an older grant. */
void oracle_copy_paused(struct world *world, unsigned host, unsigned vm, uint64_t generation)
{
    const struct copy *copy = &world->hosts[host].copies[vm];

    if (copy->state == COPY_RUNNING && copy->grant_generation <= generation) {
        world_fail(world, "I7: VM %u runs on host %u by a grant that was withdrawn", vm, host);
    }
}

static void follow_manifest(struct world *world, const struct command *command)
{
    struct oracle *oracle = &world->oracle;
    const struct manifest_facts *facts = command->manifest_applied.manifest_facts;

    if (facts->version <= oracle->manifest_version) {
        world_fail(world, "I5: the manifest's version went back");
    }
    oracle->manifest_version = facts->version;
    oracle->expired = false;
    for (unsigned host = 0; host < HOST_COUNT; host++) {
        struct core_name name = fixture_node_name(host);
        bool listed = false;

        for (unsigned i = 0; i < facts->node_count; i++) {
            listed = listed || strcmp(facts->nodes[i].name.text, name.text) == 0;
        }
        if (!listed) {
            /* Its registration is worth nothing any more, also when it comes back. */
            oracle->revoked[host] = false;
            oracle->registration[host] = 0;
        }
        oracle->listed[host] = listed;
    }
}

static void follow_registration(struct world *world, const struct command *command, uint64_t id)
{
    struct oracle *oracle = &world->oracle;
    unsigned host = 0;

    while (strcmp(fixture_node_name(host).text, command->node_registered.node.text) != 0) {
        host++;
    }
    if (oracle->revoked[host] || !oracle->listed[host] || oracle->expired) {
        world_fail(world, "I1: host %u was registered", host);
    }
    if (id <= oracle->registration[host] || oracle->lease_live[id]) {
        world_fail(world, "I4: registration %llu was given twice", (unsigned long long)id);
    }
    oracle->registration[host] = id;
    oracle->lease_live[id] = true;
    oracle->quarantined[host] = false;
}

static void follow_renewal(struct world *world, const struct command *command,
                           const struct outcome *outcome)
{
    struct oracle *oracle = &world->oracle;
    uint64_t registration = command->renewal_batch.items[0].registration;
    unsigned host = host_of_registration(oracle, registration);

    if (outcome->items[0] == REFUSAL_NONE &&
        (host == HOST_COUNT || !oracle->lease_live[registration] || oracle->revoked[host])) {
        world_fail(world, "rule (d): a renewal revived registration %llu",
                   (unsigned long long)registration);
    }
}

/* I5: every decision raises the generation, nothing lowers it. */
static void check_generation(struct world *world, unsigned vm, const struct outcome *outcome,
                             bool decision)
{
    uint64_t *known = &world->oracle.generations[vm];

    if (vm < VM_MAX) {
        if (outcome->generation < *known || (decision && outcome->generation == *known)) {
            world_fail(world, "I5: the generation of VM %u went from %llu to %llu", vm,
                       (unsigned long long)*known, (unsigned long long)outcome->generation);
        }
        *known = outcome->generation;
    }
}

static void count_execution(struct world *world, const struct command *command)
{
    unsigned client = 0;
    unsigned long long number = command->number;

    if (command->kind == COMMAND_AUDIT_NOTE) {
        if (sscanf(command->audit_note.text, "note %u-%llu", &client, &number) != 2) {
            return;
        }
    } else {
        while (client < CLIENT_COUNT && world->clients[client].session != command->session) {
            client++;
        }
    }
    if (number != 0 && client < CLIENT_COUNT && ++world->oracle.executed[client][number] > 1) {
        world_fail(world, "request %llu of client %u was executed twice", number, client);
    }
}

static void follow(struct world *world, const struct command *command,
                   const struct outcome *outcome)
{
    struct oracle *oracle = &world->oracle;
    unsigned vm = VM_MAX, host;

    count_execution(world, command);
    if (command_kind_rests(command->kind) & RESTS_GENERATION ||
        command->kind == COMMAND_LAUNCH_AUTHORIZED) {
        vm = world_vm_number(&command->vm.vm);
    }
    switch (command->kind) {
    case COMMAND_MANIFEST_APPLIED:
        follow_manifest(world, command);
        break;
    case COMMAND_MANIFEST_EXPIRED:
        oracle->expired = true;
        break;
    case COMMAND_NODE_REVOKED:
        for (host = 0; host < HOST_COUNT; host++) {
            if (strcmp(fixture_node_name(host).text, command->node_revoked.node.text) == 0) {
                oracle->revoked[host] = true;
            }
        }
        break;
    case COMMAND_NODE_QUARANTINED:
        host = host_of_registration(oracle, command->rests.registration);
        if (host < HOST_COUNT) {
            oracle->quarantined[host] = true;
        }
        break;
    case COMMAND_NODE_REGISTERED:
        follow_registration(world, command, outcome->id);
        break;
    case COMMAND_RENEWAL_BATCH:
        follow_renewal(world, command, outcome);
        break;
    case COMMAND_LEASE_EXPIRED:
        oracle->lease_live[command->rests.registration] = false;
        break;
    case COMMAND_LAUNCH_AUTHORIZED:
    case COMMAND_RESTART_AUTHORIZED:
    case COMMAND_VM_READOPTED:
        oracle->restarts += command->kind == COMMAND_RESTART_AUTHORIZED;
        oracle->readoptions += command->kind == COMMAND_VM_READOPTED;
        check_release(world, command, command->rests.registration);
        check_generation(world, vm, outcome, true);
        break;
    case COMMAND_KEY_REISSUED:
        check_release(world, command, command->rests.registration);
        check_generation(world, vm, outcome, false);
        break;
    case COMMAND_MIGRATION_AUTHORIZED:
        oracle->migration_vm[outcome->id] = vm;
        host = host_of_registration(oracle, command->rests.registration);
        oracle->evacuations += host < HOST_COUNT && oracle->quarantined[host];
        check_departure(world, host, vm);
        check_release(world, command, command->rests.peer_registration);
        check_generation(world, vm, outcome, true);
        break;
    case COMMAND_MIGRATION_DONE:
    case COMMAND_MIGRATION_ABORTED:
        if (command->kind == COMMAND_MIGRATION_DONE) {
            oracle->migrations++;
            check_release(world, command, command->rests.peer_registration);
        }
        check_generation(world, oracle->migration_vm[outcome->id], outcome, true);
        break;
    case COMMAND_OWNERSHIP_REVERTED:
        oracle->reverts++;
        check_release(world, command, command->rests.peer_registration);
        check_generation(world, vm, outcome, true);
        break;
    case COMMAND_GRANT_WITHDRAWN:
        oracle->withdrawals++;
        check_generation(world, vm, outcome, true);
        break;
    case COMMAND_VM_STOPPED:
    case COMMAND_VM_FENCED:
    case COMMAND_VM_DELETED:
        check_generation(world, vm, outcome, true);
        break;
    case COMMAND_GRANT_ISSUED:
    case COMMAND_LAUNCHED:
    case COMMAND_RESUMED:
    case COMMAND_VM_STOP_REQUESTED:
    case COMMAND_COPY_DESTROYED:
        check_generation(world, vm, outcome, false);
        break;
    case COMMAND_PERIMETER_ADOPTED:
    case COMMAND_ENDORSEMENT_APPLIED:
    case COMMAND_SUCCESSION_APPLIED:
    case COMMAND_MEMBER_JOINED:
    case COMMAND_MEMBER_REMOVED:
    case COMMAND_SESSION_OPENED:
    case COMMAND_AUDIT_NOTE:
    case COMMAND_USER_ADDED:
    case COMMAND_USER_REMOVED:
    case COMMAND_REFERENCE_CHUNK:
    case COMMAND_NODE_CORDONED:
    case COMMAND_TOMBSTONES_PURGED:
    case COMMAND_MIGRATION_REPORTED:
    case COMMAND_KIND_COUNT:
        break;
    }
}

void oracle_applied(struct world *world, const struct replica *replica,
                    const struct command *command, const struct outcome *outcome)
{
    struct oracle *oracle = &world->oracle;
    uint64_t revision = registry_revision(replica->registry);
    struct digest digest = registry_digest(replica->registry);
    struct digest root = merkle_root(registry_audit(replica->registry));

    if (revision >= HISTORY_MAX || revision > oracle->history_count + 1) {
        world_fail(world, "revision %llu is out of bounds", (unsigned long long)revision);
        return;
    }
    if (revision <= oracle->history_count) {
        if (!digest_equal(&digest, &oracle->history[revision])) {
            world_fail(world, "replica %u diverged at %s, %s, revision %llu", replica->index,
                       command_kind_name(command->kind), refusal_name(outcome->verdict),
                       (unsigned long long)revision);
        }
        if (!digest_equal(&root, &oracle->roots[revision])) {
            world_fail(world, "I9: replica %u has another audit log", replica->index);
        }
        return;
    }
    oracle->history_count = revision;
    oracle->history[revision] = digest;
    oracle->roots[revision] = root;
    oracle->repeats += outcome->repeated;
    if (world->trace) {
        unsigned vm = command_kind_rests(command->kind) & RESTS_GENERATION
                          ? world_vm_number(&command->vm.vm)
                          : VM_MAX;

        printf("# %6llu ms replica %u: %s: %s%s, VM %u, generation %llu, id %llu\n",
               (unsigned long long)world_now(world), replica->index,
               command_kind_name(command->kind),
               refusal_name(outcome->item_count > 0 ? outcome->items[0] : outcome->verdict),
               outcome->repeated ? " (repeated)" : "", vm, (unsigned long long)outcome->generation,
               (unsigned long long)outcome->id);
    }
    if (outcome->verdict != REFUSAL_NONE) {
        oracle->refusals++;
    } else if (!outcome->repeated) {
        follow(world, command, outcome);
    }
}

/* I3 */
void oracle_copy_runs(struct world *world, unsigned host, unsigned vm)
{
    if (world->trace) {
        printf("# %6llu ms VM %u runs on host %u\n", (unsigned long long)world_now(world), vm,
               host);
    }
    for (unsigned other = 0; other < HOST_COUNT; other++) {
        if (other != host && world->hosts[other].copies[vm].state == COPY_RUNNING) {
            world_fail(world, "I3: VM %u runs on hosts %u and %u", vm, other, host);
        }
    }
}

static const struct registry *newest(const struct world *world)
{
    const struct registry *registry = world->replicas[0].registry;

    for (unsigned i = 1; i < world->replica_count; i++) {
        if (registry_revision(world->replicas[i].registry) > registry_revision(registry)) {
            registry = world->replicas[i].registry;
        }
    }
    return registry;
}

static bool is_complete(const struct copy *copy)
{
    return copy->state == COPY_FROZEN || copy->state == COPY_RUNNING;
}

/* Rule (c): while it is undecided who runs it, no command destroys the only copy. */
void oracle_copy_goes(struct world *world, unsigned host, unsigned vm)
{
    const struct digest id = world_vm_id(vm);
    const struct vm *known = registry_vm(newest(world), &id);

    if (world->trace) {
        printf("# %6llu ms VM %u goes from host %u\n", (unsigned long long)world_now(world), vm,
               host);
    }
    if (!known || (known->state != VM_MIGRATING && known->state != VM_RESUMING) ||
        known->stop_requested ||
        world->hosts[host].copies[vm].seen == world->oracle.stopped_generation[vm] ||
        (world_host_number(newest(world), known->owner.node) != host &&
         world_host_number(newest(world), known->peer.node) != host) ||
        !is_complete(&world->hosts[host].copies[vm])) {
        return;
    }
    for (unsigned other = 0; other < HOST_COUNT; other++) {
        if (other != host && is_complete(&world->hosts[other].copies[vm])) {
            return;
        }
    }
    world_fail(world, "rule (c): the only copy of VM %u was destroyed", vm);
}

static bool vm_is_settled(const struct world *world, const struct registry *registry,
                          const struct vm *vm)
{
    unsigned number = world_vm_number(&vm->id), running = 0;
    unsigned owner = world_host_number(registry, vm->owner.node);

    for (unsigned host = 0; host < HOST_COUNT; host++) {
        running += world->hosts[host].copies[number].state == COPY_RUNNING;
    }
    switch (vm->state) {
    case VM_RUNNING:
        return running == 1 && !vm->stop_requested && owner < HOST_COUNT &&
               world->hosts[owner].copies[number].state == COPY_RUNNING;
    case VM_STOPPED:
    case VM_DELETED:
        return running == 0;
    case VM_LOST:
        return running == 0 && !placement_pick(registry, &vm->policy, 0);
    case VM_PAUSED:
    case VM_LAUNCHING:
    case VM_MIGRATING:
    case VM_RESUMING:
    case VM_STATE_COUNT:
        break;
    }
    return false;
}

bool oracle_is_settled(const struct world *world)
{
    const struct registry *registry = newest(world);
    const struct vm *vm;
    size_t cursor = 0;

    for (unsigned i = 0; i < world->replica_count; i++) {
        if (registry_revision(world->replicas[i].registry) != registry_revision(registry)) {
            return false;
        }
    }
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        const struct client *client = &world->clients[i];

        /* What needs a node that takes it may have to wait for ever. */
        if (client->waiting && client->requests[client->number].kind == COMMAND_AUDIT_NOTE) {
            return false;
        }
    }
    while ((vm = registry_vm_next(registry, &cursor))) {
        if (!vm_is_settled(world, registry, vm)) {
            return false;
        }
    }
    return true;
}

static void describe(const struct world *world, const struct registry *registry,
                     const struct vm *vm)
{
    unsigned number = world_vm_number(&vm->id);

    printf("# VM %u is %s, generation %llu, granted %llu, owner node %llu under %llu, "
           "other node %llu%s%s\n",
           number, vm_state_name(vm->state), (unsigned long long)vm->generation,
           (unsigned long long)vm->granted_generation, (unsigned long long)vm->owner.node,
           (unsigned long long)vm->owner.registration, (unsigned long long)vm->peer.node,
           vm->peer_complete ? ", complete" : "", vm->stop_requested ? ", to be stopped" : "");
    for (unsigned host = 0; host < HOST_COUNT; host++) {
        const struct node *node = world_node(registry, host);
        const struct copy *copy = &world->hosts[host].copies[number];

        if (node) {
            printf("#   host %u, node %llu: %s, registration %llu (it says %llu), copy %d, seen "
                   "%llu, grant %llu under %llu, migration %llu\n",
                   host, (unsigned long long)node->id, node_state_name(node_state(node)),
                   (unsigned long long)node->registration.id,
                   (unsigned long long)world->hosts[host].registration, (int)copy->state,
                   (unsigned long long)copy->seen, (unsigned long long)copy->grant_generation,
                   (unsigned long long)copy->grant_registration,
                   (unsigned long long)copy->migration);
        }
    }
}

static void say_what_is_unsettled(struct world *world)
{
    const struct registry *registry = newest(world);
    const struct vm *vm;
    size_t cursor = 0;

    while ((vm = registry_vm_next(registry, &cursor))) {
        if (!vm_is_settled(world, registry, vm)) {
            describe(world, registry, vm);
            world_fail(world, "VM %u is %s for ever", world_vm_number(&vm->id),
                       vm_state_name(vm->state));
        }
    }
    for (unsigned i = 0; i < world->replica_count; i++) {
        if (registry_revision(world->replicas[i].registry) != registry_revision(registry)) {
            world_fail(world, "replica %u stays at revision %llu of %llu", i,
                       (unsigned long long)registry_revision(world->replicas[i].registry),
                       (unsigned long long)registry_revision(registry));
        }
    }
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        const struct client *client = &world->clients[i];

        if (client->waiting) {
            world_fail(world, "client %u waits for ever for %s", i,
                       command_kind_name(client->requests[client->number].kind));
        }
    }
}

/* I10, and that everything comes to rest when the faults are over. */
void oracle_at_the_end(struct world *world)
{
    if (!oracle_is_settled(world)) {
        say_what_is_unsettled(world);
        return;
    }
    for (unsigned i = 0; i < CLIENT_COUNT; i++) {
        const struct client *client = &world->clients[i];

        for (uint64_t k = 0; k < client->answered_count; k++) {
            for (unsigned replica = 0; replica < world->replica_count; replica++) {
                struct outcome outcome;

                if (!world->broken.executes_again &&
                    (!registry_result(world->replicas[replica].registry,
                                      client->answered[k].session, client->answered[k].number,
                                      &outcome) ||
                     outcome.verdict != client->answered[k].verdict)) {
                    world_fail(world, "I10: request %llu was answered and is forgotten",
                               (unsigned long long)client->answered[k].number);
                }
            }
        }
    }
}
