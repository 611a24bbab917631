/* Grants, fences and deaths on a real launcher and real QEMU. */
#include "tests/support/node_world.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- fences --- */

static void a_vm_whose_grant_expires_is_stopped_and_then_killed(void **state)
{
    struct world *world = *state;

    world_start_and_run(world);
    /* A newer generation shortens the time. */
    assert_ok(world_grant(world, 2, 500));
    process_wait_state(&world->loop, world->vm.qemu, "T", 3000);
    node_expect_state(&world->node, VM_STOPPED);
    process_wait_state(&world->loop, world->vm.qemu, "-Z", 700 + 1500);
    node_expect_gone(&world->node);
    assert_true(world->node.last_notice.was_killed);
}

static void neither_a_stopped_agent_nor_a_stopped_qemu_holds_up_the_fence(void **state)
{
    struct world *world = *state;
    pid_t stub = process_child_named(world->node.launcher, "agent_stub");

    world_start_and_run(world);
    /* A newer generation shortens the time. */
    assert_ok(world_grant(world, 2, 500));
    assert_int_equal(kill(stub, SIGSTOP), 0);
    assert_int_equal(kill(world->vm.qemu, SIGSTOP), 0);
    /* The test, being the agent, does not run its loop either. */
    for (unsigned i = 0;
         i < 40 && process_state(world->vm.qemu) && process_state(world->vm.qemu) != 'Z'; i++) {
        (void)usleep(100000);
    }
    assert_true(process_state(world->vm.qemu) == 0 || process_state(world->vm.qemu) == 'Z');
    assert_int_equal(kill(stub, SIGCONT), 0);
}

static void a_renewed_grant_lets_a_stopped_vm_go_on(void **state)
{
    struct world *world = *state;
    unsigned count;

    world_start_and_run(world);
    count = node_vm_wait_count(&world->vm, 1);
    /* A newer generation may shorten the time. */
    assert_ok(world_grant(world, 2, 100));
    process_wait_state(&world->loop, world->vm.qemu, "T", 2000);
    assert_ok(world_grant(world, 2, WORLD_LONG_MS));
    (void)node_vm_wait_count(&world->vm, count);
    assert_refused(world_grant(world, 1, WORLD_LONG_MS), world->node.refusal, REFUSAL_GENERATION);
}

static void a_vm_whose_policy_says_pause_waits_for_the_lease_and_goes_on_with_it(void **state)
{
    struct world *world = *state;
    struct node *node = &world->node;
    unsigned count;

    world_start_and_run(world);
    count = node_vm_wait_count(&world->vm, 1);
    assert_ok(node_lease(node, NODE_REGISTRATION));
    assert_ok(node_grant(node, &world->vm_id, 2, NODE_REGISTRATION, 500, ON_LOST_LEASE_PAUSE));
    process_wait_state(&world->loop, world->vm.qemu, "T", 2000);
    loop_run_for(&world->loop, 1500);
    assert_int_equal(process_state(world->vm.qemu), 'T');
    /* No new grant: the renewal of the lease is enough, again and again. */
    for (unsigned i = 0; i < 4; i++) {
        assert_ok(node_lease(node, NODE_REGISTRATION));
        loop_run_for(&world->loop, 200);
        assert_true(process_state(world->vm.qemu) != 'T');
    }
    assert_ok(world_grant(world, 3, WORLD_LONG_MS));
    (void)node_vm_wait_count(&world->vm, count);
}

static void a_frozen_vm_goes_on_only_under_a_newer_grant(void **state)
{
    struct world *world = *state;
    unsigned count;

    world_start_and_run(world);
    count = node_vm_wait_count(&world->vm, 1);
    assert_ok(node_ask(&world->node, LAUNCHER_FREEZE, &world->vm_id));
    process_wait_state(&world->loop, world->vm.qemu, "T", 1000);
    assert_refused(world_grant(world, 1, WORLD_LONG_MS), world->node.refusal, REFUSAL_GENERATION);
    assert_int_equal(process_state(world->vm.qemu), 'T');
    assert_ok(world_grant(world, 2, WORLD_LONG_MS));
    (void)node_vm_wait_count(&world->vm, count);
}

static void a_settled_guest_that_is_resumed_is_stopped(void **state)
{
    struct world *world = *state;

    world_start_and_run(world);
    world->vm.done = false;
    qmp_execute(vm_qmp(world->vm.vm), "stop", NULL, -1, 5000, NULL, NULL);
    assert_ok(node_ask(&world->node, LAUNCHER_SETTLE, &world->vm_id));
    assert_string_equal(node_vm_state(&world->vm), "paused");
    qmp_execute(vm_qmp(world->vm.vm), "cont", NULL, -1, 5000, NULL, NULL);
    process_wait_state(&world->loop, world->vm.qemu, "T", 2000);
    assert_refused(world_grant(world, 1, WORLD_LONG_MS), world->node.refusal, REFUSAL_GENERATION);
    assert_ok(world_grant(world, 2, WORLD_LONG_MS));
    process_wait_state(&world->loop, world->vm.qemu, "SR", 2000);
}

