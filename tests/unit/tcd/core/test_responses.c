/* What becomes of a VM whose node is quarantined or revoked, by its policy (docs/PROTOCOL.md,
 * section 5). */
#include "tcd/core/pending.h"
#include "tests/support/core_fixture.h"
#include "tests/support/test.h"

#include <string.h>

#define assert_verdict(call, expected)                                                             \
    assert_string_equal(refusal_name(call), refusal_name(expected))

static enum refusal_code launch(struct fixture *fixture, enum quarantine_response response)
{
    struct command command = fixture_launch(fixture, 1, 0);

    command.launch_authorized.policy.on_quarantine = response;
    return fixture_do(fixture, &command);
}

static enum refusal_code do_vm(struct fixture *fixture, enum command_kind kind)
{
    struct command command = fixture_vm_command(fixture, kind, 1);

    return fixture_do(fixture, &command);
}

static enum refusal_code do_node(struct fixture *fixture, enum command_kind kind, unsigned node)
{
    struct command command = fixture_node_command(fixture, kind, node);

    if (kind == COMMAND_NODE_QUARANTINED) {
        strcpy(command.node_quarantined.reason, "pcr-not-allowed");
        strcpy(command.node_quarantined.detail, "PCR 9");
    }
    return fixture_do(fixture, &command);
}

/* Three nodes; VM 1 runs on node 0 under this policy. */
static void start(struct fixture *fixture, enum quarantine_response response)
{
    fixture_start(fixture, 3);
    for (unsigned i = 0; i < 3; i++) {
        fixture_register(fixture, i);
    }
    assert_verdict(launch(fixture, response), REFUSAL_NONE);
    fixture_grant(fixture, 1);
    assert_verdict(do_vm(fixture, COMMAND_LAUNCHED), REFUSAL_NONE);
}

static const struct vm *vm(const struct fixture *fixture)
{
    return fixture_vm(fixture, 1);
}

/* The only thing that is pending, and for which node. */
static void assert_pending(const struct fixture *fixture, enum pending_kind kind, unsigned node)
{
    struct pending pending[PENDING_COUNT_MAX];
    size_t count = pending_of_vm(fixture->registry, vm(fixture), pending);

    assert_int_equal(count, 1);
    assert_string_equal(pending_kind_name(pending[0].kind), pending_kind_name(kind));
    assert_ptr_equal(pending[0].node, fixture_node(fixture, node));
}

static void assert_nothing_pending(const struct fixture *fixture)
{
    struct pending pending[PENDING_COUNT_MAX];

    assert_int_equal(pending_of_vm(fixture->registry, vm(fixture), pending), 0);
}

static bool leaf_has(const struct fixture *fixture, const char *text)
{
    struct view leaf = fixture->outcome.leaves[0];

    return memmem(leaf.data, leaf.size, text, strlen(text)) != NULL;
}

static void a_grant_is_not_withdrawn_from_a_good_node(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_WRONG_STATE);
    fixture_stop(&fixture);
}

static void a_grant_is_not_withdrawn_where_the_policy_says_otherwise(void **state)
{
    static const enum quarantine_response responses[] = {QUARANTINE_FENCE, QUARANTINE_STOP};
    struct fixture fixture;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
        start(&fixture, responses[i]);
        assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
        assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_WRONG_STATE);
        fixture_stop(&fixture);
    }
}

static void a_grant_is_withdrawn_from_its_owner_only(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 1), REFUSAL_NONE);
    command = fixture_vm_command_at(&fixture, COMMAND_GRANT_WITHDRAWN, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_REGISTRATION);
    fixture_stop(&fixture);
}

static void without_a_word_in_the_policy_it_goes_on_until_its_fence(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_FENCE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_nothing_pending(&fixture);
    fixture_expire(&fixture, 0);
    assert_pending(&fixture, PENDING_FENCE, 0);
    fixture_stop(&fixture);
}

static void a_paused_vm_gets_no_key_no_grant_and_no_migration(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_ISSUED), REFUSAL_WRONG_STATE);
    assert_verdict(do_vm(&fixture, COMMAND_KEY_REISSUED), REFUSAL_WRONG_STATE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_WRONG_STATE);
    assert_verdict(do_vm(&fixture, COMMAND_RESTART_AUTHORIZED), REFUSAL_WRONG_STATE);
    command = fixture_migration(&fixture, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_WRONG_STATE);
    fixture_stop(&fixture);
}

