#include "lib/daemon/worker.h"

#include "tests/support/test.h"

#include <stdatomic.h>
#include <stdbool.h>
#include <uv.h>

enum { JOBS = 100 };

struct fixture {
    uv_loop_t loop;
    struct worker *worker;
};

struct job {
    struct fixture *fixture;
    uv_thread_t loop_thread;
    bool worked, finished;
    unsigned order;
};

static atomic_uint order_next;

static void fixture_open(struct fixture *fixture, unsigned threads, size_t queue_max)
{
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    assert_ok(worker_open(&fixture->loop, threads, queue_max, &fixture->worker));
    atomic_store(&order_next, 0);
}

static void fixture_close(struct fixture *fixture)
{
    worker_close(fixture->worker);
    while (uv_run(&fixture->loop, UV_RUN_DEFAULT) != 0) {
        /* done() may have stopped the loop before its handles were closed. */
    }
    assert_int_equal(uv_loop_close(&fixture->loop), 0);
}

static void work(void *argument)
{
    struct job *job = argument;

    job->order = atomic_fetch_add(&order_next, 1);
    job->worked = true;
}

static void done(void *argument)
{
    struct job *job = argument;
    uv_thread_t self = uv_thread_self();

    assert_true(uv_thread_equal(&self, &job->loop_thread));
    job->finished = true;
    if (worker_load(job->fixture->worker) == 0) {
        uv_stop(&job->fixture->loop);
    }
}

static void one_thread_keeps_the_order_and_finishes_on_the_loop(void **state)
{
    struct fixture fixture;
    struct job jobs[JOBS];

    (void)state;
    fixture_open(&fixture, 1, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.fixture = &fixture, .loop_thread = uv_thread_self()};
        assert_ok(worker_submit(fixture.worker, work, done, &jobs[i]));
    }
    (void)uv_run(&fixture.loop, UV_RUN_DEFAULT);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_true(jobs[i].worked && jobs[i].finished);
        assert_int_equal(jobs[i].order, i);
    }
    fixture_close(&fixture);
}

static void a_full_queue_is_busy(void **state)
{
    struct fixture fixture;
    struct job jobs[3];

    (void)state;
    fixture_open(&fixture, 2, 2);
    for (unsigned i = 0; i < 3; i++) {
        jobs[i] = (struct job){.fixture = &fixture, .loop_thread = uv_thread_self()};
    }
    assert_ok(worker_submit(fixture.worker, work, done, &jobs[0]));
    assert_ok(worker_submit(fixture.worker, work, done, &jobs[1]));
    assert_status(worker_submit(fixture.worker, work, done, &jobs[2]), STATUS_BUSY);
    fixture_close(&fixture);
}

static void closing_finishes_every_job(void **state)
{
    struct fixture fixture;
    struct job jobs[JOBS];

    (void)state;
    fixture_open(&fixture, 2, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        jobs[i] = (struct job){.fixture = &fixture, .loop_thread = uv_thread_self()};
        assert_ok(
            (i % 2 ? worker_submit_long : worker_submit)(fixture.worker, work, done, &jobs[i]));
    }
    fixture_close(&fixture);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_true(jobs[i].finished);
    }
}

/* Holds a thread until it is opened. */
static atomic_bool gate_is_open;
static atomic_uint held_count;

static void work_held(void *argument)
{
    (void)atomic_fetch_add(&held_count, 1);
    while (!atomic_load(&gate_is_open)) {
        uv_sleep(1);
    }
    work(argument);
}

static void jobs_make(struct fixture *fixture, struct job *jobs, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        jobs[i] = (struct job){.fixture = fixture, .loop_thread = uv_thread_self()};
    }
    atomic_store(&gate_is_open, false);
    atomic_store(&held_count, 0);
}

static void wait_until_held(unsigned count)
{
    while (atomic_load(&held_count) < count) {
        uv_sleep(1);
    }
}

