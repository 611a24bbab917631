#include "nodeagent/launcher/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    SAFE_FD_MIN =
        100, /* above all QEMU_FD_...: descriptors are parked there while they are moved */
    OPEN_FILES_MAX = 1024,
    CAPABILITY_MAX = 63,
    EXIT_BEFORE_EXEC = 127,
};

/* Where the new root is put together; it exists everywhere, and is hidden in this namespace only.
 */
#define NEW_ROOT "/tmp"

static const char *mount_read_only(const char *source, const char *target)
{
    if (mount(source, target, NULL, MS_BIND | MS_REC, NULL) != 0) {
        return "bind mount";
    }
    return mount(NULL, target, NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) != 0
               ? "read-only mount"
               : NULL;
}

/* One of /lib, /lib64: a link into /usr on today's systems, a folder on older ones. */
static const char *root_add_library_folder(const char *path)
{
    char target[64], link[64];
    ssize_t size = readlink(path, link, sizeof link - 1);
    struct stat info;

    (void)snprintf(target, sizeof target, NEW_ROOT "%s", path);
    if (size > 0) {
        link[size] = '\0';
        return symlink(link, target) != 0 ? "library link" : NULL;
    }
    if (stat(path, &info) != 0) {
        return NULL;
    }
    return mkdir(target, 0755) != 0 ? "library folder" : mount_read_only(path, target);
}

static const char *root_add_file(const char *path)
{
    char target[64];
    int fd;

    if (access(path, F_OK) != 0) {
        return NULL;
    }
    (void)snprintf(target, sizeof target, NEW_ROOT "%s", path);
    fd = open(target, O_CREAT | O_WRONLY | O_CLOEXEC, 0644);
    if (fd < 0) {
        return "file in the new root";
    }
    (void)close(fd);
    return mount(path, target, NULL, MS_BIND, NULL) != 0 ? "bind mount of a file" : NULL;
}

static const char *enter_root(const struct sandbox *sandbox)
{
    static const char *const folders[] = {NEW_ROOT "/usr", NEW_ROOT "/etc", NEW_ROOT "/dev",
                                          NEW_ROOT "/proc"};
    const char *failed;

    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0) {
        return "private mounts";
    }
    if (mount("tmpfs", NEW_ROOT, "tmpfs", MS_NOSUID, "mode=755,size=64k") != 0) {
        return "new root";
    }
    for (unsigned i = 0; i < ARRAY_SIZE(folders); i++) {
        if (mkdir(folders[i], 0755) != 0) {
            return "folder in the new root";
        }
    }
    if ((failed = mount_read_only("/usr", NEW_ROOT "/usr")) ||
        (failed = root_add_library_folder("/lib")) ||
        (failed = root_add_library_folder("/lib64")) ||
        (failed = root_add_file("/etc/ld.so.cache")) || (failed = root_add_file("/dev/null")) ||
        (failed = root_add_file("/dev/urandom")) ||
        (sandbox->needs_kvm && (failed = root_add_file("/dev/kvm")))) {
        return failed;
    }
    /* The process namespace is new: this shows QEMU to itself, and nothing else. */
    if (mount("proc", NEW_ROOT "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, "subset=pid") !=
        0) {
        return "proc";
    }
    if (chdir(NEW_ROOT) != 0 || syscall(SYS_pivot_root, ".", ".") != 0 ||
        umount2(".", MNT_DETACH) != 0 || chdir("/") != 0) {
        return "pivot_root";
    }
    if (mount(NULL, "/", NULL, MS_REMOUNT | MS_BIND | MS_RDONLY | MS_NOSUID, NULL) != 0) {
        return "read-only root";
    }
    return NULL;
}

const char *sandbox_end_with_launcher(int fd)
{
    struct pollfd other_end = {.fd = fd};

    if (prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) {
        return "parent death signal";
    }
    /* A dying process closes its descriptors before it sends that signal: one that died too early
     * for the signal has closed its end by now. */
    return poll(&other_end, 1, 0) != 0 ? "launcher is gone" : NULL;
}