static void a_pause_withdraws_the_grant_and_is_told_until_the_node_is_good(void **state)
{
    struct fixture fixture;
    uint64_t generation;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    generation = vm(&fixture)->generation;
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_WITHDRAW, 0);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    assert_true(leaf_has(&fixture, ": pcr-not-allowed"));
    assert_false(leaf_has(&fixture, "node-0"));
    assert_string_equal(vm_state_name(vm(&fixture)->state), "paused");
    assert_int_equal(vm(&fixture)->generation, generation + 1);
    assert_non_null(strstr(vm(&fixture)->detail, "quarantine of node "));
    assert_pending(&fixture, PENDING_PAUSE, 0);
    fixture_stop(&fixture);
}

static void after_a_good_registration_a_paused_vm_goes_on(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    fixture_register(&fixture, 0);
    assert_pending(&fixture, PENDING_READOPT, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_READOPTED), REFUSAL_NONE);
    assert_string_equal(vm(&fixture)->detail, "");
    assert_pending(&fixture, PENDING_GRANT, 0);
    fixture_grant(&fixture, 1);
    assert_pending(&fixture, PENDING_RESUME, 0);
    assert_verdict(do_vm(&fixture, COMMAND_RESUMED), REFUSAL_NONE);
    assert_string_equal(vm_state_name(vm(&fixture)->state), "running");
    fixture_stop(&fixture);
}

static void a_paused_vm_is_fenced_when_its_node_does_not_come_back(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    fixture_expire(&fixture, 0);
    assert_pending(&fixture, PENDING_FENCE, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_FENCED), REFUSAL_NONE);
    assert_string_equal(vm_state_name(vm(&fixture)->state), "lost");
    fixture_stop(&fixture);
}

static void a_paused_vm_may_be_stopped(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_PAUSE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOP_REQUESTED), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_STOP, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED), REFUSAL_NONE);
    fixture_stop(&fixture);
}

static void a_stop_is_ordered_and_says_why(void **state)
{
    struct fixture fixture;

    (void)state;
    start(&fixture, QUARANTINE_STOP);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_STOP, 0);
    assert_verdict(do_vm(&fixture, COMMAND_VM_STOPPED), REFUSAL_NONE);
    assert_true(leaf_has(&fixture, "quarantine of node "));
    assert_non_null(strstr(vm(&fixture)->detail, "quarantine of node "));
    fixture_stop(&fixture);
}

static void what_has_not_begun_is_stopped(void **state)
{
    struct fixture fixture;

    (void)state;
    fixture_start(&fixture, 3);
    fixture_register(&fixture, 0);
    assert_verdict(launch(&fixture, QUARANTINE_PAUSE), REFUSAL_NONE);
    fixture_grant(&fixture, 1);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_WRONG_STATE);
    assert_pending(&fixture, PENDING_STOP, 0);
    fixture_stop(&fixture);
}

static void a_vm_leaves_a_quarantined_node_where_its_policy_says_so(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_MIGRATE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_EVACUATE, 1);
    command = fixture_migration(&fixture, 1, 1);
    memset(&command.actor, 0, sizeof command.actor);
    strcpy(command.vm.detail,
           registry_response_cause(vm(&fixture), fixture_node(&fixture, 0)).text);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_true(leaf_has(&fixture, "quarantine of node "));
    assert_non_null(strstr(vm(&fixture)->detail, ": pcr-not-allowed"));
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_SOURCE);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command =
        fixture_migration_command(&fixture, COMMAND_MIGRATION_REPORTED, 1, MIGRATION_DESTINATION);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_DONE, 1);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 1, MIGRATION_SOURCE);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_GRANT, 1);
    fixture_stop(&fixture);
}

static void a_migration_that_failed_comes_down_to_a_pause(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_MIGRATE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    command = fixture_migration(&fixture, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    command = fixture_migration_command(&fixture, COMMAND_MIGRATION_ABORTED, 1, MIGRATION_SOURCE);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    {
        struct pending pending[PENDING_COUNT_MAX];

        assert_true(pending_of_vm(fixture.registry, vm(&fixture), pending) >= 1);
        assert_string_equal(pending_kind_name(pending[0].kind), "withdraw");
    }
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    assert_string_equal(vm_state_name(vm(&fixture)->state), "paused");
    fixture_stop(&fixture);
}

static void without_a_place_to_go_it_is_paused(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_MIGRATE);
    for (unsigned node = 1; node < 3; node++) {
        command = fixture_node_command(&fixture, COMMAND_NODE_CORDONED, node);
        command.node_cordoned.cordoned = true;
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NONE);
    }
    assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_WITHDRAW, 0);
    fixture_stop(&fixture);
}

