#include "nodeagent/launcher/confinement.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <seccomp.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Namespaces and mounts, users, signals to other users' processes, ownership of what it makes,
 * dropping the rest, and the agent's limits. */
static const unsigned kept_capabilities[] = {
    CAP_SYS_ADMIN, CAP_SETUID, CAP_SETGID, CAP_SETPCAP,      CAP_KILL,
    CAP_CHOWN,     CAP_FOWNER, CAP_FSETID, CAP_SYS_RESOURCE, CAP_DAC_OVERRIDE,
};

/*
 * Calls that reach into other processes, into the kernel, or into the machine as a whole. The
 * filter is inherited by agent and guests; QEMU's own comes on top of it.
 */
static const int denied_calls[] = {
    SCMP_SYS(ptrace),
    SCMP_SYS(process_vm_readv),
    SCMP_SYS(process_vm_writev),
    SCMP_SYS(kcmp),
    SCMP_SYS(pidfd_getfd),
    SCMP_SYS(process_madvise),
    SCMP_SYS(init_module),
    SCMP_SYS(finit_module),
    SCMP_SYS(delete_module),
    SCMP_SYS(kexec_load),
    SCMP_SYS(kexec_file_load),
    SCMP_SYS(bpf),
    SCMP_SYS(add_key),
    SCMP_SYS(request_key),
    SCMP_SYS(keyctl),
    SCMP_SYS(userfaultfd),
    SCMP_SYS(open_by_handle_at),
    SCMP_SYS(swapon),
    SCMP_SYS(swapoff),
    SCMP_SYS(reboot),
    SCMP_SYS(acct),
    SCMP_SYS(quotactl),
    SCMP_SYS(iopl),
    SCMP_SYS(ioperm),
    SCMP_SYS(settimeofday),
    SCMP_SYS(clock_settime),
    SCMP_SYS(adjtimex),
    SCMP_SYS(clock_adjtime),
    SCMP_SYS(syslog),
    SCMP_SYS(lookup_dcookie),
    SCMP_SYS(io_uring_setup),
    SCMP_SYS(io_uring_enter),
    SCMP_SYS(io_uring_register),
};

static enum status calls_deny(void)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int failed = filter ? 0 : -1;

    for (size_t i = 0; failed == 0 && i < ARRAY_SIZE(denied_calls); i++) {
        failed = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), denied_calls[i], 0);
    }
    if (failed == 0) {
        failed = seccomp_load(filter);
    }
    seccomp_release(filter);
    return failed == 0 ? STATUS_OK : STATUS_IO;
}

static enum status capabilities_drop(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3] = {{0}};
    struct __user_cap_data_struct has[_LINUX_CAPABILITY_U32S_3] = {{0}};

    if (syscall(SYS_capget, &header, has) != 0) {
        return STATUS_IO;
    }
    for (size_t i = 0; i < ARRAY_SIZE(kept_capabilities); i++) {
        data[CAP_TO_INDEX(kept_capabilities[i])].permitted |= CAP_TO_MASK(kept_capabilities[i]);
    }
    /* What it was not given it cannot keep; what is needed of that shows where it is used. */
    for (unsigned i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
        data[i].permitted &= has[i].permitted;
        data[i].effective = data[i].permitted;
    }
    for (unsigned capability = 0; capability <= CAP_LAST_CAP; capability++) {
        bool is_kept = data[CAP_TO_INDEX(capability)].permitted & CAP_TO_MASK(capability);

        if (!is_kept && prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
            return STATUS_IO;
        }
    }
    return syscall(SYS_capset, &header, data) == 0 ? STATUS_OK : STATUS_IO;
}

/* The agent locks its memory; an unprivileged process is allowed little of that. Where the limit
 * cannot be lifted, it is raised as far as it goes, and the agent says what it lacks. */
static enum status memory_limit_lift(void)
{
    struct rlimit limit = {RLIM_INFINITY, RLIM_INFINITY};

    if (setrlimit(RLIMIT_MEMLOCK, &limit) == 0) {
        return STATUS_OK;
    }
    if (getrlimit(RLIMIT_MEMLOCK, &limit) != 0) {
        return STATUS_IO;
    }
    limit.rlim_cur = limit.rlim_max;
    return setrlimit(RLIMIT_MEMLOCK, &limit) == 0 ? STATUS_OK : STATUS_IO;
}

enum status confinement_enter(int *ret_network_fd, const char **ret_step)
{
    int network_fd = open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC);

    *ret_step = "network namespace";
    if (network_fd < 0 || unshare(CLONE_NEWNET) != 0) {
        return STATUS_DENIED;
    }
    /* Nothing here is secret, and without CAP_IPC_LOCK what is locked would soon be too much. */
    *ret_step = "locked memory";
    if (munlockall() != 0) {
        return STATUS_IO;
    }
    TRY(memory_limit_lift());
    *ret_step = "capabilities";
    TRY(capabilities_drop());
    *ret_step = "system call filter";
    TRY(calls_deny());
    *ret_network_fd = network_fd;
    return STATUS_OK;
}
