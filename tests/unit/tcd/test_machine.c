/* The state machine as the replica drives it: what this member checks for itself. */
#include "tcd/machine.h"

#include "lib/base/protobuf.h"

#include "tests/support/perimeter.h"
#include "tests/support/test.h"

#include <string.h>

struct fixture {
    struct perimeter_test *perimeter;
    struct machine *machine;
    struct replica_machine interface;
    const char *fatal; /* reason of on_fatal */
    unsigned in_force_count, applied_count;
    uint64_t last_leaf;
    struct digest last_leaf_hash;
};

static void on_applied(void *argument, const struct command *command, const struct outcome *outcome)
{
    struct fixture *fixture = argument;
    struct merkle_proof proof;
    struct digest leaf, root;

    (void)command;
    fixture->applied_count++;
    if (outcome->leaf_count == 0) {
        return;
    }
    /* The proof of the last leaf, while its command is applied, leads to the log's root. */
    fixture->last_leaf = outcome->leaf_index + outcome->leaf_count - 1;
    leaf = merkle_leaf_hash(outcome->leaves[outcome->leaf_count - 1]);
    root = merkle_root(registry_audit(machine_registry(fixture->machine)));
    assert_ok(machine_last_leaf_proof(fixture->machine, fixture->last_leaf, &proof));
    assert_true(merkle_inclusion_holds(&leaf, fixture->last_leaf,
                                       registry_audit(machine_registry(fixture->machine))->size,
                                       &proof, &root));
    assert_status(machine_last_leaf_proof(fixture->machine, fixture->last_leaf + 1, &proof),
                  STATUS_NOT_FOUND);
}

static void on_restored(void *argument)
{
    (void)argument;
}

static void on_in_force(void *argument, struct in_force *in_force)
{
    struct fixture *fixture = argument;

    assert_non_null(in_force);
    fixture->in_force_count++;
}

static void on_fatal(void *argument, const char *reason, const char *detail)
{
    struct fixture *fixture = argument;

    (void)detail;
    fixture->fatal = reason;
}

static int setup(void **state)
{
    static struct fixture fixture;
    struct machine_callbacks callbacks = {.on_applied = on_applied,
                                          .on_restored = on_restored,
                                          .on_in_force = on_in_force,
                                          .on_fatal = on_fatal,
                                          .argument = &fixture};

    fixture = (struct fixture){.perimeter = perimeter_test_new()};
    assert_ok(machine_new(&fixture.perimeter->root.id, &callbacks, &fixture.machine));
    fixture.interface = machine_interface(fixture.machine);
    *state = &fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;

    machine_free(fixture->machine);
    perimeter_test_free(fixture->perimeter);
    return 0;
}

static void apply(struct fixture *fixture, struct command *command)
{
    OWN(bytes) struct bytes bytes = {0};

    command->time_s = PERIMETER_TEST_NOW_S;
    registry_rest(machine_registry(fixture->machine), &command->rests);
    assert_ok(command_encode(command, &bytes));
    fixture->interface.apply(fixture->interface.context, bytes_view(&bytes), NULL);
}

static void adopt(struct fixture *fixture)
{
    struct command command = {.kind = COMMAND_PERIMETER_ADOPTED};

    command.perimeter_adopted.root = bytes_view(&fixture->perimeter->root_bytes);
    apply(fixture, &command);
}

/* A manifest with its endorsement, signed by the ETE's keys whose bit is set. */
static void apply_manifest(struct fixture *fixture, unsigned signers)
{
    OWN(bytes) struct bytes manifest = perimeter_test_manifest(fixture->perimeter, 1, 1);
    OWN(bytes) struct bytes endorsement = perimeter_test_endorsement(fixture->perimeter, 1);
    OWN(bytes)
    struct bytes signed_manifest = perimeter_test_sign(fixture->perimeter, DOCUMENT_MANIFEST, 1,
                                                       bytes_view(&manifest), signers);
    OWN(bytes)
    struct bytes signed_endorsement = perimeter_test_sign(fixture->perimeter, DOCUMENT_ENDORSEMENT,
                                                          1, bytes_view(&endorsement), 3);
    struct command command = {.kind = COMMAND_MANIFEST_APPLIED};

    command.manifest_applied.manifest = bytes_view(&signed_manifest);
    command.manifest_applied.endorsement = bytes_view(&signed_endorsement);
    apply(fixture, &command);
}

