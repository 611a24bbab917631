/* The replicated log on real processes and disks: killed, stopped, cut off, filled up. */
#include "tests/support/cluster.h"

#include "tests/support/credentials.h"
#include "tests/support/test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum { MEMBERS = 3, WAIT_MS = 20000, FATAL_EXIT = 3 };

static const char *const traced[] = {"trace=1", NULL};

static void assert_consistent(struct cluster *cluster)
{
    const char *wrong;

    if (!cluster_converge(cluster, WAIT_MS)) {
        for (unsigned i = 0; i < cluster->count; i++) {
            print_message("# member %u: revision %llu digest %.16s term %llu\n", i + 1,
                          cluster->members[i].status.revision, cluster->members[i].status.digest,
                          cluster->members[i].status.term);
        }
        fail_msg("the members do not converge");
    }
    wrong = cluster_check(cluster);
    if (wrong) {
        fail_msg("%s", wrong);
    }
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left, b = *(const double *)right;

    return (a > b) - (a < b);
}

static void a_killed_leader_costs_no_answered_command(void **state)
{
    enum { ROUNDS = 5 };
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    double failover_s[ROUNDS];

    (void)state;
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
        double killed_s;

        assert_true(leader < MEMBERS);
        cluster_load(cluster, 300);
        killed_s = now_s();
        member_kill(cluster, leader);
        assert_true(cluster_wait_leader(cluster, leader, WAIT_MS) < MEMBERS);
        failover_s[round] = now_s() - killed_s;
        cluster_load(cluster, 300);
        member_start(cluster, leader, NULL);
        assert_true(cluster->members[leader].is_ready);
        cluster_load(cluster, 200);
    }
    assert_consistent(cluster);
    assert_true(cluster_count_ok(cluster, OPERATION_PROPOSE) > 200);
    assert_true(cluster_count_ok(cluster, OPERATION_READ) > 100);
    qsort(failover_s, ROUNDS, sizeof *failover_s, compare_doubles);
    print_message("# failover: median %.0f ms, longest %.0f ms; %zu commands, %zu reads answered\n",
                  failover_s[ROUNDS / 2] * 1e3, failover_s[ROUNDS - 1] * 1e3,
                  cluster_count_ok(cluster, OPERATION_PROPOSE),
                  cluster_count_ok(cluster, OPERATION_READ));
    cluster_free(cluster);
}

static void all_members_killed_at_once_come_back_with_everything(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);

    (void)state;
    cluster_load(cluster, 500);
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_signal(cluster, i, SIGKILL);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_kill(cluster, i);
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        member_start(cluster, i, NULL);
    }
    assert_true(cluster_wait_leader(cluster, MEMBERS, WAIT_MS) < MEMBERS);
    cluster_load(cluster, 200);
    assert_consistent(cluster);
    for (unsigned i = 0; i < MEMBERS; i++) {
        assert_int_equal(member_quit(cluster, i), 0);
    }
    cluster_free(cluster);
}

