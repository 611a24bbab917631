#include "lib/daemon/daemon.h"

#include "lib/base/secret.h"
#include "tests/support/test.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uv.h>

enum { TAKEN_FD = 57, KEPT_FD = 58, LOWLY_UID = 65534 };

/* Runs `body` in a child, since it changes the process for good; its exit status. */
static int in_child(int (*body)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static int hardened_child(void)
{
    static const int kept[] = {KEPT_FD};
    const struct daemon_hardening hardening = {
        .secret_heap_size = 65536, .keep_fds = kept, .keep_fd_count = 1};
    char error[DAEMON_ERROR_SIZE];
    struct rlimit core;
    struct stat about;
    bool is_locked;

    if (dup2(STDOUT_FILENO, TAKEN_FD) < 0 || dup2(STDOUT_FILENO, KEPT_FD) < 0) {
        return 100;
    }
    (void)close(STDIN_FILENO);
    (void)umask(0);
    if (daemon_harden(&hardening, &is_locked, error) != STATUS_OK) {
        return 101;
    }
    if (getrlimit(RLIMIT_CORE, &core) != 0 || core.rlim_max != 0) {
        return 1;
    }
    if (prctl(PR_GET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return 2;
    }
    if (prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1) {
        return 3;
    }
    if (fcntl(TAKEN_FD, F_GETFD) >= 0 || fcntl(KEPT_FD, F_GETFD) < 0) {
        return 4;
    }
    if (fstat(STDIN_FILENO, &about) != 0 || !S_ISCHR(about.st_mode)) {
        return 5;
    }
    if (umask(0) != 077) {
        return 6;
    }
    return raise(SIGPIPE) == 0 ? 0 : 7;
}

static void a_hardened_process_dumps_nothing_and_inherits_nothing(void **state)
{
    (void)state;
    assert_int_equal(in_child(hardened_child), 0);
}

static int unlockable_child(void)
{
    const struct daemon_hardening hardening = {.secret_heap_size = 65536, .must_lock_memory = true};
    const struct rlimit none = {0, 0};
    char error[DAEMON_ERROR_SIZE] = "";
    bool is_locked;

    if (setrlimit(RLIMIT_MEMLOCK, &none) != 0 || (geteuid() == 0 && setuid(LOWLY_UID) != 0)) {
        return 100;
    }
    if (daemon_harden(&hardening, &is_locked, error) != STATUS_DENIED) {
        return 1;
    }
    return strstr(error, "cannot lock memory") && !strchr(error, '\n') ? 0 : 2;
}

static void a_process_with_secrets_does_not_start_where_memory_cannot_be_locked(void **state)
{
    (void)state;
    assert_int_equal(in_child(unlockable_child), 0);
}

static int unlocked_child(void)
{
    const struct daemon_hardening hardening = {.secret_heap_size = 65536};
    struct rlimit little;
    char error[DAEMON_ERROR_SIZE] = "";
    bool is_locked = true;
    void *memory;

    if (getrlimit(RLIMIT_MEMLOCK, &little) != 0) {
        return 100;
    }
    little.rlim_max = little.rlim_max < (64 << 20) ? little.rlim_max : (64 << 20);
    little.rlim_cur = little.rlim_max;
    if (setrlimit(RLIMIT_MEMLOCK, &little) != 0 || (geteuid() == 0 && setuid(LOWLY_UID) != 0)) {
        return 100;
    }
    if (daemon_harden(&hardening, &is_locked, error) != STATUS_OK || is_locked) {
        return 1;
    }
    memory = malloc(100 << 20); /* All locked under the limit, this would fail. */
    return memory ? 0 : 2;
}

static void a_process_that_may_do_without_goes_on_unlocked(void **state)
{
    (void)state;
    assert_int_equal(in_child(unlocked_child), 0);
}

struct stop {
    int number;
    unsigned stops, reloads;
    struct signals *signals;
};

static void on_stop(void *argument, int number)
{
    struct stop *stop = argument;

    stop->number = number;
    stop->stops++;
    signals_close(stop->signals);
}

static void on_reload(void *argument)
{
    struct stop *stop = argument;

    stop->reloads++;
    assert_int_equal(kill(getpid(), SIGTERM), 0);
}

static void on_nothing(uv_timer_t *timer)
{
    (void)timer;
}

static void signals_reach_the_loop(void **state)
{
    struct stop stop = {0};
    uv_timer_t timer;
    uv_loop_t loop;

    (void)state;
    assert_int_equal(uv_loop_init(&loop), 0);
    assert_int_equal(uv_timer_init(&loop, &timer), 0);
    assert_int_equal(uv_timer_start(&timer, on_nothing, 10000, 0), 0);
    assert_ok(signals_open(&loop, on_stop, on_reload, &stop, &stop.signals));
    assert_int_equal(kill(getpid(), SIGHUP), 0);
    while (stop.stops == 0) {
        (void)uv_run(&loop, UV_RUN_ONCE);
    }
    assert_int_equal(stop.reloads, 1);
    assert_int_equal(stop.number, SIGTERM);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void the_service_manager_is_told(void **state)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/tccp-notify-XXXXXX", message[200];
    int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ssize_t size;

    (void)state;
    notify_ready(); /* Without a service manager: nothing. */
    assert_non_null(mkdtemp(folder));
    (void)snprintf(name.sun_path, sizeof name.sun_path, "%s/s", folder);
    assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof name), 0);
    assert_int_equal(setenv("NOTIFY_SOCKET", name.sun_path, 1), 0);
    notify_ready();
    size = recv(fd, message, sizeof message, 0);
    assert_int_equal(size, 7);
    assert_memory_equal(message, "READY=1", 7);
    notify_status("leads %d\nREADY=0", 3);
    size = recv(fd, message, sizeof message, 0);
    assert_int_equal(size, 14);
    assert_memory_equal(message, "STATUS=leads 3", 14);
    assert_int_equal(unsetenv("NOTIFY_SOCKET"), 0);
    (void)close(fd);
    (void)unlink(name.sun_path);
    (void)rmdir(folder);
}

