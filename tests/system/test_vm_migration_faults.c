/* Live migrations that fail: wrong keys, dead and silent peers. */
#include "tests/support/node_pair.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* Nothing was lost: it runs on as if nothing had been, or, where it had been stopped already (a
 * guest that QEMU emulates is, before anything is sent), under a newer grant. */
static void source_goes_on(struct pair *pair, uint64_t generation)
{
    unsigned count;

    assert_false(pair->source.is_complete);
    count = node_vm_printed_count(&pair->source.vm);
    if (pair->source.outcome == MIGRATION_FROZEN) {
        process_wait_state(&pair->loop, pair->source.vm.qemu, "T", 2000);
        assert_refused(side_grant(&pair->source, generation - 1), pair->source.node.refusal,
                       REFUSAL_GENERATION);
        assert_ok(side_grant(&pair->source, generation));
        assert_ok(node_vm_run(&pair->source.vm, &pair->files.keys));
    } else {
        assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
        assert_string_equal(node_vm_state(&pair->source.vm), "running");
    }
    (void)node_vm_wait_count(&pair->source.vm, count);
}

static void a_destination_with_another_key_gets_nothing_and_the_source_goes_on(void **state)
{
    struct pair *pair = *state;

    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_other_key);
    pair_wait(pair, &pair->source);
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    assert_true(side_key_is_gone(&pair->source));
    source_goes_on(pair, 2);
    /* And a second attempt, with a fresh destination, works. */
    pair_destination_end(pair);
    pair_destination_start(pair, 3);
    pair_migrate(pair, pair_key, pair_key);
    pair_wait(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    assert_true(pair->source.is_complete);
}

static void a_destination_that_dies_midway_costs_the_source_nothing_but_a_grant(void **state)
{
    struct pair *pair = *state;

    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_key);
    /* As soon as there is something to be lost. */
    while (!pair->source.vm.events) {
        loop_run_for(&pair->loop, 5);
    }
    assert_int_equal(kill(pair->destination.vm.qemu, SIGKILL), 0);
    pair_wait(pair, &pair->source);
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    source_goes_on(pair, 2);
}

static void a_qemu_that_does_not_answer_ends_frozen_or_gone_in_time(void **state)
{
    struct pair *pair = *state;

    pair->lifetime_ms = PAIR_SHORT_MS;
    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_key);
    assert_int_equal(kill(pair->destination.vm.qemu, SIGSTOP), 0);
    /* Nobody answers on the other side. */
    pair_wait(pair, &pair->source);
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    source_goes_on(pair, 2);
}

static void a_peer_that_neither_speaks_nor_hangs_up_does_not_hold_up_the_guest(void **state)
{
    struct pair *pair = *state;
    int ends[2];

    pair->lifetime_ms = PAIR_SHORT_MS;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pair_side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], pair_key);
    pair_wait(pair, &pair->source);
    source_goes_on(pair, 2);
    /* One with another key that keeps the line open after its failure. */
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    pair_destination_start(pair, 2);
    pair_side_begin(pair, &pair->destination, MIGRATION_DESTINATION, ends[1], pair_other_key);
    pair_side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], pair_key);
    pair_wait(pair, &pair->source);
    source_goes_on(pair, 3);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
    const struct CMUnitTest tests[] = {
        CASE(a_destination_with_another_key_gets_nothing_and_the_source_goes_on),
        CASE(a_destination_that_dies_midway_costs_the_source_nothing_but_a_grant),
        CASE(a_qemu_that_does_not_answer_ends_frozen_or_gone_in_time),
        CASE(a_peer_that_neither_speaks_nor_hangs_up_does_not_hold_up_the_guest),
    };
#undef CASE

    if (geteuid() != 0) {
        printf("1..0 # SKIP the launcher needs root\n");
        return 0;
    }
    if (getenv("TCCP_TEST_FILTER")) {
        cmocka_set_test_filter(getenv("TCCP_TEST_FILTER"));
    }
    return cmocka_run_group_tests(tests, pair_group_open, pair_group_close);
}
