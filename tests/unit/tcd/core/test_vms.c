/* Launch, release of keys, grants, stop, fence, restart, tombstones; placement and what is pending.
 */
#include "tcd/core/pending.h"
#include "tcd/core/placement.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <string.h>

#define assert_verdict(call, expected)                                                             \
    assert_string_equal(refusal_name(call), refusal_name(expected))

static enum refusal_code do_vm(struct fixture *fixture, enum command_kind kind, unsigned vm)
{
    struct command command = fixture_vm_command(fixture, kind, vm);

    return fixture_do(fixture, &command);
}

static enum refusal_code do_node(struct fixture *fixture, enum command_kind kind, unsigned node)
{
    struct command command = fixture_node_command(fixture, kind, node);

    return fixture_do(fixture, &command);
}

static void start(struct fixture *fixture)
{
    fixture_start(fixture, 4);
    for (unsigned i = 0; i < 4; i++) {
        fixture_register(fixture, i);
    }
}

static bool is_pending(const struct fixture *fixture, unsigned vm, enum pending_kind kind,
                       unsigned node)
{
    struct pending pending[PENDING_COUNT_MAX];
    const struct vm *known = fixture_vm(fixture, vm);
    size_t count = pending_of_vm(fixture->registry, known, pending);

    for (size_t i = 0; i < count; i++) {
        if (pending[i].kind == kind) {
            assert_ptr_equal(pending[i].node, fixture_node(fixture, node));
            assert_int_equal(pending[i].generation, known->generation);
            return true;
        }
    }
    return false;
}

/* I1: every way in which a node can be unfit, for every command that releases a key to it. */
enum unfitness { NO_LEASE_THERE, QUARANTINED_THERE, REVOKED_THERE, POLICY_MOVED, EXPIRED_MANIFEST };

static const struct {
    enum unfitness unfitness;
    enum refusal_code refusal;
} unfit[] = {
    {NO_LEASE_THERE, REFUSAL_NO_LEASE},           {QUARANTINED_THERE, REFUSAL_NODE_QUARANTINED},
    {REVOKED_THERE, REFUSAL_NODE_REVOKED},        {POLICY_MOVED, REFUSAL_STALE_VERSION},
    {EXPIRED_MANIFEST, REFUSAL_MANIFEST_EXPIRED},
};

static void make_unfit(struct fixture *fixture, unsigned node, enum unfitness unfitness)
{
    struct command command;

    switch (unfitness) {
    case NO_LEASE_THERE:
        fixture_expire(fixture, node);
        break;
    case QUARANTINED_THERE:
        assert_verdict(do_node(fixture, COMMAND_NODE_QUARANTINED, node), REFUSAL_NONE);
        break;
    case REVOKED_THERE:
        assert_verdict(do_node(fixture, COMMAND_NODE_REVOKED, node), REFUSAL_NONE);
        break;
    case POLICY_MOVED:
        fixture->manifest.version++;
        fixture->manifest.plain_revision++;
        fixture_apply_manifest(fixture);
        break;
    case EXPIRED_MANIFEST:
        command = fixture_command(fixture, COMMAND_MANIFEST_EXPIRED);
        assert_verdict(fixture_do(fixture, &command), REFUSAL_NONE);
        break;
    }
}

static void no_key_is_released_to_an_unfit_node(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(unfit); i++) {
        struct fixture fixture;
        struct command command;

        start(&fixture);
        fixture_run(&fixture, 1, 0);
        fixture_run(&fixture, 2, 1);
        assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED, 2), REFUSAL_NONE);
        fixture_run(&fixture, 3, 1);
        command = fixture_migration(&fixture, 3, 0);
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
        make_unfit(&fixture, 0, unfit[i].unfitness);
        command = fixture_launch(&fixture, 9, 0);
        assert_verdict(fixture_do(&fixture, &command), unfit[i].refusal);
        assert_null(fixture_vm(&fixture, 9));
        command = fixture_vm_command_at(&fixture, COMMAND_RESTART_AUTHORIZED, 2, 0);
        assert_verdict(fixture_do(&fixture, &command), unfit[i].refusal);
        assert_verdict(do_vm(&fixture, COMMAND_KEY_REISSUED, 1), unfit[i].refusal);
        command = fixture_vm_command_at(&fixture, COMMAND_KEY_REISSUED, 3, 0);
        command.vm.destination = true;
        assert_verdict(fixture_do(&fixture, &command), unfit[i].refusal);
        assert_int_equal(fixture_vm(&fixture, 3)->release_count, 2);
        fixture_stop(&fixture);
    }
}

