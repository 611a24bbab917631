/* One VM as the launcher holds it: its QEMU, its descriptors, its fence. */
#ifndef TCCP_NODEAGENT_LAUNCHER_GUEST_H
#define TCCP_NODEAGENT_LAUNCHER_GUEST_H

#include "nodeagent/launcher/accelerator.h"
#include "nodeagent/launcher/fence.h"
#include "nodeagent/launcher/sandbox.h"
#include "nodeagent/launcher/witness.h"

struct guest {
    struct guest *next;
    struct fence fence;
    uint32_t memory_mib;
    unsigned uid_slot;
    struct qemu_process process;
    int qmp_fd;     /* the agent's end; kept so that it outlives the agent */
    int secrets_fd; /* see VM_FD_SECRETS */
    int memory_fd;  /* can only read */
    int witness_fd; /* -1 once QEMU closed it */
    struct witness witness;
    bool was_killed;
    char last_line[EXIT_DETAIL_SIZE]; /* of QEMU's output */
    size_t last_line_size;
    bool last_line_ended;
};

/* What every guest of this launcher has in common. */
struct guest_settings {
    const char *qemu; /* absolute path */
    enum accelerator accelerator;
    uint64_t fence_ms; /* from SIGSTOP at a deadline to SIGKILL, where the VM's policy says stop */
    uid_t agent_uid;   /* who may write into a guest's folder of secrets */
    uid_t uid_first;   /* a guest's user and group: uid_first + its slot */
};

/*
 * Makes the memory, starts QEMU. kernel_fd and initrd_fd (-1 where the shape has none) stay the
 * caller's; refused unless sealed.
 */
WARN_UNUSED enum status guest_start(const struct guest_settings *settings,
                                    const struct launcher_request *request, unsigned uid_slot,
                                    int kernel_fd, int initrd_fd, uint64_t now_ms,
                                    struct guest **ret_guest, struct refusal *ret_refusal);
/* Its QEMU must have ended, or ends now. */
void guest_free(struct guest *guest);
DEFINE_OWN_POINTER(guest, guest_free)

void guest_signal(struct guest *guest, enum fence_signal signal);
/* Reads the witness; true when the guest was seen to run, or when it cannot be watched any more. */
bool guest_watch(struct guest *guest);
/* Reads QEMU's output, keeps its last line. */
void guest_read_output(struct guest *guest);
/* Collects a QEMU that ended; false while it lives. ret_detail (EXIT_DETAIL_SIZE characters) says
 * how. */
bool guest_collect(struct guest *guest, char *ret_detail);

#endif
