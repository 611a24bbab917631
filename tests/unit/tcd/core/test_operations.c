/* Migration: who owns the VM, and what becomes of the other copy (docs/PROTOCOL.md, section 5). */
#include "tcd/core/pending.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <string.h>

#define assert_verdict(call, expected)                                                             \
    assert_string_equal(refusal_name(call), refusal_name(expected))

static void start(struct fixture *fixture)
{
    fixture_start(fixture, 3);
    for (unsigned i = 0; i < 3; i++) {
        fixture_register(fixture, i);
    }
    fixture_run(fixture, 1, 0);
}

static enum refusal_code do_vm(struct fixture *fixture, enum command_kind kind)
{
    struct command command = fixture_vm_command(fixture, kind, 1);

    return fixture_do(fixture, &command);
}

static enum refusal_code do_at(struct fixture *fixture, enum command_kind kind, unsigned node)
{
    struct command command = fixture_vm_command_at(fixture, kind, 1, node);

    return fixture_do(fixture, &command);
}

static enum refusal_code do_migration(struct fixture *fixture, enum command_kind kind,
                                      enum migration_role role)
{
    struct command command = fixture_migration_command(fixture, kind, 1, role);

    return fixture_do(fixture, &command);
}

static enum refusal_code authorize(struct fixture *fixture, unsigned destination)
{
    struct command command = fixture_migration(fixture, 1, destination);

    return fixture_do(fixture, &command);
}

static enum refusal_code lose(struct fixture *fixture)
{
    struct command command = fixture_vm_command(fixture, COMMAND_VM_STOPPED, 1);

    command.vm.cause = STOP_LOST;
    return fixture_do(fixture, &command);
}

static const struct vm *vm(const struct fixture *fixture)
{
    return fixture_vm(fixture, 1);
}

static void assert_owner(const struct fixture *fixture, unsigned node)
{
    assert_int_equal(vm(fixture)->owner.node, fixture_node(fixture, node)->id);
}

static bool is_pending(const struct fixture *fixture, enum pending_kind kind)
{
    struct pending pending[PENDING_COUNT_MAX];
    size_t count = pending_of_vm(fixture->registry, vm(fixture), pending);

    for (size_t i = 0; i < count; i++) {
        if (pending[i].kind == kind) {
            return true;
        }
    }
    return false;
}

static void a_migration_that_the_policy_forbids_is_refused(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 2, 0);
    command.launch_authorized.policy.may_migrate = false;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_LAUNCHED, 2);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_migration(&fixture, 2, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    fixture_stop(&fixture);
}

static void a_ticket_lives_no_longer_than_the_lease(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_migration(&fixture, 1, 1);
    command.vm.lifetime_ms = FIXTURE_LEASE_S * 1000 + 1;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_MALFORMED);
    command.vm.lifetime_ms = 0;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_MALFORMED);
    fixture_stop(&fixture);
}

static void one_migration_at_a_time_and_to_another_node(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 0), REFUSAL_WRONG_STATE);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    assert_verdict(authorize(&fixture, 2), REFUSAL_WRONG_STATE);
    fixture_stop(&fixture);
}

static void a_node_that_does_not_hold_the_vm_neither_sends_nor_takes_it(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_migration(&fixture, 1, 1);
    registry_rest_on_node(fixture_node(&fixture, 2), &command.rests);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    fixture_migrate(&fixture, 1, 1);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 1, MIGRATION_SOURCE);
    registry_rest_on_peer(fixture_node(&fixture, 2), &command.rests);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    assert_owner(&fixture, 0);
    fixture_stop(&fixture);
}

static void without_its_lease_a_node_neither_sends_a_vm_nor_resumes_it(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_expire(&fixture, 0);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NO_LEASE);
    assert_int_equal(vm(&fixture)->state, VM_RUNNING);
    fixture_stop(&fixture);

    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, MIGRATION_SOURCE), REFUSAL_NONE);
    fixture_grant(&fixture, 1);
    fixture_expire(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NO_LEASE);
    assert_int_equal(vm(&fixture)->state, VM_RESUMING);
    fixture_stop(&fixture);
}