static void no_migration_goes_to_an_unfit_node(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(unfit); i++) {
        struct fixture fixture;
        struct command command;

        start(&fixture);
        fixture_run(&fixture, 1, 1);
        fixture_run(&fixture, 2, 1);
        fixture_migrate(&fixture, 2, 0);
        make_unfit(&fixture, 0, unfit[i].unfitness);
        command = fixture_migration(&fixture, 1, 0);
        assert_verdict(fixture_do(&fixture, &command), unfit[i].refusal);
        /* Rule (f): nor is one that was on its way finished. */
        command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 2, MIGRATION_SOURCE);
        assert_verdict(fixture_do(&fixture, &command), unfit[i].refusal);
        if (unfit[i].unfitness != POLICY_MOVED) {
            assert_true(is_pending(&fixture, 2, PENDING_ABORT, 1));
        }
        fixture_stop(&fixture);
    }
}

static void the_vms_own_policy_decides_too(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 1);
    command.launch_authorized.policy.rule_count = 1;
    strcpy(command.launch_authorized.policy.rules[0].key, "zone");
    command.launch_authorized.policy.rules[0].value_count = 2;
    strcpy(command.launch_authorized.policy.rules[0].values[0], "nowhere");
    strcpy(command.launch_authorized.policy.rules[0].values[1], "even");
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    registry_rest_on_node(fixture_node(&fixture, 0), &command.rests);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_grant(&fixture, 1);
    assert_verdict(do_vm(&fixture, COMMAND_LAUNCHED, 1), REFUSAL_NONE);
    command = fixture_migration(&fixture, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    command = fixture_migration(&fixture, 1, 2);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_launch(&fixture, 2, 0);
    command.launch_authorized.policy.needs_host_profile = true;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    fixture_stop(&fixture);
}

static void a_cordoned_node_gets_no_new_vms_but_keeps_its_own(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    fixture_run(&fixture, 3, 1);
    assert_verdict(do_node(&fixture, COMMAND_NODE_CORDONED, 0), REFUSAL_NONE);
    command = fixture_launch(&fixture, 2, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    command = fixture_migration(&fixture, 3, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NO_PLACEMENT);
    assert_verdict(do_vm(&fixture, COMMAND_KEY_REISSUED, 1), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void a_vm_is_created_once(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_ALREADY_EXISTS);
    fixture_stop(&fixture);
}

static void vms_have_a_limit(void **state)
{
    struct fixture fixture;
    struct command command;
    struct outcome outcome;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 0, 0);
    for (unsigned vm = 0; vm <= CORE_VM_COUNT_MAX; vm++) {
        enum refusal_code expected = vm < CORE_VM_COUNT_MAX ? REFUSAL_NONE : REFUSAL_LIMIT;

        command.launch_authorized.vm = fixture_digest("vm", vm);
        assert_int_equal(registry_apply(fixture.registry, &command, &outcome), expected);
    }
    fixture_stop(&fixture);
}

static void the_ticket_of_a_deleted_vm_is_worthless(void **state)
{
    struct fixture fixture;
    struct command launch, purge;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_DELETED, 1), REFUSAL_WRONG_STATE);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED, 1), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_VM_DELETED, 1), REFUSAL_NONE);
    assert_int_equal(fixture_node(&fixture, 0)->vm_count, 0);
    launch = fixture_launch(&fixture, 1, 0);
    assert_verdict(fixture_do(&fixture, &launch), REFUSAL_TOMBSTONE);
    assert_verdict(do_vm(&fixture, COMMAND_RESTART_AUTHORIZED, 1), REFUSAL_TOMBSTONE);

    /* Once its ticket has expired the tombstone goes, and the ticket stays worthless. */
    purge = fixture_command(&fixture, COMMAND_TOMBSTONES_PURGED);
    purge.tombstones_purged.horizon_s = launch.launch_authorized.ticket_expiry_s - 1;
    assert_verdict(fixture_do(&fixture, &purge), REFUSAL_NONE);
    assert_non_null(fixture_vm(&fixture, 1));
    purge.tombstones_purged.horizon_s++;
    assert_verdict(fixture_do(&fixture, &purge), REFUSAL_NONE);
    assert_null(fixture_vm(&fixture, 1));
    assert_verdict(fixture_do(&fixture, &launch), REFUSAL_TICKET_EXPIRED);
    assert_verdict(fixture_do(&fixture, &purge), REFUSAL_ALREADY_EXISTS);
    fixture_stop(&fixture);
}