static void a_job_does_not_wait_for_long_ones_that_came_before(void **state)
{
    enum { LONG = 5 };
    struct fixture fixture;
    struct job jobs[1 + LONG + 1];

    (void)state;
    fixture_open(&fixture, 1, JOBS);
    jobs_make(&fixture, jobs, ARRAY_SIZE(jobs));
    assert_ok(worker_submit(fixture.worker, work_held, done, &jobs[0]));
    wait_until_held(1);
    for (unsigned i = 1; i <= LONG; i++) {
        assert_ok(worker_submit_long(fixture.worker, work, done, &jobs[i]));
    }
    assert_ok(worker_submit(fixture.worker, work, done, &jobs[1 + LONG]));
    atomic_store(&gate_is_open, true);
    (void)uv_run(&fixture.loop, UV_RUN_DEFAULT);
    assert_int_equal(jobs[1 + LONG].order, 1);
    for (unsigned i = 1; i <= LONG; i++) {
        assert_int_equal(jobs[i].order, i + 1);
    }
    fixture_close(&fixture);
}

static void long_jobs_leave_a_thread_to_the_others(void **state)
{
    struct fixture fixture;
    struct job jobs[4];

    (void)state;
    fixture_open(&fixture, 2, JOBS);
    jobs_make(&fixture, jobs, ARRAY_SIZE(jobs));
    for (unsigned i = 0; i < 3; i++) {
        assert_ok(worker_submit_long(fixture.worker, work_held, done, &jobs[i]));
    }
    wait_until_held(1);
    assert_ok(worker_submit(fixture.worker, work, done, &jobs[3]));
    while (!jobs[3].finished) {
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
    }
    assert_int_equal(atomic_load(&held_count), 1);
    atomic_store(&gate_is_open, true);
    (void)uv_run(&fixture.loop, UV_RUN_DEFAULT);
    assert_true(jobs[0].worked && jobs[1].worked && jobs[2].worked);
    fixture_close(&fixture);
}

static void a_long_job_gets_its_turn_however_many_others_come(void **state)
{
    struct fixture fixture;
    struct job jobs[JOBS];

    (void)state;
    fixture_open(&fixture, 1, JOBS);
    jobs_make(&fixture, jobs, JOBS);
    assert_ok(worker_submit(fixture.worker, work_held, done, &jobs[0]));
    wait_until_held(1);
    assert_ok(worker_submit_long(fixture.worker, work, done, &jobs[1]));
    for (unsigned i = 2; i < JOBS; i++) {
        assert_ok(worker_submit(fixture.worker, work, done, &jobs[i]));
    }
    atomic_store(&gate_is_open, true);
    (void)uv_run(&fixture.loop, UV_RUN_DEFAULT);
    assert_in_range(jobs[1].order, JOBS / 4, JOBS / 2);
    fixture_close(&fixture);
}

static void many_finished_jobs_leave_the_loop_its_turns(void **state)
{
    struct fixture fixture;
    struct job jobs[JOBS];
    unsigned turns = 0;

    (void)state;
    fixture_open(&fixture, 1, JOBS);
    jobs_make(&fixture, jobs, JOBS);
    for (unsigned i = 0; i < JOBS; i++) {
        assert_ok(worker_submit(fixture.worker, work, done, &jobs[i]));
    }
    while (atomic_load(&order_next) < JOBS) {
        uv_sleep(1);
    }
    /* All of them are finished, and the loop has not looked yet. */
    while (worker_load(fixture.worker) > 0) {
        (void)uv_run(&fixture.loop, UV_RUN_ONCE);
        turns++;
    }
    assert_true(turns >= 4);
    fixture_close(&fixture);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_thread_keeps_the_order_and_finishes_on_the_loop),
        cmocka_unit_test(a_full_queue_is_busy),
        cmocka_unit_test(closing_finishes_every_job),
        cmocka_unit_test(a_job_does_not_wait_for_long_ones_that_came_before),
        cmocka_unit_test(long_jobs_leave_a_thread_to_the_others),
        cmocka_unit_test(a_long_job_gets_its_turn_however_many_others_come),
        cmocka_unit_test(many_finished_jobs_leave_the_loop_its_turns),
    };
    return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
