/*
 * Random commands to the core and to the naive model beside it: whatever comes, both accept the
 * same and are then in the same state; at random points the registry is replaced by what its
 * snapshot restores. A failing seed is printed; run it alone with `test_core_property SEED`.
 */
#include "tests/property/core_model.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SEED_COUNT = 400, COMMAND_COUNT = 400 };

struct run {
    struct fixture fixture;
    struct model model;
    uint64_t random;
};

static uint32_t draw(struct run *run, uint32_t bound)
{
    run->random ^= run->random << 13;
    run->random ^= run->random >> 7;
    run->random ^= run->random << 17;
    return (uint32_t)((run->random >> 16) % bound);
}

static const enum command_kind kinds[] = {
    COMMAND_MANIFEST_APPLIED,
    COMMAND_MANIFEST_EXPIRED,
    COMMAND_NODE_REGISTERED,
    COMMAND_NODE_REGISTERED,
    COMMAND_NODE_REGISTERED,
    COMMAND_RENEWAL_BATCH,
    COMMAND_RENEWAL_BATCH,
    COMMAND_LEASE_EXPIRED,
    COMMAND_NODE_CORDONED,
    COMMAND_NODE_REVOKED,
    COMMAND_NODE_QUARANTINED,
    COMMAND_LAUNCH_AUTHORIZED,
    COMMAND_LAUNCH_AUTHORIZED,
    COMMAND_LAUNCH_AUTHORIZED,
    COMMAND_RESTART_AUTHORIZED,
    COMMAND_KEY_REISSUED,
    COMMAND_LAUNCHED,
    COMMAND_LAUNCHED,
    COMMAND_VM_STOP_REQUESTED,
    COMMAND_VM_STOPPED,
    COMMAND_VM_FENCED,
    COMMAND_VM_FENCED,
    COMMAND_VM_DELETED,
    COMMAND_VM_READOPTED,
    COMMAND_VM_READOPTED,
    COMMAND_GRANT_ISSUED,
    COMMAND_GRANT_ISSUED,
    COMMAND_GRANT_WITHDRAWN,
    COMMAND_COPY_DESTROYED,
    COMMAND_COPY_DESTROYED,
    COMMAND_TOMBSTONES_PURGED,
    COMMAND_MIGRATION_AUTHORIZED,
    COMMAND_MIGRATION_AUTHORIZED,
    COMMAND_MIGRATION_AUTHORIZED,
    COMMAND_MIGRATION_REPORTED,
    COMMAND_MIGRATION_REPORTED,
    COMMAND_MIGRATION_REPORTED,
    COMMAND_MIGRATION_DONE,
    COMMAND_MIGRATION_DONE,
    COMMAND_MIGRATION_ABORTED,
    COMMAND_RESUMED,
    COMMAND_RESUMED,
    COMMAND_OWNERSHIP_REVERTED,
};

/* What is rested on is mostly what is in force, and now and then what is not. */
static uint64_t perhaps_moved(struct run *run, uint64_t value)
{
    return draw(run, 40) == 0 ? value + 1 - 2 * draw(run, 2) : value;
}

/* After too many of these nothing is left to happen. */
static bool is_an_end(enum command_kind kind)
{
    return kind == COMMAND_TOMBSTONES_PURGED || kind == COMMAND_NODE_REVOKED ||
           kind == COMMAND_NODE_QUARANTINED || kind == COMMAND_MANIFEST_EXPIRED ||
           kind == COMMAND_VM_DELETED || kind == COMMAND_LEASE_EXPIRED ||
           kind == COMMAND_VM_STOPPED || kind == COMMAND_MIGRATION_ABORTED ||
           kind == COMMAND_VM_STOP_REQUESTED;
}

