/* Live migration between two launchers with real QEMUs, one host, one shared overlay. */
#include "tests/support/node_world.h"

#include "nodeagent/migration.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { UID_FIRST = 714000, LIFETIME_MS = 25000, SHORT_MS = 4000 };

static const struct digest vm_id = {{0xcc, 3}};
static const uint8_t good_key[MIGRATION_KEY_SIZE] = "a key that both sides agree upon";
static const uint8_t other_key[MIGRATION_KEY_SIZE] = "a key that the other side lacks!";

struct side {
    struct node node;
    struct node_vm vm;
    struct migration *migration;
    bool finished, has_vm;
    enum migration_outcome outcome;
    bool is_complete;
    char reason[MIGRATION_REASON_SIZE];
};

struct pair {
    uv_loop_t loop;
    struct guest_files files;
    struct side source, destination;
    uint64_t lifetime_ms;
};

static int group_open(void **state)
{
    struct pair *pair = calloc(1, sizeof *pair);

    assert_non_null(pair);
    guest_files_open(&pair->files);
    *state = pair;
    return 0;
}

static int group_close(void **state)
{
    struct pair *pair = *state;

    guest_files_close(&pair->files);
    free(pair);
    return 0;
}

/* A guest that counts on the source; an empty one that waits on the destination. */
static int pair_open(void **state)
{
    struct pair *pair = *state;

    assert_int_equal(uv_loop_init(&pair->loop), 0);
    pair->lifetime_ms = LIFETIME_MS;
    memset(&pair->source, 0, sizeof pair->source);
    memset(&pair->destination, 0, sizeof pair->destination);
    node_open(&pair->source.node, &pair->loop, UID_FIRST);
    node_open(&pair->destination.node, &pair->loop, UID_FIRST + 100);
    guest_files_renew_overlay(&pair->files);
    node_vm_start(&pair->source.vm, &pair->source.node, &pair->files, &vm_id, 1, false);
    pair->source.has_vm = true;
    assert_ok(
        node_grant(&pair->source.node, &vm_id, 1, NODE_REGISTRATION, 600000, ON_LOST_LEASE_STOP));
    assert_ok(node_vm_run(&pair->source.vm, NULL));
    (void)node_vm_wait_count(&pair->source.vm, 3);
    return 0;
}

static void side_close(struct side *side)
{
    migration_free(side->migration);
    if (side->has_vm) {
        node_vm_close(&side->vm);
    }
    node_close(&side->node);
}

static int pair_close(void **state)
{
    struct pair *pair = *state;

    side_close(&pair->source);
    side_close(&pair->destination);
    assert_int_equal(uv_loop_close(&pair->loop), 0);
    return 0;
}

static void on_event(void *argument, const char *name, const struct qmp_value *data)
{
    struct side *side = argument;

    if (side->migration) {
        migration_on_event(side->migration, name, data);
    }
}

static void on_closed(void *argument)
{
    struct side *side = argument;

    if (side->migration) {
        migration_on_gone(side->migration);
    }
}

static void on_finished(void *argument, const struct migration_result *result)
{
    struct side *side = argument;

    side->finished = true;
    side->outcome = result->outcome;
    side->is_complete = result->is_complete;
    (void)snprintf(side->reason, sizeof side->reason, "%s", result->reason);
}

static void side_begin(struct pair *pair, struct side *side, enum migration_role role,
                       int socket_fd, const uint8_t key[MIGRATION_KEY_SIZE])
{
    const struct migration_request request = {
        .role = role,
        .vm = side->vm.vm,
        .launcher = side->node.client,
        .vm_id = vm_id,
        .socket_fd = socket_fd,
        .secrets_fd = side->vm.fds[VM_FD_SECRETS],
        .key = {key, MIGRATION_KEY_SIZE},
        .lifetime_ms = pair->lifetime_ms,
    };

    migration_free(side->migration);
    side->migration = NULL;
    side->finished = false;
    side->vm.on_event = on_event;
    side->vm.on_closed = on_closed;
    side->vm.argument = side;
    assert_ok(migration_start(&pair->loop, &request, on_finished, side, &side->migration));
}

static void destination_start(struct pair *pair, uint64_t generation)
{
    node_vm_start(&pair->destination.vm, &pair->destination.node, &pair->files, &vm_id, generation,
                  true);
    pair->destination.has_vm = true;
}