/* The destination gets the key while the migration is open, the owner at every other time. */
static void a_key_is_issued_again_only_to_whom_the_state_gives_it(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_KEY_REISSUED, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    command = fixture_vm_command_at(&fixture, COMMAND_KEY_REISSUED, 1, 1);
    command.vm.destination = true;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_ABORTED, MIGRATION_SOURCE),
                   REFUSAL_NONE);
    command = fixture_vm_command_at(&fixture, COMMAND_KEY_REISSUED, 1, 1);
    command.vm.destination = true;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    command = fixture_vm_command(&fixture, COMMAND_KEY_REISSUED, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void a_revoked_nodes_vm_never_leaves_but_a_quarantined_ones_may(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_node_command(&fixture, COMMAND_NODE_QUARANTINED, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_migrate(&fixture, 1, 1);
    command = fixture_node_command(&fixture, COMMAND_NODE_REVOKED, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NODE_REVOKED);
    assert_true(is_pending(&fixture, PENDING_ABORT));
    fixture_stop(&fixture);
    start(&fixture);
    command = fixture_node_command(&fixture, COMMAND_NODE_REVOKED, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NODE_REVOKED);
    fixture_stop(&fixture);
}

static void both_sides_must_report_the_same_session(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    assert_true(is_pending(&fixture, PENDING_TICKET_SOURCE));
    assert_true(is_pending(&fixture, PENDING_TICKET_DESTINATION));
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_WRONG_STATE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_REPORTED, MIGRATION_DESTINATION),
                   REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_REPORTED, MIGRATION_DESTINATION),
                   REFUSAL_ALREADY_EXISTS);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_WRONG_STATE);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_SOURCE);
    command.migration.session.bytes[0] ^= 1;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_SOURCE);
    command.migration.configuration.bytes[0] ^= 1;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_SOURCE);
    command.rests.registration = fixture_node(&fixture, 2)->registration.id;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_REPORTED, MIGRATION_SOURCE),
                   REFUSAL_NONE);
    assert_true(is_pending(&fixture, PENDING_DONE));
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_owner(&fixture, 1);
    fixture_stop(&fixture);
}

static void a_report_without_a_lease_is_refused(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    fixture_expire(&fixture, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_REPORTED, MIGRATION_DESTINATION),
                   REFUSAL_NO_LEASE);
    fixture_stop(&fixture);
}

static void a_migration_that_is_closed_takes_no_more_reports(void **state)
{
    struct fixture fixture;
    struct command late;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    late = fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_SOURCE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_ABORTED, 0), REFUSAL_NONE);
    assert_verdict(fixture_do(&fixture, &late), REFUSAL_NOT_FOUND);
    fixture_stop(&fixture);
}

/* Rules (a) and (b). */
static void after_an_abort_the_source_runs_on_a_grant_of_a_new_generation(void **state)
{
    struct fixture fixture;
    uint64_t generation;
    struct command former;

    (void)state;
    start(&fixture);
    generation = vm(&fixture)->generation;
    former = fixture_vm_command(&fixture, COMMAND_GRANT_ISSUED, 1);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->generation, generation + 1);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED), REFUSAL_WRONG_STATE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_ABORTED, 0), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->generation, generation + 2);
    assert_verdict(fixture_do(&fixture, &former), REFUSAL_GENERATION);
    assert_owner(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_WRONG_STATE); /* no grant yet */
    fixture_grant(&fixture, 1);
    assert_true(is_pending(&fixture, PENDING_RESUME));
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->state, VM_RUNNING);
    fixture_stop(&fixture);
}

/* Rule (c). */
static void the_losing_copy_stays_until_the_winner_has_resumed(void **state)
{
    struct fixture fixture;
    const struct digest id = fixture_digest("vm", 1);

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_int_equal(pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 1), 0),
                     COPY_KEEP);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_false(is_pending(&fixture, PENDING_DESTROY));
    assert_int_equal(pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 0), 0),
                     COPY_KEEP);
    assert_verdict(do_at(&fixture, COMMAND_COPY_DESTROYED, 0), REFUSAL_WRONG_STATE);
    fixture_grant(&fixture, 1);
    assert_false(is_pending(&fixture, PENDING_DESTROY));
    assert_verdict(do_at(&fixture, COMMAND_RESUMED, 0), REFUSAL_REGISTRATION);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_true(is_pending(&fixture, PENDING_DESTROY));
    assert_int_equal(pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 0), 0),
                     COPY_DESTROY);
    assert_verdict(authorize(&fixture, 0), REFUSAL_WRONG_STATE); /* not before it is gone */
    assert_verdict(do_at(&fixture, COMMAND_COPY_DESTROYED, 0), REFUSAL_NONE);
    assert_verdict(authorize(&fixture, 0), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void a_new_registration_of_either_side_aborts(void **state)
{
    (void)state;
    for (unsigned side = 0; side < 2; side++) {
        struct fixture fixture;
        uint64_t generation;

        start(&fixture);
        fixture_migrate(&fixture, 1, 1);
        generation = vm(&fixture)->generation;
        fixture_register(&fixture, side);
        assert_int_equal(fixture.outcome.leaf_count, 2);
        assert_int_equal(vm(&fixture)->state, VM_RESUMING);
        assert_int_equal(vm(&fixture)->generation, generation + 1);
        assert_owner(&fixture, 0);
        assert_true(is_pending(&fixture, side == 0 ? PENDING_READOPT : PENDING_GRANT));
        fixture_stop(&fixture);
    }
}

static void ownership_goes_back_when_the_winner_is_lost_before_it_resumed(void **state)
{
    struct fixture fixture;
    uint64_t generation;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_WRONG_STATE);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_false(is_pending(&fixture, PENDING_DESTROY));
    generation = vm(&fixture)->generation;
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->generation, generation + 1);
    assert_owner(&fixture, 0);
    fixture_grant(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void ownership_does_not_go_back_once_the_winner_has_run_on(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    fixture_grant(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_WRONG_STATE);
    fixture_stop(&fixture);
}

static void ownership_goes_to_nobody_else(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_OWNERSHIP_REVERTED, 1);
    registry_rest_on_peer(fixture_node(&fixture, 2), &command.rests);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    fixture_stop(&fixture);
}