/* What a coordinator would do next for the VM. */
static enum command_kind next_kind(struct run *run, const struct model_vm *vm)
{
    static const enum command_kind next[VM_STATE_COUNT][4] = {
        [VM_LAUNCHING] = {COMMAND_GRANT_ISSUED, COMMAND_LAUNCHED, COMMAND_LAUNCHED,
                          COMMAND_VM_READOPTED},
        [VM_RUNNING] = {COMMAND_MIGRATION_AUTHORIZED, COMMAND_MIGRATION_AUTHORIZED,
                        COMMAND_COPY_DESTROYED, COMMAND_VM_READOPTED},
        [VM_MIGRATING] = {COMMAND_MIGRATION_REPORTED, COMMAND_MIGRATION_REPORTED,
                          COMMAND_MIGRATION_DONE, COMMAND_KEY_REISSUED},
        [VM_PAUSED] = {COMMAND_NODE_REGISTERED, COMMAND_VM_READOPTED, COMMAND_VM_READOPTED,
                       COMMAND_VM_STOPPED},
        [VM_RESUMING] = {COMMAND_GRANT_ISSUED, COMMAND_RESUMED, COMMAND_RESUMED,
                         COMMAND_VM_READOPTED},
        [VM_STOPPED] = {COMMAND_RESTART_AUTHORIZED, COMMAND_RESTART_AUTHORIZED,
                        COMMAND_COPY_DESTROYED, COMMAND_VM_DELETED},
        [VM_LOST] = {COMMAND_OWNERSHIP_REVERTED, COMMAND_VM_READOPTED, COMMAND_RESTART_AUTHORIZED,
                     COMMAND_COPY_DESTROYED},
        [VM_DELETED] = {COMMAND_LAUNCH_AUTHORIZED, COMMAND_NODE_REGISTERED, COMMAND_NODE_REGISTERED,
                        COMMAND_NODE_REGISTERED},
    };

    if (vm->exists && (vm->state == VM_RUNNING || vm->state == VM_RESUMING) &&
        (run->model.nodes[vm->owner].quarantined || run->model.nodes[vm->owner].revoked) &&
        draw(run, 2) == 0) {
        return COMMAND_GRANT_WITHDRAWN;
    }
    if (vm->exists && vm->state == VM_RUNNING && vm->granted != vm->generation) {
        return COMMAND_GRANT_ISSUED;
    }
    return vm->exists ? next[vm->state][draw(run, 4)] : COMMAND_LAUNCH_AUTHORIZED;
}

static struct model_command choose(struct run *run)
{
    const struct model *model = &run->model;
    struct model_command command = {
        .kind = kinds[draw(run, ARRAY_SIZE(kinds))],
        .node = (int)draw(run, MODEL_NODES),
        .vm = (int)draw(run, MODEL_VMS),
        .destination = (int)draw(run, MODEL_NODES),
        .version = perhaps_moved(run, model->version),
        .policy = model->policy + (draw(run, 40) == 0),
        .peer_policy = model->policy + (draw(run, 40) == 0),
        .role = draw(run, 2) == 0 ? MIGRATION_SOURCE : MIGRATION_DESTINATION,
        .cause = draw(run, 2) == 0 ? STOP_ENDED : STOP_LOST,
        .flag = draw(run, 2) == 0,
        .listed = 15U & ~(draw(run, 2) << draw(run, MODEL_NODES)),
        .new_policy = draw(run, 3) == 0,
        .clock = run->fixture.clock + draw(run, 20) - 1,
    };
    const struct model_vm *vm = &model->vms[command.vm];

    if (draw(run, 2) == 0) {
        command.kind = next_kind(run, vm);
    }
    run->fixture.clock = command.clock > run->fixture.clock ? command.clock : run->fixture.clock;
    /* Mostly those that it is about. */
    if (vm->exists && vm->owner != MODEL_NOBODY && draw(run, 4) != 0) {
        command.node = vm->owner;
    }
    if (vm->exists && vm->other != MODEL_NOBODY && draw(run, 4) != 0) {
        command.destination = vm->other;
        if (command.kind == COMMAND_COPY_DESTROYED ||
            (command.kind == COMMAND_KEY_REISSUED && command.flag) ||
            (command.kind == COMMAND_MIGRATION_REPORTED && command.role == MIGRATION_DESTINATION)) {
            command.node = vm->other;
        }
    }
    if (is_an_end(command.kind) && draw(run, 8) != 0) {
        command.kind = draw(run, 2) == 0 ? COMMAND_NODE_REGISTERED : COMMAND_GRANT_ISSUED;
    }
    command.registration = perhaps_moved(run, model->nodes[command.node].registration);
    command.renewal = perhaps_moved(run, model->nodes[command.node].renewal) +
                      (command.kind == COMMAND_RENEWAL_BATCH);
    command.peer_registration = perhaps_moved(run, model->nodes[command.destination].registration);
    command.peer_renewal = perhaps_moved(run, model->nodes[command.destination].renewal);
    command.generation = perhaps_moved(run, vm->generation);
    command.migration = perhaps_moved(run, vm->migration);
    command.wishes.may_migrate = draw(run, 8) != 0;
    command.wishes.on_quarantine = (enum quarantine_response)draw(
        run, command.wishes.may_migrate ? QUARANTINE_MIGRATE + 1 : QUARANTINE_MIGRATE);
    command.wishes.may_revert = draw(run, 2) == 0;
    command.wishes.may_restart = draw(run, 4) != 0;
    command.wishes.even_zone_only = draw(run, 4) == 0;
    return command;
}

