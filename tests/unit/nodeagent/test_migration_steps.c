/* The step machine alone: the order of things, then random worlds in which everything fails. */
#include "tests/support/test.h"

#include "nodeagent/migration_steps.h"

#include <stdlib.h>

enum { NOW = 1000, LIFETIME = 60000 };

/* --- the order of things --- */

static enum migration_action done(struct migration_steps *steps, uint64_t now)
{
    const struct migration_input input = {.kind = MIGRATION_DONE};

    return migration_steps_take(steps, &input, now);
}

static enum migration_action failed(struct migration_steps *steps, uint64_t now)
{
    const struct migration_input input = {.kind = MIGRATION_FAILED_IT, .reason = "no"};

    return migration_steps_take(steps, &input, now);
}

static enum migration_action status(struct migration_steps *steps, enum migration_state state,
                                    unsigned passes, uint64_t left_ms, uint64_t now)
{
    const struct migration_input input = {.kind = MIGRATION_STATUS,
                                          .is_answer = steps->action == MIGRATION_ASK,
                                          .state = state,
                                          .passes = passes,
                                          .left_ms = left_ms};

    return migration_steps_take(steps, &input, now);
}

static enum migration_action simple(struct migration_steps *steps, enum migration_input_kind kind,
                                    uint64_t now)
{
    const struct migration_input input = {.kind = kind};

    return migration_steps_take(steps, &input, now);
}

/* A source that copies. */
static void start_source(struct migration_steps *steps)
{
    assert_int_equal(migration_steps_start(steps, MIGRATION_SOURCE, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(done(steps, NOW), MIGRATION_MIGRATE);
    assert_int_equal(done(steps, NOW), MIGRATION_NOTHING);
}

static void a_migration_that_works_goes_in_this_order(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(simple(&steps, MIGRATION_TIME, NOW + MIGRATION_ASK_INTERVAL_MS),
                     MIGRATION_ASK);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 1, 5, NOW + 60), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 2, MIGRATION_DOWNTIME_MS + 1, NOW + 70),
                     MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 2, MIGRATION_DOWNTIME_MS, NOW + 80),
                     MIGRATION_STOP);
    assert_int_equal(done(&steps, NOW + 90), MIGRATION_SETTLE);
    /* What QEMU says meanwhile is kept. */
    assert_int_equal(status(&steps, MIGRATION_STATE_PRE_SWITCHOVER, 0, 0, NOW + 95),
                     MIGRATION_NOTHING);
    assert_int_equal(done(&steps, NOW + 100), MIGRATION_CONTINUE);
    assert_int_equal(done(&steps, NOW + 110), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_COMPLETED, 0, 0, NOW + 120),
                     MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW + 130), MIGRATION_FREEZE);
    assert_int_equal(done(&steps, NOW + 140), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_FROZEN);
    assert_true(steps.is_complete);
    assert_string_equal(steps.reason, "");

    assert_int_equal(migration_steps_start(&steps, MIGRATION_DESTINATION, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(done(&steps, NOW), MIGRATION_LISTEN);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 0, 0, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_COMPLETED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_LOADED);
}

/* Where writes are not tracked reliably, none may happen while memory is read. */
static void a_guest_that_is_stopped_first_is_settled_before_anything_is_sent(void **state)
{
    struct migration_steps steps;

    (void)state;
    assert_int_equal(migration_steps_start(&steps, MIGRATION_SOURCE, true, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(done(&steps, NOW), MIGRATION_STOP);
    assert_int_equal(done(&steps, NOW), MIGRATION_SETTLE);
    assert_int_equal(done(&steps, NOW), MIGRATION_MIGRATE);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 2, 0, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_PRE_SWITCHOVER, 0, 0, NOW), MIGRATION_CONTINUE);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_COMPLETED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_FROZEN);
    assert_true(steps.is_complete);
}

