#include "tests/support/test.h"

#include "nodeagent/launcher/fence.h"

enum { NOW = 100000, PREPARE = 5000, FENCE = 2000, LEASE = 1000 };

static const struct digest vm = {{1}};

static struct fence fence_new(void)
{
    struct fence fence;

    fence_start(&fence, &vm, 1, NOW + PREPARE, FENCE);
    return fence;
}

static const struct lease_mark lease = {7, NOW - 100};

static enum fence_signal grant_with(struct fence *fence, uint64_t generation, uint64_t deadline_ms,
                                    uint64_t now_ms, enum on_lost_lease action)
{
    const struct run_grant given = {.vm = vm,
                                    .generation = generation,
                                    .registration = lease.registration,
                                    .deadline_ms = deadline_ms - lease.renewed_ms,
                                    .action = action};

    return fence_grant(fence, &given, &lease, now_ms);
}

static enum fence_signal grant(struct fence *fence, uint64_t generation, uint64_t deadline_ms,
                               uint64_t now_ms)
{
    return grant_with(fence, generation, deadline_ms, now_ms, ON_LOST_LEASE_STOP);
}

static void a_vm_without_a_grant_is_killed_when_its_time_to_prepare_is_over(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    assert_int_equal(fence_next_ms(&fence), NOW + PREPARE);
    assert_int_equal(fence_tick(&fence, NOW + PREPARE - 1), FENCE_NO_SIGNAL);
    assert_int_equal(fence_tick(&fence, NOW + PREPARE), FENCE_KILL);
    assert_int_equal(fence.state, VM_KILLED);
}

static void a_guest_that_runs_without_a_grant_is_stopped(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    assert_int_equal(fence_resumed(&fence), FENCE_STOP);
    assert_int_equal(fence.state, VM_FROZEN);
    assert_int_equal(fence_next_ms(&fence), UINT64_MAX);
}

static void a_guest_that_resumes_after_it_was_settled_is_stopped(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    assert_int_equal(grant(&fence, 1, NOW + LEASE, NOW), FENCE_CONTINUE);
    assert_int_equal(fence_resumed(&fence), FENCE_NO_SIGNAL);
    assert_ok(fence_settle(&fence));
    assert_int_equal(fence_resumed(&fence), FENCE_STOP);
    assert_int_equal(fence.state, VM_FROZEN);
    assert_true(fence.record.is_used_up);
}

static void a_deadline_stops_and_the_fence_time_kills(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    assert_int_equal(fence_next_ms(&fence), NOW + LEASE);
    assert_int_equal(fence_tick(&fence, NOW + LEASE - 1), FENCE_NO_SIGNAL);
    assert_int_equal(fence_tick(&fence, NOW + LEASE), FENCE_STOP);
    assert_int_equal(fence.state, VM_STOPPED);
    assert_int_equal(fence_next_ms(&fence), NOW + LEASE + FENCE);
    assert_int_equal(fence_tick(&fence, NOW + LEASE + FENCE - 1), FENCE_NO_SIGNAL);
    assert_int_equal(fence_tick(&fence, NOW + LEASE + FENCE), FENCE_KILL);
    assert_int_equal(fence_next_ms(&fence), UINT64_MAX);
}

static void the_fence_time_counts_from_the_deadline_however_late_we_wake(void **state)
{
    struct fence fence = fence_new(), sleeper = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    assert_int_equal(fence_tick(&fence, NOW + LEASE + FENCE / 2), FENCE_STOP);
    assert_int_equal(fence_next_ms(&fence), NOW + LEASE + FENCE);
    (void)grant(&sleeper, 1, NOW + LEASE, NOW);
    assert_int_equal(fence_tick(&sleeper, NOW + 10 * LEASE + FENCE), FENCE_KILL);
}

static void a_vm_whose_policy_says_pause_is_stopped_and_never_killed(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    (void)grant_with(&fence, 1, NOW + LEASE, NOW, ON_LOST_LEASE_PAUSE);
    assert_int_equal(fence_tick(&fence, NOW + LEASE), FENCE_STOP);
    assert_int_equal(fence_next_ms(&fence), UINT64_MAX);
    assert_int_equal(fence_tick(&fence, UINT64_MAX - 1), FENCE_NO_SIGNAL);
}

static void a_renewed_lease_moves_the_deadline_and_lets_a_stopped_vm_go_on(void **state)
{
    const struct lease_mark renewed = {lease.registration, lease.renewed_ms + 3 * LEASE};
    const struct lease_mark other = {lease.registration + 1, lease.renewed_ms + 3 * LEASE};
    struct fence fence = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    assert_int_equal(fence_tick(&fence, NOW + LEASE), FENCE_STOP);
    assert_int_equal(fence_renew(&fence, &other, NOW + LEASE), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_STOPPED);
    assert_int_equal(fence_renew(&fence, &renewed, NOW + LEASE), FENCE_CONTINUE);
    assert_int_equal(fence.state, VM_RUNNING);
    assert_int_equal(fence_next_ms(&fence), NOW + 4 * LEASE);
}