static void documents_that_the_ete_signed_are_in_force(void **state)
{
    struct fixture *fixture = *state;

    adopt(fixture);
    apply_manifest(fixture, 3);
    assert_null(fixture->fatal);
    assert_int_equal(fixture->in_force_count, 1);
    assert_true(machine_in_force(fixture->machine)->bundle->endorsed);
    assert_true(fixture->last_leaf > 0);
}

/* Whoever leads may have been made to lie: a committed manifest without its signatures stops the
 * member. */
static void a_committed_manifest_with_too_few_signatures_halts_the_member(void **state)
{
    struct fixture *fixture = *state;
    unsigned applied;

    adopt(fixture);
    applied = fixture->applied_count;
    apply_manifest(fixture, 1);
    assert_string_equal(fixture->fatal, "perimeter-not-verified");
    assert_null(machine_in_force(fixture->machine));
    assert_int_equal(fixture->applied_count, applied);
    /* Nothing is applied any more. */
    apply(fixture, &(struct command){.kind = COMMAND_SESSION_OPENED});
    assert_int_equal(fixture->applied_count, applied);
}

static void a_root_of_another_perimeter_halts_the_member(void **state)
{
    struct fixture *fixture = *state;
    struct perimeter_test *other = perimeter_test_new();
    struct perimeter_test *own = fixture->perimeter;

    fixture->perimeter = other;
    adopt(fixture);
    apply_manifest(fixture, 3);
    fixture->perimeter = own;
    assert_string_equal(fixture->fatal, "perimeter-not-verified");
    perimeter_test_free(other);
}

static void a_command_that_is_not_understood_halts_the_member(void **state)
{
    struct fixture *fixture = *state;

    fixture->interface.apply(fixture->interface.context, view_string("no command"), NULL);
    assert_string_equal(fixture->fatal, "command-not-understood");
}

/* The parts one after the other. The state has moved on when they are read. */
static struct bytes joined(const struct replica_snapshot *snapshot)
{
    struct writer writer = writer_new(SNAPSHOT_SIZE_MAX);
    struct bytes bytes;

    for (size_t i = 0; i < snapshot->part_count; i++) {
        writer_view(&writer, snapshot->parts[i]);
    }
    assert_ok(writer_take(&writer, &bytes));
    snapshot->release(snapshot->owner);
    return bytes;
}

static void a_snapshot_brings_state_and_documents_back(void **state)
{
    struct fixture *fixture = *state;
    OWN(bytes) struct bytes bytes = {0};
    struct replica_snapshot snapshot;
    struct digest before, after;
    uint64_t revision_before, revision_after;

    adopt(fixture);
    apply_manifest(fixture, 3);
    assert_ok(fixture->interface.snapshot(fixture->interface.context, &snapshot));
    fixture->interface.position(fixture->interface.context, &revision_before, &before);
    apply(fixture, &(struct command){.kind = COMMAND_MANIFEST_EXPIRED});
    bytes = joined(&snapshot);
    assert_ok(fixture->interface.restore(fixture->interface.context, bytes_view(&bytes)));
    fixture->interface.position(fixture->interface.context, &revision_after, &after);
    assert_int_equal(revision_before, revision_after);
    assert_true(digest_equal(&before, &after));
    assert_int_equal(fixture->in_force_count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(documents_that_the_ete_signed_are_in_force, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(
            a_committed_manifest_with_too_few_signatures_halts_the_member, setup, teardown),
        cmocka_unit_test_setup_teardown(a_root_of_another_perimeter_halts_the_member, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_command_that_is_not_understood_halts_the_member, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_snapshot_brings_state_and_documents_back, setup,
                                        teardown),
    };
    return cmocka_run_group_tests_name("machine", tests, NULL, NULL);
}