static void a_leader_that_slept_answers_nothing_stale(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS), successor;

        assert_true(leader < MEMBERS);
        cluster_load(cluster, 200);
        /* Orders that it finds when it wakes, believing that it leads. */
        member_signal(cluster, leader, SIGSTOP);
        for (unsigned i = 0; i < 5; i++) {
            (void)cluster_read(cluster, leader);
            (void)cluster_propose(cluster, leader, 100);
        }
        successor = cluster_wait_leader(cluster, leader, WAIT_MS);
        assert_true(successor < MEMBERS);
        cluster->members[leader].leads = false;
        cluster_load(cluster, 200);
        member_signal(cluster, leader, SIGCONT);
        for (unsigned i = 0; i < 20; i++) {
            (void)cluster_read(cluster, leader);
            (void)cluster_read(cluster, successor);
            (void)cluster_propose(cluster, successor, 100);
            cluster_listen(cluster, 5);
        }
        cluster_load(cluster, 100);
    }
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void a_leader_that_is_cut_off_acknowledges_nothing(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    unsigned leader, successor;
    size_t proposed, read;

    (void)state;
    for (unsigned round = 0; round < 3; round++) {
        leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
        assert_true(leader < MEMBERS);
        cluster_load(cluster, 200);
        proxy_isolate(cluster->proxy, leader, true);
        proposed = cluster_propose(cluster, leader, 100);
        read = cluster_read(cluster, leader);
        successor = cluster_wait_leader(cluster, leader, WAIT_MS);
        assert_true(successor < MEMBERS);
        cluster_load(cluster, 600);
        assert_true(cluster_wait(cluster, proposed, WAIT_MS) &&
                    cluster_wait(cluster, read, WAIT_MS));
        assert_string_not_equal(cluster->operations[proposed].result, "OK");
        assert_string_equal(cluster->operations[read].result, "NOT_LEADER");
        proxy_isolate(cluster->proxy, leader, false);
        cluster_load(cluster, 300);
    }
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void one_way_cuts_end_with_one_leader(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    unsigned first = (leader + 1) % MEMBERS, second = (leader + 2) % MEMBERS;

    (void)state;
    /* It is heard, and hears nobody. */
    proxy_set_cut(cluster->proxy, first, leader, true);
    proxy_set_cut(cluster->proxy, second, leader, true);
    cluster_load(cluster, 1500);
    assert_true(cluster_wait_leader(cluster, leader, WAIT_MS) < MEMBERS);
    proxy_isolate(cluster->proxy, leader, false);
    cluster_load(cluster, 500);
    /* One follower hears nobody. */
    leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    first = (leader + 1) % MEMBERS;
    proxy_set_cut(cluster->proxy, leader, first, true);
    proxy_set_cut(cluster->proxy, (leader + 2) % MEMBERS, first, true);
    cluster_load(cluster, 1500);
    proxy_isolate(cluster->proxy, first, false);
    cluster_load(cluster, 300);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void a_follower_that_returns_does_not_disturb(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    unsigned follower = (leader + 1) % MEMBERS;
    unsigned long long term;

    (void)state;
    assert_true(member_ask_status(cluster, leader, WAIT_MS));
    term = cluster->members[leader].status.term;
    proxy_isolate(cluster->proxy, follower, true);
    cluster_load(cluster, 1500);
    proxy_isolate(cluster->proxy, follower, false);
    cluster_load(cluster, 1000);
    assert_true(member_ask_status(cluster, leader, WAIT_MS));
    assert_true(cluster->members[leader].status.leads);
    assert_int_equal(cluster->members[leader].status.term, term); /* pre-vote */
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void a_member_that_lags_far_behind_gets_a_snapshot(void **state)
{
    static const char *const options[] = {"trace=1", "snapshot_bytes=100000", "trailing_bytes=1000",
                                          NULL};
    struct cluster *cluster = cluster_running(MEMBERS, options);
    unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    unsigned follower = (leader + 1) % MEMBERS;

    (void)state;
    member_kill(cluster, follower);
    for (unsigned i = 0; i < 400; i++) {
        size_t operation = cluster_propose(cluster, leader, 2000);

        assert_true(cluster_wait(cluster, operation, WAIT_MS));
    }
    assert_true(member_ask_status(cluster, leader, WAIT_MS));
    assert_true(cluster->members[leader].status.snapshots >= 5);
    member_start(cluster, follower, NULL);
    cluster_load(cluster, 500);
    assert_consistent(cluster);
    assert_true(cluster->members[follower].status.restored >= 1);
    /* And a restart from snapshot and log. */
    member_kill(cluster, follower);
    member_start(cluster, follower, NULL);
    cluster_load(cluster, 200);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void snapshots_under_load_and_kills_lose_nothing(void **state)
{
    static const char *const options[] = {"trace=1", "snapshot_bytes=20000", "trailing_bytes=1000",
                                          NULL};
    struct cluster *cluster = cluster_running(MEMBERS, options);

    (void)state;
    for (unsigned round = 0; round < 6; round++) {
        unsigned victim = round % MEMBERS;

        cluster_load(cluster, 300);
        member_kill(cluster, victim);
        (void)cluster_wait_leader(cluster, victim, WAIT_MS);
        cluster_load(cluster, 600);
        member_start(cluster, victim, NULL);
        assert_true(cluster->members[victim].is_ready);
    }
    cluster_load(cluster, 300);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void a_member_that_lost_its_disk_joins_under_a_new_id(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    struct cluster_member *member = &cluster->members[2];
    struct credentials credentials;
    char rest[80];

    (void)state;
    cluster_load(cluster, 300);
    member_kill(cluster, 2);
    assert_true(cluster_wait_leader(cluster, 2, WAIT_MS) == 0);
    assert_string_equal(member_change(cluster, 0, "remove", 3, ""), "OK");
    member->raft_id = 4;
    (void)snprintf(member->directory, sizeof member->directory, "%s/new", cluster->folder);
    assert_int_equal(mkdir(member->directory, 0700), 0);
    credentials = credentials_make("member4");
    credentials_save(&credentials, member->credentials);
    credentials_free(&credentials);
    member_start(cluster, 2, NULL);
    (void)snprintf(rest, sizeof rest, "%s", member->address);
    assert_string_equal(member_change(cluster, 0, "add", 4, rest), "OK");
    assert_string_equal(member_change(cluster, 0, "assign", 4, "1"), "OK");
    assert_string_equal(member_change(cluster, 0, "assign", 4, "1"), "CONFLICT");
    assert_string_equal(member_change(cluster, 0, "add", 4, rest), "EXISTS");
    assert_string_equal(member_change(cluster, 0, "remove", 1, ""), "DENIED");
    assert_string_equal(member_change(cluster, 0, "remove", 9, ""), "NOT_FOUND");
    assert_string_equal(member_change(cluster, 0, "add", 9, "nonsense"), "MALFORMED");
    /* The new one votes: it and one other are enough. */
    member_kill(cluster, 1);
    cluster_load(cluster, 300);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void a_removed_member_does_not_disturb(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    unsigned long long term;

    (void)state;
    assert_string_equal(member_change(cluster, 0, "remove", 3, ""), "OK");
    assert_true(member_ask_status(cluster, 0, WAIT_MS));
    term = cluster->members[0].status.term;
    cluster_load(cluster, 1500);
    assert_true(member_ask_status(cluster, 0, WAIT_MS));
    assert_true(cluster->members[0].status.leads);
    assert_int_equal(cluster->members[0].status.term, term);
    member_kill(cluster, 2);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void leadership_is_handed_over_without_a_lost_command(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);

    (void)state;
    for (unsigned round = 0; round < 4; round++) {
        unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
        unsigned next = (leader + 1) % MEMBERS;
        const char *result = "";

        cluster_load(cluster, 150);
        /* On a busy machine the other one may be too slow: then this one leads on. */
        for (unsigned attempt = 0; attempt < 5 && strcmp(result, "OK") != 0; attempt++) {
            result =
                member_change(cluster, leader, "step-down", cluster->members[next].raft_id, "");
        }
        assert_string_equal(result, "OK");
        assert_int_equal(cluster_wait_leader(cluster, leader, WAIT_MS), next);
    }
    assert_consistent(cluster);
    assert_string_equal(member_change(cluster, 0, "step-down", 7, ""),
                        cluster->members[0].leads ? "NOT_FOUND" : "NOT_LEADER");
    cluster_free(cluster);
}

/* --- who may take part --- */

static void a_certificate_of_another_role_or_member_is_shut_out(void **state)
{
    static const char *const names[] = {"node3", "member2", "operator"};
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    struct cluster_member *member = &cluster->members[2];
    struct credentials credentials;
    unsigned long long revision;

    (void)state;
    assert_consistent(cluster);
    revision = member->status.revision;
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        member_kill(cluster, 2);
        credentials = credentials_make(names[i]);
        credentials_save(&credentials, member->credentials);
        credentials_free(&credentials);
        member_start(cluster, 2, NULL);
        assert_true(member->is_ready);
        cluster_load(cluster, 600);
        assert_true(member_ask_status(cluster, 2, WAIT_MS));
        assert_int_equal(member->status.revision, revision); /* Nothing reaches it. */
        assert_int_equal(member->status.leader, 0);
    }
    member_kill(cluster, 2);
    credentials = credentials_make("member3");
    credentials_save(&credentials, member->credentials);
    credentials_free(&credentials);
    member_start(cluster, 2, NULL);
    assert_consistent(cluster);
    cluster_free(cluster);
}

/* --- what must halt --- */

static void a_member_whose_state_differs_halts_and_the_others_go_on(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    unsigned leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    unsigned follower = (leader + 1) % MEMBERS;
    int status;

    (void)state;
    cluster_load(cluster, 200);
    member_order(cluster, follower, "corrupt");
    (void)cluster_propose(cluster, leader, 100);
    for (unsigned i = 0; i < 200 && !cluster->members[follower].is_fatal; i++) {
        cluster_listen(cluster, 20);
    }
    assert_true(cluster->members[follower].is_fatal);
    assert_int_equal(strncmp(cluster->members[follower].last_fatal, "state-diverged ", 15), 0);
    assert_int_equal(waitpid(cluster->members[follower].pid, &status, 0),
                     cluster->members[follower].pid);
    cluster->members[follower].pid = 0;
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == FATAL_EXIT);
    cluster_load(cluster, 300);
    /* Only its memory was wrong: from disk it is right again. */
    member_start(cluster, follower, NULL);
    cluster_load(cluster, 200);
    assert_consistent(cluster);
    cluster_free(cluster);
}

static void corrupt_files_are_not_started_from(void **state)
{
    struct cluster *cluster = cluster_running(MEMBERS, traced);
    char path[600] = "", *data;
    struct dirent *entry;
    struct stat about;
    DIR *folder;
    int fd;

    (void)state;
    cluster_load(cluster, 300);
    assert_int_equal(member_quit(cluster, 1), 0);
    folder = opendir(cluster->members[1].directory);
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        /* The last closed segment: two numbers. */
        if (entry->d_name[0] >= '0' && entry->d_name[0] <= '9' && strchr(entry->d_name, '-')) {
            (void)snprintf(path, sizeof path, "%s/%s", cluster->members[1].directory,
                           entry->d_name);
        }
    }
    (void)closedir(folder);
    fd = open(path, O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &about) == 0 && about.st_size > 200);
    data = malloc((size_t)about.st_size);
    assert_int_equal(pread(fd, data, (size_t)about.st_size, 0), about.st_size);
    data[about.st_size / 2] ^= 1;
    assert_int_equal(pwrite(fd, data, (size_t)about.st_size, 0), about.st_size);
    (void)close(fd);
    free(data);
    member_start(cluster, 1, NULL);
    assert_false(cluster->members[1].is_ready);
    assert_true(strlen(cluster->members[1].last_failure) > 0);
    print_message("# %s\n", cluster->members[1].last_failure);
    cluster_load(cluster, 200);
    member_kill(cluster, 1);
    assert_consistent(cluster);
    cluster_free(cluster);
}

/* Writes zeros until the file system has `left` bytes, or none, left. */
static void disk_fill(const char *folder, const char *name, off_t size)
{
    char path[600];
    int fd;

    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    if (size > 0) {
        assert_int_equal(posix_fallocate(fd, 0, size), 0);
    } else {
        static const char zeros[65536];

        while (write(fd, zeros, sizeof zeros) > 0) {
            /* until there is no more space */
        }
    }
    (void)close(fd);
}

static void a_full_disk_hands_over_and_nothing_is_lost(void **state)
{
    static const char *const options[] = {"trace=1", "disk_free_min=20000000", NULL};
    struct cluster *cluster;
    char folder[600], path[700];
    unsigned leader, successor;

    (void)state;
    if (geteuid() != 0) {
        print_message("# needs root\n");
        skip();
    }
    cluster = cluster_new(MEMBERS);
    (void)snprintf(folder, sizeof folder, "%s", cluster->members[0].directory);
    if (mount("tmpfs", folder, "tmpfs", 0, "size=100m") != 0) {
        cluster_free(cluster);
        print_message("# cannot mount a tmpfs\n");
        skip();
    }
    for (unsigned i = 0; i < MEMBERS; i++) {
        cluster->members[i].options[0] = options[0];
        cluster->members[i].options[1] = options[1];
        member_start(cluster, i, i == 0 ? "bootstrap=1" : NULL);
    }
    leader = cluster_wait_leader(cluster, MEMBERS, WAIT_MS);
    assert_int_equal(leader, 0);
    for (unsigned i = 1; i < MEMBERS; i++) {
        assert_string_equal(member_change(cluster, 0, "add", i + 1, cluster->members[i].address),
                            "OK");
        assert_string_equal(member_change(cluster, 0, "assign", i + 1, "1"), "OK");
    }
    cluster_load(cluster, 300);
    (void)snprintf(path, sizeof path, "%s/ballast", folder);
    disk_fill(folder, "ballast", 65 << 20); /* Low, not full. */
    successor = cluster_wait_leader(cluster, 0, WAIT_MS);
    assert_true(successor < MEMBERS);
    cluster_load(cluster, 300);
    assert_true(member_ask_status(cluster, 0, WAIT_MS));
    assert_true(cluster->members[0].status.is_disk_low);
    disk_fill(folder, "rest", 0); /* Full. */
    for (unsigned i = 0; i < 60; i++) {
        size_t operation = cluster_propose(cluster, successor, 400000);

        assert_true(cluster_wait(cluster, operation, WAIT_MS));
    }
    cluster_load(cluster, 500);
    assert_false(cluster->members[0].is_fatal);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof path, "%s/rest", folder);
    assert_int_equal(unlink(path), 0);
    cluster_load(cluster, 300);
    assert_consistent(cluster);
    assert_true(member_ask_status(cluster, 0, WAIT_MS));
    assert_false(cluster->members[0].status.is_disk_low);
    member_kill(cluster, 0);
    assert_int_equal(umount(folder), 0);
    cluster_free(cluster);
}

static void a_full_disk_everywhere_refuses_and_recovers(void **state)
{
    static const char *const options[] = {"trace=1", "disk_free_min=20000000", NULL};
    struct cluster *cluster;
    size_t operation;
    char path[700];

    (void)state;
    if (geteuid() != 0) {
        print_message("# needs root\n");
        skip();
    }
    cluster = cluster_new(1);
    if (mount("tmpfs", cluster->members[0].directory, "tmpfs", 0, "size=100m") != 0) {
        cluster_free(cluster);
        print_message("# cannot mount a tmpfs\n");
        skip();
    }
    cluster->members[0].options[0] = options[0];
    cluster->members[0].options[1] = options[1];
    member_start(cluster, 0, "bootstrap=1");
    assert_int_equal(cluster_wait_leader(cluster, 1, WAIT_MS), 0);
    cluster_load(cluster, 200);
    disk_fill(cluster->members[0].directory, "ballast", 65 << 20);
    cluster_listen(cluster, 800);
    operation = cluster_propose(cluster, 0, 100);
    assert_true(cluster_wait(cluster, operation, WAIT_MS));
    assert_string_equal(cluster->operations[operation].result, "BUSY");
    (void)snprintf(path, sizeof path, "%s/ballast", cluster->members[0].directory);
    assert_int_equal(unlink(path), 0);
    cluster_listen(cluster, 800);
    operation = cluster_propose(cluster, 0, 100);
    assert_true(cluster_wait(cluster, operation, WAIT_MS));
    assert_string_equal(cluster->operations[operation].result, "OK");
    assert_consistent(cluster);
    member_kill(cluster, 0);
    assert_int_equal(umount(cluster->members[0].directory), 0);
    cluster_free(cluster);
}

static void a_taken_port_or_a_missing_directory_is_one_clear_line(void **state)
{
    struct cluster *cluster = cluster_running(1, traced);
    struct cluster other = *cluster;

    (void)state;
    other.members[0].pid = 0;
    other.members[0].input = other.members[0].output = -1;
    (void)snprintf(other.members[0].directory, sizeof other.members[0].directory, "%s/second",
                   cluster->folder);
    member_start(&other, 0, NULL);
    assert_false(other.members[0].is_ready);
    print_message("# %s\n", other.members[0].last_failure);
    assert_non_null(strstr(other.members[0].last_failure, "second"));
    assert_int_equal(waitpid(other.members[0].pid, NULL, 0), other.members[0].pid);
    assert_int_equal(mkdir(other.members[0].directory, 0700), 0);
    member_start(&other, 0, "bootstrap=1");
    assert_false(other.members[0].is_ready);
    print_message("# %s\n", other.members[0].last_failure);
    assert_non_null(strstr(other.members[0].last_failure, "in use"));
    assert_int_equal(waitpid(other.members[0].pid, NULL, 0), other.members[0].pid);
    cluster_free(cluster);
}

/* An argument is a pattern of the tests to run. */
int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_killed_leader_costs_no_answered_command),
        cmocka_unit_test(all_members_killed_at_once_come_back_with_everything),
        cmocka_unit_test(a_leader_that_slept_answers_nothing_stale),
        cmocka_unit_test(a_leader_that_is_cut_off_acknowledges_nothing),
        cmocka_unit_test(one_way_cuts_end_with_one_leader),
        cmocka_unit_test(a_follower_that_returns_does_not_disturb),
        cmocka_unit_test(a_member_that_lags_far_behind_gets_a_snapshot),
        cmocka_unit_test(snapshots_under_load_and_kills_lose_nothing),
        cmocka_unit_test(a_member_that_lost_its_disk_joins_under_a_new_id),
        cmocka_unit_test(a_removed_member_does_not_disturb),
        cmocka_unit_test(leadership_is_handed_over_without_a_lost_command),
        cmocka_unit_test(a_certificate_of_another_role_or_member_is_shut_out),
        cmocka_unit_test(a_member_whose_state_differs_halts_and_the_others_go_on),
        cmocka_unit_test(corrupt_files_are_not_started_from),
        cmocka_unit_test(a_full_disk_hands_over_and_nothing_is_lost),
        cmocka_unit_test(a_full_disk_everywhere_refuses_and_recovers),
        cmocka_unit_test(a_taken_port_or_a_missing_directory_is_one_clear_line),
    };
    if (argc > 1) {
        cmocka_set_test_filter(argv[1]);
    }
    return cmocka_run_group_tests_name("replica", tests, NULL, NULL);
}