static void the_watchdog_is_fed_twice_an_interval(void **state)
{
    char pid[16];

    (void)state;
    assert_int_equal(notify_watchdog_interval_ms(), 0);
    assert_int_equal(setenv("WATCHDOG_USEC", "3000000", 1), 0);
    assert_int_equal(notify_watchdog_interval_ms(), 1500);
    assert_int_equal(setenv("WATCHDOG_PID", "1", 1), 0);
    assert_int_equal(notify_watchdog_interval_ms(), 0); /* meant for another process */
    (void)snprintf(pid, sizeof pid, "%d", (int)getpid());
    assert_int_equal(setenv("WATCHDOG_PID", pid, 1), 0);
    assert_int_equal(notify_watchdog_interval_ms(), 1500);
}

/* What a child with standard error on `fd` logs, read back from it. */
static void logged_text(bool is_journal, char *ret_text, size_t size)
{
    int ends[2];
    pid_t child;
    ssize_t length;

    assert_int_equal(pipe(ends), 0);
    child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        struct stat about;
        char stream[64];

        (void)dup2(ends[1], STDERR_FILENO);
        if (is_journal && fstat(STDERR_FILENO, &about) == 0) {
            (void)snprintf(stream, sizeof stream, "%llu:%llu", (unsigned long long)about.st_dev,
                           (unsigned long long)about.st_ino);
            (void)setenv("JOURNAL_STREAM", stream, 1);
        }
        daemon_log_start(LOG_INFO);
        log_event(LOG_WARNING, "disk-low", "free=%d", 7);
        log_event(LOG_DEBUG, "detail", "left=out");
        _exit(0);
    }
    (void)close(ends[1]);
    length = read(ends[0], ret_text, size - 1);
    assert_true(length > 0);
    ret_text[length] = 0;
    (void)close(ends[0]);
    assert_int_equal(waitpid(child, NULL, 0), child);
}

static void the_journal_gets_levels_and_others_get_the_time(void **state)
{
    enum log_level level;
    char text[300];

    (void)state;
    logged_text(true, text, sizeof text);
    assert_string_equal(text, "<4>disk-low free=7\n");
    logged_text(false, text, sizeof text);
    assert_int_equal(text[10], 'T');
    assert_string_equal(text + 23, "Z warning disk-low free=7\n");
    assert_ok(log_level_of_name("debug", &level));
    assert_int_equal(level, LOG_DEBUG);
    assert_status(log_level_of_name("loud", &level), STATUS_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_hardened_process_dumps_nothing_and_inherits_nothing),
        cmocka_unit_test(a_process_with_secrets_does_not_start_where_memory_cannot_be_locked),
        cmocka_unit_test(a_process_that_may_do_without_goes_on_unlocked),
        cmocka_unit_test(signals_reach_the_loop),
        cmocka_unit_test(the_service_manager_is_told),
        cmocka_unit_test(the_watchdog_is_fed_twice_an_interval),
        cmocka_unit_test(the_journal_gets_levels_and_others_get_the_time),
    };
    return cmocka_run_group_tests_name("daemon", tests, NULL, NULL);
}
