/* One member, in process; what several members do is in tests/fault/test_replica.c. */
#include "tcd/replica.h"

#include "tests/support/credentials.h"
#include "tests/support/loop.h"
#include "tests/support/test.h"

#include <arpa/inet.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAIT_MS = 10000 };

static struct credentials credentials;

struct answer {
    bool is_done;
    enum status status;
    uint64_t revision; /* when it was applied */
    struct fixture *fixture;
    uint64_t seen_revision; /* when it was answered */
};

struct fixture {
    uv_loop_t loop;
    char folder[64], address[64];
    struct replica_config config;
    struct replica *replica;
    uint64_t revision, applied_with_slot;
    struct digest digest;
    bool leads, is_closed, snapshot_fails, orders_from_apply;
    unsigned snapshots_held;
    enum status add_status, step_down_status;
    unsigned leadership_calls;
    struct answer late;
};

static void on_answer(void *argument, enum status status);

static void machine_apply(void *context, struct view command, void *slot)
{
    struct fixture *fixture = context;
    struct answer *answer = slot;

    fixture->digest = sha256_two(digest_view(&fixture->digest), command);
    fixture->revision++;
    if (answer) {
        answer->revision = fixture->revision;
        fixture->applied_with_slot++;
    }
    if (fixture->orders_from_apply) {
        fixture->orders_from_apply = false;
        fixture->add_status =
            replica_add(fixture->replica, 2, "127.0.0.1:1", on_answer, &fixture->late);
        fixture->step_down_status =
            replica_step_down(fixture->replica, 0, on_answer, &fixture->late);
        assert_ok(replica_propose(fixture->replica, view_string("another"), NULL, on_answer,
                                  &fixture->late));
    }
}

/* A snapshot in two parts, whose bytes are spoilt once it is given back. */
struct kept {
    struct fixture *fixture;
    uint8_t revision[8];
    struct digest digest;
    struct view parts[2];
};

static void kept_release(void *owner)
{
    struct kept *kept = owner;

    kept->fixture->snapshots_held--;
    memset(kept, 0xee, sizeof *kept);
    free(kept);
}

static enum status machine_snapshot(void *context, struct replica_snapshot *ret_snapshot)
{
    struct fixture *fixture = context;
    struct kept *kept;

    if (fixture->snapshot_fails) {
        return STATUS_NO_MEMORY;
    }
    kept = calloc(1, sizeof *kept);
    assert_non_null(kept);
    kept->fixture = fixture;
    for (unsigned i = 0; i < 8; i++) {
        kept->revision[i] = (uint8_t)(fixture->revision >> (8 * (7 - i)));
    }
    kept->digest = fixture->digest;
    kept->parts[0] = VIEW_OF_ARRAY(kept->revision);
    kept->parts[1] = digest_view(&kept->digest);
    *ret_snapshot = (struct replica_snapshot){2, kept->parts, kept, kept_release};
    fixture->snapshots_held++;
    return STATUS_OK;
}

static enum status machine_restore(void *context, struct view snapshot)
{
    struct fixture *fixture = context;
    struct reader reader = reader_of(snapshot);

    fixture->revision = reader_u64(&reader);
    reader_copy(&reader, fixture->digest.bytes, SHA256_SIZE);
    return reader_done(&reader) ? STATUS_OK : STATUS_MALFORMED;
}

static void machine_position(void *context, uint64_t *ret_revision, struct digest *ret_digest)
{
    struct fixture *fixture = context;

    *ret_revision = fixture->revision;
    *ret_digest = fixture->digest;
}

static void on_leadership(void *argument, bool is_leader, uint64_t term)
{
    struct fixture *fixture = argument;

    (void)term;
    fixture->leads = is_leader;
    fixture->leadership_calls++;
}

static void on_fatal(void *argument, const char *reason, const char *detail)
{
    (void)argument;
    (void)fprintf(stderr, "%s: %s\n", reason, detail);
}

static enum status identify(void *argument, struct view certificate, uint64_t *ret_raft_id,
                            struct refusal *ret_refusal)
{
    (void)argument, (void)certificate, (void)ret_raft_id;
    return refuse(ret_refusal, REFUSAL_CERTIFICATE_ROLE, "alone");
}