static void ownership_goes_back_only_where_the_policy_allows_it(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 2, 0);
    command.launch_authorized.policy.may_revert = false;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_grant(&fixture, 2);
    command = fixture_vm_command(&fixture, COMMAND_LAUNCHED, 2);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_migrate(&fixture, 2, 1);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 2, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_VM_STOPPED, 2);
    command.vm.cause = STOP_LOST;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_OWNERSHIP_REVERTED, 2);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    fixture_stop(&fixture);
}

static void a_copy_that_never_was_complete_is_never_run(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_ABORTED, 0), REFUSAL_NONE);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_WRONG_STATE);
    assert_true(is_pending(&fixture, PENDING_DESTROY));
    fixture_stop(&fixture);
}

static void a_copy_at_a_node_that_registered_anew_may_still_win(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    fixture_register(&fixture, 0);
    fixture_expire(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_NONE);
    assert_owner(&fixture, 0);
    assert_int_equal(vm(&fixture)->owner.registration, fixture_node(&fixture, 0)->registration.id);
    fixture_stop(&fixture);
}

/* Readopted and not granted yet: its node would not take the ticket. */
static void a_vm_that_waits_for_its_grant_is_not_migrated(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_register(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_READOPTED), REFUSAL_NONE);
    assert_verdict(authorize(&fixture, 1), REFUSAL_WRONG_STATE);
    fixture_grant(&fixture, 1);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    fixture_stop(&fixture);
}

/* Not by way of an abort and the loss of the source either. */
static void what_came_from_a_revoked_node_never_runs(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    assert_verdict(authorize(&fixture, 1), REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_REPORTED, MIGRATION_DESTINATION),
                   REFUSAL_NONE);
    command = fixture_node_command(&fixture, COMMAND_NODE_REVOKED, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_ABORTED, 0), REFUSAL_NONE);
    assert_true(vm(&fixture)->peer_complete);
    fixture_expire(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED), REFUSAL_NONE);
    assert_false(is_pending(&fixture, PENDING_REVERT));
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_NODE_REVOKED);
    fixture_stop(&fixture);
}

/* Only then, and as long as that copy is there. */
static void going_back_is_pending_when_the_winner_was_lost(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_false(is_pending(&fixture, PENDING_REVERT));
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_true(is_pending(&fixture, PENDING_REVERT));
    fixture_expire(&fixture, 0);
    assert_false(is_pending(&fixture, PENDING_REVERT));
    fixture_register(&fixture, 0);
    assert_true(is_pending(&fixture, PENDING_REVERT));
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_NONE);
    assert_false(is_pending(&fixture, PENDING_REVERT));
    fixture_stop(&fixture);
}

static void a_copy_that_the_policy_forbids_to_run_is_to_be_destroyed(void **state)
{
    struct fixture fixture;
    struct command command;
    struct pending pending[PENDING_COUNT_MAX];

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 2, 0);
    command.launch_authorized.policy.may_revert = false;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_grant(&fixture, 2);
    command = fixture_vm_command(&fixture, COMMAND_LAUNCHED, 2);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_migrate(&fixture, 2, 1);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 2, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_VM_STOPPED, 2);
    command.vm.cause = STOP_LOST;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_int_equal(pending_of_vm(fixture.registry, fixture_vm(&fixture, 2), pending), 1);
    assert_int_equal(pending[0].kind, PENDING_DESTROY);
    assert_int_equal(pending[0].node->id, fixture_node(&fixture, 0)->id);
    fixture_stop(&fixture);
}