/* Both sides begin, each with its key; neither is waited for. */
static void migrate(struct pair *pair, const uint8_t *source_key, const uint8_t *destination_key)
{
    int ends[2];

    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    side_begin(pair, &pair->destination, MIGRATION_DESTINATION, ends[1], destination_key);
    side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], source_key);
    (void)close(ends[0]);
    (void)close(ends[1]);
}

static void finish(struct pair *pair, struct side *side)
{
    loop_wait(&pair->loop, &side->finished, LIFETIME_MS + NODE_PATIENCE_MS);
}

/* The destination's failed QEMU leaves, so that another may come. */
static void destination_end(struct pair *pair)
{
    process_wait_state(&pair->loop, pair->destination.vm.qemu, "-Z", 3000);
    migration_free(TAKE(pair->destination.migration));
    node_vm_close(&pair->destination.vm);
    pair->destination.has_vm = false;
    node_expect_gone(&pair->destination.node);
}

static enum status grant(struct side *side, uint64_t generation)
{
    assert_ok(node_lease(&side->node, NODE_REGISTRATION));
    return node_grant(&side->node, &vm_id, generation, NODE_REGISTRATION, 600000,
                      ON_LOST_LEASE_STOP);
}

/* The last number on the encrypted disk's console before it stopped. */
static unsigned last_count(struct side *side)
{
    return node_vm_last_count(&side->vm);
}

static bool key_is_gone(const struct side *side)
{
    return faccessat(side->vm.fds[VM_FD_SECRETS], "keys.psk", F_OK, 0) != 0;
}

