/*
 * QEMU's command line. PURE. The launcher makes it from a bounded shape and its own settings, so
 * that an agent that was taken over cannot start QEMU outside its sandbox. Nothing secret is in it:
 * keys and disks come later, over QMP.
 */
#ifndef TCCP_NODEAGENT_LAUNCHER_COMMAND_H
#define TCCP_NODEAGENT_LAUNCHER_COMMAND_H

#include "nodeagent/launcher/message.h"

/* Descriptors that QEMU inherits, under these numbers. */
enum {
    QEMU_FD_QMP = 3, /* the agent's monitor */
    QEMU_FD_WITNESS, /* the launcher's monitor */
    QEMU_FD_MEMORY,  /* the guest's memory, a sealed memfd */
    QEMU_FD_SECRETS, /* a folder in memory that only the agent and this QEMU reach */
    QEMU_FD_KERNEL,  /* present where the shape has a kernel */
    QEMU_FD_INITRD,
    QEMU_FD_END,
    QEMU_ARGUMENTS_MAX = 64,
};

/* Migrations need the same machine on both sides: pinned, never "pc". */
#define QEMU_MACHINE "pc-i440fx-7.2"

enum accelerator { ACCELERATOR_TCG, ACCELERATOR_KVM };

struct qemu_command {
    char *arguments[QEMU_ARGUMENTS_MAX + 1]; /* NULL-terminated, for execve(2) */
    unsigned count;
};

/* `vm` becomes the process's name in listings: its first eight hex digits. */
WARN_UNUSED enum status qemu_command_build(const char *program, enum accelerator accelerator,
                                           const struct digest *vm, const struct vm_shape *shape,
                                           struct qemu_command *ret_command);
void qemu_command_free(struct qemu_command *command);
DEFINE_OWN_VALUE(qemu_command, qemu_command_free)

/*
 * SHA-256 of the machine that a guest sees, the same at both ends of a migration: machine type,
 * memory, CPUs, the devices that are always there, and the kernel's command line. Kernel, initrd
 * and disk are measured by themselves.
 */
struct digest vm_shape_digest(const struct vm_shape *shape);

#endif