/* The digest of the policy at a revision: the fixture's manifest makes it. */
static struct digest policy_digest(struct run *run, unsigned revision)
{
    struct fixture_manifest manifest = {
        .version = 1, .epoch = 1, .members = 1, .nodes = 1, .plain_revision = revision};
    struct bytes document = fixture_manifest_document(&manifest);
    struct command command = {.kind = COMMAND_MANIFEST_APPLIED};
    static struct digest digests[1024];
    struct registry *registry;
    struct bytes root = fixture_root(0);
    struct outcome outcome;

    (void)run;
    ASSERT(revision < ARRAY_SIZE(digests));
    if (digest_is_zero(&digests[revision])) {
        registry = registry_new();
        command.kind = COMMAND_PERIMETER_ADOPTED;
        command.perimeter_adopted.root = bytes_view(&root);
        ASSERT(fixture_apply(registry, &command, &outcome) == REFUSAL_NONE);
        command = (struct command){.kind = COMMAND_MANIFEST_APPLIED};
        command.manifest_applied.manifest = bytes_view(&document);
        ASSERT(fixture_apply(registry, &command, &outcome) == REFUSAL_NONE);
        digests[revision] = registry_node_by_name(registry, "node-0")->policy;
        registry_free(registry);
    }
    bytes_free(&document);
    bytes_free(&root);
    return digests[revision];
}

static struct command translate(struct run *run, const struct model_command *source,
                                struct bytes *document, struct renewal *renewal)
{
    struct fixture *fixture = &run->fixture;
    struct command command = {.kind = source->kind};
    struct fixture_manifest manifest = {.version = run->model.version + 1,
                                        .epoch = 1,
                                        .members = 3,
                                        .nodes = source->listed,
                                        .plain_revision = run->model.policy + source->new_policy};

    if (source->kind == COMMAND_NODE_REGISTERED) {
        command = fixture_registration(fixture, (unsigned)source->node);
        command.node_registered.boot.clock_ms = source->clock;
    } else if (source->kind == COMMAND_LAUNCH_AUTHORIZED) {
        command = fixture_launch(fixture, (unsigned)source->vm, (unsigned)source->node);
        command.launch_authorized.policy.may_migrate = source->wishes.may_migrate;
        command.launch_authorized.policy.on_quarantine = source->wishes.on_quarantine;
        command.launch_authorized.policy.may_revert = source->wishes.may_revert;
        command.launch_authorized.policy.may_restart = source->wishes.may_restart;
        if (source->wishes.even_zone_only) {
            command.launch_authorized.policy.rule_count = 1;
            strcpy(command.launch_authorized.policy.rules[0].key, "zone");
            command.launch_authorized.policy.rules[0].value_count = 1;
            strcpy(command.launch_authorized.policy.rules[0].values[0], "even");
        }
    } else if (source->kind == COMMAND_MANIFEST_APPLIED) {
        *document = fixture_manifest_document(&manifest);
        command.manifest_applied.manifest = bytes_view(document);
    } else if (source->kind == COMMAND_RENEWAL_BATCH) {
        *renewal = (struct renewal){.registration = source->registration,
                                    .number = source->renewal,
                                    .policy = policy_digest(run, source->policy),
                                    .boot = {.reset_count = 1, .clock_ms = source->clock}};
        command.renewal_batch.count = 1;
        command.renewal_batch.items = renewal;
    } else if (source->kind == COMMAND_NODE_CORDONED) {
        command.node_cordoned.node = fixture_node_name((unsigned)source->node);
        command.node_cordoned.cordoned = source->flag;
    } else if (source->kind == COMMAND_NODE_REVOKED) {
        command.node_revoked.node = fixture_node_name((unsigned)source->node);
    } else if (source->kind == COMMAND_TOMBSTONES_PURGED) {
        command.tombstones_purged.horizon_s = 1800000000;
    } else if (source->kind == COMMAND_MIGRATION_REPORTED ||
               source->kind == COMMAND_MIGRATION_DONE ||
               source->kind == COMMAND_MIGRATION_ABORTED) {
        command.migration.migration = source->migration;
        command.migration.role = source->role;
        command.migration.session = fixture_digest("session", source->migration);
        command.migration.configuration = fixture_digest("configuration", 0);
    } else if (command_kind_rests(source->kind) & RESTS_GENERATION) {
        command.vm.vm = fixture_digest("vm", (uint64_t)source->vm);
        command.vm.destination = source->flag;
        command.vm.cause = source->cause;
        command.vm.lifetime_ms = 1000;
        command.vm.source_nonce = fixture_digest("source", 0);
        command.vm.destination_nonce = fixture_digest("destination", 0);
        command.vm.measurement = fixture_digest("measurement", 0);
        command.vm.proof = fixture_digest("proof", 0);
    }
    command.rests = (struct rests){
        .manifest_version = source->version,
        .epoch = 1,
        .registration = source->registration,
        .renewal = source->renewal,
        .policy = policy_digest(run, source->policy),
        .generation = source->generation,
        .peer_registration = source->peer_registration,
        .peer_renewal = source->peer_renewal,
        .peer_policy = policy_digest(run, source->peer_policy),
    };
    return command;
}