const char *sandbox_drop_privileges(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count)
{
    for (int capability = 0; capability <= CAPABILITY_MAX; capability++) {
        if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
            return "capability bounding set";
        }
    }
    if (setgroups(group_count, groups) != 0) {
        return "setgroups";
    }
    /* Root gives up all its capabilities with the change of the user. */
    if (setresgid(gid, gid, gid) != 0 || setresuid(uid, uid, uid) != 0) {
        return "setresuid";
    }
    if (uid != 0 && setresuid(0, 0, 0) == 0) {
        return "giving up root";
    }
    return NULL;
}

static const char *set_limits(void)
{
    const struct rlimit no_core = {0, 0}, files = {OPEN_FILES_MAX, OPEN_FILES_MAX};

    return setrlimit(RLIMIT_CORE, &no_core) != 0 || setrlimit(RLIMIT_NOFILE, &files) != 0
               ? "resource limits"
               : NULL;
}

/* Puts every descriptor under its number, closes all others. */
static const char *arrange_descriptors(const struct qemu_descriptors *descriptors, int output)
{
    int parked[QEMU_FD_END];

    for (int i = 0; i < QEMU_FD_END; i++) {
        int fd = i == 0 ? open("/dev/null", O_RDONLY) : i <= 2 ? output : descriptors->inherited[i];

        parked[i] = fd < 0 ? -1 : fcntl(fd, F_DUPFD, SAFE_FD_MIN);
        if (fd >= 0 && parked[i] < 0) {
            return "descriptors";
        }
    }
    for (int i = 0; i < QEMU_FD_END; i++) {
        (void)close(i);
        if (parked[i] >= 0 && dup2(parked[i], i) != i) {
            return "descriptors";
        }
    }
    return syscall(SYS_close_range, QEMU_FD_END, ~0U, 0) != 0 ? "close_range" : NULL;
}

static const char *confine(const struct sandbox *sandbox)
{
    gid_t groups[1];
    size_t group_count = 0;
    const char *failed;

    if (sandbox->needs_kvm) {
        struct stat info;

        if (stat("/dev/kvm", &info) != 0) {
            return "/dev/kvm";
        }
        groups[group_count++] = info.st_gid;
    }
    failed = enter_root(sandbox);
    return failed ? failed
                  : sandbox_drop_privileges(sandbox->uid, sandbox->gid, groups, group_count);
}

_Noreturn static void child_run(const struct sandbox *sandbox, const struct qemu_command *command,
                                const struct qemu_descriptors *descriptors, int output)
{
    static char *const environment[] = {NULL};
    const char *failed;
    sigset_t none;

    (void)sigemptyset(&none);
    (void)sigprocmask(SIG_SETMASK, &none, NULL);
    (void)umask(077);
    if (!(failed = arrange_descriptors(descriptors, output)) && !(failed = set_limits()) &&
        !(failed = confine(sandbox))) {
        if (setsid() < 0 && errno != EPERM) {
            failed = "setsid";
        } else if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
            failed = "no_new_privs";
        } else if (!(failed = sandbox_end_with_launcher(STDERR_FILENO))) {
            (void)execve(command->arguments[0], command->arguments, environment);
            failed = "exec of QEMU";
        }
    }
    (void)dprintf(STDERR_FILENO, "sandbox: %s: %s\n", failed, strerror(errno));
    _exit(EXIT_BEFORE_EXEC);
}

enum status sandbox_start(const struct sandbox *sandbox, const struct qemu_command *command,
                          const struct qemu_descriptors *descriptors,
                          struct qemu_process *ret_process)
{
    const unsigned long namespaces =
        CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
    int output[2], pidfd = -1;
    long pid;

    if (pipe2(output, O_CLOEXEC | O_NONBLOCK) != 0) {
        return STATUS_IO;
    }
    /* fork() with namespaces and a pidfd. The launcher has one thread. */
    pid = syscall(SYS_clone, namespaces | CLONE_PIDFD | SIGCHLD, 0, &pidfd, 0, 0);
    if (pid == 0) {
        child_run(sandbox, command, descriptors, output[1]);
    }
    (void)close(output[1]);
    if (pid < 0) {
        (void)close(output[0]);
        return STATUS_IO;
    }
    *ret_process = (struct qemu_process){(pid_t)pid, pidfd, output[0]};
    return STATUS_OK;
}