/* --- deaths --- */

static void killing_the_launcher_kills_its_vms(void **state)
{
    struct world *world = *state;

    world_start_and_run(world);
    assert_int_equal(kill(world->node.launcher, SIGKILL), 0);
    process_wait_state(&world->loop, world->vm.qemu, "-Z", 2000);
    loop_wait(&world->loop, &world->node.closed, NODE_PATIENCE_MS);
}

static void a_qemu_that_dies_is_reported_with_the_reason(void **state)
{
    struct world *world = *state;

    world_start_and_run(world);
    assert_int_equal(kill(world->vm.qemu, SIGKILL), 0);
    node_expect_gone(&world->node);
    assert_false(world->node.last_notice.was_killed);
    assert_non_null(strstr(world->node.last_notice.detail, "signal 9"));
    assert_true(world->vm.closed);
}

static void a_new_agent_finds_the_vm_running_and_speaks_to_it(void **state)
{
    struct world *world = *state;
    struct node *node = &world->node;
    pid_t stub = process_child_named(node->launcher, "agent_stub");
    pid_t qemu;
    unsigned count;
    int copy;

    world_start_and_run(world);
    qemu = world->vm.qemu;
    count = node_vm_wait_count(&world->vm, 1);
    /* The old agent dies in the middle of a command, and without reading the answer to another. */
    copy = fcntl(world->vm.fds[VM_FD_QMP], F_DUPFD_CLOEXEC, 100);
    assert_int_equal(write(copy, "{\"execute\": \"query-status\", \"id\": 5}{\"exec", 43), 43);
    (void)close(copy);
    node_vm_close(&world->vm);
    world->has_vm = false;
    assert_int_equal(kill(stub, SIGKILL), 0);
    node_accept_agent(node);
    assert_int_equal(process_state(qemu) == 'T', 0);
    assert_ok(node_lease(node, NODE_REGISTRATION + 1));
    assert_ok(node_ask(node, LAUNCHER_LIST, NULL));
    assert_int_equal(node->inventory_count, 1);
    assert_int_equal(node->inventory[0].state, VM_RUNNING);
    assert_int_equal(node->inventory[0].generation, 1);
    assert_int_equal(node->inventory[0].registration, NODE_REGISTRATION);
    assert_true(node->inventory[0].has_run);
    node_vm_open(&world->vm, node, &world->vm_id, node->inventory_fds[0], QMP_RESUMED);
    world->has_vm = true;
    assert_int_equal(world->vm.qemu, qemu);
    assert_string_equal(node_vm_state(&world->vm), "running");
    (void)node_vm_wait_count(&world->vm, count);
    /* Grants for the old registration are worth nothing any more. */
    assert_refused(
        node_grant(node, &world->vm_id, 2, NODE_REGISTRATION, WORLD_LONG_MS, ON_LOST_LEASE_STOP),
        node->refusal, REFUSAL_REGISTRATION);
    assert_ok(node_grant(node, &world->vm_id, 2, NODE_REGISTRATION + 1, WORLD_LONG_MS,
                         ON_LOST_LEASE_STOP));
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, world_open, world_close)
    const struct CMUnitTest tests[] = {
        CASE(a_vm_whose_grant_expires_is_stopped_and_then_killed),
        CASE(neither_a_stopped_agent_nor_a_stopped_qemu_holds_up_the_fence),
        CASE(a_renewed_grant_lets_a_stopped_vm_go_on),
        CASE(a_vm_whose_policy_says_pause_waits_for_the_lease_and_goes_on_with_it),
        CASE(a_frozen_vm_goes_on_only_under_a_newer_grant),
        CASE(a_settled_guest_that_is_resumed_is_stopped),
        CASE(killing_the_launcher_kills_its_vms),
        CASE(a_qemu_that_dies_is_reported_with_the_reason),
        CASE(a_new_agent_finds_the_vm_running_and_speaks_to_it),
    };
#undef CASE

    if (geteuid() != 0) {
        printf("1..0 # SKIP the launcher needs root\n");
        return 0;
    }
    if (getenv("TCCP_TEST_FILTER")) {
        cmocka_set_test_filter(getenv("TCCP_TEST_FILTER"));
    }
    return cmocka_run_group_tests(tests, world_group_open, world_group_close);
}