static void a_destination_with_another_key_gets_nothing_and_the_source_runs_on(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    destination_start(pair, 2);
    migrate(pair, good_key, other_key);
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    assert_false(pair->source.is_complete);
    finish(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    assert_string_equal(node_vm_state(&pair->source.vm), "running");
    count = last_count(&pair->source);
    (void)node_vm_wait_count(&pair->source.vm, count);
    assert_true(key_is_gone(&pair->source));
    /* And a second attempt, with a fresh destination, works. */
    destination_end(pair);
    destination_start(pair, 3);
    migrate(pair, good_key, good_key);
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    assert_true(pair->source.is_complete);
}

static void a_guest_goes_on_counting_where_it_was_migrated_to(void **state)
{
    struct pair *pair = *state;
    unsigned before, after;

    destination_start(pair, 2);
    migrate(pair, good_key, good_key);
    finish(pair, &pair->source);
    finish(pair, &pair->destination);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    assert_true(pair->source.is_complete);
    assert_string_equal(pair->source.reason, "");
    assert_int_equal(pair->destination.outcome, MIGRATION_LOADED);
    assert_true(key_is_gone(&pair->source) && key_is_gone(&pair->destination));
    assert_int_equal(process_memory_count(pair->destination.vm.qemu, "a key that both sides"), 0);

    /* Both are frozen, and stay so without the coordinator's word. */
    process_wait_state(&pair->loop, pair->source.vm.qemu, "T", 2000);
    process_wait_state(&pair->loop, pair->destination.vm.qemu, "T", 2000);
    loop_run_for(&pair->loop, 500);
    assert_int_equal(process_state(pair->source.vm.qemu), 'T');
    assert_int_equal(process_state(pair->destination.vm.qemu), 'T');
    assert_refused(grant(&pair->source, 1), pair->source.node.refusal, REFUSAL_GENERATION);
    assert_refused(grant(&pair->destination, 1), pair->destination.node.refusal,
                   REFUSAL_GENERATION);

    /* The coordinator commits; the destination is granted the next generation. */
    before = node_vm_printed_count(&pair->source.vm);
    assert_ok(grant(&pair->destination, 3));
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
    assert_ok(node_ask(&pair->source.node, LAUNCHER_DESTROY, &vm_id));
    process_wait_state(&pair->loop, pair->source.vm.qemu, "-Z", 2000);
    (void)node_vm_wait_count(&pair->destination.vm, after);
}

static void an_aborted_source_goes_on_only_under_a_newer_grant(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    destination_start(pair, 2);
    migrate(pair, good_key, good_key);
    finish(pair, &pair->source);
    finish(pair, &pair->destination);
    assert_int_equal(pair->source.outcome, MIGRATION_FROZEN);
    count = node_vm_printed_count(&pair->source.vm);
    /* The coordinator aborts: the source is granted, the destination destroyed. */
    assert_ok(node_ask(&pair->destination.node, LAUNCHER_DESTROY, &vm_id));
    assert_refused(grant(&pair->source, 1), pair->source.node.refusal, REFUSAL_GENERATION);
    assert_int_equal(process_state(pair->source.vm.qemu), 'T');
    assert_ok(grant(&pair->source, 3));
    assert_ok(node_vm_run(&pair->source.vm, &pair->files.keys));
    (void)node_vm_wait_count(&pair->source.vm, count);
    assert_int_equal(
        process_memory_count(pair->source.vm.qemu, (const char *)pair->files.keys.overlay.data), 0);
}

static void a_destination_that_dies_midway_costs_the_source_nothing_but_a_grant(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    destination_start(pair, 2);
    migrate(pair, good_key, good_key);
    /* As soon as there is something to be lost. */
    while (!pair->source.vm.events) {
        loop_run_for(&pair->loop, 5);
    }
    assert_int_equal(kill(pair->destination.vm.qemu, SIGKILL), 0);
    finish(pair, &pair->source);
    finish(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    assert_false(pair->source.is_complete);
    count = node_vm_printed_count(&pair->source.vm);
    if (pair->source.outcome == MIGRATION_FROZEN) {
        process_wait_state(&pair->loop, pair->source.vm.qemu, "T", 2000);
        assert_ok(grant(&pair->source, 3));
        assert_ok(node_vm_run(&pair->source.vm, &pair->files.keys));
    } else {
        assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    }
    (void)node_vm_wait_count(&pair->source.vm, count);
}

static void a_cancelled_migration_leaves_the_source_running(void **state)
{
    struct pair *pair = *state;
    unsigned count;

    destination_start(pair, 2);
    migrate(pair, good_key, good_key);
    migration_stop(pair->source.migration, "the operator thought better of it");
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    assert_non_null(strstr(pair->source.reason, "thought better"));
    finish(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    count = last_count(&pair->source);
    (void)node_vm_wait_count(&pair->source.vm, count);
}

static void a_qemu_that_does_not_answer_ends_frozen_or_gone_in_time(void **state)
{
    struct pair *pair = *state;

    pair->lifetime_ms = SHORT_MS;
    destination_start(pair, 2);
    migrate(pair, good_key, good_key);
    assert_int_equal(kill(pair->destination.vm.qemu, SIGSTOP), 0);
    /* Nobody answers on the other side: nothing was settled, the source runs on. */
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    finish(pair, &pair->destination);
    assert_int_equal(pair->destination.outcome, MIGRATION_LOST);
    (void)node_vm_wait_count(&pair->source.vm, last_count(&pair->source));
}

static void a_peer_that_neither_speaks_nor_hangs_up_does_not_hold_up_the_guest(void **state)
{
    struct pair *pair = *state;
    int ends[2];

    pair->lifetime_ms = SHORT_MS;
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], good_key);
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    (void)node_vm_wait_count(&pair->source.vm, last_count(&pair->source));
    /* One with another key that keeps the line open after its failure. */
    pair->lifetime_ms = LIFETIME_MS;
    (void)close(ends[0]);
    (void)close(ends[1]);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
    destination_start(pair, 2);
    side_begin(pair, &pair->destination, MIGRATION_DESTINATION, ends[1], other_key);
    side_begin(pair, &pair->source, MIGRATION_SOURCE, ends[0], good_key);
    finish(pair, &pair->source);
    assert_int_equal(pair->source.outcome, MIGRATION_RUNS_ON);
    (void)node_vm_wait_count(&pair->source.vm, last_count(&pair->source));
    (void)close(ends[0]);
    (void)close(ends[1]);
}

int main(void)
{
#define CASE(name) cmocka_unit_test_setup_teardown(name, pair_open, pair_close)
    const struct CMUnitTest tests[] = {
        CASE(a_destination_with_another_key_gets_nothing_and_the_source_runs_on),
        CASE(a_guest_goes_on_counting_where_it_was_migrated_to),
        CASE(an_aborted_source_goes_on_only_under_a_newer_grant),
        CASE(a_destination_that_dies_midway_costs_the_source_nothing_but_a_grant),
        CASE(a_cancelled_migration_leaves_the_source_running),
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
    return cmocka_run_group_tests(tests, group_open, group_close);
}