/* Both nodes, and whoever asked, are to hear it, from whoever leads then. */
static void how_the_last_migration_was_decided_stays_in_the_state(void **state)
{
    struct fixture fixture;
    struct command command;
    uint64_t migration;

    (void)state;
    start(&fixture);
    assert_int_equal(vm(&fixture)->last_migration, 0);
    fixture_migrate(&fixture, 1, 1);
    migration = vm(&fixture)->migration;
    assert_int_equal(vm(&fixture)->last_migration, 0);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_ABORTED, 1, 0);
    (void)strcpy(command.migration.reason, "the link is gone");
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->last_migration, migration);
    assert_false(vm(&fixture)->last_migration_done);
    assert_string_equal(vm(&fixture)->detail, "the link is gone");
    fixture_grant(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_verdict(do_at(&fixture, COMMAND_COPY_DESTROYED, 1), REFUSAL_NONE);
    fixture_migrate(&fixture, 1, 2);
    assert_string_equal(vm(&fixture)->detail, "");
    migration = vm(&fixture)->migration;
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->last_migration, migration);
    assert_true(vm(&fixture)->last_migration_done);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_OWNERSHIP_REVERTED), REFUSAL_NONE);
    assert_false(vm(&fixture)->last_migration_done);
    fixture_stop(&fixture);
}

/* The overlay goes with the VM, its name and key with it; a new start begins another. */
static void the_start_generation_changes_with_a_start_only(void **state)
{
    struct fixture fixture;
    uint64_t start_generation;

    (void)state;
    start(&fixture);
    start_generation = vm(&fixture)->start_generation;
    assert_int_equal(start_generation, 1);
    fixture_migrate(&fixture, 1, 1);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->start_generation, start_generation);
    fixture_grant(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_verdict(lose(&fixture), REFUSAL_NONE);
    assert_verdict(do_at(&fixture, COMMAND_RESTART_AUTHORIZED, 1), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->start_generation, vm(&fixture)->generation);
    assert_true(vm(&fixture)->start_generation > start_generation);
    fixture_stop(&fixture);
}

static void pseudonyms_go_with_the_ownership(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_migrate(&fixture, 1, 1);
    assert_int_equal(vm(&fixture)->pseudonym[0], 0);
    assert_verdict(do_migration(&fixture, COMMAND_MIGRATION_DONE, 0), REFUSAL_NONE);
    assert_int_equal(vm(&fixture)->pseudonym[0], 2);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_migration_that_the_policy_forbids_is_refused),
        cmocka_unit_test(a_ticket_lives_no_longer_than_the_lease),
        cmocka_unit_test(one_migration_at_a_time_and_to_another_node),
        cmocka_unit_test(a_node_that_does_not_hold_the_vm_neither_sends_nor_takes_it),
        cmocka_unit_test(without_its_lease_a_node_neither_sends_a_vm_nor_resumes_it),
        cmocka_unit_test(a_key_is_issued_again_only_to_whom_the_state_gives_it),
        cmocka_unit_test(a_revoked_nodes_vm_never_leaves_but_a_quarantined_ones_may),
        cmocka_unit_test(both_sides_must_report_the_same_session),
        cmocka_unit_test(a_report_without_a_lease_is_refused),
        cmocka_unit_test(a_migration_that_is_closed_takes_no_more_reports),
        cmocka_unit_test(after_an_abort_the_source_runs_on_a_grant_of_a_new_generation),
        cmocka_unit_test(the_losing_copy_stays_until_the_winner_has_resumed),
        cmocka_unit_test(a_new_registration_of_either_side_aborts),
        cmocka_unit_test(ownership_goes_back_when_the_winner_is_lost_before_it_resumed),
        cmocka_unit_test(ownership_does_not_go_back_once_the_winner_has_run_on),
        cmocka_unit_test(ownership_goes_to_nobody_else),
        cmocka_unit_test(ownership_goes_back_only_where_the_policy_allows_it),
        cmocka_unit_test(a_copy_that_never_was_complete_is_never_run),
        cmocka_unit_test(a_copy_at_a_node_that_registered_anew_may_still_win),
        cmocka_unit_test(a_vm_that_waits_for_its_grant_is_not_migrated),
        cmocka_unit_test(what_came_from_a_revoked_node_never_runs),
        cmocka_unit_test(going_back_is_pending_when_the_winner_was_lost),
        cmocka_unit_test(a_copy_that_the_policy_forbids_to_run_is_to_be_destroyed),
        cmocka_unit_test(how_the_last_migration_was_decided_stays_in_the_state),
        cmocka_unit_test(the_start_generation_changes_with_a_start_only),
        cmocka_unit_test(pseudonyms_go_with_the_ownership),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