static unsigned free_port(void)
{
    struct sockaddr_in name = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof name;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&name, &size), 0);
    (void)close(fd);
    return ntohs(name.sin_port);
}

static struct fixture *fixture_new(void)
{
    struct fixture *fixture = calloc(1, sizeof *fixture);

    assert_non_null(fixture);
    assert_int_equal(uv_loop_init(&fixture->loop), 0);
    (void)snprintf(fixture->folder, sizeof fixture->folder, "/tmp/tccp-replica-XXXXXX");
    assert_non_null(mkdtemp(fixture->folder));
    (void)snprintf(fixture->address, sizeof fixture->address, "127.0.0.1:%u", free_port());
    fixture->config = (struct replica_config){
        .loop = &fixture->loop,
        .directory = fixture->folder,
        .raft_id = 1,
        .address = fixture->address,
        .server_tls = credentials_context(&credentials, TLS_SERVER, REPLICA_ALPN, NULL),
        .client_tls = credentials_context(&credentials, TLS_CLIENT, REPLICA_ALPN, NULL),
        .identify = identify,
        .machine = {fixture, machine_apply, machine_snapshot, machine_restore, machine_position},
        .callbacks = {on_leadership, on_fatal, fixture},
        .disk_free_min = 1,
    };
    return fixture;
}

static void fixture_start(struct fixture *fixture, bool bootstrap)
{
    char error[REPLICA_ERROR_SIZE] = "";

    if (replica_open(&fixture->config, &fixture->replica, error) != STATUS_OK ||
        (bootstrap && replica_bootstrap(fixture->replica, error) != STATUS_OK) ||
        replica_start(fixture->replica, error) != STATUS_OK) {
        fail_msg("%s", error);
    }
}

static struct fixture *fixture_leading(void)
{
    struct fixture *fixture = fixture_new();

    fixture_start(fixture, true);
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    return fixture;
}

static void on_closed(void *argument)
{
    ((struct fixture *)argument)->is_closed = true;
}

static void fixture_stop(struct fixture *fixture)
{
    fixture->is_closed = fixture->leads = false;
    replica_close(fixture->replica, on_closed, fixture);
    assert_true(loop_until(&fixture->loop, &fixture->is_closed, WAIT_MS));
    fixture->replica = NULL;
}

static int remove_one(const char *path, const struct stat *about, int kind, struct FTW *walk)
{
    (void)about, (void)kind, (void)walk;
    return remove(path);
}

