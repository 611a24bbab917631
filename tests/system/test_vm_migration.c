/* Live migration between two launchers with real QEMUs, one host, one shared overlay. */
#include "tests/support/node_pair.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void a_guest_goes_on_counting_where_it_was_migrated_to(void **state)
{
    struct pair *pair = *state;
    unsigned before, after;

    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_key);
    pair_wait(pair, &pair->source);
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    assert_true(pair->source.is_complete);
    assert_string_equal(pair->source.reason, "");
    assert_int_equal(pair->destination.outcome, MIGRATION_LOADED);
    assert_true(side_key_is_gone(&pair->source) && side_key_is_gone(&pair->destination));
    /* Without it QEMU looks for a prime while the guest waits. */
    assert_int_equal(faccessat(pair->destination.vm.fds[VM_FD_SECRETS], "dh-params.pem", F_OK, 0),
                     0);
    assert_int_equal(process_memory_count(pair->destination.vm.qemu, "a key that both sides"), 0);

    /* Both are frozen, and stay so without the coordinator's word. */
    process_wait_state(&pair->loop, pair->source.vm.qemu, "T", 2000);
    process_wait_state(&pair->loop, pair->destination.vm.qemu, "T", 2000);
    loop_run_for(&pair->loop, 500);
    assert_int_equal(process_state(pair->source.vm.qemu), 'T');
    assert_int_equal(process_state(pair->destination.vm.qemu), 'T');
    assert_refused(side_grant(&pair->source, 1), pair->source.node.refusal, REFUSAL_GENERATION);
    assert_refused(side_grant(&pair->destination, 1), pair->destination.node.refusal,
                   REFUSAL_GENERATION);

    /* The coordinator commits; the destination is granted the next generation. */
    before = node_vm_printed_count(&pair->source.vm);
    assert_ok(side_grant(&pair->destination, 3));
    assert_ok(node_vm_run(&pair->destination.vm, &pair->files.keys));
    after = node_vm_wait_count(&pair->destination.vm, before);
    /* It did not begin anew, and missed nothing. */
    assert_null(strstr(pair->destination.vm.console, "ready"));
    assert_true(node_vm_first_count(&pair->destination.vm) <= before + 40);
    assert_true(after > before);
    assert_int_equal(
        process_memory_count(pair->destination.vm.qemu, (const char *)pair->files.keys.base.data),
        0);
    assert_int_equal(process_memory_count(pair->destination.vm.qemu,
                                          (const char *)pair->files.keys.overlay.data),
                     0);
    assert_int_equal(process_state(pair->source.vm.qemu), 'T');

    /* Resumed is committed: the source's copy goes. */
    assert_ok(node_ask(&pair->source.node, LAUNCHER_DESTROY, &pair_vm_id));
    process_wait_state(&pair->loop, pair->source.vm.qemu, "-Z", 2000);
    (void)node_vm_wait_count(&pair->destination.vm, after);
}

static void an_aborted_source_goes_on_only_under_a_newer_grant(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_key);
    pair_wait(pair, &pair->source);
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    count = node_vm_printed_count(&pair->source.vm);
    /* The coordinator aborts: the source is granted, the destination destroyed. */
    assert_ok(node_ask(&pair->destination.node, LAUNCHER_DESTROY, &pair_vm_id));
    /* A stop reaches QEMU's threads a moment after it was sent. */
    process_wait_state(&pair->loop, pair->source.vm.qemu, "T", 2000);
    assert_refused(side_grant(&pair->source, 1), pair->source.node.refusal, REFUSAL_GENERATION);
    assert_int_equal(process_state(pair->source.vm.qemu), 'T');
    assert_ok(side_grant(&pair->source, 3));
    assert_ok(node_vm_run(&pair->source.vm, &pair->files.keys));
    (void)node_vm_wait_count(&pair->source.vm, count);
    assert_int_equal(
        process_memory_count(pair->source.vm.qemu, (const char *)pair->files.keys.overlay.data), 0);
}

static void a_cancelled_migration_leaves_the_source_running(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    pair_destination_start(pair, 2);
    pair_migrate(pair, pair_key, pair_key);
    migration_stop(pair->source.migration, "the operator thought better of it");
    pair_wait(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    assert_non_null(strstr(pair->source.reason, "thought better"));
    pair_wait(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    count = side_last_count(&pair->source);
    (void)node_vm_wait_count(&pair->source.vm, count);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
    const struct CMUnitTest tests[] = {
        CASE(a_guest_goes_on_counting_where_it_was_migrated_to),
        CASE(an_aborted_source_goes_on_only_under_a_newer_grant),
        CASE(a_cancelled_migration_leaves_the_source_running),
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
