/*
 * A VM as the agent works with it over QMP: its disks and their keys go in by descriptor, it is let
 * run, paused, read. That it may run is the launcher's word: ask for the grant first, then
 * vm_run().
 *
 * One sequence at a time: a second one that is asked for before the first has ended fails with
 * STATUS_BUSY.
 */
#ifndef TCCP_NODEAGENT_VM_H
#define TCCP_NODEAGENT_VM_H

#include "nodeagent/qmp_script.h"

struct vm;

enum {
    VM_COMMAND_TIMEOUT_MS = 20000,
    VM_ABANDON_TIMEOUT_MS = 10000,
    VM_CONSOLE_READ_MAX = 48 * 1024, /* bytes at a time */
};

struct vm_handlers {
    void (*on_ready)(void *argument);
    /* Events of QMP: STOP, RESUME, SHUTDOWN, MIGRATION, BLOCK_IO_ERROR ... */
    void (*on_event)(void *argument, const char *name, const struct qmp_value *data);
    /* The monitor is gone: QEMU ended, or broke the protocol. */
    void (*on_closed)(void *argument, enum status status);
};

/* Takes `qmp_fd` when it succeeds. */
WARN_UNUSED enum status vm_open(struct uv_loop_s *loop, int qmp_fd, enum qmp_start start,
                                const struct vm_handlers *handlers, void *argument,
                                struct vm **ret_vm);
/* Ends the conversation, not the VM. No callback comes after it. NULL is fine. */
void vm_close(struct vm *vm);
struct qmp *vm_qmp(struct vm *vm);

typedef void (*vm_on_done)(void *argument, enum status status, const char *error);

/* Keys as LUKS in QEMU takes them: text. They are copied into memfds and not kept. */
struct vm_keys {
    struct view base, overlay;
};

/*
 * Gives the guest its disk: `base_fd` (read-only, of the image that was verified) below
 * `overlay_fd` (read and write). Both stay the caller's. After it the keys are in QEMU's block
 * layer only, as ciphers: not as text. An incoming VM (is_incoming) opens the overlay without
 * touching it; the source still has it.
 */
void vm_attach_disk(struct vm *vm, int base_fd, int overlay_fd, const struct vm_keys *keys,
                    vm_on_done on_done, void *argument);

/*
 * Lets the guest run: `cont`. keys are needed (not NULL) where its images were given away or have
 * not been taken over yet, that is after a migration, at both ends, aborted or not: QEMU opens
 * them again then. Ends when the guest runs.
 */
void vm_run(struct vm *vm, const struct vm_keys *keys, vm_on_done on_done, void *argument);
/* Ends a migration that an earlier agent may have left under way in QEMU; harmless where there is
 * none. Ends when QEMU says that it has given up, in VM_ABANDON_TIMEOUT_MS at the latest. */
void vm_abandon_migration(struct vm *vm, vm_on_done on_done, void *argument);
/* Stops the guest. */
void vm_pause(struct vm *vm, vm_on_done on_done, void *argument);

/* Whether QEMU sees every write of the guest while it runs: with KVM, and not when it emulates the
 * CPU. False until QEMU has said so. */
bool vm_tracks_memory(const struct vm *vm);

/* "running", "paused", "inmigrate" ... (QEMU's RunState), or the reason why not in `error`. */
void vm_status(struct vm *vm,
               void (*on_status)(void *argument, enum status status, const char *state),
               void *argument);

/* What the guest wrote to its console since the last call, at most VM_CONSOLE_READ_MAX bytes of
 * it; older output than QEMU's ring holds is lost. */
void vm_console_read(struct vm *vm,
                     void (*on_text)(void *argument, enum status status, struct view text),
                     void *argument);

#endif
