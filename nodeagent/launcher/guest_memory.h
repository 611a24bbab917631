/*
 * A guest's memory: a memfd that can neither shrink nor grow, so that whoever maps it (QEMU, the
 * agent's monitor) never faults on it.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_GUEST_MEMORY_H
#define TCCP_NODEAGENT_LAUNCHER_GUEST_MEMORY_H

#include "lib/base/status.h"

#include <stdint.h>
#include <sys/types.h>

/* Openable by `uid` alone. Both descriptors are close-on-exec and the caller's: one for QEMU, and
 * one that can only read, for the agent. */
WARN_UNUSED enum status guest_memory_new(uint32_t size_mib, uid_t uid, gid_t gid, int *ret_fd,
                                         int *ret_readable_fd);

/*
 * An empty folder in memory, close-on-exec: a file system of its own that is mounted nowhere and
 * ends with its last descriptor. Files that `writer` makes in it belong to the group `reader`, and
 * nobody else gets in. STATUS_DENIED without the privilege to mount.
 */
WARN_UNUSED enum status secrets_folder_new(uid_t writer, gid_t reader, int *ret_fd);

/* Whether `fd` is a memfd that nobody can change any more: kernels and initrds must be. */
WARN_UNUSED enum status memfd_check_sealed(int fd);

#endif