static void compare_node(const struct run *run, unsigned number)
{
    const struct model_node *expected = &run->model.nodes[number];
    const struct node *node = fixture_node(&run->fixture, number);

    assert_int_equal(node != NULL, expected->known);
    if (!node) {
        return;
    }
    assert_int_equal(node->in_manifest, expected->listed);
    assert_int_equal(node->standing == NODE_REVOKED, expected->revoked);
    assert_int_equal(node->standing == NODE_QUARANTINED,
                     expected->quarantined && !expected->revoked);
    assert_int_equal(node->cordoned, expected->cordoned);
    assert_int_equal(node->registration.id, expected->registration);
    assert_int_equal(node->registration.live, expected->live);
    assert_int_equal(node->registration.renewal, expected->renewal);
}

static uint64_t node_id(const struct run *run, int number)
{
    return number == MODEL_NOBODY ? 0 : fixture_node(&run->fixture, (unsigned)number)->id;
}

static void compare_vm(const struct run *run, unsigned number)
{
    const struct model_vm *expected = &run->model.vms[number];
    const struct vm *vm = fixture_vm(&run->fixture, number);

    assert_int_equal(vm != NULL, expected->exists);
    if (!vm) {
        return;
    }
    assert_string_equal(vm_state_name(vm->state), vm_state_name(expected->state));
    assert_int_equal(vm->generation, expected->generation);
    assert_int_equal(vm->granted_generation, expected->granted);
    assert_int_equal(vm->owner.node, node_id(run, expected->owner));
    assert_int_equal(vm->peer.node, node_id(run, expected->other));
    assert_int_equal(vm->peer_complete, expected->other_complete);
    assert_int_equal(vm->stop_requested, expected->stop_requested);
    assert_int_equal(vm->migration, expected->migration);
}

static void pass_through_a_snapshot(struct run *run)
{
    struct bytes bytes = {0};
    struct registry *registry = NULL;
    struct digest before = registry_digest(run->fixture.registry), after;

    assert_ok(registry_snapshot(run->fixture.registry, &bytes));
    assert_ok(registry_restore(bytes_view(&bytes), &registry));
    after = registry_digest(registry);
    assert_memory_equal(&before, &after, sizeof before);
    registry_free(run->fixture.registry);
    run->fixture.registry = registry;
    bytes_free(&bytes);
}

static unsigned accepted[COMMAND_KIND_COUNT];

static void assert_round_trip(const struct command *command)
{
    struct bytes first = {0}, second = {0};
    struct command *decoded = NULL;

    assert_ok(command_encode(command, &first));
    assert_ok(command_decode(bytes_view(&first), &decoded));
    assert_ok(command_encode(decoded, &second));
    assert_true(view_equal(bytes_view(&first), bytes_view(&second)));
    command_free(decoded);
    bytes_free(&first);
    bytes_free(&second);
}

static void step(struct run *run)
{
    struct model_command chosen = choose(run);
    struct bytes document = {0};
    struct renewal renewal;
    struct command command = translate(run, &chosen, &document, &renewal);
    enum refusal_code verdict = fixture_do(&run->fixture, &command);
    bool expected = model_apply(&run->model, &chosen);

    assert_round_trip(&command);
    if (chosen.kind == COMMAND_RENEWAL_BATCH && verdict == REFUSAL_NONE) {
        verdict = run->fixture.outcome.items[0];
    }
    if ((verdict == REFUSAL_NONE) != expected) {
        printf("# %s: %s (%s)\n", command_kind_name(chosen.kind), refusal_name(verdict),
               run->fixture.outcome.detail);
    }
    assert_int_equal(verdict == REFUSAL_NONE, expected);
    accepted[chosen.kind] += expected;
    for (unsigned i = 0; i < MODEL_NODES; i++) {
        compare_node(run, i);
    }
    for (unsigned i = 0; i < MODEL_VMS; i++) {
        compare_vm(run, i);
    }
    bytes_free(&document);
    if (draw(run, 50) == 0) {
        pass_through_a_snapshot(run);
    }
}

