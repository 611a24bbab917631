/* That nothing which the launcher starts outlives it. */
#include "tests/support/test.h"

#include "nodeagent/launcher/sandbox.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

enum { UID = 746000, TRIES = 50, END_MS = 5000 };

/* Whether the child is this program still. */
static bool has_not_become_another(pid_t pid)
{
    char path[64], own[4096], its[4096];
    ssize_t own_size = readlink("/proc/self/exe", own, sizeof own), its_size;

    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    its_size = readlink(path, its, sizeof its);
    return own_size > 0 && own_size == its_size && memcmp(own, its, (size_t)own_size) == 0;
}

/* A launcher that starts a program, freezes it at once, and dies of a signal. */
_Noreturn static void launcher_run(int report)
{
    struct sandbox sandbox = {.uid = UID, .gid = UID};
    char program[] = "/usr/bin/sleep", seconds[] = "1000";
    struct qemu_command command = {.arguments = {program, seconds}, .count = 2};
    struct qemu_descriptors descriptors;
    struct qemu_process process;

    for (int i = 0; i < QEMU_FD_END; i++) {
        descriptors.inherited[i] = -1;
    }
    if (sandbox_start(&sandbox, &command, &descriptors, &process) == STATUS_OK) {
        (void)kill(process.pid, SIGSTOP);
        (void)!write(report, &process.pid, sizeof process.pid);
        (void)raise(SIGKILL);
    }
    _exit(1);
}

static pid_t launcher_start_and_die(void)
{
    int report[2], status;
    pid_t launcher, started;

    assert_int_equal(pipe(report), 0);
    launcher = fork();
    assert_true(launcher >= 0);
    if (launcher == 0) {
        (void)close(report[0]);
        launcher_run(report[1]);
    }
    (void)close(report[1]);
    assert_int_equal(read(report[0], &started, sizeof started), sizeof started);
    (void)close(report[0]);
    assert_int_equal(waitpid(launcher, &status, 0), launcher);
    assert_true(WIFSIGNALED(status));
    return started;
}

/* Orphans come to this process. */
static bool ends(pid_t pid)
{
    for (unsigned i = 0; i < END_MS / 10; i++) {
        if (waitpid(pid, NULL, WNOHANG) == pid) {
            return true;
        }
        (void)usleep(10000);
    }
    return false;
}

static void a_qemu_that_was_frozen_before_it_began_does_not_outlive_its_launcher(void **state)
{
    unsigned early = 0;

    (void)state;
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0), 0);
    for (unsigned i = 0; i < TRIES && early < 3; i++) {
        pid_t started = launcher_start_and_die();

        if (has_not_become_another(started)) {
            early++;
            (void)kill(started, SIGCONT);
        }
        if (!ends(started)) {
            (void)kill(started, SIGKILL);
            fail_msg("it outlived its launcher");
        }
    }
    /* None that was frozen in time: nothing was tested. */
    assert_int_equal(early, 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_qemu_that_was_frozen_before_it_began_does_not_outlive_its_launcher),
    };

    /* Namespaces are root's to make. */
    if (geteuid() != 0) {
        (void)puts("1..0 # SKIP the launcher needs root");
        return 0;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