static void customers_act_on_their_own_vms_only(void **state)
{
    struct fixture fixture;
    struct command command;
    uint8_t storage[CORE_KEY_SIZE_MAX];

    (void)state;
    start(&fixture);
    for (unsigned vm = 1; vm <= 2; vm++) {
        command = fixture_command(&fixture, COMMAND_USER_ADDED);
        command.user_added.name.text[0] = (char)('a' + vm);
        command.user_added.role = USER_CUSTOMER;
        command.user_added.key = fixture_key(2000 + vm, storage);
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    }
    command = fixture_launch(&fixture, 1, 0);
    command.actor = fixture_key_id(2002);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    command.actor = fixture_key_id(2001);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_VM_STOP_REQUESTED, 1);
    command.actor = fixture_key_id(2002);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    command.actor = fixture_key_id(FIXTURE_AUDITOR);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    /* What nobody may ask for, nobody may. */
    command = fixture_vm_command(&fixture, COMMAND_GRANT_ISSUED, 1);
    command.actor = fixture_key_id(FIXTURE_OPERATOR);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NOT_AUTHORIZED);
    fixture_stop(&fixture);
}

/* A new leader has none of the launch: the node proves it again, wherever the VM has moved. */
static void a_vm_that_runs_may_be_proved_again(void **state)
{
    struct fixture fixture;
    struct command command;
    uint64_t generation;
    uint64_t leaves;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    generation = fixture_vm(&fixture, 1)->generation;
    leaves = registry_audit(fixture.registry)->size;
    command = fixture_vm_command(&fixture, COMMAND_LAUNCHED, 1);
    command.vm.proof = fixture_digest("another proof", 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_int_equal(fixture_vm(&fixture, 1)->generation, generation);
    assert_int_equal(fixture_vm(&fixture, 1)->state, VM_RUNNING);
    assert_true(digest_equal(&fixture_vm(&fixture, 1)->proof, &command.vm.proof));
    assert_int_equal(registry_audit(fixture.registry)->size, leaves + 1);
    command = fixture_vm_command_at(&fixture, COMMAND_LAUNCHED, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    fixture_stop(&fixture);
}

static void reports_of_another_registration_are_refused(void **state)
{
    static const enum command_kind kinds[] = {COMMAND_LAUNCHED,     COMMAND_GRANT_ISSUED,
                                              COMMAND_KEY_REISSUED, COMMAND_VM_STOPPED,
                                              COMMAND_VM_READOPTED, COMMAND_COPY_DESTROYED};
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
        command = fixture_vm_command_at(&fixture, kinds[i], 1, 1);
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    }
    fixture_expire(&fixture, 1);
    command = fixture_vm_command_at(&fixture, COMMAND_VM_FENCED, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    fixture_stop(&fixture);
}

static void reports_without_a_lease_are_refused(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    fixture_expire(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_LAUNCHED, 1), REFUSAL_NO_LEASE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED, 1), REFUSAL_NO_LEASE);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED, 1), REFUSAL_NO_LEASE);
    fixture_stop(&fixture);
}