static const char *progress = "";
static uint64_t seed_of_now, only_seed;

static void run_seed(uint64_t seed)
{
    struct run run = {.random = seed * 0x9e3779b97f4a7c15U + 1};

    seed_of_now = seed;
    fixture_start(&run.fixture, MODEL_NODES);
    run.fixture.clock = 100;
    model_start(&run.model, MODEL_NODES);
    for (unsigned i = 0; i < COMMAND_COUNT; i++) {
        step(&run);
    }
    fixture_stop(&run.fixture);
}

static int say_seed(void **state)
{
    (void)state;
    if (*progress) {
        printf("# %s %llu\n", progress, (unsigned long long)seed_of_now);
    }
    return 0;
}

static void core_and_model_agree(void **state)
{
    (void)state;
    progress = "the last seed was";
    if (only_seed != 0) {
        run_seed(only_seed);
        return;
    }
    for (uint64_t seed = 1; seed <= SEED_COUNT; seed++) {
        run_seed(seed);
    }
    progress = "";
}

/* Requests against a model that remembers everything: within the window a number is executed
 * exactly once, below it never. */
enum { REQUEST_SESSIONS = 3, REQUEST_NUMBERS = 6000, REQUEST_COUNT = 20000 };

static struct command request(const struct run *run, uint64_t session, uint64_t number)
{
    struct command command = fixture_command(&run->fixture, COMMAND_AUDIT_NOTE);

    command.session = session;
    command.number = number;
    return command;
}

static void requests_are_executed_at_most_once(void **state)
{
    static bool executed[REQUEST_SESSIONS][REQUEST_NUMBERS];
    uint64_t sessions[REQUEST_SESSIONS], highest[REQUEST_SESSIONS] = {0};
    struct run run = {.random = 77};
    struct command command;

    (void)state;
    fixture_start(&run.fixture, 1);
    for (unsigned i = 0; i < REQUEST_SESSIONS; i++) {
        command = fixture_command(&run.fixture, COMMAND_SESSION_OPENED);
        assert_int_equal(fixture_do(&run.fixture, &command), REFUSAL_NONE);
        sessions[i] = run.fixture.outcome.id;
    }
    for (unsigned i = 0; i < REQUEST_COUNT; i++) {
        unsigned which = draw(&run, REQUEST_SESSIONS);
        uint64_t top = highest[which] + 4, back = draw(&run, draw(&run, 8) == 0 ? 1400 : 12);
        uint64_t number = top > back ? top - back : 1;
        uint64_t size = registry_audit(run.fixture.registry)->size;
        bool below;
        enum refusal_code verdict;

        number = number < REQUEST_NUMBERS ? number : REQUEST_NUMBERS - 1;
        below = number + SESSION_RESULT_COUNT_MAX <= highest[which];
        command = request(&run, sessions[which], number);
        verdict = fixture_do(&run.fixture, &command);
        assert_int_equal(verdict, below ? REFUSAL_UNKNOWN_REQUEST : REFUSAL_NONE);
        assert_int_equal(run.fixture.outcome.repeated, !below && executed[which][number]);
        assert_int_equal(registry_audit(run.fixture.registry)->size,
                         size + (!below && !executed[which][number]));
        executed[which][number] = executed[which][number] || !below;
        highest[which] = number > highest[which] ? number : highest[which];
        if (draw(&run, 500) == 0) {
            pass_through_a_snapshot(&run);
        }
    }
    fixture_stop(&run.fixture);
}

/* What is never accepted was never compared. */
static void every_kind_was_accepted_at_some_time(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        if (accepted[kinds[i]] == 0) {
            fail_msg("%s was never accepted", command_kind_name(kinds[i]));
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(core_and_model_agree, say_seed),
        cmocka_unit_test(every_kind_was_accepted_at_some_time),
        cmocka_unit_test(requests_are_executed_at_most_once),
    };

    only_seed = argc > 1 ? strtoull(argv[1], NULL, 10) : 0;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
