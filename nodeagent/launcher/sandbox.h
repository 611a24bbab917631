/*
 * What a QEMU is locked into before it runs its first instruction: own namespaces (a root that
 * holds /usr read-only and little else, no network, no other process), own user, no capability, no
 * way to gain one, no core. QEMU's own seccomp filter comes on top (command.h).
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_SANDBOX_H
#define TCCP_NODEAGENT_LAUNCHER_SANDBOX_H

#include "nodeagent/launcher/command.h"

#include <sys/types.h>

struct sandbox {
    uid_t uid;
    gid_t gid;
    bool needs_kvm; /* /dev/kvm is visible, and its group is kept */
};

/* Descriptors for the child, in the order of QEMU_FD_...; -1 where there is none. */
struct qemu_descriptors {
    int inherited[QEMU_FD_END];
};

struct qemu_process {
    pid_t pid;
    int pidfd;
    int output; /* what QEMU says on its standard output and error; non-blocking */
};

/*
 * Starts QEMU in the sandbox; the descriptors stay the caller's. It dies with the thread that
 * called this (PDEATHSIG). A failure in the child shows as its end, with a line on `output`.
 */
WARN_UNUSED enum status sandbox_start(const struct sandbox *sandbox,
                                      const struct qemu_command *command,
                                      const struct qemu_descriptors *descriptors,
                                      struct qemu_process *ret_process);

/*
 * For a child of the launcher, before it becomes QEMU or the agent: from here on it ends with the
 * launcher, also if the launcher has ended already. Of what `fd` is joined to, only the launcher
 * holds the other end. Returns the name of the step that failed, NULL on success.
 */
const char *sandbox_end_with_launcher(int fd);

/* What the agent gets: its own user, no capability; used in its child by the supervisor. Returns
 * the name of the step that failed, NULL on success. */
const char *sandbox_drop_privileges(uid_t uid, gid_t gid, const gid_t *groups, size_t group_count);

#endif
