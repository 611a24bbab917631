/*
 * Random histories of one VM under its launcher: whatever the agent asks for, in whatever order and
 * however late, the guest can run only while an accepted grant of the highest generation is
 * unexpired. The model is naive: it keeps every grant that was accepted.
 */
#include "tests/support/test.h"

#include "nodeagent/launcher/fence.h"

#include <stdio.h>
#include <stdlib.h>

enum { SEEDS = 400, STEPS = 400, GRANTS_MAX = STEPS, DURATION_MAX = 2000, FENCE = 700 };

static const struct digest vm = {{1}};

struct accepted {
    struct run_grant grant;
    uint64_t deadline_ms;
};

struct model {
    uint64_t now;
    struct accepted accepted[GRANTS_MAX];
    unsigned accepted_count;
    uint64_t void_up_to; /* grants of this generation and below were used up */
    struct lease_mark lease;
    bool process_stopped, process_dead, guest_running;
};

static uint32_t next_random(uint32_t *seed)
{
    *seed ^= *seed << 13;
    *seed ^= *seed >> 17;
    *seed ^= *seed << 5;
    return *seed;
}

static void model_signal(struct model *model, enum fence_signal signal)
{
    switch (signal) {
    case FENCE_NO_SIGNAL:
        break;
    case FENCE_STOP:
        model->process_stopped = true;
        break;
    case FENCE_CONTINUE:
        model->process_stopped = false;
        break;
    case FENCE_KILL:
        model->process_dead = true;
        break;
    }
}

static bool model_may_run(const struct model *model)
{
    uint64_t highest = 0;

    for (unsigned i = 0; i < model->accepted_count; i++) {
        uint64_t generation = model->accepted[i].grant.generation;

        highest = generation > highest ? generation : highest;
    }
    for (unsigned i = 0; i < model->accepted_count; i++) {
        const struct accepted *accepted = &model->accepted[i];

        if (accepted->grant.generation == highest && highest > model->void_up_to &&
            accepted->deadline_ms > model->now) {
            return true;
        }
    }
    return false;
}

static void model_grant(struct model *model, struct fence *fence, uint32_t *seed)
{
    struct run_grant grant = {
        .vm = vm,
        .generation = fence->record.generation + next_random(seed) % 4 - 2,
        .registration = model->lease.registration - next_random(seed) % 2,
        .deadline_ms = next_random(seed) % DURATION_MAX,
        .action = next_random(seed) % 2 ? ON_LOST_LEASE_STOP : ON_LOST_LEASE_PAUSE,
    };

    if (grant_check(&fence->record, &grant, &model->lease, model->now, NULL) == STATUS_OK) {
        assert_true(grant.generation > model->void_up_to);
        assert_int_equal(grant.registration, model->lease.registration);
        model->accepted[model->accepted_count++] =
            (struct accepted){grant, model->lease.renewed_ms + grant.deadline_ms};
        model_signal(model, fence_grant(fence, &grant, &model->lease, model->now));
    }
}

/* A renewal, of this registration or as the next one; now and then a lie. */
static void model_renew(struct model *model, struct fence *fence, uint32_t *seed)
{
    struct lease_mark said = {
        model->lease.registration + (next_random(seed) % 8 == 0) - (next_random(seed) % 8 == 0),
        model->now + next_random(seed) % 200 - 150,
    };

    if (lease_mark_check(&model->lease, &said, model->now, NULL) != STATUS_OK) {
        return;
    }
    assert_true(said.renewed_ms <= model->now);
    model->lease = said;
    for (unsigned i = 0; i < model->accepted_count; i++) {
        struct accepted *accepted = &model->accepted[i];

        /* Only the grant that was accepted last is in force, and it alone is prolonged. */
        if (i == model->accepted_count - 1 && accepted->grant.registration == said.registration &&
            said.renewed_ms + accepted->grant.deadline_ms > accepted->deadline_ms) {
            accepted->deadline_ms = said.renewed_ms + accepted->grant.deadline_ms;
        }
    }
    model_signal(model, fence_renew(fence, &said, model->now));
}

static void model_step(struct model *model, struct fence *fence, uint32_t *seed)
{
    enum fence_signal signal;

    switch (next_random(seed) % 8) {
    case 0:
    case 1:
        model->now += next_random(seed) % 300;
        break;
    case 2:
    case 3:
        model_grant(model, fence, seed);
        break;
    case 4:
        if (next_random(seed) % 4 == 0 && fence_settle(fence) == STATUS_OK) {
            model->void_up_to = fence->record.generation;
            model->guest_running = false; /* the agent stops the guest before it settles it */
        }
        break;
    case 5:
        if (next_random(seed) % 4 == 0) {
            bool had_grant = fence->state == VM_RUNNING || fence->state == VM_SETTLING;

            if (fence_freeze(fence, &signal) == STATUS_OK) {
                model_signal(model, signal);
                if (had_grant) {
                    model->void_up_to = fence->record.generation;
                }
            }
        }
        break;
    case 6:
        /* Somebody lets the guest go on, granted or not: a stopped process does nothing. */
        if (!model->process_stopped && !model->process_dead) {
            model->guest_running = true;
            model_signal(model, fence_resumed(fence));
        }
        break;
    case 7:
        model_renew(model, fence, seed);
        break;
    }
    /* The launcher's timer fires in time or late; before anything else it looks at the clock. */
    model_signal(model, fence_tick(fence, model->now));
}

static void run(uint32_t seed)
{
    struct model model = {.now = 100000, .lease = {3, 99900}};
    uint64_t generation = 0;
    struct fence fence;

    fence_start(&fence, &vm, 5, model.now + 1000, FENCE);
    for (unsigned i = 0; i < STEPS && !model.process_dead; i++) {
        bool may_run;

        model_step(&model, &fence, &seed);
        may_run = model_may_run(&model);
        if (model.guest_running && !model.process_stopped && !model.process_dead) {
            assert_true(may_run);
        }
        assert_true(fence.record.generation >= generation);
        generation = fence.record.generation;
        if (fence.state == VM_RUNNING) {
            assert_true(may_run);
            assert_false(model.process_stopped);
        }
        /* Nothing is due that the timer does not know of. */
        assert_true(fence_next_ms(&fence) > model.now);
    }
}

static void a_guest_runs_only_under_an_unexpired_grant_of_the_highest_generation(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= SEEDS; seed++) {
        run(seed * 2654435761U);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_guest_runs_only_under_an_unexpired_grant_of_the_highest_generation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