static void grants_go_to_nodes_in_good_standing_once_a_generation(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_true(is_pending(&fixture, 1, PENDING_LAUNCH, 0));
    assert_true(is_pending(&fixture, 1, PENDING_GRANT, 0));
    fixture_grant(&fixture, 1);
    assert_false(is_pending(&fixture, 1, PENDING_GRANT, 0));
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED, 1), REFUSAL_ALREADY_EXISTS);
    command = fixture_launch(&fixture, 2, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 1), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED, 2), REFUSAL_NODE_QUARANTINED);
    assert_verdict(do_node(&fixture, COMMAND_NODE_REVOKED, 1), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED, 2), REFUSAL_NODE_REVOKED);
    fixture_stop(&fixture);
}

/* Rule (a). */
static void every_decision_on_who_runs_raises_the_generation(void **state)
{
    struct fixture fixture;
    struct command command;
    uint64_t generation;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    generation = fixture_vm(&fixture, 1)->generation;
    fixture_register(&fixture, 0);
    assert_true(is_pending(&fixture, 1, PENDING_READOPT, 0));
    assert_verdict(do_vm(&fixture, COMMAND_VM_READOPTED, 1), REFUSAL_NONE);
    assert_int_equal(fixture.outcome.generation, ++generation);
    assert_verdict(do_vm(&fixture, COMMAND_VM_READOPTED, 1), REFUSAL_WRONG_STATE);
    fixture_expire(&fixture, 0);
    assert_true(is_pending(&fixture, 1, PENDING_FENCE, 0));
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED, 1), REFUSAL_NONE);
    assert_int_equal(fixture.outcome.generation, ++generation);
    command = fixture_vm_command_at(&fixture, COMMAND_RESTART_AUTHORIZED, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_int_equal(fixture.outcome.generation, ++generation);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED, 1), REFUSAL_NONE);
    assert_int_equal(fixture.outcome.generation, ++generation);
    fixture_stop(&fixture);
}

static void a_vm_is_not_fenced_while_its_node_has_a_lease(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED, 1), REFUSAL_WRONG_STATE);
    fixture_expire(&fixture, 0);
    fixture_register(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED, 1), REFUSAL_WRONG_STATE);
    fixture_stop(&fixture);
}

static void a_fenced_vm_starts_elsewhere_and_its_old_copy_is_destroyed(void **state)
{
    struct fixture fixture;
    struct command command;
    const struct digest id = fixture_digest("vm", 1);

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    fixture_expire(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED, 1), REFUSAL_NONE);
    command = fixture_vm_command_at(&fixture, COMMAND_RESTART_AUTHORIZED, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_false(is_pending(&fixture, 1, PENDING_DESTROY, 0)); /* nobody there to ask */
    fixture_register(&fixture, 0);
    assert_true(is_pending(&fixture, 1, PENDING_DESTROY, 0));
    assert_int_equal(pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 0), 0),
                     COPY_DESTROY);
    assert_int_equal(pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 1), 0),
                     COPY_OWNED);
    command = fixture_vm_command_at(&fixture, COMMAND_COPY_DESTROYED, 1, 0);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_false(is_pending(&fixture, 1, PENDING_DESTROY, 0));
    assert_int_equal(fixture_node(&fixture, 0)->vm_count, 0);
    assert_int_equal(fixture_node(&fixture, 1)->vm_count, 1);
    fixture_stop(&fixture);
}

static void a_fenced_vm_whose_node_comes_back_with_it_is_readopted(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    fixture_expire(&fixture, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED, 1), REFUSAL_NONE);
    fixture_register(&fixture, 0);
    assert_true(is_pending(&fixture, 1, PENDING_READOPT, 0));
    assert_verdict(do_vm(&fixture, COMMAND_VM_READOPTED, 1), REFUSAL_NONE);
    assert_int_equal(fixture_vm(&fixture, 1)->state, VM_RESUMING);
    fixture_stop(&fixture);
}

static void an_inventory_newer_than_the_state_is_not_destroyed(void **state)
{
    struct fixture fixture;
    const struct digest id = fixture_digest("vm", 1);
    uint64_t generation;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    generation = fixture_vm(&fixture, 1)->generation;
    assert_int_equal(
        pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 1), generation),
        COPY_DESTROY);
    assert_int_equal(
        pending_copy_fate(fixture.registry, &id, fixture_node(&fixture, 1), generation + 1),
        COPY_KEEP);
    fixture_stop(&fixture);
}