static void one_that_is_called_off_while_it_prepares_stops_no_guest(void **state)
{
    struct migration_steps steps;

    (void)state;
    assert_int_equal(migration_steps_start(&steps, MIGRATION_SOURCE, true, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(simple(&steps, MIGRATION_STOP_IT, NOW), MIGRATION_NOTHING);
    assert_int_equal(done(&steps, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);

    assert_int_equal(migration_steps_start(&steps, MIGRATION_DESTINATION, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(simple(&steps, MIGRATION_STOP_IT, NOW), MIGRATION_NOTHING);
    assert_int_equal(done(&steps, NOW), MIGRATION_DESTROY);
}

/* Whatever fails from its stop on: it goes on under a newer grant only. */
static void a_guest_that_was_stopped_first_stays_frozen_when_it_fails(void **state)
{
    struct migration_steps steps;

    (void)state;
    for (unsigned step = 0; step < 4; step++) {
        assert_int_equal(migration_steps_start(&steps, MIGRATION_SOURCE, true, LIFETIME, NOW),
                         MIGRATION_PREPARE);
        (void)done(&steps, NOW);
        for (unsigned i = 0; i < step; i++) {
            (void)done(&steps, NOW);
        }
        if (step < 3) {
            (void)failed(&steps, NOW);
        } else {
            (void)status(&steps, MIGRATION_STATE_FAILED, 0, 0, NOW);
        }
        for (unsigned i = 0; i < 8 && steps.action != MIGRATION_FINISHED; i++) {
            (void)(steps.action == MIGRATION_NOTHING
                       ? status(&steps, MIGRATION_STATE_CANCELLED, 0, 0, NOW)
                       : done(&steps, NOW));
        }
        assert_int_equal(steps.action, MIGRATION_FINISHED);
        assert_int_equal(steps.outcome, MIGRATION_FROZEN);
        assert_false(steps.is_complete);
    }
}

/* The coordinator still holds to it; but not where it was told to end. */
static void a_ticket_that_comes_again_prolongs_what_is_not_to_end(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    migration_steps_extend(&steps, LIFETIME, NOW + LIFETIME / 2);
    assert_int_equal(simple(&steps, MIGRATION_TIME, NOW + LIFETIME), MIGRATION_ASK);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 0, 0, NOW + LIFETIME),
                     MIGRATION_NOTHING);
    assert_int_equal(simple(&steps, MIGRATION_TIME, NOW + LIFETIME + LIFETIME / 2),
                     MIGRATION_CANCEL);

    start_source(&steps);
    assert_int_equal(simple(&steps, MIGRATION_STOP_IT, NOW), MIGRATION_CANCEL);
    migration_steps_extend(&steps, LIFETIME, NOW);
    assert_true(steps.deadline_ms <= NOW);
}

static void a_source_that_fails_before_it_was_stopped_runs_on(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_FAILED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);
    assert_false(steps.is_complete);
    assert_string_not_equal(steps.reason, "");

    assert_int_equal(migration_steps_start(&steps, MIGRATION_SOURCE, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(failed(&steps, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);
}

static void a_source_that_fails_after_it_was_settled_stays_frozen(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 2, 0, NOW), MIGRATION_STOP);
    assert_int_equal(done(&steps, NOW), MIGRATION_SETTLE);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_FAILED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_FROZEN);
    assert_false(steps.is_complete);
}

static void nothing_goes_over_before_the_guest_is_settled(void **state)
{
    struct migration_steps steps;

    (void)state;
    /* QEMU was faster than we. */
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_PRE_SWITCHOVER, 2, 0, NOW), MIGRATION_SETTLE);
    assert_int_equal(done(&steps, NOW), MIGRATION_CONTINUE);
    /* The launcher refused: the switchover is called off. */
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_PRE_SWITCHOVER, 2, 0, NOW), MIGRATION_SETTLE);
    assert_int_equal(failed(&steps, NOW), MIGRATION_CANCEL);
}