static void a_renewed_lease_lets_nothing_go_on_that_waits_for_a_grant(void **state)
{
    const struct lease_mark renewed = {lease.registration, lease.renewed_ms + LEASE};
    struct fence fence = fence_new();
    enum fence_signal signal;

    (void)state;
    assert_int_equal(fence_renew(&fence, &renewed, NOW), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_PREPARING);
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    assert_ok(fence_settle(&fence));
    assert_int_equal(fence_renew(&fence, &renewed, NOW), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_SETTLING);
    assert_ok(fence_freeze(&fence, &signal));
    assert_int_equal(fence_renew(&fence, &renewed, NOW), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_FROZEN);
    (void)fence_destroy(&fence);
    assert_int_equal(fence_renew(&fence, &renewed, NOW), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_KILLED);
}

static void a_later_deadline_lets_a_stopped_vm_go_on(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    (void)fence_tick(&fence, NOW + LEASE);
    assert_int_equal(grant(&fence, 1, NOW + 3 * LEASE, NOW + LEASE + 1), FENCE_CONTINUE);
    assert_int_equal(fence.state, VM_RUNNING);
    assert_int_equal(fence_next_ms(&fence), NOW + 3 * LEASE);
}

static void a_grant_that_has_expired_when_it_is_taken_does_not_let_it_run(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    (void)fence_tick(&fence, NOW + LEASE);
    assert_int_equal(grant(&fence, 1, NOW + LEASE + 1, NOW + LEASE + 1), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_STOPPED);
}

static void a_settled_vm_is_frozen_at_the_deadline_and_never_killed(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    assert_ok(fence_settle(&fence));
    assert_int_equal(fence_tick(&fence, NOW + LEASE), FENCE_STOP);
    assert_int_equal(fence.state, VM_FROZEN);
    assert_int_equal(fence_next_ms(&fence), UINT64_MAX);
}

static void what_does_not_run_cannot_be_settled(void **state)
{
    struct fence fence = fence_new();

    (void)state;
    assert_status(fence_settle(&fence), STATUS_CONFLICT);
    (void)grant(&fence, 1, NOW + LEASE, NOW);
    (void)fence_tick(&fence, NOW + LEASE);
    assert_status(fence_settle(&fence), STATUS_CONFLICT);
}

static void a_frozen_source_needs_a_newer_generation_a_frozen_destination_does_not(void **state)
{
    struct fence source = fence_new(), destination = fence_new();
    enum fence_signal signal;

    (void)state;
    (void)grant(&source, 1, NOW + LEASE, NOW);
    assert_ok(fence_freeze(&source, &signal));
    assert_int_equal(signal, FENCE_STOP);
    assert_true(source.record.is_used_up);
    assert_ok(fence_freeze(&destination, &signal));
    assert_int_equal(signal, FENCE_STOP);
    assert_false(destination.record.is_used_up);
    /* Once is enough. */
    assert_ok(fence_freeze(&destination, &signal));
    assert_int_equal(signal, FENCE_NO_SIGNAL);
    assert_int_equal(grant(&destination, 2, NOW + LEASE, NOW), FENCE_CONTINUE);
}

static void a_killed_vm_is_beyond_every_grant(void **state)
{
    struct fence fence = fence_new();
    enum fence_signal signal;

    (void)state;
    assert_int_equal(fence_destroy(&fence), FENCE_KILL);
    assert_int_equal(grant(&fence, 9, NOW + LEASE, NOW), FENCE_NO_SIGNAL);
    assert_int_equal(fence.state, VM_KILLED);
    assert_status(fence_freeze(&fence, &signal), STATUS_CONFLICT);
    assert_int_equal(fence_tick(&fence, UINT64_MAX - 1), FENCE_NO_SIGNAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_vm_without_a_grant_is_killed_when_its_time_to_prepare_is_over),
        cmocka_unit_test(a_guest_that_runs_without_a_grant_is_stopped),
        cmocka_unit_test(a_guest_that_resumes_after_it_was_settled_is_stopped),
        cmocka_unit_test(a_deadline_stops_and_the_fence_time_kills),
        cmocka_unit_test(the_fence_time_counts_from_the_deadline_however_late_we_wake),
        cmocka_unit_test(a_vm_whose_policy_says_pause_is_stopped_and_never_killed),
        cmocka_unit_test(a_renewed_lease_moves_the_deadline_and_lets_a_stopped_vm_go_on),
        cmocka_unit_test(a_renewed_lease_lets_nothing_go_on_that_waits_for_a_grant),
        cmocka_unit_test(a_later_deadline_lets_a_stopped_vm_go_on),
        cmocka_unit_test(a_grant_that_has_expired_when_it_is_taken_does_not_let_it_run),
        cmocka_unit_test(a_settled_vm_is_frozen_at_the_deadline_and_never_killed),
        cmocka_unit_test(what_does_not_run_cannot_be_settled),
        cmocka_unit_test(a_frozen_source_needs_a_newer_generation_a_frozen_destination_does_not),
        cmocka_unit_test(a_killed_vm_is_beyond_every_grant),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