static void nothing_leaves_a_revoked_node(void **state)
{
    struct fixture fixture;
    struct command command;

    (void)state;
    start(&fixture, QUARANTINE_MIGRATE);
    assert_verdict(do_node(&fixture, COMMAND_NODE_REVOKED, 0), REFUSAL_NONE);
    assert_pending(&fixture, PENDING_WITHDRAW, 0);
    command = fixture_migration(&fixture, 1, 1);
    assert_verdict(fixture_do(&fixture, &command), REFUSAL_NODE_REVOKED);
    assert_verdict(do_vm(&fixture, COMMAND_GRANT_WITHDRAWN), REFUSAL_NONE);
    assert_non_null(strstr(vm(&fixture)->detail, "revocation of node "));
    fixture_stop(&fixture);
}

/* The customer wants nothing to go on that was in the hands of a bad node. */
static void a_migration_under_way_is_aborted_where_the_policy_says_pause_or_stop(void **state)
{
    static const enum quarantine_response responses[] = {QUARANTINE_PAUSE, QUARANTINE_STOP};
    struct fixture fixture;
    struct command command;

    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(responses); i++) {
        start(&fixture, responses[i]);
        fixture_migrate(&fixture, 1, 1);
        assert_pending(&fixture, PENDING_DONE, 1);
        assert_verdict(do_node(&fixture, COMMAND_NODE_QUARANTINED, 0), REFUSAL_NONE);
        assert_pending(&fixture, PENDING_ABORT, 0);
        command = fixture_migration_command(&fixture, COMMAND_MIGRATION_DONE, 1, MIGRATION_SOURCE);
        assert_verdict(fixture_do(&fixture, &command), REFUSAL_NODE_QUARANTINED);
        fixture_stop(&fixture);
    }
}

static void a_policy_that_moves_what_may_not_migrate_is_no_policy(void **state)
{
    struct fixture fixture;
    struct command command, *decoded = NULL;
    struct bytes bytes = {0};

    (void)state;
    fixture_start(&fixture, 1);
    fixture_register(&fixture, 0);
    command = fixture_launch(&fixture, 1, 0);
    command.launch_authorized.policy.on_quarantine = QUARANTINE_MIGRATE;
    command.launch_authorized.policy.may_migrate = false;
    assert_ok(command_encode(&command, &bytes));
    assert_int_equal(command_decode(bytes_view(&bytes), &decoded), STATUS_MALFORMED);
    bytes_free(&bytes);
    fixture_stop(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_grant_is_not_withdrawn_from_a_good_node),
        cmocka_unit_test(a_grant_is_not_withdrawn_where_the_policy_says_otherwise),
        cmocka_unit_test(a_grant_is_withdrawn_from_its_owner_only),
        cmocka_unit_test(a_paused_vm_gets_no_key_no_grant_and_no_migration),
        cmocka_unit_test(nothing_leaves_a_revoked_node),
        cmocka_unit_test(a_policy_that_moves_what_may_not_migrate_is_no_policy),
        cmocka_unit_test(without_a_word_in_the_policy_it_goes_on_until_its_fence),
        cmocka_unit_test(a_pause_withdraws_the_grant_and_is_told_until_the_node_is_good),
        cmocka_unit_test(after_a_good_registration_a_paused_vm_goes_on),
        cmocka_unit_test(a_paused_vm_is_fenced_when_its_node_does_not_come_back),
        cmocka_unit_test(a_paused_vm_may_be_stopped),
        cmocka_unit_test(a_stop_is_ordered_and_says_why),
        cmocka_unit_test(what_has_not_begun_is_stopped),
        cmocka_unit_test(a_vm_leaves_a_quarantined_node_where_its_policy_says_so),
        cmocka_unit_test(a_migration_that_failed_comes_down_to_a_pause),
        cmocka_unit_test(without_a_place_to_go_it_is_paused),
        cmocka_unit_test(a_migration_under_way_is_aborted_where_the_policy_says_pause_or_stop),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