static void a_stop_whose_outcome_is_unknown_counts_as_one(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 2, 0, NOW), MIGRATION_STOP);
    assert_int_equal(failed(&steps, NOW), MIGRATION_SETTLE);
    assert_int_equal(done(&steps, NOW), MIGRATION_CANCEL);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_CANCELLED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
}

static void a_guest_that_never_calms_down_is_stopped_at_half_time(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 40, 9000, NOW + LIFETIME / 2 - 1),
                     MIGRATION_ASK);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 41, 9000, NOW + LIFETIME / 2),
                     MIGRATION_STOP);
}

static void a_guest_that_cannot_be_sent_in_time_is_never_stopped(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 41, LIFETIME, NOW + LIFETIME / 2),
                     MIGRATION_ASK);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 80, 9000, NOW + LIFETIME - 10000),
                     MIGRATION_NOTHING);
    assert_int_equal(simple(&steps, MIGRATION_TIME, NOW + LIFETIME), MIGRATION_CANCEL);
    assert_int_equal(done(&steps, NOW + LIFETIME), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_CANCELLED, 0, 0, NOW + LIFETIME),
                     MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW + LIFETIME), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);
    /* One of which nothing was sent yet neither. */
    start_source(&steps);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 0, 0, NOW + LIFETIME / 2),
                     MIGRATION_ASK);
}

static void stopping_it_cancels_and_a_completion_that_came_first_counts(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(simple(&steps, MIGRATION_STOP_IT, NOW), MIGRATION_CANCEL);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_CANCELLED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);

    start_source(&steps);
    assert_int_equal(simple(&steps, MIGRATION_STOP_IT, NOW), MIGRATION_CANCEL);
    assert_int_equal(status(&steps, MIGRATION_STATE_COMPLETED, 0, 0, NOW), MIGRATION_NOTHING);
    assert_int_equal(done(&steps, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_FROZEN);
    assert_true(steps.is_complete);
}