static void fixture_free(struct fixture *fixture)
{
    if (fixture->replica) {
        fixture_stop(fixture);
    }
    assert_true(loop_finish(&fixture->loop));
    tls_context_release(fixture->config.server_tls);
    tls_context_release(fixture->config.client_tls);
    (void)nftw(fixture->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(fixture);
}

static void on_answer(void *argument, enum status status)
{
    struct answer *answer = argument;

    assert_false(answer->is_done);
    answer->is_done = true;
    answer->status = status;
    answer->seen_revision = answer->fixture ? answer->fixture->revision : 0;
}

static void propose_and_wait(struct fixture *fixture, struct view command)
{
    struct answer answer = {.fixture = fixture};

    assert_ok(replica_propose(fixture->replica, command, &answer, on_answer, &answer));
    assert_false(answer.is_done); /* never inside the call */
    assert_true(loop_until(&fixture->loop, &answer.is_done, WAIT_MS));
    assert_ok(answer.status);
    assert_int_equal(answer.revision, fixture->revision);
}

static void a_member_of_no_cluster_takes_nothing(void **state)
{
    struct fixture *fixture = fixture_new();
    struct answer answer = {0};

    (void)state;
    fixture_start(fixture, false);
    loop_for(&fixture->loop, 700); /* more than an election would take */
    assert_false(fixture->leads);
    assert_int_equal(replica_leader(fixture->replica), 0);
    assert_status(replica_propose(fixture->replica, view_string("x"), NULL, on_answer, &answer),
                  STATUS_NOT_LEADER);
    assert_status(replica_read(fixture->replica, on_answer, &answer), STATUS_NOT_LEADER);
    assert_status(replica_add(fixture->replica, 2, "127.0.0.1:1", on_answer, &answer),
                  STATUS_NOT_LEADER);
    assert_status(replica_step_down(fixture->replica, 0, on_answer, &answer), STATUS_NOT_LEADER);
    assert_false(answer.is_done);
    fixture_free(fixture);
}

static void nothing_is_taken_before_all_is_applied(void **state)
{
    struct fixture *fixture = fixture_new();
    struct answer answer = {0};

    (void)state;
    fixture_start(fixture, true);
    /* It elected itself, but has committed nothing in its term. */
    assert_status(replica_propose(fixture->replica, view_string("x"), NULL, on_answer, &answer),
                  STATUS_NOT_READY);
    assert_status(replica_read(fixture->replica, on_answer, &answer), STATUS_NOT_READY);
    while (!fixture->leads) {
        assert_false(replica_is_leader(fixture->replica));
        assert_status(replica_propose(fixture->replica, view_string("x"), NULL, on_answer, &answer),
                      STATUS_NOT_READY);
        (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
    }
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    assert_true(replica_is_leader(fixture->replica));
    propose_and_wait(fixture, view_string("x"));
    fixture_free(fixture);
}

static void a_command_above_the_limit_is_refused_and_one_at_the_limit_is_not(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct view command = {calloc(1, REPLICA_COMMAND_SIZE_MAX + 1), REPLICA_COMMAND_SIZE_MAX + 1};
    struct answer answer = {0};

    (void)state;
    assert_non_null(command.data);
    assert_status(replica_propose(fixture->replica, command, NULL, on_answer, &answer),
                  STATUS_TOO_LARGE);
    command.size--;
    propose_and_wait(fixture, command);
    free((void *)(uintptr_t)command.data);
    fixture_free(fixture);
}

static void the_queue_has_an_end(void **state)
{
    struct fixture *fixture = fixture_new();
    static struct answer answers[11];

    (void)state;
    fixture->config.queue_max = 10;
    fixture_start(fixture, true);
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    memset(answers, 0, sizeof answers);
    for (size_t i = 0; i < 10; i++) {
        assert_ok(replica_propose(fixture->replica, view_string("x"), &answers[i], on_answer,
                                  &answers[i]));
    }
    assert_status(
        replica_propose(fixture->replica, view_string("x"), NULL, on_answer, &answers[10]),
        STATUS_BUSY);
    assert_true(loop_until(&fixture->loop, &answers[9].is_done, WAIT_MS));
    assert_false(answers[10].is_done);
    fixture_free(fixture);
}

static void commands_are_grouped_and_keep_their_order(void **state)
{
    enum { COUNT = 1000 };
    struct fixture *fixture = fixture_leading();
    static struct answer answers[COUNT];
    struct replica_statistics statistics;

    (void)state;
    memset(answers, 0, sizeof answers);
    for (size_t i = 0; i < COUNT; i++) {
        assert_ok(replica_propose(fixture->replica, view_string("command"), &answers[i], on_answer,
                                  &answers[i]));
    }
    assert_true(loop_until(&fixture->loop, &answers[COUNT - 1].is_done, WAIT_MS));
    for (size_t i = 0; i < COUNT; i++) {
        assert_true(answers[i].is_done);
        assert_ok(answers[i].status);
        assert_int_equal(answers[i].revision, i + 1);
    }
    replica_statistics(fixture->replica, &statistics);
    assert_int_equal(statistics.commands_proposed, COUNT);
    assert_true(statistics.entries_proposed < 10);
    assert_int_equal(fixture->applied_with_slot, COUNT);
    fixture_free(fixture);
}

static void a_read_sees_what_was_proposed_before_it(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct answer command = {0}, read = {.fixture = fixture};

    (void)state;
    assert_ok(replica_propose(fixture->replica, view_string("x"), &command, on_answer, &command));
    assert_ok(replica_read(fixture->replica, on_answer, &read));
    assert_true(loop_until(&fixture->loop, &read.is_done, WAIT_MS));
    assert_ok(read.status);
    assert_int_equal(read.seen_revision, 1);
    read = (struct answer){.fixture = fixture};
    assert_ok(replica_read(fixture->replica, on_answer, &read)); /* with nothing to ride on */
    assert_false(read.is_done);
    assert_true(loop_until(&fixture->loop, &read.is_done, WAIT_MS));
    assert_ok(read.status);
    fixture_free(fixture);
}

static void who_waits_at_the_close_is_told_the_truth(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct answer in_flight = {0}, waiting = {0}, read = {0};

    (void)state;
    assert_ok(
        replica_propose(fixture->replica, view_string("a"), &in_flight, on_answer, &in_flight));
    (void)uv_run(&fixture->loop, UV_RUN_NOWAIT); /* It is being written now. */
    if (!in_flight.is_done) {
        assert_ok(
            replica_propose(fixture->replica, view_string("b"), &waiting, on_answer, &waiting));
        assert_ok(replica_read(fixture->replica, on_answer, &read));
        fixture_stop(fixture);
        assert_true(in_flight.is_done && waiting.is_done && read.is_done);
        assert_status(in_flight.status, STATUS_UNKNOWN);
        assert_status(waiting.status, STATUS_CLOSED);
        assert_status(read.status, STATUS_CLOSED);
    }
    fixture_free(fixture);
}

static void a_restart_brings_everything_back_and_acts_on_nothing(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct digest digest;

    (void)state;
    for (unsigned i = 0; i < 20; i++) {
        propose_and_wait(fixture, view_string("command"));
    }
    digest = fixture->digest;
    fixture_stop(fixture);
    fixture->revision = fixture->applied_with_slot = 0;
    fixture->digest = (struct digest){{0}};
    fixture_start(fixture, false);
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    assert_int_equal(fixture->revision, 20);
    assert_true(digest_equal(&fixture->digest, &digest));
    assert_int_equal(fixture->applied_with_slot, 0);
    fixture_free(fixture);
}

static void snapshots_come_by_bytes_and_are_restored(void **state)
{
    struct fixture *fixture = fixture_new();
    static const uint8_t command[10000] = {1};
    struct replica_statistics statistics;

    (void)state;
    fixture->config.snapshot_bytes = 50000;
    fixture->config.trailing_bytes = 20000;
    fixture_start(fixture, true);
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    fixture->snapshot_fails = true;
    for (unsigned i = 0; i < 7; i++) {
        propose_and_wait(fixture, VIEW_OF_ARRAY(command));
    }
    fixture->snapshot_fails = false; /* One that failed is made up for later. */
    for (unsigned i = 0; i < 20; i++) {
        propose_and_wait(fixture, VIEW_OF_ARRAY(command));
    }
    replica_statistics(fixture->replica, &statistics);
    assert_in_range(statistics.snapshots_taken, 2, 5);
    loop_for(&fixture->loop, 50);
    fixture_stop(fixture);
    assert_int_equal(fixture->snapshots_held, 0); /* each was given back */
    fixture->revision = 0;
    fixture->digest = (struct digest){{0}};
    fixture_start(fixture, false);
    assert_true(loop_until(&fixture->loop, &fixture->leads, WAIT_MS));
    assert_int_equal(fixture->revision, 27);
    replica_statistics(fixture->replica, &statistics);
    assert_int_equal(statistics.snapshots_restored, 1);
    propose_and_wait(fixture, view_string("more"));
    fixture_free(fixture);
}

static void a_second_bootstrap_is_refused(void **state)
{
    struct fixture *fixture = fixture_leading();
    char error[REPLICA_ERROR_SIZE] = "";

    (void)state;
    fixture_stop(fixture);
    assert_ok(replica_open(&fixture->config, &fixture->replica, error));
    assert_status(replica_bootstrap(fixture->replica, error), STATUS_EXISTS);
    assert_true(strlen(error) > 0);
    fixture_free(fixture);
}

static void a_start_that_fails_can_be_closed(void **state)
{
    struct fixture *first = fixture_leading(), *second = fixture_new();
    char error[REPLICA_ERROR_SIZE] = "";

    (void)state;
    second->config.address = first->address;
    assert_ok(replica_open(&second->config, &second->replica, error));
    assert_status(replica_start(second->replica, error), STATUS_EXISTS);
    assert_non_null(strstr(error, first->address));
    fixture_free(second);
    fixture_free(first);

    second = fixture_new();
    second->config.directory = "/nonexistent";
    assert_status(replica_open(&second->config, &second->replica, error), STATUS_NOT_FOUND);
    assert_non_null(strstr(error, "/nonexistent"));
    second->replica = NULL;
    fixture_free(second);
}

static void nobody_to_hand_over_to_is_told(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct answer answer = {0};
    struct replica_member members[REPLICA_MEMBER_MAX];

    (void)state;
    assert_status(replica_step_down(fixture->replica, 0, on_answer, &answer), STATUS_NOT_FOUND);
    assert_int_equal(replica_members(fixture->replica, members), 1);
    assert_int_equal(members[0].raft_id, 1);
    assert_int_equal(members[0].role, REPLICA_VOTER);
    assert_string_equal(members[0].address, fixture->address);
    assert_int_equal(replica_leader(fixture->replica), 1);
    propose_and_wait(fixture, view_string("x"));
    fixture_free(fixture);
}

static void a_leader_that_slept_reports_its_commands_as_unknown(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct answer answer = {0}, read = {0};

    (void)state;
    assert_ok(replica_propose(fixture->replica, view_string("x"), &answer, on_answer, &answer));
    (void)uv_run(&fixture->loop, UV_RUN_NOWAIT);
    if (!answer.is_done && fixture->revision == 0) {
        (void)usleep(600 * 1000); /* as SIGSTOP would, with the write already on its way */
        assert_true(loop_until(&fixture->loop, &answer.is_done, WAIT_MS));
        assert_status(answer.status, STATUS_UNKNOWN);
        assert_int_equal(answer.revision, 0); /* applied without its slot */
        assert_int_equal(fixture->revision, 1);
    }
    /* It is the only voter and leads on. */
    while (replica_read(fixture->replica, on_answer, &read) != STATUS_OK) {
        loop_for(&fixture->loop, 10);
    }
    assert_true(loop_until(&fixture->loop, &read.is_done, WAIT_MS));
    propose_and_wait(fixture, view_string("y"));
    fixture_free(fixture);
}

static void what_is_applied_may_propose_and_change_no_members(void **state)
{
    struct fixture *fixture = fixture_leading();
    struct answer answer = {0};

    (void)state;
    fixture->orders_from_apply = true;
    assert_ok(replica_propose(fixture->replica, view_string("x"), NULL, on_answer, &answer));
    assert_true(loop_until(&fixture->loop, &answer.is_done, WAIT_MS));
    assert_status(fixture->add_status, STATUS_BUSY);
    assert_status(fixture->step_down_status, STATUS_BUSY);
    assert_true(loop_until(&fixture->loop, &fixture->late.is_done, WAIT_MS));
    assert_ok(fixture->late.status);
    assert_int_equal(fixture->revision, 2);
    fixture_free(fixture);
}

static int make_credentials(void **state)
{
    (void)state;
    credentials = credentials_make("member1");
    return 0;
}

static int free_credentials(void **state)
{
    (void)state;
    credentials_free(&credentials);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_member_of_no_cluster_takes_nothing),
        cmocka_unit_test(nothing_is_taken_before_all_is_applied),
        cmocka_unit_test(a_command_above_the_limit_is_refused_and_one_at_the_limit_is_not),
        cmocka_unit_test(the_queue_has_an_end),
        cmocka_unit_test(commands_are_grouped_and_keep_their_order),
        cmocka_unit_test(a_read_sees_what_was_proposed_before_it),
        cmocka_unit_test(who_waits_at_the_close_is_told_the_truth),
        cmocka_unit_test(a_restart_brings_everything_back_and_acts_on_nothing),
        cmocka_unit_test(snapshots_come_by_bytes_and_are_restored),
        cmocka_unit_test(a_second_bootstrap_is_refused),
        cmocka_unit_test(a_start_that_fails_can_be_closed),
        cmocka_unit_test(nobody_to_hand_over_to_is_told),
        cmocka_unit_test(what_is_applied_may_propose_and_change_no_members),
        cmocka_unit_test(a_leader_that_slept_reports_its_commands_as_unknown),
    };
    return cmocka_run_group_tests_name("replica", tests, make_credentials, free_credentials);
}
