#include "lib/daemon/daemon.h"

#include "lib/base/secret.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FIRST_SOCKET_FD = 3 }; /* SD_LISTEN_FDS_START */

PRINTF_LIKE(3, 4)
static enum status failed(enum status status, char *ret_error, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)vsnprintf(ret_error, DAEMON_ERROR_SIZE, format, arguments);
    va_end(arguments);
    return status;
}

/* A socket that took descriptor 2 would be sent our log. */
static enum status standard_fds_open(char *ret_error)
{
    int fd;

    do {
        fd = open("/dev/null", O_RDWR);
        if (fd < 0) {
            return failed(STATUS_IO, ret_error, "cannot open /dev/null: %s", strerror(errno));
        }
    } while (fd <= STDERR_FILENO);
    (void)close(fd);
    return STATUS_OK;
}

static int listen_fd_count(void)
{
    const char *pid = getenv("LISTEN_PID"), *count = getenv("LISTEN_FDS");

    return pid && count && strtol(pid, NULL, 10) == getpid() ? (int)strtol(count, NULL, 10) : 0;
}

static bool fd_is_kept(int fd, const struct daemon_hardening *hardening)
{
    if (fd <= STDERR_FILENO ||
        (fd >= FIRST_SOCKET_FD && fd < FIRST_SOCKET_FD + listen_fd_count())) {
        return true;
    }
    for (size_t i = 0; i < hardening->keep_fd_count; i++) {
        if (hardening->keep_fds[i] == fd) {
            return true;
        }
    }
    return false;
}

static enum status inherited_fds_close(const struct daemon_hardening *hardening, char *ret_error)
{
    DIR *folder = opendir("/proc/self/fd");
    struct dirent *entry;

    if (!folder) {
        return failed(STATUS_IO, ret_error, "cannot list /proc/self/fd (is /proc mounted?): %s",
                      strerror(errno));
    }
    while ((entry = readdir(folder))) {
        int fd = (int)strtol(entry->d_name, NULL, 10);

        if (entry->d_name[0] != '.' && fd != dirfd(folder) && !fd_is_kept(fd, hardening)) {
            (void)close(fd);
        }
    }
    (void)closedir(folder);
    return STATUS_OK;
}

static enum status dumps_forbid(char *ret_error)
{
    const struct rlimit none = {0, 0};

    if (setrlimit(RLIMIT_CORE, &none) != 0 || prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
        return failed(STATUS_DENIED, ret_error, "cannot forbid core dumps: %s", strerror(errno));
    }
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return failed(STATUS_DENIED, ret_error, "cannot give up new privileges: %s",
                      strerror(errno));
    }
    return STATUS_OK;
}

/* Under a limit that falls short, locking everything would make a later allocation fail. */
static bool all_memory_may_be_locked(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct rlimit limit;

    if (getrlimit(RLIMIT_MEMLOCK, &limit) == 0 && limit.rlim_cur == RLIM_INFINITY) {
        return true;
    }
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_IPC_LOCK & 1);
}

static enum status memory_lock(const struct daemon_hardening *hardening, bool *ret_locked,
                               char *ret_error)
{
    /* On fault: a reservation that is never touched costs nothing. */
    *ret_locked = false;
    errno = EPERM;
    if (all_memory_may_be_locked()) {
        *ret_locked = mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0;
    }
    if (!*ret_locked && hardening->must_lock_memory) {
        return failed(STATUS_DENIED, ret_error,
                      "cannot lock memory, which keeps keys out of swap: %s; raise LimitMEMLOCK or "
                      "grant CAP_IPC_LOCK",
                      strerror(errno));
    }
    if (hardening->secret_heap_size > 0 &&
        secret_heap_start(hardening->secret_heap_size) != STATUS_OK &&
        hardening->must_lock_memory) {
        return failed(STATUS_DENIED, ret_error,
                      "cannot lock the heap for keys (%zu bytes); raise LimitMEMLOCK or grant "
                      "CAP_IPC_LOCK",
                      hardening->secret_heap_size);
    }
    return STATUS_OK;
}

enum status daemon_harden(const struct daemon_hardening *hardening, bool *ret_locked,
                          char *ret_error)
{
    bool is_locked = false;

    (void)umask(077);
    (void)signal(SIGPIPE, SIG_IGN);
    TRY(standard_fds_open(ret_error));
    TRY(inherited_fds_close(hardening, ret_error));
    TRY(dumps_forbid(ret_error));
    TRY(memory_lock(hardening, &is_locked, ret_error));
    if (ret_locked) {
        *ret_locked = is_locked;
    }
    return STATUS_OK;
}