static void a_destination_that_fails_is_destroyed(void **state)
{
    struct migration_steps steps;

    (void)state;
    assert_int_equal(migration_steps_start(&steps, MIGRATION_DESTINATION, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(done(&steps, NOW), MIGRATION_LISTEN);
    assert_int_equal(failed(&steps, NOW), MIGRATION_DESTROY);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(steps.outcome, MIGRATION_LOST);
    /* One that cannot be frozen is worth as little. */
    assert_int_equal(migration_steps_start(&steps, MIGRATION_DESTINATION, false, LIFETIME, NOW),
                     MIGRATION_PREPARE);
    assert_int_equal(done(&steps, NOW), MIGRATION_LISTEN);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_COMPLETED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(done(&steps, NOW), MIGRATION_FREEZE);
    assert_int_equal(failed(&steps, NOW), MIGRATION_DESTROY);
}

static void what_comes_late_or_unasked_changes_nothing(void **state)
{
    struct migration_steps steps;

    (void)state;
    start_source(&steps);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(failed(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(status(&steps, MIGRATION_STATE_FAILED, 0, 0, NOW), MIGRATION_CLEAN_UP);
    assert_int_equal(status(&steps, MIGRATION_STATE_ACTIVE, 0, 0, NOW), MIGRATION_NOTHING);
    assert_int_equal(steps.state, MIGRATION_STATE_FAILED);
    assert_int_equal(done(&steps, NOW), MIGRATION_FINISHED);
    assert_int_equal(done(&steps, NOW), MIGRATION_NOTHING);
    assert_int_equal(simple(&steps, MIGRATION_GONE, NOW), MIGRATION_NOTHING);
    assert_int_equal(steps.outcome, MIGRATION_RUNS_ON);
}

/* --- random worlds --- */

enum { SEEDS = 3000, TURNS_MAX = 5000, ACTION_MS_MAX = 10000 };

/* A QEMU, its guest and its launcher, as far as a source is concerned. */
struct world {
    uint32_t seed;
    uint64_t now;
    enum migration_state state;
    bool guest_runs, was_running, began, settled, frozen, broken, device_state_sent, is_gone;
    unsigned passes, fault_rate;
};

static uint32_t next_random(struct world *world)
{
    world->seed ^= world->seed << 13;
    world->seed ^= world->seed >> 17;
    world->seed ^= world->seed << 5;
    return world->seed;
}

static bool chance(struct world *world, unsigned one_in)
{
    return one_in && next_random(world) % one_in == 0;
}

/* QEMU gives up: it resumes a guest that it stopped itself. The launcher sees a guest that runs
 * though it was settled, and stops it. */
static void world_end(struct world *world, enum migration_state state)
{
    world->state = state;
    if (world->was_running && !world->frozen) {
        world->guest_runs = true;
    }
    if (world->settled && world->guest_runs) {
        world->frozen = true;
        world->guest_runs = false;
    }
}

static void world_turn(struct world *world)
{
    if (world->frozen || world->is_gone) {
        return;
    }
    if (world->state == MIGRATION_STATE_ACTIVE && !world->device_state_sent) {
        world->passes++;
        /* It switches over when nothing is left, or by itself now and then. */
        if ((!world->guest_runs && chance(world, 2)) || chance(world, 40)) {
            world->was_running = world->guest_runs;
            world->guest_runs = false;
            world->state = MIGRATION_STATE_PRE_SWITCHOVER;
        }
    } else if (world->state == MIGRATION_STATE_ACTIVE && chance(world, 2)) {
        world->state = MIGRATION_STATE_COMPLETED;
    }
    if ((world->state == MIGRATION_STATE_ACTIVE ||
         world->state == MIGRATION_STATE_PRE_SWITCHOVER) &&
        chance(world, world->fault_rate * 4)) {
        world_end(world, MIGRATION_STATE_FAILED);
    }
    if (chance(world, world->fault_rate * 40)) {
        world->is_gone = true;
        world->guest_runs = false;
    }
    if (chance(world, world->fault_rate * 20)) {
        world->broken = true; /* QEMU does not answer any more */
    }
}

/* Carries an action out; false: it fails (and may have had its effect all the same). */
static bool world_do(struct world *world, enum migration_action action)
{
    const bool is_launchers = action == MIGRATION_SETTLE || action == MIGRATION_FREEZE;
    bool works = !chance(world, world->fault_rate), has_effect = works || chance(world, 2);

    if (!is_launchers && (world->broken || world->frozen || world->is_gone)) {
        works = has_effect = false;
    }
    if (has_effect && action == MIGRATION_MIGRATE) {
        world->state = MIGRATION_STATE_ACTIVE;
        world->began = true;
    }
    if (has_effect && action == MIGRATION_STOP && world->guest_runs) {
        world->guest_runs = false;
    }
    if (action == MIGRATION_CONTINUE) {
        /* The rule that everything rests on. */
        assert_true(world->settled);
        if (has_effect && world->state == MIGRATION_STATE_PRE_SWITCHOVER) {
            world->state = MIGRATION_STATE_ACTIVE;
            world->device_state_sent = true;
        }
    }
    if (has_effect && action == MIGRATION_CANCEL && world->began &&
        world->state != MIGRATION_STATE_COMPLETED && world->state != MIGRATION_STATE_FAILED) {
        world_end(world, MIGRATION_STATE_CANCELLED);
    }
    if (is_launchers) {
        /* The launcher does what it is asked, or the VM is stopped already. */
        world->settled = true;
        if (action == MIGRATION_FREEZE) {
            world->frozen = true;
            world->guest_runs = false;
        }
        if (world->guest_runs) {
            /* Its witness: a guest that runs on is stopped. It resumed before, or stop failed. */
            world->frozen = true;
            world->guest_runs = false;
        }
    }
    world->now += next_random(world) % (works ? 20 : ACTION_MS_MAX);
    return works;
}

static void run(uint32_t seed)
{
    struct world world = {.seed = seed * 2654435761U + 1,
                          .now = NOW,
                          .guest_runs = true,
                          .fault_rate = seed % 4 == 0 ? 0 : 5 + seed % 60};
    struct migration_steps steps;
    enum migration_action action =
        migration_steps_start(&steps, MIGRATION_SOURCE, seed % 3 == 0, LIFETIME, world.now);
    unsigned turns = 0;

    while (action != MIGRATION_FINISHED) {
        struct migration_input input = {.kind = MIGRATION_TIME};

        assert_true(++turns < TURNS_MAX);
        world_turn(&world);
        if (world.is_gone) {
            input.kind = MIGRATION_GONE;
        } else if (action == MIGRATION_ASK) {
            bool answers = !world.broken && !world.frozen && !chance(&world, world.fault_rate);

            input =
                (struct migration_input){.kind = answers ? MIGRATION_STATUS : MIGRATION_FAILED_IT,
                                         .is_answer = true,
                                         .state = world.state,
                                         .passes = world.passes,
                                         .left_ms = next_random(&world) % 2000};
            world.now += answers ? next_random(&world) % 5 : 5000;
        } else if (action != MIGRATION_NOTHING) {
            input.kind = world_do(&world, action) ? MIGRATION_DONE : MIGRATION_FAILED_IT;
        } else if (chance(&world, world.fault_rate * 30)) {
            input.kind = MIGRATION_STOP_IT;
        } else if (chance(&world, 3) && !world.broken && !world.frozen) {
            input = (struct migration_input){.kind = MIGRATION_STATUS, .state = world.state};
        } else {
            uint64_t next = migration_steps_next_ms(&steps);

            assert_true(next != UINT64_MAX);
            world.now = next > world.now ? next : world.now;
        }
        action = migration_steps_take(&steps, &input, world.now);
    }
    assert_true(world.now <= NOW + LIFETIME + MIGRATION_CANCEL_GRACE_MS + 12 * ACTION_MS_MAX);
    switch (steps.outcome) {
    case MIGRATION_RUNS_ON:
        assert_false(world.settled);
        assert_false(world.device_state_sent);
        assert_false(steps.is_complete);
        break;
    case MIGRATION_FROZEN:
        assert_true(world.settled);
        assert_false(world.guest_runs);
        if (steps.is_complete) {
            assert_int_equal(world.state, MIGRATION_STATE_COMPLETED);
        }
        break;
    case MIGRATION_LOST:
        assert_true(world.is_gone);
        break;
    case MIGRATION_LOADED:
        fail();
        break;
    }
    if (world.fault_rate == 0) {
        assert_int_equal(steps.outcome, MIGRATION_FROZEN);
        assert_true(steps.is_complete);
    }
}

static void in_every_world_a_source_runs_unsettled_or_ends_frozen(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        run(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_migration_that_works_goes_in_this_order),
        cmocka_unit_test(a_guest_that_is_stopped_first_is_settled_before_anything_is_sent),
        cmocka_unit_test(one_that_is_called_off_while_it_prepares_stops_no_guest),
        cmocka_unit_test(a_guest_that_was_stopped_first_stays_frozen_when_it_fails),
        cmocka_unit_test(a_ticket_that_comes_again_prolongs_what_is_not_to_end),
        cmocka_unit_test(a_source_that_fails_before_it_was_stopped_runs_on),
        cmocka_unit_test(a_source_that_fails_after_it_was_settled_stays_frozen),
        cmocka_unit_test(nothing_goes_over_before_the_guest_is_settled),
        cmocka_unit_test(a_stop_whose_outcome_is_unknown_counts_as_one),
        cmocka_unit_test(a_guest_that_never_calms_down_is_stopped_at_half_time),
        cmocka_unit_test(a_guest_that_cannot_be_sent_in_time_is_never_stopped),
        cmocka_unit_test(stopping_it_cancels_and_a_completion_that_came_first_counts),
        cmocka_unit_test(a_destination_that_fails_is_destroyed),
        cmocka_unit_test(what_comes_late_or_unasked_changes_nothing),
        cmocka_unit_test(in_every_world_a_source_runs_unsettled_or_ends_frozen),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