static void a_lost_vm_starts_again_only_where_its_policy_says_so(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    command = fixture_launch(&fixture, 1, 0);
    command.launch_authorized.policy.may_restart = false;
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_vm_command(&fixture, COMMAND_VM_STOPPED, 1);
    command.vm.cause = STOP_FAILED;
    strcpy(command.vm.detail, "no memory");
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_int_equal(fixture_vm(&fixture, 1)->state, VM_LOST);
    assert_string_equal(fixture_vm(&fixture, 1)->detail, "no memory");
    assert_verdict(do_vm(&fixture, COMMAND_RESTART_AUTHORIZED, 1), REFUSAL_NO_PLACEMENT);
    fixture_stop(&fixture);
}

static void a_stop_that_was_asked_for_is_pending_until_it_is_reported(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture);
    fixture_run(&fixture, 1, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOP_REQUESTED, 1), REFUSAL_NONE);
    assert_true(is_pending(&fixture, 1, PENDING_STOP, 0));
    command = fixture_migration(&fixture, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED, 1), REFUSAL_NONE);
    assert_int_equal(fixture_vm(&fixture, 1)->state, VM_STOPPED);
    assert_false(is_pending(&fixture, 1, PENDING_STOP, 0));
    fixture_stop(&fixture);
}

static void placement_takes_the_emptiest_fit_node(void **state)
{
    struct fixture fixture;
    const struct vm_policy anywhere = {.rule_count = 0};
    struct vm_policy odd = {.rule_count = 1,
                            .rules = {{.key = "zone", .value_count = 1, .values = {"odd"}}}};

    (void)state;
    start(&fixture);
    assert_ptr_equal(placement_pick(fixture.registry, &anywhere, 0), fixture_node(&fixture, 0));
    fixture_run(&fixture, 1, 0);
    assert_ptr_equal(placement_pick(fixture.registry, &anywhere, 0), fixture_node(&fixture, 1));
    assert_ptr_equal(placement_pick(fixture.registry, &anywhere, fixture_node(&fixture, 1)->id),
                     fixture_node(&fixture, 2));
    assert_verdict(do_node(&fixture, COMMAND_NODE_CORDONED, 1), REFUSAL_NONE);
    assert_ptr_equal(placement_pick(fixture.registry, &odd, 0), fixture_node(&fixture, 3));
    fixture_expire(&fixture, 3);
    assert_null(placement_pick(fixture.registry, &odd, 0));
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_key_is_released_to_an_unfit_node),
        cmocka_unit_test(no_migration_goes_to_an_unfit_node),
        cmocka_unit_test(the_vms_own_policy_decides_too),
        cmocka_unit_test(a_cordoned_node_gets_no_new_vms_but_keeps_its_own),
        cmocka_unit_test(a_vm_is_created_once),
        cmocka_unit_test(vms_have_a_limit),
        cmocka_unit_test(the_ticket_of_a_deleted_vm_is_worthless),
        cmocka_unit_test(customers_act_on_their_own_vms_only),
        cmocka_unit_test(a_vm_that_runs_may_be_proved_again),
        cmocka_unit_test(reports_of_another_registration_are_refused),
        cmocka_unit_test(reports_without_a_lease_are_refused),
        cmocka_unit_test(grants_go_to_nodes_in_good_standing_once_a_generation),
        cmocka_unit_test(every_decision_on_who_runs_raises_the_generation),
        cmocka_unit_test(a_vm_is_not_fenced_while_its_node_has_a_lease),
        cmocka_unit_test(a_fenced_vm_starts_elsewhere_and_its_old_copy_is_destroyed),
        cmocka_unit_test(a_fenced_vm_whose_node_comes_back_with_it_is_readopted),
        cmocka_unit_test(an_inventory_newer_than_the_state_is_not_destroyed),
        cmocka_unit_test(a_lost_vm_starts_again_only_where_its_policy_says_so),
        cmocka_unit_test(a_stop_that_was_asked_for_is_pending_until_it_is_reported),
        cmocka_unit_test(placement_takes_the_emptiest_fit_node),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
